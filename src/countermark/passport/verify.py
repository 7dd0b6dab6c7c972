"""Verifying a passport offline: the numbered steps of a relying party.

Nothing that a passport brings may choose the rules it is judged by: the fingerprint, the mark and the
revocation snapshot come from the reader's own pin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from countermark.artefact.tree import Tree, compare
from countermark.errors import LedgerRefused, StatementRefused, TreeRefused, TrustRefused
from countermark.keys.document import OWNERS, moment
from countermark.keys.trust import Trust, verify_chain
from countermark.ledger.checkpoint import Checkpoint, verify_checkpoint, verify_consistency
from countermark.ledger.receipt import verify as verify_receipt
from countermark.passport import heads, judged
from countermark.passport.passport import Commitment, Passport
from countermark.passport.slip import Shown, Slip, in_time, key_of_note, ledger_note_key, verify
from countermark.passport.times import Times, quorum_time
from countermark.passport.witnesses import UNWITNESSED, cosigned
from countermark.statement.predicates.acts import REVOCATION, Revocations
from countermark.statement.predicates.verdict import VerdictStatement

NOT_SHOWN = "freshness: not shown"


@dataclass(frozen=True, slots=True)
class Pin:
    """What the reader trusts: fingerprint, what was seen before, and the owners' newest snapshot.

    Attributes:
        version, size, root: the mark; 0 and "" where nothing was seen. snapshot: slip of a revocation snapshot.
        ledger: id of the key that signed the head of the mark, "" where that is not known.
        model: name that the owner must have released the model under, "" for any.
        least: bytes of a checkpoint that the papers' ledger must extend, whatever was seen here before.
    """

    fingerprint: str
    version: int = 1
    size: int = 0
    root: str = ""
    snapshot: Slip | None = None
    ledger: str = ""
    model: str = ""
    least: bytes | None = None


@dataclass(frozen=True, slots=True)
class Verified:
    """A handle to a model whose papers hold.

    Attributes:
        digest: the model's tree digest. verdict: the policy room's verdict. shown: every statement verified.
        checkpoint: the ledger head that all receipts lead to. fresh_until: end of the snapshot, or None.
        witnessed: the words that every page repeats: who cosigned, or `UNWITNESSED`.
    """

    digest: str
    verdict: VerdictStatement
    shown: tuple[Shown, ...]
    trust: Trust
    checkpoint: Checkpoint
    fresh_until: str | None
    witnessed: str

    @property
    def state(self) -> str:
        """``admitted, witnessed`` or ``admitted, unwitnessed``."""
        return "admitted, unwitnessed" if self.witnessed == UNWITNESSED else "admitted, witnessed"

    @property
    def when(self) -> str:
        """When the verdict was said: ``witnessed by TIME``, or ``claimed TIME``."""
        return self.shown[-1].when

    @property
    def freshness(self) -> str:
        """One line for people."""
        return f"freshness: shown until {self.fresh_until}" if self.fresh_until else NOT_SHOWN


def verify_passport(passport: Passport, seen: Tree, pin: Pin, now: datetime) -> Verified:
    """Verify a model's papers.

    1. the trust chain leads from the pinned fingerprint, and is not older than the mark;
    2. the verdict is logged, signed by a model owner, admits, and no waiver that it rests on has ended;
    3. the policy it applied is one that the trust document names, and the evidence, where it is here, is what was judged;
    4. the files seen are exactly those the verdict is about;
    5. every statement that the verdict rests on is here, signed and logged;
    6. all receipts lead to one ledger head, which extends the one remembered and the checkpoint carried along;
    7. the quorum of witnesses that the trust document names, if any, cosigned that head, and saw what an ended key signed
       before that key ended;
    8. the owners' snapshot, where the reader has one, revokes none of them and has not run out.

    Raises:
        TrustRefused, SignatureRefused, StatementRefused, LedgerRefused, TreeRefused, PolicyRefused: a step fails.
    """
    trust = verify_chain(passport.trust, pin.fingerprint, now, least_version=pin.version)
    times = heads.times(passport, trust, now)
    verdict, head = judged.verdict(passport, trust, now, times)
    judged.follows(passport, verdict, trust)
    if pin.model not in ("", head.statement.name):
        raise TreeRefused(
            f"these are the papers of {head.statement.name!r:.80}, not of {pin.model!r:.80}",
            mend="ask the owner for the papers of the model that you want",
        )
    same_files(passport.model, seen, head.statement.digest)
    shown = (*_statements(passport, verdict, trust, now, times), head)
    entries = [*_commitments(passport, trust), *(_entry(s) for s in shown)]
    checkpoint = _one_head(passport, [c for _, c in entries], _believed(pin, trust))
    if pin.least is not None:
        _reaches(passport, checkpoint, pin, trust)
    verify_checkpoint(checkpoint.note, ledger_note_key(trust))  # a receipt may outlive its ledger key, papers may not
    words = cosigned([c for _, c in entries], trust, now)
    for one in shown:
        in_time(one, trust, now)
    late = max(now, quorum_time(checkpoint, trust, now) or now)  # it is not earlier than what witnesses have seen
    fresh_until = fresh(pin.snapshot, trust, {i for i, _ in entries}, late) if pin.snapshot else None
    return Verified(head.statement.digest, verdict, shown, trust, checkpoint, fresh_until, words)


def same_files(expected: Tree, seen: Tree, subject: str) -> None:
    """The files listed are those of the verdict on `subject`, hex, and those seen are the same.

    Raises:
        TreeRefused: they are not.
    """
    if expected.digest != subject:
        raise TreeRefused("the passport's list of files is not the one the verdict names", why=f"verdict: {subject}")
    if seen.digest != subject:
        differences = compare(expected, seen)
        raise TreeRefused(
            f"this is not the model that was admitted: {differences[0] if differences else 'another tree'}",
            why="; ".join(str(d) for d in differences[1:6]) or f"admitted {subject}, seen {seen.digest}",
            mend="get the model from its owner again",
        )


def _statements(
    passport: Passport, verdict: VerdictStatement, trust: Trust, now: datetime, times: Times
) -> list[Shown]:
    opened = [d for d in passport.deliveries if isinstance(d, Slip)]
    digests = [s.envelope.digest for s in (*opened, *passport.statements)]
    if len(set(digests)) != len(digests):  # each would be verified anew: hours, in a file that is not large
        raise StatementRefused("the passport holds a statement twice", mend="ask the owner for a fresh passport")
    shown = [verify(s, trust, now, times=times) for s in (*opened, *passport.statements)]
    _complete(set(verdict.statements), {s.digest for s in shown}, "statements")
    _complete(set(verdict.deliveries), {_leaf(d).hex() for d in passport.deliveries}, "deliveries")
    return shown


def _leaf(delivery: Slip | Commitment) -> bytes:
    if isinstance(delivery, Commitment):
        return delivery.leaf
    return delivery.opening.leaf() if delivery.opening else b""


def _complete(needed: set[str], here: set[str], what: str) -> None:
    missing = needed - here
    if missing:
        raise LedgerRefused(
            f"the passport lacks {len(missing)} of the {what} that the verdict rests on",
            why=", ".join(sorted(m[:16] for m in missing)[:4]),
            mend="ask the owner for a complete passport",
        )


def _commitments(passport: Passport, trust: Trust) -> list[tuple[int, Checkpoint]]:
    key = ledger_note_key(trust)
    proven = [verify_receipt(d.leaf, d.receipt, key) for d in passport.deliveries if isinstance(d, Commitment)]
    return [(p.index, p.checkpoint) for p in proven]


def _entry(shown: Shown) -> tuple[int, Checkpoint]:
    if shown.index is None or shown.checkpoint is None:
        raise LedgerRefused(f"statement {shown.digest[:16]} has no ledger receipt", mend="ask for a complete passport")
    return shown.index, shown.checkpoint


def _believed(pin: Pin, trust: Trust) -> Pin:
    """The pin without its ledger head, where the owners disowned that head together with the key that signed it."""
    return replace(pin, size=0, root="") if trust.disowns(pin.ledger, pin.size) else pin


def _one_head(passport: Passport, heads: Sequence[Checkpoint], pin: Pin) -> Checkpoint:
    """All receipts against one checkpoint, which is the remembered one or a proven extension of it."""
    newest = max(heads, key=lambda c: c.size)
    if len({(c.size, c.root) for c in heads}) != 1:
        raise LedgerRefused("the passport's receipts lead to different ledger heads", mend="ask for a fresh passport")
    _extends(passport, pin, newest)
    return newest


def _reaches(passport: Passport, newest: Checkpoint, pin: Pin, trust: Trust) -> None:
    """The passport's head is the checkpoint that somebody carried here, or a proven extension of it.

    Raises:
        LedgerRefused: it is older, another history, or that it extends it is not shown; or the file is no checkpoint
            of this project's ledger.
    """
    least = verify_checkpoint(pin.least or b"", key_of_note(trust, pin.least or b""))
    _extends(passport, replace(pin, size=least.size, root=least.root.hex()), newest)


def _extends(passport: Passport, pin: Pin, newest: Checkpoint) -> None:
    if newest.size < pin.size:
        raise LedgerRefused(
            f"the passport's ledger has {newest.size} entries; {pin.size} were seen before",
            why="an older state of the ledger hides what came later",
            mend="ask the owner for a newer passport",
        )
    if pin.size == 0:
        return
    if newest.size == pin.size:
        if newest.root.hex() != pin.root:
            raise LedgerRefused("the ledger shows two histories of the same length", why=f"remembered root {pin.root}")
        return
    if pin.size not in passport.consistency:
        raise LedgerRefused(
            f"not shown: that the passport's ledger extends the one seen before ({pin.size} entries)",
            mend=f"ask the owner to pack it with `--since {pin.size}`",
        )
    old = Checkpoint(newest.origin, pin.size, bytes.fromhex(pin.root), b"")
    verify_consistency(old, newest, passport.consistency[pin.size])


def read_snapshot(slip: Slip, trust: Trust, now: datetime) -> tuple[Shown, Revocations]:
    """Verify a revocation snapshot by itself.

    Raises:
        StatementRefused, TrustRefused, SignatureRefused, LedgerRefused: it does not hold.
    """
    shown = verify(slip, trust, now)
    if shown.statement.predicate_type != REVOCATION:
        raise StatementRefused("this is not a revocation snapshot", why=shown.statement.predicate_type)
    if not OWNERS & set(shown.party.roles):
        raise TrustRefused(f"the revocation snapshot is signed by {shown.party.id}, who is no owner")
    return shown, Revocations.from_json(shown.statement.predicate)


def fresh(
    snapshot: Slip, trust: Trust, entries: set[int], now: datetime, what: str = "what the verdict rests on"
) -> str | None:
    """End of the snapshot's time where it has not run out; None where it has.

    Args:
        entries: ledger entries that must not be revoked. what: they are, for the reader.

    Raises:
        TrustRefused: it revokes one of them, or knows a newer trust version.
    """
    _, revoked = read_snapshot(snapshot, trust, now)
    gone = entries & set(revoked.entries)
    if gone:
        raise _revoked(revoked, gone, what)
    if trust.document.version < revoked.trust_version:
        raise TrustRefused(
            f"the trust version at hand, {trust.document.version}, is older than the snapshot's, {revoked.trust_version}",
            mend="ask the owner for the newest version",
        )
    return revoked.next_update if now < moment(revoked.next_update) else None


def _revoked(said: Revocations, gone: set[int], what: str) -> TrustRefused:
    """The refusal, with what replaces it where the owners say so."""
    told = f"{what} was revoked (ledger entry {min(gone)})"
    for newer in (s for s in said.successors if s.entry in gone):
        return TrustRefused(
            f"{told}: superseded by {newer.model}", why=f"verdict {newer.verdict} admits the model that replaces it",
            mend="ask the owner for that model and its papers",
        )  # fmt: skip
    return TrustRefused(told, mend="ask the owner for a newer one")
