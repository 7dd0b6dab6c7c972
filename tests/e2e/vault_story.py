"""The vault's story in the factory case, act by act: what each party types, in a folder of its own.

A software TPM (swtpm) stands for the plants' TPMs: a test double, which protects nothing.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import test_doubles
import vault_train
from made_up_parts import honest
from PIL import Image
from test_howto_broker import listening

from conftest import Said
from countermark.cli.main import run
from countermark.keys import signer, tpm_quote, uri
from countermark.keys.tpm_policy import extended
from countermark.policy.document import STAGES

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
RULE = """owner = "{owner}"
sequence = 1
days = 30
[[rule]]
evidence = "{evidence}"
recipient = "{to}"
releases = 3
keys = ["{key}"]
"""
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
SEALED = ("", ".manifest", ".recipients")
HANDLE, COUNTER, SHORT_COUNTER = "0x81010001", "0x01800010", "0x01800011"
TERMS = ("--to", "plant", "--use", "infer", "--field", "inspection", "--territory", "DE", "--days", "365", "--max-loads", "unlimited",
         "--max-queries", "1000/1d", "--max-hosts", "1", "--host", "../stick/host.json")  # fmt: skip
LEASE, GRACE = 60, 5
MEASURED = bytes(range(32))
"""What a plant's machine measured while it started; stands for its boot chain."""


@dataclass
class Story:
    """All parties' folders, and what was seen so far."""

    here: Path
    held: contextlib.ExitStack
    memory: Path
    seen: dict[str, Any] = field(default_factory=dict)
    failed: str = ""
    typed: list[str] = field(default_factory=list)

    def type(self, *words: str | Path, at: str, exit: int = 0) -> Said:
        """Type ``countermark WORDS`` in a party's folder; fails unless it ends with `exit`."""
        self.note(words, at)
        out, err = io.StringIO(), io.StringIO()
        with contextlib.chdir(self.here / at), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run([str(word) for word in words])
        assert code == exit, f"at {at}: {words} ended with {code}:\n{out.getvalue()}{err.getvalue()}"
        return Said(code, out.getvalue(), err.getvalue())

    def note(self, words: tuple[str | Path, ...], at: str) -> None:
        """Keep a line for the tutorial's sake, which shows the lines that were typed."""
        line = as_shown(f"{at}: countermark {shlex.join(map(str, words))}")
        self.typed.append(line.replace(str(self.memory), "/dev/shm").replace(f"{self.here}/", "../"))

    def upto(self, act: str) -> Any:
        """Play the story as far as an act that was not played yet; what that act saw. A failed act ends the story."""
        import pytest

        for name, play in ACTS.items():
            if name not in self.seen:
                if self.failed:
                    pytest.skip(f"the story ended at its act {self.failed!r}")
                self.failed = name
                self.seen[name] = play(self)
                self.failed = ""
            if name == act:
                return self.seen[name]
        raise KeyError(act)

    def carry(self, *files: str, to: str) -> None:
        for file in files:
            shutil.copy(self.here / file, self.here / to)

    def chip(self, name: str) -> str:
        """URI of a host's attestation key in a TPM of its own, started on first use."""
        if f"tpm {name}" not in self.seen:
            where = self.held.enter_context(test_doubles.software_tpm(self.here / f"tpm-{name}"))
            self.seen[f"tpm {name}"] = f"tpm:handle={HANDLE}?{where}"
        return str(self.seen[f"tpm {name}"])


def as_shown(line: str) -> str:
    """A typed line without what differs from run to run: digests, ports, the software TPM's address, ``--json``."""
    line = re.sub(r"\?tcti=swtpm:host=127\.0\.0\.1,port=\d+", "", re.sub(r" --json| --port 0", "", line)).replace(
        "'", ""
    )
    return re.sub(r"http://127\.0\.0\.1:\d+", "URL", re.sub(r"\b[0-9a-f]{64}\b|\bFINGERPRINT\b|\bMODEL\b", "HEX", line))


