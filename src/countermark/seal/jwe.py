"""JWE export for servers that take one encrypted file (KServe 0.20 and newer): A256KW and A256GCM, by jwcrypto, the extra ``jwe``.

RFC 7516 compact serialisation of one file. It is for hand-over only: a JWE is base64 text that is held in memory whole several times,
commits to nothing, and cannot be read in part, so that its size is bounded here, and nothing of ours opens one as sealed evidence.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from countermark.errors import FormatRefused, MissingExtra, Unusable
from countermark.seal.prelude import KEY

MOST_BYTES = 512 << 20
"""Of plaintext: jwcrypto holds about eight times as much at its peak."""
_HEADER = {"alg": "A256KW", "enc": "A256GCM", "typ": "JOSE"}
_MOST_TOKEN = MOST_BYTES // 3 * 4 + (1 << 16)


def exported(plain: bytes | memoryview, key: bytes | bytearray, *, kid: str, most: int = MOST_BYTES) -> bytes:
    """A file as JWE, for a key-encryption key that the server holds.

    Args:
        plain: at most `most` bytes. key: 32 bytes, A256KW. kid: the key's name, in clear in the header.

    Raises:
        Unusable: too large, or no such key. MissingExtra: jwcrypto is absent.
    """
    if len(plain) > most:
        raise Unusable(
            f"{len(plain)} bytes are too many for a JWE", why=f"it is held in memory whole; {most} are taken",
            mend="serve the sealed file itself, or split the model",
        )  # fmt: skip
    jwe, _ = _library()
    token = jwe.JWE(
        bytes(plain), json.dumps({**_HEADER, "kid": kid}, separators=(",", ":")), algs=["A256KW", "A256GCM"]
    )
    token.add_recipient(_key(key))
    made: str = token.serialize(compact=True)
    return made.encode()


def imported(token: bytes, key: bytes | bytearray) -> bytes:
    """What `exported` made; for tests and for taking a hand-over back.

    Raises:
        FormatRefused: too large, another algorithm, another key, or changed. MissingExtra: jwcrypto is absent.
    """
    if len(token) > _MOST_TOKEN or token.count(b".") != 4:
        raise FormatRefused("this is no JWE in compact form", why=f"{len(token)} bytes")
    jwe, common = _library()
    head = token[: token.index(b".")]
    try:
        said = json.loads(base64.urlsafe_b64decode(head + b"=" * (-len(head) % 4))) if len(head) < 4096 else {}
        if (
            not isinstance(said, dict)
            or {k: said.get(k) for k in ("alg", "enc")} != {"alg": "A256KW", "enc": "A256GCM"}
            or "zip" in said
        ):
            raise FormatRefused("a JWE of other algorithms", why="A256KW and A256GCM are taken, without compression")
        opened = jwe.JWE(algs=["A256KW", "A256GCM"])
        opened.deserialize(token.decode("ascii"), _key(key))
    except (common.JWException, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise FormatRefused("this JWE does not open", why="another key, or it was changed") from error
    out: bytes = opened.payload
    return out


def _key(key: bytes | bytearray) -> Any:
    if len(key) != KEY:
        raise Unusable(f"A256KW takes a key of 32 bytes, not of {len(key)}")
    from jwcrypto import jwk

    return jwk.JWK(kty="oct", k=base64.urlsafe_b64encode(bytes(key)).decode().rstrip("="))


def _library() -> tuple[Any, Any]:
    try:
        from jwcrypto import common, jwe
    except ImportError as error:
        raise MissingExtra("a JWE needs jwcrypto", mend="pip install 'countermark[jwe]'") from error
    return jwe, common
