"""Change each byte of a small file in turn: the reader refuses it, or reads just what its library reads."""

from __future__ import annotations

import io
import zipfile
import zlib

import pytest

from countermark.errors import FormatRefused
from countermark.formats import npy, safetensors, zipped
from countermark.formats.image import sniff
from countermark.formats.limits import Malformed
from countermark.formats.source import Memory

CHANGES = (0x01, 0x80, 0xFF)


def variants(data: bytes):
    """Every single-byte change, and every file cut short or lengthened by one byte."""
    for at in range(len(data)):
        for change in CHANGES:
            yield at, data[:at] + bytes([data[at] ^ change]) + data[at + 1 :]
    for at in range(len(data)):
        yield at, data[:at]
    yield len(data), data + b"\0"


def archive(monkeypatch=None) -> bytes:
    """Two members; with the limits of the library lowered, in the zip64 form."""
    if monkeypatch is not None:
        monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
        monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 10)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name in ("a.txt", "b/c.txt"):
            file.writestr(zipfile.ZipInfo(name), name.encode() * 9)
    return out.getvalue()


def everything(data: bytes) -> dict[str, bytes]:
    source = Memory(data)
    return {m.name: b"".join(zipped.chunks(source, m)) for m in zipped.read(source).members}


@pytest.mark.parametrize("wide", [False, True], ids=["zip", "zip64"])
def test_a_zip(wide, monkeypatch):
    data = archive(monkeypatch if wide else None)
    assert (b"PK\x06\x06" in data) is wide
    content = {name: name.encode() * 9 for name in ("a.txt", "b/c.txt")}
    assert everything(data) == content
    read = 0
    for at, changed in variants(data):
        try:
            ours = everything(changed)
        except FormatRefused:
            continue
        read += 1
        with zipfile.ZipFile(io.BytesIO(changed)) as file:
            assert {n: file.read(n) for n in file.namelist()} == ours, at
    assert read < len(data)  # times, versions and attributes are free; nothing else is


def test_a_zip64_that_lies_is_refused(monkeypatch):
    data = archive(monkeypatch)
    record, locator = data.index(b"PK\x06\x06"), data.index(b"PK\x06\x07")
    for at, new in ((record + 4, b"\x2d"), (record + 24, b"\x09"), (record + 48, b"\xee"), (locator + 8, b"\x07")):
        with pytest.raises(Malformed) as caught:
            zipped.read(Memory(data[:at] + new + data[at + 1 :]))
        assert caught.value.rule in ("zip-end", "zip-directory")


def test_a_safetensors():
    library = pytest.importorskip("safetensors", reason="safetensors is not installed")
    text = b'{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}'
    data = len(text).to_bytes(8, "little") + text + b"abcd"
    for at, changed in variants(data):
        try:
            facts = safetensors.read(Memory(changed))
        except FormatRefused:
            continue
        theirs = {name: bytes(entry["data"]) for name, entry in library.deserialize(changed)}
        assert {t.name: changed[t.begin : t.end] for t in facts.tensors} == theirs, at


def test_an_array():
    np = pytest.importorskip("numpy", reason="needs the screen extra")
    out = io.BytesIO()
    np.save(out, np.arange(3, dtype=np.int16))
    for at, changed in variants(out.getvalue()):
        try:
            facts = npy.read_npy(Memory(changed))
        except FormatRefused:
            continue
        try:
            theirs = np.load(io.BytesIO(changed), allow_pickle=False)
        except (ValueError, TypeError):
            assert facts.dtype not in ("<i2", ">i2"), at  # a dtype that NumPy itself does not have
            continue
        assert (theirs.shape, theirs.nbytes) == (facts.shape, facts.data_bytes), at


def test_a_png_whose_bytes_changed_is_refused():
    import struct

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", 2, 2, 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"\0\x80\x80" * 2)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    assert sniff(data).flags == ()
    for at, changed in variants(data):
        if at == len(data):
            assert [flag.rule for flag in sniff(changed).flags] == ["trailing-bytes"]
            continue
        with pytest.raises(Malformed):
            sniff(changed)
