"""SavedModels and checkpoint indexes, written byte by byte: good ones, and one for each way to hurt whoever loads them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "formats"))
from models import field, number

LAMBDA = json.dumps(
    {"class_name": "Lambda", "config": {"function": ["4wEAAAA=", None, None], "function_type": "lambda"}}
)
CUSTOM = json.dumps({"class_name": "MyLayer", "registered_name": "MyLayer", "config": {}})


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
    for op in (
        "ReadFile",
        "WriteFile",
        "PyFunc",
        "EagerPyFunc",
        "MatchingFiles",
        "ImmutableConst",
        "SqlDataset",
        "DebugIdentityV2",
        "CreateSummaryFileWriter",
    ):
        yield f"{op}.pb", saved([node("out", op, "c")]), "savedmodel-operator"
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


def _on_restore() -> bytes:
    """A checkpoint that is written over while the variables are restored."""
    evil = [CONST, node("s", "SaveV2"), node("restore", "NoOp", "^s"), OUT]
    meta = field(2, b"".join(field(1, n) for n in evil)) + field(3, field(3, b"restore"))
    return field(1, 1) + field(2, meta)


def doubtful() -> Iterator[tuple[str, bytes]]:
    """What is neither refused nor proven."""
    yield "unknown-operator.pb", saved([node("out", "SentencepieceOp", "c")])
    yield "anything.pb", b"\x0a\x03abc\xff\xff\xff"
    yield "two-graphs.pb", saved([OUT], graphs=2)
    yield "unknown-field.pb", saved([OUT]) + field(99, b"x")
    yield "registered.pb", saved([OUT], objects=field(1, field(13, b"Mine>Layer")))


def block(entries: list[tuple[bytes, bytes]]) -> bytes:
    """A block of a table, with its trailer."""
    body = b"".join(number(0) + number(len(k)) + number(len(v)) + k + v for k, v in entries)
    return body + bytes(4) + (1).to_bytes(4, "little") + bytes(5)


def index(entries: list[tuple[bytes, bytes]], *, shards: int = 1, extra: bytes = b"") -> bytes:
    """The index of a checkpoint."""
    data = block([(b"", field(1, shards) + field(3, field(1, 1))), *entries]) + extra
    meta = block([])
    handle = number(0) + number(len(data) - len(extra) - 5)
    top = block([(b"\xff", handle)])
    handles = number(len(data)) + number(len(meta) - 5) + number(len(data) + len(meta)) + number(len(top) - 5)
    return data + meta + top + handles.ljust(40, b"\0") + bytes.fromhex("57fb808b247547db")


def tensor(offset: int, size: int, shard: int = 0) -> bytes:
    """One entry of an index."""
    return field(1, 1) + field(2, field(2, field(1, size // 4))) + field(3, shard) + field(4, offset) + field(5, size)
