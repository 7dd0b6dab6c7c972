"""A signed inspection is about the tree that everybody else digests, and never holds a model in memory."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from countermark.artefact.folder import read_folder
from countermark.artefact.tree import CHUNK_BYTES
from countermark.errors import TreeRefused
from countermark.formats.source import WINDOW_BYTES
from countermark.lifecycle import inspect


def test_a_window_of_the_readers_is_a_chunk_of_the_tree() -> None:
    assert WINDOW_BYTES == CHUNK_BYTES


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "empty.txt").write_bytes(b"")
    (folder / "a" / "large.bin").write_bytes(os.urandom(9 << 20))
    (folder / "b.txt").write_text("text")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    return folder


def test_the_tree_is_the_one_that_signers_and_verifiers_digest(model: Path) -> None:
    entries: list = []
    told: list[tuple[int, int]] = []
    seen = dict(inspect._opened(model, entries, lambda *done: told.append(done)))
    assert inspect.tree_of(entries) == read_folder(model)
    assert list(seen) == [e.path for e in read_folder(model).entries]
    assert told[-1][1] == sum(e.size for e in entries)


def test_a_single_file_is_a_tree_of_one(model: Path) -> None:
    entries: list = []
    list(inspect._opened(model / "b.txt", entries, None))
    assert inspect.tree_of(entries) == read_folder(model / "b.txt")


def test_what_no_tree_may_hold_is_refused(model: Path) -> None:
    (model / "link").symlink_to("b.txt")
    with pytest.raises(TreeRefused):
        list(inspect._opened(model, [], None))


def test_memory_does_not_grow_with_the_model(tmp_path: Path) -> None:
    """A safetensors file of 600 MB without blocks on disk, inspected by a process that may have 400 MB of data."""
    header = b'{"w":{"dtype":"U8","shape":[629145600],"data_offsets":[0,629145600]}}'
    with (tmp_path / "w.safetensors").open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + 629_145_600)
    program = (
        "from pathlib import Path\nfrom countermark.lifecycle import inspect\nentries = []\n"
        f"done = inspect.inspect_files(inspect._opened(Path({str(tmp_path)!r}), entries, None))\n"
        "print(done.files[0].answer, inspect.tree_of(entries).digest)"
    )
    limit = 400 << 20

    def bounded() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    done = subprocess.run(
        [sys.executable, "-c", program], preexec_fn=bounded, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["proven", read_folder(tmp_path).digest]
