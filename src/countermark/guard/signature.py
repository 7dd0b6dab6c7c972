"""Signatures over one exchange, in the shape of RFC 9421. Bytes in, bytes or exceptions out; no sockets, no clock.

The answer's signature covers, in this order: the request's method, path, Content-Digest and nonce (``;req``, RFC 9421
section 2.4), then status, Content-Digest and model digest of the answer, then time, key and profile. One profile, one
order, one algorithm: a client accepts nothing that this file would not have written itself.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass

from countermark.errors import ExchangeRefused, SignatureRefused
from countermark.keys.signer import Signer
from countermark.keys.verifier import PublicKey

LABEL = "countermark"
TAG = "countermark/answer/v1"
NONCE, MODEL = "countermark-nonce", "countermark-model"
MAX_SKEW_SECONDS = 300
"""Clocks of offline plants drift. The nonce, not the time, keeps an old answer from passing as new."""
NONCE_FORM = re.compile(r"[A-Za-z0-9_-]{22,64}")
"""At least 128 bits in base64url."""

_COVERED = (
    f'("@method";req "@path";req "content-digest";req "{NONCE}";req "@status" "content-digest" "{MODEL}")'
)  # fmt: skip
_INPUT = re.compile(
    re.escape(f"{LABEL}={_COVERED}") + r';created=([1-9][0-9]{0,11});keyid="([0-9a-f]{64})";alg="ed25519";tag="'
    + re.escape(TAG) + '"'
)  # fmt: skip
DIGEST_FORM = re.compile(r"sha-256=:[A-Za-z0-9+/]{43}=:")
_SIGNATURE = re.compile(re.escape(LABEL) + r"=:([A-Za-z0-9+/]{86}==):")


def content_digest(body: bytes) -> str:
    """Content-Digest field of a body (RFC 9530, section 2), SHA-256."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def signature_base(components: Sequence[tuple[str, str]], parameters: str) -> bytes:
    """The bytes that a signature covers (RFC 9421, section 2.5).

    Args:
        components: serialised identifier, such as ``"@method";req``, and value, in order.
        parameters: value of ``@signature-params``.
    """
    lines = [f"{name}: {value}" for name, value in components]
    return "\n".join((*lines, f'"@signature-params": {parameters}')).encode()


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer, as both sides saw them.

    Attributes:
        method, path: of the request, as sent. request_digest, answer_digest: Content-Digest of each body.
        nonce: chosen by the client for this request alone. status: of the answer. model: tree digest, hex.
    """

    method: str
    path: str
    request_digest: str
    nonce: str
    status: int
    answer_digest: str
    model: str

    def base(self, parameters: str) -> bytes:
        """Signature base of this exchange."""
        return signature_base(
            (
                ('"@method";req', self.method),
                ('"@path";req', self.path),
                ('"content-digest";req', self.request_digest),
                (f'"{NONCE}";req', self.nonce),
                ('"@status"', str(self.status)),
                ('"content-digest"', self.answer_digest),
                (f'"{MODEL}"', self.model),
            ),
            parameters,
        )


def _parameters(created: int, key_id: str) -> str:
    return f'{_COVERED};created={created};keyid="{key_id}";alg="ed25519";tag="{TAG}"'


def sign(exchange: Exchange, created: int, signer: Signer, key_id: str) -> tuple[str, str]:
    """Values of the Signature-Input and Signature fields.

    Args:
        created: POSIX seconds. key_id: ``signer.public.id``, kept by the caller because it never changes.
    """
    parameters = _parameters(created, key_id)
    signature = signer.sign(exchange.base(parameters))
    return f"{LABEL}={parameters}", f"{LABEL}=:{base64.b64encode(signature).decode()}:"


@dataclass(frozen=True, slots=True)
class Signed:
    """A handle to an exchange whose signature holds."""

    exchange: Exchange
    created: int
    key: PublicKey


def verify(exchange: Exchange, signature_input: str, signature: str, key: PublicKey, now: int) -> Signed:
    """Verify the answer's signature.

    1. both fields have the one form of this profile; 2. the key is the expected guard key; 3. the time is within
    five minutes of the clock; 4. the signature verifies over the exchange *as this client saw it*.

    Args:
        exchange: built from what was sent and received, never from what the answer says about it.
        now: POSIX seconds of the client's clock.

    Raises:
        ExchangeRefused: any step fails.
    """
    given, value = _INPUT.fullmatch(signature_input), _SIGNATURE.fullmatch(signature)
    if not given or not value:
        raise ExchangeRefused(
            "the answer is not signed in the form of a Countermark guard", why=f"{signature_input[:120]!r}"
        )
    created, key_id = int(given[1]), given[2]
    if key.use != "guard" or key.algorithm != "ed25519" or not hmac.compare_digest(key_id, key.id):
        raise ExchangeRefused("the answer is signed by another key", why=f"expected {key.id}, named {key_id}")
    if abs(now - created) > MAX_SKEW_SECONDS:
        raise ExchangeRefused(
            f"the answer was signed {abs(now - created)} s {'ago' if created < now else 'in the future'}",
            mend="compare the clocks of guard and client",
        )
    try:
        key.verify(exchange.base(_parameters(created, key_id)), base64.b64decode(value[1]))
    except SignatureRefused as error:
        raise ExchangeRefused(
            "the answer is not the one the guard gave to this question", why=error.what,
            mend="something between guard and client changed or replayed it; do not use it",
        ) from error  # fmt: skip
    return Signed(exchange, created, key)
