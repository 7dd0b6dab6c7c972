"""A log in an object store: every request fails, is lost on the way back or comes late; writers race; what is foreign is refused."""

from __future__ import annotations

import contextlib
import functools
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import obstore
import pytest
from bucket import BUCKET, Server, server
from obstore.store import LocalStore, MemoryStore, S3Store
from test_log_faults import BATCHES, Life

from countermark.errors import LedgerRefused, MissingExtra, Unusable
from countermark.ledger.audit import audit
from countermark.ledger.log import Log
from countermark.ledger.note import NoteKey
from countermark.ledger.reader import LogReader
from countermark.ledger.receipt import verify
from countermark.ledger.stores import objects
from countermark.ledger.stores.files import FileStore
from countermark.ledger.stores.objects import ObjectStore

Sign = Callable[[bytes], bytes]
ATTACKS = Path(__file__).parents[3] / "attacks"
URL = f"s3://{BUCKET}/team/ledger"


class Unreliable:
    """obstore's functions over a real store of it, where one request fails.

    Attributes:
        asked: number of requests so far. at: which one fails. fate: "lost" is never done, "kept" is done although it
            is reported to fail, "late" is done `later` requests after it was reported to fail.
    """

    def __init__(self, at: int | None = None, fate: str = "lost", later: int = 0) -> None:
        self.asked, self.at, self.fate, self.later = 0, at, fate, later
        self._due: Callable[[], object] | None = None
        self._lock = threading.RLock()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def ask(*arguments: Any, **named: Any) -> Any:
            with self._lock:
                return answer(*arguments, **named)

        def answer(*arguments: Any, **named: Any) -> Any:
            number, self.asked = self.asked, self.asked + 1
            do = functools.partial(getattr(obstore, name), *arguments, **named)
            if self._due and number >= (self.at or 0) + self.later:
                due, self._due = self._due, None
                with contextlib.suppress(obstore.exceptions.BaseError):
                    due()
            if number != self.at:
                return do()
            if self.fate == "kept":
                do()
            elif self.fate == "late":
                self._due = do
            raise obstore.exceptions.GenericError(f"request {number} fails on command ({self.fate})")

        return ask


def unreliable(bucket: Any, requests: Unreliable) -> ObjectStore:
    store = ObjectStore(bucket)
    store._api = requests  # type: ignore[assignment]
    return store


def live(store: ObjectStore, life: Life, reader: ObjectStore) -> None:
    """Append all batches, reopening after every failure; somebody reads all the time."""
    left = list(BATCHES)
    while left:
        with contextlib.suppress(Unusable), life.open(store) as log:
            while left:
                life.see(reader)
                with contextlib.suppress(Unusable), turned_away():
                    life.append(log, reader, left[0])
                    left.pop(0)
                _ = log.checkpoint


@contextlib.contextmanager
def turned_away() -> Iterator[None]:
    """A put that came late was the commit of another writer, one that is dead by now."""
    try:
        yield
    except LedgerRefused as refused:
        assert "another writer" in refused.what


def requests_of_a_life(key: NoteKey, sign: Sign) -> int:
    bucket, requests, life = MemoryStore(), Unreliable(), Life(key, sign)
    live(unreliable(bucket, requests), life, ObjectStore(bucket))
    life.check(ObjectStore(bucket))
    return requests.asked


@pytest.mark.parametrize(
    ("fate", "later"), [("lost", 0), ("kept", 0), ("late", 1), ("late", 3), ("late", 7), ("late", 12)]
)
def test_every_request_fails(key: NoteKey, sign: Sign, fate: str, later: int) -> None:
    for at in range(requests_of_a_life(key, sign)):
        bucket, life = MemoryStore(), Life(key, sign)
        live(unreliable(bucket, Unreliable(at, fate, later)), life, ObjectStore(bucket))
        life.check(ObjectStore(bucket))


def test_a_writer_killed_at_every_request_leaves_a_whole_log(key: NoteKey, sign: Sign) -> None:
    """Readers see a whole log before anybody comes to end what it left, and the next writer ends it."""
    for at in range(requests_of_a_life(key, sign)):
        for fate in ("lost", "kept"):
            bucket, life = MemoryStore(), Life(key, sign)
            with contextlib.suppress(Unusable, LedgerRefused):  # the process ends with the first failure
                live_once(unreliable(bucket, Unreliable(at, fate)), life, ObjectStore(bucket))
            if life.seen:
                life.check(ObjectStore(bucket))
            with life.open(ObjectStore(bucket)) as log:
                life.append(log, ObjectStore(bucket), 3)
            life.check(ObjectStore(bucket))


