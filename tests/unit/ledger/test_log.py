"""The log itself: appending, reopening, refusing what does not belong together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from countermark.errors import LedgerRefused, Unusable
from countermark.ledger.audit import audit
from countermark.ledger.checkpoint import verify_checkpoint, verify_consistency
from countermark.ledger.log import Log
from countermark.ledger.note import NoteKey
from countermark.ledger.reader import LogReader
from countermark.ledger.receipt import verify
from countermark.ledger.stores.files import FileStore
from countermark.ledger.stores.memory import MemoryStore

Sign = Callable[[bytes], bytes]


def _leaves(count: int, start: int = 0) -> list[bytes]:
    return [b"leaf %d" % n for n in range(start, start + count)]


def test_receipts_of_every_append_verify_for_ever(store: MemoryStore, key: NoteKey, sign: Sign) -> None:
    given, heads, total = [], [], 0
    with Log.create(store, key, sign) as log:
        heads.append(log.checkpoint)
        for count in (1, 1, 253, 1, 1, 255, 256, 300):
            leaves = _leaves(count, total)
            receipts = log.append(leaves)
            assert [r.index for r in receipts] == list(range(total, total + count))
            given += list(zip(leaves, receipts, strict=True))
            total += count
            heads.append(log.checkpoint)
        for old in heads:
            verify_consistency(old, log.checkpoint, log.reader.consistency(old.size))
    for leaf, receipt in given:
        assert verify(leaf, receipt.to_bytes(), key).index == receipt.index
    assert audit(store, key).checkpoint.size == total


def test_a_log_goes_on_where_it_was_left(store: MemoryStore, key: NoteKey, sign: Sign) -> None:
    with Log.create(store, key, sign) as log:
        log.append(_leaves(300))
        before = log.checkpoint
    for start in range(300, 520, 55):
        with Log.open(store, key, sign) as log:
            log.append(_leaves(55, start))
    with Log.open(store, key, sign) as log:
        verify_consistency(before, log.checkpoint, log.reader.consistency(300))
        assert list(log.reader.entries(0, 520, size=520)) == _leaves(520)
        assert log.reader.find(b"leaf 407") == 407
        assert log.reader.find(b"leaf 520") is None
        assert verify(b"leaf 7", log.reader.receipt(7).to_bytes(), key).checkpoint == log.checkpoint


def test_appending_nothing_changes_nothing(store: MemoryStore, key: NoteKey, sign: Sign) -> None:
    with Log.create(store, key, sign) as log:
        before = dict(store.objects)
        assert log.append([]) == []
        assert store.objects == before


def test_a_leaf_too_long_harms_nobody(store: MemoryStore, key: NoteKey, sign: Sign) -> None:
    with Log.create(store, key, sign) as log:
        with pytest.raises(LedgerRefused, match="65536"):
            log.append([b"fine", bytes(65_536)])
        assert log.append([bytes(65_535)])[0].index == 0


def test_a_second_log_does_not_replace_the_first(store: MemoryStore, key: NoteKey, sign: Sign) -> None:
    Log.create(store, key, sign).close()
    with pytest.raises(LedgerRefused, match="already"):
        Log.create(store, key, sign)
    with pytest.raises(LedgerRefused, match="no checkpoint"):
        Log.open(MemoryStore(), key, sign)


def test_another_key_cannot_go_on(store: MemoryStore, key: NoteKey, sign: Sign) -> None:
    Log.create(store, key, sign).close()
    with pytest.raises(LedgerRefused, match="not signed by"):
        Log.open(store, NoteKey(key.name, bytes(32)), sign)
    with Log.open(store, key, lambda _: bytes(64)) as log:
        with pytest.raises(LedgerRefused, match="does not verify"):
            log.append([b"leaf"])
        with pytest.raises(Unusable, match="reopen"):
            log.append([b"leaf"])
    with Log.open(store, key, sign) as log:
        assert log.append([b"leaf"])[0].index == 0


def test_a_closed_log_refuses(store: MemoryStore, key: NoteKey, sign: Sign) -> None:
    log = Log.create(store, key, sign)
    log.close()
    log.close()
    with pytest.raises(Unusable, match="closed"):
        log.append([b"leaf"])
    with pytest.raises(Unusable, match="closed"):
        _ = log.checkpoint


@pytest.mark.parametrize("name", ["tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/001.p/44"])
def test_a_damaged_edge_is_found_on_opening(store: MemoryStore, key: NoteKey, sign: Sign, name: str) -> None:
    with Log.create(store, key, sign) as log:
        log.append(_leaves(300))
    data = bytearray(store.objects[name])
    data[-1] ^= 1
    store.objects[name] = bytes(data)
    with pytest.raises(LedgerRefused):
        Log.open(store, key, sign)
    del store.objects[name]
    with pytest.raises(LedgerRefused, match="missing"):
        Log.open(store, key, sign)


def test_a_damaged_tile_gives_no_receipt(store: MemoryStore, key: NoteKey, sign: Sign) -> None:
    with Log.create(store, key, sign) as log:
        log.append(_leaves(300))
    store.objects["tile/0/000"] = bytes(8192)
    with pytest.raises(LedgerRefused):
        LogReader(store, key).receipt(3)
    store.objects["tile/0/000"] = bytes(8000)
    with pytest.raises(LedgerRefused, match="256 hashes"):
        LogReader(store, key).receipt(3)


def test_one_writer_at_a_time(store: MemoryStore, key: NoteKey, sign: Sign) -> None:
    with Log.create(store, key, sign) as log:
        log.append([b"leaf"])
        with pytest.raises(Unusable, match="another writer"):
            Log.open(store, key, sign)
        assert LogReader(store, key).checkpoint() == log.checkpoint
    Log.open(store, key, sign).close()


def test_a_failed_opening_lets_go_of_the_lock(store: MemoryStore, key: NoteKey, sign: Sign) -> None:
    with pytest.raises(LedgerRefused):
        Log.open(store, key, sign)
    Log.create(store, key, sign).close()


def test_partial_tiles_go_once_the_full_one_is_signed(store: MemoryStore, key: NoteKey, sign: Sign) -> None:
    with Log.create(store, key, sign) as log:
        for n in range(256):
            log.append([b"%d" % n])
    assert sorted(store.objects) == ["checkpoint", "tile/0/000", "tile/1/000.p/1", "tile/entries/000"]


def test_threads_share_commits_and_all_receipts_hold(tmp_path: Path, key: NoteKey, sign: Sign) -> None:
    given: list[tuple[bytes, bytes]] = []
    with Log.create(FileStore.at(tmp_path / "ledger"), key, sign) as log:

        def work(n: int) -> None:
            for turn in range(10):
                leaf = b"%d/%d" % (n, turn)
                given.append((leaf, log.append([leaf])[0].to_bytes()))

        threads = [threading.Thread(target=work, args=(n,)) for n in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        size = log.checkpoint.size
    assert size == 120
    proven = [verify(leaf, receipt, key) for leaf, receipt in given]
    assert sorted(p.index for p in proven) == list(range(120))
    assert audit(FileStore.reading(tmp_path / "ledger"), key).checkpoint.size == 120


def test_files_lie_where_tlog_tiles_wants_them(tmp_path: Path, key: NoteKey, sign: Sign) -> None:
    folder = tmp_path / "ledger"
    with Log.create(FileStore.at(folder), key, sign) as log:
        log.append(_leaves(600))
    files = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert files == {
        ".lock", ".journal", "checkpoint", "tile/0/000", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2",
        "tile/entries/000", "tile/entries/001", "tile/entries/002.p/88",
    }  # fmt: skip
    assert verify_checkpoint((folder / "checkpoint").read_bytes(), key).size == 600
    assert (folder / "tile/0/000").stat().st_mode & 0o777 == 0o644


def test_a_full_disc_is_told_and_nothing_is_lost(store: MemoryStore, key: NoteKey, sign: Sign) -> None:
    with Log.create(store, key, sign) as log:
        first = log.append([b"first"])[0]
        store.fail(store.writes, "lost")
        with pytest.raises(Unusable, match="cannot be written") as told:
            log.append([b"second"])
        assert "reopen" in told.value.mend
        with pytest.raises(Unusable, match="reopen"):  # a head was signed: only a fresh look tells whether it stands
            log.append([b"fork"])
    with Log.open(store, key, sign) as log:
        assert log.append([b"third"])[0].index == 1
    assert verify(b"first", first.to_bytes(), key).index == 0


def test_older_heads_are_proven_after_their_partial_tiles_went(tmp_path: Path, key: NoteKey, sign: Sign) -> None:
    """Tiles that came and went inside the journal are the beginning of those that stayed."""
    folder = tmp_path / "ledger"
    with Log.create(FileStore.at(folder), key, sign) as log:
        heads = [log.append([leaf])[0].checkpoint for leaf in _leaves(9)]
    assert not (folder / "tile/0/000.p/4").exists()
    for reader in (log.reader, LogReader(FileStore.reading(folder), key)):
        old = verify_checkpoint(heads[3], key)
        assert verify(b"leaf 2", reader.receipt(2, old).to_bytes(), key).checkpoint == old
        assert list(reader.entries(0, 4, size=4)) == _leaves(4)
