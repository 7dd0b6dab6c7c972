"""Whether a quorum shows anything: its witnesses are known, and nobody who keeps the ledger could meet it alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from countermark.errors import StatementRefused
from countermark.keys.lookalikes import skeleton
from countermark.keys.quorum import Quorum, log_key


@dataclass(frozen=True, slots=True)
class Watcher:
    """An enrolled witness key: who holds it, of which organisation, and its bytes as notes carry them: 32 or 1312."""

    party: str
    organisation: str
    key: bytes


def refuse_weak(rule: Quorum, here: Sequence[Watcher], own: Sequence[str], ledger: Sequence[tuple[str, bytes]]) -> None:
    """Refuse a quorum that binds nobody.

    Args:
        here: every enrolled witness key. own: organisation of who keeps the ledger. ledger: its origin and key.

    Raises:
        StatementRefused: a witness that nobody enrolled; a quorum that the organisation which keeps the ledger could meet,
            or one party with several keys; a policy for other logs.
    """
    by_key = {one.key: one for one in here}
    for witness in rule.witnesses:
        if witness.key.public not in by_key:
            raise StatementRefused(
                f"witness {witness.name!r:.80} is no enrolled witness key of a party",
                mend="`countermark key new witness`, then `countermark party add` its enrolment",
            )
    if rule.logs and not {log_key(vkey) for vkey in rule.logs} & set(ledger):
        raise StatementRefused(
            "the witness policy is about other logs than this project's ledger", why=f"it names {rule.logs[0]:.120}",
            mend="name the ledger's key, or leave the `log` lines out",
        )  # fmt: skip
    if rule.needed:
        _refuse_alone(rule, {w.name: by_key[w.key.public] for w in rule.witnesses}, set(map(skeleton, own)))


def _refuse_alone(rule: Quorum, behind: Mapping[str, Watcher], own: Collection[str]) -> None:
    inside = [name for name, watcher in behind.items() if skeleton(watcher.organisation) in own]
    if rule.satisfied(inside):
        raise StatementRefused(
            "the quorum can be met within the organisation that keeps the ledger", why=", ".join(inside)[:200],
            mend="ask for at least one witness of another organisation",
        )  # fmt: skip
    for party in {watcher.party for watcher in behind.values()}:
        mine = [name for name, watcher in behind.items() if watcher.party == party]
        if rule.satisfied(mine) and not any(rule.satisfied([name]) for name in mine):
            raise StatementRefused(
                f"{party} can meet the quorum alone, because it has several witnesses", why=", ".join(mine)[:200],
                mend="put the witnesses of one party into a group `any`",
            )  # fmt: skip
