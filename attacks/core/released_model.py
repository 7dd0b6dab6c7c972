"""A released model of the small project: weights, a network and class names."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.numpy
import small_release
from core_world import World
from guard_world import tiny_model

from countermark.passport.verify import Pin


@dataclass(frozen=True)
class ReleasedModel:
    """A model folder, its passport, and the pin of somebody who trusts the project."""

    world: World
    folder: Path
    passport: Path

    @property
    def pin(self) -> Pin:
        return Pin(self.world.fingerprint)


def make(place: Path) -> ReleasedModel:
    """Deliver, receive, release.

    Raises:
        SystemExit: the policy refuses.
    """
    world = small_release.make(place)
    folder = place / "model"
    folder.mkdir()
    (folder / "weights.safetensors").write_bytes(
        safetensors.numpy.save({"w": np.arange(12, dtype=np.float32).reshape(3, 4)}, {"made": "here"})
    )
    np.save(folder / "mean.npy", np.zeros(3))
    (folder / "model.onnx").write_bytes(tiny_model())
    (folder / "labels.json").write_text(json.dumps([f"part-{n}" for n in range(5)]))
    return ReleasedModel(world, folder, small_release.released(world, folder))
