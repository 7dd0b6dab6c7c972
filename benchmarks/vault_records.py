"""Records of a sealed dataset beside plain files: as bytes, and as pictures that a training loader decodes; run by `vault.py`.

Each in random order, files in memory, turn about; the best of five passes, because a busy machine only makes a pass dearer. Beside bytes stands
what is possible here: to decrypt and to hash a record in warm memory is work that no plain read has (`bound`).
"""

from __future__ import annotations

import io
import os
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

PASSES = 5
PICTURES = {"JPEG": (400, (512, 384), {"quality": 90}), "PNG": (400, (256, 256), {})}
"""Format: how many, their size, and how they are saved."""
Read = Callable[[int], object]


def records(place: Path) -> None:
    """Bytes: samples per CPU second."""
    for width, count in ((4 << 10, 2000), (64 << 10, 1000), (1 << 20, 200)):
        data = {f"{number:05}.bin": os.urandom(width) for number in range(count)}
        with _both(place, f"r{width}", data) as (folder, files, chunk):
            from countermark.lifecycle.seal_dataset import SealedDataset

            reads: dict[str, Read] = {
                "plain": partial(_plain, folder, [*data]),
                "ours": SealedDataset(files).__getitem__,
            }
            rates = _rates({name: partial(map, read) for name, read in reads.items()}, count)
            spent = 1 / rates["plain"]["cpu"]
            bound = spent / (spent + _opening(width))
        print(f"records of {width:>7} bytes, chunks of {chunk:>6}: {rates['ours']['cpu']:8.0f} samples per CPU second sealed, "
              f"{rates['plain']['cpu']:8.0f} plain, x{rates['ours']['cpu'] / rates['plain']['cpu']:.2f}; bound x{bound:.2f}")  # fmt: skip


def pictures(place: Path) -> None:
    """A training loader: each record is decoded to an array of pixels."""
    import numpy as np
    from PIL import Image

    from countermark.lifecycle.seal_dataset import SealedDataset

    def decoded(_path: str, raw: Any) -> Any:
        return np.asarray(Image.open(io.BytesIO(raw)).convert("RGB"))

    for kind, (count, size, how) in PICTURES.items():
        data = {f"{n:05}.{kind.lower()}": _picture(n, kind, size, how) for n in range(count)}
        names = [*data]
        with _both(place, kind, data) as (folder, files, _), ThreadPoolExecutor(2) as pool:
            plain = lambda n, folder=folder, names=names: decoded("", _plain(folder, names, n))  # noqa: E731
            sides: dict[str, Callable[[list[int]], Iterable[object]]] = {
                "plain": partial(map, plain), "ours": partial(map, SealedDataset(files, decoded).__getitem__),
                "plain ahead": partial(pool.map, plain), "ours ahead": SealedDataset(files, decoded, threads=2).ahead,
            }  # fmt: skip
            rates = _rates(sides, count)
        mean = sum(map(len, data.values())) / count / 1024
        cpu, wall = (
            [rates[name][clock] for name in names]
            for clock, names in (("cpu", ("ours", "plain")), ("wall", ("ours ahead", "plain ahead")))
        )
        print(f"{kind} of {size[0]} x {size[1]} (mean {mean:.0f} KiB), decoded: {cpu[0]:.0f} samples per CPU second sealed, {cpu[1]:.0f} plain, "
              f"x{cpu[0] / cpu[1]:.2f}; two threads ahead, wall: {wall[0]:.0f}, {wall[1]:.0f}, x{wall[0] / wall[1]:.2f}")  # fmt: skip


@contextmanager
def _both(place: Path, name: str, data: Mapping[str, bytes]) -> Iterator[tuple[Path, Any, int]]:
    """The records as plain files, and sealed and opened."""
    from countermark.keys import signer
    from countermark.lifecycle import seal
    from countermark.seal import hpke, manifest, writer

    folder, sealed = place / name, place / f"{name}.cmsealed"
    folder.mkdir()
    for path, content in data.items():
        (folder / path).write_bytes(content)
    owner, mine = signer.generate("statement"), hpke.generate()
    reader = seal.Reader(manifest.by_keys([owner.public]))
    form = writer.Form(chunk=writer.chunk_for("dataset", len(data), sum(map(len, data.values()))))
    by = seal.Sealer([owner], "", "2026-01-01T00:00:00Z")
    seal.seal(folder, sealed, [hpke.HpkeRecipient("me", mine.public)], by, kind="dataset", form=form)
    with seal.opened(sealed, reader, mine, threads=1) as files:
        yield folder, files, form.chunk


def _plain(folder: Path, names: list[str], number: int) -> bytes:
    with open(folder / names[number], "rb") as file:
        return file.read()


def _picture(number: int, kind: str, size: tuple[int, int], how: dict[str, Any]) -> bytes:
    """Soft shapes, edges and the noise of a sensor: it compresses about as a photograph does."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(number)
    soft = Image.fromarray(rng.integers(0, 256, (9, 12, 3), np.uint8)).resize(size, Image.Resampling.BICUBIC)
    hard = Image.fromarray(rng.integers(0, 256, (24, 32, 3), np.uint8)).resize(size, Image.Resampling.NEAREST)
    pixels = np.asarray(Image.blend(soft, hard, 0.2), float) + rng.normal(0, 3, (size[1], size[0], 3))
    out = io.BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(out, kind, **how)
    return out.getvalue()


def _rates(sides: Mapping[str, Callable[[list[int]], Iterable[object]]], count: int) -> dict[str, dict[str, float]]:
    """Samples a second of CPU and of wall, for each side the best pass."""
    order = random.Random(6).sample(range(count), count)
    best = {name: {"cpu": 0.0, "wall": 0.0} for name in sides}
    for _ in range(PASSES):
        for name, read in sides.items():
            begin, cpu = time.perf_counter(), time.process_time()
            for _sample in read(order):
                pass
            spent = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - begin}
            best[name] = {clock: max(best[name][clock], count / spent[clock]) for clock in spent}
    return best


def _opening(width: int) -> float:
    """CPU seconds to hash and to decrypt so many bytes that are in the cache, at the least."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    from countermark.seal.manifest import hashing

    cipher, leaf = AESGCM(os.urandom(32)), hashing("blake3").leaf_behind
    sealed, room, least = memoryview(cipher.encrypt(bytes(12), os.urandom(width), None)), bytearray(width), 1.0
    for _ in range(PASSES):
        times = max(10, (16 << 20) // width)
        begin = time.process_time()
        for _ in range(times):
            leaf(sealed)
            cipher.decrypt_into(bytes(12), sealed, None, room)
        least = min(least, (time.process_time() - begin) / times)
    return least
