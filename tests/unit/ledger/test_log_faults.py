"""Every write of a log's life fails twice, lost and kept; then power is lost after every disc operation.

What must hold each time: every receipt that was given still verifies and its leaf stands at its index;
the log opens and goes on; every checkpoint that anyone could have seen is a prefix of what follows.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable

import pytest

from countermark.errors import LedgerRefused, Unusable
from countermark.ledger.audit import audit
from countermark.ledger.checkpoint import Checkpoint, verify_consistency
from countermark.ledger.log import Log
from countermark.ledger.note import NoteKey
from countermark.ledger.reader import LogReader
from countermark.ledger.receipt import verify
from countermark.ledger.stores.files import FileStore
from countermark.ledger.stores.journal import PAGE
from countermark.ledger.stores.memory import MemoryStore
from countermark.ledger.stores.power_loss import ForgetfulDisk, PowerLostError
from countermark.ledger.stores.protocol import Store

Sign = Callable[[bytes], bytes]
BATCHES = (1, 252, 1, 3, 2)  # over the border of a tile, one by one and at a stride


class Life:
    """A log appended to, with all that its users were given or could have read."""

    def __init__(self, key: NoteKey, sign: Sign) -> None:
        self.key, self.sign = key, sign
        self.given: list[tuple[bytes, bytes]] = []
        self.seen: list[Checkpoint] = []
        self.number = 0

    def open(self, store: Store) -> Log:
        if not LogReader(store, self.key).exists():
            with contextlib.suppress(LedgerRefused):  # a dead writer may have begun one whose head was not shown yet
                Log.create(store, self.key, self.sign).close()
        log = Log.open(store, self.key, self.sign)
        self.see(store)
        return log

    def see(self, store: Store) -> None:
        """Read the checkpoint as anybody could."""
        with contextlib.suppress(LedgerRefused):
            self.seen.append(LogReader(store, self.key).checkpoint())

    def append(self, log: Log, store: Store, count: int, *, reader: Store | None = None) -> None:
        leaves = [b"leaf %d" % (self.number + n) for n in range(count)]
        self.number += count  # numbers of a failed append are never used again
        receipts = log.append(leaves)
        self.given += [(leaves[at], receipts[at].to_bytes()) for at in {0, count - 1}]
        self.see(store)
        if reader is not None:  # who has no lock sees at once what was reported, with all that it needs
            self.see(reader)
            assert self.seen[-1] == log.checkpoint
            assert LogReader(reader, self.key).receipt(receipts[-1].index, self.seen[-1]) == receipts[-1]

    def check(self, store: Store) -> None:
        reader = LogReader(store, self.key)
        head = audit(store, self.key).checkpoint
        for old in self.seen:
            verify_consistency(old, head, reader.consistency(old.size, head))
        entries = list(reader.entries(0, head.size, size=head.size))
        for leaf, receipt in self.given:
            assert entries[verify(leaf, receipt, self.key).index] == leaf
        assert len(set(entries)) == len(entries)


def _writes(key: NoteKey, sign: Sign) -> int:
    store, life = MemoryStore(), Life(key, sign)
    with life.open(store) as log:
        for count in BATCHES:
            life.append(log, store, count)
    life.check(store)
    return store.writes


@pytest.mark.parametrize("fate", ["lost", "kept"])
def test_every_write_fails(key: NoteKey, sign: Sign, fate: str) -> None:
    for at in range(_writes(key, sign)):
        store, life = MemoryStore(), Life(key, sign)
        store.fail(at, fate)  # type: ignore[arg-type]
        left = list(BATCHES)
        while left:
            # A log that cannot go on is reopened; one that can is used further.
            with contextlib.suppress(Unusable), life.open(store) as log:
                while left:
                    life.see(store)
                    with contextlib.suppress(Unusable):
                        life.append(log, store, left[0])
                        left.pop(0)
                    _ = log.checkpoint
        life.check(store)


def test_a_log_that_may_have_signed_does_not_sign_again(key: NoteKey, sign: Sign) -> None:
    """The fork that this prevents: the failed write was kept, and others saw it."""
    store, life = MemoryStore(), Life(key, sign)
    with life.open(store) as log:
        life.append(log, store, 1)
        store.fail(store.writes, "kept")
        with pytest.raises(Unusable, match="cannot be written"):
            log.append([b"unknown fate"])
        life.see(store)
        assert life.seen[-1].size == 2
        with pytest.raises(Unusable, match="reopen"):
            log.append([b"fork"])
    with life.open(store) as log:
        assert log.checkpoint.size == 2
        assert log.reader.find(b"unknown fate") == 1
        life.append(log, store, 1)
    life.check(store)


JOURNALS = pytest.mark.parametrize(
    "size", [pytest.param(2 * PAGE, id="none-fits"), pytest.param(10 * PAGE, id="some-fit"), 64 * PAGE]
)


EVERY = pytest.mark.parametrize(
    "stride", [pytest.param(3, id="some-steps"), pytest.param(1, id="every-step", marks=pytest.mark.slow)]
)


def _run_until_power_goes(disk: ForgetfulDisk, life: Life, size: int) -> bool:
    store, reader = FileStore(disk, journal_bytes=size), FileStore(disk)
    with contextlib.suppress(PowerLostError):
        for batches in (BATCHES[:3], BATCHES[3:]):
            with life.open(store) as log:
                for count in batches:
                    life.append(log, store, count, reader=reader)
        return False
    return True


def _operations(key: NoteKey, sign: Sign, size: int) -> int:
    disk = ForgetfulDisk()
    assert not _run_until_power_goes(disk, Life(key, sign), size)
    return disk.operations


@EVERY
@JOURNALS
@pytest.mark.parametrize("kept", [0.0, 0.5, 1.0])
def test_power_goes_after_every_operation(key: NoteKey, sign: Sign, kept: float, size: int, stride: int) -> None:
    for stop in range(0, _operations(key, sign, size), stride):
        disk, life = ForgetfulDisk(stop_at=stop), Life(key, sign)
        assert _run_until_power_goes(disk, life, size)
        life.seen = _durable_only(life)
        after = disk.lose_power(random.Random(stop), kept=kept)
        if life.given:
            life.check(FileStore(after))  # already before a writer comes, whoever reads finds all that was reported
            _bare_files_are_whole(after, key)
        store = FileStore(after, journal_bytes=size)
        with life.open(store) as log:
            life.append(log, store, 2)
        life.check(store)
        _bare_files_are_whole(after, key)


def _bare_files_are_whole(disk: ForgetfulDisk, key: NoteKey) -> None:
    """What a web server would show, which knows nothing of journals, is a log that holds."""

    class Bare:
        def read(self, name: str, limit: int) -> bytes | None:
            return disk.read(name, limit)

    audit(Bare(), key)  # type: ignore[arg-type]


def _durable_only(life: Life) -> list[Checkpoint]:
    """Checkpoints that a reader may hold the log to after power loss: those that some receipt rests on.

    One that was read between its writing and its fsync was never given to anybody.
    """
    given = {verify(leaf, receipt, life.key).checkpoint.size for leaf, receipt in life.given}
    return [checkpoint for checkpoint in life.seen if checkpoint.size in given]


@EVERY
@JOURNALS
@pytest.mark.parametrize("fate", ["lost", "kept"])
def test_every_operation_of_the_disc_fails(key: NoteKey, sign: Sign, fate: str, size: int, stride: int) -> None:
    """Each write, fsync, rename and removal raises once, undone or done: the log is reopened, and power may go too."""
    for at in range(0, _operations(key, sign, size), stride):
        disk, life = ForgetfulDisk(), Life(key, sign)
        disk.fail(at, fate)  # type: ignore[arg-type]
        store, left = FileStore(disk, journal_bytes=size), list(BATCHES)
        while left:
            with contextlib.suppress(Unusable), life.open(store) as log:
                while left:
                    life.see(FileStore(disk))
                    with contextlib.suppress(Unusable):
                        life.append(log, store, left[0])
                        left.pop(0)
                    _ = log.checkpoint
        life.check(FileStore(disk))
        life.check(FileStore(disk.lose_power(random.Random(at), kept=0.5)))


@pytest.mark.parametrize("forgotten", ["names", "journal"])
def test_the_forgetful_disc_would_notice_a_missing_fsync(key: NoteKey, sign: Sign, forgotten: str) -> None:
    """The instrument works: without the folder fsync, or that of the journal, receipts are lost."""

    class Careless(ForgetfulDisk):
        def sync_folder(self, name: str) -> None:
            if forgotten != "names":
                super().sync_folder(name)

        def patch(self, name: str, at: int, data: bytes, *, durable: bool) -> None:
            super().patch(name, at, data, durable=durable and forgotten != "journal")

    disk, life = Careless(), Life(key, sign)
    store = FileStore(disk)
    with life.open(store) as log:
        life.append(log, store, 2)
        with pytest.raises(LedgerRefused):
            life.check(FileStore(disk.lose_power(random.Random(1), kept=0.0)))
