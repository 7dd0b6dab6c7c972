"""Remembered roots: what is reused, what is read again, and that neither a forged cache nor a put-back time gets past."""

from __future__ import annotations

import hmac
import os
import time
from pathlib import Path

import pytest
from core_world import OWNER, SUPPLIER, World

from countermark.artefact import remembered
from countermark.artefact.folder import read_folder
from countermark.artefact.profile import SHA256, Profile, blake3_profile
from countermark.artefact.remembered import GRAIN_NS, remembering
from countermark.artefact.stream import stream_folder
from countermark.errors import Unusable
from countermark.lifecycle.deliver import deliver
from countermark.lifecycle.receive import receive

FILES = 40


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    for n in range(FILES):
        place = root / f"c{n % 3}" / f"{n}.bin"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"%d" % n * 50)
    return root


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the files had been written long before the reading."""
    monkeypatch.setattr(remembered, "GRAIN_NS", -GRAIN_NS)


def digested(folder: Path, profile: Profile = SHA256) -> int:
    """Digest with the cache, compare with a plain reading; returns how many files were not read."""
    with remembering(folder, folder.with_suffix(".roots"), profile) as known:
        done = stream_folder(folder, profile=profile, known=known)
    assert done.digest == read_folder(folder, profile=profile).digest
    assert known
    return known.reused


@pytest.mark.usefixtures("settled")
def test_only_what_changed_is_read_again(folder: Path) -> None:
    assert [digested(folder), digested(folder)] == [0, FILES]
    (folder / "c0" / "0.bin").write_bytes(b"changed")
    (folder / "c1" / "1.bin").unlink()
    (folder / "c9").mkdir()
    (folder / "c9" / "new.bin").write_bytes(b"new")
    assert [digested(folder), digested(folder)] == [FILES - 2, FILES]
    (folder / "c2" / "2.bin").rename(folder / "c2" / "renamed.bin")
    (folder / "c0" / "3.bin").chmod(0o755)
    assert digested(folder) == FILES - 2


@pytest.mark.usefixtures("settled")
def test_a_time_that_was_put_back_and_a_replaced_file_show(folder: Path) -> None:
    digested(folder)
    file = folder / "c0" / "0.bin"
    before = file.stat()
    file.write_bytes(b"9" * before.st_size)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    other = folder / "c1" / "1.bin"
    seen = other.stat()
    twin = folder.with_name("twin")
    twin.write_bytes(b"8" * seen.st_size)
    os.utime(twin, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    twin.replace(other)
    assert digested(folder) == FILES - 2


def test_what_changed_just_before_is_not_remembered(folder: Path) -> None:
    assert [digested(folder), digested(folder)] == [0, 0]
    time.sleep(GRAIN_NS / 1e9 + 0.05)
    (folder / "c0" / "0.bin").write_bytes(b"late")
    assert [digested(folder), digested(folder)] == [0, FILES - 1]


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("at", [0, 12, 20, 100, -40, -1])
def test_a_forged_or_damaged_cache_is_ignored(folder: Path, at: int) -> None:
    digested(folder)
    cache = folder.with_suffix(".roots")
    data = bytearray(cache.read_bytes())
    data[at] ^= 1
    cache.write_bytes(data)
    assert [digested(folder), digested(folder)] == [0, FILES]
    cache.write_bytes(cache.read_bytes()[: at % 500])
    assert digested(folder) == 0


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("at", [-40, -500, -2000])
def test_a_cache_that_changes_after_it_was_authenticated_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """Who may write the cache waits until it was found authentic, and then writes a root of his own."""
    digested(folder)
    cache = folder.with_suffix(".roots")
    kept = cache.read_bytes()
    monkeypatch.setattr(remembered, "PIECE", 64)
    with pytest.raises(Unusable, match="changed while it was read"), remembering(folder, cache, SHA256) as known:
        with cache.open("r+b", buffering=0) as file:
            file.seek(at, os.SEEK_END)
            file.write(bytes(8))
        stream_folder(folder, known=known)
    assert not list(folder.parent.glob("*.part"))
    cache.write_bytes(kept)
    assert digested(folder) == FILES


@pytest.mark.usefixtures("settled")
def test_a_key_that_others_could_read_is_made_anew(folder: Path) -> None:
    digested(folder)
    key = folder.with_name("photos.roots.key")
    assert key.stat().st_mode & 0o777 == 0o600
    kept = key.read_bytes()
    key.chmod(0o644)
    assert digested(folder) == 0
    assert key.read_bytes() != kept and key.stat().st_mode & 0o777 == 0o600
    key.unlink()
    assert digested(folder) == 0


@pytest.mark.usefixtures("settled")
def test_each_hash_has_its_own_roots_and_a_cache_inside_is_refused(folder: Path) -> None:
    digested(folder)
    assert digested(folder, blake3_profile()) == 0
    with pytest.raises(Unusable, match="lies in the folder"), remembering(folder, folder / "c0" / "x.roots", SHA256):
        pass
    cache = folder.with_suffix(".roots")
    kept = cache.read_bytes()
    with pytest.raises(RuntimeError), remembering(folder, cache, SHA256):
        raise RuntimeError("interrupted")
    assert cache.read_bytes() == kept and not list(folder.parent.glob("*.part"))


def test_only_signers_know_the_cache() -> None:
    source = Path(remembered.__file__).parents[1]
    users = {p.relative_to(source).as_posix() for p in source.rglob("*.py") if "artefact.remembered" in p.read_text()}
    assert users == {"cli/digest.py", "lifecycle/deliver.py"}


@pytest.mark.usefixtures("settled")
def test_a_delivery_signed_from_wrong_roots_is_refused_at_the_door(tmp_path: Path) -> None:
    """Whoever has the cache's key makes the supplier sign what is not there; who receives it reads the bytes."""
    world = World.make(tmp_path / "world")
    desk, folder = world[SUPPLIER], world.parts("cached")
    first = deliver(desk, folder, addressee=OWNER, cached=True)
    again = deliver(desk, folder, addressee=OWNER, cached=True)
    assert again.tree == first.tree == read_folder(folder)
    (cache,) = (desk.space.home / "cache").glob("*.roots")
    with remembering(folder, cache, SHA256) as known:
        assert known
        for entry in first.tree.entries:
            status = (folder / entry.path).stat()
            known.record(entry.path, status, bytes(32))
    forged = deliver(desk, folder, addressee=OWNER, cached=True)
    assert forged.tree.digest != first.tree.digest
    answer = receive(world[OWNER], folder)
    assert answer.state == "refused" and any("changed" in reason for reason in answer.reasons)


