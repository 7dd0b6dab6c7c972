"""age recipients in and out (age-encryption.org/v1, by pyrage, the extra ``age``): a content key for somebody who has an age key and not ours.

Only the 32-byte content key goes through age, never the data. The stanza of an age recipient lists beside others of its file; age binds nothing
but the key, so that the file's commitment is what holds it to this container.
"""

from __future__ import annotations

import re
from typing import Any

from countermark import canonical
from countermark.errors import MissingExtra, StatementRefused, TrustRefused, Unusable
from countermark.seal.prelude import KEY, wipe
from countermark.seal.stanza import Binding, Stanza

KIND = "age-x25519"
LABEL = b"countermark/seal/age/v1"
MOST_WRAPPED = 1024
_PUBLIC = re.compile(r"age1[02-9ac-hj-np-z]{58}")
_PRIVATE = re.compile(r"AGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58}")


class AgeRecipient:
    """Somebody known by a name and a native age recipient (X25519)."""

    kind = KIND

    def __init__(self, name: str, public: str) -> None:
        if not _PUBLIC.fullmatch(public):
            raise StatementRefused(f"{public!r:.80} is no age recipient", mend="age1..., as age-keygen -y prints it")
        self.name, self._public = name, public
        try:
            self._recipient = _library().x25519.Recipient.from_str(public)
        except _library().RecipientError as error:
            raise StatementRefused("this is no age recipient", why=str(error)) from error

    def wrap(self, content_key: bytearray, bound: Binding) -> Stanza:
        """A copy of the content key, and of what it is bound to, as an age file of one recipient."""
        wrapped = _library().encrypt(bytes(content_key) + bound.info(LABEL), [self._recipient])
        return Stanza(KIND, self.name, canonical.sha256_hex(self._public.encode()), wrapped, bound.licence)


class AgeIdentity:
    """A native age secret key."""

    def __init__(self, secret: str) -> None:
        if not _PRIVATE.fullmatch(secret):
            raise Unusable("this is no age secret key", mend="the line AGE-SECRET-KEY-1... of age-keygen's file")
        try:
            self._identity = _library().x25519.Identity.from_str(secret)
        except _library().IdentityError as error:
            raise Unusable("this is no age secret key") from error
        self._public = str(self._identity.to_public())

    def __repr__(self) -> str:
        return f"AgeIdentity({self._public!r})"

    def opens(self, stanza: Stanza) -> bool:
        """Whether a stanza names this key."""
        return (stanza.kind, stanza.key) == (KIND, canonical.sha256_hex(self._public.encode()))

    def unwrap(self, stanza: Stanza, bound: Binding) -> bytearray:
        """The content key.

        Raises:
            TrustRefused: another key, container, recipient or licence, or changed. StatementRefused: too large.
        """
        if len(stanza.wrapped) > MOST_WRAPPED:
            raise StatementRefused(
                f"an age stanza of {len(stanza.wrapped)} bytes", why=f"at most {MOST_WRAPPED} are taken"
            )
        try:
            plain = bytearray(_library().decrypt(stanza.wrapped, [self._identity]))
        except _library().DecryptError as error:
            raise TrustRefused("a wrapped key does not open", why="age says no") from error
        if bytes(plain[KEY:]) != bound.info(LABEL):
            wipe(plain)
            raise TrustRefused("a wrapped key is bound to another file, recipient or licence")
        key = plain[:KEY]
        wipe(plain)
        return key


def _library() -> Any:
    try:
        import pyrage
    except ImportError as error:
        raise MissingExtra("an age recipient needs pyrage", mend="pip install 'countermark[age]'") from error
    return pyrage
