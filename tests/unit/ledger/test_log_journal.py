"""The journal of a ledger's folder: what it costs, what a torn, copied, foreign or hostile one does, and a full disc."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermark.errors import LedgerRefused, Unusable
from countermark.ledger.audit import audit
from countermark.ledger.checkpoint import Checkpoint, issue
from countermark.ledger.log import Log
from countermark.ledger.note import NoteKey
from countermark.ledger.reader import LogReader
from countermark.ledger.receipt import verify
from countermark.ledger.stores import journal
from countermark.ledger.stores.disk import OsDisk
from countermark.ledger.stores.files import JOURNAL_BYTES, MAX_JOURNAL_BYTES, FileStore
from countermark.ledger.stores.journal import PAGE, Journal, Record, digest

Sign = Callable[[bytes], bytes]
NAMES = ["tile/0/000", "tile/entries/x001/234.p/7", "tile/12/x001/x234/067.p/8"]
records = st.builds(
    Record,
    st.integers(0, 2**64 - 1), st.binary(min_size=16, max_size=16), st.binary(min_size=32, max_size=32),
    st.binary(max_size=300), st.lists(st.tuples(st.sampled_from(NAMES), st.binary(max_size=3000))).map(tuple),
)  # fmt: skip


@contextmanager
def killed(folder: Path, key: NoteKey, sign: Sign, appends: int = 5) -> Iterator[tuple[Path, Checkpoint]]:
    """A folder as a killed writer leaves it: everything is in the journal, little in files."""
    with Log.create(FileStore.at(folder), key, sign) as log:
        for n in range(appends):
            log.append([b"leaf %d" % n])
        dead = folder.with_name("dead")
        shutil.copytree(folder, dead)
        yield dead, log.checkpoint


def head_in_file(folder: Path, key: NoteKey) -> int:
    return audit(_Bare(folder), key).checkpoint.size  # type: ignore[arg-type]


class _Bare:
    """The files alone, as a web server shows them."""

    def __init__(self, folder: Path) -> None:
        self.disk = OsDisk(folder)

    def read(self, name: str, limit: int) -> bytes | None:
        return self.disk.read(name, limit)


def flip(folder: Path, at: int) -> None:
    data = bytearray((folder / journal.NAME).read_bytes())
    data[at] ^= 1
    (folder / journal.NAME).write_bytes(data)


@given(records, st.integers(0, 3))
def test_a_record_is_read_as_it_was_written(record: Record, before: int) -> None:
    data = record.to_bytes()
    assert len(data) == record.pages * PAGE
    assert Record.from_bytes(bytes(before * PAGE) + data + b"x", before * PAGE) == record


@given(records, st.data())
def test_a_torn_or_flipped_record_is_none_or_the_same(record: Record, data: st.DataObject) -> None:
    whole = bytearray(record.to_bytes())
    at = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        whole[at] ^= data.draw(st.integers(1, 255))
    else:
        del whole[at:]
    assert Record.from_bytes(bytes(whole)) in (None, record)


@given(st.binary(max_size=200), st.lists(st.integers(0, 2**32 - 1), min_size=2, max_size=2), st.binary(max_size=80))
def test_a_hostile_record_is_refused_or_read_whole(start: bytes, counts: list[int], end: bytes) -> None:
    """Checksums hold; lengths and names lie."""
    body = start[:48].ljust(48, b"\0") + b"".join(n.to_bytes(4, "big") for n in counts) + end
    try:
        record = journal._parsed(1, body)
    except OSError:
        return
    assert record.pages * PAGE >= len(body)


@pytest.mark.parametrize("name", ["../x", "/etc/x", "tile/../../x", "checkpoint", ".lock", "tile", "tile/./a", "tile//0",
                                  "tile/0\n", "tile/" + "a" * 300])  # fmt: skip
def test_a_name_leads_nowhere_but_to_tiles(tmp_path: Path, key: NoteKey, sign: Sign, name: str) -> None:
    with killed(tmp_path / "ledger", key, sign) as (dead, head):
        hostile = Record(99, bytes(16), digest((dead / "checkpoint").read_bytes()), head.note, ((name, b"x"),))
        (dead / journal.NAME).write_bytes(hostile.to_bytes())
        before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
        with pytest.raises(Unusable, match="cannot be written"):
            Log.open(FileStore.at(dead), key, sign)
        with pytest.raises(Unusable, match="cannot be read"):
            LogReader(FileStore.reading(dead), key).checkpoint()
        assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


@given(st.lists(st.tuples(st.sampled_from(["flip", "swap", "zero", "cut"]), st.integers(0, 11), st.integers(0, 4095)),
                min_size=1, max_size=4))  # fmt: skip
def test_a_damaged_journal_never_makes_up_a_state(changes: list[tuple[str, int, int]]) -> None:
    """Whatever is flipped, swapped and cut: refused, or a head that had been reached."""
    heads = [b"log\n%d\n" % n for n in range(5)]
    whole = [
        Record(n, bytes(16), digest(heads[n - 1]), heads[n], (("tile/0/000", b"%d" % n * 5000),)) for n in range(1, 5)
    ]
    data = bytearray(b"".join(r.to_bytes() for r in whole))
    for kind, page, at in changes:
        place = page * PAGE
        match kind:
            case "flip" if place + at < len(data):
                data[place + at] ^= 1
            case "swap":
                other = at % 12 * PAGE
                data[place : place + PAGE], data[other : other + PAGE] = (
                    data[other : other + PAGE],
                    data[place : place + PAGE],
                )
            case "zero":
                data[place : place + PAGE] = bytes(len(data[place : place + PAGE]))
            case "cut":
                del data[place + at :]
    try:
        pending = Journal.from_bytes(bytes(data)).pending(heads[0])
    except OSError:
        return
    assert pending == tuple(whole[: len(pending)])


def test_a_journal_of_beginnings_costs_no_more_than_its_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each page of 16 MiB claims to begin a record of all the rest: 32 GiB to hash, if somebody did."""
    pages = MAX_JOURNAL_BYTES // PAGE
    lies = [
        (journal.MAGIC + n.to_bytes(8, "big") + ((pages - n) * PAGE - 64).to_bytes(4, "big")).ljust(PAGE, b"x")
        for n in range(pages)
    ]
    hashed, checksum = [], journal._checksum
    monkeypatch.setattr(journal, "_checksum", lambda n, body: hashed.append(len(body)) or checksum(n, body))
    with pytest.raises(OSError, match="many places"):
        Journal.from_bytes(b"".join(lies))
    assert sum(hashed) < 12 * MAX_JOURNAL_BYTES


