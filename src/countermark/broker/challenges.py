"""Challenges: nothing is kept until one is used; then its use is, until it expires.

A challenge is ``16 random bytes || expiry, 64 bits || HMAC-SHA256 over both``, 56 bytes. A server makes its secret when it starts, so that no
challenge outlives the process; exchanges by file keep theirs, and what was used is read back from the release log.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections.abc import Iterable
from dataclasses import dataclass

from countermark.errors import TrustRefused, Unusable

BYTES = 56
SECRET_BYTES = 32
SWEPT_FROM, MOST_SPENT = 4096, 1_000_000
_LABEL = b"countermark/broker-challenge/v1\0"
_MEND = "ask for a new challenge"


@dataclass(frozen=True, slots=True)
class Challenge:
    """A challenge that this broker made and that has not expired. `id`: 32 hex digits. `expires`: POSIX seconds."""

    id: str
    expires: int


class Challenges:
    """Makes challenges and takes each one once; threads may share it.

    Args:
        secret: 32 bytes. seconds: how long one lives. spent: challenges that a release was logged for. now: POSIX seconds; of those
            that had expired by then `spent` need not tell.

    Time runs forward only: a clock that is set back would give what was used, expired and forgotten a second life.
    """

    def __init__(self, secret: bytes, seconds: int, spent: Iterable[Challenge] = (), now: int = 0) -> None:
        self._secret, self._seconds, self._latest = secret, seconds, now
        self._spent = {one.id: one.expires for one in spent}
        self._lock = threading.Lock()
        self._sweep_at = 0

    def issue(self, now: int) -> bytes:
        """A fresh challenge, 56 bytes."""
        body = secrets.token_bytes(16) + (self._forward(now) + self._seconds).to_bytes(8, "big")
        return body + self._mac(body)

    def check(self, challenge: bytes, now: int) -> Challenge:
        """Refuse what this broker did not make, or what has expired.

        Raises:
            TrustRefused: it did not, or it has.
        """
        body, mac = challenge[:24], challenge[24:]
        if len(challenge) != BYTES or not hmac.compare_digest(mac, self._mac(body)):
            raise TrustRefused(
                "this broker did not make that challenge", why="another did, or it was restarted", mend=_MEND
            )
        expires, now = int.from_bytes(body[16:], "big"), self._forward(now)
        if now >= expires:
            raise TrustRefused("the challenge has expired", why=f"{now - expires} s ago", mend=_MEND)
        return Challenge(body[:16].hex(), expires)

    def spend(self, challenge: Challenge, now: int) -> None:
        """Take a challenge; it is never taken again, whatever comes of it.

        Raises:
            TrustRefused: it was taken before. Unusable: too many were, in too short a time.
        """
        now = self._forward(now)
        with self._lock:
            if challenge.id in self._spent:
                raise TrustRefused("the challenge was used before", why="a request is answered once", mend=_MEND)
            if len(self._spent) >= SWEPT_FROM:
                self._sweep(now)
            if challenge.expires <= self._latest:  # expired, and perhaps forgotten, since it was checked
                raise TrustRefused("the challenge has expired", mend=_MEND)
            if len(self._spent) >= MOST_SPENT:
                raise Unusable("too many challenges were used in too short a time", mend="try again later")
            self._spent[challenge.id] = challenge.expires

    def _sweep(self, now: int) -> None:
        """Forget what has expired: `check` refuses it already. Now and then, so that no request pays for all others."""
        if now >= self._sweep_at:
            self._spent = {name: ends for name, ends in self._spent.items() if ends > now}
            self._sweep_at = now + max(1, self._seconds // 4)

    def _forward(self, now: int) -> int:
        with self._lock:
            self._latest = max(self._latest, now)
            return self._latest

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._secret, _LABEL + body, hashlib.sha256)
