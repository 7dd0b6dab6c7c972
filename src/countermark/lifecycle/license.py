"""License: grant, narrow, co-sign, move. What a licensor or sublicensor does at its desk, signed with its key of the use ``licence``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from countermark import dsse
from countermark.errors import TrustRefused
from countermark.keys.signer import add_signature
from countermark.ledger.note import decode_base64
from countermark.licence import chain as chains
from countermark.licence import word
from countermark.licence.broker_anchor import broker_of, refuse_going_on, refuse_others_going_on
from countermark.licence.chain import Chain
from countermark.licence.refusal import LicenceRefused
from countermark.lifecycle import license_kept, license_lists
from countermark.lifecycle.desk import Desk
from countermark.statement.predicates.licence import LICENCE, Licence
from countermark.statement.predicates.licence_claims import Claims, Licensee, Revocation
from countermark.statement.statement import Statement

BESIDE = "beside the licence"


@dataclass(frozen=True, slots=True)
class Papers:
    """A licence file as it was read.

    Attributes:
        envelopes: as they stand. chain: a handle to them.
    """

    envelopes: tuple[dsse.Envelope, ...]
    chain: Chain


def read(desk: Desk, file: Path) -> Papers:
    """Read and verify a licence file.

    Raises:
        Refusal: it does not hold. Unusable: it cannot be read.
    """
    envelopes = license_kept.envelopes(file)
    return Papers(envelopes, chains.verify(envelopes, desk.trust(), desk.now()))


def licensee(desk: Desk, party: str) -> Licensee:
    """A party of the project and its newest licence key.

    Raises:
        TrustRefused: nobody of that name, or it has no licence key.
    """
    who = desk.trust().document.party(party)
    keys = [k.key for k in who.keys if k.key.use == "licence" and not k.revoked]
    if not keys:
        raise TrustRefused(
            f"{party} has no licence key in the trust document", why="by it the licensee narrows, returns and proves its host",
            mend=f"{party} runs `countermark key new licence`, and the owners enrol it (`countermark party add`)",
        )  # fmt: skip
    return Licensee(who.id, who.organisation, keys[-1])


def grant(desk: Desk, claims: Claims) -> tuple[dsse.Envelope, ...]:
    """Sign an owner's grant; it counts once all its co-signers signed as well.

    Raises:
        Refusal: it would not hold. Unusable: no licence key here.
    """
    return _signed(desk, (), claims)


def narrow(desk: Desk, above: Papers, claims: Claims) -> tuple[dsse.Envelope, ...]:
    """Sign a sublicence as the licensee of the chain's last link.

    Raises:
        LicenceRefused: ``licensee``: this party does not hold the licence above; or it claims more than that. Refusal: it would not hold.
        Unusable: no licence key here.
    """
    refuse_other_holder(desk, above.chain, "narrows it")
    return _signed(desk, above.envelopes, claims)


def refuse_other_holder(desk: Desk, chain: Chain, does: str) -> None:
    """Only the licensee of a chain's last link sublicenses it and gives it back.

    Args:
        does: what only the licensee does, for people.

    Raises:
        LicenceRefused: ``licensee``: this party is another. Unusable: no licence key here.
    """
    holder, mine = chain.claims.licensee, desk.signer("licence").public
    if mine != holder.key:
        raise LicenceRefused("licensee", expected=f"{holder.party}, key {holder.key.id[:16]}", seen=f"{desk.party}, key {mine.id[:16]}",
                             mend=f"{holder.party} {does}, with the key that the licence names")  # fmt: skip


def _signed(desk: Desk, above: Sequence[dsse.Envelope], claims: Claims) -> tuple[dsse.Envelope, ...]:
    checked = Claims.from_json(claims.to_json())  # what would be refused when it is read is not signed
    context = desk.context(claims.licensee.party)
    predicate = Licence(context, above[-1].digest if above else None, checked)
    statement = Statement("licensed", claims.subject.digest, LICENCE, predicate.to_json())
    made = (*above, desk.sign(statement, "licence"))
    try:
        chains.verify(made, desk.trust(), desk.now())
    except LicenceRefused as error:
        if error.claim != "co_signers":
            raise
    return license_kept.keep(desk, made)


def co_sign(desk: Desk, file: Path) -> tuple[dsse.Envelope, ...]:
    """Add this party's signature to the last licence of a file, where it names this party as a co-signer.

    Raises:
        LicenceRefused: ``co_signers``: it does not. StatementRefused: malformed. Unusable: no licence key here.
    """
    envelopes = license_kept.envelopes(file)
    said = Licence.from_json(Statement.from_bytes(envelopes[-1].statement_bytes(), what="licence").predicate)
    if desk.party not in said.claims.co_signers or said.context.project != desk.mark().fingerprint:
        raise LicenceRefused("co_signers", expected=", ".join(sorted(said.claims.co_signers)) or "nobody", seen=desk.party,
                             mend="only those sign whom the licence names")  # fmt: skip
    return license_kept.keep(desk, (*envelopes[:-1], add_signature(envelopes[-1], desk.signer("licence"))))


def move(
    desk: Desk, papers: Papers, receipt: dsse.Envelope, changes: Claims
) -> tuple[tuple[dsse.Envelope, ...], bytes]:
    """Grant anew what a licensee gave back, to another host or, where the licence allows transfer, another licensee.

    Args:
        changes: the new claims, for the same subject.

    Returns:
        The new chain, and the list of revoked licences that now names the old one.

    Raises:
        LicenceRefused: ``transfer``; or it claims more than before; ``state``: the broker that counts does not say that the old host's
            meter ended. TrustRefused, SignatureRefused: the receipt does not hold.
    """
    said, old = word.returned(receipt, papers.chain), papers.chain.claims
    if (broker := broker_of(old.host)) is not None:
        refuse_going_on(decode_base64(said.proof, "the receipt's proof"), broker, papers.chain.root.digest, said.host)
        refuse_others_going_on(old.host, said.host)
    if changes.licensee.party != old.licensee.party and not old.transfer:
        raise LicenceRefused("transfer", expected=old.licensee.party, seen=changes.licensee.party,
                             mend="this licence stays with its licensee; the licensor may grant another one")  # fmt: skip
    if papers.chain.leaf.issuer != desk.party:
        raise TrustRefused(f"{desk.party} did not grant this licence", mend=f"{papers.chain.leaf.issuer} moves it")
    kept = replace(changes, not_before=old.not_before, not_after=old.not_after, subject=old.subject)
    line, listed = license_lists.revoke(desk, [papers.chain.leaf.digest])
    if isinstance(kept.revocation, Revocation) and len(papers.envelopes) == 1:
        kept = replace(kept, revocation=replace(kept.revocation, epoch=listed.epoch))
    return _signed(desk, papers.envelopes[:-1], kept), line
