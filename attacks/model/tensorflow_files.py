"""SavedModels and checkpoint indexes, written byte by byte: good ones, and one for each way to hurt whoever loads them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "formats"))
from models import field, number, zipped

LAMBDA = json.dumps(
    {"class_name": "Lambda", "config": {"function": ["4wEAAAA=", None, None], "function_type": "lambda"}}
)
CUSTOM = json.dumps({"class_name": "MyLayer", "registered_name": "MyLayer", "config": {}})

REACHING = """
    BigQueryReader CSVDataset CSVDatasetV2 CacheDataset CacheDatasetV2 CheckpointExtract
    CollectiveInitializeCommunicator ConfigureDistributedTPU CreateSummaryDbWriter CreateSummaryFileWriter
    DataServiceDataset DataServiceDatasetV2 DataServiceDatasetV3 DataServiceDatasetV4 DatasetToTFRecord
    DebugIdentity DebugIdentityV2 DebugIdentityV3 DebugNanCount DebugNumericSummary DebugNumericSummaryV2
    EagerPyFunc ExperimentalDatasetToTFRecord ExperimentalMatchingFilesDataset FixedLengthRecordDataset
    FixedLengthRecordDatasetV2 FixedLengthRecordReader FixedLengthRecordReaderV2 GenerateVocabRemapping
    IO>ArrowDataset ImmutableConst ImportEvent LMDBDataset LMDBReader LoadAndRemapMatrix LoadDataset MatchingFiles
    MatchingFilesDataset MlirPassthroughOp NumpyFunction PyFunc PyFuncStateless ReadFile RegisterDataset
    RegisterDatasetV2 RemoteCall Rpc RpcCall RpcClient RpcServer RpcServerRegister RpcServerStart SaveDataset
    SaveDatasetV2 SnapshotDataset SnapshotDatasetV2 SqlDataset TFRecordDataset TFRecordDatasetV2 TFRecordReader
    TFRecordReaderV2 TextLineDataset TextLineReader TextLineReaderV2 TfLiteSubgraphExecute TryRpc WholeFileReader
    WholeFileReaderV2 WriteAudioSummary WriteFile WriteGraphSummary WriteHistogramSummary WriteImageSummary
    WriteRawProtoSummary WriteScalarSummary WriteSummary
"""
"""Operators that open files or connections, write, or call Python, when the graph runs."""


def entry(key: str, value: bytes) -> bytes:
    """One entry of a map."""
    return field(1, key.encode()) + field(2, value)


def node(name: str, op: str, *inputs: str, call: str = "") -> bytes:
    """One node; `call` is a function that an attribute names."""
    called = field(5, entry("f", field(10, field(1, call.encode())))) if call else b""
    return field(1, name.encode()) + field(2, op.encode()) + b"".join(field(3, i.encode()) for i in inputs) + called


def function(name: str, *nodes: bytes) -> bytes:
    """A function of the library."""
    return field(1, field(1, name.encode())) + b"".join(field(3, n) for n in nodes)


CONST = field(1, b"c") + field(2, b"Const") + field(5, entry("value", field(8, field(1, 1) + field(4, bytes(8)))))
SAVER = [node("saver_filename", "Placeholder"), node("save", "StatefulPartitionedCall", "saver_filename", call="traced_save"),
         node("restore", "StatefulPartitionedCall", "saver_filename", call="traced_restore")]  # fmt: skip
SAVING = [function("traced_save", node("s", "SaveV2"), node("m", "MergeV2Checkpoints", "s"), node("f", "ShardedFilename")),
          function("traced_restore", node("r", "RestoreV2"))]  # fmt: skip


def saved(
    nodes: list[bytes],
    functions: list[bytes] | None = None,
    *,
    more: bytes = b"",
    root: str = "out",
    objects: bytes = b"",
    graphs: int = 1,
) -> bytes:
    """A SavedModel with the saver's functions and one signature."""
    graph = b"".join(field(1, n) for n in [CONST, *SAVER, *nodes]) + field(
        2, b"".join(field(1, f) for f in SAVING + (functions or []))
    )
    saver = field(1, b"saver_filename:0") + field(2, b"save:0") + field(3, b"restore") + field(7, 2)
    signature = field(5, entry("serving_default", field(2, entry("y", field(1, f"{root}:0".encode()) + field(2, 1)))))
    meta = field(2, graph) + field(3, saver) + signature + more + (field(7, objects) if objects else b"")
    return field(1, 1) + field(2, meta) * graphs


