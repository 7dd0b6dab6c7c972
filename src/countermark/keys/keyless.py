"""Signing without a key of one's own (Sigstore): an identity token becomes a certificate of ten minutes, a signature, a log entry.

The library is the package `sigstore`, the extra ``sigstore``. This is the one signer that sends something away, to the services
that its configuration names: the token and a fresh public key to the certificate authority, the envelope to the log, and, where one
is configured, the signature to a timestamp authority. Certificate and log entry are public for ever.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from countermark import canonical
from countermark.errors import MissingExtra, Unusable
from countermark.keys.endpoint import refuse_in_clear

if TYPE_CHECKING:
    from sigstore.models import ClientTrustConfig
    from sigstore.oidc import IdentityToken

MAX_CONFIG_BYTES = 4 << 20
MAX_TOKEN_BYTES = 16 << 10
_SERVICES = ("caUrls", "rekorTlogUrls", "tsaUrls")


@dataclass(frozen=True, slots=True)
class Signed:
    """What came of it, unverified.

    Attributes:
        bundle: Sigstore bundle v0.3, JSON. identity, issuer: what the token says, as a certificate must repeat it.
        root: the trust root of the services that were asked, JSON.
    """

    bundle: bytes
    identity: str
    issuer: str
    root: bytes


def sign(payload: bytes, token: bytes, config: bytes | None) -> Signed:
    """Sign an in-toto statement as whom an identity token names.

    Args:
        token: OpenID Connect identity token for the audience ``sigstore``. config: client trust configuration v0.1, JSON; None for
            the public instance, whose newest configuration is fetched first.

    Raises:
        MissingExtra: the package is absent. StatementRefused, Unusable: configuration or token does not count, or a service
        refuses, cannot be reached or answers with something else.
    """
    import_library()
    who = _identity(token)
    try:
        trust = _config(config)
        root = trust.trusted_root._inner.to_json().encode()
        bundle = _signed(payload, who, trust)
    except Unusable:
        raise
    except Exception as error:  # the package's classes, and those of what it is built on
        raise Unusable(
            "no keyless signature was made", why=_told(error, token),
            mend="is the token new, and are the services of --trust-config reachable? A token counts for minutes",
        ) from error  # fmt: skip
    return Signed(bundle, who.identity, who.federated_issuer, root)


def import_library() -> None:
    """Refuse by name where the extra is absent.

    Raises:
        MissingExtra: it is.
    """
    try:
        import sigstore  # noqa: F401 - asked for only to say by name that it is absent
    except ImportError as error:
        raise MissingExtra(
            "a keyless signature needs the package sigstore", why="nothing was looked at",
            mend="pip install 'countermark[sigstore]'",
        ) from error  # fmt: skip


def _signed(payload: bytes, who: IdentityToken, trust: ClientTrustConfig) -> bytes:
    from sigstore.dsse import Statement
    from sigstore.sign import SigningContext

    with SigningContext.from_trust_config(trust).signer(who) as signer:
        return signer.sign_dsse(Statement(payload)).to_json().encode()


def _identity(token: bytes) -> IdentityToken:
    from sigstore.oidc import IdentityToken

    try:
        return IdentityToken(token.decode("ascii").strip())
    except Exception as error:
        raise Unusable(
            "the identity token does not count", why=_told(error, token),
            mend="ask your identity provider for a new one, for the audience sigstore",
        ) from error  # fmt: skip


def _config(data: bytes | None) -> ClientTrustConfig:
    from sigstore.models import ClientTrustConfig

    if data is None:
        return ClientTrustConfig.production()
    value = canonical.object_from_bytes(data, what="client trust configuration", max_bytes=MAX_CONFIG_BYTES)
    for address in _addresses(value):
        refuse_in_clear(address, "a signing service")
    return ClientTrustConfig.from_json(json.dumps(value))


def _addresses(value: dict[str, Any]) -> list[str]:
    named = value.get("signingConfig")
    if not isinstance(named, dict):
        raise Unusable("the configuration names no signing services", mend="--trust-config FILE with a signingConfig")
    return [str(one.get("url")) for name in _SERVICES for one in named.get(name) or () if isinstance(one, dict)]


def _told(error: Exception, token: bytes) -> str:
    """What went wrong, and never the token."""
    cause = f": {error.__cause__}" if error.__cause__ and not str(error) else ""
    told = " ".join(f"{type(error).__name__} {error}{cause}".split())
    secret = token.decode(errors="replace").strip()
    return told.replace(secret, "(the token)")[:300] if secret else told[:300]
