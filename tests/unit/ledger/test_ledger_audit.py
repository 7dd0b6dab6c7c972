"""Auditing: every kind of damage is found and named."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from countermark.errors import LedgerRefused, Unusable
from countermark.ledger.audit import audit
from countermark.ledger.log import Log
from countermark.ledger.note import NoteKey
from countermark.ledger.reader import LogReader
from countermark.ledger.stores.memory import MemoryStore
from countermark.ledger.tiles import encode_bundle

Sign = Callable[[bytes], bytes]


@pytest.fixture
def filled(store: MemoryStore, key: NoteKey, sign: Sign) -> MemoryStore:
    with Log.create(store, key, sign) as log:
        log.append([b"leaf %d" % n for n in range(600)])
    return store


def test_a_whole_log_passes_and_progress_is_told(filled: MemoryStore, key: NoteKey) -> None:
    told: list[tuple[int, int]] = []
    shown = audit(filled, key, progress=lambda done, total: told.append((done, total)))
    assert (shown.checkpoint.size, shown.tiles) == (600, 4)
    assert told == [(256, 600), (512, 600), (600, 600)]


def test_an_empty_log_passes(store: MemoryStore, key: NoteKey, sign: Sign) -> None:
    Log.create(store, key, sign).close()
    assert audit(store, key).checkpoint.size == 0


@pytest.mark.parametrize("name", ["tile/0/000", "tile/0/002.p/88", "tile/1/000.p/2"])
def test_a_changed_tile_is_named(filled: MemoryStore, key: NoteKey, name: str) -> None:
    data = bytearray(filled.objects[name])
    data[0] ^= 1
    filled.objects[name] = bytes(data)
    with pytest.raises(LedgerRefused, match=name):
        audit(filled, key)


@pytest.mark.parametrize("name", ["tile/0/001", "tile/0/002.p/88", "tile/entries/001", "tile/entries/002.p/88"])
def test_a_missing_object_is_named(filled: MemoryStore, key: NoteKey, name: str) -> None:
    del filled.objects[name]
    with pytest.raises(LedgerRefused, match=name):
        audit(filled, key)


def test_entries_and_tiles_changed_together_do_not_lead_to_the_root(
    filled: MemoryStore, key: NoteKey, sign: Sign
) -> None:
    forged = MemoryStore()
    with Log.create(forged, key, sign) as log:
        log.append([b"leaf %d" % (n + (n == 300)) for n in range(600)])
    forged.objects["checkpoint"] = filled.objects["checkpoint"]
    with pytest.raises(LedgerRefused, match="do not lead to its checkpoint"):
        audit(forged, key)


def test_a_tile_short_of_hashes_is_refused(filled: MemoryStore, key: NoteKey) -> None:
    filled.objects["tile/0/002.p/88"] = bytes(32)
    with pytest.raises(LedgerRefused, match="88 hashes"):
        audit(filled, key)


def test_full_objects_serve_where_the_partial_ones_are_gone(filled: MemoryStore, key: NoteKey, sign: Sign) -> None:
    old = LogReader(filled, key).checkpoint()
    with Log.open(filled, key, sign) as log:
        log.append([b"more %d" % n for n in range(200)])
    assert "tile/0/002.p/88" not in filled.objects
    reader = LogReader(filled, key)
    assert reader.tree(600).root() == old.root
    assert list(reader.entries(590, 600, size=600))[-1] == b"leaf 599"
    assert reader.receipt(599, old).size == 600


def test_what_cannot_be_read_is_unusable_not_refused(filled: MemoryStore, key: NoteKey) -> None:
    filled.objects["checkpoint"] = bytes(1 << 20)
    with pytest.raises(Unusable, match="cannot be read"):
        audit(filled, key)


def test_ranges_outside_the_log(filled: MemoryStore, key: NoteKey) -> None:
    with pytest.raises(LedgerRefused, match="not in a log"):
        list(LogReader(filled, key).entries(0, 601, size=600))


def test_the_reader_forgets_old_tiles_and_still_answers(store: MemoryStore, key: NoteKey, sign: Sign) -> None:
    with Log.create(store, key, sign) as log:
        log.append([encode_bundle([b"%d" % n]) for n in range(256 * 300)])
        reader = LogReader(store, key)
        assert reader.find(encode_bundle([b"3"])) == 3
        assert reader.receipt(256 * 299).index == 256 * 299
