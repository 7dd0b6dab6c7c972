"""What a compressed file inflates to, read forwards in windows: its size is counted once, its bytes are never all here."""

from __future__ import annotations

import bz2
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from countermark.formats import lz4
from countermark.formats.limits import Malformed, ModelLimits, OverLimit, Unaccounted
from countermark.formats.source import Slice
from countermark.sandbox.task import Source

_DIGITS = 19
_PIECE = 1 << 18
_KEPT = 4 << 20
_SMALL = 16 << 20
DICTIONARY = 96 << 20
"""Memory of an xz decoder: the strongest preset needs 65 MiB."""
KINDS: dict[str, tuple[bytes, Callable[[], Any]]] = {
    "gzip": (b"\x1f\x8b\x08", lambda: zlib.decompressobj(31)),
    "bzip2": (b"BZh", bz2.BZ2Decompressor),
    "xz": (b"\xfd7zXZ\x00", lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=DICTIONARY)),
    "lzma": (b"\x5d\x00\x00", lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=DICTIONARY)),
    "lz4": (lz4.MAGIC, lz4.Frame),
    "zlib": (b"\x78", lambda: zlib.decompressobj(15)),
}
"""Name -> first bytes, and what inflates one stream of it."""


def kind_of(head: bytes) -> str:
    """Which of `KINDS` a file begins like, or an empty string."""
    found = next((name for name, (magic, _) in KINDS.items() if head.startswith(magic)), "")
    return "" if found == "zlib" and (len(head) < 2 or int.from_bytes(head[:2], "big") % 31) else found


def zfile(source: Source) -> Inflated:
    """What a ZFile of joblib before 0.10 inflates to: ``ZF``, its length in hexadecimal digits, then zlib.

    Raises:
        OverLimit: a bomb. Malformed: damaged, or of another length.
    """
    digits = source.read(2, min(_DIGITS, source.size - 2)).rstrip(b" ")
    after = 2 + _DIGITS + (source.read(2 + _DIGITS, 1) == b" " if source.size > 2 + _DIGITS else 0)
    if not re.fullmatch(rb"0x[0-9a-fA-F]{1,16}L?", digits):
        raise Malformed("compressed-damaged", "a ZFile without its length", offset=2)
    out = Inflated(Slice(source, after, source.size - after), "zlib")
    if out.size != int(digits.rstrip(b"L"), 16):
        raise Malformed("compressed-damaged", f"a ZFile of {out.size} bytes that declares {digits.decode()}", offset=2)
    return out


class Inflated:
    """A source over the inflated bytes of one compressed stream that fills its file.

    Reads go forwards, at most 4 MiB back. A second stream or anything else after the first one is refused.

    Attributes:
        size: inflated bytes.
    """

    def __init__(self, source: Source, kind: str, limits: ModelLimits | None = None) -> None:
        """Inflate once to count.

        Raises:
            OverLimit: a bomb. Malformed: damaged, or bytes after the end.
        """
        self._source, self._kind, self._bounds = source, kind, limits or ModelLimits()
        self.size = sum(len(piece) for piece in self._pieces())
        self._begin()

    def read(self, offset: int, count: int) -> bytes:
        """Exactly `count` bytes at `offset`.

        Raises:
            Malformed: they are not there, or lie too far behind.
        """
        if offset < 0 or count < 0 or offset + count > self.size:
            raise Malformed("truncated", f"{count} bytes at byte {offset} of {self.size}", offset=self.size)
        if offset < self._at:
            self._begin()
        while self._at + len(self._kept) < offset + count:
            self._kept += next(self._coming)
            spare = min(len(self._kept) - _KEPT, offset - self._at)
            if spare > _KEPT:
                del self._kept[:spare]
                self._at += spare
        return bytes(self._kept[offset - self._at : offset - self._at + count])

    def _begin(self) -> None:
        self._coming, self._kept, self._at = self._pieces(), bytearray(), 0

    def _pieces(self) -> Iterator[bytes]:
        engine, at, made = KINDS[self._kind][1](), 0, 0
        while not engine.eof:
            data = self._source.read(at, min(_PIECE, self._source.size - at))
            if not data:
                raise Malformed("compressed-truncated", f"the {self._kind} stream has no end", offset=at)
            at += len(data)
            for piece in self._inflate(engine, data):
                made += len(piece)
                self._check(made, at)
                yield piece
        if engine.unused_data or at != self._source.size:
            raise Malformed(
                "compressed-tail",
                f"bytes after the end of the {self._kind} stream",
                offset=at - len(engine.unused_data),
            )

    def _inflate(self, engine: Any, data: bytes) -> Iterator[bytes]:
        """Pieces of bounded size, whatever the input is."""
        try:
            while True:
                yield engine.decompress(data, _PIECE)
                data = engine.unconsumed_tail if hasattr(engine, "unconsumed_tail") else b""
                if engine.eof or (not data if hasattr(engine, "unconsumed_tail") else engine.needs_input):
                    return
        except (zlib.error, OSError, EOFError, lzma.LZMAError, lz4.Damaged) as error:
            if "emory" in str(error):
                raise Unaccounted(
                    "compressed-memory", f"a {self._kind} stream that needs more memory than is given"
                ) from error
            raise Malformed("compressed-damaged", f"the {self._kind} stream is damaged", why=str(error)) from error

    def _check(self, made: int, read: int) -> None:
        if made > self._bounds.inflated_bytes:
            raise OverLimit("inflated_bytes", made, self._bounds.inflated_bytes)
        if made > _SMALL and made > self._bounds.ratio * read:
            raise OverLimit("ratio", made // read, self._bounds.ratio, offset=read)
