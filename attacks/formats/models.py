"""Hostile model files, built byte by byte: what each does, and the rule that refuses it."""

from __future__ import annotations

import io
import json
import struct
import tarfile
import zipfile
import zlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Attack:
    """A file name, its bytes, the rule that must name it, and the story in one line."""

    file: str
    data: bytes
    rule: str
    story: str


# A pickle that would run a command, written as opcodes: nothing here ever builds or loads it.
PICKLE = b"cposix\nsystem\n(S'echo owned'\ntR."
PICKLE_4 = b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x0aecho owned\x85R."


def safetensors(header: object, data: bytes = b"", *, text: bytes | None = None, size: int | None = None) -> bytes:
    """A safetensors file with any header."""
    raw = json.dumps(header).encode() if text is None else text
    return struct.pack("<Q", len(raw) if size is None else size) + raw + data


def entry(begin: int, end: int, dtype: str = "U8", shape: tuple[int, ...] | None = None) -> dict[str, object]:
    """One tensor of a header."""
    return {"dtype": dtype, "shape": list(shape or (end - begin,)), "data_offsets": [begin, end]}


def npy(header: str, data: bytes = b"", version: int = 1) -> bytes:
    """An .npy file with any header text."""
    raw = header.encode() + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(raw)) + raw + data


def number(value: int) -> bytes:
    """A protobuf varint."""
    out = b""
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def field(index: int, content: bytes | int) -> bytes:
    """A protobuf field: bytes are length-delimited, numbers varints."""
    if isinstance(content, int):
        return number(index << 3) + number(content)
    return number(index << 3 | 2) + number(len(content)) + content


def node(operator: str, domain: str = "", extra: bytes = b"") -> bytes:
    """One ONNX node."""
    named = field(7, domain.encode()) if domain else b""
    return field(1, b"x") + field(2, b"y") + field(4, operator.encode()) + extra + named


def tensor(dims: tuple[int, ...] = (4,), raw: bytes | None = bytes(16), extra: bytes = b"", kind: int = 1) -> bytes:
    """One ONNX tensor of floats."""
    out = b"".join(field(1, d) for d in dims) + field(2, kind) + field(8, b"w") + extra
    return out if raw is None else out + field(9, raw)


def external(location: str, **more: str) -> bytes:
    """The fields of a tensor that lies outside."""
    pairs = {"location": location, **more}
    said = b"".join(field(13, field(1, k.encode()) + field(2, v.encode())) for k, v in pairs.items())
    return said + field(14, 1)


def onnx(graph: bytes | None = None, *, extra: bytes = b"") -> bytes:
    """An ONNX model around a graph."""
    graph = field(1, node("Relu")) + field(2, b"g") if graph is None else graph
    return field(1, 10) + field(8, field(2, 17)) + field(7, graph) + extra


def nested(depth: int) -> bytes:
    """A graph inside an attribute of a node inside a graph, and so on."""
    graph = field(1, node("Relu"))
    for _ in range(depth):
        graph = field(1, node("If", extra=field(5, field(1, b"then_branch") + field(6, graph))))
    return graph