def live_once(store: ObjectStore, life: Life, reader: ObjectStore) -> None:
    with life.open(store) as log:
        for count in BATCHES:
            life.append(log, reader, count)


def test_of_two_writers_one_is_refused_and_has_written_nothing(key: NoteKey, sign: Sign) -> None:
    bucket = MemoryStore()
    Log.create(ObjectStore(bucket), key, sign).close()
    with Log.open(ObjectStore(bucket), key, sign) as first, Log.open(ObjectStore(bucket), key, sign) as second:
        first.append([b"first"])
        before = {o["path"]: bytes(obstore.get(bucket, o["path"]).bytes()) for o in obstore.list(bucket).collect()}
        with pytest.raises(LedgerRefused, match="another writer") as told:
            second.append([b"second", b"third"])
        assert "run the command again" in told.value.mend
        assert {
            o["path"]: bytes(obstore.get(bucket, o["path"]).bytes()) for o in obstore.list(bucket).collect()
        } == before
        with pytest.raises(Unusable, match="reopen"):
            second.append([b"second"])
        assert first.append([b"goes on"])[0].index == 1
    with Log.open(ObjectStore(bucket), key, sign) as log:
        assert log.append([b"second"])[0].index == 2


def test_two_logs_are_not_begun_in_one_place(key: NoteKey, sign: Sign) -> None:
    bucket = MemoryStore()
    with ObjectStore(bucket).lock(0.0):
        late = ObjectStore(bucket)
        with late.lock(0.0):
            Log.create(ObjectStore(bucket), key, sign).close()
            with pytest.raises(LedgerRefused, match="another writer"):
                late.commit([], b"another first head", None)
    with pytest.raises(LedgerRefused, match="already"):
        Log.create(ObjectStore(bucket), key, sign)


def test_a_tile_that_somebody_changed_is_not_overwritten(key: NoteKey, sign: Sign) -> None:
    bucket = MemoryStore()
    with Log.create(ObjectStore(bucket), key, sign) as log:
        obstore.put(bucket, "tile/0/000.p/1", b"not from here")
        with pytest.raises(Unusable, match="cannot be written") as told:
            log.append([b"leaf"])
    assert "another content" in told.value.why
    assert bytes(obstore.get(bucket, "tile/0/000.p/1").bytes()) == b"not from here"
    assert LogReader(ObjectStore(bucket), key).checkpoint().size == 0
    obstore.delete(bucket, "tile/0/000.p/1")
    with Log.open(ObjectStore(bucket), key, sign) as log:
        assert log.checkpoint.size == 1


def test_a_folder_that_was_copied_into_a_bucket_goes_on_there(tmp_path: Path, key: NoteKey, sign: Sign) -> None:
    """With what its journal alone holds, and all its other files."""
    bucket = MemoryStore()
    with Log.create(FileStore.at(tmp_path / "ledger"), key, sign) as log:
        receipts = log.append([b"leaf %d" % n for n in range(300)]) + log.append([b"last"])
        for file in (tmp_path / "ledger").rglob("*"):
            if file.is_file():
                obstore.put(bucket, str(file.relative_to(tmp_path / "ledger")), file.read_bytes())
    with Log.open(ObjectStore(bucket), key, sign) as log:
        assert log.checkpoint.size == 301
        assert log.append([b"next"])[0].index == 301
    assert audit(ObjectStore(bucket), key).checkpoint.size == 302
    assert verify(b"last", receipts[-1].to_bytes(), key).index == 300


def test_too_long_an_object_is_not_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = MemoryStore()
    obstore.put(bucket, "checkpoint", bytes(101))

    class Api:
        def get(self, *arguments: Any) -> Any:
            found = obstore.get(*arguments)

            class NoBody:
                meta = found.meta

            return NoBody()

    store = ObjectStore(bucket)
    store._api = Api()  # type: ignore[assignment]
    with pytest.raises(OSError, match="the limit is 100"):
        store.read("checkpoint", 100)


def test_too_large_a_commit_is_refused(key: NoteKey, sign: Sign, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "MAX_COMMIT_BYTES", 100_000)
    bucket = MemoryStore()
    with Log.create(ObjectStore(bucket), key, sign) as log, pytest.raises(Unusable, match="cannot be written") as told:
        log.append([bytes(60_000)] * 3)
    assert "fewer entries" in told.value.why
    assert audit(ObjectStore(bucket), key).checkpoint.size == 0


