"""Training under seal: sealed inputs are opened in memory for one run, and what comes of it is sealed before it leaves.

A supplier's key is asked for with the digests of what will run (`claims`); who gives it, and on what evidence, is the caller's. The
plaintext lies on a file system that is held in memory, on a host with no way from memory to a disk (`sandbox.exposure`); otherwise the run is
refused, or carries the class `at rest only`. None of this holds against who reads this host's memory while the run lasts.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from countermark import canonical
from countermark.errors import SandboxRefused, Unusable
from countermark.lifecycle import seal
from countermark.lifecycle.desk import Desk
from countermark.lifecycle.seal import Reader, Sealer
from countermark.sandbox import exposure
from countermark.seal.manifest import Manifest, Verified
from countermark.seal.stanza import Recipient
from countermark.workspace.disk import Disk

MEMORY = Path("/dev/shm")  # noqa: S108 - where Linux keeps a file system in memory; what is made there is checked
KeyFor = Callable[[Verified, Mapping[str, str]], bytearray]
"""From a verified container and the claims of a run to its content key, or a refusal."""


@dataclass(frozen=True, slots=True)
class UnderSeal:
    """What a run under seal needs.

    Attributes:
        inputs: names of the recipe's inputs that must be sealed; a plain folder in the place of one does not count. reader: whom to trust to have
            sealed them. key_for: gives the keys. to, by: for whom the model is sealed, and who signs. evidence: kind that the keys are given on.
        place: folder on a file system in memory. at_rest: run although plaintext could reach a disk, and say so. policy: digest of the
            policy that the model will be judged by.
    """

    inputs: frozenset[str]
    reader: Reader
    key_for: KeyFor
    to: Sequence[Recipient]
    by: Sealer
    evidence: str
    policy: str
    place: Path = MEMORY
    at_rest: bool = False


@dataclass(frozen=True, slots=True)
class Room:
    """A private folder in memory for one run. `protection`: the class of what lies there. `ways`: open ways to a disk, for people."""

    folder: Path
    protection: str
    ways: tuple[str, ...]


@contextlib.contextmanager
def room(desk: Desk, under: UnderSeal) -> Iterator[Room]:
    """A fresh room, gone when the run is over, however it ends; what a killed run left there is cleared first.

    Raises:
        SandboxRefused: plaintext could reach a disk, and `at_rest` is false. Unusable: the folder cannot be made, or is another user's, or
        another run of this workspace is in it.
    """
    exposure.without_cores()
    name = f"countermark-{canonical.sha256_hex(os.fsencode(desk.space.root))[:16]}"
    with desk.space.lock("room", wait=False), _own(under.place / name) as folder:
        ways = _ways(folder, under)
        yield Room(folder, exposure.protection(under.evidence, ways), tuple(way.what for way in ways))


def _ways(folder: Path, under: UnderSeal) -> tuple[exposure.Way, ...]:
    """Open ways from the room to a disk.

    Raises:
        SandboxRefused: there are some, and `at_rest` is false.
    """
    host = exposure.read()
    ways = tuple(exposure.ways(host))
    if not exposure.in_memory(host.mounts, str(folder.resolve())):
        ways = (exposure.Way(f"{under.place} lies on a disk", f"name a folder in memory, such as {MEMORY}"), *ways)
    if ways and not under.at_rest:
        raise SandboxRefused(
            "plaintext of sealed inputs could reach this host's disk", why="; ".join(way.what for way in ways),
            mend="; ".join(way.mend for way in ways) + "; or --at-rest, if their owners accept that class",
        )  # fmt: skip
    return ways


def claims(recipe: str, code: str, environment: str, command: Sequence[str], policy: str) -> dict[str, str]:
    """What a run binds itself to, as an owner's rule names it: name -> hex SHA-256.

    Args:
        recipe, code, environment: digests as the training statement has them. command: what is run. policy: digest, or "".
    """
    out = {
        "recipe": recipe,
        "code": code,
        "environment": environment,
        "command": canonical.sha256_hex(canonical.to_bytes(list(command))),
    }
    return out | ({"policy": policy} if policy else {})


def open_input(source: Path, target: Path, under: UnderSeal, claimed: Mapping[str, str]) -> str:
    """Open a sealed input into the room; returns the tree digest of its plaintext.

    Args:
        source: where the plain folder would lie; ``source.cmsealed`` is opened.

    Raises:
        TrustRefused, FormatRefused, SignatureRefused, PolicyRefused: it does not hold, or its key is not given. Unusable: it is not there.
    """
    sealed = source.with_name(source.name + seal.SUFFIX)
    handle = seal.verified(sealed, under.reader)
    with seal.opened_by(sealed, handle, lambda: under.key_for(handle, claimed)) as files:
        Disk().folder(target.parent)
        seal.extract(files, target)
        return files.digest


def seal_model(out: Path, target: Path, under: UnderSeal) -> Manifest:
    """Seal what a run wrote, from memory to `target`; only ciphertext touches a disk.

    Raises:
        Unusable: nobody to seal for, or it cannot be written.
    """
    if not under.to:
        raise Unusable("for whom the model is sealed is not said", mend="--seal-for OWNER.sealpub")
    return seal.seal(out, target, under.to, under.by, kind="model")[0]


@contextlib.contextmanager
def _own(folder: Path) -> Iterator[Path]:
    """A private folder, emptied first, and gone afterwards."""
    _private(folder)
    _empty(folder)
    try:
        yield folder
    finally:
        _empty(folder)
        with contextlib.suppress(OSError):  # what lay in it is gone; an empty folder tells nothing
            folder.rmdir()


def _empty(folder: Path) -> None:
    """Clear it entry by entry: whoever is killed here leaves nothing beside it, where the next run would not look."""
    disk = Disk()
    for left in folder.iterdir():
        clear = disk.discard if left.is_dir() and not left.is_symlink() else disk.unlink
        clear(left)


def _private(folder: Path) -> None:
    """Make a folder of mode 0700 that belongs to this user: others may make names in the place it lies in."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        seen = folder.lstat()
    except OSError as error:
        raise Unusable(
            f"cannot make {folder}", why=error.strerror or str(error), mend="name another --memory"
        ) from error
    mine = os.name != "posix" or (seen.st_uid == os.getuid() and not seen.st_mode & 0o077)
    if not stat.S_ISDIR(seen.st_mode) or not mine:
        raise Unusable(f"{folder} is not a private folder of this user", why="somebody else could read what lies there",
                       mend="remove it, or name another --memory")  # fmt: skip
