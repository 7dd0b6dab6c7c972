"""A recipient that is a passphrase, by scrypt (RFC 7914) and AES-256-GCM.

It stands alone in its list: whoever knows the passphrase could otherwise write a file that looks as if it came from anybody who can only wrap
(the rule of age's scrypt stanza). Its cost comes from a foreign file, and is capped before scrypt is called.
"""

from __future__ import annotations

import base64
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from countermark.errors import StatementRefused, TrustRefused, Unusable
from countermark.seal.prelude import KEY, TAG
from countermark.seal.stanza import Binding, Parameter, Stanza

KIND = "passphrase"
NAME = "passphrase"
LABEL = b"countermark/seal/passphrase/v1"
LEAST_LOG_N, LOG_N, MOST_LOG_N = 15, 17, 18
"""N = 2**17 with r = 8, p = 1 takes 128 MiB and a third of a second; 2**18, the most that is opened, twice of both."""
LEAST_CHARACTERS = 12
_SALT = 16
_NONCE = bytes(12)  # the key is of its own for each salt


class PassphraseRecipient:
    """Whoever knows a passphrase."""

    kind = KIND
    name = NAME

    def __init__(self, passphrase: bytes, log_n: int = LOG_N) -> None:
        if len(passphrase) < LEAST_CHARACTERS:
            raise Unusable(
                f"a passphrase of {len(passphrase)} bytes", why="whoever has the file can try them without end",
                mend=f"at least {LEAST_CHARACTERS}; six random words do well",
            )  # fmt: skip
        self._passphrase, self._log_n = passphrase, log_n

    def __repr__(self) -> str:
        return "PassphraseRecipient()"

    def wrap(self, content_key: bytearray, bound: Binding) -> Stanza:
        """A copy of the content key under the passphrase."""
        salt = secrets.token_bytes(_SALT)
        wrapped = AESGCM(_stretched(self._passphrase, salt, self._log_n)).encrypt(
            _NONCE, bytes(content_key), bound.info(LABEL)
        )
        parameters: dict[str, Parameter] = {"log-n": self._log_n, "salt": base64.b64encode(salt).decode()}
        return Stanza(KIND, NAME, "", wrapped, bound.licence, parameters)


class PassphraseIdentity:
    """A passphrase that may open a list."""

    def __init__(self, passphrase: bytes) -> None:
        self._passphrase = passphrase

    def __repr__(self) -> str:
        return "PassphraseIdentity()"

    def opens(self, stanza: Stanza) -> bool:
        """Whether it is of this kind."""
        return stanza.kind == KIND

    def unwrap(self, stanza: Stanza, bound: Binding) -> bytearray:
        """The content key.

        Raises:
            TrustRefused: another passphrase. StatementRefused: malformed, or a cost that is out of bounds.
        """
        log_n, salt = _cost(stanza)
        if len(stanza.wrapped) != KEY + TAG:
            raise StatementRefused(f"a key under a passphrase has {KEY + TAG} bytes, not {len(stanza.wrapped)}")
        stretched = _stretched(self._passphrase, salt, log_n)
        try:
            return bytearray(AESGCM(stretched).decrypt(_NONCE, stanza.wrapped, bound.info(LABEL)))
        except InvalidTag as error:
            raise TrustRefused("the passphrase does not open this file", mend="try it again") from error


def _cost(stanza: Stanza) -> tuple[int, bytes]:
    log_n, text = stanza.parameters.get("log-n"), stanza.parameters.get("salt")
    if set(stanza.parameters) != {"log-n", "salt"} or not isinstance(log_n, int) or not isinstance(text, str):
        raise StatementRefused("a passphrase's recipient has not exactly a salt and a cost")
    if not LEAST_LOG_N <= log_n <= MOST_LOG_N:
        raise StatementRefused(
            f"a passphrase's cost of 2**{log_n}", why=f"from 2**{LEAST_LOG_N} to 2**{MOST_LOG_N} is taken",
            mend="whoever sealed the file seals it again",
        )  # fmt: skip
    try:
        salt = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise StatementRefused("a passphrase's salt is not base64") from error
    if len(salt) != _SALT or base64.b64encode(salt).decode() != text:
        raise StatementRefused(f"a passphrase's salt is not {_SALT} bytes in the one form of base64")
    return log_n, salt


def _stretched(passphrase: bytes, salt: bytes, log_n: int) -> bytes:
    return Scrypt(salt=salt, length=KEY, n=1 << log_n, r=8, p=1).derive(passphrase)
