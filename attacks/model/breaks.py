"""One small file for each way of breaking a format, and the rule that must say so. Almost none of them would run anything:
what is tested is that no two loaders are allowed to differ.
"""

from __future__ import annotations

import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib

from carriers import (
    MAGIC,
    PROTOCOL,
    STORED,
    SYSTEM,
    legacy_storage,
    lz4,
    npy,
    storage,
    tarred,
    tensor,
    torch_zip,
    wrapper,
    zipped,
)
from streams import BARE, name, text

P4 = b"\x80\x04"
MAGIC_4 = b"\x04\x22\x4d\x18"
WRAPPER = name("joblib.numpy_pickle", "NumpyArrayWrapper")


def breaks() -> list[tuple[str, bytes, str]]:
    """File name, bytes, rule (or the beginning of the reason, where it is only unproven)."""
    return [*_streams(), *_zips(), *_tars(), *_arrays(), *_compressed(), *_layouts()]


def _streams() -> list[tuple[str, bytes, str]]:
    listed = [
        (b"\x80\x04.", "stack"), (b"\x80\x04NN.", "stack"), (b"\x80\x04(N.", "stack"), (b"\x80\x040N.", "stack"), (b"\x80\x04Ne.", "stack"), (b"\x80\x04(Ns.", "stack"), (b"\x80\x04}N(K\x01u.", "stack"), (b"\x80\x04(Nd.", "stack"), (b"\x80\x04(o.", "stack"),
        (b"\x80\x04\xff.", "opcode"), (b"\x80\x06N.", "protocol"), (b"\x80\x04Nh\x07.", "memo"), (b"\x80\x04]\x94h\x05.", "memo"), (b"\x80\x04Nr\xff\xff\xff\x7f.", "memo"),
        (b"\x80\x04Npx\n.", "memo"), (b"\x80\x04N", "truncated"), (b"\x80\x04X\xff\0\0\0abc.", "truncated"), (b"\x80\x04Iabc", "truncated"),
        (b"\x80\x04\x82\x01.", "extension"), (b"\x80\x05\x97.", "buffer"), (b"\x80\x04\x8b\xff\xff\xff\xff.", "length"), (b"\x80\x04\x8b\xff\xff\xff\x7f.", "length"),
        (b"\x80\x04T\xff\xff\xff\xff.", "length"), (b"\x80\x04\x95\x05\0\0\0\0\0\0\0K\x01.", "truncated"), (b"\x80\x04\x95\x01\0\0\0\0\0\0\0K\x01.", "frame"),
        (b"\x80\x04\x95\x03\0\0\0\0\0\0\0N\x95\x01\0\0\0\0\0\0\0.", "frame"), (b"\x80\x04\x95\x05\0\0\0\0\0\0\0N0N..", "frame"), (b"\x80\x04\x95\x06\0\0\0\0\0\0\0X\x02\0\0\0ab.", "frame"),
        (b"\x80\x04\x95\x0b\0\0\0\0\0\0\0N\x95\x01\0\0\0\0\0\0\0.N", "frame"),
        (b"\x80\x04S'abc\n.", "text"), (b"\x80\x04S'\\q'\n.", "text"), (b"\x80\x04\x8c\x01\xff.", "text"), (b"\x80\x04X\xff\0\0\0" + b"\xff" * 255 + b".", "text"),
        (b"\x80\x04Ixyz\n.", "number"),
        (b"\x80\x04I 1\n.", "number"), (b"\x80\x04Lxyz\n.", "number"), (b"\x80\x04Fxyz\n.", "number"), (b"\x80\x04NN\x93.", "name"), (b"\x80\x04c\nsystem\n.", "name"), (b"\x80\x04cos\n\n.", "name"), (b"\x80\x04NNR.", "arguments"),
        (b"\x80\x04" + name("collections", "OrderedDict") + b"N\x81.", "arguments"), (b"\x80\x04" + name("collections", "OrderedDict") + b")N\x92.", "arguments"),
        (b"\x80\x04(\x94t.", "stack"), (b"\x80\x04S'\n.", "text"), (b"\x80\x04Sxabcx\n.", "text"), (b"\x80\x04" + text("os") + b"K\x01\x93.", "name"), (b"\x80\x04K\x01" + text("os") + b"\x93.", "name"),
        (b"\x80\x04" + name("collections", "OrderedDict") + b"N}\x92.", "arguments"), (b"\x80\x04" + name("somewhere", "__a__") + b".", "special"),
        (b"\x80\x04" + name("builtins", "list") + b"]" + name("_codecs", "encode") + b"\x86R.", "role"), (b"\x80\x04" + name("builtins", "list") + b")R}b.", "build"),
        (b"\x80\x04" + name("builtins", "object") + b")RNNs.", "target"), (b"\x80\x04NNa.", "target"), (b"\x80\x04N(Ne.", "target"), (b"\x80\x04NNNs.", "target"), (b"\x80\x04N(N\x90.", "target"), (b"\x80\x04N.\xff", "tail"),
    ]  # fmt: skip
    own = ("own.pkl", P4 + name("acme.models", "Mine") + b".", "names acme.models.Mine")
    packed = zipped({"schema.json": b"{}", "a.pkl": P4 + name("os", "system") + b"."})
    held = P4 + b"B" + struct.pack("<I", len(packed)) + packed + b"."
    two = ("two.pkl", held, "polyglot")  # skops opens whatever ends as a zip, and Python's reader passes over the STOP
    return [*((f"break-{at:02}.pkl", data, f"pickle-{rule}") for at, (data, rule) in enumerate(listed)), own, two]


