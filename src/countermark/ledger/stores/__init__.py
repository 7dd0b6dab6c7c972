"""Where a ledger is kept."""

from countermark.ledger.stores.files import FileStore
from countermark.ledger.stores.memory import MemoryStore
from countermark.ledger.stores.protocol import Store

__all__ = ["FileStore", "MemoryStore", "Store"]
