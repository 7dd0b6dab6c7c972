"""Trust: whether a version of the trust document counts, and whose signature counts under it.

Each version is signed by a threshold of its own root keys *and* by the threshold of the version before it (the root
rotation of TUF, section 5.3). The fingerprint that people pin is the SHA-256 of version 1. Bytes and a clock reading in, a
`Trust` handle or an exception out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from countermark import dsse
from countermark.errors import SignatureRefused, TrustRefused
from countermark.keys import quorum
from countermark.keys.document import OWNERS, PAYLOAD_TYPE, EnrolledKey, Party, TrustDocument, moment
from countermark.keys.verifier import PublicKey, Use, verify_envelope


def verify_chain(
    envelopes: Sequence[dsse.Envelope], fingerprint: str, now: datetime | None, *, least_version: int = 1
) -> Trust:
    """Verify all versions of a trust document, oldest first.

    1. version 1 has the pinned fingerprint;
    2. each version follows its predecessor (number, digest, project, time);
    3. each is signed by the threshold of its predecessor's root keys that are neither revoked nor ended when it is issued;
    4. and by the threshold of its own, each key having proved that its party holds it;
    5. the newest is not older than the one remembered, and not expired.

    Args:
        now: clock reading; None where an expired version will do, as for those who renew it.

    Raises:
        TrustRefused, SignatureRefused, StatementRefused: a step fails.
    """
    if not envelopes:
        raise TrustRefused("no trust document", mend="`countermark trust pin FINGERPRINT --trust FILE`")
    if envelopes[0].digest != fingerprint:
        raise TrustRefused(
            "the trust document is not the pinned one",
            why=f"pinned {fingerprint}, seen {envelopes[0].digest}",
            mend="compare the fingerprint with its owner over another channel"
            if len(fingerprint) == len(envelopes[0].digest)
            else "give all 64 digits of the fingerprint, as its owner told it over another channel",
        )
    newest: TrustDocument | None = None
    digest: str | None = None
    for envelope in envelopes:
        if envelope.payload_type != PAYLOAD_TYPE:
            raise TrustRefused("this envelope is not a trust document", why=envelope.payload_type)
        document = TrustDocument.unproven(envelope.payload)
        _follows(document, newest, digest)
        if newest:  # first, so that no stranger's keys are tried or proved
            _threshold_met(envelope, newest, document.issued, f"the owners of version {newest.version}")
        document.prove()
        _threshold_met(envelope, document, document.issued, f"version {document.version}'s own owners")
        newest, digest = document, envelope.digest
    if newest is None or newest.version < least_version:
        raise TrustRefused(
            f"trust version {newest.version if newest else 0} is older than version {least_version} seen before",
            mend="ask the owner for the newest version; of a model, for papers packed since (`countermark release` packs them anew)",
        )
    trust = Trust(newest, fingerprint, tuple(envelopes))
    return trust if now is None else _unexpired(trust, now)


def _unexpired(trust: Trust, now: datetime) -> Trust:
    document = trust.document
    if now >= moment(document.expires):
        raise TrustRefused(
            f"trust version {document.version} expired on {document.expires}",
            mend="the owners sign a new version: `countermark trust renew`",
        )
    if now < moment(document.issued):
        raise TrustRefused(
            f"trust version {document.version} is from the future ({document.issued})",
            mend="check this machine's clock",
        )
    return trust


def _follows(document: TrustDocument, before: TrustDocument | None, digest: str | None) -> None:
    expected = before.version + 1 if before else 1
    if document.version != expected or document.previous != digest:
        raise TrustRefused(
            f"trust version {document.version} does not follow version {expected - 1}",
            why=f"it names predecessor {document.previous}, seen {digest}",
        )
    if before and document.project != before.project:
        raise TrustRefused(f"trust version {document.version} is of another project")
    if before and moment(document.issued) < moment(before.issued):
        raise TrustRefused(
            f"trust version {document.version} says it was issued before version {before.version}",
            mend="the owners check their clocks and sign a new draft",
        )


def root_keys(document: TrustDocument, issued: str) -> dict[str, tuple[PublicKey, str]]:
    """Key id -> root key and party id of the owners who may sign a version issued at that time."""
    return {
        k.key.id: (k.key, p.id)
        for p in document.parties
        if OWNERS & set(p.roles)
        for k in p.keys
        if k.key.use == "root" and not k.revoked and (k.not_after is None or moment(issued) < moment(k.not_after))
    }


def owners_signed(envelope: dsse.Envelope, document: TrustDocument, issued: str) -> frozenset[str]:
    """Ids of the owners of `document` whose root keys signed the envelope of a version issued at that time.

    Raises:
        SignatureRefused: a signature that names one of their keys does not verify, or none of them signed.
    """
    roots = root_keys(document, issued)
    signed = verify_envelope(envelope, {key_id: key for key_id, (key, _) in roots.items()})
    by_party: dict[str, list[PublicKey]] = {}
    for key, party in (roots[key_id] for key_id in signed):
        by_party.setdefault(party, []).append(key)
    return frozenset(party for party, keys in by_party.items() if document.party(party).enough(keys))


def _threshold_met(envelope: dsse.Envelope, document: TrustDocument, issued: str, whose: str) -> None:
    try:
        parties = owners_signed(envelope, document, issued)
    except SignatureRefused as error:
        raise TrustRefused(f"trust document is not signed by {whose}", why=error.what) from error
    if len(parties) < document.threshold:
        raise TrustRefused(
            f"trust document is signed by {len(parties)} of {whose}, {document.threshold} are needed",
            mend="`countermark trust sign` in each owner's workspace",
        )


@dataclass(frozen=True, slots=True)
class Signed:
    """A handle to an envelope whose signature counted: who signed it, in which roles, and the ids of the keys that did."""

    envelope: dsse.Envelope
    party: Party
    keys: frozenset[str]


@dataclass(frozen=True, slots=True)
class Trust:
    """A verified trust document."""

    document: TrustDocument
    fingerprint: str
    envelopes: tuple[dsse.Envelope, ...]

    def verify(self, envelope: dsse.Envelope, use: Use, now: datetime, *, leaf: int | None = None) -> Signed:
        """Verify an envelope signed by exactly one party of this project.

        Args:
            use: the only use a signing key may have. now: clock reading, for keys that end.
            leaf: ledger index of the envelope where a receipt showed one; revocation is judged by it.

        Raises:
            SignatureRefused: nobody known signed, or a signature is wrong.
            TrustRefused: the key is revoked, has ended, or parties signed together.
        """
        enrolled = {k.key.id: (p, k) for p in self.document.parties for k in p.keys if k.key.use == use}
        signed = verify_envelope(envelope, {key_id: k.key for key_id, (_, k) in enrolled.items()})
        parties = {enrolled[key_id][0].id for key_id in signed}
        for key_id in signed:
            _counts(*enrolled[key_id], now=now, leaf=leaf)
        if len(parties) != 1:
            raise TrustRefused("one statement is signed by several parties", why=", ".join(sorted(parties)))
        party = self.document.party(parties.pop())
        before = leaf is not None and party.both is not None and leaf < party.both
        if use in party.hybrid() and not before and not party.enough([enrolled[key_id][1].key for key_id in signed]):
            raise TrustRefused(
                f"{party.id} signs with a classical and a post-quantum key, and one of the two is missing",
                why="a signature may have been stripped on the way",
                mend="ask for the statement as it was signed",
            )
        return Signed(envelope, party, signed)

    def outlived(self, envelope: dsse.Envelope, use: Use, now: datetime, by: datetime | None) -> None:
        """Refuse what an ended key may have signed after its end, where witnesses could show that it did not.

        Without a quorum nobody can tell, and a receipt is enough. Signatures are verified by `verify`.

        Args:
            by: when a quorum had seen it; None where that is not shown.

        Raises:
            TrustRefused: a key that signed has ended, and a quorum did not see the statement before.
            SignatureRefused: nobody known signed.
        """
        ended = {
            k.key.id: (p, k.not_after)
            for p in self.document.parties for k in p.keys
            if k.key.use == use and k.not_after and now >= moment(k.not_after)
        }  # fmt: skip
        if not ended or not quorum.parse(self.document.quorum).needed:
            return
        enrolled = {k.key.id: k.key for p in self.document.parties for k in p.keys if k.key.use == use}
        for key_id in verify_envelope(envelope, enrolled):
            if key_id in ended and (by is None or by >= moment(ended[key_id][1])):
                party, end = ended[key_id]
                raise TrustRefused(
                    f"key {key_id[:16]} of {party.id} ended on {end}, and no quorum saw this statement before",
                    why=f"it was seen by {by:%Y-%m-%dT%H:%M:%SZ}" if by else "when it was seen is not shown",
                    mend="the party signs it again with its new key; or show it under a head that was cosigned in time",
                )

    def require(self, signed: Signed, *roles: str) -> Signed:
        """The signer must hold one of `roles`.

        Raises:
            TrustRefused: it holds none of them.
        """
        if not set(roles) & set(signed.party.roles):
            raise TrustRefused(
                f"{signed.party.id} may not say this: it needs the role {' or '.join(roles)}",
                why=f"its roles are {', '.join(signed.party.roles) or 'none'}",
                mend="the owners can add the role in the next trust version",
            )
        return signed

    def ledger_key(self) -> PublicKey:
        """The ledger operator's key.

        Raises:
            TrustRefused: the document names no such key.
        """
        operator = self.document.party(self.document.ledger_operator)
        for enrolled in operator.keys:
            if enrolled.key.use == "ledger" and not enrolled.revoked:
                return enrolled.key
        raise TrustRefused(f"{operator.id} operates the ledger but has no ledger key in the trust document")

    def former_ledger_keys(self) -> tuple[EnrolledKey, ...]:
        """The operator's ledger keys that were replaced; each counts for heads of at most `revoked.from_leaf` entries."""
        operator = self.document.party(self.document.ledger_operator)
        return tuple(k for k in operator.keys if k.key.use == "ledger" and k.revoked)

    def disowns(self, key_id: str, size: int) -> bool:
        """Whether a ledger head of `size` entries, signed by that key, lies beyond what the owners still believe of it.

        Source: TUF 5.3.11, recovery from a fast-forward attack: a head that a thief made is forgotten with his key.
        """
        gone = {k.key.id: k.revoked.from_leaf for k in self.former_ledger_keys() if k.revoked}
        return key_id in gone and size > gone[key_id]


def _counts(party: Party, enrolled: EnrolledKey, *, now: datetime, leaf: int | None) -> None:
    revoked = enrolled.revoked
    if revoked and (leaf is None or leaf >= revoked.from_leaf):
        raise TrustRefused(
            f"key {enrolled.key.id[:16]} of {party.id} is revoked: {revoked.reason}",
            why=f"nothing from ledger entry {revoked.from_leaf} on counts",
            mend="the party makes a new key (`countermark key new`) and the owners enrol it",
        )
    if enrolled.not_after and now >= moment(enrolled.not_after) and leaf is None:
        raise TrustRefused(
            f"key {enrolled.key.id[:16]} of {party.id} ended on {enrolled.not_after}",
            mend="the party makes a new key (`countermark key new`) and the owners enrol it",
        )
