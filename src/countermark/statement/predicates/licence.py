"""A licence, and what is said about one later: return receipt and revocation list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from countermark.canonical import Fields
from countermark.errors import StatementRefused
from countermark.keys.document import moment
from countermark.statement.predicates.licence_claims import Claims
from countermark.statement.statement import Context, predicate_type

LICENCE = predicate_type("licence")
LICENCE_LIST = predicate_type("licence-revocations")
RETURN = predicate_type("licence-return")
MOST_REVOKED = 100_000
Destroyed = Literal["element", "promise", "broker"]
DESTROYED: tuple[Destroyed, ...] = get_args(Destroyed)


@dataclass(frozen=True, slots=True)
class Licence:
    """A grant.

    Attributes:
        parent: payload digest of the licence that this one narrows, hex; None for a grant by an owner.
    """

    context: Context
    parent: str | None
    claims: Claims

    def to_json(self) -> dict[str, Any]:
        """Predicate."""
        return {"context": self.context.to_json(), "parent": self.parent, "claims": self.claims.to_json()}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Licence:
        """Parse strictly.

        Raises:
            StatementRefused, SignatureRefused: malformed.
        """
        fields = Fields(value, "licence")
        out = cls(
            Context.from_json(fields.object("context")),
            fields.optional_hex("parent"),
            Claims.from_json(fields.object("claims")),
        )
        fields.done()
        moment(out.context.time)
        return out


@dataclass(frozen=True, slots=True)
class RevokedLicences:
    """All licences of one licensor that no longer count.

    Attributes:
        epoch: 1, 2, 3...; a higher one replaces a lower one. licences: payload digests, hex; sublicences fall with them.
        next_update: RFC 3339 UTC; from then on the list is too old to be relied on.
    """

    context: Context
    epoch: int
    licences: frozenset[str]
    next_update: str

    def to_json(self) -> dict[str, Any]:
        """Predicate."""
        return {
            "context": self.context.to_json(),
            "epoch": self.epoch,
            "licences": sorted(self.licences),
            "next_update": self.next_update,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> RevokedLicences:
        """Parse strictly.

        Raises:
            StatementRefused: malformed, too long, or it ends before it begins.
        """
        fields = Fields(value, "list of revoked licences")
        context, epoch = Context.from_json(fields.object("context")), fields.integer("epoch", least=1)
        revoked = fields.items("licences")
        if len(revoked) > MOST_REVOKED:
            raise StatementRefused(f"{len(revoked)} licences are revoked at once, at most {MOST_REVOKED} are taken")
        listed = [Fields({"licence": one}, "list of revoked licences").hex("licence") for one in revoked]
        out = cls(context, epoch, frozenset(listed), fields.text("next_update", most=40))
        fields.done()
        if moment(out.next_update) <= moment(context.time):
            raise StatementRefused("a list of revoked licences is outdated when it is made")
        return out


@dataclass(frozen=True, slots=True)
class ReturnReceipt:
    """The licensee gives a licence back.

    Attributes:
        licence: payload digest, hex. destroyed: ``element``: a trusted element destroyed the host's key and says so in `proof`;
            ``promise``: nobody but the licensee says so; ``broker``: the broker that counts takes no more of this host, and says so in
            `proof`. host: id of the host's key, hex; "" where no host was bound. proof: evidence, base64; "" for a promise.
    """

    context: Context
    licence: str
    destroyed: Destroyed
    host: str
    proof: str = ""

    def to_json(self) -> dict[str, Any]:
        """Predicate."""
        return {
            "context": self.context.to_json(),
            "licence": self.licence,
            "destroyed": self.destroyed,
            "host": self.host,
            "proof": self.proof,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> ReturnReceipt:
        """Parse strictly.

        Raises:
            StatementRefused: malformed, or it speaks of an element or broker and brings no proof.
        """
        fields = Fields(value, "return receipt")
        context, licence = Context.from_json(fields.object("context")), fields.hex("licence")
        seen, host, proof = fields.text("destroyed"), fields.text("host", most=64), fields.text("proof", most=1 << 16)
        fields.done()
        for word in DESTROYED:
            if word == seen and (word != "promise") == bool(proof):
                return cls(context, licence, word, host, proof)
        raise StatementRefused(f"return receipt: destroyed is {seen!r:.40}, and its proof does not fit that")