def metadata(text: str) -> bytes:
    """An object with what Keras keeps beside it."""
    return field(1, field(4, field(1, b"_tf_keras_layer") + field(3, text.encode())))


OUT = node("out", "MatMul", "c", "^c")
RUN = node("out", "StatefulPartitionedCall", "c", call="inner")
ASSET = field(6, field(1, field(1, b"c:0")) + field(2, b"vocabulary.txt"))


def good() -> Iterator[tuple[str, bytes]]:
    """Well-formed files."""
    yield "plain/saved_model.pb", saved([OUT])
    yield "neutral-name.pb", saved([OUT])
    yield "function/saved_model.pb", saved([RUN], [function("inner", node("a", "Assert"), node("b", "Relu"))])
    yield "objects/saved_model.pb", saved([OUT], objects=metadata(CUSTOM), more=ASSET)
    yield "direct/saved_model.pb", saved([node("out", "inner", "c")], [function("inner", node("b", "Relu"))])
    yield "frozen.pb", field(1, CONST) + field(1, OUT) + field(4, field(1, 22))
    yield "keras_metadata.pb", field(1, field(2, 0) + field(3, b"root") + field(5, CUSTOM.encode()))
    yield "fingerprint.pb", field(1, 77) + field(7, b"abc")


def bad() -> Iterator[tuple[str, bytes, str]]:
    """Name, bytes, and the rule that refuses them."""
    for op in REACHING.split():
        yield f"{op.replace('>', '-')}.pb", saved([node("out", op, "c")]), "savedmodel-operator"
    for op in (
        "Save",
        "SaveV2",
        "SaveSlices",
        "Restore",
        "RestoreV2",
        "RestoreSlice",
        "MergeV2Checkpoints",
        "ShardedFilename",
    ):
        yield f"saver-{op}.pb", saved([node("out", op, "c")]), "savedmodel-saver"
    yield "in-function.pb", saved([RUN], [function("inner", node("w", "WriteFile"))]), "savedmodel-operator"
    yield "unused.pb", saved([OUT], [function("unused", node("w", "ReadFile"))]), "savedmodel-operator"
    yield (
        "function-name.pb",
        saved([node("out", "ReadFile", "c")], [function("ReadFile", node("b", "Relu"))]),
        "savedmodel-operator",
    )
    yield "save-in-signature.pb", saved([node("out", "SaveV2", "c")]), "savedmodel-saver"
    yield "save-by-control.pb", saved([node("s", "SaveV2", "c"), node("out", "Relu", "^s")]), "savedmodel-saver"
    yield "save-in-function.pb", saved([RUN], [function("inner", node("s", "SaveV2"))]), "savedmodel-saver"
    yield (
        "save-two-deep.pb",
        saved(
            [RUN], [function("inner", node("x", "PartitionedCall", call="deep")), function("deep", node("s", "SaveV2"))]
        ),
        "savedmodel-saver",
    )
    yield "restore-in-signature.pb", saved([node("out", "RestoreV2", "c")]), "savedmodel-saver"
    yield "saver-as-signature.pb", saved([OUT], root="save"), "savedmodel-saver"
    yield "save-on-restore.pb", _on_restore(), "savedmodel-saver"
    yield "save-by-object.pb", saved([OUT], objects=field(2, entry("traced_save", b""))), "savedmodel-saver"
    yield (
        "save-at-start.pb",
        saved([OUT, node("s", "SaveV2")], more=field(4, entry("saved_model_main_op", field(1, field(1, b"s"))))),
        "savedmodel-saver",
    )
    yield "frozen-save.pb", field(1, CONST) + field(1, node("s", "SaveV2", "c")), "savedmodel-saver"
    yield "frozen-read.pb", field(1, CONST) + field(1, node("s", "ReadFile", "c")), "savedmodel-operator"
    yield "asset-above.pb", saved([OUT], more=field(6, field(2, b"../../etc/passwd"))), "savedmodel-asset"
    yield "asset-absolute.pb", saved([OUT], more=field(6, field(2, b"/etc/passwd"))), "savedmodel-asset"
    yield "lambda.pb", saved([OUT], objects=metadata(LAMBDA)), "keras-lambda"
    yield "lambda/keras_metadata.pb", field(1, field(5, LAMBDA.encode())), "keras-lambda"
    yield "node-twice.pb", saved([OUT, OUT]), "savedmodel-node"
    yield "function-twice.pb", saved([OUT], [function("a"), function("a")]), "savedmodel-function"
    yield "length.pb", saved([OUT]) + b"\x12\xff\xff\x03", "savedmodel-length"

    yield from _broken()
    yield from _broken_index()