@contextlib.contextmanager
def server(story: Story, *words: str | Path, at: str) -> Iterator[str]:
    """A server of the program in a process of its own; its address."""
    story.note(words, at)
    command = [sys.executable, "-m", "countermark", *map(str, words), "--port", "0"]
    with subprocess.Popen(command, cwd=story.here / at, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            found = re.search(r"http://127\.0\.0\.1:\d+", line)
            assert found, line + process.stderr.read()
            listening(found.group())
            yield found.group()
        finally:
            process.terminate()


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
        rules = RULE.format(owner=name, evidence="software", to="trainer", key=key) + told
        _deposit(story, name, f"{name}-parts.cmsealed", rules)
    return claims


def _deposit(story: Story, owner: str, sealed: str, rules: str) -> None:
    (story.here / owner / "rules.toml").write_text(rules)
    story.type("broker", "policy", f"../stick/{sealed}", "rules.toml", at=owner)
    story.type("broker", "deposit", owner, f"../stick/{sealed}", at="vault")


def train(story: Story) -> dict[str, Any]:
    """Under seal: another script gets no key; the agreed one trains in memory, and its model leaves sealed."""
    script = story.here / "trainer/train.py"
    agreed = script.read_text()
    words = ["train", "--sealed", "train", "--sealed", "bolts", "--with", "trainer.hostkey", "--seal-for",
             "../stick/manufacturer.sealpub", "--at-rest"]  # fmt: skip
    with server(story, "broker", "serve", at="vault") as url:
        words += ["--broker", url]
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


def grant(story: Story) -> str:
    """The plant's TPM is enrolled; the owner lets the broker release to it, and grants a licence that is bound to it."""
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
    rules = RULE.format(owner="manufacturer", evidence="tpm-quote", to="plant", key=key)
    _deposit(story, "manufacturer", "plant-model.cmsealed", rules + f'pcrs = {{ 16 = "{extended(MEASURED).hex()}" }}\n')
    _endorsement(story)
    told = _granted(story, COUNTER, "plant", "30d", "7d")
    story.carry(*(f"stick/plant-model.cmsealed{end}" for end in SEALED), "stick/plant-model.cmpass", to="plant")
    return told


def _endorsement(story: Story) -> None:
    """The public half of the plant's endorsement key, as ``tpm2_createek -f pem`` writes it."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    from countermark.broker.tpm_host import TpmHost

    point = TpmHost.from_bytes((story.here / "plant/plant.tpm").read_bytes()).endorsement
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    (story.here / "plant/ek.pem").write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def _granted(story: Story, counter: str, name: str, lease: str, grace: str) -> str:
    """Grant a licence with that lease; what `explain` tells the plant of it."""
    (story.here / "stick/host.json").unlink(missing_ok=True)
    story.type("license", "host", story.chip("plant"), "--ek", "ek.pem", "--pcr", "16", "--counter", counter, "--out",
               "../stick/host.json", at="plant")  # fmt: skip
    story.type("license", "grant", "plant-model", *TERMS, "--lease", lease, "--grace", grace, "--out", f"../stick/{name}.licence",
               at="manufacturer")  # fmt: skip
    story.carry(f"stick/{name}.licence", f"stick/{name}.licence.revoked", to="plant")
    return story.type("license", "explain", f"{name}.licence", at="plant").out


def operate(story: Story) -> dict[str, Any]:
    """The plant's machine shows its state to the broker, opens the model into memory, serves it under licence, and asks it."""
    with server(story, "broker", "serve", at="vault") as url:
        opened = story.type(
            *asked(story, url, "plant"), "--out", story.memory / "plant-model", "--json", at="plant"
        ).json()
    story.type("key", "api", "line", "--out", "line.key", at="plant")
    _photograph(story)
    unlicensed = story.type(
        "serve", story.memory / "plant-model", "--passport", "plant-model.cmpass", at="plant", exit=1
    ).err
    with server(story, *serving(story, "plant"), at="plant") as url:
        answer = _query(story, url)
    return {"opened": opened, "unlicensed": unlicensed, "answer": answer.json()}


def _photograph(story: Story) -> None:
    """A photograph of the plant's own: of a part that the model knows, and no row that it was trained on."""
    parts = honest(7, classes=4, suppliers=2, makers=1, rows=17)
    row = np.flatnonzero(parts.label == "part-03")[-1]
    Image.fromarray(parts.images[row]).save(story.here / "plant/photo.png")


def asked(story: Story, url: str, chip: str) -> list[str]:
    return ["broker", "open", "plant-model.cmsealed", "--url", url, "--owner", "manufacturer", "--for", "plant", "--with", story.chip(chip),
            "--pcr", "16", "--log-key", "../stick/vault.vkey"]  # fmt: skip


def serving(story: Story, chip: str, licence: str = "plant") -> list[str | Path]:
    return ["serve", story.memory / "plant-model", "--passport", "plant-model.cmpass", "--license", f"{licence}.licence", "--field",
            "inspection", "--territory", "DE", *(("--tpm", story.chip(chip)) if chip else ())]  # fmt: skip


def _query(story: Story, url: str, exit: int = 0) -> Said:
    words = [
        "query",
        url,
        "photo.png",
        "--model",
        story.seen["release"]["model"],
        "--api-key-file",
        "line.key",
        "--json",
    ]
    return story.type(*words, at="plant", exit=exit)


def _elsewhere(story: Story, url: str) -> dict[str, str]:
    """The whole of the plant's folder on another host, whose TPM measured the same; its files, then its licence with the plaintext."""
    shutil.copytree(story.here / "plant", story.here / "thief")
    chip = story.chip("thief")
    story.type("broker", "key", "stranger", "--in", chip, at="thief")
    tpm_quote.measure(uri.parse(chip), 16, MEASURED)
    story.type("recipients", "new", "thief", at="thief")
    said = {
        "a key of its own": story.type(
            "open", "plant-model.cmsealed", "--key", "thief.sealkey", "--out", "model", at="thief", exit=1
        ),
        "the broker, another TPM": story.type(*asked(story, url, "thief"), "--out", "model", at="thief", exit=1),
    }
    for name, other in {"the licence, another TPM": "thief", "the licence, no TPM": ""}.items():
        said[name] = _refused(story, other)
    return {name: one.out + one.err if isinstance(one, Said) else one for name, one in said.items()}


def _refused(story: Story, chip: str) -> str:
    """The licence with plaintext that somehow got there, served by the program as it is."""
    with contextlib.chdir(story.here / "thief"), contextlib.redirect_stderr(io.StringIO()) as err:
        code = run([str(word) for word in (*serving(story, chip), "--port", "0")])
    assert code in (1, 2), err.getvalue()
    return err.getvalue()


def copied(story: Story) -> dict[str, str]:
    """What the copied folder is told on another host."""
    with server(story, "broker", "serve", at="vault") as url:
        return _elsewhere(story, url)


def revoke(story: Story) -> dict[str, Any]:
    """The licence is revoked while the plant serves, and the plant keeps the news out; then the news is carried over."""
    printed = _granted(story, SHORT_COUNTER, "short", f"{LEASE}s", f"{GRACE}s")
    with server(story, *serving(story, "plant", "short"), at="plant") as url:
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
        stopped = time.monotonic() - began
    story.type("license", "take", "short.licence", "../stick/revoked.json", at="plant")
    told = story.type(*serving(story, "plant", "short"), "--port", "0", at="plant", exit=1).err
    return {"printed": printed, "seconds": stopped, "kept out": last, "told": told}


def leak(story: Story) -> dict[str, Any]:
    """The plant's copy leaves, fine-tuned by gradient steps on pictures of the thief's own; the owner traces it."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load(story.memory / "plant-model/model.onnx")
    held = {one.name: numpy_helper.to_array(one).copy() for one in model.graph.initializer}
    weights = [held[name] for name in ("first", "bias", "second", "last")]
    before = weights[0].copy()
    own = honest(7, classes=4, suppliers=2, makers=1, rows=24)
    x, y = vault_train.shrunk(own.images), np.array([int(label[-1]) for label in own.label])
    vault_train.descend(weights, x, y, 100, 0.03)
    onnx.save(vault_train.written(weights, 4), story.here / "manufacturer/leaked.onnx")
    onnx.save(vault_train.written(_unmarked(story), 4), story.here / "manufacturer/unrelated.onnx")
    (story.here / "manufacturer/licensees.txt").write_text("plant\nharbour\nquarry\n")
    words = ("--original", "model/model.onnx", "--key", "works.fingerprint", "--licensees", "licensees.txt", "--json")
    traced = story.type("fingerprint", "trace", "leaked.onnx", *words, at="manufacturer", exit=1).json()
    onnx.save(vault_train.written(_distilled(weights, x), 4), story.here / "manufacturer/distilled.onnx")
    new = story.type("fingerprint", "trace", "distilled.onnx", *words, at="manufacturer", exit=3).json()
    other = story.type("fingerprint", "trace", "unrelated.onnx", *words, at="manufacturer", exit=3).json()
    moved = float(np.abs(weights[0] - before).mean() / before.std())
    return {
        "traced": traced,
        "unmarked": other,
        "distilled": new,
        "accuracy": vault_train.accuracy(weights, x, y),
        "moved": moved,
    }


def _distilled(teacher: list[Any], x: Any) -> list[Any]:
    """A new network that learnt from the copy's answers: what no fingerprint in weights survives."""
    rng = np.random.default_rng(1)
    first, bias, second, last = teacher
    answers = (np.maximum(x @ first + bias, 0) @ second + last).argmax(axis=1)
    pupil = [
        rng.normal(0, len(w) ** -0.5, w.shape).astype(np.float32) if w.ndim == 2 else np.zeros_like(w) for w in teacher
    ]
    vault_train.descend(pupil, x, answers, vault_train.STEPS, vault_train.RATE)
    assert vault_train.accuracy(pupil, x, answers) > 0.9
    return pupil


def _unmarked(story: Story) -> list[Any]:
    """The original, without anybody's mark."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(story.here / "manufacturer/model/model.onnx").graph
    held = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    return [held[name] for name in ("first", "bias", "second", "last")]


ACTS = {
    act.__name__: act for act in (parties, broker, deliver, agree, train, release, grant, operate, copied, revoke, leak)
}
