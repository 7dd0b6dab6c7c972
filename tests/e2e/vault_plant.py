"""The plant in the vault's story: a licence of one ciphertext and one TPM, a guard that serves it from memory, a copied folder, a revocation."""

from __future__ import annotations

import contextlib
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
from made_up_parts import honest
from PIL import Image
from vault_stage import SEALED, Story, server
from vault_training import RULE, deposit

from conftest import Said
from countermark.keys import tpm_quote, uri
from countermark.keys.tpm_policy import extended

COUNTER, SHORT_COUNTER = "0x01800010", "0x01800011"
TERMS = ("--to", "plant", "--use", "infer", "--field", "inspection", "--territory", "DE", "--days", "365", "--max-loads", "unlimited",
         "--max-queries", "1000/1d", "--max-hosts", "1", "--host", "../stick/host.json")  # fmt: skip
USE = ("--field", "inspection", "--territory", "DE")
LEASE, GRACE = 60, 5
MEASURED = bytes(range(32))
"""What a plant's machine measured while it started; stands for its boot chain."""


def grant(story: Story) -> dict[str, str]:
    """The plant's TPM is enrolled; the owner grants a licence of the ciphertext and of that TPM, and lets the broker release for it."""
    chip = story.chip("plant")
    key = story.type("broker", "key", "plant", "--in", chip, "--json", at="plant").json()["id"]
    tpm_quote.measure(uri.parse(chip), 16, MEASURED)
    story.type("broker", "credential", "../plant/plant.tpm", "--out", "plant.credential", at="manufacturer")
    story.type(
        "broker", "activate", "../manufacturer/plant.credential", "--with", chip, "--out", "plant.activated", at="plant"
    )
    enrolled = story.type("broker", "enrol", "../plant/plant.tpm", "../plant/plant.activated", "--credential", "plant.credential",
                          "--json", at="manufacturer").json()  # fmt: skip
    assert enrolled["id"] == key
    _endorsement(story)
    granted = _granted(story, COUNTER, "plant", "30d", "7d") | {"key": key}
    deposit(story, "manufacturer", "plant-model.cmsealed", _rule(key, granted["licence"]))
    story.carry(*(f"stick/plant-model.cmsealed{end}" for end in SEALED), "stick/plant-model.cmpass", to="plant")
    return granted


def _rule(key: str, licence: str) -> str:
    told = f'pcrs = {{ 16 = "{extended(MEASURED).hex()}" }}\nlicence = "{licence}"\n'
    return RULE.format(evidence="tpm-quote", to="plant", key=key) + told


def _endorsement(story: Story) -> None:
    """The public half of the plant's endorsement key, as ``tpm2_createek -f pem`` writes it."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    from countermark.broker.tpm_host import TpmHost

    point = TpmHost.from_bytes((story.here / "plant/plant.tpm").read_bytes()).endorsement
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    (story.here / "plant/ek.pem").write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def _granted(story: Story, counter: str, name: str, lease: str, grace: str) -> dict[str, str]:
    """Grant a licence of the sealed file with that lease; its digest, and what `explain` tells the plant of it."""
    (story.here / "stick/host.json").unlink(missing_ok=True)
    story.type("license", "host", story.chip("plant"), "--ek", "ek.pem", "--pcr", "16", "--counter", counter, "--out",
               "../stick/host.json", at="plant")  # fmt: skip
    made = story.type("license", "grant", "plant-model", "--asset", "../stick/plant-model.cmsealed", *TERMS,
                      "--lease", lease, "--grace", grace, "--out", f"../stick/{name}.licence", "--json", at="manufacturer").json()  # fmt: skip
    story.carry(f"stick/{name}.licence", f"stick/{name}.licence.revoked", to="plant")
    return {"licence": made["licence"], "told": story.type("license", "explain", f"{name}.licence", at="plant").out}


def operate(story: Story) -> dict[str, Any]:
    """The guard shows the plant's TPM to the broker, opens the model in memory, serves it under the licence, and is asked."""
    story.type("key", "api", "line", "--out", "line.key", at="plant")
    _photograph(story)
    with server(story, "broker", "serve", at="vault") as vault:
        keyed = keyed_by(story, vault.url, "plant")
        unlicensed = story.type("serve", "plant-model.cmsealed", *keyed, at="plant", exit=1).err
        with server(story, *serving(story, vault.url, "plant"), at="plant") as guard:
            answer = _query(story, guard.url)
            assert guard.holding(b"Ctrl-C ends it"), "the search sees into the files that the guard has open"
            plain = [*guard.holding(weights(story)), *story.holding(weights(story), "plant", "vault", "stick")]
    return {"unlicensed": unlicensed, "answer": answer.json(), "told": guard.told(), "plain": plain, "log": _log(story)}


def weights(story: Story) -> bytes:
    """A part of the marked model that any plaintext of it has in it."""
    return (story.here / "manufacturer/plant-model/model.onnx").read_bytes()[1000:2000]