def _broken() -> Iterator[tuple[str, bytes, str]]:
    """Objects that call the saver, and what TensorFlow's own reader and others would take differently."""
    packed = zipped({"config.json": b"{}", "a.pkl": b"cos\nsystem\n."})
    held = field(1, b"z") + field(2, b"Const") + field(5, entry("value", field(8, field(4, packed))))
    yield "two.pb", saved([OUT, held]), "polyglot"
    yield "no-graph/saved_model.pb", field(1, 1), "savedmodel-graphs"
    yield "save-by-function.pb", saved([OUT], objects=field(1, field(6, field(1, b"traced_save")))), "savedmodel-saver"
    yield (
        "save-by-bare-function.pb",
        saved([OUT], objects=field(1, field(8, field(1, b"traced_save")))),
        "savedmodel-saver",
    )
    yield (
        "save-by-sparse-signature.pb",
        saved([OUT, node("s", "SaveV2")], more=field(5, entry("x", field(2, entry("y", field(4, field(1, b"s:0"))))))),
        "savedmodel-saver",
    )
    yield "function-nameless.pb", saved([OUT], [function("")]), "savedmodel-function"
    library = field(2, field(1, function("", node("w", "Relu"))))
    yield "function-nameless-first.pb", field(1, 1) + field(2, field(2, library + field(1, OUT))), "savedmodel-function"
    yield "node-nameless.pb", saved([OUT, node("", "Relu")]), "savedmodel-node"
    yield "node-idle.pb", saved([OUT, field(1, b"n")]), "savedmodel-node"
    yield "packed.pb", saved([OUT], objects=field(2, entry("f", field(2, b"\x80")))), "savedmodel-varint"
    yield (
        "packed-attribute.pb",
        saved([OUT, node("a", "Relu") + field(5, entry("l", field(1, field(3, b"\x80"))))]),
        "savedmodel-varint",
    )
    yield (
        "signature-text.pb",
        saved([OUT], objects=field(2, entry("f", field(3, field(13, b"\xff"))))),
        "savedmodel-text",
    )
    yield "debug-text.pb", saved([OUT, node("a", "Relu") + field(6, field(1, b"\xff"))]), "savedmodel-text"
    yield "function-text.pb", saved([OUT], [function("f") + field(4, entry("r", b"\xff"))]), "savedmodel-text"
    yield "tag-twice.pb", field(1, 1) + field(2, b"") + field(1, 2), "savedmodel-twice"


def _broken_index() -> Iterator[tuple[str, bytes, str]]:
    """Indexes of checkpoints: a name that two readers find in two places, blocks that lie over one another."""
    two = [(b"a", tensor(0, 8)), (b"b", tensor(8, 16))]
    head = (b"", field(1, 1) + field(3, field(1, 1)))
    plain = index(two)
    yield "order.index", index(two[::-1]), "bundle-order"
    yield "name-twice.index", index([two[0], two[0]]), "bundle-order"
    yield "head-twice.index", index([head, *two]), "bundle-order"
    yield "head-of-nothing-twice.index", index([head, *two], shards=0), "bundle-order"
    yield "shard.index", index([(b"a", tensor(0, 8, 7))]), "bundle-shard"
    yield "hidden.index", index(two, extra=b"hidden"), "bundle-cover"
    yield "hidden-behind.index", plain[:-48] + b"hidden" + plain[-48:], "bundle-cover"
    yield "filter.index", table([head, *two], [(b"filter.x", b"")]), "bundle-cover"
    yield "endless.index", plain[:-48] + b"\xff" * 11 + plain[-37:], "bundle-number"
    yield "outside.index", table([head, *two], size=1 << 23), "bundle-outside"
    yield "small-block.index", table([head, *two], size=3), "bundle-outside"
    yield "blocks-turned.index", _turned([(b"b", tensor(8, 16))], [head, (b"a", tensor(0, 8))]), "bundle-cover"
    yield "restarts.index", table([head], restarts=1 << 20), "bundle-block"
    yield "shared-name.index", table([head], raw=number(9) + number(1) + number(0) + b"a"), "bundle-block"
    yield "wire.index", index([(b"a", field(4, b"x"))]), "bundle-wire"


