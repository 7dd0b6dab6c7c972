"""A real PostgreSQL for the tests of the index: made in a temporary folder, on a Unix socket, stopped at the end."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

USER = "index"


@dataclass(frozen=True)
class Server:
    """A running server: where its socket lies."""

    folder: Path

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{USER}@/{database}?host={self.folder}"


def _programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: int(p.parts[-3]))
    if found:
        return found[-1].parent
    named = shutil.which("postgres")
    return Path(named).resolve().parent if named else None


def _somebody() -> pwd.struct_passwd | None:
    """Whom the server runs as where this is root, which PostgreSQL refuses to be."""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return None


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A server of its own for this run of the tests."""
    programs = _programs()
    if programs is None or not (programs / "initdb").exists():
        pytest.skip("no PostgreSQL server is installed here")
    pytest.importorskip("psycopg", reason="needs the team extra")
    pytest.importorskip("sqlalchemy", reason="needs the team extra")
    somebody = _somebody() if os.getuid() == 0 else None
    if os.getuid() == 0 and somebody is None:
        pytest.skip("PostgreSQL does not run as root, and there is nobody else here")
    with tempfile.TemporaryDirectory(prefix="cm-pg-") as place:  # short: a socket's path is at most 107 bytes
        folder = Path(place)
        if somebody is not None:
            os.chown(folder, somebody.pw_uid, somebody.pw_gid)
        who = {"user": somebody.pw_uid, "group": somebody.pw_gid, "extra_groups": []} if somebody else {}
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": place}
        made = subprocess.run(
            [programs / "initdb", "-D", folder / "data", "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync"],
            capture_output=True, text=True, check=False, env=environment, cwd=place, **who,
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        running = subprocess.Popen(
            [programs / "postgres", "-D", folder / "data", "-k", place, "-c", "listen_addresses=", "-c", "fsync=off"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment, cwd=place, **who,
        )  # fmt: skip
        try:
            _wait(programs, place, environment)
            yield Server(folder)
        finally:
            running.send_signal(signal.SIGINT)  # at once, whoever is still connected
            running.wait(30)


def _wait(programs: Path, place: str, environment: dict[str, str]) -> None:
    for _ in range(300):
        asked = subprocess.run([programs / "pg_isready", "-q", "-h", place], check=False, env=environment)
        if asked.returncode == 0:
            return
        time.sleep(0.1)
    raise AssertionError("PostgreSQL did not start")
