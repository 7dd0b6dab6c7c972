"""The secret list of pairs behind a data owner's canaries, the coins that it fixes, and its commitment.

The coins are a pseudo-random function of the secret *and of the whole list*: who changes one pair tosses all coins anew, so that an owner
cannot pick pairs by how their coins fell. Trying whole lists, or keys, is all that is left, and `after_tries` bounds what it gains.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from countermark import canonical
from countermark.artefact.tree import check_path
from countermark.canonical import Fields
from countermark.errors import StatementRefused
from countermark.tracing.key import stream

FORMAT = 1
MOST_PAIRS = 10_000
MAX_FILE_BYTES = 64 << 20
LOG2_TRIES = 64
_LABEL = b"countermark/canary/v1/"
_BYTES = 32


@dataclass(frozen=True, slots=True)
class Half:
    """One record of a pair: path in the owner's folder, ``class/name``, and the root of its content (32 bytes)."""

    path: str
    root: bytes


@dataclass(frozen=True, slots=True)
class Pair:
    """Two records of one class, of which a coin decides which is delivered."""

    label: str
    halves: tuple[Half, Half]


class CanaryKey:
    """256 secret bits and the pairs; shows neither in `repr` nor in a pickle. Who has it knows which records are canaries."""

    __slots__ = ("_secret", "pairs")

    def __init__(self, secret: bytes, pairs: Iterable[Pair]) -> None:
        """Take both.

        Raises:
            StatementRefused: no pair or too many, one record twice, halves of two classes, or another secret than of 32 bytes.
        """
        self._secret, self.pairs = bytes(secret), tuple(pairs)
        halves = [half for pair in self.pairs for half in pair.halves]
        if len(self._secret) != _BYTES or not 1 <= len(self.pairs) <= MOST_PAIRS:
            raise StatementRefused(f"a canary key has {_BYTES} secret bytes and 1 to {MOST_PAIRS} pairs")
        if len({half.path for half in halves}) != len(halves) or len({half.root for half in halves}) != len(halves):
            raise StatementRefused("a canary key names one record twice")
        for pair in self.pairs:
            _must_be_of(pair)

    @classmethod
    def generate(cls, pairs: Iterable[Pair]) -> CanaryKey:
        """With a fresh secret."""
        return cls(secrets.token_bytes(_BYTES), pairs)

    @classmethod
    def from_bytes(cls, data: bytes) -> CanaryKey:
        """Parse strictly.

        Raises:
            StatementRefused: malformed.
        """
        fields = Fields(canonical.object_from_bytes(data, what="canary key", max_bytes=MAX_FILE_BYTES), "canary key")
        if fields.integer("format") != FORMAT:
            raise StatementRefused(f"this canary key is not of format {FORMAT}")
        out = cls(bytes.fromhex(fields.hex("secret")), [_pair(value) for value in fields.items("pairs")])
        fields.done()
        return out

    def to_bytes(self) -> bytes:
        """Content of a key file, for a file of mode 0600 and nothing else: canonical JSON, one line."""
        return canonical.to_bytes({"format": FORMAT, "secret": self._secret.hex(), "pairs": self._list()}) + b"\n"

    def _list(self) -> list[Any]:
        return [[pair.label, *([half.path, half.root.hex()] for half in pair.halves)] for pair in self.pairs]

    def __repr__(self) -> str:
        return f"CanaryKey(pairs={len(self.pairs)}, commitment={self.commitment[:16]!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a canary key is not pickled")

    @property
    def commitment(self) -> str:
        """Hex digest that binds secret and pairs and tells neither; signed with the delivery."""
        return hashlib.sha256(_LABEL + b"commitment\0" + self.to_bytes()).hexdigest()

    def coins(self) -> NDArray[np.uint8]:
        """Which half of each pair is delivered, 0 or 1, (pairs,)."""
        seed = hmac.digest(self._secret, _LABEL + b"coins\0" + canonical.to_bytes(self._list()), "sha256")
        return np.asarray(np.frombuffer(stream(seed, len(self.pairs)), np.uint8) & 1, np.uint8)

    def split(self) -> tuple[tuple[Half, ...], tuple[Half, ...]]:
        """Delivered and withheld halves, in the order of the pairs."""
        coins = self.coins()
        return (
            tuple(pair.halves[coin] for pair, coin in zip(self.pairs, coins, strict=True)),
            tuple(pair.halves[1 - coin] for pair, coin in zip(self.pairs, coins, strict=True)),
        )


def after_tries(p: float) -> float:
    """Bound on a p-value of an owner who tried 2^64 keys or lists before committing to one, and kept the best."""
    return float(min(1.0, p * 2.0**LOG2_TRIES))


def _pair(value: Any) -> Pair:
    match value:
        case [str(label), [str(one), str(one_root)], [str(other), str(other_root)]]:
            return Pair(label, (_half(one, one_root), _half(other, other_root)))
    raise StatementRefused("a pair of a canary key is not [class, [path, root], [path, root]]", why=f"{value!r:.80}")


def _half(path: str, root: str) -> Half:
    check_path(path)
    if len(root) != 2 * _BYTES or set(root) - set("0123456789abcdef"):
        raise StatementRefused(f"{path!r:.120} in a canary key has no root of {_BYTES} bytes in lower-case hex")
    return Half(path, bytes.fromhex(root))


def _must_be_of(pair: Pair) -> None:
    """Both halves in the folder of their class: two classes would differ in difficulty, not in delivery alone."""
    if any(half.path.split("/", 1)[0] != pair.label or "/" not in half.path for half in pair.halves):
        raise StatementRefused(f"a pair of class {pair.label!r:.80} holds a record of another class")
