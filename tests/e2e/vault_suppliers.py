"""The first acts of the vault's story: parties and trust, a broker, and deliveries that are sealed."""

from __future__ import annotations

import numpy as np
from made_up_parts import honest
from PIL import Image
from vault_stage import SEALED, Story

from countermark.keys import signer
from countermark.policy.document import STAGES

SIGNERS = "format = 1\n[signers]\n" + "".join(
    f'{stage} = "{ {"deliveries": "supplier", "training": "trainer"}.get(stage, "data-owner") }"\n' for stage in STAGES
)
RULES = {
    "trained": """[[rule]]
id = "trained-confined"
asset = "training configuration"
evidence = ["training"]
require = "training.output == subject.digest && training.hermetic.level in ['claimed', 'reproduced', 'attested']"
why = "this model came out of a run that could read nothing but its declared inputs"
mend = "train where bubblewrap works"
""",
    "copy": """[[rule]]
id = "in-scope"
asset = "training data"
evidence = ["deliveries"]
require = "deliveries.exists(d, d.in_scope) && deliveries.all(d, d.in_scope)"
why = "suppliers delivered what they may"
mend = "deliver it again"
""",
}
"""What the owners ask of the model that was trained, and of a licensee's marked copy, which no run wrote."""
SUPPLIERS = {"acme": "maker-00", "bolts": "maker-01"}


def parties(story: Story) -> None:
    """Everybody makes keys; two owners sign who is trusted for what, and which policy counts."""
    roles = {"manufacturer": ("data-owner", "model-owner"), "engineering": ("model-owner",), "acme": (), "bolts": (),
             "trainer": ("trainer",), "plant": ("licensee",), "vault": (), "stick": ()}  # fmt: skip
    for name, mine in roles.items():
        (story.here / name).mkdir()
        if name not in ("vault", "stick"):
            more = ("--ledger",) if name == "manufacturer" else ()
            story.type("init", name, *(word for role in mine for word in ("--role", role)), *more, at=name)
    for name in ("manufacturer", "plant"):
        story.type("key", "new", "licence", at=name)
    story.type("trust", "new", "parts", "--threshold", "2", "--party", "manufacturer.enrol.json=data-owner,model-owner",
               "--party", "../engineering/engineering.enrol.json=model-owner", "--ledger", "manufacturer", at="manufacturer")  # fmt: skip
    added = {"acme": ("--role", "supplier", "--scope", "part-00,part-02"), "bolts": ("--role", "supplier", "--scope", "part-01,part-03"),
             "trainer": ("--role", "trainer"), "plant": ("--role", "licensee", "--role", "operator")}  # fmt: skip
    for name, options in added.items():
        story.type("party", "add", f"../{name}/{name}.enrol.json", *options, at="manufacturer")
    for name, rule in RULES.items():
        (story.here / f"manufacturer/{name}.toml").write_text(SIGNERS.replace("\n", f'\nname = "{name}"\n', 1) + rule)
        story.type("trust", "policy", f"{name}.toml", at="manufacturer")
    story.type("trust", "sign", "--out", "../stick/draft.json", at="manufacturer")
    story.type("trust", "sign", "../stick/draft.json", at="engineering")
    story.type("trust", "sign", "../stick/draft.json", at="manufacturer")
    pin = story.type("trust", "export", "../stick/trust.jsonl", "--json", at="manufacturer").json()["fingerprint"]
    for name in ("engineering", *added):
        story.type("trust", "pin", pin, "--trust", "../stick/trust.jsonl", at=name)


def broker(story: Story) -> None:
    """A broker of its own party, which knows three owners by their statement keys."""
    story.type("broker", "init", "vault", at="vault")
    story.carry("vault/vault.sealpub", "vault/vault.vkey", to="stick")
    for name in ("manufacturer", "acme", "bolts"):
        public = signer.load(story.here / f"{name}/.countermark/keys/statement.pem", "statement").public
        (story.here / f"stick/{name}.pub").write_bytes(public.pem())
        story.type("broker", "tenant", name, f"../stick/{name}.pub", at="vault")
        story.type("recipients", "new", name, "--signed", at=name)
        story.carry(f"{name}/{name}.sealpub", to="stick")


def deliver(story: Story) -> dict[str, bytes]:
    """Two suppliers sign and seal their pictures, for the data owner and for the broker; the owner checks and admits them.

    Returns one picture of each supplier, to look for afterwards.
    """
    parts, secrets = honest(7, classes=4, suppliers=2, makers=1, rows=16), {}
    for name, maker in SUPPLIERS.items():
        folder = story.here / name / f"{name}-parts"
        for number in np.flatnonzero(parts.supplier == maker):
            path = folder / str(parts.label[number]) / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(parts.images[number]).save(path)
            secrets[name] = path.read_bytes()
        story.type("deliver", folder.name, "--to", "manufacturer", "--seal-for", f"{name}.sealpub", "--seal-for",
                   "../stick/manufacturer.sealpub", "--seal-for", "../stick/vault.sealpub", at=name)  # fmt: skip
        story.carry(*(f"{name}/{name}-parts.cmsealed{end}" for end in SEALED), to="stick")
        story.carry(f"{name}/{name}-parts.cmdelivery", to="stick")
        story.type("receive", f"../stick/{name}-parts.cmsealed", "--key", "manufacturer.sealkey", at="manufacturer")
        story.carry(*(f"stick/{name}-parts.cmsealed{end}" for end in SEALED), to="trainer")
    return secrets
