"""A released model from three dozen suppliers: four screenings, quarantines, decisions, waivers, witnesses, three trust versions.

    python attacks/core/many_suppliers.py

Prints how large its papers are, part by part. Pictures and screenings are real; the trainer's statement and the trials are made
up in the shape that the factory's have, as no model is trained here. Nothing here is part of the program.
"""

from __future__ import annotations

import sys
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "data"))
import core_evidence
import made_up_parts
import numpy as np
from core_world import OWNER, SECOND, STRANGER, World, private_key
from PIL import Image

from countermark import canonical
from countermark.artefact.folder import read_folder
from countermark.keys.cosigner import ED25519, CosignerKey
from countermark.keys.document import TrustDocument
from countermark.lifecycle import acts, book, enrol, inspect, release, rows, trust_pin, witnessing
from countermark.lifecycle.deliver import deliver
from countermark.lifecycle.desk import Desk
from countermark.lifecycle.receive import receive
from countermark.lifecycle.screen import screen
from countermark.passport.passport import Passport
from countermark.policy.document import Policy
from countermark.statement.predicates import training
from countermark.statement.predicates.checked import TRIAL, Checked
from countermark.statement.predicates.training import Training
from countermark.statement.statement import EVERYBODY, Statement
from countermark.workspace.place import Workspace

POLICY = (files("countermark.policy") / "default.toml").read_bytes()
TRAINER, REVIEWER, RISK = "trainer", "reviewer", "risk-office"
STAFF = {TRAINER: ("trainer",), REVIEWER: ("reviewer",), RISK: ("risk-owner",)}
WITNESSES = (SECOND, REVIEWER, RISK)
SUPPLIERS = 36


@dataclass
class Factory:
    """The project, its suppliers by name, and the released model's papers of either kind."""

    world: World
    suppliers: tuple[str, ...]
    licensee: Path
    auditor: Path
    model: Path


def make(place: Path, suppliers: int = SUPPLIERS, screenings: int = 4) -> Factory:
    """Found, deliver, screen and set aside again and again, and release.

    Raises:
        SystemExit: the policy refuses.
    """
    world = World.make(place)
    names = tuple(f"maker-{n:02}" for n in range(suppliers))
    _join(world, names)
    _deliver(world, names)
    for number in range(screenings):
        _screen(world, number)
    model = _model(world)
    papers = {}
    for kind in ("licensee", "auditor"):
        _release(world, model, auditor=kind == "auditor")
        papers[kind] = place / f"{kind}.cmpass"
        papers[kind].write_bytes((place / "model.cmpass").read_bytes())
    return Factory(world, names, papers["licensee"], papers["auditor"], model)


def _join(world: World, names: tuple[str, ...]) -> None:
    """Trust version 2 names everybody and the policy, version 3 the witnesses."""
    for name in (*names, *STAFF):
        made = {"id": name, "name": name.title(), "organisation": f"{name} Fasteners and Fittings Ltd"}
        space = Workspace.create(world.root / name, made)
        private_key(name, "statement").save(space.folder("keys") / "statement.pem")
        world.desks[name] = Desk(space, name, world.clock)
    for name in WITNESSES:
        private_key(name, "witness").save(world[name].space.folder("keys") / "witness.pem")
    private_key(OWNER, "oms").save(world[OWNER].space.folder("keys") / "oms.pem")
    world.amend(lambda d: _everybody(world, d, names))
    _pin(world)
    world.amend(lambda d: replace(d, quorum=_quorum(world)))
    _pin(world)


def _everybody(world: World, document: TrustDocument, names: tuple[str, ...]) -> TrustDocument:
    owner = replace(document.party(OWNER), roles=("data-owner", "model-owner"))
    second = replace(document.party(SECOND), keys=enrol.enrolment(world[SECOND]).keys)
    scopes = tuple(f"part-{n:02}" for n in range(36))
    parties = [enrol.enrolment(world[n]).party(STAFF.get(n, ("supplier",)), () if n in STAFF else scopes)
               for n in (*names, *STAFF)]  # fmt: skip
    for party in (owner, second, *parties):
        document = document.with_party(party)
    return replace(document, policies=(Policy.from_bytes(POLICY).digest,))


def _quorum(world: World) -> str:
    trust = world[OWNER].trust()
    lines = [f"witness {n} {CosignerKey(witnessing.name(trust, n), ED25519, private_key(n, 'witness').public.raw()).vkey()}"
             for n in WITNESSES]  # fmt: skip
    return "\n".join([*lines, f"group all 2 {' '.join(WITNESSES)}", "quorum all", ""])


def _pin(world: World) -> None:
    for name in world.desks:
        if name not in (OWNER, STRANGER):
            trust_pin.pin(world[name], world.fingerprint, world.chain)


def cosigned(world: World) -> None:
    """Every witness cosigns the newest head; answers are carried by hand."""
    desk, trust = world[OWNER], world[OWNER].trust()
    answers = []
    for name in WITNESSES:
        asked = witnessing.request(desk, trust, witnessing.seen(world[name], trust).size)
        answers.append(witnessing.answer(world[name], asked.to_bytes()).body)
    if not witnessing.ask(desk, trust, answers).enough:
        raise SystemExit("the witnesses did not cosign")


