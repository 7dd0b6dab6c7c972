"""The last act of the vault's story: a copy that leaks, and is traced."""

from __future__ import annotations

from typing import Any

import numpy as np
import vault_train
from made_up_parts import honest
from vault_plant import asked
from vault_stage import Story, server


def leak(story: Story) -> dict[str, Any]:
    """An administrator of the plant has the broker's key written out with the model, and fine-tunes it on pictures of his own; it is traced."""
    import onnx
    from onnx import numpy_helper

    with server(story, "broker", "serve", at="vault") as vault:
        story.type(*asked(story, vault.url, "plant"), "--out", "taken", at="plant")
    log = story.type("broker", "log", "--json", at="vault").json()["releases"]
    model = onnx.load(story.here / "plant/taken/model.onnx")
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
        "log": log,
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
