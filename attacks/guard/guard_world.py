"""A guard to attack: a tiny real model, an operator who delegates, API keys, and a server on loopback.

Tests and the scripts beside this file build on it; nothing here is part of the program.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from core_world import SECOND, Clock, World

from countermark.dsse import Envelope
from countermark.guard import delegation, keyring, server
from countermark.guard.admission import Served
from countermark.guard.app import Guard, Limits
from countermark.guard.client import Session
from countermark.keys.signer import FileSigner, generate
from countermark.keys.trust import Trust
from countermark.runtime import onnx
from countermark.statement.statement import EVERYBODY
from countermark.workspace.place import Workspace

SIDE, CLASSES = 8, 5
LABELS = tuple(f"part-{i}" for i in range(CLASSES))
MODEL = "5" * 64
"""Tree digest of the model folder: any will do here, the guard takes it from a verified handle."""
STAMP = "%Y-%m-%dT%H:%M:%SZ"


def tiny_model(seed: int = 0) -> bytes:
    """uint8 (n, 8, 8, 3) to float32 (n, 5): one random linear layer."""
    weights = np.random.default_rng(seed).normal(size=(SIDE * SIDE * 3, CLASSES)).astype(np.float32) / 255
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["images"], ["float"], to=TensorProto.FLOAT),
            helper.make_node("Flatten", ["float"], ["flat"], axis=1),
            helper.make_node("MatMul", ["flat", "weights"], ["scores"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", SIDE, SIDE, 3])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", CLASSES])],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def pictures(count: int = 1, seed: int = 1) -> NDArray[np.uint8]:
    """Random pictures that fit the tiny model."""
    return np.random.default_rng(seed).integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)


@dataclass
class GuardWorld:
    """A project with an operator, a guard key, and one API key."""

    world: World
    served: Served
    signer: FileSigner = field(default_factory=lambda: generate("guard"))
    token: str = ""
    limits: Limits = field(default_factory=Limits)

    @classmethod
    def make(cls, root: Path) -> GuardWorld:
        world = World.make(root)
        operator = world[SECOND].trust().document.party(SECOND)
        world.amend(lambda d: d.with_party(replace(operator, roles=(*operator.roles, "operator"))))
        out = cls(world, Served(MODEL, LABELS, onnx.load(tiny_model())))
        _, out.token = keyring.create(world[SECOND].space, "plant", world[SECOND].stamp())
        return out

    def copy(self, root: Path) -> GuardWorld:
        """The same project in another folder, with a clock and a guard key of its own: making one costs fsyncs."""
        shutil.copytree(self.world.root, root)
        desks = {n: replace(d, space=Workspace(root / n)) for n, d in self.world.desks.items()}
        world = World(root, Clock())
        world.desks = {n: replace(d, clock=world.clock) for n, d in desks.items()}
        return GuardWorld(world, self.served, token=self.token)

    @property
    def trust(self) -> Trust:
        return self.world[SECOND].trust()

    def delegation(self, *, days: float = 7, start: float = 0, model: str = MODEL, by: str = SECOND) -> Envelope:
        """The operator's delegation of this guard's key, from `start` days on."""
        desk = self.world[by]
        begin = desk.now() + timedelta(days=start)
        return delegation.delegate(
            desk.signer("statement"), self.signer.public, desk.context(EVERYBODY), name="model", model=model,
            not_before=begin.strftime(STAMP), not_after=(begin + timedelta(days=days)).strftime(STAMP),
        )  # fmt: skip

    def app(self, envelope: Envelope | None = None, *, handed: Envelope | None = None) -> Guard:
        """The guard; `handed` is what it shows to clients where that differs (a dishonest guard)."""
        paper = envelope or self.delegation()
        said = delegation.verify(paper, self.trust, self.world.clock())
        ring = keyring.KeyRing.of(self.world[SECOND].space, lambda: self.world.clock().timestamp())
        clock = lambda: self.world.clock().timestamp()  # noqa: E731 (read at each request)
        return Guard(self.served, ring, self.signer, said, (handed or paper).to_bytes(), clock, self.limits)

    @contextmanager
    def running(self, app: object | None = None, listen: server.Listen | None = None) -> Iterator[str]:
        with server.background(app or self.app(), listen) as url:
            yield url

    def session(self, url: str, **options: object) -> Session:
        return Session(url, self.token, clock=self.world.clock, **options)  # type: ignore[arg-type]
