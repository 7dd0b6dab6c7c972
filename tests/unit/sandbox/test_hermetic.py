"""Hermetic runs on this machine's own bubblewrap: what a script sees, what it leaves, what ends it."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from countermark.errors import SandboxRefused, Unusable
from countermark.sandbox import bubblewrap, hermetic, probe
from countermark.sandbox.dry_run import what_was_denied
from countermark.sandbox.hermetic import run_hermetic
from countermark.sandbox.plan import Plan, ScriptLimits, system_paths

needs_bubblewrap = pytest.mark.skipif(bubblewrap.find() is None, reason="bubblewrap is not installed")
ATTACKS = Path(__file__).parents[3] / "attacks" / "sandbox" / "both_sides.py"


def _attacks():
    spec = importlib.util.spec_from_file_location("both_sides", ATTACKS)
    module = importlib.util.module_from_spec(spec)
    sys.modules["both_sides"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def work(tmp_path):
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "a.txt").write_text("one row")
    (tmp_path / "result").mkdir()
    return tmp_path


def plan(work: Path, code: str, **changes) -> Plan:
    script = work / "train.py"
    script.write_text(code)
    settings = {
        "command": ("python", "train.py"),
        "inputs": {work / "rows": "/job/data", script: "/job/train.py"},
        "output": work / "result",
        "output_at": "/job/out",
        "workdir": "/job",
        "limits": ScriptLimits(wall_seconds=30),
    }
    return Plan(**{**settings, **changes})


@needs_bubblewrap
def test_an_unchanged_script_finds_its_inputs_and_leaves_its_output(work):
    code = (
        "import os, sys\n"
        "text = open('data/a.txt').read()\n"
        "open('out/model', 'w').write(text.upper())\n"
        "print(sorted(os.environ), sorted(os.listdir('.')), repr(sys.stdin.read()))\n"
        "sys.exit(4)\n"
    )
    done = run_hermetic(plan(work, code, environment={"SEED": "7"}, digests={work / "rows": "ab" * 32}))
    assert (done.returncode, done.level, done.reasons, done.ended_by) == (4, "claimed", (), "")
    assert (work / "result" / "model").read_text() == "ONE ROW"
    assert "['HOME', 'LC_ALL', 'PATH', 'PWD', 'SEED', 'TMPDIR'] ['data', 'out', 'train.py'] ''" in done.stdout
    described = done.to_json()
    assert {"guest": "/job/data", "kind": "input", "digest": "ab" * 32} in described["mounts"]
    assert described["probe"]["passed"] is True
    assert str(work) not in json.dumps(described)


@needs_bubblewrap
@pytest.mark.parametrize("name", _attacks().names() if bubblewrap.find() else [])
def test_every_escape_works_plainly_and_is_refused_inside(name):
    sides = _attacks().both(name)
    if not sides.plain_got_out:
        pytest.skip(f"this machine refuses it anyway: {sides.plain_said}")
    assert not sides.confined_got_out, sides.confined_said


@needs_bubblewrap
def test_the_probe_tries_everything_and_passes(work):
    report = probe.probe(plan(work, ""))
    assert report.reasons == ()
    assert report.passed
    assert {"UDP", "Unix socket by abstract name", "undeclared file", "inherited descriptor"} <= {
        attempt.name for attempt in report.attempts
    }


@needs_bubblewrap
def test_a_probe_that_finds_a_way_out_stops_the_run(work, monkeypatch):
    real = bubblewrap._arguments

    def leaky(*args):  # as an old bubblewrap or a wrapper might: the host's network and its /tmp
        options = [o for o in real(*args) if o != "--unshare-all"]
        at = options.index("--tmpfs")
        shared = ["--unshare-pid", "--unshare-uts", "--ro-bind", tempfile.gettempdir(), "/tmp"]
        return [*options[: at - 2], *shared, *options[at + 2 :]]

    monkeypatch.setattr(bubblewrap, "_arguments", leaky)
    report = probe.probe(plan(work, ""))
    opened = {attempt.name for attempt in report.open}
    assert not report.passed
    assert {"TCP", "UDP", "Unix socket by path", "Unix socket by abstract name", "undeclared file"} <= opened
    with pytest.raises(SandboxRefused, match="hermetic"):
        run_hermetic(plan(work, "open('out/x', 'w')"))
    assert list((work / "result").iterdir()) == []


def test_without_bubblewrap_a_run_is_refused_or_marked(work, monkeypatch):
    monkeypatch.setattr(bubblewrap, "_PLACES", ())
    job = plan(work, "print(open('data/a.txt').read()); open('out/m', 'w').write('m')")
    with pytest.raises(SandboxRefused, match="bubblewrap is not installed"):
        run_hermetic(job)
    done = run_hermetic(job, allow_plain=True)
    assert (done.returncode, done.level) == (0, "not hermetic")
    assert done.reasons == ("bubblewrap is not installed",)
    assert done.stdout == "one row\n"
    assert (work / "result" / "m").read_text() == "m"
    assert done.to_json()["level"] == "not hermetic"


def test_no_input_may_cover_what_the_interpreter_needs(work):
    covering = str(Path(sys.prefix).resolve().parent)
    with pytest.raises(SandboxRefused, match="would cover"):
        plan(work, "", inputs={work / "rows": covering}).mounts()


@needs_bubblewrap
@pytest.mark.parametrize(
    ("code", "limits", "ended_by"),
    [
        ("import time; time.sleep(60)", ScriptLimits(wall_seconds=1.5), "wall_seconds 1.5"),
        (
            "import time\nfor i in range(9): open(f'out/{i}', 'w').write('x' * 999)\ntime.sleep(60)",
            ScriptLimits(wall_seconds=30, output_bytes=5000),
            "output_bytes 5000",
        ),
        (
            "import os, time\nfor _ in range(7): os.fork()\ntime.sleep(60)",
            ScriptLimits(wall_seconds=30, processes=100),
            "processes 100",
        ),
        (
            "import threading, time\nfor _ in range(200): threading.Thread(target=time.sleep, args=(60,)).start()",
            ScriptLimits(wall_seconds=30, processes=100),
            "processes 100",
        ),
    ],
)
def test_a_limit_ends_the_script_and_is_named(work, code, limits, ended_by):
    started = time.monotonic()
    done = run_hermetic(plan(work, code, limits=limits))
    assert done.ended_by == ended_by
    assert not done.succeeded
    assert time.monotonic() - started < 20


@needs_bubblewrap
@pytest.mark.parametrize(
    ("code", "limits", "said"),
    [
        (
            "with open('out/big', 'wb', 0) as f:\n    while f.write(bytes(999)): pass",
            ScriptLimits(file_bytes=4096),
            "File too large",
        ),
        ("hoard = bytearray(1 << 30)", ScriptLimits(memory_bytes=256 << 20), "MemoryError"),
        ("open('/tmp/big', 'wb').write(bytes(5 << 20))", ScriptLimits(scratch_bytes=1 << 20), "No space left"),
    ],
)
def test_a_limit_of_one_process_is_told_to_the_script(work, code, limits, said):
    done = run_hermetic(plan(work, code, limits=limits))
    assert done.returncode == 1
    assert said in done.stderr


@needs_bubblewrap
def test_killing_the_parent_kills_the_script(work):
    job = plan(work, "import time\nfor i in range(600):\n    open('out/beat', 'w').write(str(i)); time.sleep(0.05)")
    code = (
        "from pathlib import Path\nfrom countermark.sandbox.plan import Plan\n"
        "from countermark.sandbox.bubblewrap import run_confined\n"
        f"run_confined(Plan({job.command!r}, {{Path(str(h)): g for h, g in "
        f"{ {str(h): g for h, g in job.inputs.items()}!r}.items()}}, Path({str(job.output)!r}), '/job/out', '/job'))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code])
    beat = work / "result" / "beat"
    deadline = time.monotonic() + 20
    while not beat.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert beat.exists()
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    time.sleep(0.5)
    last = beat.read_text()
    time.sleep(0.5)
    assert beat.read_text() == last


@needs_bubblewrap
def test_two_runs_see_the_same_world(work):
    code = "import os, platform\nprint(os.getuid(), platform.node(), os.getcwd(), sorted(os.listdir('/')), os.getpid())"
    first = run_hermetic(plan(work, code))
    (work / "second").mkdir()
    second = run_hermetic(plan(work, code, output=work / "second"))
    assert first.stdout == second.stdout
    assert first.stdout.startswith("1000 countermark /job")


def test_an_output_folder_that_holds_something_is_an_undeclared_input(work):
    (work / "result" / "old").write_text("")
    with pytest.raises(SandboxRefused, match="not empty"):
        run_hermetic(plan(work, ""))
    with pytest.raises(Unusable, match="not there"):
        run_hermetic(plan(work, "", output=work / "nowhere"))


@pytest.mark.parametrize("guest", ["data", "/job/../etc", "/job//data", "/", "/proc/1", "/dev/shm/x", "/job/data/"])
def test_guest_paths_that_could_mislead_are_refused(work, guest):
    with pytest.raises(SandboxRefused):
        plan(work, "", inputs={work / "rows": guest}).mounts()


def test_a_socket_inside_an_input_is_refused(work):
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(str(work / "rows" / "s"))
        with pytest.raises(SandboxRefused, match="socket, pipe or device"):
            plan(work, "").mounts()


def test_a_mount_needs_a_place_inside_another(work):
    inputs = {work / "rows": "/job/data", work / "result": "/job/data/inner"}
    with pytest.raises(SandboxRefused, match="no such place"):
        plan(work, "", inputs=inputs, output=work).mounts()
    (work / "rows" / "inner").mkdir()
    mounts = plan(work, "", inputs=inputs, output=work, output_at="/job/o").mounts()
    assert [m.guest for m in mounts if m.kind == "input"] == ["/job/data", "/job/data/inner"]


def test_an_absent_input_and_an_empty_command_are_usage_errors(work):
    with pytest.raises(Unusable):
        plan(work, "", inputs={work / "gone": "/job/data"}).mounts()
    with pytest.raises(Unusable):
        plan(work, "", command=()).argv()


def test_system_paths_hold_the_interpreter_once():
    paths = system_paths()
    assert any(Path(sys.prefix).resolve().is_relative_to(p) for p in paths)
    assert any(Path(sys.executable).resolve().is_relative_to(p) for p in paths)
    assert len(paths) == len(set(paths))


def test_a_plain_run_says_where_it_cannot_put_an_input(work, monkeypatch):
    monkeypatch.setattr(bubblewrap, "_PLACES", ())
    with pytest.raises(SandboxRefused, match="outside the working folder"):
        run_hermetic(plan(work, "", inputs={work / "rows": "/elsewhere"}), allow_plain=True)


@needs_bubblewrap
def test_a_dry_run_names_what_was_denied_and_the_line_that_allows_it(work):
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        prices = Path(name) / "prices.csv"
        prices.write_text("1")
        code = (
            "import contextlib, socket\n"
            f"for path, mode in (({str(prices)!r}, 'r'), ('cache', 'w'), ('data/a.txt', 'r'), ('out/m', 'w')):\n"
            "    with contextlib.suppress(OSError): open(path, mode)\n"
            "with contextlib.suppress(OSError): socket.create_connection(('192.0.2.1', 80), 1)\n"
        )
        seen = what_was_denied(plan(work, code))
    assert [(d.kind, d.what) for d in seen.denied][:2] == [("read", str(prices)), ("write", "/job/cache")]
    assert {d.kind for d in seen.denied} == {"read", "write", "network"}
    assert str(prices) in seen.denied[0].recipe
    assert list((work / "result").iterdir()) == []


def test_the_level_is_a_closed_list():
    assert hermetic.Level.__args__ == ("claimed", "not hermetic")
