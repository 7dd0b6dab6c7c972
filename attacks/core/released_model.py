"""A small released model: one owner who keeps the ledger, a policy of one rule, weights, a network and class names.

The policy asks for a delivery in scope and nothing else; what a real one asks for is `countermark policy show`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import safetensors.numpy
from core_world import OWNER, World, private_key
from guard_world import tiny_model

from countermark.keys.trust import TrustDocument
from countermark.lifecycle.receive import receive
from countermark.lifecycle.release import release
from countermark.passport.verify import Pin
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


@dataclass(frozen=True)
class ReleasedModel:
    """A model folder, its passport, and the pin of somebody who trusts the project."""

    world: World
    folder: Path
    passport: Path

    @property
    def pin(self) -> Pin:
        return Pin(self.world.fingerprint)


def _amended(document: TrustDocument) -> TrustDocument:
    parties = tuple(replace(p, roles=("data-owner", "model-owner")) if p.id == OWNER else p for p in document.parties)
    return replace(document, parties=parties, policies=(Policy.from_bytes(POLICY).digest,))


def make(place: Path) -> ReleasedModel:
    """Deliver, receive, release.

    Raises:
        SystemExit: the policy refuses.
    """
    world = World.make(place)
    world.amend(_amended)
    parts, _ = world.delivered()
    receive(world[OWNER], parts)
    folder = place / "model"
    folder.mkdir()
    (folder / "weights.safetensors").write_bytes(
        safetensors.numpy.save({"w": np.arange(12, dtype=np.float32).reshape(3, 4)}, {"made": "here"})
    )
    np.save(folder / "mean.npy", np.zeros(3))
    (folder / "model.onnx").write_bytes(tiny_model())
    (folder / "labels.json").write_text(json.dumps([f"part-{n}" for n in range(5)]))
    private_key(OWNER, "oms").save(world[OWNER].space.folder("keys") / "oms.pem")
    released = release(world[OWNER], folder, POLICY)
    if released.passport is None:
        raise SystemExit(f"the policy refuses: {released.judged.verdict}")
    return ReleasedModel(world, folder, released.passport)