def _log(story: Story) -> list[dict[str, Any]]:
    """What the broker released to the plant."""
    releases = story.type("broker", "log", "--json", at="vault").json()["releases"]
    return [one for one in releases if one["owner"] == "manufacturer"]


def _photograph(story: Story) -> None:
    """A photograph of the plant's own: of a part that the model knows, and no row that it was trained on."""
    parts = honest(7, classes=4, suppliers=2, makers=1, rows=17)
    row = np.flatnonzero(parts.label == "part-03")[-1]
    Image.fromarray(parts.images[row]).save(story.here / "plant/photo.png")


def keyed_by(story: Story, url: str, chip: str) -> list[str]:
    return ["--broker", url, "--with", story.chip(chip), "--pcr", "16", "--log-key", "../stick/vault.vkey"]


def serving(story: Story, url: str, chip: str, licence: str = "plant", proven: bool = True) -> list[str]:
    return ["serve", "plant-model.cmsealed", *keyed_by(story, url, chip), "--license", f"{licence}.licence", *USE,
            *(("--tpm", story.chip(chip)) if proven else ())]  # fmt: skip


def asked(story: Story, url: str, chip: str) -> list[str]:
    return ["broker", "open", "plant-model.cmsealed", "--url", url, "--owner", "manufacturer", "--for", "plant", "--with", story.chip(chip),
            "--pcr", "16", "--log-key", "../stick/vault.vkey", "--licence", "plant.licence"]  # fmt: skip


def _query(story: Story, url: str, exit: int = 0) -> Said:
    words = ("query", url, "photo.png", "--model", story.seen["release"]["model"], "--api-key-file", "line.key")
    return story.type(*words, "--json", at="plant", exit=exit)


def copied(story: Story) -> dict[str, Any]:
    """The whole of the plant's folder on another host, whose TPM measured the same: what it is told there, and what the broker gave."""
    before = len(_log(story))
    shutil.copytree(story.here / "plant", story.here / "thief")
    chip = story.chip("thief")
    story.type("broker", "key", "stranger", "--in", chip, at="thief")
    tpm_quote.measure(uri.parse(chip), 16, MEASURED)
    story.type("recipients", "new", "thief", at="thief")
    with server(story, "broker", "serve", at="vault") as vault:
        said = {name: story.type(*words, at="thief", exit=1) for name, words in _tries(story, vault.url).items()}
    plain: list[str | Path] = [
        "serve",
        "../manufacturer/plant-model",
        "--passport",
        "plant-model.cmpass",
        "--license",
        "plant.licence",
    ]
    said["plaintext"] = story.type(*plain, *USE, "--tpm", story.chip("plant"), at="plant", exit=1)
    told = {name: one.out + one.err for name, one in said.items()}
    return told | {"released": len(_log(story)) - before, "plain": story.holding(weights(story), "thief", "plant")}


def _tries(story: Story, url: str) -> dict[str, list[str]]:
    return {
        "a key of its own": ["open", "plant-model.cmsealed", "--key", "thief.sealkey", "--out", "model"],
        "the broker, another TPM": [*asked(story, url, "thief"), "--out", "model"],
        "the licence, another TPM": serving(story, url, "thief"),
        "the licence, no TPM": serving(story, url, "thief", proven=False),
    }


def revoke(story: Story) -> dict[str, Any]:
    """A short licence is revoked while the plant serves, and the plant keeps the news out; then the news is carried over."""
    first = story.seen["grant"]
    short = _granted(story, SHORT_COUNTER, "short", f"{LEASE}s", f"{GRACE}s")
    rules = "".join(_rule(first["key"], licence) for licence in (first["licence"], short["licence"]))
    deposit(story, "manufacturer", "plant-model.cmsealed", rules, sequence=2)
    with server(story, "broker", "serve", at="vault") as vault:
        serves = serving(story, vault.url, "plant", "short")
        with server(story, *serves, at="plant") as guard:
            kept_out, seconds = _until_refused(story, guard.url)
        story.type("license", "take", "short.licence", "../stick/revoked.json", at="plant")
        told = story.type(*serves, "--port", "0", at="plant", exit=1).err
    return {"printed": short["told"], "seconds": seconds, "kept out": kept_out, "told": told, "log": _log(story),
            "plain": story.holding(weights(story), "plant")}  # fmt: skip


def _until_refused(story: Story, url: str) -> tuple[str, float]:
    """Revoke, and ask every two seconds until the guard refuses: what it says, and after how many seconds."""
    _query(story, url)
    story.type("license", "revoke", "../stick/short.licence", "--out", "../stick/revoked.json", at="manufacturer")
    began, last = time.monotonic(), ""
    while not last and time.monotonic() - began < 2 * (LEASE + GRACE):
        time.sleep(2)
        with contextlib.suppress(AssertionError):
            _query(story, url)
            continue
        refused = _query(story, url, exit=1)
        last = refused.out + refused.err
    return last, time.monotonic() - began
