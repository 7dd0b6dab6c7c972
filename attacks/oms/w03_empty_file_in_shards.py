"""W3: shards leave out empty files, so that adding one (an `__init__.py`) is not noticed."""

from __future__ import annotations

import sys
from pathlib import Path

import hostile
import weakness
from weakness import Answers

from countermark.keys.signer import load
from countermark.lifecycle.oms import bundle

TRIES = "add an empty __init__.py to a model that was signed in shards"


SHARDS = """
import pathlib, sys, model_signing
place = pathlib.Path(sys.argv[1])
hashing = model_signing.hashing.Config().use_shard_serialization(shard_size=4)
if sys.argv[2:] == ["sign"]:
    config = model_signing.signing.Config().set_hashing_config(hashing)
    config.use_elliptic_key_signer(private_key=place / "key.pem").sign(place / "model", place / "model.sig")
else:
    config = model_signing.verifying.Config().set_hashing_config(hashing)
    config.use_elliptic_key_verifier(public_key=place / "pub.pem").verify(place / "model", place / "model.sig")
"""


def attack(place: Path) -> Answers:
    """The added file; and a colon in a name, which makes the reference's bundles unreadable, is refused at signing."""
    hostile.honest(place / "model")
    weakness.keys(place)
    signer = load(place / "key.pem", "oms", None)
    (place / "model.sig").write_bytes(bundle(place / "model", signer, shard_size=4)[0])
    (place / "model" / "__init__.py").touch()
    added = Answers(weakness.library(place, SHARDS), ours := weakness.verified(place), ours != weakness.ACCEPTS)
    (place / "model" / "__init__.py").unlink()
    (place / "model" / "a:b.bin").write_bytes(b"colon")
    colon = weakness.ours(lambda: bundle(place / "model", signer, shard_size=4))
    signing, verifying = weakness.library(place, SHARDS, "sign"), weakness.library(place, SHARDS)
    named = Answers(f"signing {signing}, verifying {verifying}", colon, colon != weakness.ACCEPTS)
    return weakness.several({"empty": added, "colon": named})


if __name__ == "__main__":
    sys.exit(weakness.main(TRIES, attack))
