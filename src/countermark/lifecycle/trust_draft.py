"""The next version of the trust document, as the owners draft it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from countermark.errors import TrustRefused
from countermark.keys.document import Party, Revocation, TrustDocument
from countermark.lifecycle.desk import Desk

TRUST_DAYS = 365
DRAFT = "draft.json"


def first_draft(desk: Desk, project: str, parties: Sequence[Party], *, threshold: int, ledger: str) -> TrustDocument:
    """Version 1 of a project's trust document, unsigned.

    Args:
        threshold: how many owners must sign each version. ledger: id of the party that runs the ledger.
    """
    document = TrustDocument(
        project=project, version=1, issued=desk.stamp(), expires=_expiry(desk), previous=None, threshold=threshold,
        parties=tuple(parties), ledger_origin=f"countermark.invalid/{project}", ledger_operator=ledger,
        quorum="none", policies=(),
    )  # fmt: skip
    return save_draft(desk, document)


def save_draft(desk: Desk, document: TrustDocument) -> TrustDocument:
    """Keep a draft; signatures collected for an earlier draft are void.

    Raises:
        TrustRefused: the keeper would have two ledger keys, of which readers know only the older.
    """
    document.check()
    _refuse_two_ledger_keys(document)
    trust = desk.space.folder("trust")
    desk.space.disk.write(trust / DRAFT, document.to_bytes())
    desk.space.disk.unlink(trust / f"{DRAFT}.signed")
    return document


def _refuse_two_ledger_keys(document: TrustDocument) -> None:
    keeper = next((p for p in document.parties if p.id == document.ledger_operator), None)
    live = [k.key.id for k in (keeper.keys if keeper else ()) if k.key.use == "ledger" and not k.revoked]
    if keeper is not None and len(live) > 1:
        raise TrustRefused(
            f"{keeper.id} would have two keys for the ledger",
            why="readers go by the older; heads that the newer signs would verify nowhere",
            mend=f"first `countermark party revoke {keeper.id} --key {live[0][:16]} --reason TEXT`, then add the new one",
        )


def draft(desk: Desk) -> TrustDocument:
    """The draft in work, or a new one that follows the newest version.

    Raises:
        TrustRefused: there is neither.
    """
    path = desk.space.home / "trust" / DRAFT
    if path.exists():
        return TrustDocument.from_bytes(path.read_bytes())
    newest = desk.trust(expired=True)
    return replace(
        newest.document,
        version=newest.document.version + 1,
        previous=newest.envelopes[-1].digest,
        issued=desk.stamp(),
        expires=_expiry(desk),
    )


def _expiry(desk: Desk) -> str:
    return (desk.now() + timedelta(days=TRUST_DAYS)).strftime("%Y-%m-%dT%H:%M:%SZ")


def replace_scope(party: Party, scope: Sequence[str]) -> Party:
    """The same party with another scope; earlier deliveries keep the scope they were admitted under."""
    return replace(party, scope=tuple(scope))


def name_policy(desk: Desk, digest: str) -> TrustDocument:
    """Draft that a policy counts in this project; a passport can bring no other.

    Args:
        digest: SHA-256 hex of the policy file's bytes.
    """
    document = draft(desk)
    return save_draft(desk, replace(document, policies=tuple(sorted({*document.policies, digest}))))


def name_quorum(desk: Desk, source: str) -> TrustDocument:
    """Draft which witnesses must have seen the ledger (C2SP tlog-policy text, or ``none``).

    Raises:
        TrustRefused, StatementRefused: it is malformed, names nobody's key, or the ledger's operator alone could meet it.
    """
    return save_draft(desk, replace(draft(desk), quorum=source))


def revoke(desk: Desk, party_id: str, *, key_id: str | None, reason: str, from_leaf: int) -> TrustDocument:
    """Draft the revocation of one key of a party, or of all its keys.

    Args:
        from_leaf: first ledger entry that no longer counts; earlier ones stay valid.

    Raises:
        TrustRefused: no such party or key.
    """
    document = draft(desk)
    party = document.party(party_id)
    gone = Revocation(from_leaf, reason)
    hit = [k for k in party.keys if key_id is None or k.key.id.startswith(key_id)]
    if not hit:
        raise TrustRefused(f"{party_id} has no key {key_id}", mend="`countermark party list --keys`")
    keys = tuple(replace(k, revoked=gone) if k in hit and not k.revoked else k for k in party.keys)
    return save_draft(desk, document.with_party(replace(party, keys=keys)))