@pytest.mark.usefixtures("settled")
@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give a file to another user")
def test_a_key_that_somebody_gave_us_does_not_authenticate_his_roots(folder: Path) -> None:
    """Who may write beside the cache puts a key there that he knows, and roots of files that nobody here ever read."""
    digested(folder)
    cache, key = folder.with_suffix(".roots"), folder.with_suffix(".roots.key")
    known, forged = key.read_bytes(), bytearray(cache.read_bytes()[: -remembered.MAC_BYTES])
    forged[-1] ^= 1
    cache.write_bytes(bytes(forged) + hmac.digest(known, bytes(forged), "sha256"))
    with remembering(folder, cache, SHA256) as mine:
        ours = stream_folder(folder, known=mine)
    assert ours.digest != read_folder(folder).digest, "the forgery is good: with a key that counts it is believed"
    forged_again = bytes(forged)
    cache.write_bytes(forged_again + hmac.digest(known, forged_again, "sha256"))
    os.chown(key, 12345, -1)
    assert digested(folder) == 0
    assert key.read_bytes() != known and key.stat().st_uid == 0


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
@pytest.mark.parametrize("suffix", [".roots", ".roots.key"])
def test_a_pipe_in_place_of_the_cache_or_its_key_keeps_nobody_waiting(folder: Path, suffix: str) -> None:
    os.mkfifo(folder.with_suffix(suffix), 0o600)
    assert digested(folder) == 0
    assert folder.with_suffix(suffix).is_file()


def test_nothing_is_written_through_a_name_that_somebody_laid_out(folder: Path) -> None:
    """The name of the unfinished cache can be told before: a hard link there would have emptied what it leads to."""
    victim = folder.with_name("diary.txt")
    victim.write_bytes(b"dear diary")
    part = folder.with_name(f"{folder.with_suffix('.roots').name}.{os.getpid()}.part")
    os.link(victim, part)
    assert digested(folder) == 0
    assert victim.read_bytes() == b"dear diary"
    key = folder.with_suffix(".roots.key")
    key.unlink()
    key.symlink_to(victim)
    with pytest.raises(Unusable):
        digested(folder)
    assert victim.read_bytes() == b"dear diary"
