"""Writes the golden sealed files of version 1; run once, the files then stay for ever: sealing is random, opening is not.

python tests/vectors/seal/make_seal_vectors.py
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from countermark.keys.signer import generate
from countermark.lifecycle import seal, seal_recipe
from countermark.seal import hpke, keyfile, passphrase, writer
from countermark.workspace.disk import Disk

HERE = Path(__file__).parent
ISSUED = "2026-11-27T00:00:00Z"
WORDS = b"a passphrase for tests only"
FILES = {"a/one.txt": b"one\n", "b.bin": bytes(range(256)) * 40, "empty": b""}
RECIPE = "[train]\nlearning_rate = 0.01\nepochs = 3\n"


def main() -> None:
    """Write them all, and the keys that open them."""
    owner = generate("statement")
    (HERE / "owner.pub").write_bytes(owner.public.pem())
    by, recipients = seal.Sealer([owner], "", ISSUED), []
    for name, kind in (("xwing", hpke.XWING), ("p256", hpke.P256)):
        private = hpke.new_private(kind)
        keyfile.save(HERE / f"{name}.sealkey", private, None, Disk())
        recipients.append(hpke.HpkeRecipient(name, hpke.HpkeIdentity(private).public))
    with tempfile.TemporaryDirectory() as place:
        asset = Path(place) / "asset"
        for path, data in FILES.items():
            (asset / path).parent.mkdir(parents=True, exist_ok=True)
            (asset / path).write_bytes(data)
        for name, to, form in (
            ("keys-v1", recipients, writer.Form(1, 4096, "blake3")),
            ("words-v1", [passphrase.PassphraseRecipient(WORDS, 15)], writer.Form(2, 4096, "sha256")),
        ):  # fmt: skip
            seal.seal(asset, HERE / f"{name}.cmsealed", to, by, kind="other", form=form)
        recipe = Path(place) / "recipe.toml"
        recipe.write_text(RECIPE)
        seal_recipe.seal(recipe, HERE / "recipe-v1.cmfields", {"train.learning_rate": recipients[:1]}, by)
    (HERE / "expected.json").write_text(json.dumps({path: data.hex() for path, data in FILES.items()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
