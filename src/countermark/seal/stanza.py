"""One recipient's copy of a content key, and what those must be able to do who write and open such copies.

A recipient lies outside prelude and chunks, so that one is added or removed without touching data. A copy is bound to the container
(asset id and key commitment), to the recipient's name and to a licence: a kind of stanza that can authenticate more than the key
authenticates `Binding.info`; one that cannot (AES key wrap) is held by the commitment, which fits one container only.

A new kind is a module with two classes, entered in `registry`:

* a `Recipient`: the public side, which wraps;
* an `Identity`: the private side, which says which stanzas are its own, and unwraps them.
"""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from countermark import canonical
from countermark.canonical import Fields
from countermark.errors import StatementRefused
from countermark.seal.prelude import Prelude

MOST_WRAPPED = 8 << 10
MOST_PARAMETERS, MOST_PARAMETER = 16, 4 << 10
NO_LICENCE = "0" * 64
_KIND = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_LABEL = re.compile(rb"[a-z0-9/-]{1,64}")
Parameter = str | int


@dataclass(frozen=True, slots=True)
class Binding:
    """What a wrapped key belongs to.

    Attributes:
        asset, commit: of the prelude, 32 bytes each. recipient: name in the list. licence: hex SHA-256 of the licence's payload, or `NO_LICENCE`.
    """

    asset: bytes
    commit: bytes
    recipient: str
    licence: str = NO_LICENCE

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.recipient):
            raise StatementRefused(
                f"{self.recipient!r:.80} cannot name a recipient", mend="1 to 64 of a-z, 0-9, dot, dash and underscore"
            )
        if len(self.licence) != 64 or set(self.licence) - set("0123456789abcdef"):
            raise StatementRefused(f"{self.licence!r:.80} is no licence digest", mend="64 hexadecimal digits")

    def info(self, label: bytes) -> bytes:
        """``label NUL || asset id || commit || length and bytes of the recipient's name || licence digest``.

        Args:
            label: what it is used for, such as ``countermark/seal/hpke/v1``; it holds no NUL, so that the whole has one reading.
        """
        if not _LABEL.fullmatch(label):
            raise ValueError("a label is of a-z, 0-9, slash and dash")
        name = self.recipient.encode()
        return b"%s\0%s%s%s%s%s" % (
            label, self.asset, self.commit, struct.pack(">H", len(name)), name, bytes.fromhex(self.licence),
        )  # fmt: skip


def binding(prelude: Prelude, recipient: str, licence: str = NO_LICENCE) -> Binding:
    """The binding of one recipient of a container."""
    return Binding(prelude.asset, prelude.commit, recipient, licence)


@dataclass(frozen=True, slots=True)
class Stanza:
    """A content key as one recipient can open it.

    Attributes:
        kind: which `Recipient` wrote it. recipient: name, unique in a list. key: hex SHA-256 that identifies the recipient's key, "" where
            there is none to identify (a passphrase). wrapped: at most 8 KiB. licence: hex SHA-256 of the licence that it is bound to, or `NO_LICENCE`.
        parameters: what the kind needs beside, public: texts of at most 4 KiB and natural numbers.
    """

    kind: str
    recipient: str
    key: str
    wrapped: bytes = field(repr=False)
    licence: str = NO_LICENCE
    parameters: Mapping[str, Parameter] = field(default_factory=dict)

    def bound(self, prelude: Prelude) -> Binding:
        """What it must be bound to as a stanza of that container."""
        return Binding(prelude.asset, prelude.commit, self.recipient, self.licence)

    def to_json(self) -> dict[str, Any]:
        """JSON object; always with all fields."""
        return {
            "kind": self.kind,
            "recipient": self.recipient,
            "key": self.key,
            "wrapped": base64.b64encode(self.wrapped).decode(),
            "licence": self.licence,
            "parameters": dict(self.parameters),
        }

    @classmethod
    def from_json(cls, value: Any) -> Stanza:
        """Parse strictly. A kind that nobody here knows is kept: others of the list can still be opened.

        Raises:
            StatementRefused: malformed or too large.
        """
        fields = Fields(value, "recipient")
        kind, name = fields.text("kind", most=40), fields.text("recipient", most=64)
        key = fields.text("key", most=64)
        if not _KIND.fullmatch(kind) or not _NAME.fullmatch(name):
            raise StatementRefused(
                f"a recipient's kind {kind!r:.50} or name {name!r:.80} is not of a-z, 0-9 and dashes"
            )
        if key:
            fields.hex("key")
        text = fields.text("wrapped", most=(MOST_WRAPPED + 2) // 3 * 4)
        wrapped = fields.base64("wrapped")
        out = cls(kind, name, key, wrapped, fields.hex("licence"), _parameters(fields.object("parameters")))
        fields.done()
        if out.to_json()["wrapped"] != text:
            raise StatementRefused(f"the key of recipient {name!r} is not in the one form of base64")
        return out


def _parameters(found: dict[str, Any]) -> dict[str, Parameter]:
    if len(found) > MOST_PARAMETERS or not all(_KIND.fullmatch(name.lower()) for name in found):
        raise StatementRefused("a recipient's parameters are too many, or of no such names")
    for name, value in found.items():
        if type(value) is int and 0 <= value <= canonical.MAX_INTEGER:
            continue
        if not isinstance(value, str) or len(value) > MOST_PARAMETER or canonical.unprintable(value):
            raise StatementRefused(f"a recipient's parameter {name!r} is neither a short text nor a natural number")
    return found


class Recipient(Protocol):
    """The public side: writes a stanza. Holds no secret, but for a passphrase."""

    @property
    def kind(self) -> str:
        """Its name in the registry and in stanzas."""

    @property
    def name(self) -> str:
        """The recipient's name in the list."""

    def wrap(self, content_key: bytearray, bound: Binding) -> Stanza:
        """A copy of the content key for this recipient, bound as `bound` says; `bound.recipient` is `name`.

        Raises:
            Unusable: a token or TPM does not do it. MissingExtra: its library is absent.
        """


class Identity(Protocol):
    """The private side: opens what was written for it. Its repr shows no secret."""

    def opens(self, stanza: Stanza) -> bool:
        """Whether a stanza is for this key, as far as its kind and key id say: cheap, and no promise."""

    def unwrap(self, stanza: Stanza, bound: Binding) -> bytearray:
        """The content key, 32 bytes, which whoever asked overwrites after use (`prelude.wipe`). The caller compares the commitment.

        Raises:
            TrustRefused: the stanza does not open: another key, another binding, or changed. Unusable: a token or TPM does not do it.
            StatementRefused: its parameters are malformed or cost too much. MissingExtra: its library is absent.
        """
