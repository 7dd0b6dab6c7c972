"""AWS KMS through securesystemslib: digests are made here, only they leave. Tested with moto's server, not with AWS."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_public_key

NAME = "AWS KMS"
KINDS = "ECC_NIST_P256 or ECC_NIST_P384, for SIGN_VERIFY"
NOTICE = ""
CONNECT_SECONDS, READ_SECONDS, ATTEMPTS = 5, 20, 3
_BY_CODE = {
    "DisabledException": ("the key in AWS KMS is disabled", "enable it (`aws kms enable-key`), or take another key"),
    "KMSInvalidStateException": (
        "the key in AWS KMS does not sign any more",
        "where its deletion is pending, cancel that (`aws kms cancel-key-deletion`), or take another key",
    ),
    "NotFoundException": ("AWS KMS knows no such key here", "check key and AWS_REGION: `aws kms list-aliases`"),
    "AccessDeniedException": (
        "AWS KMS does not let you use this key", "its policy must allow kms:Sign and kms:GetPublicKey",
    ),
}  # fmt: skip


def fetch(key: str) -> tuple[str, Any]:
    """The key's name and its public half."""
    from securesystemslib.signer import AWSSigner  # type: ignore[attr-defined]

    _be_brief()
    _, found = AWSSigner.import_(key)
    return key, load_pem_public_key(found.keyval["public"].encode())


def sign(key: str, public: Any, message: bytes) -> str:
    """Signature in hex, DER."""
    from securesystemslib.signer import AWSSigner  # type: ignore[attr-defined]

    _be_brief()
    return str(AWSSigner(key, public).sign(message).signature)


def failures() -> tuple[type[Exception], ...]:
    """What its library raises, on answers that are none of AWS's too."""
    from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

    return BotoCoreError, ClientError, ValueError, KeyError, TypeError


def explain(error: Exception) -> tuple[str, str]:
    """What happened, and the mend."""
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

    if isinstance(error, ClientError):
        known = _BY_CODE.get(str(error.response.get("Error", {}).get("Code")))
        return known or ("AWS KMS refused", "see what it says; check key, credentials and region")
    if isinstance(error, NoCredentialsError | NoRegionError):
        return "AWS is not set up here", "AWS_PROFILE, or AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION"
    if isinstance(error, BotoCoreError):
        return "AWS KMS cannot be reached", "check the network, AWS_REGION and AWS_ENDPOINT_URL"
    return "AWS KMS gave an answer that is none of its own", "is AWS_ENDPOINT_URL a KMS?"


def _be_brief() -> None:
    """Give up after a minute where the network is down; the library's own patience is several."""
    import boto3  # type: ignore[import-untyped]
    from botocore.config import Config  # type: ignore[import-untyped]
    from botocore.session import get_session  # type: ignore[import-untyped]

    session = get_session()
    retries = {"total_max_attempts": ATTEMPTS, "mode": "standard"}
    session.set_default_client_config(
        Config(connect_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS, retries=retries)
    )
    boto3.setup_default_session(botocore_session=session)
