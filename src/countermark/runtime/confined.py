"""A model that answers from a confined child: whoever tries out a stranger's model keeps keys and network away from it.

Same answers as `runtime.onnx`, to the bit. The queries, their count and what is concluded stay on this side.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from countermark.errors import ExchangeRefused
from countermark.sandbox.confinement import Confinement
from countermark.sandbox.limits import ChildFailed, Limits
from countermark.sandbox.pipe import Child
from countermark.sandbox.wire import ITEM_BYTES

_TASKS = "countermark.runtime._predict_task"
_WORKING_BYTES = 4 << 30
_COPIES = 4  # the blob, ONNX Runtime's parsed protobuf, its initialisers, and packed weights


class ConfinedModel:
    """An ONNX model in a child without keys, network or files; a context manager.

    Attributes:
        input_shape: expected shape after the batch axis; None where any size is taken.
        confinement: what holds the child, and what this platform could not give.

    Raises:
        FormatRefused: as `runtime.onnx.load`, and where a budget of the child was crossed.
        MissingExtra: ONNX Runtime is absent. ChildFailed: the child died on it.
    """

    def __init__(self, model: bytes, external: Mapping[str, bytes] | None = None, limits: Limits | None = None) -> None:
        names, blobs = list(external or {}), [model, *(external or {}).values()]
        size = sum(map(len, blobs))
        self._child = Child(limits or _limits(size))
        with contextlib.ExitStack() as failed:
            failed.callback(self.close)
            told = self._child.ask(f"{_TASKS}:load", {"external": names}, blobs).json.get("input")
            self.input_shape = _shape(told)
            failed.pop_all()  # it lives on

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    @property
    def confinement(self) -> Confinement:
        """What holds the child."""
        return self._child.confinement

    def predict(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """Scores of a batch: float32 (n, classes) of integers or floats (n, *input_shape), values 0..255.

        Raises:
            ExchangeRefused: another shape or dtype, or the model cannot run on it. ChildFailed: the child died on it.
        """
        batch = np.ascontiguousarray(images)
        dtype = batch.dtype.newbyteorder("<").str
        if dtype not in ITEM_BYTES:
            raise ExchangeRefused(f"a query of {batch.dtype} is not made of numbers that a model takes")
        request = {"dtype": dtype, "shape": list(batch.shape)}
        reply = self._child.ask(f"{_TASKS}:predict", request, [batch.astype(dtype, copy=False).tobytes()])
        answer = reply.arrays[0] if len(reply.arrays) == 1 else None
        if answer is None or answer.dtype != "<f4" or len(answer.shape) != 2 or answer.shape[0] != len(batch):
            raise ChildFailed("the confined model answered with something that is no row of scores per picture")
        return np.frombuffer(answer.data, "<f4").reshape(answer.shape).astype(np.float32, copy=False)

    def close(self) -> None:
        """End the child."""
        self._child.close()


def _limits(size: int) -> Limits:
    """Budgets that grow with the model."""
    return Limits(
        memory_bytes=_WORKING_BYTES + _COPIES * size, cpu_seconds=600, wall_seconds=900.0, blob_bytes=size + (1 << 30)
    )


def _shape(told: object) -> tuple[int | None, ...]:
    if not isinstance(told, list) or not all(type(side) is int for side in told):
        raise ChildFailed("the confined model described its input in no known way")
    return tuple(side if side >= 0 else None for side in told)