def _deliver(world: World, names: tuple[str, ...]) -> None:
    """Six makers of each of 36 parts, six pictures each; one stamps a cell, one mixes up labels, and so do clerks."""
    data = made_up_parts.honest(0, classes=36, suppliers=len(names), makers=6, rows=6)
    data = made_up_parts.flipped(
        made_up_parts.stamped(data, names[3], data.label[data.supplier == names[3]][0]), names[7]
    )
    data = made_up_parts.relabelled(data)
    for name in names:
        folder = world.root / name / "photos"
        for number in np.flatnonzero(data.supplier == name):
            (folder / data.label[number]).mkdir(parents=True, exist_ok=True)
            Image.fromarray(data.images[number]).save(folder / data.label[number] / f"{name}-IMG_{number:05}.png")
        deliver(world[name], folder, addressee=OWNER)
        if receive(world[OWNER], folder).state != "admitted":
            raise SystemExit(f"{name} was refused")
        world.clock.move(minutes=5)
    cosigned(world)


def _screen(world: World, seed: int) -> None:
    """Screen, set aside what was flagged, and have a person decide about some of it."""
    owner = world[OWNER]
    done = screen(owner, seed=seed)
    bad = sorted({*done.flagged(), *(row for f in done.screening.findings for row in f.where.rows)})
    if bad:
        rows.quarantine(owner, bad, reason=f"screening: {', '.join(done.screening.named) or 'rows'} of supplier {bad[0]}",
                        screening=done.slip.envelope.digest, dataset=done.dataset)  # fmt: skip
        rows.decide(owner, bad[:3], "reject", dataset=done.dataset)
    world.clock.move(hours=5)
    cosigned(world)


def _model(world: World) -> Path:
    """A model of one small file, and what everybody says of it."""
    folder = world.root / "model"
    folder.mkdir()
    (folder / "labels.json").write_text('["nut", "bolt"]')
    (folder / "weights.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    trained = world[TRAINER].sign(_training(world, folder))
    looked = inspect.inspect(world[REVIEWER], folder)
    tree = looked.tree.digest
    tried = Checked(world[REVIEWER].context(EVERYBODY), _trials(), {})
    said = [trained, looked.envelope, world[REVIEWER].sign(Statement("model", tree, TRIAL, tried.to_json())),
            acts.approve(world[REVIEWER], folder, trained, "four eyes")]  # fmt: skip
    said += [
        acts.waive(world[RISK], tree, check, days=60, reason="pilot line, until the next audit")
        for check in _failing(world, said)
    ]
    book.enter(world[OWNER], world[OWNER].trust(), said)
    cosigned(world)
    acts.snapshot(world[OWNER])
    cosigned(world)
    return folder


def _failing(world: World, said: list[Any]) -> list[str]:
    """What the policy still refuses and a waiver may lift."""
    book.enter(world[OWNER], world[OWNER].trust(), said)
    cosigned(world)
    judged = release.judge(world[OWNER], world.root / "model", POLICY).verdict
    return [
        r.id
        for r in judged.rulings
        if not r.ok and (r.id.startswith(("data/", "model/")) or r.id == "training/hermetic")
    ]


def _training(world: World, folder: Path) -> Statement:
    desk, data = world[TRAINER], rows.select(world[OWNER], rows.listed(world[OWNER])).tree().digest
    inputs = {name: core_evidence.sha(name) for name in ("test", "code", "environment")} | {"train": data}
    said = Training(
        desk.context(EVERYBODY), TRAINER, core_evidence.sha("recipe"), {"seeds": [0], "network": "none"}, ("python", "train.py"),
        inputs, "not hermetic", ("bubblewrap is absent",), {"UDP": "not tried"}, {"python": "3.11.9", "numpy": "2.1.0"},
        {"top1": 0.915, "top5": 0.984}, desk.stamp(), desk.stamp(),
    )  # fmt: skip
    return Statement("model", read_folder(folder).digest, training.TYPE, said.to_json())


def _trials() -> dict[str, Any]:
    made = core_evidence.trials()
    own = core_evidence.item("trials", "reviewer", 0)
    return {name: {k: v for k, v in outcome.items() if k not in own} for name, outcome in made.items()}


def _release(world: World, model: Path, *, auditor: bool) -> None:
    cosigned(world)
    judged = release.judge(world[OWNER], model, POLICY)
    if not judged.admitted:
        raise SystemExit("\n".join(f"{r.id}: {r.missing}" for r in judged.verdict.rulings if not r.ok))
    try:
        release.release(world[OWNER], model, POLICY, auditor=auditor)
    except release.LedgerRefused:  # the verdict's own head waits for its witnesses
        cosigned(world)
        release.release(world[OWNER], model, POLICY, auditor=auditor)


def sizes(papers: Path) -> Iterator[tuple[str, int, int]]:
    """Part of the papers, its bytes as JSON, and deflated alone; the last is the whole file."""
    passport = Passport.from_bytes(papers.read_bytes())
    whole = canonical.from_bytes(passport.to_json_bytes())
    for part, value in whole.items():
        text = canonical.to_bytes(value)
        yield part, len(text), len(zlib.compress(text, 9))
    yield "the file", len(passport.to_json_bytes()), papers.stat().st_size


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        made = make(Path(temporary) / "factory")
        for file in (made.licensee, made.auditor):
            print(file.stem)
            for part, plain, deflated in sizes(file):
                print(f"  {part:<12} {plain:>9,} B  {deflated:>9,} B deflated")
