"""One suite over every ledger store: the guarantees that its protocol promises."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bucket import BUCKET, server
from obstore.store import MemoryStore as InMemory

from countermark.errors import LedgerRefused, Unusable
from countermark.ledger.stores.files import FileStore
from countermark.ledger.stores.memory import MemoryStore
from countermark.ledger.stores.objects import ObjectStore
from countermark.ledger.stores.power_loss import ForgetfulDisk
from countermark.ledger.stores.protocol import Store

Reopen = Callable[[], Store]
LOCKED = ["files", "memory", "forgetful disc"]
locked = pytest.mark.parametrize("reopen", LOCKED, indirect=True)


@pytest.fixture(params=[*LOCKED, "objects", "s3"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reopen]:
    """Gives another store object for the same place, where the place outlives the object."""
    match request.param:
        case "files":
            yield lambda: FileStore.at(tmp_path / "store")
        case "memory":
            memory = MemoryStore()
            yield lambda: memory
        case "forgetful disc":
            disk = ForgetfulDisk()
            yield lambda: FileStore(disk)
        case "objects":
            bucket = InMemory()
            yield lambda: ObjectStore(bucket)
        case "s3":
            with server() as place:
                for name, value in place.environment.items():
                    monkeypatch.setenv(name, value)
                yield lambda: ObjectStore.at(f"s3://{BUCKET}/ledger")


def commit(store: Store, head: bytes, replaces: bytes | None, *objects: tuple[str, bytes]) -> None:
    """One commit of a writer that comes and goes."""
    with store.lock(0.0):
        store.commit(objects, head, replaces)


def test_what_was_committed_is_read_also_by_another_object(reopen: Reopen) -> None:
    commit(reopen(), b"head", None, ("tile/0/x001/000.p/7", b"two"), ("tile/0/000", b""))
    store = reopen()
    assert store.read("checkpoint", 4) == b"head"
    assert store.read("tile/0/x001/000.p/7", 100) == b"two"
    assert store.read("tile/0/000", 0) == b""


def test_every_commit_is_seen_at_once_by_who_has_no_lock(reopen: Reopen) -> None:
    writer, reader, head = reopen(), reopen(), None
    with writer.lock(0.0):
        for n in range(40):
            data = b"%d" % n * 3000
            writer.commit([(f"tile/0/000.p/{n + 1}", data), (f"tile/1/{n:03}", data)], b"head %d" % n, head)
            head = b"head %d" % n
            for store in (writer, reader):
                assert store.read("checkpoint", 100) == head
                assert store.read(f"tile/0/000.p/{n + 1}", 10_000) == data
    assert all(reopen().read(f"tile/1/{n:03}", 10_000) == b"%d" % n * 3000 for n in range(40))
    assert reopen().read("tile/0/000.p/40", 10_000) == b"39" * 3000  # those before it came and went


def test_large_and_small_commits_take_turns(reopen: Reopen) -> None:
    head, many = b"head", [(f"tile/entries/{n:03}", b"%d" % n * 20_000) for n in range(40)]
    commit(reopen(), head, None)
    with (store := reopen()).lock(0.0):
        store.commit([("tile/0/000", b"a")], b"head 1", head)
        store.commit(many, b"head 2", b"head 1")
        store.commit([("tile/0/001", b"b")], b"head 3", b"head 2")
    wanted = {**dict(many), "tile/0/000": b"a", "tile/0/001": b"b", "checkpoint": b"head 3"}
    assert {name: reopen().read(name, 1 << 20) for name in wanted} == wanted


def test_absent_objects_are_none(reopen: Reopen) -> None:
    store = reopen()
    assert store.read("checkpoint", 100) is None
    commit(store, b"head", None, ("tile/0/000", b"x"))
    for name in ("tile/0/001", "tile/9/000", "tile/0/000/below"):
        assert store.read(name, 100) is None


def test_a_commit_replaces_only_the_head_that_it_names(reopen: Reopen) -> None:
    commit(reopen(), b"first", None, ("tile/0/000.p/1", b"1"))
    commit(reopen(), b"a longer second one", b"first", ("tile/0/000.p/2", b"12"))
    for seen in (b"first", None, b"a longer second one "):
        with pytest.raises(LedgerRefused, match="another writer"):
            commit(reopen(), b"fork", seen, ("tile/0/000.p/2", b"13"), ("tile/entries/000.p/2", b"x"))
    assert reopen().read("checkpoint", 100) == b"a longer second one"
    assert reopen().read("tile/0/000.p/2", 100) == b"12"
    assert reopen().read("tile/entries/000.p/2", 100) is None
    commit(reopen(), b"third", b"a longer second one")
    assert reopen().read("checkpoint", 100) == b"third"


def test_of_two_that_go_on_from_one_head_one_is_refused(reopen: Reopen) -> None:
    """Where the place has a lock, the second does not even get in."""
    commit(reopen(), b"first", None)
    one, two = reopen(), reopen()
    with one.lock(0.0), contextlib.suppress(Unusable), two.lock(0.0):
        one.commit([("tile/0/000.p/1", b"1")], b"second", b"first")
        with pytest.raises(LedgerRefused, match="another writer"):
            two.commit([("tile/0/000.p/1", b"x")], b"fork", b"first")
        assert reopen().read("tile/0/000.p/1", 9) == b"1"
    assert reopen().read("checkpoint", 9) in (b"first", b"second")


def test_an_object_over_the_limit_is_not_read(reopen: Reopen) -> None:
    store = reopen()
    commit(store, b"12345", None)
    with store.lock(0.0):
        store.commit([("tile/0/000", b"123456")], b"123456", b"12345")
        for name in ("checkpoint", "tile/0/000"):
            with pytest.raises(OSError, match="5"):
                reopen().read(name, 5)
            with pytest.raises(OSError, match="5"):
                store.read(name, 5)


@pytest.mark.parametrize("at_once", [True, False], ids=["at-once", "later"])
def test_discard_takes_one_folder_and_nothing_else(reopen: Reopen, at_once: bool) -> None:
    """Also where the folder stands outside a journal, and what replaces it only in there."""
    store = reopen()
    commit(store, b"1", None, ("tile/0/000.p/1", b"1"), ("tile/0/001.p/1", b""))
    with store.lock(0.0):
        if not at_once:
            store.commit([("tile/0/000.p/2", b"2"), ("tile/0/000", b"full")], b"2", b"1")
        store.discard("tile/0/000.p")
        store.discard("tile/0/000.p")
        assert [store.read(f"tile/0/000.p/{n}", 9) for n in (1, 2)] == [None, None]
        assert store.read("tile/0/001.p/1", 9) == b""
    assert [reopen().read(f"tile/0/000.p/{n}", 9) for n in (1, 2)] == [None, None]
    assert reopen().read("tile/0/000", 9) == (None if at_once else b"full")
    assert reopen().read("tile/0/001.p/1", 9) == b""
    with store.lock(0.0):
        store.discard("tile/0/001.p")
        store.commit([("tile/0/000.p/3", b"again")], b"3", b"1" if at_once else b"2")
        assert store.read("tile/0/000.p/3", 9) == b"again"
        store.discard("tile/0/000.p")
        store.commit([("tile/0/000.p/3", b"and again")], b"4", b"3")
    assert reopen().read("tile/0/000.p/3", 9) == b"and again"


@locked
def test_one_holder_of_the_lock(reopen: Reopen) -> None:
    with reopen().lock(0.0), pytest.raises(Unusable, match="another"), reopen().lock(0.0):
        pytest.fail("two holders")
    with reopen().lock(0.0):
        pass


@locked
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
    commit(store, b"x", None)
    (tmp_path / ".writing" / "123-0").write_bytes(b"left over")
    with store.lock(0.0):
        assert list((tmp_path / ".writing").iterdir()) == []


@pytest.mark.parametrize("fate", ["lost", "kept"])
def test_the_memory_twin_fails_on_command(fate: str) -> None:
    store = MemoryStore()
    store.fail(1, fate)  # type: ignore[arg-type]
    commit(store, b"1", None, ("a", b"1"))
    with pytest.raises(OSError, match=fate):
        commit(store, b"2", b"1", ("b", b"2"), ("c", b"3"))
    assert sorted(store.objects) == (["a", "b", "c", "checkpoint"] if fate == "kept" else ["a", "checkpoint"])
    commit(store, b"3", b"2" if fate == "kept" else b"1", ("b", b"2"))
    assert store.objects["b"] == b"2"


def test_the_commit_of_a_file_store_needs_its_lock(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="lock"):
        FileStore.at(tmp_path).commit([], b"x", None)
    with pytest.raises(OSError, match="lock"):
        FileStore.at(tmp_path).discard("tile/0/000.p")
