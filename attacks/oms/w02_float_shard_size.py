"""W2: shard bundles are written with a float for the shard size, and the reference cannot verify its own."""

from __future__ import annotations

import sys
from pathlib import Path

import hostile
import weakness
from weakness import Answers

TRIES = "verify a bundle over shards that the reference itself wrote"


SIGN = """
import pathlib, sys, model_signing
place = pathlib.Path(sys.argv[1])
hashing = model_signing.hashing.Config().use_shard_serialization(shard_size=4)
config = model_signing.signing.Config().set_hashing_config(hashing)
config.use_elliptic_key_signer(private_key=place / "key.pem").sign(place / "model", place / "model.sig")
"""


def attack(place: Path) -> Answers:
    """Not an attack but a door left shut: who cannot verify signs without verifying."""
    hostile.honest(place / "model")
    weakness.keys(place)
    made = weakness.library(place, SIGN)
    if made == weakness.ABSENT:
        from countermark.keys.signer import load
        from countermark.lifecycle.oms import bundle

        (place / "model.sig").write_bytes(
            bundle(place / "model", load(place / "key.pem", "oms", None), shard_size=4)[0]
        )
    ours = weakness.verified(place)
    return Answers(weakness.reference(place, "verify"), ours, ours == weakness.ACCEPTS)


if __name__ == "__main__":
    sys.exit(weakness.main(TRIES, attack))
