"""The middle of the vault's story: one agreed run under seal, and the release of what came out of it."""

from __future__ import annotations

import shutil
from typing import Any

import vault_train
from vault_stage import Story, server
from vault_suppliers import SUPPLIERS

RECIPE = """format = 1
name = "parts"
[code]
files = ["train.py"]
[inputs]
train = "acme-parts"
bolts = "bolts-parts"
[output]
folder = "out"
model = "model.onnx"
metrics = "metrics.json"
"""
RULE = """[[rule]]
evidence = "{evidence}"
recipient = "{to}"
releases = 3
keys = ["{key}"]
"""


def agree(story: Story) -> dict[str, str]:
    """The trainer says what will run; each supplier lets the broker give its key for exactly that. Returns the claims."""
    shutil.copy(vault_train.__file__, story.here / "trainer/train.py")
    (story.here / "trainer/recipe.toml").write_text(RECIPE)
    story.carry("manufacturer/trained.toml", to="trainer")
    (story.here / "trainer/countermark.toml").write_text('policy = "trained.toml"\n')
    key = story.type("broker", "key", "trainer", "--json", at="trainer").json()["id"]
    claims: dict[str, str] = story.type("train", "--claims", "--json", "--", "python", "train.py", at="trainer").json()["claims"]  # fmt: skip
    told = "claims = { " + ", ".join(f'{name} = "{value}"' for name, value in claims.items()) + " }\n"
    for name in SUPPLIERS:
        deposit(story, name, f"{name}-parts.cmsealed", RULE.format(evidence="software", to="trainer", key=key) + told)
    return claims


def deposit(story: Story, owner: str, sealed: str, rules: str, sequence: int = 1) -> None:
    """The owner signs whom the broker may give this asset's key, and the broker takes it."""
    head = f'owner = "{owner}"\nsequence = {sequence}\ndays = 30\n'
    (story.here / owner / "rules.toml").write_text(head + rules)
    story.type("broker", "policy", f"../stick/{sealed}", "rules.toml", at=owner)
    story.type("broker", "deposit", owner, f"../stick/{sealed}", at="vault")


def train(story: Story) -> dict[str, Any]:
    """Under seal: another script gets no key; the agreed one trains in memory, and its model leaves sealed."""
    script = story.here / "trainer/train.py"
    agreed = script.read_text()
    words = ["train", "--sealed", "train", "--sealed", "bolts", "--with", "trainer.hostkey", "--seal-for",
             "../stick/manufacturer.sealpub", "--at-rest"]  # fmt: skip
    with server(story, "broker", "serve", at="vault") as vault:
        words += ["--broker", vault.url]
        script.write_text(agreed + "\nprint(open('acme-parts/part-00/0.png', 'rb').read())\n")
        refused = story.type(*words, "--", "python", "train.py", at="trainer", exit=1)
        script.write_text(agreed)
        done = story.type(*words, "--json", "--", "python", "train.py", at="trainer").json()
    log = story.type("broker", "log", "--json", at="vault").json()["releases"]
    return {"refused": refused.out + refused.err, "done": done, "log": log}


def release(story: Story) -> dict[str, Any]:
    """The owner opens the model, releases it, marks the plant's copy, and releases and seals that."""
    story.type("open", "../trainer/model.cmsealed", "--key", "manufacturer.sealkey", "--kind", "model", "--by", "trainer", "--out",
               "model", at="manufacturer")  # fmt: skip
    story.type(
        "release",
        "model",
        "--policy",
        "trained.toml",
        "--evidence",
        "../trainer/model.training.json",
        at="manufacturer",
    )
    story.type("fingerprint", "key", "works.fingerprint", at="manufacturer")
    home = story.here / "manufacturer"
    (home / "plant-model").mkdir()
    story.carry("manufacturer/model/labels.json", to="manufacturer/plant-model")
    marked = story.type("fingerprint", "mark", "model/model.onnx", "--licensee", "plant", "--key", "works.fingerprint", "--out",
                        "plant-model/model.onnx", "--json", at="manufacturer").json()  # fmt: skip
    verdict = story.type("release", "plant-model", "--policy", "copy.toml", "--json", at="manufacturer").json()
    story.type("seal", "plant-model", "--kind", "model", "--for", "manufacturer.sealpub", "--for", "../stick/vault.sealpub", "--out",
               "../stick/plant-model.cmsealed", at="manufacturer")  # fmt: skip
    story.carry("manufacturer/plant-model.cmpass", to="stick")
    return {"marked": marked, "model": verdict["subject"]}
