"""Hostile pictures at the door: each is named in a signed refusal, and the honest ones are admitted."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from core_world import OWNER, SUPPLIER, World

from countermark.errors import MissingExtra
from countermark.formats.decode import Decoder
from countermark.lifecycle.contract import Contract, Door
from countermark.lifecycle.deliveries import Received, received
from countermark.lifecycle.receive import receive

Image = pytest.importorskip("PIL.Image", reason="pictures are made with the screen extra")


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder() as opened:
        yield opened


def picture(size: tuple[int, int] = (16, 16), kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (90, 120, 30)).save(out, kind)
    return out.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few hundred bytes that declares 10^9 pixels."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def with_zip(data: bytes) -> bytes:
    out = io.BytesIO(data)
    out.seek(0, io.SEEK_END)
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("run.py", "print('not a picture')")
    return out.getvalue()


HOSTILE: dict[str, Callable[[], bytes]] = {
    "truncated": lambda: picture()[:-30],
    "cut in the data": lambda: picture()[:60],
    "header only": lambda: picture()[:33],
    "a bomb of 10^9 pixels": lambda: bomb(31623, 31623),
    "a bomb one pixel high": lambda: bomb(1_000_000_000, 1),
    "flipped bytes": lambda: picture().replace(b"IDAT", b"IDAT\0", 1),
    "a zip behind the picture": lambda: with_zip(picture()),
    "a script behind the picture": lambda: picture() + b"<script>alert(1)</script>",
    "html with a picture's name": lambda: b"<html><body>not a picture</body></html>",
    "a jpeg called png": lambda: picture(kind="JPEG"),
    "empty": lambda: b"",
    "an elf called png": lambda: b"\x7fELF" + bytes(100),
}


def handed_in(world: World, data: bytes, decoder: Decoder) -> Received:
    folder = world.root / SUPPLIER / "parts"
    (folder / "nut").mkdir(parents=True)
    (folder / "nut" / "good.png").write_bytes(picture())
    (folder / "nut" / "odd.png").write_bytes(data)
    world.delivered(folder)
    return receive(world[OWNER], folder, examine=Door(Contract(), decoder))


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_pictures_are_refused_by_name(world: World, decoder: Decoder, what: str) -> None:
    answer = handed_in(world, HOSTILE[what](), decoder)
    assert answer.state == "refused", what
    assert any("nut/odd.png" in reason for reason in answer.reasons), answer.reasons
    assert not any("good.png" in reason for reason in answer.reasons)
    assert all(reason.isprintable() for reason in answer.reasons)
    assert answer.answer is not None


def test_honest_pictures_are_admitted(world: World, decoder: Decoder) -> None:
    assert handed_in(world, picture((33, 7)), decoder).state == "admitted"


def test_a_door_that_cannot_look_admits_nothing(world: World) -> None:
    folder, _ = world.delivered()

    def blind(*_: object) -> list[str]:
        raise MissingExtra("pictures are not decoded here", mend="install the screen extra")

    with pytest.raises(MissingExtra):
        receive(world[OWNER], folder, examine=blind)
    assert received(world[OWNER]) == []
    assert list(Path(world[OWNER].space.home / "incoming").iterdir()) == []