def zipped(members: dict[str, bytes], *, compress: bool = False) -> bytes:
    """A well-formed zip."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, archive.compression)
    return out.getvalue()


ARRAY = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", bytes(8))


def _patched(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def _safetensors() -> list[tuple[str, bytes, str, str]]:
    twice = b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}'
    deep = b'{"a":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}"
    return [
        ("header-beyond-file", safetensors({}, size=1 << 30), "safetensors-header", "a header longer than the file"),
        ("header-huge", safetensors({}, size=1 << 62), "safetensors-header", "a header of 4 EB"),
        ("duplicate-key", safetensors({}, b"\0\0", text=twice), "safetensors-json", "one name, two tensors"),
        ("deep-json", safetensors({}, text=deep), "safetensors-json", "a million brackets"),
        ("nan", safetensors({}, text=b'{"__metadata__":{"a":NaN}}'), "safetensors-json", "a number that is none"),
        ("overlap", safetensors({"a": entry(0, 4), "b": entry(2, 6)}, bytes(6)), "safetensors-cover", "shared bytes"),
        ("gap", safetensors({"a": entry(0, 4), "b": entry(6, 8)}, bytes(8)), "safetensors-cover", "bytes of nobody"),
        ("tail", safetensors({"a": entry(0, 4)}, bytes(4) + PICKLE), "safetensors-tail", "a pickle behind it"),
        ("short", safetensors({"a": entry(0, 400)}, bytes(4)), "safetensors-tail", "fewer bytes than declared"),
        ("shape", safetensors({"a": entry(0, 4, "F32", (1 << 40, 1 << 40))}, bytes(4)), "safetensors-entry", "2^80"),
        ("float-offset", safetensors({"a": {**entry(0, 4), "data_offsets": [0, 4.0]}}, bytes(4)), "safetensors-entry",
         "a size that is no integer"),
        ("negative", safetensors({"a": {**entry(0, 4), "shape": [-4]}}, bytes(4)), "safetensors-entry", "minus four"),
        ("metadata", safetensors({"__metadata__": {"a": [1]}}), "safetensors-metadata", "a list for a text"),
    ]  # fmt: skip


def _onnx() -> list[tuple[str, bytes, str, str]]:
    def outside(location: str, **more: str) -> bytes:
        return onnx(field(1, node("Relu")) + field(5, tensor(raw=None, extra=external(location, **more))))

    return [
        ("custom-domain", onnx(field(1, node("Run", "evil.ops"))), "onnx-custom-operator", "code from another file"),
        ("hidden-custom", onnx(field(1, node("If", extra=field(5, field(6, field(1, node("X", "evil.ops"))))))),
         "onnx-custom-operator", "the same, inside a branch"),
        ("parent-path", outside("../../etc/passwd"), "onnx-external-path", "reads what lies above"),
        ("absolute-path", outside("/etc/passwd"), "onnx-external-path", "reads anything"),
        ("backslash-path", outside("..\\..\\secret"), "onnx-external-path", "the same for Windows"),
        ("drive-path", outside("C:secret"), "onnx-external-path", "the same on another drive"),
        ("dot-path", outside("a/./../../b"), "onnx-external-path", "the same, disguised"),
        ("negative-offset", outside("w.bin", offset="-8"), "onnx-external", "before the file begins"),
        ("external-key", outside("w.bin", basepath="/"), "onnx-external", "a key that some reader obeys"),
        ("external-length", outside("w.bin", length="9"), "onnx-size", "another length than the shape"),
        ("deep", onnx(nested(40)), "limit-depth", "forty graphs in one another"),
        ("two-graphs", onnx(extra=field(7, field(1, node("Relu")))), "onnx-twice", "readers merge or choose"),
        ("raw-size", onnx(field(5, tensor((9,)))), "onnx-size", "reads past its bytes"),
        ("dims-overflow", onnx(field(5, tensor((1 << 62, 8)))), "onnx-size", "2^65 elements"),
        ("negative-dim", onnx(field(5, tensor(((1 << 64) - 4,)))), "onnx-shape", "minus four"),
        ("unknown-field", onnx(extra=field(99, PICKLE)), "onnx-unknown-field", "bytes that no reader shows"),
        ("length-beyond", onnx() + b"\x3a\xff\xff\xff\xff\x0f", "onnx-twice", "a field of 4 GB"),
        ("endless-number", field(1, 10) + b"\x40" + b"\xff" * 40, "onnx-wire", "a varint without end"),
        ("no-graph", field(1, 10) + field(2, b"x"), "onnx-model", "nothing to run"),
        ("text", onnx(field(2, b"\xff\xfe")), "onnx-text", "a name that is no text"),
    ]  # fmt: skip


def _npy() -> list[tuple[str, bytes, str, str]]:
    good = zipped({"a.npy": ARRAY, "b.npy": ARRAY})
    central = good.index(b"PK\x01\x02")
    object_header = "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
    name_at = good.index(b"b.npy")
    bomb = npy("{'descr': '|u1', 'fortran_order': False, 'shape': (33554432,), }", bytes(1 << 25))
    return [
        ("object.npy", npy(object_header, PICKLE), "pickle-names", "an array of pickles"),
        ("object-v3.npy", npy(object_header, PICKLE, 3), "pickle-names", "the same in version 3"),
        ("nested-object.npy", npy("{'descr': [('a', '<f4'), ('b', '|O')], 'fortran_order': False, 'shape': (1,)}",
         PICKLE), "pickle-names", "the same inside a record"),
        ("call.npy", npy("__import__('os').system('echo')", b""), "npy-header", "a header that is a call"),
        ("brackets.npy", npy("(" * 5000, b""), "npy-header", "a header that overflows a parser"),
        ("shape.npy", npy("{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904, 2), }"),
         "npy-size", "2^66 bytes"),
        ("bool-shape.npy", npy("{'descr': '|u1', 'fortran_order': False, 'shape': (True,), }", b"\0"), "npy-header",
         "a size that is no number"),
        ("tail.npy", ARRAY + PICKLE, "npy-size", "a pickle behind the array"),
        ("pickle-member.npz", zipped({"a.npy": ARRAY, "x.pkl": PICKLE_4}), "npz-member", "a pickle among arrays"),
        ("slip.npz", zipped({"../a.npy": ARRAY}), "zip-name", "leaves its folder"),
        ("absolute.npz", zipped({"/a.npy": ARRAY}), "zip-name", "the same from the root"),
        ("duplicate.npz", good[:name_at] + b"a" + good[name_at + 1 :].replace(b"b.npy", b"a.npy"), "zip-duplicate",
         "two members of one name"),
        ("case.npz", zipped({"a.npy": ARRAY, "A.npy": ARRAY}), "zip-duplicate", "one name on some systems"),
        ("local-name.npz", _patched(good, good.index(b"a.npy"), b"z.npy"), "zip-local", "two names for one member"),
        ("crc.npz", _patched(good, good.index(b"\x93NUMPY") + 60, b"!"), "zip-content", "changed content"),
        ("encrypted.npz", _patched(_patched(good, 6, b"\x01"), central + 8, b"\x01"), "zip-encrypted", "a locked member"),
        ("prefix.npz", PICKLE + good, "pickle-names", "a pickle before the archive"),
        ("shifted.npz", b"\xfe" * 8 + good, "zip-end", "bytes before the archive"),
        ("comment.npz", good[:-2] + b"\x05\x00hello", "zip-end", "an archive within its own comment"),
        ("gap.npz", _gapped(good, central), "zip-gap", "hidden bytes between members"),
        ("bomb.npz", zipped({"a.npy": bomb}, compress=True), "limit-ratio", "a thousand to one"),
        ("method.npz", _patched(_patched(good, 8, b"\x0c"), central + 10, b"\x0c"), "zip-method", "another compression"),
        ("link.npz", _linked(), "zip-special", "a symbolic link"),
    ]  # fmt: skip


def _gapped(data: bytes, central: int) -> bytes:
    """Put bytes before the directory and move the end record's pointer with it."""
    end = len(data) - 22
    moved = struct.pack("<I", central + 8)
    return data[:central] + b"#hidden#" + data[central:end] + data[end : end + 16] + moved + data[end + 20 :]


