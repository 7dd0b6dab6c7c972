"""safetensors, ONNX and NumPy files: good ones, and one for each way in which two of their readers would differ, or one would be led astray.

`attacks/formats/models.py` holds the published attacks on these formats; here stands what remains of each grammar.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "formats"))
from models import ARRAY, attacks, entry, external, field, nested, node, npy, onnx, safetensors, tensor, zipped

RELU = field(1, node("Relu"))
FUNCTION = field(
    25, field(1, b"f") + field(10, b"mine") + field(7, node("Relu")) + field(9, field(1, b"") + field(2, 17))
)


def value(kind: bytes) -> bytes:
    """A graph with an input of some type."""
    return RELU + field(11, field(1, b"x") + field(2, kind))


def initial(*fields: bytes) -> bytes:
    """A model whose graph holds one tensor."""
    return onnx(RELU + field(5, b"".join(fields)))


def outside() -> bytes:
    """A model whose tensor of 16 bytes lies in `w.bin`."""
    return onnx(RELU + field(5, tensor(raw=None, extra=external("w.bin"))))


def sequences(depth: int) -> bytes:
    """A type of sequences of sequences."""
    kind = field(1, field(1, 1))
    for _ in range(depth):
        kind = field(4, field(1, kind))
    return kind


def array(descr: str, data: bytes = b"", shape: str = "(1,)", order: str = "False", more: str = "") -> bytes:
    """An array with any header."""
    return npy(f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, {more}}}", data)


def good() -> Iterator[tuple[str, bytes]]:
    """Well-formed files."""
    yield (
        "plain.safetensors",
        safetensors({"a": entry(0, 8, "F32", (2,)), "__metadata__": {"format": "pt"}}, bytes(range(8))),
    )
    yield (
        "spaces.safetensors",
        safetensors({}, b"", text=b'{"a":{"dtype":"F4","shape":[4],"data_offsets":[0,2]}}   ') + b"\1\2",
    )
    yield "plain.onnx", onnx(RELU + field(5, tensor()))
    yield "function.onnx", onnx(field(1, node("f", "mine")), extra=FUNCTION)
    yield "typed.onnx", initial(field(1, 2), field(2, 1), field(8, b"w"), field(4, bytes(8)))
    yield "packed.onnx", initial(field(1, b"\2\2"), field(2, 7), field(8, b"w"), field(7, b"\1\2\3\x84\1"))
    yield "texts.onnx", initial(field(1, 2), field(2, 8), field(8, b"w"), field(6, b"a"), field(6, b""))
    yield "int4.onnx", initial(field(1, 3), field(2, 22), field(8, b"w"), field(5, b"\1\2"))
    yield "complex.onnx", initial(field(1, 1), field(2, 14), field(8, b"w"), field(4, bytes(8)))
    yield (
        "described.onnx",
        onnx(value(sequences(3)), extra=field(14, field(1, b"author") + field(2, b"me")) + field(2, b"here")),
    )
    yield "floats.npy", ARRAY
    yield "record.npy", array("[('a', '<f4'), ('b', '<U2', (2,))]", bytes(20))
    yield "arrays.npz", zipped({"a.npy": ARRAY, "b.npy": ARRAY})


def bad() -> Iterator[tuple[str, bytes, str]]:
    """Name, bytes, and the rule that refuses them."""
    yield from _safetensors()
    yield from _onnx()
    yield from _tensors()
    yield from _arrays()
    unproven = ("unknown-field.onnx", "external-key.onnx")
    for name, attack in attacks().items():
        known = name.endswith((".safetensors", ".onnx", ".npy", ".npz")) and name not in unproven
        if known and not attack.rule.startswith("limit-"):
            yield f"known-{name}", attack.data, attack.rule


def _safetensors() -> Iterator[tuple[str, bytes, str]]:
    def one(text: bytes, data: bytes = b"") -> bytes:
        return safetensors({}, data, text=text)

    yield "one-brace.safetensors", struct.pack("<Q", 1) + b"{", "safetensors-header"
    yield "leading-space.safetensors", one(b" {}"), "safetensors-header"  # Rust's reader refuses, Python's goes on
    yield "metadata-number.safetensors", one(b'{"__metadata__":5}'), "safetensors-metadata"
    yield "entry-number.safetensors", one(b'{"a":5}'), "safetensors-entry"
    yield "entry-more.safetensors", safetensors({"a": entry(0, 1) | {"file": "/etc/passwd"}}, b"x"), "safetensors-entry"
    yield "dtype.safetensors", safetensors({"a": entry(0, 1, "OBJ")}, b"x"), "safetensors-entry"
    yield (
        "dtype-list.safetensors",
        one(b'{"a":{"dtype":[],"shape":[1],"data_offsets":[0,1]}}', b"x"),
        "safetensors-entry",
    )
    yield "axes.safetensors", safetensors({"a": entry(0, 1, "U8", (1,) * 65)}, b"x"), "safetensors-entry"
    yield (
        "offsets-three.safetensors",
        one(b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,9]}}', b"x"),
        "safetensors-entry",
    )
    yield (
        "offset-huge.safetensors",
        one(b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[%d,%d]}}' % (1 << 64, 1 << 64)),
        "safetensors-entry",
    )
    yield (
        "shape-truth.safetensors",
        one(b'{"a":{"dtype":"U8","shape":[true],"data_offsets":[0,1]}}', b"x"),
        "safetensors-entry",
    )
    yield "half-a-byte.safetensors", safetensors({"a": entry(0, 1, "F4", (3,))}, b"x"), "safetensors-entry"


def _onnx() -> Iterator[tuple[str, bytes, str]]:
    custom = field(1, node("Run", "evil.ops"))
    graph = field(2, b"g") + RELU
    yield "no-version.onnx", field(2, b"x") + field(7, graph), "onnx-model"
    yield "producer.onnx", onnx(extra=field(2, b"\xff")), "onnx-text"
    yield "metadata.onnx", onnx(extra=field(14, field(1, b"a") + field(2, b"\xff"))), "onnx-text"
    yield (
        "training.onnx",
        onnx(extra=field(20, field(2, custom))),
        "onnx-custom-operator",
    )  # runs where training goes on
    yield (
        "function-body.onnx",
        onnx(extra=field(25, field(1, b"f") + field(10, b"mine") + field(7, node("Run", "evil.ops")))),
        "onnx-custom-operator",
    )
    yield (
        "function-graph.onnx",
        onnx(extra=field(25, field(1, b"f") + field(7, node("If", extra=field(5, field(6, custom)))))),
        "onnx-custom-operator",
    )
    yield "python.onnx", onnx(field(1, node("PythonOp", "com.microsoft"))), "onnx-custom-operator"
    yield "python-grad.onnx", onnx(field(1, node("PythonOpGrad", "com.microsoft"))), "onnx-custom-operator"
    yield "compiled.onnx", onnx(field(1, node("EPContext", "com.microsoft"))), "onnx-custom-operator"
    yield "aten.onnx", onnx(field(1, node("ATen", "com.microsoft"))), "onnx-custom-operator"
    yield "gradient.onnx", onnx(field(1, node("ExternalGradient", "com.microsoft"))), "onnx-custom-operator"
    yield "no-operator.onnx", onnx(RELU + field(1, field(1, b"x"))), "onnx-node"
    yield "function-twice.onnx", onnx(extra=FUNCTION * 2), "onnx-function"  # loaders keep the first, or the last
    yield "opset-twice.onnx", onnx(extra=field(8, field(2, 9))), "onnx-opset"
    yield "type-text.onnx", onnx(value(field(6, b"\xff"))), "onnx-text"
    yield (
        "packed-number.onnx",
        onnx(field(1, node("Relu", extra=field(5, field(1, b"a") + field(8, b"\1\x80"))))),
        "onnx-varint",
    )
    yield (
        "packed-floats.onnx",
        onnx(field(1, node("Relu", extra=field(5, field(1, b"a") + field(7, b"abc"))))),
        "onnx-packed",
    )
    yield "endless.onnx", onnx(extra=b"\x28" + b"\xff" * 10), "onnx-varint"
    yield "wide.onnx", onnx(extra=b"\x28" + b"\xff" * 9 + b"\x7f"), "onnx-varint"
    yield (
        "single-packed.onnx",
        onnx(extra=field(5, b"\1")),
        "onnx-wire",
    )  # a number that may not repeat, written as a list
    yield "text-number.onnx", onnx(extra=field(6, 5)), "onnx-wire"


def _tensors() -> Iterator[tuple[str, bytes, str]]:
    named = field(8, b"w")
    one, two = field(1, 1), field(1, 2)
    yield "wire-fixed.onnx", initial(b"\x0d\1\0\0\0", field(2, 1), named, field(9, bytes(4))), "onnx-wire"
    yield "dtype.onnx", initial(one, field(2, 99), named, field(9, bytes(4))), "onnx-dtype"
    for title, more in (
        ("raw", field(9, b"ab")),
        ("outside", external("w.bin")),
        ("numbers", field(5, 1)),
        ("fewer", b""),
    ):
        yield (
            f"texts-{title}.onnx",
            initial(one, field(2, 8), named, more, b"" if title == "fewer" else field(6, b"a")),
            "onnx-size",
        )
    yield "places-texts.onnx", initial(one, field(2, 1), named, field(6, b"a"), field(9, bytes(4))), "onnx-places"
    yield "places-two.onnx", initial(one, field(2, 1), named, field(4, bytes(4)), field(9, bytes(4))), "onnx-places"
    yield (
        "places-inside.onnx",
        initial(one, field(2, 1), named, field(13, field(1, b"location") + field(2, b"w")), field(9, bytes(4))),
        "onnx-places",
    )
    yield "typed.onnx", initial(two, field(2, 1), named, field(4, bytes(4))), "onnx-size"
    yield "typed-complex.onnx", initial(two, field(2, 14), named, field(4, bytes(8))), "onnx-size"
    yield "typed-doubles.onnx", initial(two, field(2, 11), named, field(10, bytes(8))), "onnx-size"
    yield "packed-doubles.onnx", initial(one, field(2, 11), named, field(10, bytes(9))), "onnx-packed"
    yield (
        "pair-twice.onnx",
        initial(one, field(2, 1), named, external("w.bin"), field(13, field(1, b"location") + field(2, b"x"))),
        "onnx-external",
    )
    yield "doc.onnx", initial(one, field(2, 1), named, field(9, bytes(4)), field(12, b"\xff")), "onnx-text"
    yield "sparse.onnx", onnx(RELU + field(15, field(1, tensor((9,))))), "onnx-size"
    yield "attribute.onnx", onnx(field(1, node("Constant", extra=field(5, field(5, tensor((9,))))))), "onnx-size"
    yield "size-more.onnx", initial(one, field(2, 1), named, field(9, bytes(8))), "onnx-size"
    yield "offset-text.onnx", initial(one, field(2, 1), named, external("w.bin", offset="0x10")), "onnx-external"
    yield "no-path.onnx", initial(one, field(2, 1), named, external("")), "onnx-external-path"
    yield "long-path.onnx", initial(one, field(2, 1), named, external("a" * 1025)), "onnx-external-path"
    yield "control-path.onnx", initial(one, field(2, 1), named, external("a\x1bb")), "onnx-external-path"
    yield "nul-path.onnx", initial(one, field(2, 1), named, external("a\0b")), "onnx-external-path"


def _arrays() -> Iterator[tuple[str, bytes, str]]:
    yield "short.npy", b"\x93NUMPY\x01\0\x05", "npy-header"
    yield "magic.npz", zipped({"a.npy": b"\x93NUMPX" + ARRAY[6:]}), "npy-header"
    yield "keys.npy", array("'<f4'", bytes(4), more="'file': '/etc/passwd'"), "npy-header"
    yield "order.npy", array("'<f4'", bytes(4), order="1"), "npy-header"
    yield "dtype-number.npy", array("5"), "npy-dtype"
    yield "dtype-deep.npy", array("[('a', " * 10 + "'<f4'" + ")]" * 10, bytes(4)), "npy-dtype"
    yield "field-list.npy", array("[['a', '<f4']]", bytes(4)), "npy-dtype"
    yield "field-shape-list.npy", array("[('a', '<f4', [1])]", bytes(4)), "npy-dtype"
    yield "field-shape-truth.npy", array("[('a', '<f4', (True,))]", bytes(4)), "npy-dtype"


def doubtful() -> Iterator[tuple[str, bytes]]:
    """What is neither refused nor proven."""
    yield "built-in.onnx", onnx(field(1, node("FusedMatMul", "com.microsoft")))
    yield (
        "built-in-later.onnx",
        onnx(RELU + field(1, node("FusedMatMul", "com.microsoft")) + field(1, node("Gelu", "com.microsoft"))),
    )
    yield "not-onnx.bin", b"\x08\x05\x12\x7f\xfe\xfe"
    yield "deep.onnx", onnx(nested(40))
    yield "segment.onnx", initial(field(1, 1), field(2, 1), field(3, field(1, 0) + field(2, 1)), field(9, bytes(4)))
    yield "type-unknown.onnx", onnx(value(field(99, b"x")))
    yield "type-deep.onnx", onnx(value(sequences(40)))
    yield "external-key.onnx", initial(field(1, 1), field(2, 1), field(8, b"w"), external("w.bin", basepath="/"))
