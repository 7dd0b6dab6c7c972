"""A folder for loaders that take nothing else: the verified files, read-only, and nothing of the folder outside."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from countermark.artefact.folder import read_folder
from countermark.artefact.handle import Handle, Proven, open_verified
from countermark.errors import SandboxRefused, TreeRefused, Unusable
from countermark.runtime import mounted
from countermark.sandbox import bubblewrap

needs_mounts = pytest.mark.skipif(
    sys.platform != "linux" or bubblewrap.find() is None, reason="bubblewrap is not installed"
)
FILES = {"config.json": b"{}", "empty": b"", "deep/er/weights.bin": os.urandom(3 << 20), "run.sh": b"#!/bin/sh\n"}
LOOK = """
import json, os
seen, wrote = {}, []
for folder, _, names in os.walk("/model"):
    for name in names:
        path = os.path.join(folder, name)
        seen[os.path.relpath(path, "/model")] = [open(path, "rb").read().hex(), os.access(path, os.X_OK)]
for attempt in ("open('/model/new', 'w')", "open('/model/config.json', 'a')", "os.unlink('/model/config.json')",
                "os.chmod('/model/config.json', 0o777)", "os.rename('/model/deep', '/model/other')",
                "os.mkdir('/model/deep/x')"):
    try:
        eval(attempt)
        wrote.append(attempt)
    except OSError:
        pass
json.dump([seen, wrote, os.path.exists(os.environ["OUTSIDE"])], open("seen.json", "w"))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, data in FILES.items():
        (tmp_path / "model" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "model" / name).write_bytes(data)
    (tmp_path / "model" / "run.sh").chmod(0o755)
    (tmp_path / "out").mkdir()
    return tmp_path / "model"


def look(handle: Handle, folder: Path) -> tuple[dict[str, tuple[bytes, bool]], list[str], bool]:
    out = folder.parent / "out"
    done = mounted.run(handle, ["python", "-I", "-c", LOOK], out, environment={"OUTSIDE": str(folder)})
    assert done.returncode == 0, done.finished.stderr
    seen, wrote, outside = json.loads((out / "seen.json").read_text())
    return {name: (bytes.fromhex(data), runs) for name, (data, runs) in seen.items()}, wrote, outside


@needs_mounts
def test_the_child_finds_the_signed_files_and_cannot_change_them(folder: Path) -> None:
    with open_verified(folder, read_folder(folder)) as handle:
        seen, wrote, outside = look(handle, folder)
    assert seen == {name: (data, name == "run.sh") for name, data in FILES.items()}
    assert wrote == [] and not outside
    assert (folder / "config.json").read_bytes() == b"{}"


@needs_mounts
def test_proven_files_are_there_alone(folder: Path) -> None:
    signed = read_folder(folder)
    proof = Proven(tuple(e for e in signed.entries if e.path == "deep/er/weights.bin"), signed.digest)
    with open_verified(folder, proof) as handle:
        assert set(look(handle, folder)[0]) == {"deep/er/weights.bin"}


@needs_mounts
@pytest.mark.parametrize("name", ["config.json", "deep/er/weights.bin"])
def test_the_program_does_not_start_where_a_file_differs(folder: Path, name: str) -> None:
    with open_verified(folder, read_folder(folder)) as handle:
        (folder / name).write_bytes(b"x" * len(FILES[name]))
        with pytest.raises(TreeRefused, match=name):
            mounted.run(handle, ["python", "-c", "open('started', 'w')"], folder.parent / "out")
    assert list((folder.parent / "out").iterdir()) == []


@needs_mounts
def test_descriptors_do_not_pile_up(folder: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with open_verified(folder, read_folder(folder)) as handle:
        look(handle, folder)
    assert len(os.listdir("/proc/self/fd")) == before


def test_where_nothing_holds_a_folder_still_it_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap, "find", lambda: None)
    with open_verified(folder, read_folder(folder)) as handle, pytest.raises(SandboxRefused, match="folder") as told:
        mounted.run(handle, ["true"], folder.parent / "out")
    assert "bytes" in told.value.mend
    monkeypatch.setattr(bubblewrap, "find", lambda: Path("/usr/bin/bwrap"))
    monkeypatch.delattr(os, "memfd_create", raising=False)
    with open_verified(folder, read_folder(folder)) as handle, pytest.raises(Unusable, match="no sealed files"):
        mounted.run(handle, ["true"], folder.parent / "out")


def test_too_many_files_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap, "find", lambda: Path("/usr/bin/bwrap"))
    monkeypatch.setattr(mounted, "MOST_FILES", 3)
    with open_verified(folder, read_folder(folder)) as handle, pytest.raises(SandboxRefused, match="4 files"):
        mounted.run(handle, ["true"], folder.parent / "out")
