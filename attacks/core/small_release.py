"""A small project that releases models: one owner who keeps the ledger, and a policy of one rule.

The policy asks for a delivery in scope and nothing else; what a real one asks for is `countermark policy show`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from core_world import OWNER, World, private_key

from countermark.keys.document import TrustDocument
from countermark.lifecycle.receive import receive
from countermark.lifecycle.release import release
from countermark.policy.document import STAGES, Policy

POLICY = (
    'format = 1\nname = "small"\n[signers]\n'
    + "".join(f'{stage} = "{"supplier" if stage == "deliveries" else "data-owner"}"\n' for stage in STAGES)
    + """
[[rule]]
id = "in-scope"
asset = "training data"
evidence = ["deliveries"]
require = "deliveries.exists(d, d.in_scope)"
why = "somebody delivered what they may"
mend = "deliver it"
"""
).encode()


def amended(document: TrustDocument) -> TrustDocument:
    """The data owner owns the model too, and the small policy counts."""
    parties = tuple(replace(p, roles=("data-owner", "model-owner")) if p.id == OWNER else p for p in document.parties)
    return replace(document, parties=parties, policies=(Policy.from_bytes(POLICY).digest,))


def amended_policy(document: TrustDocument) -> TrustDocument:
    """What `POLICY` says now counts too."""
    return replace(document, policies=(*document.policies, Policy.from_bytes(POLICY).digest))


def make(place: Path) -> World:
    """A project with one admitted delivery, ready to release."""
    world = World.make(place)
    world.amend(amended)
    parts, _ = world.delivered()
    receive(world[OWNER], parts)
    private_key(OWNER, "oms").save(world[OWNER].space.folder("keys") / "oms.pem")
    return world


def released(world: World, folder: Path) -> Path:
    """Release a model folder; returns its passport.

    Raises:
        SystemExit: the policy refuses.
    """
    done = release(world[OWNER], folder, POLICY)
    if done.passport is None:
        raise SystemExit(f"the policy refuses: {done.judged.verdict}")
    return done.passport


def model(world: World, name: str, weights: bytes = b"weights") -> tuple[Path, Path]:
    """A released model of one file: its folder and its passport."""
    folder = world.root / name
    folder.mkdir()
    (folder / "weights.bin").write_bytes(weights)
    return folder, released(world, folder)
