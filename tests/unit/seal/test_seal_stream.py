"""What is encrypted is what the tree digest names, however files, leaves, blocks and chunks lie; and a disk that fails early is heard."""

from __future__ import annotations

import ctypes
import errno
import random
import re
from pathlib import Path
from queue import SimpleQueue

import pytest
import seal_world

from countermark.artefact.stream import stream_folder
from countermark.artefact.tree import CHUNK_BYTES
from countermark.errors import Unusable
from countermark.lifecycle import seal
from countermark.seal import early, hpke, writer
from countermark.seal.stream import BLOCK_BYTES, Block

SIZES = [0, 1, 4096, 65_536, 65_537, BLOCK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES - 7, 3]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = random.Random(6)
    path = tmp_path_factory.mktemp("stream") / "files"
    path.mkdir()
    for number, size in enumerate(SIZES):
        (path / f"{number:02}.bin").write_bytes(rng.randbytes(size))
    return path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> seal_world.World:
    return seal_world.make(tmp_path_factory.mktemp("stream") / "world")


def sealed(world: seal_world.World, source: Path, target: Path, chunk: int, threads: int) -> None:
    to = [hpke.HpkeRecipient("plant-7", world.plant.public)]
    seal.seal(source, target, to, world.sealer, kind="other", form=writer.Form(chunk=chunk), threads=threads)


@pytest.mark.parametrize(("chunk", "threads"), [(4096, 3), (1 << 20, 1), (1 << 20, 2), (1 << 21, 3), (1 << 24, 2)])
def test_what_is_sealed_is_what_the_tree_names(
    world: seal_world.World, folder: Path, tmp_path: Path, chunk: int, threads: int
) -> None:
    target = tmp_path / "files.cmsealed"
    sealed(world, folder, target, chunk, threads)
    with seal.opened(target, world.reader, world.plant, threads=threads) as files:
        assert files.digest == stream_folder(folder).digest
        for path in files.paths:
            assert files.view(path) == (folder / path).read_bytes()
            size = files.size(path)
            assert (
                files.read(path, size // 3, size - size // 5)
                == (folder / path).read_bytes()[size // 3 : size - size // 5]
            )


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="only Linux tells of its mappings")
def test_plaintext_is_private_and_in_no_core_dump(world: seal_world.World, folder: Path, tmp_path: Path) -> None:
    """On pages of every kind: what chooses them splits the mapping, and each part keeps what was asked for the whole."""
    target = tmp_path / "files.cmsealed"
    sealed(world, folder, target, 1 << 20, 2)
    with seal.opened(target, world.reader, world.plant) as files:
        data = files.take("08.bin")
    begin = ctypes.addressof(ctypes.c_char.from_buffer(data))
    covered = 0
    for mapping in re.split(r"(?m)^(?=[0-9a-f]+-[0-9a-f]+ )", Path("/proc/self/smaps").read_text())[1:]:
        low, high = (int(text, 16) for text in mapping.split(maxsplit=1)[0].split("-"))
        if low < begin + len(data) and high > begin:
            covered += min(high, begin + len(data)) - max(low, begin)
            flags = mapping.partition("VmFlags:")[2].split()
            assert mapping.split()[1] == "rw-p" and "dd" in flags and "sh" not in flags
    assert covered == len(data) == SIZES[8]


def test_a_block_is_used_again_when_all_let_go() -> None:
    spare: SimpleQueue[Block] = SimpleQueue()
    block = Block(8192, spare)
    block.hold()
    block.release()
    assert spare.empty()
    block.release()
    assert spare.get_nowait() is block and len(block.view) == 8192
    block.release()  # whoever took it from there holds it once
    assert spare.get_nowait() is block


def failing(_descriptor: int) -> None:
    raise OSError(errno.EIO, "the disk is gone")


def test_a_disk_that_fails_while_more_is_encrypted_leaves_nothing(
    world: seal_world.World, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linux tells of it once: the last fsync would say that all is well."""
    monkeypatch.setattr(early, "_sync", failing)
    for each in (1, 18 << 20):  # amid the writing, and at its end
        monkeypatch.setattr(early, "_EACH", each)
        with pytest.raises(Unusable, match="cannot write"):
            sealed(world, folder, tmp_path / "files.cmsealed", 1 << 20, 2)
        assert not list(tmp_path.iterdir())
    monkeypatch.setattr(early, "_EACH", 1 << 30)
    sealed(world, folder, tmp_path / "files.cmsealed", 1 << 20, 2)


def test_early_syncs_each_so_many_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(early, "_sync", synced.append)
    with early.Early(7) as one:
        for _ in range(3):
            one.wrote(early._EACH // 2)
    assert synced == [7]
    with pytest.raises(KeyError), early.Early(7):
        raise KeyError  # what failed before is not hidden
