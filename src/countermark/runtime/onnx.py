"""ONNX models run by ONNX Runtime, from bytes that were verified, never from a path.

One thread, fixed options, no custom operators, so that the same bytes give the same answers. Our own reader walks the
file first: ONNX Runtime would look for external data in the *current folder* when it is given bytes alone, and would
take its own serialised format, whose code paths no inspection here knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countermark.artefact.handle import Handle
from countermark.errors import ExchangeRefused, FormatRefused, MissingExtra
from countermark.formats import onnx as reader
from countermark.formats.limits import Unaccounted
from countermark.formats.source import Memory

Data = bytes | memoryview
_TYPES = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32, "tensor(double)": np.float64}
_SCORES = ("tensor(float)", "tensor(double)", "tensor(float16)")


@dataclass(frozen=True, slots=True)
class OnnxModel:
    """A loaded model.

    Attributes:
        input_shape: expected shape after the batch axis; None where any size is taken.
    """

    _session: Any
    _input: str
    _dtype: Any
    _single: bool
    input_shape: tuple[int | None, ...]

    @property
    def whole(self) -> bool:
        """Whether it takes whole numbers from 0 to 255 alone."""
        return bool(self._dtype == np.uint8)

    def predict(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """Scores of a batch.

        Args:
            images: (n, *input_shape), integers or floats, values 0..255; rounded and clipped for a uint8 model.

        Returns:
            float32 (n, classes).

        Raises:
            ExchangeRefused: another shape, not numbers, not finite, or the model cannot run on it.
        """
        batch = self._fitting(np.asarray(images))
        pieces = np.split(batch, len(batch)) if self._single and len(batch) else [batch]
        try:
            scores = np.concatenate([self._session.run(None, {self._input: piece})[0] for piece in pieces])
        except Exception as error:  # ONNX Runtime's classes are its own; whatever it says, it did not run
            raise ExchangeRefused("the model cannot run on this query", why=str(error)[:400]) from error
        if scores.ndim < 2 or len(scores) != len(batch):
            raise ExchangeRefused(f"the model answers with shape {scores.shape} to {len(batch)} pictures")
        return np.asarray(scores, np.float32).reshape(len(batch), -1)

    def _fitting(self, batch: NDArray[Any]) -> NDArray[Any]:
        fits = batch.ndim == len(self.input_shape) + 1 and all(
            want is None or want == have for want, have in zip(self.input_shape, batch.shape[1:], strict=False)
        )
        if not fits:
            wanted = ", ".join("any" if side is None else str(side) for side in self.input_shape)
            raise ExchangeRefused(f"a query of shape {batch.shape} does not fit", why=f"the model takes (n, {wanted})")
        if batch.dtype.kind not in "uif" or not np.isfinite(batch).all():
            raise ExchangeRefused(f"a query of {batch.dtype} holds something that is not a finite number")
        if batch.dtype != self._dtype and self._dtype == np.uint8:
            batch = np.clip(np.rint(batch), 0, 255)
        return np.ascontiguousarray(batch, self._dtype)


def load(model: bytes, *, threads: int = 1, external: Mapping[str, Data] | None = None) -> OnnxModel:
    """Make a session from verified bytes.

    Args:
        external: data files that initialisers refer to, by path beside the model; also verified bytes.

    Raises:
        MissingExtra: ONNX Runtime is absent. FormatRefused: custom operators, external data that was not handed over,
        more or other inputs than one of pictures, an output that is no scores, or it does not load.
    """
    return _session(model, _claims(model), external or {}, threads)


def from_handle(handle: Handle, path: str, *, threads: int = 1) -> OnnxModel:
    """Make a session of a file in a verified tree, with the data files that it names, from the same tree.

    Raises:
        As `load`; TreeRefused, Unusable: as `Handle.view`.
    """
    model = handle.content(path)
    claims = _claims(model)
    folder = path[: path.rfind("/") + 1]
    wanted = {claim.location for claim in claims if folder + claim.location in handle}
    return _session(model, claims, {name: handle.view(folder + name) for name in sorted(wanted)}, threads)


def _session(model: bytes, claims: Sequence[reader.External], handed: Mapping[str, Data], threads: int) -> OnnxModel:
    _check_handed(claims, handed)
    try:
        import onnxruntime as ort
    except ImportError:
        raise MissingExtra("running a model needs ONNX Runtime", mend="pip install 'countermark[serve]'") from None
    options = _options(ort, threads)
    if handed:
        names = list(handed)
        options.add_external_initializers_from_files_in_memory(
            names, [handed[n] for n in names], [len(handed[n]) for n in names]
        )
    try:
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's classes are its own; whatever it says, the file does not load
        raise FormatRefused("the model does not load", why=str(error)[:400]) from error
    return _described(session)


def _claims(model: bytes) -> list[reader.External]:
    """Account for every byte of the file; what it wants from outside."""
    try:
        return reader.read(Memory(model)).external
    except Unaccounted as error:
        raise FormatRefused("the model holds fields that this version does not know", why=error.what) from error


def _check_handed(claims: Sequence[reader.External], handed: Mapping[str, Data]) -> None:
    for claim in claims:
        have = len(handed.get(claim.location, b""))
        if claim.location not in handed or claim.offset + (claim.length or claim.needed) > have:
            raise FormatRefused(
                f"tensor {claim.tensor!r:.80} lies in {claim.location!r:.200}, which was not verified with the model",
                why=f"{have} bytes of it are here", mend="keep the data file beside the model, in the same folder",
            )  # fmt: skip


def _options(ort: Any, threads: int) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.use_deterministic_compute = True
    options.log_severity_level = 4
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _described(session: Any) -> OnnxModel:
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or inputs[0].type not in _TYPES or not inputs[0].shape:
        raise FormatRefused(
            f"the model takes {', '.join(f'{i.type} {i.shape}' for i in inputs)[:200] or 'nothing'}",
            mend="one input of pictures: uint8, float or double, batch first",
        )
    if not outputs or outputs[0].type not in _SCORES:
        raise FormatRefused(f"the model answers with {outputs[0].type if outputs else 'nothing'}", mend="scores first")
    batch, *rest = inputs[0].shape
    if isinstance(batch, int) and batch != 1:
        raise FormatRefused(
            f"the model takes exactly {batch} pictures at once", mend="export it with a free batch axis"
        )
    shape = tuple(d if isinstance(d, int) else None for d in rest)
    return OnnxModel(session, inputs[0].name, _TYPES[inputs[0].type], batch == 1, shape)
