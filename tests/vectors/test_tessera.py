"""A log written by Tessera, read and audited as a foreign folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from countermark import merkle
from countermark.errors import LedgerRefused
from countermark.ledger.audit import audit
from countermark.ledger.checkpoint import Checkpoint, verify_checkpoint, verify_consistency
from countermark.ledger.note import NoteKey
from countermark.ledger.reader import LogReader
from countermark.ledger.receipt import verify
from countermark.ledger.stores.files import FileStore

LOG = Path(__file__).parents[3] / "shared" / "vectors" / "tessera-log"

pytestmark = pytest.mark.skipif(not LOG.is_dir(), reason=f"the Tessera log is not at {LOG}")


@pytest.fixture
def key() -> NoteKey:
    return NoteKey.from_vkey((LOG / "vkey.txt").read_text())


def _checkpoints(key: NoteKey) -> list[Checkpoint]:
    return [verify_checkpoint((LOG / f"checkpoint.{n}").read_bytes(), key) for n in range(16)]


def test_key_prints_as_tessera_printed_it(key: NoteKey) -> None:
    assert key.vkey() == (LOG / "vkey.txt").read_text().strip()


def test_the_log_audits_to_its_signed_root(key: NoteKey) -> None:
    shown = audit(FileStore.reading(LOG), key)
    assert shown.checkpoint.size == 15


def test_every_checkpoint_is_the_root_of_its_entries(key: NoteKey) -> None:
    entries = list(LogReader(FileStore.reading(LOG), key).entries(0, 15, size=15))
    hashes = [merkle.RFC6962.leaf(entry) for entry in entries]
    for checkpoint in _checkpoints(key):
        assert checkpoint.root == merkle.root(hashes[: checkpoint.size])


def test_every_checkpoint_follows_from_every_earlier_one(key: NoteKey) -> None:
    reader, seen = LogReader(FileStore.reading(LOG), key), _checkpoints(key)
    for new in seen:
        for old in seen[: new.size + 1]:
            verify_consistency(old, new, reader.consistency(old.size, new))


def test_receipts_drawn_from_its_tiles_verify(key: NoteKey) -> None:
    reader = LogReader(FileStore.reading(LOG), key)
    for index, entry in enumerate(reader.entries(0, 15, size=15)):
        assert verify(entry, reader.receipt(index).to_bytes(), key).index == index
        assert reader.find(entry) == index


@pytest.mark.parametrize("name", ["checkpoint", "tile/0/000.p/15", "tile/entries/000.p/15"])
def test_one_changed_byte_is_noticed(key: NoteKey, tmp_path: Path, name: str) -> None:
    for source in (LOG / "checkpoint", LOG / "tile/0/000.p/15", LOG / "tile/entries/000.p/15"):
        target = tmp_path / source.relative_to(LOG)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    audit(FileStore.reading(tmp_path), key)
    data = bytearray((tmp_path / name).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / name).write_bytes(data)
    with pytest.raises(LedgerRefused):
        audit(FileStore.reading(tmp_path), key)