def test_a_store_without_conditional_puts_is_told(tmp_path: Path, key: NoteKey, sign: Sign) -> None:
    with (
        pytest.raises(Unusable, match="cannot be written"),
        Log.create(ObjectStore(LocalStore(tmp_path)), key, sign) as log,
    ):
        log.append([b"leaf"])


@pytest.mark.parametrize("url", ["file:///tmp/x", "memory:///", "https://bucket.s3.amazonaws.com/x", "/a/folder", "s3://",
                                 "s3://key:secret@bucket/x", "s3://bucket/x?versionId=1", "s3://bucket/../x y"])  # fmt: skip
def test_only_plain_urls_of_object_stores(url: str) -> None:
    with pytest.raises(Unusable, match="cannot be kept at") as told:
        ObjectStore.at(url)
    assert "secret" not in str(told.value)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(MissingExtra, match=r"countermark\[team\]"):
        ObjectStore.at("s3://bucket/x")


@pytest.mark.parametrize(
    ("url", "names"), [("gs://bucket/a", {"GOOGLE_SERVICE_ACCOUNT_KEY": "{"}), ("az://name/box/a", {})]
)
def test_an_environment_that_does_not_do_is_told(
    url: str, names: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    with contextlib.suppress(Unusable):
        ObjectStore.at(url)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with server() as place:
        for name, value in place.environment.items():
            monkeypatch.setenv(name, value)
        yield place


def test_a_log_in_s3(s3: Server, key: NoteKey, sign: Sign) -> None:
    life = Life(key, sign)
    live(ObjectStore.at(URL), life, ObjectStore.at(URL))
    life.check(ObjectStore.at(URL))
    assert [n for n in s3.names() if ".p/1" not in n] == [
        f"team/ledger/{name}"
        for name in (".journal", "checkpoint", "tile/0/000", "tile/0/001.p/3",
                     "tile/entries/000", "tile/entries/001.p/3")
    ]  # fmt: skip


def test_a_large_commit_has_its_condition_too(s3: Server, key: NoteKey, sign: Sign) -> None:
    """Much is sent in one piece: in parts, S3 knows no conditions."""
    Log.create(ObjectStore.at(URL), key, sign).close()
    many = [bytes([n]) * 60_000 for n in range(200)]
    with Log.open(ObjectStore.at(URL), key, sign) as first, Log.open(ObjectStore.at(URL), key, sign) as second:
        first.append(many)
        with pytest.raises(LedgerRefused, match="another writer"):
            second.append(many[::-1])
    assert audit(ObjectStore.at(URL), key).checkpoint.size == 200


@pytest.mark.parametrize("fate", ["before", "after"])
def test_requests_that_s3_or_the_network_loses_are_asked_again(s3: Server, key: NoteKey, sign: Sign, fate: str) -> None:
    """Every third one; a conditional put that was done, and whose answer was lost, finds itself."""
    s3.layer.lose = lambda number, method, path: fate if number % 3 == 1 and method != "POST" else ""
    with Log.create(ObjectStore.at(URL), key, sign) as log:
        for n in range(6):
            assert log.append([b"leaf %d" % n])[0].index == n
    assert audit(ObjectStore.at(URL), key).checkpoint.size == 6


def test_s3_that_is_gone_for_a_while(s3: Server, key: NoteKey, sign: Sign) -> None:
    store = ObjectStore(S3Store.from_url(URL, retry_config={"max_retries": 0}))
    with Log.create(store, key, sign) as log:
        log.append([b"leaf 0"])
        s3.layer.lose = lambda number, method, path: "before"
        with pytest.raises(Unusable, match="cannot be written") as told:
            log.append([b"leaf 1"])
        assert "nothing" not in str(told.value)  # the secret key of the environment
    with pytest.raises(Unusable, match="cannot be read"):
        LogReader(store, key).checkpoint()
    s3.layer.lose = None
    with Log.open(store, key, sign) as log:
        assert log.append([b"leaf 1"])[0].index == 1


@pytest.mark.slow
def test_writers_race_on_one_bucket_and_never_fork_it() -> None:
    """And the instrument works: without conditions they do."""
    done = subprocess.run([sys.executable, str(ATTACKS / "ledger" / "two_writers.py"), "--seconds", "6"],
                          check=False, capture_output=True, text=True, timeout=300)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_writers_to_s3_killed_at_random_lose_nothing() -> None:
    done = subprocess.run([sys.executable, str(ATTACKS / "ledger_kill.py"), "--times", "15", "--seed", "5", "--bucket"],
                          check=False, capture_output=True, text=True, timeout=300)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "15 kills" in done.stdout