def test_one_fsync_for_each_commit(tmp_path: Path, key: NoteKey, sign: Sign, monkeypatch: pytest.MonkeyPatch) -> None:
    with Log.create(FileStore.at(tmp_path / "ledger"), key, sign) as log:
        log.append([b"the first one makes the journal"])
        synced: list[int] = []
        monkeypatch.setattr(os, "fsync", synced.append)
        monkeypatch.setattr("countermark.ledger.stores.disk._sync_data", synced.append)
        for n in range(50):
            log.append([b"leaf %d" % n])
        assert len(synced) == 50


def test_what_a_killed_writer_left_is_seen_and_gone_on_with(tmp_path: Path, key: NoteKey, sign: Sign) -> None:
    with killed(tmp_path / "ledger", key, sign) as (dead, head):
        assert head_in_file(dead, key) == 0
        assert audit(FileStore.reading(dead), key).checkpoint == head
        assert head_in_file(dead, key) == 0  # who only reads changes nothing
        with Log.open(FileStore.at(dead), key, sign) as log:
            assert log.checkpoint == head
            assert log.append([b"more"])[0].index == 5
        assert head_in_file(dead, key) == 6


def test_a_copy_taken_at_work_restores(tmp_path: Path, key: NoteKey, sign: Sign) -> None:
    """As `cp -r` does, with the program itself; and replaying twice does the same as once."""
    with Log.create(FileStore.at(tmp_path / "ledger"), key, sign) as log:
        receipt = log.append([b"leaf"])[0]
        for copy in ("one", "two"):
            subprocess.run(["cp", "-r", "ledger", copy], cwd=tmp_path, check=True)
    for _ in range(2):
        Log.open(FileStore.at(tmp_path / "one"), key, sign).close()
    shutil.copy(tmp_path / "two" / journal.NAME, tmp_path / "one" / journal.NAME)
    Log.open(FileStore.at(tmp_path / "one"), key, sign).close()
    proven = verify(b"leaf", receipt.to_bytes(), key)
    assert audit(FileStore.reading(tmp_path / "one"), key).checkpoint == proven.checkpoint


def test_an_old_journal_beside_newer_files_takes_nothing_back(tmp_path: Path, key: NoteKey, sign: Sign) -> None:
    with killed(tmp_path / "ledger", key, sign) as (dead, _):
        old = (dead / journal.NAME).read_bytes()
    with Log.open(FileStore.at(tmp_path / "ledger"), key, sign) as log:
        log.append([b"leaf %d" % n for n in range(300)])
    (tmp_path / "ledger" / journal.NAME).write_bytes(old)
    assert audit(FileStore.reading(tmp_path / "ledger"), key).checkpoint.size == 305
    with Log.open(FileStore.at(tmp_path / "ledger"), key, sign) as log:
        assert log.append([b"next"])[0].index == 305


