"""The roster of a draft: enrolling parties, renewing their keys, changing roles, scopes and the threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from countermark.errors import TrustRefused
from countermark.keys.document import Party, TrustDocument, moment
from countermark.lifecycle import trust_draft
from countermark.lifecycle.desk import Desk
from countermark.lifecycle.enrol import Enrolment


def enrol_party(
    desk: Desk,
    enrolment: Enrolment,
    roles: Sequence[str] = (),
    scope: Sequence[str] | None = None,
    not_after: str | None = None,
) -> TrustDocument:
    """Draft that a party counts, or that a known party has new keys; its older keys stay, for what they signed.

    Args:
        roles: empty keeps those of a known party. scope: None keeps it too. not_after: RFC 3339, when the keys of the file end.

    Raises:
        TrustRefused: a new party without a role. StatementRefused: an unknown role.
    """
    document = trust_draft.draft(desk)
    known = next((p for p in document.parties if p.id == enrolment.id), None)
    if known is None and not roles:
        raise TrustRefused(f"{enrolment.id} is new: what may it do?", mend="--role supplier --scope CLASS")
    party = enrolment.party(roles or (known.roles if known else ()), scope or ())
    named = {k.key.id for k in party.keys}
    if known is not None:
        fresh = {k.key.id for k in party.keys}
        older = tuple(k for k in known.keys if k.key.id not in fresh)
        kept = tuple(next((old for old in known.keys if old.key.id == k.key.id), k) for k in party.keys)
        scope_now = known.scope if scope is None else tuple(scope)
        party = replace(party, keys=(*older, *kept), scope=scope_now, both=known.both)
    if not_after is not None:
        moment(not_after)
        party = replace(
            party, keys=tuple(replace(k, not_after=not_after) if k.key.id in named else k for k in party.keys)
        )
    return trust_draft.save_draft(desk, document.with_party(party))


def change_party(
    desk: Desk, party_id: str, roles: Sequence[str] = (), scope: Sequence[str] | None = None
) -> TrustDocument:
    """Draft other roles or another scope of a known party; what it delivered before stays admitted.

    Raises:
        TrustRefused: no such party. StatementRefused: an unknown role.
    """
    document = trust_draft.draft(desk)
    known: Party = document.party(party_id)
    changed = replace(known, roles=tuple(roles) or known.roles, scope=known.scope if scope is None else tuple(scope))
    return trust_draft.save_draft(desk, document.with_party(changed))


def set_signatures(desk: Desk, party_id: str, both: int | None) -> TrustDocument:
    """Draft whether what a party says counts only with a classical and a post-quantum signature.

    Args:
        both: first ledger leaf from which it does; what was entered before stays valid. None where one is enough.

    Raises:
        TrustRefused: no such party. StatementRefused: it has no two such keys.
    """
    document = trust_draft.draft(desk)
    return trust_draft.save_draft(desk, document.with_party(replace(document.party(party_id), both=both)))


def set_threshold(desk: Desk, threshold: int) -> TrustDocument:
    """Draft how many owners must sign each version from the next one on.

    Raises:
        StatementRefused: more than there are owners with a root key.
    """
    return trust_draft.save_draft(desk, replace(trust_draft.draft(desk), threshold=threshold))
