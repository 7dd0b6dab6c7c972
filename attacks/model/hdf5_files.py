"""HDF5 and Keras files, written byte by byte: good ones, and one for each way to hurt whoever loads them."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Iterator

NONE = (1 << 64) - 1
PICKLE = b"cposix\nsystem\n(S'echo owned'\ntR."


def padded(data: bytes) -> bytes:
    """To eight bytes."""
    return data + bytes(-len(data) % 8)


def message(kind: int, data: bytes, flags: int = 0) -> bytes:
    """One message of a version 1 object header."""
    return struct.pack("<HHB3x", kind, len(padded(data)), flags) + padded(data)


def header(*messages: bytes) -> bytes:
    """A version 1 object header."""
    body = b"".join(messages)
    return struct.pack("<BBHII4x", 1, 0, len(messages), 1, len(body)) + body


def text_type(size: int) -> bytes:
    """A text of fixed size."""
    return struct.pack("<B3sI", 0x13, b"\0\0\0", size)


FLOAT = struct.pack("<B3sI", 0x11, b"\x20\x1f\0", 4) + bytes.fromhex("0000200017080017") + struct.pack("<I", 127)
VARIABLE = struct.pack("<B3sI", 0x19, b"\x01\0\0", 16) + text_type(1)


def space(*shape: int) -> bytes:
    """A simple dataspace."""
    return struct.pack(f"<BBB5x{len(shape)}Q", 1, len(shape), 0, *shape)


def attribute(name: str, kind: bytes, shape: bytes, data: bytes) -> bytes:
    """An attribute message."""
    raw = name.encode() + b"\0"
    head = struct.pack("<BxHHH", 1, len(raw), len(kind), len(shape))
    return message(12, head + padded(raw) + padded(kind) + padded(shape) + data)


def text_attribute(name: str, value: str | bytes) -> bytes:
    """A text as an attribute."""
    raw = value.encode() if isinstance(value, str) else value
    return attribute(name, text_type(len(raw)), space(), raw)


def contiguous(at: int, size: int) -> bytes:
    """Layout of data in one piece."""
    return message(8, struct.pack("<BBQQ", 3, 1, at, size))


def link(name: str, at: int, kind: int = 0, to: bytes = b"") -> bytes:
    """A link message."""
    raw = name.encode()
    said = struct.pack("<BBBB", 1, 8, kind, len(raw)) + raw
    return message(6, said + (struct.pack("<Q", at) if not kind else struct.pack("<H", len(to)) + to))


def file(root: bytes, *objects: bytes, end: int | None = None) -> bytes:
    """A file of superblock 2 whose root header stands at byte 48, followed by the objects."""
    body = root + b"".join(objects)
    size = 48 + len(body) if end is None else end
    return b"\x89HDF\r\n\x1a\n" + struct.pack("<BBBBQQQQI", 2, 8, 8, 0, 0, NONE, size, 48, 0) + body


def dataset(
    *more: bytes,
    shape: tuple[int, ...] = (2, 3),
    kind: bytes = FLOAT,
    at: int | None = None,
    base: int = 0,
    size: int = 24,
) -> bytes:
    """A dataset whose data follows its header; `base` is where the header stands."""
    head = header(message(1, space(*shape)), message(3, kind), contiguous(0, size), *more)
    return header(
        message(1, space(*shape)), message(3, kind), contiguous(base + len(head) if at is None else at, size), *more
    )


def with_dataset(
    *more: bytes, attributes: tuple[bytes, ...] = (), data: bytes = bytes(range(24)), **how: object
) -> bytes:
    """A file with one dataset `w`."""
    base = 48 + len(header(link("w", 0), *attributes))
    return file(header(link("w", base), *attributes), dataset(*more, base=base, **how), data)


def patched(data: bytes, at: int, new: bytes) -> bytes:
    """Other bytes in one place."""
    return data[:at] + new + data[at + len(new) :]


def header_2(*messages: tuple[int, bytes], flags: int = 0, checksum: bytes = bytes(4)) -> bytes:
    """A version 2 object header; no reader of numbers needs its checksum."""
    body = b"".join(struct.pack("<BHB", kind, len(data), 0) + data for kind, data in messages)
    return b"OHDR" + struct.pack("<BBB", 2, flags, len(body)) + body + checksum


def heap(*texts: tuple[int, bytes], version: int = 1, size: int | None = None) -> bytes:
    """A global heap of numbered texts."""
    held = b"".join(struct.pack("<HH4xQ", index, 1, len(raw)) + padded(raw) for index, raw in texts) + bytes(16)
    return b"GCOL" + struct.pack("<B3xQ", version, 16 + len(held) if size is None else size) + held


def with_heap(held: bytes, *, size: int = 3, index: int = 1) -> bytes:
    """A file with an attribute whose text lies in a global heap."""
    return file(
        header(attribute("a", VARIABLE, space(), struct.pack("<IQI", size, 160, index))).ljust(112, b"\0"), held
    )


def tree(*children: tuple[int, int], kind: int = 1, level: int = 0, used: int | None = None) -> bytes:
    """A node of a version 1 tree over chunks of one axis: bytes and place of each child."""
    keys = b"".join(struct.pack("<IIQQQ", size, 0, 0, 0, at) for size, at in children)
    count = len(children) if used is None else used
    return (b"TREE" + struct.pack("<BBHQQ", kind, level, count, NONE, NONE) + keys).ljust(2096, b"\0")


def chunked(*nodes: bytes, axes: int = 2, kind: bytes = FLOAT, data: bytes = bytes(range(24))) -> bytes:
    """A file with one dataset in chunks; its tree is at byte 512, the next node behind it, the data last."""
    chunks = message(8, struct.pack(f"<BBBQ{axes}I", 3, 2, axes, 512, *(6,) * (axes - 1), 4))
    start = 48 + len(header(link("w", 0)))
    head = header(link("w", start)) + header(message(1, space(6)), message(3, kind), chunks)
    return file(head.ljust(512 - 48, b"\0"), *nodes, data)


def old_group(names: tuple[str, ...] = ("w",), *, kind: int = 0, place: int | None = None) -> bytes:
    """A file of superblock 0: a symbol table, its tree and its heap."""
    heap_data = bytes(8) + b"".join(padded(n.encode() + b"\0") for n in names)
    root_at, tree_at = 96, 96 + 16 + 24
    table_at = tree_at + 24 + 33 * 8 + 32 * 8
    heap_at = table_at + 8 + 80 * 4
    first = heap_at + 32 + len(heap_data)
    empty = header(message(1, space(1)), message(3, FLOAT), message(8, struct.pack("<BBH", 3, 0, 4) + b"abcd"))
    root = header(message(17, struct.pack("<QQ", tree_at, heap_at)))
    tree = b"TREE" + struct.pack("<BBHQQ", 0, 0, 1, NONE, NONE) + struct.pack("<QQQ", 0, table_at, 8)
    table = b"SNOD" + struct.pack("<BxH", 1, len(names))
    offset = 8
    for number, name in enumerate(names):
        table += struct.pack("<QQI20x", offset if place is None else place, first + number * len(empty), kind)
        offset += len(padded(name.encode() + b"\0"))
    heap = b"HEAP" + struct.pack("<B3xQQQ", 0, len(heap_data), NONE, heap_at + 32)
    body = root + tree.ljust(544, b"\0") + table.ljust(328, b"\0") + heap + heap_data + empty * len(names)
    head = b"\x89HDF\r\n\x1a\n" + struct.pack(
        "<BBBBBBBBHHIQQQQ", 0, 0, 0, 0, 0, 8, 8, 0, 4, 16, 0, 0, NONE, 96 + len(body), NONE
    )
    assert len(root) == 40
    return head + struct.pack("<QQI20x", 0, root_at, 0) + body


def layer(
    name: str = "Dense", module: str | None = "keras.layers", registered: str | None = None, **config: object
) -> dict[str, object]:
    """One object of a configuration."""
    return {"module": module, "class_name": name, "config": {"name": "x", **config}, "registered_name": registered}


def model(*layers: object, **more: object) -> dict[str, object]:
    """A sequential model."""
    return {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": "s", "layers": list(layers)},
        "registered_name": None,
        **more,
    }


def function(name: object, module: str | None) -> dict[str, object]:
    """A function as Keras writes it."""
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


CODE = {"class_name": "__lambda__", "config": {"code": "4wEAAAA=", "defaults": None, "closure": None}}
BAD_CONFIGURATIONS = {
    "lambda": (model(layer("Lambda", function=CODE)), "keras-lambda"),
    "lambda-old": (
        model(layer("Lambda", None, function=["4wEAAAA=", None, None], function_type="lambda")),
        "keras-lambda",
    ),
    "lambda-deep": (
        model(layer("TimeDistributed", layer=layer("Bidirectional", layer=layer("Lambda")))),
        "keras-lambda",
    ),
    "code-anywhere": (model(layer(activation=CODE)), "keras-lambda"),
    "tfsm": (model(layer("TFSMLayer", filepath="/tmp/saved")), "keras-class"),
    "torch": (model(layer("TorchModuleWrapper", module="AAAA")), "keras-class"),
    "jax": (model(layer("JaxLayer", call_fn=CODE)), "keras-class"),
    "module": (model(layer("system", "os", command="id")), "keras-module"),
    "module-run": (model(layer("Popen", "subprocess")), "keras-module"),
    "module-builtins": (model(layer("exec", "builtins")), "keras-module"),
    "module-alike": (model(layer("Dense", "keras_evil.layers")), "keras-module"),
    "module-optimizer": (model(layer(), compile_config={"optimizer": layer("system", "os")}), "keras-module"),
    "function-os": (model(layer(activation=function("system", "os"))), "keras-module"),
    "get-file": (model(layer(activation=function("get_file", "keras.utils"))), "keras-callable"),
    "get-file-class": (model(layer("get_file", "keras.utils", origin="http://x.invalid/y")), "keras-module"),
    "unlock": (model(layer(activation=function("enable_unsafe_deserialization", "keras.config"))), "keras-callable"),
    "inner-room": (model(layer("enable_unsafe_deserialization", "keras.src.saving.serialization_lib")), "keras-module"),
    "load": (model(layer(activation=function("load_model", "keras.models"))), "keras-callable"),
    "vocabulary": (model(layer("StringLookup", vocabulary="/etc/passwd")), "keras-path"),
    "address": (model(layer("TextVectorization", vocabulary="http://x.invalid/v")), "keras-path"),
    "nameless": (model(layer(activation=function({"code": "x"}, "builtins"))), "keras-callable"),
    "lambda-type": (model(layer("Dense", function_type="lambda")), "keras-lambda"),
    "module-number": (model(layer("Dense", 5)), "keras-config"),  # type: ignore[arg-type]
    "number": (model({"class_name": 7, "config": {}}), "keras-config"),
}
BAD_CONFIGURATIONS |= {
    f"path-{key}": (model(layer("StringLookup", **{key: "/etc/passwd"})), "keras-path")
    for key in ("vocabulary", "idf_weights", "filepath", "file_path", "path", "filename", "fname", "origin", "url", "cache_dir", "vocabulary_file",
                "vocab_file", "proto", "model_path", "saved_model_path")
}  # fmt: skip
BAD_CONFIGURATIONS |= {
    f"fetch-{name}": (model(layer(activation=function(name, None))), "keras-callable")
    for name in ("get_file", "enable_unsafe_deserialization", "load_model", "load_weights", "deserialize_keras_object")
}
BAD_CONFIGURATIONS |= {
    f"room-{room}": (model(layer(activation=function("something", f"keras.src.{room}.inner"))), "keras-callable")
    for room in (
        "utils",
        "config",
        "saving",
        "callbacks",
        "export",
        "datasets",
        "applications",
        "preprocessing",
        "backend",
    )
}
BAD_CONFIGURATIONS |= {
    f"class-{name}": (model(layer(name)), "keras-class")
    for name in ("JaxLayer", "FlaxLayer", "TFSMLayer", "TorchModuleWrapper")
}
DOUBTFUL_CONFIGURATIONS = {
    "custom": model(layer("MyLayer", None, "Mine>MyLayer")),
    "unknown": model(layer("Unheard", "keras.layers")),
    "hub": model(layer("Backbone", "keras_hub.src.models", "keras_hub>Backbone")),
    "main": model(layer("Mine", "__main__")),
    "own-function": model(layer(activation=function("mine", "builtins"))),
    "renamed": model(layer("Dense", "keras.layers", "Mine>Dense")),
}
GOOD_CONFIGURATIONS = {
    "sequential": model(layer(units=3, activation="relu", kernel_initializer=layer("GlorotUniform", "keras.initializers")), layer("Dropout", rate=0.1)),
    "functional": layer("Functional", "keras.src.models.functional", "Functional", layers=[layer("InputLayer"), layer("GetItem", "keras.src.ops.numpy")]),
    "old": {"class_name": "Sequential", "config": {"layers": [{"class_name": "Dense", "config": {"units": 1}}]}, "keras_version": "2.2.4"},
    "lookup": model(layer("StringLookup", vocabulary=["a", "b"])),
    "words": model(layer(doc="Lambda exec os.system __lambda__")),
    "compiled": model(layer(), compile_config={"optimizer": layer("Adam", "keras.optimizers", learning_rate=1e-3), "loss": function("mean_squared_error", "builtins")}),
}  # fmt: skip


def keras(config: object, *, weights: bytes | None = None, more: dict[str, bytes] | None = None) -> bytes:
    """A Keras 3 archive."""
    out = io.BytesIO()
    raw = config if isinstance(config, bytes) else json.dumps(config).encode()
    members = {
        "metadata.json": b'{"keras_version": "3.15.1"}',
        "config.json": raw,
        "model.weights.h5": with_dataset() if weights is None else weights,
    }
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in (members | (more or {})).items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return out.getvalue()


def good() -> Iterator[tuple[str, bytes]]:
    """Well-formed files."""
    yield "plain.h5", with_dataset()
    yield "old-group.h5", old_group(("w", "longer-name", "z"))
    yield (
        "attributes.h5",
        with_dataset(attributes=(text_attribute("backend", "numpy"), attribute("n", FLOAT, space(), bytes(4)))),
    )
    yield "compressed-names.h5", with_dataset(message(11, struct.pack("<BB6xHHHH", 1, 1, 1, 0, 0, 0)))
    yield "chunks.h5", chunked(tree((24, 512 + 2096)))
    yield "chunks-deep.h5", chunked(tree((0, 512 + 2096), level=1), tree((24, 512 + 2 * 2096)))
    yield "heap.h5", with_heap(heap((1, b"abc")))
    yield (
        "header-2.h5",
        file(header_2((12, b"\3\0" + struct.pack("<HHHB", 2, 8, 8, 0) + b"a\0" + text_type(4) + space() + b"text"))),
    )
    yield "continued.h5", file(header(message(16, struct.pack("<QQ", 48 + 40, 16))), message(0, bytes(8)))
    yield "continued-2.h5", file(header_2((16, struct.pack("<QQ", 48 + 31, 12))), b"OCHK" + bytes(8))
    yield "zeros.h5", with_dataset(data=bytes(24) + bytes(40))
    for title, config in GOOD_CONFIGURATIONS.items():
        yield f"config-{title}.h5", with_dataset(attributes=(text_attribute("model_config", json.dumps(config)),))
        yield f"config-{title}.keras", keras(config)
    yield (
        "vocabulary.keras",
        keras(GOOD_CONFIGURATIONS["lookup"], more={"assets/layers/lookup/vocabulary.txt": b"a\nb\n"}),
    )


def bad() -> Iterator[tuple[str, bytes, str]]:
    """Name, bytes, and the rule that refuses them."""
    yield "external-link.h5", file(header(link("x", 0, 64, b"\0other.h5\0/w\0"))), "hdf5-external-link"
    yield "external-data.h5", with_dataset(message(7, bytes(24))), "hdf5-external-data"
    yield (
        "virtual.h5",
        file(header(message(1, space(4)), message(3, FLOAT), message(8, struct.pack("<BBQI", 4, 3, 0, 1)))),
        "hdf5-virtual",
    )
    yield "plug-in.h5", with_dataset(message(11, struct.pack("<BB6xHHHH", 1, 1, 32004, 0, 0, 0))), "hdf5-filter"
    yield "outside.h5", with_dataset(at=1 << 40), "hdf5-outside"
    yield "overflow.h5", with_dataset(shape=(1 << 61, 1 << 61)), "hdf5-overflow"
    yield "size.h5", with_dataset(shape=(1 << 20,)), "hdf5-size"
    yield "overlap.h5", with_dataset(at=48), "hdf5-overlap"
    yield "end.h5", file(header(), end=1 << 40), "hdf5-end"

    yield (
        "pickled-dataset.h5",
        with_dataset(kind=text_type(len(PICKLE)), shape=(1,), size=len(PICKLE), data=PICKLE),
        "pickle-names",
    )
    yield "unread-lambda.h5", b"\x89HDF\r\n\x1a\n\x09" + bytes(60) + b'{"class_name": "Lambda"}', "keras-class"
    packed = keras(model(layer("Lambda", function=CODE)))
    yield "two.keras", with_dataset(kind=text_type(len(packed)), shape=(1,), size=len(packed), data=packed), "polyglot"
    yield "metadata.keras", keras(GOOD_CONFIGURATIONS["old"], more={"metadata.json": b'{"a": 1, "a": 2}'}), "keras-json"
    yield from _broken()
    yield from _broken_trees()
    yield "no-header.h5", file(b"\x09" + bytes(39)), "hdf5-header"
    yield "no-tree.h5", old_group().replace(b"TREE", b"XREE"), "hdf5-tree"
    yield "no-heap.h5", old_group().replace(b"HEAP", b"XEAP"), "hdf5-heap"
    yield "no-table.h5", old_group().replace(b"SNOD", b"XNOD"), "hdf5-table"
    yield "link-twice.h5", file(header(link("x", 104), link("x", 105)), bytes(8)), "hdf5-link"
    yield (
        "no-type.h5",
        file(header(message(1, space(1)), message(8, struct.pack("<BBH", 3, 0, 4) + b"abcd"))),
        "hdf5-dataset",
    )
    yield "axes.h5", with_dataset(shape=(1,) * 40), "hdf5-dataspace"
    yield "heap-name.h5", old_group(place=1 << 30), "hdf5-table"
    yield "text-outside.h5", file(header(attribute("a", text_type(1 << 20), space(), b"x" * 8))), "hdf5-attribute"
    yield "heap.h5", file(header(attribute("a", VARIABLE, space(), struct.pack("<IQI", 9, 48, 1)))), "hdf5-heap"
    yield "pickle.h5", file(header(text_attribute("info", PICKLE))), "pickle-names"
    yield (
        "key-twice.h5",
        file(header(text_attribute("model_config", '{"class_name":"Dense","class_name":"Lambda"}'))),
        "keras-json",
    )
    yield "deep.keras", keras(b"[" * 100_000 + b"]" * 100_000), "keras-json"
    yield (
        "bad-weights.keras",
        keras(GOOD_CONFIGURATIONS["old"], weights=file(header(link("x", 0, 64, b"\0o\0/w\0")))),
        "hdf5-external-link",
    )
    yield "pickle-inside.keras", keras(GOOD_CONFIGURATIONS["old"], more={"assets/a.pkl": PICKLE}), "pickle-names"
    yield (
        "code-inside.keras",
        keras(GOOD_CONFIGURATIONS["old"], more={"assets/a.py": b"import os\n"}),
        "code-beside-model",
    )
    for title, (config, rule) in BAD_CONFIGURATIONS.items():
        yield f"config-{title}.keras", keras(config), rule
        yield f"config-{title}.h5", with_dataset(attributes=(text_attribute("model_config", json.dumps(config)),)), rule


def _broken() -> Iterator[tuple[str, bytes, str]]:
    """Headers and messages that the HDF5 library and other readers take differently."""
    text = VARIABLE[:4] + struct.pack("<I", 8) + VARIABLE[8:]
    compact = message(8, struct.pack("<BBH", 3, 0, 4) + b"abcd")
    yield "datatype-version-0.h5", with_dataset(kind=b"\x01" + FLOAT[1:]), "hdf5-datatype"
    yield "datatype-version-5.h5", with_dataset(kind=b"\x51" + FLOAT[1:]), "hdf5-datatype"
    yield (
        "datatype-of-nothing.h5",
        with_dataset(kind=FLOAT[:4] + bytes(4) + FLOAT[8:], size=0, data=b""),
        "hdf5-datatype",
    )
    yield "variable-of-eight.h5", file(header(attribute("a", text, space(), bytes(8)))), "hdf5-datatype"
    yield "dataspace-version.h5", file(header(attribute("a", FLOAT, b"\3" + space()[1:], bytes(4)))), "hdf5-dataspace"
    yield (
        "dataspace-flags.h5",
        file(header(attribute("a", FLOAT, patched(space(), 2, b"\4"), bytes(4)))),
        "hdf5-dataspace",
    )
    yield "overflow-to-nothing.h5", with_dataset(shape=(1 << 63, 0), size=0, data=b""), "hdf5-overflow"
    yield "filter-version.h5", with_dataset(message(11, struct.pack("<BB6x", 3, 0))), "hdf5-filter"
    yield (
        "filters-many.h5",
        with_dataset(message(11, struct.pack("<BB6x", 1, 40) + struct.pack("<HHHH", 1, 0, 0, 0) * 40)),
        "hdf5-filter",
    )
    yield "link-version.h5", file(header(patched(link("x", 48), 8, b"\2"))), "hdf5-link"
    yield "link-flags.h5", file(header(patched(link("x", 48), 9, b"\x28"))), "hdf5-link"
    yield "link-text.h5", file(header(message(6, b"\1\x08\0\1\xff" + bytes(8)))), "hdf5-text"
    yield "link-nameless.h5", file(header(link("", 104))), "hdf5-text"
    yield "link-nul.h5", file(header(link("a\0b", 104))), "hdf5-text"  # C readers see another name
    yield "attribute-nul.h5", file(header(attribute("a\0b", FLOAT, space(), bytes(4)))), "hdf5-text"
    beyond = patched(attribute("a", FLOAT, space(), bytes(4)), 10, struct.pack("<H", 200))
    yield "attribute-beyond.h5", file(header(beyond, message(0, bytes(400)))), "truncated"
    yield "no-shape.h5", file(header(message(3, FLOAT), compact)), "hdf5-dataset"
    yield "compact-short.h5", file(header(message(1, space(2)), message(3, FLOAT), compact)), "hdf5-size"
    yield "contiguous-long.h5", with_dataset(size=32, data=bytes(32)), "hdf5-size"
    yield "header-2-outside.h5", file(header_2((0, bytes(5)), checksum=b"")), "hdf5-outside"
    yield (
        "continued-over.h5",
        file(header(message(16, struct.pack("<QQ", 88, 16)), message(0, bytes(8)))),
        "hdf5-overlap",
    )
    yield "continued-outside.h5", file(header(message(16, struct.pack("<QQ", 1 << 40, 0)))), "hdf5-outside"
    yield "continued-2.h5", file(header_2((16, struct.pack("<QQ", 80, 16))).ljust(32, b"\0"), bytes(16)), "hdf5-header"
    yield (
        "continued-2-short.h5",
        file(header_2((16, struct.pack("<QQ", 80, 4))).ljust(32, b"\0"), b"OCHK"),
        "hdf5-header",
    )
    yield "heap-version.h5", with_heap(heap((1, b"abc"), version=2)), "hdf5-heap"
    yield "heap-magic.h5", with_heap(b"X" + heap((1, b"abc"))[1:]), "hdf5-heap"
    yield "heap-longer.h5", with_heap(heap((1, b"abc")), size=4), "hdf5-heap"
    yield "heap-missing.h5", with_heap(heap((1, b"abc")), index=2), "hdf5-heap"
    yield "heap-twice.h5", with_heap(heap((1, b"abc"), (1, b"xyz"))), "hdf5-heap"
    yield "heap-outside.h5", with_heap(heap((1, b"abc"), size=1 << 20)), "hdf5-outside"


def _broken_trees() -> Iterator[tuple[str, bytes, str]]:
    """Trees, tables and heaps of names: a cycle, or a count that the node does not have, walks a reader out of its memory."""
    data = 512 + 2096
    yield "chunk-outside.h5", chunked(tree((24, 1 << 40))), "hdf5-outside"
    yield "chunk-shared.h5", chunked(tree((24, data), (24, data))), "hdf5-overlap"
    yield "chunk-axes.h5", chunked(tree((24, data)), axes=1), "hdf5-layout"
    yield "tree-of-groups.h5", chunked(tree((24, data), kind=0)), "hdf5-tree"
    yield "tree-full.h5", chunked(tree((24, data), used=65)), "hdf5-tree"
    yield "tree-deep.h5", chunked(tree(level=33)), "hdf5-tree"
    yield "tree-level.h5", chunked(tree((0, data), level=1), tree(level=1)), "hdf5-tree"
    yield "tree-cycle.h5", chunked(tree((0, 512), level=1)), "hdf5-tree"
    yield "names-version.h5", old_group().replace(b"HEAP\0", b"HEAP\1"), "hdf5-heap"
    yield "table-version.h5", old_group().replace(b"SNOD\1", b"SNOD\2"), "hdf5-table"
    yield "name-endless.h5", old_group(("abcdefg",)).replace(b"abcdefg\0", b"abcdefgh"), "hdf5-table"


def doubtful() -> Iterator[tuple[str, bytes]]:
    """What is neither refused nor proven."""
    yield "soft-link.h5", file(header(link("x", 0, 1, b"/w")))
    yield "soft-link-old.h5", old_group(kind=2)
    yield "lzf.h5", with_dataset(message(11, struct.pack("<BB6xHHHH", 1, 1, 32000, 0, 0, 0)))
    yield "hidden.h5", file(header(), b"bytes of nobody.")
    yield "two-names.h5", file(header(link("x", 48)))
    yield "shared.h5", with_dataset(message(10, bytes(8)), message(3, FLOAT, 2))
    yield "fractal.h5", file(header(message(2, struct.pack("<BBQQ", 0, 0, 99, 99))))
    yield "reference.h5", with_dataset(kind=struct.pack("<B3sI", 0x17, b"\0\0\0", 8), size=48, data=bytes(48))
    yield "sequence.h5", with_dataset(kind=struct.pack("<B3sI", 0x19, b"\0\0\0", 16))
    yield "compound.h5", with_dataset(kind=struct.pack("<B3sI", 0x16, b"\1\0\0", 4))
    yield "pytables.h5", file(header(text_attribute("PYTABLES_FORMAT_VERSION", "2.1")))
    yield "unknown-message.h5", file(header(message(99, bytes(8))))
    yield "superblock.h5", b"\x89HDF\r\n\x1a\n\x09" + bytes(60)
    yield "asset.keras", keras(GOOD_CONFIGURATIONS["old"], more={"assets/a.7z": b"7z\xbc\xaf\x27\x1c\0\4"})
    graph = b'<net version="11"><layers><layer version="opset1"><data offset="0" size="8"/></layer></layers></net>'
    yield "asset-claims.keras", keras(GOOD_CONFIGURATIONS["old"], more={"assets/a.xml": graph})
    yield "pickled-own.h5", file(header(text_attribute("info", b"cacme.models\nMine\n.")))
    plain, old = file(header()), old_group()
    yield "addresses-of-four.h5", patched(plain, 9, b"\4\4")
    yield "based.h5", patched(plain, 12, struct.pack("<Q", 8))
    yield "extended.h5", patched(plain, 20, struct.pack("<Q", 48))
    yield "driver.h5", patched(old, 48, struct.pack("<Q", 96))
    yield "leaf-of-nothing.h5", patched(old, 16, b"\0\0")
    yield "tree-of-nothing.h5", patched(old, 18, b"\0\0")
    yield "chunks-of-nothing.h5", old[:8] + b"\1" + old[9:24] + bytes(4) + old[24:]
    yield "datatype-class.h5", with_dataset(kind=b"\x1b" + FLOAT[1:])
    yield "time.h5", with_dataset(kind=b"\x12" + FLOAT[1:])
    yield "layout-2.h5", with_dataset(message(8, struct.pack("<BB", 2, 1) + bytes(16)))
    yield "layout-3-virtual.h5", with_dataset(message(8, struct.pack("<BB", 3, 3) + bytes(16)))
    yield "layout-4-chunks.h5", with_dataset(message(8, struct.pack("<BBB", 4, 2, 2) + bytes(24)))
    yield "header-3.h5", file(patched(header_2(), 4, b"\3"))
    yield "attribute-version.h5", file(header(patched(attribute("a", FLOAT, space(), bytes(4)), 8, b"\4")))
    yield "attribute-shared.h5", file(header(patched(attribute("a", FLOAT, space(), bytes(4)), 8, b"\2\1")))
    yield "chunks-of-texts.h5", chunked(tree((96, 512 + 2096)), kind=VARIABLE, data=bytes(96))
    yield "continued-endless.h5", file(header(message(16, struct.pack("<QQ", 64, 24))))
    for title, config in DOUBTFUL_CONFIGURATIONS.items():
        yield f"config-{title}.keras", keras(config)
        yield f"config-{title}.h5", with_dataset(attributes=(text_attribute("model_config", json.dumps(config)),))
