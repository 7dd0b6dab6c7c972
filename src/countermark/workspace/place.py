"""Where a party's things lie: ``.countermark/`` beside its project."""

from __future__ import annotations

import contextlib
import hmac
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

from countermark import canonical
from countermark.canonical import Fields
from countermark.errors import NothingToVerify, StatementRefused, Unusable
from countermark.workspace.disk import Disk

try:
    import fcntl
except ImportError:  # Windows: `lock` says so when it is asked for.
    fcntl = None  # type: ignore[assignment]

HOME = ".countermark"
FOLDERS = ("keys", "trust", "objects", "statements", "deliveries", "incoming", "refused", "sent", "ledger")
MAX_OBJECT_BYTES = 256 << 20
_DIGEST = re.compile("[0-9a-f]{64}")


class Workspace:
    """A party's folder. Every path it hands out lies below ``root/.countermark``."""

    def __init__(self, root: Path, disk: Disk | None = None) -> None:
        self.root = root.absolute()  # a sandbox or a child may stand in another folder
        self.home = self.root / HOME
        self.disk = disk or Disk()
        self._threads = threading.RLock()
        self._locked: set[str] = set()

    @classmethod
    def create(cls, root: Path, party: dict[str, str], disk: Disk | None = None) -> Workspace:
        """Make a new workspace for a party (id, name, organisation).

        Raises:
            Unusable: one is there already, or it cannot be written.
        """
        space = cls(root, disk)
        if (space.home / "party.json").exists():
            raise Unusable(f"{root} is a workspace already", mend="use it, or name another folder")
        for name in FOLDERS:
            space.disk.folder(space.home / name)
        space.disk.write(space.home / "party.json", canonical.to_bytes(party))
        return space

    @classmethod
    def find(cls, start: Path, disk: Disk | None = None) -> Workspace:
        """The workspace of `start` or of the nearest folder above it.

        Raises:
            Unusable: there is none.
        """
        for folder in (start.resolve(), *start.resolve().parents):
            if (folder / HOME / "party.json").is_file():
                return cls(folder, disk)
        raise Unusable(f"no workspace at {start} or above", mend="`countermark init NAME` makes one here")

    def party(self) -> dict[str, str]:
        """Id, name and organisation of the workspace's party.

        Raises:
            Unusable: no workspace, or it cannot be read. StatementRefused: its party file is damaged.
        """
        try:
            data = (self.home / "party.json").read_bytes()
        except OSError as error:
            raise Unusable(f"{self.root} is no workspace", why=str(error), mend="`countermark init NAME`") from error
        fields = Fields(canonical.from_bytes(data, what="party.json"), "party.json")
        return {name: fields.text(name) for name in ("id", "name", "organisation")}

    def folder(self, name: str) -> Path:
        """One of `FOLDERS`, made where it is missing."""
        return self.disk.folder(self.home / name)

    @contextlib.contextmanager
    def lock(self, name: str = "lock", *, wait: bool = True) -> Iterator[None]:
        """Hold the workspace for one writer; the kernel lets go of it when the process dies.

        Whoever holds it may enter again with the same workspace object.

        Args:
            name: which of the workspace's locks; ``"lock"`` is for all that concerns statements.

        Raises:
            Unusable: another process holds it and `wait` is false, or the platform has no such lock.
        """
        if fcntl is None:
            raise Unusable("this platform has no file locks that Countermark knows", mend="use Linux or macOS here")
        with self._threads:
            if name in self._locked:
                yield
                return
            descriptor = self._lock_file(name, wait=wait)
            self._locked.add(name)
            try:
                yield
            finally:
                self._locked.discard(name)
                os.close(descriptor)

    def _lock_file(self, name: str, *, wait: bool) -> int:
        try:
            descriptor = os.open(self.home / name, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        except OSError as error:
            raise Unusable(f"cannot lock {self.root}", why=str(error), mend="check the path and permissions") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError as error:
            os.close(descriptor)
            if not isinstance(error, BlockingIOError):
                raise Unusable(f"cannot lock {self.root}", why=str(error)) from error
            raise Unusable(f"{self.root} is in use by another process", mend="try again when it is done") from error
        return descriptor

    def put(self, data: bytes) -> str:
        """Keep bytes under their SHA-256; returns it as hex."""
        digest = canonical.sha256_hex(data)
        path = self._object(digest)
        if not path.exists():
            self.disk.write(self.disk.folder(path.parent) / path.name, data)
        return digest

    def get(self, digest: str) -> bytes:
        """Bytes kept under a digest, checked against it.

        Raises:
            NothingToVerify: no such object. StatementRefused: no digest, or the object was changed on disk.
        """
        try:
            data = self._object(digest).read_bytes()
        except FileNotFoundError as error:
            raise NothingToVerify(f"object {digest[:16]} is not kept here") from error
        if not hmac.compare_digest(canonical.sha256_hex(data), digest):
            raise StatementRefused(f"object {digest[:16]} was changed on disk", mend="restore it from a backup")
        return data

    def _object(self, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise StatementRefused(f"{digest!r:.80} is not a SHA-256 in lower-case hex")
        return self.home / "objects" / digest[:2] / digest[2:]
