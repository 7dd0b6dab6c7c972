"""A key service that answers with another key than it was asked for, or with nothing of the sort.

    python attacks/keys/kms_lies.py

Whoever may change an alias in the service, or stands in the service's place, decides which key answers. The ordinary side asks the
service for a signature and for the key to check it with, and both agree. Exit code 0 when Countermark refused every one.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
import kms_service
from both_sides import Attack, report
from cryptography.hazmat.primitives.asymmetric import ec

from countermark.keys import uri
from countermark.keys.kms import KmsSigner, take_key

MESSAGE, ALIAS = b"acme delivers 2,400 rows", "acme"
PLACE = f"awskms:alias/{ALIAS}"


def believes_the_service() -> str:
    """Ordinary code: the service's signature, checked with the key that the service names, where it is checked at all."""
    from securesystemslib.signer import AWSSigner

    _, public = AWSSigner.import_(f"alias/{ALIAS}")
    signature = AWSSigner(f"alias/{ALIAS}", public).sign(MESSAGE)
    return f"a signature of {len(signature.signature) // 2} bytes by {public.keyid[:16]}"


def taken() -> KmsSigner:
    """The party's key, as `countermark key use` takes and pins it."""
    return take_key(uri.parse(PLACE), "statement")


def alias_moved() -> Attack:
    """The alias names the attacker's key when the party signs."""
    signer = taken()
    kms_service.retarget(ALIAS, kms_service.make())
    return Attack("the alias was moved to another key", believes_the_service, lambda: signer.sign(MESSAGE))


def another_public_key() -> Attack:
    """The service names another public key to whoever takes the key by its pin."""
    pinned = taken().uri
    kms_service.retarget(ALIAS, kms_service.make())
    return Attack(
        "another public key than pinned", believes_the_service, lambda: take_key(pinned, "statement").sign(MESSAGE)
    )


def answering(name: str, answer: kms_service.Answer) -> Attack:
    """The service, or who stands in its place, answers `Sign` in its own way."""
    signer = taken()
    kms_service.answer.append(answer)
    return Attack(name, believes_the_service, lambda: signer.sign(MESSAGE))


def something_else() -> Attack:
    """The right key, over another message."""
    return answering(
        "it signs something else", lambda key, _, used: kms_service.honest(key, bytes(used.digest_size), used)
    )


def another_key() -> Attack:
    """Another key, while it names the right one."""
    stranger = ec.generate_private_key(ec.SECP256R1())
    return answering("it signs with another key", lambda _, digest, used: kms_service.honest(stranger, digest, used))


def nothing() -> Attack:
    """Three bytes that are no signature."""
    return answering("it answers with something that is no signature", lambda *_: bytes(3))


ATTACKS = (alias_moved, another_public_key, something_else, another_key, nothing)


@contextmanager
def world(build: Callable[[], Attack]) -> Iterator[Attack]:
    """A service with the party's key, and one attack on it."""
    with kms_service.started():
        kms_service.make(alias=ALIAS)
        yield build()


def main() -> int:
    """Run them all."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    fallen = 0
    for build in ATTACKS:
        with world(build) as attack:
            fallen += report([attack])
    return 1 if fallen else 0


if __name__ == "__main__":
    sys.exit(main())
