"""The stage of the vault's story: the parties' folders, what they type there, their servers, and software TPMs."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import test_doubles
from test_howto_broker import listening

from conftest import Said
from countermark.cli.main import run

HANDLE = "0x81010001"
SEALED = ("", ".manifest", ".recipients")


@dataclass
class Story:
    """All parties' folders, and what was seen so far; `acts` in the order in which they are played."""

    here: Path
    held: contextlib.ExitStack
    acts: Mapping[str, Callable[[Story], Any]]
    seen: dict[str, Any] = field(default_factory=dict)
    failed: str = ""
    typed: list[str] = field(default_factory=list)

    def type(self, *words: str | Path, at: str, exit: int = 0) -> Said:
        """Type ``countermark WORDS`` in a party's folder; fails unless it ends with `exit`."""
        self.note(words, at)
        out, err = io.StringIO(), io.StringIO()
        with contextlib.chdir(self.here / at), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run([str(word) for word in words])
        assert code == exit, f"at {at}: {words} ended with {code}:\n{out.getvalue()}{err.getvalue()}"
        return Said(code, out.getvalue(), err.getvalue())

    def note(self, words: tuple[str | Path, ...], at: str) -> None:
        """Keep a line for the tutorial's sake, which shows the lines that were typed."""
        line = as_shown(f"{at}: countermark {shlex.join(map(str, words))}")
        self.typed.append(line.replace(f"{self.here}/", "../"))

    def upto(self, act: str) -> Any:
        """Play the story as far as an act that was not played yet; what that act saw. A failed act ends the story."""
        for name, play in self.acts.items():
            if name not in self.seen:
                if self.failed:
                    pytest.skip(f"the story ended at its act {self.failed!r}")
                self.failed = name
                self.seen[name] = play(self)
                self.failed = ""
            if name == act:
                return self.seen[name]
        raise KeyError(act)

    def carry(self, *files: str, to: str) -> None:
        for file in files:
            shutil.copy(self.here / file, self.here / to)

    def chip(self, name: str) -> str:
        """URI of a host's attestation key in a TPM of its own, started on first use."""
        if f"tpm {name}" not in self.seen:
            where = self.held.enter_context(test_doubles.software_tpm(self.here / f"tpm-{name}"))
            self.seen[f"tpm {name}"] = f"tpm:handle={HANDLE}?{where}"
        return str(self.seen[f"tpm {name}"])

    def holding(self, secret: bytes, *folders: str) -> list[Path]:
        """Files of parties that hold these bytes in clear."""
        files = [path for name in folders for path in (self.here / name).rglob("*") if path.is_file()]
        assert files, "there is something to look through"
        return [path for path in files if secret in path.read_bytes()]


def as_shown(line: str) -> str:
    """A typed line without what differs from run to run: digests, ports, the software TPM's address, ``--json``."""
    line = re.sub(r"\?tcti=swtpm:host=127\.0\.0\.1,port=\d+", "", re.sub(r" --json| --port 0", "", line)).replace(
        "'", ""
    )
    return re.sub(r"http://127\.0\.0\.1:\d+", "URL", re.sub(r"\b[0-9a-f]{64}\b|\bFINGERPRINT\b|\bMODEL\b", "HEX", line))


@dataclass(frozen=True)
class Running:
    """A server of the program, in a process of its own."""

    process: subprocess.Popen[str]
    printed: Path
    temporary: Path

    def told(self) -> str:
        """What it printed until now."""
        return self.printed.read_text()

    @property
    def url(self) -> str:
        """Its address, once it is printed; fails where the process ended instead."""
        while not (found := re.search(r"http://127\.0\.0\.1:\d+", self.told())):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.05)
                raise AssertionError(self.told())
        return found.group()

    def holding(self, secret: bytes) -> list[str]:
        """Files that this process has open, deleted ones too, or has in its temporary folder, that hold these bytes."""
        opened = sorted(Path(f"/proc/{self.process.pid}/fd").iterdir())
        files = [one for one in (*opened, *self.temporary.rglob("*")) if one.is_file()]
        assert files, "what it printed is a file, at least"
        return [str(one) for one in files if secret in _read(one)]


def _read(file: Path) -> bytes:
    """What a file holds; nothing where the server closed it meanwhile."""
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return b""


@contextlib.contextmanager
def server(story: Story, *words: str | Path, at: str) -> Iterator[Running]:
    """A server, from when it takes connections; its temporary files would lie in a folder of its own."""
    story.note(words, at)
    command = [sys.executable, "-m", "countermark", *map(str, words), "--port", "0"]
    number = len(list(story.here.glob("told-*")))
    temporary, printed = story.here / f"temporary-{number}", story.here / f"told-{number}"
    temporary.mkdir()
    environment = os.environ | {"TMPDIR": str(temporary)}
    with (
        printed.open("w") as told,
        subprocess.Popen(command, cwd=story.here / at, env=environment, stderr=told, text=True) as process,
    ):
        try:
            running = Running(process, printed, temporary)
            listening(running.url)
            yield running
        finally:
            process.terminate()
