"""Sealed datasets as loaders take them: random access, batches, threads."""

from __future__ import annotations

import itertools
import os
import random
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import seal_world

from countermark.errors import FormatRefused, TreeRefused, Unusable
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


def photos(tmp_path: Path, records: dict[str, bytes]) -> tuple[Path, seal.Reader, hpke.HpkeIdentity]:
    """A sealed folder of records, its reader, and a key for it."""
    folder, mine, world = tmp_path / "ahead", hpke.generate(), seal_world.make(tmp_path / "world")
    folder.mkdir()
    for path, data in records.items():
        (folder / path).write_bytes(data)
    target = tmp_path / "ahead.cmsealed"
    seal.seal(folder, target, [hpke.HpkeRecipient("t", mine.public)], world.sealer, kind="dataset",
              form=writer.Form(chunk=4096))  # fmt: skip
    return target, world.reader, mine


def test_threads_read_ahead_in_order(tmp_path: Path) -> None:
    rng = random.Random(6)
    records = {f"{n:02}.bin": rng.randbytes(rng.randrange(9000)) for n in range(50)}
    target, reader, mine = photos(tmp_path, records)
    read: list[str] = []
    met = threading.Barrier(3, timeout=30)

    def decode(path: str, raw: memoryview) -> tuple[str, bytes]:
        if len(read) < 3:
            read.append(path)
            met.wait()  # nobody passes before three read at once
        read.append(path)
        return path, bytes(raw)

    with seal.opened(target, reader, mine) as files:
        order = rng.sample(range(50), 50)
        expected = [(path, records[path]) for path in (f"{n:02}.bin" for n in order)]
        data = SealedDataset(files, decode, threads=3)
        assert list(data.ahead(order)) == expected
        assert data.__getitems__(order[:7]) == expected[:7] and dict(data) == records
        read.clear()
        read += ["", "", ""]
        begun = data.ahead(itertools.cycle(order))  # endless: only a window of it is read
        assert [next(begun) for _ in range(60)] == (expected * 2)[:60]
        begun.close()  # type: ignore[attr-defined]
        assert len(read) <= 3 + 60 + 12
        with pytest.raises(IndexError):
            data.__getitems__([1, 50])


def test_a_changed_record_stops_a_batch_and_not_those_before_it(tmp_path: Path) -> None:
    records = {f"{n:02}.bin": bytes([n]) * 4096 for n in range(20)}
    target, reader, mine = photos(tmp_path, records)
    prelude = seal.verified(target, reader).manifest.prelude
    whole = bytearray(target.read_bytes())
    whole[prelude.at(1 + 10) + 7] ^= 1
    target.write_bytes(whole)
    with seal.opened(target, reader, mine) as files:
        data = SealedDataset(files, threads=2)
        given = data.ahead(range(20))
        assert [bytes(next(given)) for _ in range(10)] == [bytes([n]) * 4096 for n in range(10)]
        with pytest.raises(FormatRefused, match="chunk 11"):
            next(given)
        with pytest.raises(FormatRefused, match="chunk 11"):
            data.__getitems__([3, 10, 4])
        assert [bytes(one) for one in data.__getitems__([11, 9])] == [records["11.bin"], records["09.bin"]]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_process_that_was_forked_is_told_and_does_not_wait_for_ever(tmp_path: Path) -> None:
    """What PyTorch's loader does with `num_workers`: the pool is copied, and its threads are not."""
    target, reader, mine = photos(tmp_path, {f"{n}.bin": bytes([n]) * 9 for n in range(9)})
    with seal.opened(target, reader, mine) as files:
        threaded, plain = SealedDataset(files, threads=2), SealedDataset(files)
        assert len(threaded.__getitems__(range(9))) == 9  # its threads run, and wait for more
        child = os.fork()
        if not child:
            signal.alarm(20)
            said = 1
            try:
                threaded.__getitems__([1, 2])
            except Unusable as error:
                said = 0 if "num_workers=0" in error.mend and len(plain.__getitems__([1])) == 1 else 2
            finally:
                os._exit(said)
        assert os.waitpid(child, 0)[1] == 0


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
    ("model", 1, 10 << 30, 1 << 20), ("model", 1, 100, 4096), ("dataset", 1000, 4_096_000, 4096), ("dataset", 10, 10 << 30, 256 << 10),
    ("dataset", 100, 100 * 60_000, 32768), ("dataset", 100, 100 << 16, 65536), ("dataset", 0, 0, 4096), ("model", 1, 10 << 20, 1 << 20), ("other", 1, 1 << 20, 65536), ("other", 0, 0, 4096),
])  # fmt: skip
def test_chunks_suit_the_asset(kind: str, files: int, size: int, chunk: int) -> None:
    assert writer.chunk_for(kind, files, size) == chunk
