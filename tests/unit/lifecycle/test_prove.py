"""Proofs of a part of a folder, made and checked as the commands do: nothing but that part is read."""

from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path

import pytest
import small_release
from core_world import SUPPLIER

from countermark.artefact import _private, buffer
from countermark.artefact.folder import read_folder
from countermark.artefact.handle import Proven, Window, open_verified
from countermark.artefact.profile import SHA256, Profile, blake3_profile
from countermark.artefact.proof import TreeProof
from countermark.artefact.tree import CHUNK_BYTES
from countermark.errors import Refusal, StatementRefused, TreeRefused, Unusable
from countermark.lifecycle import prove
from countermark.lifecycle import verify as stage
from countermark.lifecycle.prove import Part

LARGE = os.urandom(CHUNK_BYTES * 3 + 5)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    root = tmp_path / "model"
    (root / "layers").mkdir(parents=True)
    (root / "large.bin").write_bytes(LARGE)
    for n in range(9):
        (root / "layers" / f"{n}.bin").write_bytes(b"%d" % n * 100)
    return root


def written(model: Path, part: Part, profile: Profile = SHA256) -> tuple[str, Path]:
    summary, proof = prove.proof_of(model, part, profile)
    assert summary.digest == read_folder(model, profile=profile).digest
    file = model.with_suffix(".cmproof")
    file.write_bytes(proof.to_bytes())
    return summary.digest, file


@pytest.mark.parametrize("profile", [SHA256, blake3_profile()], ids=lambda p: p.name)
def test_only_the_part_is_read(model: Path, profile: Profile) -> None:
    digest, file = written(model, Part(("layers/3.bin", "layers/5.bin")), profile)
    (model / "large.bin").write_bytes(b"poison")
    (model / "layers" / "4.bin").unlink()
    (model / "added").mkdir()
    shown = prove.check(model, file, digest)
    assert [e.path for _, e in shown.entries] == ["layers/3.bin", "layers/5.bin"] and shown.files == 10
    (model / "layers" / "5.bin").write_bytes(b"5" * 99 + b"6")
    with pytest.raises(TreeRefused, match=r"changed: layers/5\.bin"):
        prove.check(model, file, digest)


def test_a_folder_is_meant_by_its_name_and_a_file_travels_alone(model: Path, tmp_path: Path) -> None:
    digest, file = written(model, Part(("layers/",)))
    assert len(prove.check(model, file, digest).entries) == 9
    digest, file = written(model, Part(("layers/7.bin",)))
    alone = shutil.copy(model / "layers" / "7.bin", tmp_path / "sent.bin")
    assert prove.check(Path(alone), file, digest)
    Path(alone).write_bytes(b"8" * 100)
    with pytest.raises(TreeRefused, match="changed"):
        prove.check(Path(alone), file, digest)
    with pytest.raises(TreeRefused, match="none of these 10"):
        prove.proof_of(model, Part(("layer",)), SHA256)


@pytest.mark.parametrize(
    ("start", "stop"),
    [(0, 1), (CHUNK_BYTES - 1, CHUNK_BYTES + 1), (CHUNK_BYTES, 2 * CHUNK_BYTES), (3 * CHUNK_BYTES + 4, len(LARGE)),
     (0, len(LARGE))],
)  # fmt: skip
def test_a_range_of_bytes_is_checked_by_its_chunks_alone(model: Path, start: int, stop: int) -> None:
    digest, file = written(model, Part(("large.bin",), (start, stop)))
    proof = TreeProof.from_bytes(file.read_bytes())
    window = proof.window
    assert window and prove.check(model, file, digest)
    with open_verified(model, proof.verify(digest)) as handle:
        assert handle.window(window) == LARGE[start:stop]
    for chunk in range(4):
        touched = bytearray(LARGE)
        touched[chunk * CHUNK_BYTES] ^= 1
        (model / "large.bin").write_bytes(touched)
        if chunk in window.chunks:
            with pytest.raises(TreeRefused, match="changed"):
                prove.check(model, file, digest)
        else:
            assert prove.check(model, file, digest)


def test_the_bytes_read_are_those_of_the_range(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest, file = written(model, Part(("large.bin",), (CHUNK_BYTES + 5, CHUNK_BYTES + 9)))
    read: list[tuple[int, int]] = []
    part = _private.part

    def counted(descriptor: int, start: int, stop: int) -> memoryview:
        read.append((start, stop))
        return part(descriptor, start, stop)

    monkeypatch.setattr(_private, "part", counted)
    monkeypatch.setattr(buffer, "mine", None)  # nothing else may be read
    prove.check(model, file, digest)
    assert read == [(CHUNK_BYTES, 2 * CHUNK_BYTES)]


def test_ranges_that_no_file_has_are_refused(model: Path) -> None:
    entry = read_folder(model).entries[0]
    for start, stop in ((0, 0), (5, 4), (-1, 4), (0, entry.size + 1)):
        with pytest.raises(TreeRefused, match="has no bytes"):
            Window.of(entry, start, stop, ())
    with pytest.raises(StatementRefused, match="one file"):
        prove.proof_of(model, Part(("layers",), (0, 5)), SHA256)
    digest, file = written(model, Part(("large.bin",), (0, 9)))
    proof = TreeProof.from_bytes(file.read_bytes())
    assert proof.window
    with open_verified(model, proof.verify(digest)) as handle, pytest.raises(Refusal):
        handle.window(dataclasses.replace(proof.window, stop=CHUNK_BYTES + 1))  # hashes of another range
    with open_verified(model, Proven((), digest)) as handle, pytest.raises(TreeRefused, match="not among"):
        handle.window(proof.window)
    with pytest.raises(Unusable):
        prove.check(model, model / "nothing.cmproof", digest)


def test_only_some_files_of_a_released_model_and_of_a_delivery_are_read(tmp_path: Path) -> None:
    world = small_release.make(tmp_path / "small")
    folder = world.root / "model"
    folder.mkdir()
    for name in ("a.bin", "b.bin"):
        (folder / name).write_bytes(name.encode())
    papers = small_release.released(world, folder)
    (folder / "b.bin").write_bytes(b"changed")
    pin = stage.pinned(world[SUPPLIER])
    assert stage.verify_model(folder, papers, pin, world.clock(), ["a.bin"]).digest
    for only in ((), ("b.bin",), ("a.bin", "b.bin")):
        with pytest.raises(TreeRefused, match=r"b\.bin"):
            stage.verify_model(folder, papers, pin, world.clock(), only)
    with pytest.raises(TreeRefused, match="not among the files"):
        stage.verify_model(folder, papers, pin, world.clock(), ["c.bin"])
    sent, _ = world.delivered(world.parts("more"))
    first, last = (p.relative_to(sent).as_posix() for p in (sorted(sent.rglob("*.png"))[i] for i in (0, -1)))
    (sent / last).write_bytes(b"changed")
    done = stage.verify_delivery(sent, world[SUPPLIER], [first])
    assert done.looked_at == 1 and done.signer == SUPPLIER
    with pytest.raises(TreeRefused, match="changed"):
        stage.verify_delivery(sent, world[SUPPLIER], [last])