def test_a_newer_journal_beside_older_files_is_not_silently_dropped(tmp_path: Path, key: NoteKey, sign: Sign) -> None:
    folder = tmp_path / "ledger"
    with Log.create(FileStore.at(folder), key, sign) as log:
        log.append([b"first"])
        old = folder.with_name("old")
        shutil.copytree(folder, old)
    with Log.open(FileStore.at(folder), key, sign) as log:
        log.append([b"second"])
        shutil.copy(folder / journal.NAME, old / journal.NAME)
    with pytest.raises(Unusable, match="cannot be written") as told:
        Log.open(FileStore.at(old), key, sign)
    assert "another head" in told.value.why
    with pytest.raises(Unusable, match="cannot be read"):
        LogReader(FileStore.reading(old), key).checkpoint()


def test_the_journal_of_another_log_changes_nothing(tmp_path: Path, key: NoteKey, sign: Sign) -> None:
    other = NoteKey("example.org/other", key.public)
    with killed(tmp_path / "other", other, sign, 9) as (foreign, _):
        Log.create(FileStore.at(tmp_path / "ledger"), key, sign).close()
        shutil.copy(foreign / journal.NAME, tmp_path / "ledger" / journal.NAME)
    before = (tmp_path / "ledger" / "checkpoint").read_bytes()
    with pytest.raises(Unusable, match="cannot be written"):
        Log.open(FileStore.at(tmp_path / "ledger"), key, sign)
    assert (tmp_path / "ledger" / "checkpoint").read_bytes() == before
    assert not (tmp_path / "ledger" / "tile").exists()


def test_a_forged_journal_cannot_make_a_head(tmp_path: Path, key: NoteKey, sign: Sign) -> None:
    """Who can write the folder but has no key: a record that fits the head beside it is replayed, and then refused."""
    folder = tmp_path / "ledger"
    Log.create(FileStore.at(folder), key, sign).close()
    forged = issue(7, bytes(32), NoteKey(key.name, key.public), sign).note.replace(b"\n7\n", b"\n8\n")
    record = Record(1, bytes(16), digest((folder / "checkpoint").read_bytes()), forged)
    (folder / journal.NAME).write_bytes(record.to_bytes())
    with pytest.raises(LedgerRefused, match="does not verify"):
        LogReader(FileStore.reading(folder), key).checkpoint()
    with pytest.raises(LedgerRefused, match="does not verify"):
        Log.open(FileStore.at(folder), key, sign)


def test_damage_before_records_that_hold_is_told(tmp_path: Path, key: NoteKey, sign: Sign) -> None:
    with killed(tmp_path / "ledger", key, sign) as (dead, _):
        flip(dead, PAGE + 100)
        with pytest.raises(Unusable, match="cannot be written") as told:
            Log.open(FileStore.at(dead), key, sign)
        assert "record 2 of the ledger's journal is damaged" in told.value.why
        flip(dead, PAGE + 100)
        flip(dead, 100)
        with pytest.raises(Unusable, match="cannot be read"):
            LogReader(FileStore.reading(dead), key).checkpoint()


def test_a_torn_end_was_never_reported(tmp_path: Path, key: NoteKey, sign: Sign) -> None:
    with killed(tmp_path / "ledger", key, sign) as (dead, _):
        flip(dead, 4 * PAGE + 100)
        assert audit(FileStore.reading(dead), key).checkpoint.size == 4
        with Log.open(FileStore.at(dead), key, sign) as log:
            assert log.append([b"instead"])[0].index == 4


def test_a_folder_of_before_journals_opens(tmp_path: Path, key: NoteKey, sign: Sign) -> None:
    folder = tmp_path / "ledger"
    with Log.create(FileStore.at(folder), key, sign) as log:
        log.append([b"leaf %d" % n for n in range(300)])
    (folder / journal.NAME).unlink()
    assert audit(FileStore.reading(folder), key).checkpoint.size == 300
    with Log.open(FileStore.at(folder), key, sign) as log:
        assert log.append([b"next"])[0].index == 300
    assert (folder / journal.NAME).stat().st_size == JOURNAL_BYTES
    assert (folder / journal.NAME).stat().st_mode & 0o777 == 0o600


