"""Trial: attack a model under a budget and a seed, and sign what was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from countermark import canonical, dsse
from countermark.artefact.folder import read_folder
from countermark.artefact.handle import Handle
from countermark.artefact.tree import TreeEntry
from countermark.errors import FormatRefused, StatementRefused, Unusable
from countermark.formats.decode import Decoder
from countermark.lifecycle.contract import BATCH
from countermark.lifecycle.desk import Desk
from countermark.runtime import onnx
from countermark.runtime.confined import ConfinedModel
from countermark.statement.predicates.checked import TRIAL, Checked
from countermark.statement.statement import EVERYBODY, Statement
from countermark.trials.evasion import square
from countermark.trials.stealing import extraction
from countermark.trials.target import Budget, Target, TrialResult

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MODEL, LABELS = "model.onnx", "labels.json"
PICTURES, ROUNDS = 60, 60
SIDE = 64
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Model:
    """A model folder's private copy: tree digest, class names, and the model, which answers from a confined child."""

    digest: str
    network: ConfinedModel
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tried:
    """Finished trials and, where somebody signs, their statement."""

    results: tuple[TrialResult, ...]
    digest: str


@contextmanager
def read_model(folder: Path) -> Iterator[Model]:
    """Load ``model.onnx`` and ``labels.json`` from bytes that are hashed as they are read; end the child afterwards.

    Raises:
        FormatRefused: one of them is missing or malformed. TreeRefused, Unusable: the folder cannot be read.
    """
    files: dict[str, bytes] = {}

    def keep(entry: TreeEntry, data: bytes) -> None:
        files[entry.path] = data

    tree = read_folder(folder, sink=keep)
    network, external = _network(files)
    labels = _labels(files.get(LABELS, b""))
    with ConfinedModel(network, external) as confined:
        yield Model(tree.digest, confined, labels)


def from_handle(files: Handle) -> tuple[onnx.OnnxModel, tuple[str, ...]]:
    """Network, in this process, and class names from verified bytes.

    Raises:
        FormatRefused: ``model.onnx`` or ``labels.json`` is missing or malformed. TreeRefused: not what was signed.
    """
    _needs(MODEL in files)
    labels = _labels(files.content(LABELS) if LABELS in files else b"")
    return onnx.from_handle(files, MODEL), labels


def _needs(here: bool, deeper: str = "") -> None:
    if not here:
        mend = (
            f"it lies in {deeper}: write it into the output folder itself" if deeper else f"export to ONNX as {MODEL}"
        )
        raise FormatRefused(f"there is no {MODEL} in the model folder", mend=mend)


def _network(files: dict[str, bytes]) -> tuple[bytes, dict[str, bytes]]:
    """The model's bytes and its data files."""
    _needs(MODEL in files, next((path for path in sorted(files) if path.endswith(f"/{MODEL}")), ""))
    return files[MODEL], {path: data for path, data in files.items() if path.endswith(".data")}


def _labels(file: bytes) -> tuple[str, ...]:
    try:
        labels = canonical.from_bytes(file, what=LABELS)
    except StatementRefused as error:
        raise FormatRefused(
            f"{LABELS} is missing or malformed", why=error.why or error.what,
            mend="a JSON list of class names in score order",
        ) from error  # fmt: skip
    if not isinstance(labels, list) or not all(isinstance(x, str) for x in labels):
        raise FormatRefused(f"{LABELS} is not a list of names", mend="a JSON list of class names in score order")
    return tuple(labels)


def picture_size(input_shape: Sequence[int | None]) -> tuple[int, int]:
    """Width and height of the pictures that a model takes; 64 where it takes any.

    Raises:
        FormatRefused: its input is no batch of pictures (n, height, width, 3).
    """
    if len(input_shape) != 3 or input_shape[2] not in (3, None):
        wanted = ", ".join("any" if side is None else str(side) for side in input_shape)
        raise FormatRefused(
            f"the model takes (n, {wanted}), not pictures (n, height, width, 3)",
            mend="export it with its preprocessing: uint8 pictures in, red, green and blue last",
        )
    height, width, _ = input_shape
    return width or SIDE, height or SIDE


def read_pictures(folder: Path, size: tuple[int, int] = (SIDE, SIDE)) -> tuple[NDArray[np.uint8], list[str]]:
    """Pictures of a folder per class, decoded in a confined child: uint8 (n, height, width, 3), and their classes.

    Args:
        size: (width, height) in pixels that they are brought to.

    Raises:
        FormatRefused: a picture does not decode. TreeRefused, Unusable: the folder cannot be read.
    """
    import numpy as np

    files: dict[str, bytes] = {}

    def keep(entry: TreeEntry, data: bytes) -> None:
        files[entry.path] = data

    paths = [e.path for e in read_folder(folder, sink=keep).entries if "/" in e.path]
    parts = []
    with Decoder() as decoder:
        for start in range(0, len(paths), BATCH):
            done = decoder.batch([files[p] for p in paths[start : start + BATCH]], size)
            bad = next((e for e in done.errors if e), None)
            if bad:
                raise FormatRefused(f"a picture of {folder.name} does not decode", why=bad)
            parts.append(done.pixels)
    if not parts:
        raise Unusable(f"{folder} holds no class folders with pictures")
    return np.concatenate(parts), [p.split("/", 1)[0] for p in paths]


def attempt(model: Model, pictures: NDArray[np.uint8], classes: Sequence[str], *, seed: int = 0,
            budget: Budget | None = None, progress: Progress | None = None) -> Tried:  # fmt: skip
    """Run both trials without signing anything.

    Args:
        pictures, classes: test pictures and their class names. budget: of each trial; default: enough to end.
    """
    import numpy as np

    index = {name: i for i, name in enumerate(model.labels)}
    known = np.array([c in index for c in classes])
    images = pictures[known]
    truth = np.array([index[c] for c, k in zip(classes, known, strict=True) if k])
    order = np.random.default_rng([seed, 71]).permutation(len(images))
    attacked = order[:PICTURES]
    if progress:
        progress(square.ID)
    evasion = square.run(
        Target(model.network.predict, budget or square.default_budget(PICTURES, ROUNDS)),
        images[attacked], truth[attacked], seed=seed, rounds=ROUNDS,
    )  # fmt: skip
    if progress:
        progress(extraction.ID)
    apart = min(extraction.HELD_OUT, len(images) // 3)
    held, pool = images[order[:apart]], images[order[apart:]]
    stealing = extraction.run(
        Target(model.network.predict, budget or Budget(len(pool) + len(held) + 100)), pool, held, seed=seed
    )
    return Tried((evasion, stealing), model.digest)


def sign(desk: Desk, name: str, tried: Tried) -> dsse.Envelope:
    """One statement about all trials of a model."""
    checks: dict[str, Any] = {r.id: r.to_json() for r in tried.results}
    predicate = Checked(desk.context(EVERYBODY), checks, {})
    return desk.sign(Statement(name, tried.digest, TRIAL, predicate.to_json()))
