"""Golden files: what version 1 of the ledger's formats looked like verifies for ever.

Write them anew, for a new version beside the old ones, with ``python tests/unit/ledger/test_ledger_golden.py``.
"""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from countermark.ledger.log import Log
from countermark.ledger.note import NoteKey
from countermark.ledger.receipt import verify
from countermark.ledger.record import Opening, Record, open_leaf
from countermark.ledger.stores.memory import MemoryStore

GOLDEN = Path(__file__).parent / "golden"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
NAMES = ("ledger.vkey", "opening-v1.json", "receipt-v1.tlog-proof")


def _built() -> dict[str, bytes]:
    """The files as today's code writes them; Ed25519 and the fixed nonces make them repeatable."""
    key = NoteKey("example.org/ledger", PRIVATE.public_key().public_bytes_raw())
    openings = [
        Opening(bytes([n % 256]) * 32, Record("urn:countermark:predicate:delivery:v1", "ab" * 32, "cd" * 32, "acme", n))
        for n in range(300)
    ]
    with Log.create(MemoryStore(), key, PRIVATE.sign) as log:
        receipts = log.append([opening.leaf() for opening in openings])
    return dict(
        zip(NAMES, (key.vkey().encode() + b"\n", openings[270].to_bytes(), receipts[270].to_bytes()), strict=True)
    )


def test_golden_files_verify() -> None:
    vkey, opening, receipt = ((GOLDEN / name).read_bytes() for name in NAMES)
    leaf = Opening.from_bytes(opening).leaf()
    proven = verify(leaf, receipt, NoteKey.from_vkey(vkey.decode()))
    assert (proven.index, proven.checkpoint.size) == (270, 300)
    assert open_leaf(proven.leaf, Opening.from_bytes(opening)).sequence == 270


def test_todays_code_writes_the_same_bytes() -> None:
    assert _built() == {name: (GOLDEN / name).read_bytes() for name in NAMES}


if __name__ == "__main__":
    for file, data in _built().items():
        (GOLDEN / file).write_bytes(data)