def test_who_may_not_read_the_journal_sees_the_files(tmp_path: Path, key: NoteKey, sign: Sign) -> None:
    class Stranger(OsDisk):
        def read(self, name: str, limit: int) -> bytes | None:
            if name == journal.NAME:
                raise PermissionError(errno.EACCES, "Permission denied", name)
            return super().read(name, limit)

    with killed(tmp_path / "ledger", key, sign) as (dead, _):
        assert audit(FileStore(Stranger(dead)), key).checkpoint.size == 0


def test_a_folder_that_cannot_be_written_is_told_and_read(tmp_path: Path, key: NoteKey, sign: Sign) -> None:
    class ReadOnly(OsDisk):
        @contextmanager
        def lock(self, name: str, wait_s: float) -> Iterator[None]:
            raise OSError(errno.EROFS, "Read-only file system", name)
            yield

    with killed(tmp_path / "ledger", key, sign) as (dead, head):
        with pytest.raises(Unusable, match="Read-only"):
            Log.open(FileStore(ReadOnly(dead)), key, sign)
        assert LogReader(FileStore(ReadOnly(dead)), key).checkpoint() == head


def test_a_full_disc_stops_the_log_only_when_the_journal_is_full(tmp_path: Path, key: NoteKey, sign: Sign) -> None:
    class Full(OsDisk):
        full = False

        def write(self, name: str, data: bytes) -> None:
            if self.full:
                raise OSError(errno.ENOSPC, "No space left on device", name)
            super().write(name, data)

    (tmp_path / "ledger").mkdir()
    disk = Full(tmp_path / "ledger")
    store, given = FileStore(disk, journal_bytes=16 * PAGE), []
    with Log.create(store, key, sign) as log:
        given += log.append([b"leaf 0"])
        disk.full = True
        with pytest.raises(Unusable, match="No space left"):
            for n in range(1, 100):
                given += log.append([b"leaf %d" % n])
    assert len(given) == 16
    with pytest.raises(Unusable, match="make room"):
        Log.open(store, key, sign)
    assert audit(FileStore.reading(tmp_path / "ledger"), key).checkpoint.size == 16
    disk.full = False
    with Log.open(store, key, sign) as log:
        assert log.append([b"room again"])[0].index == 16


def test_files_alone_are_a_whole_log_at_any_moment(tmp_path: Path, key: NoteKey, sign: Sign) -> None:
    (tmp_path / "ledger").mkdir()
    seen = set()
    with Log.create(FileStore(OsDisk(tmp_path / "ledger"), journal_bytes=16 * PAGE), key, sign) as log:
        for n in range(270):
            log.append([b"leaf %d" % n])
            seen.add(head_in_file(tmp_path / "ledger", key))
    assert len(seen) > 10
    assert head_in_file(tmp_path / "ledger", key) == 270


def test_removing_the_lock_file_admits_nobody(tmp_path: Path, key: NoteKey, sign: Sign) -> None:
    with Log.create(FileStore.at(tmp_path / "ledger"), key, sign) as log:
        log.append([b"leaf"])
        (tmp_path / "ledger" / ".lock").unlink()
        with pytest.raises(Unusable, match="another process"):
            Log.open(FileStore.at(tmp_path / "ledger"), key, sign)
        assert log.append([b"leaf 1"])[0].index == 1


READER = """
import sys
from pathlib import Path
from countermark.ledger.checkpoint import verify_consistency
from countermark.ledger.note import NoteKey
from countermark.ledger.reader import LogReader
from countermark.ledger.stores.files import FileStore
key, old, looks = NoteKey.from_vkey(sys.argv[2]), None, 0
reader = LogReader(FileStore.reading(Path(sys.argv[1])), key)
while looks < 400:
    head = reader.checkpoint()
    if old is not None and head.size > old.size:
        verify_consistency(old, head, reader.consistency(old.size, head))
    list(reader.entries(0, head.size, size=head.size))
    old, looks = head, looks + 1
print(old.size)
"""


def test_a_reader_beside_a_busy_writer_always_sees_a_whole_log(tmp_path: Path, key: NoteKey, sign: Sign) -> None:
    (tmp_path / "ledger").mkdir()
    store = FileStore(OsDisk(tmp_path / "ledger"), journal_bytes=16 * PAGE)
    with Log.create(store, key, sign) as log:
        command = [sys.executable, "-c", READER, str(tmp_path / "ledger"), key.vkey()]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as reader:
            while reader.poll() is None:
                log.append([os.urandom(33)])
            out, told = reader.communicate()
        assert reader.returncode == 0, told
        assert 0 < int(out) <= log.checkpoint.size
