"""Recall: from a supplier, or from single rows, to every model, release and licensee that they reached.

Which rows a model was trained on is not asked of anybody: the training set is composed again from the deliveries,
quarantines and decisions that stood in the ledger, and its digest compared with the one that the trainer signed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from countermark.errors import NothingToVerify, Refusal, TreeRefused
from countermark.keys.trust import Trust
from countermark.lifecycle import book, entitled, license_kept, license_lists, rows, withdraw
from countermark.lifecycle.deliveries import Received, admitted_trees
from countermark.lifecycle.desk import Desk
from countermark.lifecycle.rows import Row
from countermark.passport.slip import Shown
from countermark.statement.predicates import acts, training, verdict
from countermark.statement.predicates import delivery as deliveries
from countermark.statement.predicates import rows as row_predicates
from countermark.statement.predicates.acts import Withdrawal
from countermark.statement.predicates.rows import Decision, Quarantine
from countermark.statement.predicates.training import Training
from countermark.statement.predicates.verdict import VerdictStatement

_CHANGES = (deliveries.TYPE, row_predicates.QUARANTINE, row_predicates.DECISION, acts.WITHDRAWAL)


@dataclass(frozen=True, slots=True)
class Release:
    """A verdict about a touched model: statement digest, ledger entry, time, and what it came to."""

    statement: str
    index: int
    time: str
    verdict: str


@dataclass(frozen=True, slots=True)
class Licensed:
    """A licence for a touched model that was signed in this workspace.

    Attributes:
        party: the licensee. licence: payload digest. until: its end, RFC 3339 UTC. revoked: whether this licensor's list names it, or a licence above it.
        whole: whether all its co-signers had signed when it was kept here; it counts only then.
    """

    party: str
    licence: str
    until: str
    revoked: bool
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Touched:
    """A model that learned from the rows.

    Attributes:
        rows: those of the recalled rows that it learned from. exact: the training set was composed again and has the
            digest that the trainer signed; otherwise `rows` are all that it may have seen.
        licences: for this model, ended and revoked ones too: whoever had one may have kept the model.
    """

    model: str
    training: str
    index: int
    trainer: str
    time: str
    dataset: str
    rows: tuple[str, ...]
    exact: bool
    releases: tuple[Release, ...] = ()
    licences: tuple[Licensed, ...] = ()

    @property
    def released(self) -> bool:
        """Whether any verdict admitted it."""
        return any(r.verdict == "admitted" for r in self.releases)


@dataclass(frozen=True, slots=True)
class Recall:
    """What the rows reached.

    Attributes:
        deliveries: digests of the deliveries that hold them. rows: their ids. models: in ledger order.
        holders: parties that may hold a released one: licensees and operators that the trust document names.
        not_looked_at: statements that do not hold, and so were left out.
    """

    deliveries: tuple[str, ...]
    rows: tuple[str, ...]
    models: tuple[Touched, ...]
    holders: tuple[str, ...]
    not_looked_at: tuple[str, ...]


@dataclass(slots=True)
class _History:
    """What the ledger holds, verified, and every row that was ever admitted."""

    admitted: dict[str, Received]
    content: dict[str, tuple[Row, ...]]
    shown: list[Shown]
    lost: list[str]

    def of(self, *types: str) -> list[Shown]:
        return [s for s in self.shown if s.statement.predicate_type in types]


def recall(desk: Desk, *, supplier: str | None = None, row_ids: Sequence[str] = ()) -> Recall:
    """Find what a supplier's rows, or single rows, reached.

    Args:
        supplier: party id; all its admitted rows. row_ids: further rows, as `countermark review` prints them.

    Raises:
        NothingToVerify: no such rows were ever admitted here. TreeRefused: an admitted delivery was changed on disk.
    """
    trust = desk.trust(expired=True)
    history = _history(desk, trust)
    every = [row for some in history.content.values() for row in some]
    wanted = {r.id: r for r in every if r.supplier == supplier or r.id in row_ids}
    if not wanted or not set(row_ids) <= wanted.keys():
        raise NothingToVerify(
            f"no row of {supplier or ', '.join(sorted(set(row_ids) - wanted.keys())[:3])} was ever admitted here",
            mend="`countermark receive --list` names suppliers, `countermark review` rows",
        )
    models = [t for s in history.of(training.TYPE) if (t := _touched(history, s, set(wanted)))]
    held = _licences(desk, trust, history.lost) if models else {}
    models = [replace(m, licences=tuple(held.get(m.model, ()))) for m in models]
    holders = [p.id for p in trust.document.parties if {"licensee", "operator"} & set(p.roles)]
    return Recall(
        tuple(sorted({r.delivery for r in wanted.values()})), tuple(sorted(wanted)), tuple(models),
        tuple(holders) if any(m.released for m in models) else (), tuple(history.lost),
    )  # fmt: skip


def _licences(desk: Desk, trust: Trust, lost: list[str]) -> dict[str, list[Licensed]]:
    """Licences that this workspace signed, by the model that they are for; those that do not hold are told."""
    listed = license_lists.newest_list(desk)
    revoked = listed[1].licences if listed else frozenset[str]()
    out: dict[str, list[Licensed]] = {}
    for envelopes, file in license_kept.granted(desk):
        links = [envelope.digest for envelope in envelopes]
        try:
            claims, whole = license_kept.claimed(envelopes, trust, desk.now())
        except Refusal as refusal:
            lost.append(f"licence {file.stem[:16]}: {refusal.what}")
            continue
        one = Licensed(claims.licensee.party, links[-1], claims.not_after, not revoked.isdisjoint(links), whole)
        out.setdefault(claims.subject.digest, []).append(one)
    return out


def _history(desk: Desk, trust: Trust) -> _History:
    admitted = admitted_trees(desk)
    content = {digest: tuple(rows.listed_of(digest, one)) for digest, one in admitted.items()}
    lost: list[str] = []
    slips = book.entered(desk, *_CHANGES, training.TYPE, verdict.TYPE)
    return _History(admitted, content, entitled.standing(slips, trust, desk.now(), lost), lost)


def _touched(history: _History, shown: Shown, wanted: set[str]) -> Touched | None:
    said = Training.from_json(shown.statement.predicate)
    before = [s for s in history.of(*_CHANGES) if (s.index or 0) < (shown.index or 0)]
    seen, exact = _learned(history, before, said.inputs.get("train", ""))
    hit = tuple(sorted(seen & wanted))
    if not hit:
        return None
    return Touched(
        shown.statement.digest, shown.digest, shown.index or 0, said.trainer, shown.context.time,
        said.inputs.get("train", ""), hit, exact, tuple(_releases(history, shown.statement.digest)),
    )  # fmt: skip


def _learned(history: _History, before: Sequence[Shown], dataset: str) -> tuple[set[str], bool]:
    """Row ids of the training set with that digest, composed as of each change of the ledger, newest first."""
    for end in range(len(before), 0, -1):
        kept = _as_of(history, before[:end])
        try:
            if kept and rows.tree_of_rows(kept).digest == dataset:
                return {row.id for row in kept}, True
        except TreeRefused:
            continue  # rows that cannot stand together were never trained on
    every = {s.digest for s in before}
    return {row.id for digest, some in history.content.items() if digest in every for row in some}, False


def _as_of(history: _History, changes: Sequence[Shown]) -> tuple[Row, ...]:
    quarantined: set[str] = set()
    decided: dict[str, Decision] = {}
    standing: dict[str, Received] = {}
    gone = _gone(changes)
    for shown in (s for s in changes if s.digest not in gone):
        kind = shown.statement.predicate_type
        if kind == row_predicates.QUARANTINE:
            quarantined |= set(Quarantine.from_json(shown.statement.predicate).rows)
        elif kind == row_predicates.DECISION:
            decision = Decision.from_json(shown.statement.predicate)
            decided |= dict.fromkeys(decision.rows, decision)
        elif one := history.admitted.get(shown.digest):
            before = standing.get(one.parcel.delivery.replaces or "") if one.parcel else None
            if before is not None and before.supplier == one.supplier and before.parcel:
                del standing[before.parcel.envelope.digest]
            standing[shown.digest] = one
    every = [row for digest in standing for row in history.content[digest]]
    return rows.apply(every, quarantined, decided).rows


def _gone(changes: Sequence[Shown]) -> set[str]:
    """Statements among these that were withdrawn by somebody who may."""
    by_digest = {shown.digest: shown for shown in changes}
    out = set()
    for shown in changes:
        if shown.statement.predicate_type == acts.WITHDRAWAL:
            said = by_digest.get(Withdrawal.from_json(shown.statement.predicate).statement)
            if said is not None and withdraw.may(shown, said):
                out.add(said.digest)
    return out


def _releases(history: _History, model: str) -> list[Release]:
    return [
        Release(s.digest, s.index or 0, s.context.time, str(VerdictStatement.from_json(s.statement.predicate).verdict["verdict"]))
        for s in history.of(verdict.TYPE)
        if s.statement.digest == model
    ]  # fmt: skip