def _on_restore() -> bytes:
    """A checkpoint that is written over while the variables are restored."""
    evil = [CONST, node("s", "SaveV2"), node("restore", "NoOp", "^s"), OUT]
    meta = field(2, b"".join(field(1, n) for n in evil)) + field(3, field(3, b"restore"))
    return field(1, 1) + field(2, meta)


def _nested(depth: int) -> bytes:
    """A structure of lists of lists."""
    value = field(12, 1)
    for _ in range(depth):
        value = field(51, field(1, value))
    return value


def _nested_call(depth: int) -> bytes:
    """An attribute that names a function with an attribute that names a function, and so on."""
    value = field(3, 1)
    for _ in range(depth):
        value = field(10, field(1, b"f") + field(2, entry("a", value)))
    return value


def doubtful() -> Iterator[tuple[str, bytes]]:
    """What is neither refused nor proven."""
    yield "unknown-operator.pb", saved([node("out", "SentencepieceOp", "c")])
    yield "anything.pb", b"\x0a\x03abc\xff\xff\xff"
    yield "two-graphs.pb", saved([OUT], graphs=2)
    yield "unknown-field.pb", saved([OUT]) + field(99, b"x")
    yield "deep.pb", saved([OUT], objects=field(2, entry("f", field(3, _nested(80)))))
    yield "deep-attribute.pb", saved([OUT, node("a", "Relu") + field(5, entry("f", _nested_call(40)))])
    yield "bundle", index([(b"a", tensor(0, 8))])
    head = field(1, 1) + field(3, field(1, 1))
    yield "compressed.index", table([(b"", head)], kind=1)
    yield "endian.index", table([(b"", head + field(2, 1))])
    yield "shape.index", index([(b"a", field(2, field(99, b"")))])
    yield "name-long.index", index([(b"a" * 65537, tensor(0, 8))])
    yield "object-unknown.pb", saved([OUT], objects=field(1, field(99, b"")))
    yield "registered.pb", saved([OUT], objects=field(1, field(13, b"Mine>Layer")))


def block(entries: list[tuple[bytes, bytes]], restarts: int = 1, raw: bytes = b"", kind: int = 0) -> bytes:
    """A block of a table, with its trailer."""
    body = b"".join(number(0) + number(len(k)) + number(len(v)) + k + v for k, v in entries) + raw
    return body + bytes(4) + restarts.to_bytes(4, "little") + bytes([kind]) + bytes(4)


def table(
    entries: list[tuple[bytes, bytes]], filters: list[tuple[bytes, bytes]] | None = None, *, size: int | None = None,
    extra: bytes = b"", restarts: int = 1, raw: bytes = b"", kind: int = 0,
) -> bytes:  # fmt: skip
    """A table of one block of entries, a block of filters, and its index, which may lie about its own size."""
    data = block(entries, restarts, raw, kind) + extra
    meta = block(filters or [])
    top = block([(b"\xff", number(0) + number(len(data) - len(extra) - 5))])
    handles = (
        number(len(data))
        + number(len(meta) - 5)
        + number(len(data) + len(meta))
        + number(len(top) - 5 if size is None else size)
    )
    return data + meta + top + handles.ljust(40, b"\0") + bytes.fromhex("57fb808b247547db")


def _turned(second: list[tuple[bytes, bytes]], first: list[tuple[bytes, bytes]]) -> bytes:
    """A table whose second block lies before its first one."""
    late, early, meta = block(second), block(first), block([])
    handles = [number(len(late)) + number(len(early) - 5), number(0) + number(len(late) - 5)]
    top, at = block(list(zip((b"a", b"b"), handles, strict=True))), len(late) + len(early)
    footer = number(at) + number(len(meta) - 5) + number(at + len(meta)) + number(len(top) - 5)
    return late + early + meta + top + footer.ljust(40, b"\0") + bytes.fromhex("57fb808b247547db")


def index(entries: list[tuple[bytes, bytes]], *, shards: int = 1, extra: bytes = b"") -> bytes:
    """The index of a checkpoint."""
    return table([(b"", field(1, shards) + field(3, field(1, 1))), *entries], extra=extra)


def tensor(offset: int, size: int, shard: int = 0) -> bytes:
    """One entry of an index."""
    return field(1, 1) + field(2, field(2, field(1, size // 4))) + field(3, shard) + field(4, offset) + field(5, size)
