"""A ledger key for each test, and the twin of the store."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from countermark.ledger.note import NoteKey
from countermark.ledger.stores.memory import MemoryStore

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


@pytest.fixture
def sign() -> Callable[[bytes], bytes]:
    return PRIVATE.sign


@pytest.fixture
def key() -> NoteKey:
    return NoteKey("example.org/ledger", PRIVATE.public_key().public_bytes_raw())


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()