def _patched(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def _zips() -> list[tuple[str, bytes, str]]:
    good = zipped({"a.npy": npy("'<f4'", bytes(4)), "b.npy": npy("'<f4'", bytes(4))})
    deep = zipped({"a.npy": npy("'|u1'", bytes(999), shape="(999,)")}, compress=True)
    end, first, second = good.rindex(b"PK\x05\x06"), good.index(b"PK\x01\x02"), good.rindex(b"PK\x01\x02")
    late = io.BytesIO()
    with zipfile.ZipFile(late, "w") as archive, archive.open(zipfile.ZipInfo("a.npy"), "w") as member:
        member.write(npy("'<f4'", bytes(4)))
    unseekable = _Stream()
    with zipfile.ZipFile(unseekable, "w") as archive:
        archive.writestr(zipfile.ZipInfo("a.npy"), npy("'<f4'", bytes(4)))
    described = bytes(unseekable.data)

    def both(local: int, central: int, new: bytes) -> bytes:
        return _patched(_patched(good, local, new), first + central, new)

    def extra(field: bytes) -> bytes:
        info = zipfile.ZipInfo("a.npy")
        info.extra = field
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr(info, npy("'<f4'", bytes(4)))
        return out.getvalue()

    wide = _widened(good[: good.index(b"PK\x03\x04", 4)], first)
    return [
        ("end.npz", good[:-1], "zip-end"), ("disks.npz", _patched(good, end + 4, b"\1"), "zip-end"), ("comment.npz", good[:-2] + b"\1\0x", "zip-end"),
        ("disk-first.npz", _patched(good, end + 6, b"\1"), "zip-end"), ("disk-entries.npz", _patched(good, end + 8, b"\1"), "zip-end"), ("comment-lie.npz", good[:-2] + b"\5\0", "zip-end"),
        ("end-magic.npz", _patched(good, end, b"PK\5\7"), "zip-end"), ("turned.zip", zipped({"a\u202egpj.npy": npy("'<f4'", bytes(4))}), "zip-name"),
        ("entry-comment.npz", _patched(good[:second] + _patched(good[second:end], 32, b"\1\0") + b"x" + good[end:], end + 13, struct.pack("<I", end - first + 1)), "zip-directory"),
        ("entry-comment-lie.npz", _patched(good, second + 32, b"\1"), "zip-directory"), ("entry-disk.npz", _patched(good, second + 34, b"\1"), "zip-directory"), ("local-magic.npz", _patched(good, good.index(b"PK\x03\x04", 4), b"PK\x09\x09"), "zip-local"),
        ("local-late.npz", _patched(described, 14, b"\1\2\3\4"), "zip-local"), ("extra-wide-twice.npz", _wide_twice(), "zip-extra"),
        ("deflate-less.npz", _recompressed(npy("'|u1'", bytes(9), shape="(9,)"), b"", more=1), "zip-content"), ("deflate-endless.npz", _recompressed(npy("'|u1'", bytes(9), shape="(9,)"), b"", ends=False), "zip-deflate"),
        ("offset.npz", _patched(good, end + 16, struct.pack("<I", first - 1)), "zip-end"), ("count.npz", _patched(good, end + 8, b"\3\0\3\0"), "zip-directory"),
        ("fewer.npz", _patched(good, end + 8, b"\1\0\1\0"), "zip-directory"), ("magic.npz", _patched(good, second, b"PK\x09\x09"), "zip-directory"),
        ("leaves.npz", _patched(good, second + 28, b"\xff\xff"), "zip-directory"), ("version.npz", both(4, 6, b"\x63\0"), "zip-version"),
        ("encrypted.npz", both(6, 8, b"\1\0"), "zip-encrypted"), ("flags.npz", both(6, 8, b"\0\x10"), "zip-flags"), ("method.npz", both(8, 10, b"\x0c\0"), "zip-method"),
        ("text.npz", both(30, 46, b"\xff"), "zip-name"), ("local.npz", _patched(good, 8, b"\x08\0"), "zip-local"), ("local-size.npz", _patched(good, 22, b"\1"), "zip-local"),
        ("outside.npz", _patched(_patched(good, second + 20, b"\xff\0\0\0\xff\0\0\0"), good.index(b"PK\x03\x04", 4) + 18, b"\xff\0\0\0\xff\0\0\0"), "zip-outside"),
        ("size.npz", both(22, 24, b"\xff"), "zip-size"), ("content.npz", both(14, 16, b"\0\0\0\0"), "zip-content"),
        ("deflate.npz", _patched(deep, deep.index(b"a.npy") + 5, b"\xff\xff"), "zip-deflate"),
        ("deflate-short.npz", _recompressed(npy("'|u1'", bytes(9), shape="(9,)"), b"xx"), "zip-deflate"),
        ("gap-first.npz", b"PK\x03\x04", "zip-end"), ("gap.npz", _gapped(good, first, end, 3), "zip-gap"), ("hidden.npz", _hidden(good, first, second, end), "zip-gap"),
        ("extra.npz", extra(struct.pack("<2H", 0x9999, 0)), "zip-extra"), ("extra-short.npz", extra(b"\x55\x54\x09\0x"), "zip-extra"), ("extra-three.npz", extra(b"abc"), "zip-extra"),
        ("extra-wide.npz", extra(struct.pack("<2HQ", 1, 8, 5)), "zip-extra"), ("descriptor.npz", _patched(described, described.index(b"PK\x07\x08") + 4, b"\0\0\0\0"), "zip-descriptor"),
        ("link.zip", _patched(zipped({"a": b"x"}), zipped({"a": b"x"}).index(b"PK\x01\x02") + 38, struct.pack("<I", 0o120777 << 16)), "zip-special"),
        *((f"wide-{at}.npz", data, "zip-end") for at, data in enumerate(wide[4:])), ("wide.npz", wide[0], "zip-end"), *((f"wide-{at}.npz", data, "zip-end") for at, data in enumerate(wide[4:])), ("wide-magic.npz", wide[1], "zip-end"), ("wide-differs.npz", wide[2], "zip-end"), ("wide-offset.npz", wide[3], "zip-end"),
        ("ratio.npz", zipped({"a.npy": npy("'|u1'", bytes(1 << 25), shape="(33554432,)")}, compress=True), "ratio"),
        ("case.zip", zipped({"a": b"x", "A": b"y"}), "zip-duplicate"), ("many.zip", _patched(_patched(good, end + 8, b"\xff\xff"), end + 10, b"\xff\xff"), "zip-directory"),
    ]  # fmt: skip


class _Stream(io.RawIOBase):
    """What can only be written forwards, so that sizes follow the data."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.data += data
        return len(data)

    def writable(self) -> bool:
        return True


def _wide_twice() -> bytes:
    """Two zip64 fields, of which readers take the first or the last."""
    content = npy("'<f4'", bytes(4))
    wide = struct.pack("<2HQ", 1, 8, len(content))
    other = struct.pack("<2HQ", 1, 8, 1 << 30)
    common = struct.pack("<3H", 0, 0, 0) + struct.pack("<HIIIH", 0, zlib.crc32(content), len(content), 0xFFFFFFFF, 5)
    local = b"PK\x03\x04" + struct.pack("<H", 20) + common + struct.pack("<H", len(wide)) + b"a.npy" + wide + content
    central = (
        b"PK\x01\x02"
        + struct.pack("<2H", 20, 20)
        + common
        + struct.pack("<4H2I", 2 * len(wide), 0, 0, 0, 0, 0)
        + b"a.npy"
        + other
        + wide
    )
    return local + central + b"PK\x05\x06" + struct.pack("<4H2IH", 0, 0, 1, 1, len(central), len(local), 0)


def _recompressed(content: bytes, tail: bytes, *, more: int = 0, ends: bool = True) -> bytes:
    """A deflated member: with bytes behind its stream, of another size than it declares, or without its last block."""
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    stored = engine.compress(content) + engine.flush(zlib.Z_FINISH if ends else zlib.Z_SYNC_FLUSH) + tail
    crc, title = zlib.crc32(content), b"a.npy"
    common = struct.pack("<3H", 0, 8, 0) + struct.pack(
        "<HIII2H", 0, crc, len(stored), len(content) + more, len(title), 0
    )
    local = b"PK\x03\x04" + struct.pack("<H", 20) + common + title + stored
    central = b"PK\x01\x02" + struct.pack("<2H", 20, 20) + common + struct.pack("<3H2I", 0, 0, 0, 0, 0) + title
    return local + central + b"PK\x05\x06" + struct.pack("<4H2IH", 0, 0, 1, 1, len(central), len(local), 0)


def _gapped(good: bytes, first: int, end: int, count: int) -> bytes:
    moved = good[:first] + bytes(count) + good[first:]
    return _patched(moved, end + count + 16, struct.pack("<I", first + count))


def _hidden(good: bytes, first: int, second: int, end: int) -> bytes:
    """The second member is in the file and not in the directory... and the first is not at its beginning."""
    directory = good[second:end]
    tail = b"PK\x05\x06" + struct.pack("<4H2IH", 0, 0, 1, 1, len(directory), first, 0)
    return good[:first] + directory + tail


def _widened(local: bytes, _first: int) -> list[bytes]:
    """Archives with a zip64 end record, each wrong in its own place."""
    good = zipped({"a.npy": npy("'<f4'", bytes(4))})
    first, end = good.index(b"PK\x01\x02"), good.rindex(b"PK\x05\x06")
    size = end - first

    def made(magic: bytes = b"PK\x06\x06", at: int = end, offset: int = first, count: int = 1, *, here: int | None = None, length: int = 44,
             disk: int = 0, begun: int = 0, where: int = 0, disks: int = 1, gap: bytes = b"") -> bytes:  # fmt: skip
        record = magic + struct.pack(
            "<Q2H2I4Q", length, 45, 45, disk, begun, count if here is None else here, count, size, offset
        )
        locator = b"PK\x06\x07" + struct.pack("<IQI", where, at, disks)
        return good[:end] + record + gap + locator + b"PK\x05\x06" + struct.pack("<4H2IH", 0, 0, 1, 1, size, first, 0)

    assert local
    return [
        made(at=end - 1),
        made(magic=b"PK\x09\x09"),
        made(count=2),
        _patched(made(offset=first - 1), len(made()) - 6, b"\xff\xff\xff\xff"),
        made(here=2),
        made(length=45),
        made(disk=1),
        made(begun=1),
        made(where=1),
        made(disks=2),
        made(gap=b"hidden"),
    ]


def _tars() -> list[tuple[str, bytes, str]]:
    good = tarred(("a", b"x", b"0", ""))
    pax = io.BytesIO()
    with tarfile.open(fileobj=pax, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"path": "evil"}) as archive:
        archive.addfile(tarfile.TarInfo("a"), io.BytesIO(b""))

    def header(path: str, kind: bytes, size: int, body: bytes = b"") -> bytes:
        info = tarfile.TarInfo(path)
        info.type, info.size = kind, size
        return info.tobuf(tarfile.USTAR_FORMAT) + body.ljust(-(-len(body) // 512) * 512, b"\0")

    end = bytes(1024)

    def records(body: bytes) -> bytes:
        return header("x", b"x", len(body), body) + header("a", b"0", 0) + end

    return [
        ("checksum.tar", _patched(good, 10, b"!"), "tar-checksum"), ("end.tar", good[:1024], "tar-truncated"), ("trailing.tar", good + b"x" * 512, "tar-trailing"),
        ("link.tar", tarred(("a", b"", b"2", "b")), "tar-special"), ("sparse.tar", header("a", b"S", 0) + end, "tar-special"), ("truncated.tar", header("a", b"0", 1 << 20) + end, "tar-truncated"),
        ("folder.tar", header("a", b"5", 512, bytes(512)) + end, "tar-folder"), ("global.tar", pax.getvalue(), "tar-global"), ("dangling.tar", header("x", b"L", 2, b"ab") + end, "tar-dangling"),
        ("long-name.tar", header("x", b"L", 0) + header("a", b"0", 0) + end, "tar-name"), ("text.tar", tarred(("a\udcff", b"", b"0", "")), "tar-name"),
        ("pax.tar", records(b"zz path=a\n"), "tar-pax"), ("pax-twice.tar", records(b"10 path=a\n10 path=b\n"), "tar-pax"), ("pax-sparse.tar", records(b"22 GNU.sparse.major=1\n"), "tar-special"),
        ("pax-size.tar", records(b"10 size=x\n"), "tar-pax"), ("pax-large.tar", records(b"18 size=999999999\n"), "tar-truncated"), ("pax-huge.tar", header("x", b"x", 70_000, bytes(70_000)) + end, "pax bytes"),
        ("number.tar", _sum(_patched(header("a", b"0", 0), 124, b"9999999")) + end, "tar-number"), ("number-huge.tar", _sum(_patched(header("a", b"0", 0), 124, b"\x80" + b"\xff" * 11)) + end, "tar-number"),
        ("duplicate.tar", tarred(("a", b"x", b"0", ""), ("./A", b"y", b"0", "")), "tar-duplicate"), ("slip.tar", tarred(("../a", b"x", b"0", "")), "tar-name"),
        ("folder-slash.tar", header("a\\b", b"5", 0) + end, "tar-name"), ("folder-up.tar", header("..", b"5", 0) + end, "tar-name"),
        ("number-eight.tar", _sum(_patched(header("a", b"0", 0), 124, b"0000008")) + end, "tar-number"), ("number-text.tar", _sum(_patched(header("a", b"0", 0), 124, b"0x00000")) + end, "tar-number"),
        ("pax-long.tar", records(b"99 path=a\n"), "tar-pax"), ("pax-line.tar", records(b"9 path=ab"), "tar-pax"), ("pax-key.tar", records(b"7 path\n"), "tar-pax"), ("pax-short.tar", records(b"2 path=a\n"), "tar-pax"),
        ("pax-link.tar", records(b"14 linkpath=a\n"), "tar-special"), ("pax-digits.tar", records(b"30 size=" + b"0" * 21 + b"\n"), "tar-pax"), ("pax-dangling.tar", header("x", b"x", 9, b"9 size=0\n") + end, "tar-dangling"),
        ("two.tar", _across(), "polyglot"),
        ("pax-truncated.tar", header("x", b"x", 2000) + end, "tar-truncated"),
        ("slip-folder.tar", tarred(("../a", b"", b"5", ""), ("b", b"x", b"0", "")), "tar-name"),
    ]  # fmt: skip


def _across() -> bytes:
    """A tar of two arrays that is a zip too: the directory in the first, its comment over what follows, the end record in the second."""
    evil = zipped({"schema.json": b"{}"})
    first, end = evil.index(b"PK\x01\x02"), evil.rindex(b"PK\x05\x06")

    def array(data: bytes) -> bytes:
        return npy("'|u1'", data, shape=f"({len(data)},)")

    out = tarred(("a.npy", array(evil[:end]), b"0", ""), ("b.npy", array(evil[end:]), b"0", ""))
    local, directory, last = out.index(b"PK\x03\x04"), out.index(b"PK\x01\x02"), out.index(b"PK\x05\x06")
    out = _patched(out, directory + 32, struct.pack("<H", last - directory - (end - first)))
    out = _patched(out, directory + 42, struct.pack("<I", local))
    return _patched(out, last + 12, struct.pack("<2I", last - directory, directory))


def _boundary() -> bytes:
    """A stream that ends where a piece that is read ends, and bytes behind it."""
    piece = 1 << 18
    for count in range(piece - 60, piece):
        engine = zlib.compressobj(0, zlib.DEFLATED, 31)
        out = engine.compress(P4 + b"B" + struct.pack("<I", count) + bytes(count) + b".") + engine.flush()
        if len(out) == piece:
            return out + b"x"
    raise AssertionError("no such length")


def _sum(block: bytes) -> bytes:
    plain = block[:148] + b" " * 8 + block[156:512]
    return block[:148] + b"%06o\0 " % sum(plain) + block[156:]


def _arrays() -> list[tuple[str, bytes, str]]:
    def headed(header: bytes, version: int = 1) -> bytes:
        return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(header)) + header

    array = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }\n"
    return [
        ("version.npy", headed(b"{}", 1)[:6] + b"\x09\0" + bytes(9), "npy-header"), ("short.npy", headed(b"{}" * 50)[:-9], "truncated"), ("call.npy", headed(b"f()"), "npy-header"),
        ("list.npy", headed(b"[]"), "npy-header"), ("keys.npy", headed(b"{'descr': '<f4'}"), "npy-header"), ("shape.npy", npy("'<f4'", bytes(4), shape="(-1,)"), "npy-header"),
        ("axes.npy", npy("'<f4'", bytes(4), shape=f"({'1,' * 99})"), "axes"), ("size.npy", npy("'<f4'", bytes(5)), "npy-size"), ("dtype.npy", npy("'<q4'", bytes(4)), "npy-dtype"),
        ("field.npy", npy("[('a',)]", bytes(4)), "npy-dtype"), ("field-shape.npy", npy("[('a', '<f4', (-1,))]", bytes(4)), "npy-dtype"), ("nothing.npy", npy("[]", b""), "npy-dtype"),
        ("no-pickle.npy", npy("'|O'", b""), "npy-size"), ("header.npy", headed(b"{}" + b" " * 70_000, 2), "header bytes"), ("member.npz", zipped({"a.npy": npy("'<f4'", bytes(4)), "b": b"x"}), "npz-member"),
        ("version-9.npy", headed(array, 9) + bytes(4), "npy-header"), ("shape-list.npy", npy("'<f4'", bytes(4), shape="[1]"), "npy-header"),
        ("brackets.npy", headed(b"(" * 1200 + b")" * 1200), "npy-header"),
    ]  # fmt: skip


def _compressed() -> list[tuple[str, bytes, str]]:
    inner = P4 + b"X\xff\0\0\0" + b"x" * 255 + b"."
    whole, framed = gzip.compress(inner, mtime=0), lz4(inner)
    flags = b"\x04\x22\x4d\x18"
    block = bytes([0xF0, 255 - 15]) + inner[:255]

    def frame(*blocks: bytes, head: bytes = b"\x60\x40\x82") -> bytes:
        return flags + head + b"".join(struct.pack("<I", len(b)) + b for b in blocks) + bytes(4)

    return [
        ("cut.pkl.gz", whole[:-9], "compressed-truncated"), ("tail.pkl.gz", whole + b"x", "compressed-tail"), ("damaged.pkl.gz", _patched(whole, len(whole) - 6, b"\0\0"), "compressed-damaged"),
        ("cut.pkl.lz4", framed[:-2], "compressed-truncated"), ("tail.pkl.lz4", framed + b"x", "compressed-tail"), ("header.pkl.lz4", _patched(framed, 6, b"\x83"), "compressed-damaged"),
        ("flags.pkl.lz4", _patched(framed, 4, b"\x21"), "compressed-damaged"), ("block.pkl.lz4", framed[:7] + b"\xff\xff\xff\x7f" + framed[11:], "compressed-damaged"),
        ("copy.pkl.lz4", frame(block, b"\x10a\xff\xff\0"), "compressed-damaged"), ("literals.pkl.lz4", frame(block, b"\xf0\x01abc"), "compressed-damaged"), ("sequence.pkl.lz4", frame(block, b"\x10a\x01"), "compressed-damaged"),
        ("room.pkl.lz4", frame(block, b"\x1fa\x01\0" + b"\xff" * 300 + b"\0\0"), "compressed-damaged"), ("zf-length.pkl", b"ZF" + b"0x5".ljust(19) + zlib.compress(P4 + b"N."), "compressed-damaged"),
        ("zf-digits.pkl", b"ZF" + b"nothing".ljust(19) + zlib.compress(P4 + b"N."), "compressed-damaged"), ("bomb.pkl.gz", gzip.compress(P4 + b"B\0\0\0\2" + bytes(1 << 25) + b".", mtime=0), "ratio"),
        ("room-end.pkl.lz4", frame(block, b"\x1fa\x01\0" + b"\xff" * 256 + b"\xec\x50abcde"), "compressed-damaged"),
        ("dictionary.pkl.xz", _large_dictionary(inner), "a xz stream that needs"),
        ("size.pkl.lz4", _sized(inner), "compressed-damaged"), ("copy-nowhere.pkl.lz4", frame(block, b"\x10a\0\0\x10"), "compressed-damaged"), ("boundary.pkl.gz", _boundary(), "compressed-tail"),
        *((f"{title}.pkl.lz4", MAGIC_4 + head + struct.pack("<I", len(inner) | 1 << 31) + inner + bytes(4), "compressed-damaged")
          for title, head in (("version", b"\xa0\x40\x0f"), ("reserved", b"\x62\x40\xf0"), ("block-size", b"\x60\x30\xd4"), ("block-flag", b"\x60\xc0\x2a"))),
    ]  # fmt: skip


def _large_dictionary(data: bytes) -> bytes:
    """Little data that wants 128 MB to be inflated."""
    return lzma.compress(data, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 128 << 20}])


def _sized(inner: bytes) -> bytes:
    """A frame that declares another size; flags 0x68, size 7, checksum as the library computes it."""
    return (
        b"\x04\x22\x4d\x18\x68\x40"
        + struct.pack("<Q", 7)
        + b"\xb0"
        + struct.pack("<I", len(inner) | 1 << 31)
        + inner
        + bytes(4)
    )


def _layouts() -> list[tuple[str, bytes, str]]:
    one = tensor(4, (4,), (1,))
    raw = struct.pack("<q", 4) + bytes(16)
    begin, keys = MAGIC + PROTOCOL + SYSTEM + b"\x80\x02" + one + b".", b"\x80\x02](" + text("0") + b"e."
    pair = b"(" + one + tensor(5, (5,), (1,)) + b"t"

    def wrapped(state: bytes, behind: bytes = b"") -> bytes:
        return b"\x80\x03" + WRAPPER + b")\x81}(" + state + b"ub" + behind + b"."

    def dtype(title: str, state: bytes = b"") -> bytes:
        return text("dtype") + name("numpy", "dtype") + text(title) + b"\x89\x88\x87R" + state

    shape, aligned = text("shape") + b"K\x02\x85", text("numpy_array_alignment_bytes") + b"K\x10"
    framed = WRAPPER + b")\x81}(" + dtype("f4") + shape + b"ub"
    sized = b"(K\x03" + text("|") + b"NNNJ\x09\0\0\0J\xff\xff\xff\xffK\x00tb"
    return [
        ("storage-sizes.pt", torch_zip(b"\x80\x02" + pair + b".", {"0": bytes(16)}), "pickle-storage"), ("storage-missing.pt", torch_zip(b"\x80\x02" + one + b"."), "pickle-storage"),
        ("record.pt", torch_zip(b"\x80\x02}.", None, {".data/serialization_id": b"x" * 99}), "pickle-record"), ("legacy-keys.pth", begin + b"\x80\x02].", "pickle-storage"),
        ("legacy-count.pth", begin + keys + struct.pack("<q", 5) + bytes(20), "pickle-storage"), ("legacy-short.pth", begin + keys + raw[:-1], "truncated"), ("legacy-tail.pth", begin + keys + raw + b"x", "pickle-tail"),
        ("wrapper-none.joblib", b"\x80\x03" + WRAPPER + b")\x81Nb.", "pickle-joblib"), ("wrapper-shape.joblib", wrapped(dtype("f4") + text("shape") + b"N"), "an array whose length"),
        ("wrapper-dtype.joblib", wrapped(dtype("V8", sized) + shape), "an array whose length"), ("wrapper-short.joblib", wrapped(dtype("f4") + shape), "pickle-truncated"),
        ("wrapper-aligned.joblib", wrapped(dtype("f4") + shape + aligned, b"\x01"), "pickle-truncated"), ("wrapper-object-tail.joblib", wrapped(dtype("O8") + shape, P4 + b"N.\xff"), "pickle-opcode"),
        ("wrapper-framed.joblib", P4 + b"\x95" + struct.pack("<Q", len(framed) + 9) + framed + bytes(8) + b".", "pickle-joblib"),
        ("legacy-twice.pth", begin + b"\x80\x02](" + text("0") * 2 + b"e." + raw * 2, "pickle-storage"), ("script-more.pt", torch_zip(b"\x80\x02}.", None, {"constants.pkl": b"\x80\x02).", "extra/a.7z": b"7z\xbc\xaf\x27\x1c"}), "1 members that"),
        ("joblib-tail.joblib", b"\x80\x03" + WRAPPER + b"0N.\xff", "pickle-tail"), ("code-text.pt", torch_zip(b"\x80\x02}.", None, {"constants.pkl": b"\x80\x02).", "code/__torch__.py": b"\xff"}), "torchscript-text"),
        ("wrapper-several.joblib", wrapped(dtype("u1") + shape, b"\0\0") + b"\x80\x03N.", "arrays in one of several"),
        ("beside-nameless.joblib", b"\x80\x02" + wrapper("joblib.numpy_pickle", text("subclass") + b"N", title="NDArrayWrapper") + b".", "an array in a file whose name"),
        ("beside.joblib", b"\x80\x02" + wrapper("joblib.numpy_pickle", text("filename") + text("m.pkl_01.npy"), title="NDArrayWrapper") + b".", "reads 1 arrays from files beside it: m.pkl_01.npy"),
        ("storage-short.pkl", b"\x80\x03" + storage(legacy_storage(4)[:-1]) + b".", "pickle-nested"), ("storage-object.pkl", b"\x80\x03" + storage(legacy_storage(4, b"(" + STORED + b"K\x04NtQ0N")) + b".", "pickle-nested"),
        ("storage-call.pkl", b"\x80\x03" + storage(legacy_storage(4, BARE + b"0(" + STORED + b"K\x04NtQ")) + b".", "pickle-names"),
        ("storage-nothing.pkl", b"\x80\x03" + storage(MAGIC + PROTOCOL + SYSTEM + b"\x80\x02" + name("collections", "OrderedDict") + b")R.\x80\x02].") + b".", "pickle-nested"),
        ("storage-cut.pkl", b"\x80\x03" + storage(legacy_storage(4, BARE)[:-1]) + b".", "pickle-names"),
        ("storage-class.pkl", b"\x80\x03" + storage(legacy_storage(4, name("vendor.layers", "Gate") + b"0(" + STORED + b"K\x04NtQ")) + b".", "names vendor.layers.Gate"),
        ("storage-dictionary.pkl", b"\x80\x03" + storage(legacy_storage(4, name("collections", "OrderedDict") + b")R")) + b".", "pickle-nested"),
        ("folder.joblib", b"\x80\x02" + wrapper("joblib.numpy_pickle", text("filename") + text(".."), title="NDArrayWrapper") + b".", "pickle-beside"),
        ("storage-text.pkl", b"\x80\x02" + name("torch.storage", "_load_from_bytes") + name("_codecs", "encode") + b"X" + struct.pack("<I", 600) + "\u0120".encode() * 300 + text("latin1") + b"\x86R\x85R.", "pickle-nested"),
        ("code-syntax.pt", torch_zip(b"\x80\x02}.", None, {"constants.pkl": b"\x80\x02).", "code/__torch__.py": b"def (:"}), "code that cannot"),
        ("code-import.pt", torch_zip(b"\x80\x02}.", None, {"constants.pkl": b"\x80\x02).", "code/__torch__.py": b"import os"}), "Import in line"),
        ("code-operator.pt", torch_zip(b"\x80\x02}.", None, {"constants.pkl": b"\x80\x02).", "code/__torch__.py": b"def f(x: Tensor):\n  ops.mine.run(x)"}), "uses the operators"),
    ]  # fmt: skip
