"""The only wiring: settings, environment and clock are read here and nowhere else.

A desk is a workspace with its party, its clock and a way to open its keys. Settings come from
``countermark.toml`` at the workspace's own root, never from a folder that is being judged.
"""

from __future__ import annotations

import functools
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from countermark.errors import Unusable

if TYPE_CHECKING:
    from countermark.lifecycle.desk import Desk, OpenIndex, Passphrase
    from countermark.workspace.index import Index
    from countermark.workspace.place import Workspace

SETTINGS = "countermark.toml"
MAX_SETTINGS_BYTES = 1 << 20
MAX_PASSPHRASE_BYTES = 4096
PIPED_WIDTH = 10_000  # lines of a pipe are for other programs: never wrapped
Ask = Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class Settings:
    """What ``countermark.toml`` may say; every key is optional, an unknown one is an error.

    Attributes:
        to: party that deliveries go to. contract, policy: files, relative to the workspace's root.
        passphrase_file: file with the passphrase of this party's keys.
        index: URL of a PostgreSQL server that keeps the index of statements; without one it is a file of the workspace.
        ledger: URL of the object store that the ledger is kept in; without one it is a folder of the workspace.
    """

    to: str = ""
    contract: str = ""
    policy: str = ""
    passphrase_file: str = ""
    index: str = ""
    ledger: str = ""


@dataclass(frozen=True, slots=True)
class Terminal:
    """How wide the reader's screen is, and whether it takes colour and moving bars."""

    width: int
    colour: bool
    live: bool


def clock() -> datetime:
    """Wall clock of this machine, in UTC."""
    return datetime.now(UTC)


