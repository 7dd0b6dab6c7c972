"""The trust document: who the parties are, what each may say, and with which keys.

Versioned; each version is signed by a threshold of its own root keys *and* by the threshold of
the version before it (the root rotation of TUF, section 5.3). The fingerprint that people pin is
the SHA-256 of version 1. Bytes and a clock reading in, a `Trust` handle or an exception out.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from countermark import canonical, dsse
from countermark.canonical import Fields
from countermark.errors import SignatureRefused, StatementRefused, TrustRefused
from countermark.keys import quorum as policies
from countermark.keys.verifier import PublicKey, Use, verify_envelope

PAYLOAD_TYPE = "application/vnd.countermark.trust.v1+json"
FORMAT = 1
ROLES = ("data-owner", "model-owner", "supplier", "trainer", "reviewer", "operator", "licensee", "risk-owner")
OWNERS = frozenset({"data-owner", "model-owner"})
EVERYTHING = "*"
_PARTY_ID = re.compile(r"[a-z0-9-]{1,64}")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


@dataclass(frozen=True, slots=True)
class Revocation:
    """From which ledger leaf on a key or party no longer counts; earlier entries stay valid."""

    from_leaf: int
    reason: str

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        return {"fromLeaf": self.from_leaf, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class EnrolledKey:
    """A party's key, its proof of possession, its end and its revocation."""

    key: PublicKey
    proof: bytes
    not_after: str | None = None
    revoked: Revocation | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        out: dict[str, Any] = {**self.key.to_json(), "proof": base64.b64encode(self.proof).decode()}
        if self.not_after:
            out["notAfter"] = self.not_after
        if self.revoked:
            out["revoked"] = self.revoked.to_json()
        return out


@dataclass(frozen=True, slots=True)
class Party:
    """A stakeholder.

    Attributes:
        id: short name used in statements. name, organisation: for people.
        roles: of `ROLES`. scope: classes a supplier may deliver, or ``("*",)``.
    """

    id: str
    name: str
    organisation: str
    roles: tuple[str, ...]
    scope: tuple[str, ...]
    keys: tuple[EnrolledKey, ...]

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        return {
            "id": self.id,
            "name": self.name,
            "organisation": self.organisation,
            "roles": list(self.roles),
            "scope": list(self.scope),
            "keys": [k.to_json() for k in self.keys],
        }

    def covers(self, label: str) -> bool:
        """Whether the party may deliver rows of class `label`."""
        return EVERYTHING in self.scope or label in self.scope


def enrolment_bytes(party: str, key: PublicKey) -> bytes:
    """What a key signs to prove that its holder has it and meant this party and this use."""
    return b"countermark/enrolment/v1\0" + canonical.to_bytes({"party": party, "key": key.to_json()})


