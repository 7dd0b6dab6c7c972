"""Sealed datasets as loaders take them: random access, batches, threads."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import seal_world

from countermark.errors import TreeRefused
from countermark.lifecycle import seal
from countermark.lifecycle.seal_dataset import SealedDataset
from countermark.seal import hpke, writer


def test_records_in_any_order(tmp_path: Path) -> None:
    rng = random.Random(6)
    folder, mine = tmp_path / "photos", hpke.generate()
    records = {
        f"{label}/{n:03}.bin": rng.randbytes(rng.randrange(0, 9000)) for label in ("nut", "screw") for n in range(40)
    }
    for path, data in {**records, "readme.txt": b"not a record"}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    world = seal_world.make(tmp_path / "world")
    target = tmp_path / "photos.cmsealed"
    form = writer.Form(chunk=writer.chunk_for("dataset", len(records), sum(map(len, records.values()))))
    seal.seal(folder, target, [hpke.HpkeRecipient("trainer", mine.public)], world.sealer, kind="dataset", form=form)
    with seal.opened(target, world.reader, mine, kind="dataset") as files:
        data = SealedDataset(files, lambda path, raw: (path, bytes(raw)), keep=lambda path: path.endswith(".bin"))
        assert len(data) == 80 and set(data.labels()) == {"nut", "screw"}
        order = [*range(80)] * 3
        rng.shuffle(order)
        with ThreadPoolExecutor(4) as pool:
            assert all(records[path] == raw for path, raw in pool.map(data.__getitem__, order))
        assert dict(iter(data)) == records
        assert data[-1] == data[79] and data.__getitems__([3, 1]) == [data[3], data[1]]
        with pytest.raises(IndexError):
            data[80]
        raw = SealedDataset(files)
        raw[0][:] = bytes(len(raw[0]))  # a sample is its reader's alone
        assert bytes(raw[0]) == records[raw.paths[0]]
        with pytest.raises(TreeRefused):
            SealedDataset(files, keep=lambda path: False)


def test_an_index_larger_than_a_chunk_lies_in_the_data(tmp_path: Path) -> None:
    folder, mine = tmp_path / "many", hpke.generate()
    folder.mkdir()
    for number in range(200):
        (folder / f"{number:04}.bin").write_bytes(number.to_bytes(2, "big"))
    world = seal_world.make(tmp_path / "world")
    target = tmp_path / "many.cmsealed"
    seal.seal(
        folder,
        target,
        [hpke.HpkeRecipient("t", mine.public)],
        world.sealer,
        kind="dataset",
        form=writer.Form(chunk=4096),
    )
    with seal.opened(target, world.reader, mine) as files:
        assert [int.from_bytes(files.read(path, 0, 2), "big") for path in files.paths] == [*range(200)]
    assert seal.check(target, world.reader).manifest.prelude.chunks > 4


@pytest.mark.parametrize(("kind", "files", "size", "chunk"), [
    ("model", 1, 10 << 30, 1 << 20), ("model", 1, 100, 4096), ("dataset", 1000, 4_096_000, 4096), ("dataset", 10, 10 << 30, 1 << 20),
    ("dataset", 100, 100 * 60_000, 65536), ("other", 1, 1 << 20, 65536), ("other", 0, 0, 4096),
])  # fmt: skip
def test_chunks_suit_the_asset(kind: str, files: int, size: int, chunk: int) -> None:
    assert writer.chunk_for(kind, files, size) == chunk
