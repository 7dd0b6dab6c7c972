"""Which features a screening takes: of a model file that was inspected first, at the model's own input size, or learnt here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from countermark.checks.data._features import PATCHES
from countermark.checks.model.inspect import inspect_files
from countermark.errors import FormatRefused, Unusable
from countermark.formats.source import FileSource
from countermark.lifecycle.pixels import decoded

if TYPE_CHECKING:
    from countermark.features.own_model import Given

Progress = Callable[[str, float], None]
MOST_BYTES = 2 << 30


@dataclass(frozen=True, slots=True)
class Wanted:
    """kind: `PATCHES` or `NET`, learnt from the rows themselves. model: an ONNX file whose inner layer is taken instead."""

    kind: str = PATCHES
    model: Path | None = None

    def given(self, files: Sequence[bytes], names: Sequence[str], progress: Progress | None = None) -> Given | None:
        """Features of the model's inner layer, of pictures as delivered; None where they are learnt here.

        Raises:
            As `features_of_file`.
        """
        return None if self.model is None else features_of_file(self.model, files, names, progress)


LEARNT = Wanted()


def features_of_file(
    model: Path, files: Sequence[bytes], names: Sequence[str], progress: Progress | None = None
) -> Given:
    """Decode every picture at the size that the model takes, with an area average, and read the model's inner layer.

    Args:
        model: an ONNX file. files, names: n encoded pictures and their ids.

    Raises:
        Unusable: it cannot be read, or takes no pictures. FormatRefused: the inspection does not prove it, it has no inner layer, or a picture does
        not decode. MissingExtra: `onnx` or ONNX Runtime is absent.
    """
    from countermark.features.own_model import Given, in_batches, of_onnx

    data, digest = proven(model)
    encode, (height, width) = of_onnx(data)
    told = (lambda done: progress("features", done)) if progress else None
    values = in_batches(encode, decoded(files, names, (width, height), told))
    return Given(
        values, f"inner layer of {model.name} (SHA-256 {digest[:16]}), pictures at {width} x {height}; heads fitted out of fold, "
        "as whether the model was taught on these rows is not known",
    )  # fmt: skip


def proven(model: Path) -> tuple[bytes, str]:
    """The bytes of a model file that its inspection proves, and their SHA-256, hex: the very bytes that were inspected.

    Raises:
        Unusable: it cannot be read. FormatRefused: it is too large, or the inspection refuses it or cannot prove it.
    """
    if not model.is_file():
        raise Unusable(f"{model} is no file", mend="an ONNX file")
    with FileSource(model) as source:
        if source.size > MOST_BYTES:
            raise FormatRefused(f"{model.name} is larger than {MOST_BYTES} bytes")
        answer = inspect_files([(model.name, source)]).files[0]
        if answer.answer != "proven" or answer.format != "onnx":
            raise FormatRefused(
                f"{model.name} is not loaded: {answer.format}, {answer.answer}", why=answer.why,
                mend="an ONNX file that `countermark inspect` proves; a torch module goes to `countermark.screen` in Python",
            )  # fmt: skip
        return source.read(0, source.size), answer.sha256
