"""ONNX models run by ONNX Runtime, from bytes that were verified, never from a path.

One thread and a fixed optimisation level, so that the same bytes give the same answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countermark.errors import ExchangeRefused, FormatRefused, MissingExtra

_TYPES = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32, "tensor(double)": np.float64}


@dataclass(frozen=True, slots=True)
class OnnxModel:
    """A loaded model.

    Attributes:
        input_shape: expected shape after the batch axis; None where any size is taken.
    """

    _session: Any
    _input: str
    _dtype: Any
    input_shape: tuple[int | None, ...]

    def predict(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """Scores of a batch.

        Args:
            images: (n, *input_shape), values 0..255; converted to the model's type.

        Returns:
            float32 (n, classes).

        Raises:
            ExchangeRefused: the shape is not the model's.
        """
        batch = np.asarray(images)
        fits = len(batch.shape) == len(self.input_shape) + 1 and all(
            want is None or want == have for want, have in zip(self.input_shape, batch.shape[1:], strict=False)
        )
        if not fits:
            raise ExchangeRefused(
                f"a query of shape {batch.shape} does not fit the model", why=f"it takes (n, {self.input_shape})"
            )
        if batch.dtype != self._dtype:
            batch = (
                np.clip(np.rint(batch), 0, 255).astype(self._dtype)
                if self._dtype == np.uint8
                else batch.astype(self._dtype)
            )
        scores = self._session.run(None, {self._input: np.ascontiguousarray(batch)})[0]
        return np.asarray(scores, np.float32).reshape(len(batch), -1)


def load(model: bytes, *, threads: int = 1, external: Mapping[str, bytes] | None = None) -> OnnxModel:
    """Make a session from verified bytes.

    Args:
        external: data files that initialisers refer to, by name; also verified bytes.

    Raises:
        MissingExtra: ONNX Runtime is absent. FormatRefused: it does not load, or has another kind of input.
    """
    try:
        import onnxruntime as ort
    except ImportError:
        raise MissingExtra("running a model needs ONNX Runtime", mend="pip install 'countermark[serve]'") from None
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    options.log_severity_level = 4
    if external:
        names = list(external)
        options.add_external_initializers_from_files_in_memory(
            names, [external[n] for n in names], [len(external[n]) for n in names]
        )
    try:
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 (ONNX Runtime's classes are its own; whatever it says, the file does not load)
        raise FormatRefused("the model does not load", why=str(error)[:400]) from error
    wanted = session.get_inputs()[0]
    if wanted.type not in _TYPES:
        raise FormatRefused(f"the model takes {wanted.type}", mend="pictures are uint8, float or double")
    shape = tuple(d if isinstance(d, int) else None for d in wanted.shape[1:])
    return OnnxModel(session, wanted.name, _TYPES[wanted.type], shape)
