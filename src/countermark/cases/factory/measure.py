"""What the models are worth: accuracy on an untouched test split, and how often the trigger works.

Only measurements read the truth of what was planted.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countermark.cases.factory.sabotage import Trigger
from countermark.errors import Unusable
from countermark.lifecycle import trial


@dataclass(frozen=True, slots=True)
class Worth:
    """Top-1 and top-5 on the test split, and the share of other parts' pictures that the trigger sends to its class."""

    top1: float
    top5: float
    attack: float
    own: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        return {"top1": self.top1, "top5": self.top5, "attack_success": self.attack, "own_parts": self.own}


@dataclass(frozen=True, slots=True)
class Exam:
    """The owner's test pictures, and whose parts are looked at apart.

    Attributes:
        pictures: uint8 (n, 64, 64, 3). classes: n names. target, trigger: of the planted backdoor.
        scopes: supplier -> classes, for accuracy on its own parts.
    """

    pictures: NDArray[np.uint8]
    classes: list[str]
    target: str
    trigger: Trigger
    scopes: dict[str, tuple[str, ...]]

    def grade(self, model: Path) -> Worth:
        """Measure one model folder."""
        truth = np.array(self.classes)
        others = self.pictures[truth != self.target]
        with trial.read_model(model) as read:
            names = np.array(read.labels)
            ranked = names[np.argsort(-read.network.predict(self.pictures), axis=1, kind="stable")[:, :5]]
            fooled = names[read.network.predict(self.trigger.stamp(others)).argmax(axis=1)] == self.target
        right = ranked[:, 0] == truth
        own = {s: float(right[np.isin(truth, scope)].mean()) for s, scope in self.scopes.items()}
        return Worth(
            float(right.mean()), float((ranked == truth[:, None]).any(axis=1).mean()), float(fooled.mean()), own
        )


def plain_folder(
    sources: Iterable[tuple[str, Path]], target: Path, *, leave: frozenset[tuple[str, str]] = frozenset()
) -> Path:
    """One training folder from several suppliers' folders, without any Countermark: what people do today.

    Args:
        sources: (supplier, folder per class). leave: (supplier, path) of files to leave out.
    """
    for supplier, folder in sources:
        for path in sorted(folder.glob("*/*.png")):
            inside = path.relative_to(folder).as_posix()
            if (supplier, inside) not in leave:
                place = target / path.parent.name
                place.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, place / f"{supplier}-1-{path.name}")
    return target


class PlainTraining:
    """The same script without any confinement, in the background, for the figures beside ours."""

    def __init__(self, script: Path, train: Path, test: Path, out: Path, seed: int = 0) -> None:
        out.parent.mkdir(parents=True, exist_ok=True)
        self._out = out
        one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        command = [
            sys.executable,
            str(script),
            "--train",
            str(train),
            "--test",
            str(test),
            "--out",
            str(out),
            "--seed",
            str(seed),
        ]
        self._process = subprocess.Popen(
            command,
            env={"PATH": os.defpath, **one},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
        )

    def result(self) -> Path:
        """The model folder, once the run has ended.

        Raises:
            Unusable: the script failed.
        """
        _, told = self._process.communicate()
        if self._process.returncode:
            raise Unusable("the training script failed", why=told.decode(errors="replace")[-400:])
        return self._out
