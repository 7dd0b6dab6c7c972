"""Enrolling: what a party hands to the owners, its name and public keys, each with a proof of possession."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from countermark import canonical
from countermark.canonical import Fields
from countermark.errors import StatementRefused, Unusable
from countermark.keys import held
from countermark.keys.document import OWNERS, EnrolledKey, Party, enrolment_bytes, moment, prove_possession
from countermark.keys.verifier import PublicKey, Use
from countermark.lifecycle.desk import Desk

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What a party hands to the owners: who it is and its public keys, each with a proof of possession."""

    id: str
    name: str
    organisation: str
    keys: tuple[EnrolledKey, ...]

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return canonical.to_bytes(
            {
                "format": FORMAT,
                "id": self.id,
                "name": self.name,
                "organisation": self.organisation,
                "keys": [k.to_json() for k in self.keys],
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Enrolment:
        """Parse strictly and check every proof of possession.

        Raises:
            StatementRefused, SignatureRefused: malformed, or a proof fails.
        """
        fields = Fields(canonical.from_bytes(data, what="enrolment"), "enrolment")
        if fields.integer("format") != FORMAT:
            raise StatementRefused("enrolment of an unknown format", mend="update Countermark")
        out = cls(
            fields.text("id", most=64), fields.text("name", most=200), fields.text("organisation", most=200),
            tuple(_enrolled(k) for k in fields.items("keys")),
        )  # fmt: skip
        fields.done()
        for key in out.keys:
            prove_possession(out.id, key)
        return out

    def party(self, roles: Sequence[str], scope: Sequence[str]) -> Party:
        """The party as the owners enrol it."""
        return Party(self.id, self.name, self.organisation, tuple(roles), tuple(scope), self.keys)


def _enrolled(value: Any) -> EnrolledKey:
    fields = Fields(value, "enrolled key")
    key = PublicKey.from_json({n: fields.text(n) for n in ("use", "algorithm", "spki")})
    out = EnrolledKey(key, fields.base64("proof"), fields.optional_text("notAfter"))
    fields.done()
    if out.not_after is not None:
        moment(out.not_after)
    return out


def enrolment(desk: Desk) -> Enrolment:
    """This party's enrolment, signed by each of its keys."""
    who = desk.space.party()
    keys = []
    for key in held.every(desk.space.home / "keys"):
        if key.use != "guard":
            signer = key.open(desk.passphrase)
            keys.append(EnrolledKey(signer.public, signer.sign(enrolment_bytes(who["id"], signer.public))))
    return Enrolment(who["id"], who["name"], who["organisation"], tuple(keys))


def uses_for(roles: Sequence[str], *, ledger: bool = False) -> tuple[Use, ...]:
    """The single-use keys that a party of these roles needs."""
    uses: list[Use] = ["statement"]
    if OWNERS & set(roles):
        uses.append("root")
    if "model-owner" in roles:
        uses.append("oms")
    if ledger:
        uses.append("ledger")
    return tuple(uses)


def unusable_name(party_id: str) -> None:
    """Refuse party ids that make poor file names.

    Raises:
        Unusable: empty, too long, or with other characters than ``a-z 0-9 -``.
    """
    allowed = set("abcdefghijklmnopqrstuvwxyz0123456789-")
    if not 1 <= len(party_id) <= 64 or set(party_id) - allowed:
        raise Unusable(f"{party_id!r} cannot be a party's name", mend="use a-z, 0-9 and hyphens, at most 64")
