"""Sealed fields: a document whose named values are encrypted for named parties, and whose every value is committed to for all.

Each leaf of the document is a field: its path, and a digest of a label, 32 random bytes and the canonical JSON of path and value. An open
field shows value and salt; a sealed one holds both encrypted, in a group of fields with the same parties (one content key, committed to as
a container's is). Each digest has the sealer's key id in it, as each group's key commitment has: nobody else can pass a commitment off as
his own, nor a value that he cannot read. Everybody verifies the signature and sees which fields there are; whoever is told value and salt of one compares
its digest. A field that did not change keeps its salt in the next version, so that equal digests prove it to all, and show nothing.
"""

from __future__ import annotations

import base64
import hmac
import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidTag

from countermark import canonical, dsse
from countermark.canonical import Fields
from countermark.errors import FormatRefused, StatementRefused, TrustRefused
from countermark.keys.signer import Signer, sign_envelope
from countermark.seal import recipients as lists
from countermark.seal.manifest import ASK, Authority, check_time, sealed_by
from countermark.seal.prelude import BYTES, Prelude, wipe
from countermark.seal.recipients import Recipients
from countermark.seal.stanza import Identity, Stanza

PAYLOAD_TYPE = "application/vnd.countermark.sealed-fields.v1+json"
FORMAT = 1
MOST_BYTES = 16 << 20
MOST_FIELDS, MOST_DEPTH, MOST_GROUPS = 10_000, 16, 64
_LABEL = b"countermark/seal/field/v1\0"
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Opening:
    """One field with what proves it: what is told to somebody who shall believe one value.

    Attributes:
        path: keys from the document's root. value: JSON. salt: 32 random bytes.
    """

    path: Path
    value: Any
    salt: bytes = field(repr=False)

    def digest(self, sealer: str) -> str:
        """Its commitment, hex, by the sealer with that key id."""
        said = canonical.to_bytes({"path": list(self.path), "value": self.value})
        return canonical.sha256_hex(_LABEL + self.salt + bytes.fromhex(sealer) + said)

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return canonical.to_bytes({"path": list(self.path), "value": self.value, "salt": self.salt.hex()})

    @classmethod
    def from_json(cls, value: Any) -> Opening:
        """Parse strictly.

        Raises:
            StatementRefused: malformed.
        """
        fields = Fields(value, "field")
        out = cls(_path(fields), fields.any("value"), bytes.fromhex(fields.hex("salt")))
        fields.done()
        return out


@dataclass(frozen=True, slots=True)
class Field:
    """One field as everybody sees it: `opening` where it is open, else where its ciphertext stands.

    Attributes:
        path: as of `Opening`. digest: its commitment. group: index of its group. sealed: ciphertext and tag.
    """

    path: Path
    digest: str
    opening: Opening | None = None
    group: int = 0
    sealed: bytes = b""

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        said: dict[str, Any] = {"path": list(self.path), "digest": self.digest}
        if self.opening is not None:
            return {**said, "value": self.opening.value, "salt": self.opening.salt.hex()}
        return {**said, "group": self.group, "sealed": base64.b64encode(self.sealed).decode()}

    @classmethod
    def from_json(cls, value: Any, sealer: str) -> Field:
        """Parse strictly; an open field must have its digest, by that sealer.

        Raises:
            StatementRefused: malformed, or an open value is not the committed one.
        """
        fields = Fields(value, "field")
        path, digest = _path(fields), fields.hex("digest")
        if "sealed" in value:
            out = cls(path, digest, None, fields.integer("group"), fields.base64("sealed"))
        else:
            out = cls(path, digest, Opening(path, fields.any("value"), bytes.fromhex(fields.hex("salt"))))
            check(out, out.opening, sealer)
        fields.done()
        return out


