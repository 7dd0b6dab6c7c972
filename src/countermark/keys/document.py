"""The trust document as it is written: who the parties are, what each may say, and with which keys.

Parsed strictly, proofs of possession included; whether a version counts is told by `trust.verify_chain`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from countermark import canonical
from countermark.canonical import Fields
from countermark.errors import SignatureRefused, StatementRefused, TrustRefused
from countermark.keys import quorum as policies
from countermark.keys.lookalikes import refuse_lookalikes
from countermark.keys.verifier import POST_QUANTUM, PublicKey, Use
from countermark.keys.watchers import Watcher, refuse_weak

PAYLOAD_TYPE = "application/vnd.countermark.trust.v1+json"
FORMAT = 1
MAX_PARTIES = MAX_KEYS = 10_000
ROLES = ("data-owner", "model-owner", "supplier", "trainer", "reviewer", "operator", "licensee", "risk-owner")
OWNERS = frozenset({"data-owner", "model-owner"})
EVERYTHING, BOTH = "*", "both"
HYBRID: tuple[Use, ...] = ("statement", "root")
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
        both: the policy word ``both``: from this ledger leaf on, and in all that is not entered yet, what it says counts only
            where a classical and a post-quantum key signed; None where one signature is enough.
    """

    id: str
    name: str
    organisation: str
    roles: tuple[str, ...]
    scope: tuple[str, ...]
    keys: tuple[EnrolledKey, ...]
    both: int | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        word = {} if self.both is None else {"signatures": {BOTH: {"fromLeaf": self.both}}}
        return {
            **word,
            "id": self.id,
            "name": self.name,
            "organisation": self.organisation,
            "roles": list(self.roles),
            "scope": list(self.scope),
            "keys": [k.to_json() for k in self.keys],
        }

    def hybrid(self) -> frozenset[Use]:
        """The uses in which it must sign with both kinds of keys."""
        held = {k.key.use for k in self.keys if not k.revoked}
        return frozenset(use for use in HYBRID if use in held) if self.both is not None else frozenset()

    def enough(self, signed: Collection[PublicKey]) -> bool:
        """Whether signatures by these keys of the party count as its word."""
        return bool(signed) and (self.both is None or len({key.algorithm in POST_QUANTUM for key in signed}) == 2)

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
        document = cls.unproven(data)
        document.prove()
        return document

    @classmethod
    def unproven(cls, data: bytes) -> TrustDocument:
        """Parse strictly, without the proofs of possession: those of a stranger's document could take minutes.

        Raises:
            StatementRefused, SignatureRefused: malformed.
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
            parties=tuple(_party(p) for p in _bounded(fields.items("parties"))),
            ledger_origin=ledger.text("origin"),
            ledger_operator=ledger.text("operator"),
            quorum=fields.text("quorum", most=policies.MAX_BYTES),
            policies=fields.texts("policies"),
        )
        ledger.done()
        fields.done()
        document.check()
        return document

    def prove(self) -> None:
        """Check every proof of possession.

        Raises:
            SignatureRefused: one fails.
        """
        for party in self.parties:
            for enrolled in party.keys:
                prove_possession(party.id, enrolled)

    def check(self) -> None:
        """Refuse a document that contradicts itself.

        Raises:
            StatementRefused: a party id that is no plain name, a doubled party or key, an unknown role, a
                threshold out of reach, bad times, names that pass for others.
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
        for party in self.parties:
            for use in party.hybrid():
                if not party.enough([k.key for k in party.keys if k.key.use == use and not k.revoked]):
                    raise StatementRefused(
                        f"{party.id} needs a classical and a post-quantum {use} key, because it signs with both",
                        mend=f"`countermark key new {use} --algorithm ml-dsa-65`, then `countermark party add`",
                    )
        owners = [p for p in self.parties if OWNERS & set(p.roles) and any(k.key.use == "root" for k in p.keys)]
        if self.threshold > len(owners):
            raise StatementRefused(f"threshold {self.threshold} is out of reach: {len(owners)} owners have a root key")
        refuse_lookalikes((p.name for p in self.parties), "name")
        refuse_lookalikes((p.organisation for p in self.parties), "organisation")
        self._check_quorum()
        moment(self.issued), moment(self.expires)

    def _check_quorum(self) -> None:
        """The quorum is of enrolled witnesses, not of those who keep the ledger, and about this ledger (`watchers`)."""
        here = [Watcher(p.id, p.organisation, k.key.raw()) for p, k in self._keys("witness")]
        ledger = [(self.ledger_origin, k.key.raw()) for p, k in self._keys("ledger") if p.id == self.ledger_operator]
        own = [p.organisation for p in self.parties if p.id == self.ledger_operator]
        refuse_weak(policies.parse(self.quorum), here, own, ledger)

    def _keys(self, use: Use) -> Iterator[tuple[Party, EnrolledKey]]:
        """Keys of that use that notes can carry and that were not revoked, with who holds them."""
        for party in self.parties:
            for key in party.keys:
                if key.key.use == use and key.key.algorithm in ("ed25519", "ml-dsa-44") and not key.revoked:
                    yield party, key

    def party(self, party_id: str) -> Party:
        """A party by id.

        Raises:
            TrustRefused: nobody of that name.
        """
        for party in self.parties:
            if party.id == party_id:
                return party
        raise TrustRefused(
            f"{party_id!r} is not a party of {self.project}",
            mend="`countermark party list` names those that are; an owner adds others by `countermark party add`",
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
        both=_both(fields.optional("signatures")),
    )
    fields.done()
    return party


def _bounded(parties: list[Any]) -> list[Any]:
    """Parties, before anything is made of them."""
    listed = [p.get("keys") for p in parties if isinstance(p, dict)]
    keys = sum(len(k) for k in listed if isinstance(k, list))
    if len(parties) > MAX_PARTIES or keys > MAX_KEYS:
        raise StatementRefused(
            f"trust document of {len(parties)} parties and {keys} keys", why=f"at most {MAX_PARTIES} and {MAX_KEYS}"
        )
    return parties


def _both(value: Any) -> int | None:
    """First leaf from which both kinds of signatures are needed."""
    if value is None:
        return None
    fields = Fields(value, "signatures")
    word = Fields(fields.object(BOTH), f"signatures: {BOTH}")
    leaf = word.integer("fromLeaf")
    word.done()
    fields.done()
    return leaf


def _enrolled(value: Any) -> EnrolledKey:
    fields = Fields(value, "enrolled key")
    key = PublicKey.from_json({n: fields.text(n) for n in ("use", "algorithm", "spki")})
    revoked = fields.optional("revoked")
    out = EnrolledKey(key, fields.base64("proof"), fields.optional_text("notAfter"), _revocation(revoked))
    fields.done()
    if out.not_after is not None:
        moment(out.not_after)
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
