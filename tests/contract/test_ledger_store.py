"""One suite over every ledger store: the guarantees that its protocol promises."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from countermark.errors import Unusable
from countermark.ledger.stores.files import FileStore
from countermark.ledger.stores.memory import MemoryStore
from countermark.ledger.stores.power_loss import ForgetfulDisk
from countermark.ledger.stores.protocol import Store

Reopen = Callable[[], Store]


@pytest.fixture(params=["files", "memory", "forgetful disc"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Reopen:
    """Gives another store object for the same place, where the place outlives the object."""
    if request.param == "files":
        return lambda: FileStore.at(tmp_path / "store")
    if request.param == "memory":
        memory = MemoryStore()
        return lambda: memory
    disk = ForgetfulDisk()
    return lambda: FileStore(disk)


def test_what_was_published_is_read_also_by_another_object(reopen: Reopen) -> None:
    reopen().publish([("checkpoint", b"one"), ("tile/0/x001/000.p/7", b"two"), ("tile/0/000", b"")])
    store = reopen()
    assert store.read("checkpoint", 3) == b"one"
    assert store.read("tile/0/x001/000.p/7", 100) == b"two"
    assert store.read("tile/0/000", 0) == b""


def test_absent_objects_are_none(reopen: Reopen) -> None:
    store = reopen()
    store.publish([("tile/0/000", b"x")])
    for name in ("checkpoint", "tile/0/001", "tile/9/000", "tile/0/000/below"):
        assert store.read(name, 100) is None


def test_publishing_replaces(reopen: Reopen) -> None:
    store = reopen()
    store.publish([("checkpoint", b"a longer first one")])
    store.publish([("checkpoint", b"second")])
    assert store.read("checkpoint", 100) == b"second"


def test_an_object_over_the_limit_is_not_read(reopen: Reopen) -> None:
    store = reopen()
    store.publish([("checkpoint", b"12345")])
    with pytest.raises(OSError, match="4"):
        store.read("checkpoint", 4)


def test_discard_takes_one_folder_and_nothing_else(reopen: Reopen) -> None:
    store = reopen()
    store.publish(
        [("tile/0/000.p/1", b"1"), ("tile/0/000.p/2", b"2"), ("tile/0/000", b"full"), ("tile/0/001.p/1", b"")]
    )
    store.discard("tile/0/000.p")
    store.discard("tile/0/000.p")
    assert [store.read(name, 9) for name in ("tile/0/000.p/1", "tile/0/000.p/2")] == [None, None]
    assert store.read("tile/0/000", 9) == b"full"
    assert store.read("tile/0/001.p/1", 9) == b""
    store.publish([("tile/0/000.p/3", b"again")])
    assert store.read("tile/0/000.p/3", 9) == b"again"


def test_one_holder_of_the_lock(reopen: Reopen) -> None:
    with reopen().lock(0.0), pytest.raises(Unusable, match="another"), reopen().lock(0.0):
        pytest.fail("two holders")
    with reopen().lock(0.0):
        pass


def test_a_lock_is_let_go_when_its_block_raises(reopen: Reopen) -> None:
    with pytest.raises(ZeroDivisionError), reopen().lock(0.0):
        raise ZeroDivisionError
    with reopen().lock(0.0):
        pass


@pytest.mark.parametrize("reopen", ["files", "memory"], indirect=True)
def test_a_waiting_writer_gets_its_turn(reopen: Reopen) -> None:
    entered, order = threading.Event(), []

    def second() -> None:
        with reopen().lock(20.0):
            order.append("second")

    with reopen().lock(0.0):
        thread = threading.Thread(target=second)
        thread.start()
        entered.wait(0.05)
        order.append("first")
    thread.join(20)
    assert order == ["first", "second"]


def test_a_pipe_or_link_in_a_foreign_folder_stalls_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "checkpoint")
    (tmp_path / "tile").symlink_to("/etc/passwd")
    store = FileStore.reading(tmp_path)
    with pytest.raises(OSError, match="plain"):
        store.read("checkpoint", 100)
    with pytest.raises(OSError):
        store.read("tile", 1 << 20)


def test_reading_a_foreign_folder_makes_nothing_there(tmp_path: Path) -> None:
    assert FileStore.reading(tmp_path).read("checkpoint", 100) is None
    assert list(tmp_path.iterdir()) == []


def test_scratch_of_a_dead_writer_is_swept_by_the_next(tmp_path: Path) -> None:
    store = FileStore.at(tmp_path)
    store.publish([("checkpoint", b"x")])
    (tmp_path / ".writing" / "123-0").write_bytes(b"left over")
    with store.lock(0.0):
        assert list((tmp_path / ".writing").iterdir()) == []


@pytest.mark.parametrize("fate", ["lost", "kept"])
def test_the_memory_twin_fails_on_command(fate: str) -> None:
    store = MemoryStore()
    store.fail(1, fate)  # type: ignore[arg-type]
    with pytest.raises(OSError, match=fate):
        store.publish([("a", b"1"), ("b", b"2"), ("c", b"3")])
    assert sorted(store.objects) == (["a", "b"] if fate == "kept" else ["a"])
    store.publish([("b", b"2")])
    assert store.objects["b"] == b"2"
