"""Commands as users type them, run in this process: the same parser, printer and exit codes, without start-up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from countermark.cli.main import run


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit code."""

    exit: int
    out: str
    err: str

    @property
    def last(self) -> str:
        return self.out.splitlines()[-1]

    def json(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.out)
        return value


class Shell:
    """Types commands in a folder."""

    def __init__(self, here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.here, self._capsys, self._monkeypatch = here, capsys, monkeypatch

    def __call__(self, *words: str | Path, at: str = "", exit: int = 0) -> Said:
        """Run ``countermark WORDS`` in the folder `at`; fails unless it ends with `exit`."""
        said = self.ends(*words, at=at)
        assert said.exit == exit, f"{words} ended with {said.exit}:\n{said.out}{said.err}"
        return said

    def ends(self, *words: str | Path, at: str = "") -> Said:
        """The same, however it ends."""
        self._monkeypatch.chdir(self.here / at)
        self._capsys.readouterr()
        code = run([str(word) for word in words])
        printed = self._capsys.readouterr()
        return Said(code, printed.out, printed.err)


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    return Shell(tmp_path, capsys, monkeypatch)


def photos(folder: Path, classes: tuple[str, ...] = ("nut", "screw"), each: int = 2) -> Path:
    """Small real pictures, a folder per class."""
    numpy = pytest.importorskip("numpy")
    image = pytest.importorskip("PIL.Image")
    random = numpy.random.default_rng(len(folder.name))
    for label in classes:
        (folder / label).mkdir(parents=True)
        for number in range(each):
            pixels = random.integers(0, 256, (16, 16, 3), dtype=numpy.uint8)
            image.fromarray(pixels).save(folder / label / f"{number}.png")
    return folder


@pytest.fixture
def project(shell: Shell) -> Shell:
    """Two owners, one supplier and a plant, who have pinned version 1 of the trust document."""
    for name, *options in (
        ("manufacturer", "--role", "data-owner", "--role", "model-owner", "--ledger"),
        ("engineering", "--role", "model-owner"),
        ("acme",),
        ("plant", "--role", "licensee"),
    ):
        (shell.here / name).mkdir()
        shell("init", name, *options, at=name)
    enrolled = "../{0}/{0}.enrol.json"
    shell(
        "trust", "new", "parts", "--threshold", "2", "--party", "manufacturer.enrol.json=data-owner,model-owner",
        "--party", enrolled.format("engineering") + "=model-owner", at="manufacturer",
    )  # fmt: skip
    shell("party", "add", enrolled.format("acme"), "--role", "supplier", "--scope", "nut,screw", at="manufacturer")
    shell("party", "add", enrolled.format("plant"), "--role", "licensee", at="manufacturer")
    shell("trust", "sign", "--out", "../draft.json", at="manufacturer")
    shell("trust", "sign", "../draft.json", at="engineering")
    shell("trust", "sign", "../draft.json", at="manufacturer")
    fingerprint = shell("trust", "export", "../trust.jsonl", "--json", at="manufacturer").json()["fingerprint"]
    for name in ("engineering", "acme", "plant"):
        shell("trust", "pin", fingerprint, "--trust", "../trust.jsonl", at=name)
    photos(shell.here / "acme" / "photos")
    return shell
