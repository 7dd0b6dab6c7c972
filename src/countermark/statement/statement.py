"""in-toto Statement v1: what is said about which digest.

Source: in-toto attestation framework, spec/v1/statement.md. Bytes in, values or exceptions out.
Every statement binds the project (the trust document's fingerprint), whom it is addressed to and
its place in the signer's sequence, so that it can neither be replayed elsewhere nor passed off as new.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from countermark import canonical
from countermark.artefact.tree import DIGEST_NAME
from countermark.canonical import Fields
from countermark.errors import StatementRefused

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
MAX_SUBJECTS = 1024
EVERYBODY = "*"


def predicate_type(name: str) -> str:
    """Type URI of one of our own predicates."""
    return f"urn:countermark:predicate:{name}:v1"


@dataclass(frozen=True, slots=True)
class Context:
    """Where a statement stands.

    Attributes:
        project: fingerprint of the trust document, hex. addressee: party id, or ``"*"`` for everybody.
        sequence: 1, 2, 3... per signer and addressee where order matters, else 0.
        previous: hex digest of the statement before this one in that sequence.
        time: RFC 3339 UTC as the signer claims it.
    """

    project: str
    addressee: str
    time: str
    sequence: int = 0
    previous: str | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        return {
            "project": self.project,
            "addressee": self.addressee,
            "sequence": self.sequence,
            "previous": self.previous,
            "time": self.time,
        }

    @classmethod
    def from_json(cls, value: Any) -> Context:
        """Parse strictly.

        Raises:
            StatementRefused: malformed.
        """
        fields = Fields(value, "statement context")
        out = cls(
            project=fields.hex("project"),
            addressee=fields.text("addressee", most=64),
            sequence=fields.integer("sequence"),
            previous=fields.optional_hex("previous"),
            time=fields.text("time", most=40),
        )
        fields.done()
        return out


@dataclass(frozen=True, slots=True)
class Statement:
    """A parsed statement; the signed bytes stay in its envelope."""

    name: str
    digest: str
    predicate_type: str
    predicate: dict[str, Any]
    files: tuple[tuple[str, str], ...] = ()

    def to_bytes(self) -> bytes:
        """Canonical payload bytes.

        The first subject is the tree digest; `files` are further subjects with their SHA-256.
        """
        subjects: list[dict[str, Any]] = [{"name": self.name, "digest": {DIGEST_NAME: self.digest}}]
        subjects += [{"name": name, "digest": {"sha256": digest}} for name, digest in self.files]
        return canonical.to_bytes(
            {
                "_type": STATEMENT_TYPE,
                "subject": subjects,
                "predicateType": self.predicate_type,
                "predicate": self.predicate,
            }
        )

    @classmethod
    def from_bytes(cls, payload: bytes, *, what: str = "statement") -> Statement:
        """Parse strictly.

        Raises:
            StatementRefused: malformed, no subject, a subject without a tree digest, unknown fields.
        """
        fields = Fields(canonical.from_bytes(payload, what=what), what)
        if fields.text("_type") != STATEMENT_TYPE:
            raise StatementRefused(f"{what} is not an in-toto Statement v1")
        subjects = fields.items("subject")
        if not 1 <= len(subjects) <= MAX_SUBJECTS:
            raise StatementRefused(f"{what} has {len(subjects)} subjects; 1 to {MAX_SUBJECTS} are taken")
        name, digest = _subject(subjects[0], DIGEST_NAME)
        out = cls(
            name,
            digest,
            fields.text("predicateType"),
            fields.object("predicate"),
            tuple(_subject(s, "sha256") for s in subjects[1:]),
        )
        fields.done()
        return out


def _subject(value: Any, algorithm: str) -> tuple[str, str]:
    fields = Fields(value, "subject")
    digests = Fields(fields.object("digest"), f"subject digest ({algorithm} is needed)")
    out = fields.text("name", most=512), digests.hex(algorithm)
    fields.done()
    return out