def _linked() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("a.npy")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    return out.getvalue()


def _pickles() -> list[tuple[str, bytes, str, str]]:
    magic = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
    torch = zipped({"m/data.pkl": PICKLE_4, "m/data/0": bytes(16), "m/version": b"3\n"})
    return [
        ("plain.pkl", PICKLE, "pickle-names", "runs a command when loaded"),
        ("protocol-4.bin", PICKLE_4, "pickle-names", "the same under a neutral name"),
        ("legacy.pth", magic + PICKLE_4, "pickle-names", "the same as a legacy torch file"),
        ("torch.pt", torch, "pickle-names", "the same as a torch archive"),
        ("broken-zip.pt", _patched(torch, 6, b"\x01"), "zip-local", "the same with a flag that stops scanners"),
        ("gzip.joblib", _gzip(PICKLE_4), "pickle-names", "the same compressed"),
        ("zlib.joblib", zlib.compress(PICKLE_4), "pickle-names", "the same compressed otherwise"),
        ("truncated.pkl", PICKLE_4[:-1], "pickle-names", "runs before the scanner fails"),
        ("disguised.safetensors", PICKLE_4 * 3, "mismatch", "a pickle called safetensors"),
        ("disguised.onnx", torch, "mismatch", "a torch archive called ONNX"),
    ]


