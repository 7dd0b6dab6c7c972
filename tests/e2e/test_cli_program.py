"""The program as a process: exit codes, pipes, interrupts, bugs, terminals, hostile names."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = [sys.executable, "-m", "countermark"]


def program(*words: str, cwd: Path, **settings: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*PROGRAM, *words], cwd=cwd, capture_output=True, check=False, **settings)  # type: ignore[call-overload]


def test_help_and_version(shell) -> None:
    assert "The life of a model" in shell("--help").out
    assert shell("--version").out.startswith("countermark 0.")
    assert "Usage" in shell(exit=2).err


def test_usage_errors_are_two(shell) -> None:
    assert "No such command" in shell("delver", exit=2).err
    assert "No such option" in shell("digest", "--nope", exit=2).err
    said = shell("digest", "--json", exit=2)
    assert json.loads(said.out)["exit"] == 2


def test_digest_is_stable_and_binds_names(shell) -> None:
    (shell.here / "p").mkdir()
    (shell.here / "p" / "a").write_bytes(b"1")
    first = shell("digest", "p", "--json").json()
    assert first["files"] == 1
    assert shell("digest", "p").last == first["digest"]
    assert shell("digest", ".", at="p").last == first["digest"]
    (shell.here / "p" / "a").rename(shell.here / "p" / "b")
    assert shell("digest", "p").last != first["digest"]
    assert '["b",1,false,' in shell("digest", "p", "--manifest").out


def test_hostile_names_reach_no_terminal(shell) -> None:
    folder = shell.here / "p"
    folder.mkdir()
    (folder / "a\x1b[2J\u202egpj.exe").write_bytes(b"1")
    for words in (("digest", "p", "--manifest"), ("deliver", "p", "--dry-run"), ("inspect", "p")):
        code_and_text = program(*words, cwd=shell.here)
        assert b"\x1b" not in code_and_text.stdout + code_and_text.stderr
        assert "\u202e".encode() not in code_and_text.stdout + code_and_text.stderr


@pytest.mark.skipif(sys.platform == "darwin", reason="APFS takes no such names")
def test_names_that_are_not_utf8_are_refused(shell) -> None:
    folder = shell.here / "p"
    folder.mkdir()
    (Path(os.fsdecode(bytes(folder) + b"/\xff\xfe"))).write_bytes(b"1")
    done = program("digest", "p", cwd=shell.here)
    assert done.returncode == 1
    done.stderr.decode("ascii")


@pytest.mark.parametrize("make", ["link", "fifo", "empty folder", "nothing"])
def test_odd_folders_are_refused_by_name(shell, make: str) -> None:
    folder = shell.here / "p"
    folder.mkdir()
    if make != "nothing":
        (folder / "good").write_bytes(b"1")
    if make == "link":
        (folder / "odd").symlink_to("/etc/passwd")
    elif make == "fifo":
        os.mkfifo(folder / "odd")
    elif make == "empty folder":
        (folder / "odd").mkdir()
    said = shell("digest", "p", exit=1)
    assert "odd" in said.err or make == "nothing"


def test_an_unsigned_folder_is_inconclusive_not_fine(shell) -> None:
    (shell.here / "p").mkdir()
    (shell.here / "p" / "a").write_bytes(b"1")
    said = shell("verify", "p", exit=3)
    assert "nobody signed" in said.err
    assert said.last == "verdict: inconclusive"


def test_a_bug_is_told_as_one(shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from countermark.artefact import stream

    def broken(*_: object, **__: object) -> None:
        raise KeyError("left over")

    monkeypatch.setattr(stream, "stream_folder", broken)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    said = shell("digest", "p", exit=101)
    assert "a bug in Countermark: KeyError" in said.err
    kept = next(tmp_path.glob("countermark-bug-*.txt"))
    assert kept.stat().st_mode & 0o777 == 0o600
    assert "left over" in kept.read_text()


def test_a_reader_that_leaves_is_no_bug(shell) -> None:
    line = f"{' '.join(PROGRAM)} policy show | head -c 1"
    done = subprocess.run(["bash", "-c", line], cwd=shell.here, capture_output=True, check=False)
    assert done.stderr == b""
    assert len(done.stdout) == 1


def test_a_full_disk_is_input_and_output(shell) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*PROGRAM, "policy", "show"], cwd=shell.here, stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr


def test_an_interrupt_is_130(shell) -> None:
    folder = shell.here / "p"
    folder.mkdir()
    with (folder / "large").open("wb") as file:
        file.truncate(64 << 30)  # sparse: hashing it takes minutes
    started = subprocess.Popen(
        [*PROGRAM, "digest", "p"], cwd=shell.here, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 (a suite run in the background ignores it)
    )  # fmt: skip
    try:
        time.sleep(1.5)
        started.send_signal(signal.SIGINT)
        _, err = started.communicate(timeout=30)
    finally:
        started.kill()
    assert started.returncode == 130
    assert err.strip() == b"error: interrupted"


@pytest.mark.parametrize(("settings", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_terminals_get_colour_unless_told_otherwise(shell, settings: dict[str, str], coloured: bool) -> None:
    (shell.here / "a").write_bytes(b"1")
    ours, theirs = pty.openpty()
    environment = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | {"TERM": "xterm"} | settings
    subprocess.run([*PROGRAM, "digest", "a"], cwd=shell.here, stdout=theirs, env=environment, check=True)
    os.close(theirs)
    text = b""
    while part := _read(ours):
        text += part
    os.close(ours)
    assert (b"\x1b[" in text) is coloured


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # Linux says so when the other end of a terminal is gone
        return b""


def test_oms_signs_and_verifies_without_a_workspace(shell) -> None:
    from countermark.keys.signer import generate

    key = generate("oms", "ecdsa-p256")
    key.save(shell.here / "ec.pem")
    (shell.here / "ec.pub").write_bytes(key.public.pem())
    (shell.here / "model").mkdir()
    (shell.here / "model" / "w.bin").write_bytes(b"weights")
    shell("oms", "sign", "model", "--key", "ec.pem", "--signature", "model.oms.json")
    said = shell("oms", "verify", "model", "--signature", "model.oms.json", "--public-key", "ec.pub")
    assert said.last.startswith("verified: 1 files")
    (shell.here / "model" / "w.bin").write_bytes(b"weight5")
    assert (
        "w.bin"
        in shell("oms", "verify", "model", "--signature", "model.oms.json", "--public-key", "ec.pub", exit=1).err
    )


def test_inspect_answers_for_every_file(shell) -> None:
    model = shell.here / "model"
    model.mkdir()
    (model / "w.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    assert shell("inspect", "model").last.startswith("proven")
    (model / "evil.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    said = shell("inspect", "model", exit=1)
    assert "evil.pkl" in said.out
    assert said.last.startswith("refused")
    assert "cannot tell" in said.out
    facts = shell("inspect", "model", "--json", exit=1).json()
    assert {f["path"]: f["answer"] for f in facts["files"]}["evil.pkl"] == "refused"


def test_the_shipped_policy_is_well_formed(shell) -> None:
    shell("policy", "show", "--out", "policy.toml")
    said = shell("policy", "check", "policy.toml")
    assert said.last.startswith("well formed")
    (shell.here / "policy.toml").write_text('format = 1\nname = "x"\nsurprise = 1\n')
    assert "surprise" in shell("policy", "check", "policy.toml", exit=1).err


def test_doctor_says_what_works(shell) -> None:
    said = shell("doctor", "--json", exit=shell_exit(shell))
    names = [f["name"] for f in said.json()["found"]]
    assert {"bubblewrap", "hermetic training", "confined reading", "extra screen", "extra tpm", "extra kms"} <= set(
        names
    )


def shell_exit(shell: object) -> int:
    """What doctor must answer here: 0 where everything works, 3 where something is missing."""
    from countermark.cli.doctor import _bubblewrap, _child, _hermetic, _listed

    return 0 if all(f.ok or not f.asked for f in (*_listed(), _bubblewrap(), _hermetic(), _child())) else 3