def elapsed() -> float:
    """Seconds that only run forward, sleep of the machine included where the kernel counts it (CLOCK_BOOTTIME)."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def boot() -> str:
    """Names this run of the machine (Linux: boot_id), so that `elapsed` can be compared over processes; "" where it has no name."""
    try:
        text = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
    return text if hasattr(time, "CLOCK_BOOTTIME") and len(text) <= 64 else ""


def terminal(out: TextIO) -> Terminal:
    """What `out` can show. ``NO_COLOR`` (any value) and ``TERM=dumb`` mean plain text."""
    live = out.isatty()
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    width = shutil.get_terminal_size((80, 24)).columns if live else PIPED_WIDTH
    return Terminal(max(40, width), live and not plain, live and os.environ.get("TERM") != "dumb")


def cache_folder() -> Path:
    """Where what can be made again is kept: ``$XDG_CACHE_HOME/countermark`` or ``~/.cache/countermark``."""
    named = os.environ.get("XDG_CACHE_HOME")
    return (Path(named) if named else Path.home() / ".cache") / "countermark"


def settings(root: Path) -> Settings:
    """Read ``countermark.toml`` of a workspace; the defaults where there is none.

    Raises:
        Unusable: not TOML, an unknown key, or a value that is no text.
    """
    path = root / SETTINGS
    try:
        with path.open("rb") as file:
            data = file.read(MAX_SETTINGS_BYTES)
    except FileNotFoundError:
        return Settings()
    except OSError as error:
        raise Unusable(f"cannot read {path}", why=error.strerror or str(error)) from error
    import tomllib

    try:
        values = tomllib.loads(data.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise Unusable(f"{path} is not TOML", why=str(error), mend="mend the line it names") from error
    known = {f.name for f in fields(Settings)}
    for name, value in values.items():
        if name not in known:
            raise Unusable(f"{path}: unknown key {name!r:.80}", mend=f"known are {', '.join(sorted(known))}")
        if not isinstance(value, str):
            raise Unusable(f"{path}: {name} is not text", mend=f'{name} = "..."')
    return Settings(**values)


def desk(workspace: Path | None, passphrase_file: Path | None, ask: Ask | None = None) -> Desk:
    """The desk of the workspace at `workspace`, or of the one around the current folder.

    Args:
        passphrase_file: its first line opens this party's keys. ask: asks a person instead, told which key it is
            for; without either a protected key is refused with the mend.

    Raises:
        Unusable: no workspace there, or its settings are malformed. StatementRefused: its party.json is.
    """
    from countermark.workspace.place import Workspace

    if workspace is None:
        return desk_of(Workspace.find(Path.cwd()), passphrase_file, ask)
    space = Workspace(workspace)
    if not (space.home / "party.json").is_file():
        raise Unusable(f"no workspace at {workspace}", mend=f"`countermark init NAME --workspace {workspace}`")
    return desk_of(space, passphrase_file, ask)


def desk_of(space: Workspace, passphrase_file: Path | None, ask: Ask | None = None) -> Desk:
    """The desk of a workspace at hand."""
    from countermark.lifecycle.desk import Desk

    said = settings(space.root)
    file = passphrase_file or (space.root / said.passphrase_file if said.passphrase_file else None)
    return Desk(space, space.party()["id"], clock, _passphrase(space, file, ask), _index(said.index), said.ledger)


def _index(url: str) -> OpenIndex:
    """The index in the workspace, or on the server that the settings name; its libraries are loaded when it is first asked."""
    from countermark.lifecycle.desk import embedded

    if not url:
        return embedded

    @functools.cache
    def server() -> Index:
        from countermark.workspace.index_postgresql import PostgresIndex

        return PostgresIndex(url)

    return lambda _space: server()


def desk_if_any(workspace: Path | None) -> Desk | None:
    """The desk at hand, or None where the reader has no workspace; a named one must be there."""
    from countermark.workspace.place import Workspace

    if workspace is None:
        try:
            Workspace.find(Path.cwd())
        except Unusable:
            return None
    return desk(workspace, None)


def read_passphrase(file: Path) -> bytes:
    """First line of a passphrase file; see `read_secret`."""
    return read_secret(file, "passphrase", MAX_PASSPHRASE_BYTES)


def read_secret(file: Path, what: str, most: int) -> bytes:
    """First line of a file that holds a secret, without its line ending.

    Args:
        what: what it is called in refusals. most: bytes that are read of it.

    Raises:
        Unusable: missing, readable by others, or empty.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        try:
            shared = os.name == "posix" and os.fstat(descriptor).st_mode & 0o077
            data = os.read(descriptor, most)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise Unusable(f"cannot read the {what} file {file}", why=error.strerror or str(error)) from error
    if shared:
        raise Unusable(f"{file} can be read by others", mend=f"chmod 600 {file}")
    secret = data.splitlines()[0] if data.splitlines() else b""
    if not secret:
        raise Unusable(f"{file} holds no {what}", mend="write it on the first line")
    return secret


def _passphrase(space: Workspace, file: Path | None, ask: Ask | None) -> Passphrase:
    """Opens protected keys only, and asks at most once."""
    kept: list[bytes] = []

    def provide(use: str) -> bytes | None:
        from countermark.keys import held

        if not any(key.asks() for key in held.every(space.home / "keys") if key.use == use):
            return None
        if not kept:
            if file is not None:
                kept.append(read_passphrase(file))
            elif ask is not None:
                kept.append(ask(use))
            else:
                raise Unusable(f"the {use} key needs a passphrase", mend="--passphrase-file FILE")
        return kept[0]

    return provide


def default_policy() -> bytes:
    """The policy that ships with Countermark."""
    from importlib.resources import files

    return (files("countermark.policy") / "default.toml").read_bytes()


def policy_of(at: Desk, named: Path | None) -> bytes:
    """The policy named on the command line, else by the settings, else the one that ships.

    Raises:
        Unusable: it cannot be read.
    """
    from countermark.lifecycle.desk import read_file

    chosen = settings(at.space.root).policy
    path = named or (at.space.root / chosen if chosen else None)
    return read_file(path, MAX_SETTINGS_BYTES) if path else default_policy()
