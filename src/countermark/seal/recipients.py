"""The signed, versioned list of who can open a container. It lies beside the data, and says nothing about who once could.

Bytes in, a handle or an exception out. A list is of one container (asset id and commitment), names its predecessor, and is signed like all
other evidence; `Listed` is what was verified.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, replace

from countermark import canonical, dsse
from countermark.canonical import Fields
from countermark.errors import FormatRefused, StatementRefused, TrustRefused
from countermark.keys.signer import Signer, sign_envelope
from countermark.seal import registry
from countermark.seal.prelude import OTHERWISE, Prelude, derive, wipe
from countermark.seal.stanza import NO_LICENCE, Binding, Identity, Recipient, Stanza, binding

PAYLOAD_TYPE = "application/vnd.countermark.seal-recipients.v1+json"
FORMAT = 1
MOST_RECIPIENTS = 1000
MOST_BYTES = 16 << 20
NOT_REVOKED = "does not revoke what was already held: re-seal for that"


@dataclass(frozen=True, slots=True)
class Recipients:
    """A list as it is written.

    Attributes:
        asset, commit: of the container's prelude. version: 1 and up. previous: hex SHA-256 of the list before, None in version 1.
        stanzas: 1 to 1,000; names differ, and a passphrase stands alone.
    """

    asset: bytes
    commit: bytes
    version: int
    previous: str | None
    stanzas: tuple[Stanza, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.stanzas) <= MOST_RECIPIENTS:
            raise StatementRefused(f"a list of {len(self.stanzas)} recipients", why=f"1 to {MOST_RECIPIENTS} are taken")
        if len({stanza.recipient for stanza in self.stanzas}) != len(self.stanzas):
            raise StatementRefused("two recipients of one list have the same name")
        if len(self.stanzas) > 1 and any(registry.alone(stanza.kind) for stanza in self.stanzas):
            raise StatementRefused(
                "a passphrase stands alone in its list", why="whoever knows it could pass for any other",
                mend="seal once for the passphrase, and once for keys",
            )  # fmt: skip
        if (self.version == 1) != (self.previous is None):
            raise StatementRefused("only the first version of a list has no predecessor")

    @property
    def names(self) -> tuple[str, ...]:
        """Recipients' names, in order."""
        return tuple(stanza.recipient for stanza in self.stanzas)

    def to_bytes(self) -> bytes:
        """Canonical JSON payload."""
        return canonical.to_bytes(
            {
                "format": FORMAT,
                "asset": self.asset.hex(),
                "commit": self.commit.hex(),
                "version": self.version,
                "previous": self.previous,
                "recipients": [stanza.to_json() for stanza in self.stanzas],
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Recipients:
        """Parse strictly.

        Raises:
            StatementRefused: malformed, too large, or a rule of the list is broken.
        """
        fields = Fields(
            canonical.from_bytes(data, what="list of recipients", max_bytes=MOST_BYTES), "list of recipients"
        )
        if fields.integer("format") != FORMAT:
            raise StatementRefused("a list of recipients of another format", mend="a newer Countermark may read it")
        found = fields.items("recipients")
        if len(found) > MOST_RECIPIENTS:
            raise StatementRefused(f"a list of {len(found)} recipients", why=f"at most {MOST_RECIPIENTS} are taken")
        asset, commit = (bytes.fromhex(fields.hex(name)) for name in ("asset", "commit"))
        version, previous = fields.integer("version", least=1), _previous(fields)
        out = cls(asset, commit, version, previous, tuple(Stanza.from_json(one) for one in found))
        fields.done()
        if out.to_bytes() != data:
            raise StatementRefused("a list of recipients is not in its one form")
        return out

    def check(self, prelude: Prelude) -> None:
        """Refuse a list of another container.

        Raises:
            FormatRefused: asset id or commitment differ.
        """
        if (self.asset, self.commit) != (prelude.asset, prelude.commit):
            raise FormatRefused(
                "this list of recipients belongs to another sealed file",
                why=f"it names asset {self.asset.hex()}, the file is {prelude.asset.hex()}",
            )

    def with_one(self, recipient: Recipient, content_key: bytearray, licence: str = NO_LICENCE) -> Recipients:
        """The next version, with one recipient more.

        Raises:
            StatementRefused: the name is taken, or a passphrase would not stand alone. Unusable: it cannot be wrapped for.
            FormatRefused: the content key is not this container's.
        """
        if recipient.name in self.names:
            raise StatementRefused(f"{recipient.name} is in the list", mend="remove it first, or take another name")
        stanza = recipient.wrap(content_key, Binding(self.asset, self.commit, recipient.name, licence))
        return self._next((*self.stanzas, stanza))

    def without(self, name: str) -> Recipients:
        """The next version, without one; whoever was taken out may have kept the content key (`NOT_REVOKED`).

        Raises:
            StatementRefused: no such recipient, or it is the last.
        """
        if name not in self.names:
            raise StatementRefused(f"{name!r:.80} is not in the list", why=f"in it are {', '.join(self.names)[:500]}")
        return self._next(tuple(stanza for stanza in self.stanzas if stanza.recipient != name))

    def _next(self, stanzas: tuple[Stanza, ...]) -> Recipients:
        before = canonical.sha256_hex(self.to_bytes())
        return replace(self, version=self.version + 1, previous=before, stanzas=stanzas)

    def signed(self, signers: Iterable[Signer]) -> dsse.Envelope:
        """The envelope, signed by each in order."""
        return sign_envelope(PAYLOAD_TYPE, self.to_bytes(), signers)


def first(prelude: Prelude, content_key: bytearray, to: Iterable[Recipient], licences: dict[str, str]) -> Recipients:
    """Version 1 of a container's list.

    Args:
        licences: recipient's name -> hex SHA-256 of the licence that it is bound to; none for those not named.

    Raises:
        StatementRefused: a rule of the list is broken. Unusable: a recipient cannot be wrapped for.
    """
    stanzas = tuple(one.wrap(content_key, binding(prelude, one.name, licences.get(one.name, NO_LICENCE))) for one in to)
    return Recipients(prelude.asset, prelude.commit, 1, None, stanzas)


def content_key(said: Recipients, prelude: Prelude, identity: Identity) -> tuple[bytearray, Stanza]:
    """The content key of a container, and the stanza that gave it; the commitment was compared.

    The caller overwrites the key after use (`prelude.wipe`).

    Raises:
        TrustRefused: nothing in the list is for this identity, or it does not open.
        FormatRefused: the list is another container's, or its key is not what the prelude commits to.
    """
    said.check(prelude)
    mine = [stanza for stanza in said.stanzas if identity.opens(stanza)]
    if not mine:
        raise TrustRefused(
            "nobody sealed this file for that key", why=f"it is sealed for {', '.join(said.names)[:500]}",
            mend="ask its owner: `countermark recipients add FILE --for KEY`",
        )  # fmt: skip
    secret = identity.unwrap(mine[0], mine[0].bound(prelude))
    check_committed(prelude, secret)
    return secret, mine[0]


def check_committed(prelude: Prelude, content_key: bytearray) -> None:
    """Refuse, and overwrite, a content key that the prelude does not commit to.

    Raises:
        FormatRefused: it is another container's.
    """
    key, commit = derive(content_key, prelude.asset, prelude.suite, prelude.sealer)
    wipe(key)
    if not hmac.compare_digest(commit, prelude.commit):
        wipe(content_key)
        raise FormatRefused(
            "a recipient's key is not the one that this sealed file commits to",
            why=OTHERWISE,
        )


def _previous(fields: Fields) -> str | None:
    fields.any("previous")
    return fields.optional_hex("previous")
