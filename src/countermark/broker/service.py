"""The broker itself: bytes and a clock reading in, an answer or a refusal out; the same over HTTP, by files and as a library.

Order of work for a request: 1. it is well formed; 2. its challenge is ours, not expired; 3. and is spent, whatever comes of the rest; 4. the
owner's deposit is found, verified; 5. his policy counts now, and is not older than one that gave keys; 6. a rule names evidence, recipient, licence and claims exactly; 7. the evidence
holds for that rule; 8. the owner did not revoke the licence; 9. the rule has a release left, which is taken; 10. the asset is still one owner's, and the copy in his name; the key is re-wrapped;
11. the release is logged, durably; 12. only then is it answered. A crash before 11 released nothing; a crash after 11 counts a release whose answer may be lost, and never gives a second.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime

from countermark.broker import evidence, log
from countermark.broker.challenges import Challenges
from countermark.broker.policy import Rule
from countermark.broker.request import Answer, Request
from countermark.broker.store import Deposit, Deposits
from countermark.errors import NothingToVerify, PolicyRefused, Refusal
from countermark.seal.prelude import wipe
from countermark.seal.recipients import content_key
from countermark.seal.release import released
from countermark.seal.stanza import NO_LICENCE, Identity

_log = logging.getLogger("countermark.broker")
Clock = Callable[[], float]
NOT_GRANTED = "no rule of the owner grants this"


class Broker:
    """A broker; threads may share it.

    Args:
        deposits: what owners deposited. root: private side of the sealing key that they seal to. releases: the open log.
        secret: of its challenges. seconds: how long one lives. clock: POSIX seconds.
    """

    def __init__(
        self, deposits: Deposits, root: Identity, releases: log.ReleaseLog, secret: bytes, seconds: int, clock: Clock
    ) -> None:
        self._deposits, self._root, self._log, self._clock = deposits, root, releases, clock
        now = int(clock())
        past = releases.past(now)
        self._used, self._sequences = past.used, past.sequences
        self._challenges = Challenges(secret, seconds, past.spent, now)
        self._lock = threading.Lock()

    def challenge(self) -> bytes:
        """A fresh challenge for one request."""
        return self._challenges.issue(int(self._clock()))

    def accept(self, owner: str, manifest: bytes, recipients: bytes, policy: bytes) -> Deposit:
        """Take a deposit, if this broker's key opens it, and what it opens to names the sealer who signed it.

        Raises:
            As `Deposits.put`; TrustRefused: nothing in the list is for this broker. FormatRefused: the key is another sealer's.
            PolicyRefused: the asset is another owner's here.
        """
        sealed = self._deposits.check(owner, manifest, recipients, policy).sealed
        wipe(content_key(sealed.recipients, sealed.manifest.prelude, self._root)[0])
        return self._deposits.put(owner, manifest, recipients, policy)

    def release(self, data: bytes) -> bytes:
        """Answer a request.

        Args:
            data: as `Request.to_bytes` gives it.

        Raises:
            Refusal: it is malformed, stale, replayed, not granted, used up, its licence is revoked, or its evidence does not hold. MissingExtra, Unusable: the
            broker cannot tell, or cannot log.
        """
        now = self._clock()
        asked = Request.from_bytes(data)
        challenge = self._challenges.check(asked.challenge, int(now))
        self._challenges.spend(challenge, int(now))
        deposit = self._deposit(asked)
        self._refuse_older(deposit)
        deposit.policy.require_time(datetime.fromtimestamp(now, UTC))
        rule, shown = self._granted(asked, deposit, int(now))
        if asked.licence != NO_LICENCE:
            self._deposits.revoked.refuse(asked.owner, asked.licence)
        entry = log.record(int(now), asked, challenge, rule, deposit, shown)
        self._take_one(entry.counted, rule)
        try:
            wrapped = self._rewrapped(asked, deposit)
        except Exception:
            self._give_back(entry.counted)  # nothing was released, nothing was logged
            raise
        logged = self._log.append(entry)
        return Answer(wrapped, logged.entry, logged.receipt.to_bytes()).to_bytes()

    def _deposit(self, asked: Request) -> Deposit:
        try:
            return self._deposits.find(asked.owner, asked.asset)
        except (NothingToVerify, Refusal) as error:  # one answer for both: who has what here is not told
            _log.info("no deposit for %s: %s", asked.owner, error.what)
            raise _not_granted() from error

    def _refuse_older(self, deposit: Deposit) -> None:
        """An older deposit that was put back on this disk does not widen a grant again: the log knows which one gave keys."""
        key, sequence = (deposit.policy.owner, deposit.policy.asset.hex()), deposit.policy.sequence
        with self._lock:
            newest = self._sequences.get(key, 0)
            self._sequences[key] = max(newest, sequence)
        if sequence < newest:
            raise PolicyRefused(
                "this broker gave keys by a newer policy of the owner", why=f"sequence {newest}; the one that lies here has {sequence}",
                mend="deposit the owner's newest policy again",
            )  # fmt: skip

    def _granted(self, asked: Request, deposit: Deposit, now: int) -> tuple[Rule, evidence.Shown]:
        refused: Refusal = _not_granted()
        binding, claims = asked.binding(), dict(asked.claims)
        for rule in deposit.policy.rules:
            same = (rule.evidence, rule.recipient, rule.licence) == (
                asked.evidence.kind,
                asked.recipient,
                asked.licence,
            )
            if not same or dict(rule.claims) != claims:
                continue
            try:
                return rule, evidence.verify(asked.evidence, rule, binding, now, self._deposits.collateral)
            except Refusal as error:
                refused = error
        raise refused

    def _take_one(self, counted: log.Counted, rule: Rule) -> None:
        with self._lock:
            if self._used[counted] >= rule.releases:
                raise PolicyRefused(
                    "the owner's rule has no release left", why=f"it allows {rule.releases}, and so many were logged for this recipient and licence",
                    mend="the owner raises `releases` in a policy with the next sequence",
                )  # fmt: skip
            self._used[counted] += 1

    def _give_back(self, counted: log.Counted) -> None:
        with self._lock:
            self._used[counted] -= 1

    def _rewrapped(self, asked: Request, deposit: Deposit) -> bytes:
        """As `accept` looked, and once more: a file that was put there by hand went by `accept`."""
        sealed = deposit.sealed
        self._deposits.refuse_anothers(asked.owner, asked.asset)
        return released(
            sealed.recipients,
            sealed.manifest.prelude,
            self._root,
            asked.key,
            recipient=asked.recipient,
            licence=asked.licence,
        )


def _not_granted() -> PolicyRefused:
    return PolicyRefused(NOT_GRANTED, why="owner, asset, recipient, licence, kind of evidence and claims must all be named by one",
                         mend="ask the owner for a release policy that names this request")  # fmt: skip
