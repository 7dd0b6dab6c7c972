"""Admission: a model enters the guard from the very bytes that were verified, and only from them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from countermark import canonical
from countermark.errors import FormatRefused
from countermark.lifecycle.trial import from_handle
from countermark.lifecycle.verify import Opened


class Network(Protocol):
    """A loaded model."""

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """Shape of one input; None where any size is taken."""

    def predict(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """Scores (n, classes) of inputs (n, *input_shape)."""


@dataclass(frozen=True, slots=True)
class Served:
    """A model as the guard serves it.

    Attributes:
        digest: tree digest of the model folder, hex. labels: class names in score order. network: what answers.
    """

    digest: str
    labels: tuple[str, ...]
    network: Network

    def about(self, delegation: bytes) -> bytes:
        """What ``GET /v1/model`` says: canonical JSON with digest, labels, input shape and the delegation envelope."""
        return canonical.to_bytes(
            {
                "model": self.digest,
                "labels": list(self.labels),
                "input": [-1 if side is None else side for side in self.network.input_shape],
                "delegation": json.loads(delegation),
            }
        )


def admit(opened: Opened) -> Served:
    """Load a model whose papers were verified, and read the rest of its folder once: the guard vouches for all of it.

    Args:
        opened: handle that `lifecycle.verify.open_model` gives.

    Raises:
        TreeRefused: a file is not what was admitted. FormatRefused: it does not load, or the class names do not match its scores. MissingExtra: no ONNX Runtime.
    """
    network, labels = from_handle(opened.files)
    opened.files.check_rest()
    return try_out(Served(opened.verified.digest, labels, network))


def try_out(served: Served) -> Served:
    """Ask once for a blank picture, so that a model that cannot answer is refused at the door.

    Raises:
        FormatRefused: it gives another number of scores than there are labels, or none that are finite.
        ExchangeRefused: it cannot run.
    """
    blank = np.zeros((1, *(side or 64 for side in served.network.input_shape)), np.uint8)
    scores = served.network.predict(blank)
    if scores.shape != (1, len(served.labels)) or not np.isfinite(scores).all():
        raise FormatRefused(
            f"the model gives scores of shape {scores.shape} for {len(served.labels)} class names",
            mend="labels.json lists one name per score, in order",
        )
    return served