@dataclass(frozen=True, slots=True)
class Document:
    """A document with sealed fields.

    Attributes:
        name: of the file. sealer: id of the key that must have signed this, hex. issued: RFC 3339. project: fingerprint, or "". fields: in path order. groups: prelude (its chunks count the group's
            fields) and list of recipients of each.
    """

    name: str
    sealer: str
    project: str
    issued: str
    fields: tuple[Field, ...]
    groups: tuple[tuple[Prelude, Recipients], ...]

    def __post_init__(self) -> None:
        check_time(self.issued)
        paths = [one.path for one in self.fields]
        if not 1 <= len(paths) <= MOST_FIELDS or len(self.groups) > MOST_GROUPS:
            raise StatementRefused(f"a document of {len(paths)} fields in {len(self.groups)} groups")
        if paths != sorted(set(paths)):
            raise StatementRefused("a document's fields stand twice, or not in order")
        if any(two[: len(one)] == one for one, two in itertools.pairwise(paths)):
            raise StatementRefused("a field of a document lies inside another")
        held = [one.group for one in self.fields if one.opening is None]
        if any(group >= len(self.groups) for group in held):
            raise StatementRefused("a sealed field names no group of this document")
        for number, (prelude, listed) in enumerate(self.groups):
            listed.check(prelude)
            if prelude.sealer.hex() != self.sealer:
                raise StatementRefused("a group of a document was sealed with another key than the document", mend=ASK)
            if prelude.chunks != held.count(number):
                raise StatementRefused("a group of a document has another number of fields than it says")

    def to_bytes(self) -> bytes:
        """Canonical JSON payload."""
        groups = [
            {"prelude": p.to_bytes().hex(), "recipients": [s.to_json() for s in r.stanzas]} for p, r in self.groups
        ]
        return canonical.to_bytes(
            {
                "format": FORMAT,
                "name": self.name,
                "sealer": self.sealer,
                "project": self.project,
                "issued": self.issued,
                "fields": [one.to_json() for one in self.fields],
                "groups": groups,
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Document:
        """Parse strictly.

        Raises:
            StatementRefused, FormatRefused: malformed, too large, or an open value is not the committed one.
        """
        what = "document with sealed fields"
        fields = Fields(canonical.from_bytes(data, what=what, max_bytes=MOST_BYTES), what)
        if fields.integer("format") != FORMAT:
            raise StatementRefused(f"a {what} of another format", mend="a newer Countermark may read it")
        found, groups = fields.items("fields"), fields.items("groups")
        if len(found) > MOST_FIELDS or len(groups) > MOST_GROUPS:
            raise StatementRefused(
                f"a {what} is too large", why=f"{MOST_FIELDS} fields and {MOST_GROUPS} groups are taken"
            )
        name, sealer = fields.text("name", most=255), fields.hex("sealer")
        project, issued = fields.text("project", most=64), fields.text("issued", most=40)
        shown = tuple(Field.from_json(one, sealer) for one in found)
        out = cls(name, sealer, project, issued, shown, tuple(map(_group, groups)))
        fields.done()
        if out.to_bytes() != data:
            raise StatementRefused(f"a {what} is not in its one form")
        return out

    def signed(self, signers: Iterable[Signer]) -> dsse.Envelope:
        """The envelope, signed by each in order."""
        return sign_envelope(PAYLOAD_TYPE, self.to_bytes(), signers)

    def same(self, other: Document) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
        """Paths that are proven to have the same value in both, and all others of either; needs no key.

        Of two sealers nothing is proven: one can copy the other's digests, and sign that they are his.
        """
        mine, theirs = ({one.path: one.digest for one in doc.fields} for doc in (self, other))
        shared = mine.keys() & theirs.keys() if self.sealer == other.sealer else set()
        equal = {path for path in shared if mine[path] == theirs[path]}
        return tuple(sorted(equal)), tuple(sorted((mine.keys() | theirs.keys()) - equal))


def verified(envelope: dsse.Envelope, authority: Authority, *, project: str = "") -> tuple[Document, str]:
    """The document, and who sealed it; needs no key, and covers sealed fields too.

    Raises:
        SignatureRefused, TrustRefused: nobody who counts signed, or not the sealer that it names, or it is of another project. StatementRefused, FormatRefused: malformed.
    """
    if envelope.payload_type != PAYLOAD_TYPE:
        raise StatementRefused(f"an envelope of type {envelope.payload_type!r:.120} holds no sealed fields")
    signed = authority(envelope)
    document = Document.from_bytes(envelope.payload)
    who = sealed_by(document.sealer, signed)
    if project and document.project != project:
        raise TrustRefused("this document was sealed in another project", why=f"it names {document.project or 'none'}")
    return document, who


def check(shown: Field, opening: Opening | None, sealer: str) -> None:
    """Hold what somebody tells of a field against its commitment, in a document by that sealer.

    Raises:
        FormatRefused: another path, value or salt, or a commitment that is another sealer's.
    """
    told = "" if opening is None or opening.path != shown.path else opening.digest(sealer)
    if not hmac.compare_digest(told, shown.digest):
        raise FormatRefused(f"field {'.'.join(shown.path)!r:.120} does not have the value that was committed to")


def opened(document: Document, identity: Identity) -> tuple[Opening, ...]:
    """All fields that an identity can read, open ones included, each held against its commitment.

    Raises:
        FormatRefused: a field or key is not what was committed to. TrustRefused: a key for this identity does not open.
    """
    out = [one.opening for one in document.fields if one.opening is not None]
    for number, (prelude, listed) in enumerate(document.groups):
        if not any(identity.opens(stanza) for stanza in listed.stanzas):
            continue
        content_key, _ = lists.content_key(listed, prelude, identity)
        try:
            cipher = prelude.cipher(content_key)
        finally:
            wipe(content_key)
        out += [
            _open(cipher, prelude, n, one)
            for n, one in enumerate(f for f in document.fields if f.opening is None and f.group == number)
        ]
    return tuple(sorted(out, key=lambda one: one.path))


def _open(cipher: Any, prelude: Prelude, number: int, shown: Field) -> Opening:
    try:
        text = cipher.decrypt(prelude.nonce(number), shown.sealed, prelude.aad() + bytes.fromhex(shown.digest))
    except InvalidTag as error:
        raise FormatRefused(
            f"field {'.'.join(shown.path)!r:.120} does not open", why="whoever sealed it wrote it so"
        ) from error
    opening = Opening.from_json(canonical.from_bytes(text, what="sealed field", max_bytes=MOST_BYTES))
    check(shown, opening, prelude.sealer.hex())
    return opening


def joined(openings: Iterable[Opening]) -> dict[str, Any]:
    """The document again, as far as its fields are known."""
    out: dict[str, Any] = {}
    for one in openings:
        at = out
        for key in one.path[:-1]:
            at = at.setdefault(key, {})
        at[one.path[-1]] = one.value
    return out


def _path(fields: Fields) -> Path:
    path = fields.texts("path")
    if not 1 <= len(path) <= MOST_DEPTH:
        raise StatementRefused(f"a field's path has {len(path)} parts", why=f"1 to {MOST_DEPTH}")
    return path


def _group(value: Any) -> tuple[Prelude, Recipients]:
    fields = Fields(value, "group")
    prelude = Prelude.from_bytes(bytes.fromhex(fields.hex("prelude", size=BYTES)))
    found = fields.items("recipients")
    if len(found) > lists.MOST_RECIPIENTS:
        raise StatementRefused(f"a group of {len(found)} recipients", why=f"at most {lists.MOST_RECIPIENTS} are taken")
    fields.done()
    return prelude, Recipients(prelude.asset, prelude.commit, 1, None, tuple(map(Stanza.from_json, found)))
