"""The pipe to a confined child: what comes back, what is refused, and which limit is named."""

from __future__ import annotations

import os
import sys
import time

import pytest

from countermark.errors import FormatRefused, SandboxRefused, Unusable
from countermark.sandbox.limits import BudgetExceeded, ChildFailed, Limits
from countermark.sandbox.pipe import Child, run_task

CHECK = "countermark.sandbox._selfcheck:"
linux = pytest.mark.skipif(sys.platform != "linux", reason="seccomp and Landlock exist on Linux only")


class Bytes:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)

    def read(self, offset: int, count: int) -> bytes:
        return self.data[offset : offset + count]


@pytest.fixture(scope="module")
def child():
    with Child(Limits(memory_bytes=512 << 20)) as worker:
        yield worker


def test_request_blobs_and_sources_arrive_whole(child):
    blob = os.urandom(3 << 20)
    reply = child.ask(CHECK + "echo", {"text": "ä", "n": 2**40}, [blob, b""], sources=[Bytes(b"\x7fabc")])
    assert reply.json == {"request": {"text": "ä", "n": 2**40}, "first": ["7f"]}
    assert [bytes(a.data) for a in reply.arrays] == [blob, b""]
    assert [a.shape for a in reply.arrays] == [(len(blob),), (0,)]


@linux
def test_every_way_out_is_refused(child, tmp_path):
    secret = tmp_path / "key.pem"
    secret.write_text("private")
    inherited = os.open(secret, os.O_RDONLY)
    os.dup2(inherited, 55, inheritable=True)
    try:
        request = {"secret": str(secret), "target": str(tmp_path / "new"), "folder": str(tmp_path), "descriptor": 55}
        with Child() as fresh:  # started while descriptor 55 is open and inheritable
            answer = fresh.ask(CHECK + "escape", request).json
            confinement = fresh.confinement
    finally:
        os.close(55)
        os.close(inherited)
    if not confinement.complete:
        pytest.skip(f"this kernel lacks {confinement.missing}")
    allowed = [name for name, how in answer["attempts"].items() if not how.startswith("refused")]
    assert allowed == []
    assert answer["environment"] == ["LC_ALL", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"]
    assert answer["own thread"] == "allowed"
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("how", "limits", "budget"),
    [
        ("spin", Limits(cpu_seconds=1, wall_seconds=30), "cpu_seconds"),
        ("sleep", Limits(wall_seconds=0.3), "wall_seconds"),
        ("grow", Limits(memory_bytes=128 << 20), "memory_bytes"),
        ("long answer", Limits(answer_bytes=1000), "answer_bytes"),
    ],
)
def test_a_crossed_budget_is_named(how, limits, budget):
    with pytest.raises(BudgetExceeded) as caught:
        run_task(CHECK + "misbehave", {"how": how, "bytes": 5000}, limits=limits)
    assert caught.value.budget == budget
    assert caught.value.limit == getattr(limits, budget)


def test_requests_beyond_their_budget_are_not_sent(child):
    with pytest.raises(BudgetExceeded, match="request bytes"):
        child.ask(CHECK + "echo", {"text": "x" * child.limits.request_bytes})
    small = Child(Limits(blob_bytes=10))
    with small, pytest.raises(BudgetExceeded, match="blob bytes"):
        small.ask(CHECK + "echo", {}, [b"123456", b"78901"])


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("die", "SIGABRT"),
        ("exit", "exit code 7"),
        ("garble", "answered malformed"),
        ("wrong shape", "an array of 8 bytes was declared as 24"),
        ("no such way", "no such way to misbehave"),
    ],
)
def test_a_broken_child_is_a_typed_failure(how, words):
    with pytest.raises(ChildFailed) as caught:
        run_task(CHECK + "misbehave", {"how": how})
    assert words in str(caught.value)


def test_a_refusal_keeps_its_words_and_the_child_lives_on(child):
    with pytest.raises(FormatRefused) as caught:
        child.ask(CHECK + "misbehave", {"how": "refuse"})
    assert (caught.value.what, caught.value.why) == ("these bytes are bad", "they were asked to be")
    assert child.alive
    assert child.ask(CHECK + "echo", {"n": 1}).json["request"] == {"n": 1}


def test_a_killed_child_is_gone_and_says_so():
    with Child(Limits(wall_seconds=0.2)) as worker:
        with pytest.raises(BudgetExceeded):
            worker.ask(CHECK + "misbehave", {"how": "sleep"})
        assert not worker.alive


def test_a_source_that_breaks_leaves_the_child_unusable():
    class Broken(Bytes):
        def read(self, offset: int, count: int) -> bytes:
            raise Unusable("the disk is gone")

    with Child() as worker:
        with pytest.raises(Unusable, match="the disk is gone"):
            worker.ask(CHECK + "echo", {}, sources=[Broken(b"abc")])
        assert not worker.alive
        with pytest.raises(ChildFailed, match="gone"):
            worker.ask(CHECK + "echo", {})


def test_a_source_that_refuses_refuses_the_request(child):
    class Changed(Bytes):
        def read(self, offset: int, count: int) -> bytes:
            raise FormatRefused("the file was changed", why="a window differs")

    with pytest.raises(FormatRefused, match="the file was changed"):
        child.ask(CHECK + "echo", {}, sources=[Changed(b"abc")])
    assert child.ask(CHECK + "echo", {}, sources=[Bytes(b"abc")]).json["first"] == ["61"]


@pytest.mark.parametrize(
    "name",
    ["os:system", "countermark.keys.signer:generate", "countermark.sandbox:x", "countermark.sandbox._selfcheck", ""],
)
def test_only_tasks_of_the_allow_list_are_named(child, name):
    with pytest.raises(SandboxRefused):
        child.ask(name, {})


def test_an_unmarked_function_is_refused_by_the_child(child):
    with pytest.raises(SandboxRefused, match="not marked"):
        child.ask("countermark.sandbox.pipe:run_task", {})


@linux
def test_the_child_ends_with_its_parent(tmp_path):
    import subprocess

    script = (
        "from countermark.sandbox.pipe import Child\n"
        f"c = Child(); print(c._process.pid, flush=True)\n"
        f"c.ask('{CHECK}misbehave', {{'how': 'spin'}})\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    time.sleep(0.2)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        with open(f"/proc/{pid}/stat") as stat:
            if stat.read().rsplit(")", 1)[1].split()[0] == "Z":
                return
        time.sleep(0.05)
    pytest.fail("the child outlived its parent by five seconds")


@linux
@pytest.mark.parametrize(
    ("broken", "missing"),
    [
        ("_landlock.version = lambda: 0", "Landlock: the kernel has no Landlock"),
        ("_seccomp.load = lambda program: 'Invalid argument'", "seccomp: Invalid argument"),
        ("_seccomp.machine = lambda: ''", "seccomp: system calls of this machine not known"),
        ("_seccomp.no_new_privileges = lambda: False", "no_new_privs: the kernel refused"),
        ("sys.platform = 'freebsd14'", "Landlock and seccomp: freebsd14 has neither"),
    ],
)
def test_what_the_platform_cannot_give_is_said(broken, missing):
    import subprocess

    code = (
        "import sys\n"
        "from countermark.sandbox import _landlock, _seccomp\n"
        f"{broken}\n"
        "from countermark.sandbox.confinement import confine\n"
        "from countermark.sandbox.limits import Limits\n"
        "done = confine(Limits())\n"
        "print(done.complete, done.missing)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("False")
    assert missing in done.stdout