@dataclass(frozen=True, slots=True)
class TrustDocument:
    """One version of the trust document, as parsed or as drafted."""

    project: str
    version: int
    issued: str
    expires: str
    previous: str | None
    threshold: int
    parties: tuple[Party, ...]
    ledger_origin: str
    ledger_operator: str
    quorum: str
    policies: tuple[str, ...]

    def to_bytes(self) -> bytes:
        """Canonical JSON payload."""
        return canonical.to_bytes(
            {
                "format": FORMAT,
                "project": self.project,
                "version": self.version,
                "issued": self.issued,
                "expires": self.expires,
                "previous": self.previous,
                "threshold": self.threshold,
                "parties": [p.to_json() for p in self.parties],
                "ledger": {"origin": self.ledger_origin, "operator": self.ledger_operator},
                "quorum": self.quorum,
                "policies": list(self.policies),
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> TrustDocument:
        """Parse strictly.

        Raises:
            StatementRefused, SignatureRefused: malformed, or a proof of possession fails.
        """
        fields = Fields(canonical.from_bytes(data, what="trust document"), "trust document")
        if fields.integer("format") != FORMAT:
            raise StatementRefused("trust document of an unknown format", mend="update Countermark")
        ledger = Fields(fields.object("ledger"), "trust document: ledger")
        document = cls(
            project=fields.text("project"),
            version=fields.integer("version", least=1),
            issued=fields.text("issued"),
            expires=fields.text("expires"),
            previous=fields.optional_hex("previous"),
            threshold=fields.integer("threshold", least=1),
            parties=tuple(_party(p) for p in fields.items("parties")),
            ledger_origin=ledger.text("origin"),
            ledger_operator=ledger.text("operator"),
            quorum=fields.text("quorum", most=policies.MAX_BYTES),
            policies=fields.texts("policies"),
        )
        ledger.done()
        fields.done()
        document.check()
        return document

    def check(self) -> None:
        """Refuse a document that contradicts itself.

        Raises:
            StatementRefused: a party id that is no plain name, a doubled party or key, an unknown role, a
                threshold out of reach, bad times.
        """
        ids = [p.id for p in self.parties]
        for party_id in ids:
            if not _PARTY_ID.fullmatch(party_id):
                raise StatementRefused(
                    f"{party_id!r:.80} cannot be a party's id", why="ids become file names everywhere",
                    mend="use a-z, 0-9 and hyphens, at most 64",
                )  # fmt: skip
        keys = [k.key.id for p in self.parties for k in p.keys]
        for what, names in (("party", ids), ("key", keys)):
            if len(set(names)) != len(names):
                raise StatementRefused(
                    f"trust document names a {what} twice", mend="every key has one party and one use"
                )
        unknown = sorted({r for p in self.parties for r in p.roles} - set(ROLES))
        if unknown:
            raise StatementRefused(f"unknown role {unknown[0]!r}", mend=f"one of {', '.join(ROLES)}")
        owners = [p for p in self.parties if OWNERS & set(p.roles) and any(k.key.use == "root" for k in p.keys)]
        if self.threshold > len(owners):
            raise StatementRefused(f"threshold {self.threshold} is out of reach: {len(owners)} owners have a root key")
        self._check_quorum()
        moment(self.issued), moment(self.expires)

    def _check_quorum(self) -> None:
        """Witnesses are enrolled keys, and the ledger's operator cannot be the quorum by himself (DESIGN, rule of trust 2).

        Raises:
            StatementRefused: a witness that nobody enrolled, or a quorum within the operator's organisation.
        """
        rule = policies.parse(self.quorum)
        holders = {k.key.spki: p for p in self.parties for k in p.keys if k.key.use == "witness" and not k.revoked}
        raw = {spki[-32:]: party for spki, party in holders.items()}
        for witness in rule.witnesses:
            if witness.key.public not in raw:
                raise StatementRefused(
                    f"witness {witness.name!r:.80} is no enrolled witness key of a party",
                    mend="`countermark key new witness`, then `countermark party add` its enrolment",
                )
        own = {p.organisation for p in self.parties if p.id == self.ledger_operator}
        inside = [w.name for w in rule.witnesses if raw[w.key.public].organisation in own]
        if rule.needed and rule.satisfied(inside):
            raise StatementRefused(
                "the quorum can be met within the organisation that keeps the ledger", why=", ".join(inside)[:200],
                mend="ask for at least one witness of another organisation",
            )  # fmt: skip

    def party(self, party_id: str) -> Party:
        """A party by id.

        Raises:
            TrustRefused: nobody of that name.
        """
        for party in self.parties:
            if party.id == party_id:
                return party
        raise TrustRefused(
            f"{party_id!r} is not a party of {self.project}", mend="`countermark party add` its enrolment, then sign"
        )

    def with_party(self, party: Party) -> TrustDocument:
        """The same document with one party added or replaced."""
        others = tuple(p for p in self.parties if p.id != party.id)
        return replace(self, parties=(*others, party))


def moment(text: str) -> datetime:
    """Parse the one form of RFC 3339 that is written here: ``2026-11-23T10:00:00Z``.

    Raises:
        StatementRefused: another form, or no such time.
    """
    try:
        if _MOMENT.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError as error:
        raise StatementRefused(f"{text!r:.40} is not a time", why=str(error)) from error
    raise StatementRefused(f"{text!r:.40} is not a UTC time in whole seconds", mend="write 2026-11-23T10:00:00Z")


def _party(value: Any) -> Party:
    fields = Fields(value, "party")
    party = Party(
        id=fields.text("id", most=64),
        name=fields.text("name", most=200),
        organisation=fields.text("organisation", most=200),
        roles=fields.texts("roles"),
        scope=fields.texts("scope"),
        keys=tuple(_enrolled(k) for k in fields.items("keys")),
    )
    fields.done()
    for enrolled in party.keys:
        prove_possession(party.id, enrolled)
    return party


def _enrolled(value: Any) -> EnrolledKey:
    fields = Fields(value, "enrolled key")
    key = PublicKey.from_json({n: fields.text(n) for n in ("use", "algorithm", "spki")})
    revoked = fields.optional("revoked")
    out = EnrolledKey(key, fields.base64("proof"), fields.optional_text("notAfter"), _revocation(revoked))
    fields.done()
    return out


def _revocation(value: Any) -> Revocation | None:
    if value is None:
        return None
    fields = Fields(value, "revocation")
    out = Revocation(fields.integer("fromLeaf"), fields.text("reason"))
    fields.done()
    return out


def prove_possession(party: str, enrolled: EnrolledKey) -> None:
    """Check the self-signature that a key brought when it was enrolled.

    Raises:
        SignatureRefused: the proof is of another party, use or key.
    """
    try:
        enrolled.key.verify(enrolment_bytes(party, enrolled.key), enrolled.proof)
    except SignatureRefused as error:
        raise SignatureRefused(
            f"{party}: key {enrolled.key.id[:16]} brings no proof of possession",
            mend="enrol again with the file that `countermark init` wrote",
        ) from error


def verify_chain(
    envelopes: Sequence[dsse.Envelope], fingerprint: str, now: datetime | None, *, least_version: int = 1
) -> Trust:
    """Verify all versions of a trust document, oldest first.

    1. version 1 has the pinned fingerprint;
    2. each version follows its predecessor (number, digest, project, time);
    3. each is signed by the threshold of its own root keys that are neither revoked nor ended when it is issued;
    4. and by the threshold of its predecessor's;
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
            mend="compare the fingerprint with its owner over another channel",
        )
    newest: TrustDocument | None = None
    digest: str | None = None
    for envelope in envelopes:
        if envelope.payload_type != PAYLOAD_TYPE:
            raise TrustRefused("this envelope is not a trust document", why=envelope.payload_type)
        document = TrustDocument.from_bytes(envelope.payload)
        _follows(document, newest, digest)
        _threshold_met(envelope, document, document.issued, f"version {document.version}'s own owners")
        if newest:
            _threshold_met(envelope, newest, document.issued, f"the owners of version {newest.version}")
        newest, digest = document, envelope.digest
    if newest is None or newest.version < least_version:
        raise TrustRefused(
            f"trust version {newest.version if newest else 0} is older than version {least_version} seen before",
            mend="ask the owner for the newest version",
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
    return frozenset(roots[key_id][1] for key_id in signed)


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
    """A handle to an envelope whose signature counted: who signed it, in which roles."""

    envelope: dsse.Envelope
    party: Party


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
        return Signed(envelope, self.document.party(parties.pop()))

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
