"""A key service on loopback, started where it is needed: moto's server, which keeps keys and really signs with them.

moto 5.2 departs from what AWS documents in two ways that matter here, and both are corrected: it hashes a digest again
(getmoto/moto#10202), and it signs with keys that are disabled or about to be deleted.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from moto.core.exceptions import JsonRESTError
from moto.kms.models import kms_backends
from moto.kms.responses import KmsResponse
from moto.server import ThreadedMotoServer

HASHES = {"ECDSA_SHA_256": hashes.SHA256(), "ECDSA_SHA_384": hashes.SHA384()}
REGION = "eu-central-1"


Answer = Callable[[ec.EllipticCurvePrivateKey, bytes, hashes.HashAlgorithm], bytes]


def honest(private: ec.EllipticCurvePrivateKey, digest: bytes, algorithm: hashes.HashAlgorithm) -> bytes:
    """ECDSA over the digest, DER."""
    return private.sign(digest, ec.ECDSA(Prehashed(algorithm)))


answer: list[Answer] = [honest]
"""How the service signs; the last one counts, and an attack appends its own."""


def _sign(self: KmsResponse) -> str:
    """``Sign`` as AWS documents it, for ECDSA over digests, which is what is asked for."""
    key_id, algorithm = self._get_param("KeyId"), self._get_param("SigningAlgorithm")
    self._validate_key_id(key_id)
    key = self.kms_backend.describe_key(key_id)
    if key.key_state == "Disabled":
        raise JsonRESTError("DisabledException", f"{key.arn} is disabled.")
    if key.key_state != "Enabled":
        raise JsonRESTError("KMSInvalidStateException", f"{key.arn} is pending deletion.")
    assert self._get_param("MessageType") == "DIGEST"
    digest = self._get_param("Message")  # moto decoded it already
    signature = answer[-1](key.private_key.private_key, digest, HASHES[algorithm])
    return json.dumps(
        {"KeyId": key.arn, "Signature": base64.b64encode(signature).decode(), "SigningAlgorithm": algorithm}
    )


@contextmanager
def started() -> Iterator[str]:
    """The service's address; the caller's environment names it while this lasts."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    here = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "secret-of-nobody", "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }  # fmt: skip
    before, was = {name: os.environ.get(name) for name in here}, KmsResponse.sign
    os.environ.update(here)
    for regions in kms_backends.values():  # what an earlier server of this process kept
        for backend in regions.values():
            backend.reset()
    KmsResponse.sign = _sign  # type: ignore[method-assign]
    try:
        yield here["AWS_ENDPOINT_URL"]
    finally:
        del answer[1:]
        KmsResponse.sign = was  # type: ignore[method-assign]
        server.stop()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def client() -> Any:
    """The owner of the keys, who makes and disables them; not the party that signs."""
    return boto3.client("kms", config=Config(retries={"total_max_attempts": 2}))


def make(spec: str = "ECC_NIST_P256", alias: str = "") -> str:
    """A new key, under an alias where one is named; its id."""
    made = str(client().create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"])
    if alias:
        client().create_alias(AliasName=f"alias/{alias}", TargetKeyId=made)
    return made


def retarget(alias: str, key: str) -> None:
    """Let the alias name another key."""
    client().update_alias(AliasName=f"alias/{alias}", TargetKeyId=key)
