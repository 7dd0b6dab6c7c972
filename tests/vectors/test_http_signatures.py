"""Our signed answer, verified by another implementation of RFC 9421; skipped where that library is absent."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.serialization import load_der_public_key

from countermark.guard import signature
from countermark.guard.signature import Exchange
from countermark.keys.signer import generate

library = pytest.importorskip("http_message_signatures", reason="needs http-message-signatures")
SIGNER = generate("guard")


class Keys(library.HTTPSignatureKeyResolver):  # type: ignore[misc]
    """The one guard key."""

    def resolve_public_key(self, key_id: str) -> object:
        assert key_id == SIGNER.public.id
        return load_der_public_key(SIGNER.public.spki)


def answer(status: int = 200) -> SimpleNamespace:
    """A `requests`-shaped response with its request, signed by our code."""

    digest, answered = signature.content_digest(b"question"), signature.content_digest(b"answer")
    exchange = Exchange("POST", "/v1/predict", digest, "n" * 32, 200, answered, "5" * 64)
    given, value = signature.sign(exchange, int(time.time()) - 1, SIGNER, SIGNER.public.id)
    request = SimpleNamespace(
        method="POST", url="http://127.0.0.1/v1/predict",
        headers={"Content-Digest": digest, "Countermark-Nonce": "n" * 32}, body=b"question",
    )  # fmt: skip
    headers = {
        "Content-Digest": answered, "Countermark-Model": "5" * 64, "Signature-Input": given, "Signature": value,
    }  # fmt: skip
    return SimpleNamespace(status_code=status, headers=headers, request=request, url=request.url)


def verifier() -> object:
    algorithm = library.algorithms.ED25519
    return library.HTTPMessageVerifier(signature_algorithm=algorithm, key_resolver=Keys())


def test_the_other_implementation_accepts_our_answer() -> None:
    results = verifier().verify(answer(), expect_tag=signature.TAG)  # type: ignore[attr-defined]
    assert len(results) == 1
    assert len(results[0].covered_components) == 8


def test_and_refuses_another_status() -> None:
    with pytest.raises(library.InvalidSignature):
        verifier().verify(answer(status=500), expect_tag=signature.TAG)  # type: ignore[attr-defined]