def _gzip(data: bytes) -> bytes:
    machine = zlib.compressobj(wbits=31)
    return machine.compress(data) + machine.flush()


def second_pickle() -> bytes:
    """A safetensors file whose header length is an opcode: ``U`` skips into the metadata, where more of
    them hop from one to the next until the last one lands among the tensors, on a pickle.
    """
    length, first = 0x4055, 0x40 + 2  # "U" and its count of bytes to skip, read as a little-endian length
    pickle = b"cposix\nsystem\n(U\x0aecho ownedtR."
    data = b"#" * 39 + pickle
    start = b'{"__metadata__":{"a":"'
    end = b'"},"b":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}' % (len(data), len(data))
    header = bytearray(start + b"." * (length - len(start) - len(end)) + end)
    at = first
    while at + 128 + 2 < 8 + length - len(end):
        header[at - 8 : at - 6] = b"U~"
        at += 128
    header[at - 8 : at - 6] = b"U@"
    header[at + 58 : at + 60] = b"U~"
    return struct.pack("<Q", length) + bytes(header) + data


def tar_within() -> bytes:
    """A safetensors file whose first block is a tar header too: torch before 1.6 wrote tars, and loaders still try them first.

    Digits in a text of the metadata are the fields of the header, its checksum among them; another header follows in the data.
    """
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        info = tarfile.TarInfo("pickle")
        info.size = len(PICKLE)
        archive.addfile(info, io.BytesIO(PICKLE))
    data = inner.getvalue()
    start, end = (
        b'{"__metadata__":{"a":"',
        b'"},"b":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}' % (len(data), len(data)),
    )
    length = 1024 - 8
    block = bytearray(struct.pack("<Q", length) + start + b"0" * (length - len(start) - len(end)) + end)
    block[124:136] = b"%012o" % 512  # the header's own rest
    block[156:157] = b"0"
    block[148:156] = b"%08o" % (sum(block[:148]) + 8 * 32 + sum(block[156:512]))
    return bytes(block) + data


def _others() -> list[tuple[str, bytes, str, str]]:
    clean = safetensors({"a": entry(0, 4)}, b"abcd")
    carrier = zipped({"m/data.pkl": PICKLE_4})
    two = safetensors({"a": entry(0, len(carrier))}, carrier)
    return [
        ("two.safetensors", two, "polyglot", "tensors that end as a torch archive"),
        ("hops.safetensors", second_pickle(), "polyglot", "tensors for one loader, a pickle for another"),
        ("tar.safetensors", tar_within(), "polyglot", "tensors for one loader, a tar of torch for another"),
        ("two-behind.safetensors", safetensors({"a": entry(0, len(carrier)), "b": entry(len(carrier), len(carrier) + 99)}, carrier + bytes(99)),
         "polyglot", "an archive with bytes behind it, as Python opens it"),
        ("two.bin", two, "polyglot", "the same under a neutral name"),
        ("two.onnx", onnx(field(1, node("Relu")) + field(5, tensor((len(carrier),), carrier, kind=2))), "polyglot",
         "a graph that ends as a torch archive"),
        ("config.json", b'{"auto_map": {"AutoModel": "modeling.Evil"}}', "names-code", "settings that fetch code"),
        ("hydra.yaml", b"a: !!python/object/apply:os.system [echo]\n", "names-code", "settings that are a call"),
        ("clean.png", clean, "mismatch", "weights called a picture"),
        ("modeling_custom.py", b"import os\n", "code-beside-model", "runs with trust_remote_code"),
        ("libops.so", b"\x7fELF" + bytes(60), "code-beside-model", "a custom operator's library"),
        ("weights.json", safetensors({"a": entry(0, 1)}, b"\0"), "mismatch", "weights called settings"),
    ]  # fmt: skip


def attacks() -> dict[str, Attack]:
    """File name to attack; each is refused, or stopped at a limit, under its rule."""
    out = {}
    for suffix, listed in (
        (".safetensors", _safetensors()),
        (".onnx", _onnx()),
        ("", [*_npy(), *_pickles(), *_others()]),
    ):
        for name, data, rule, story in listed:
            out[name + suffix] = Attack(name + suffix, data, rule, story)
    return out
