"""Which features a screening takes: of a model file that was inspected first, at the model's own input size, or learnt here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from countermark.checks.data._features import NET, PATCHES
from countermark.checks.model.inspect import inspect_files
from countermark.errors import FormatRefused, Unusable
from countermark.formats.source import FileSource
from countermark.lifecycle.kinds import Kind
from countermark.lifecycle.pixels import decoded

if TYPE_CHECKING:
    from countermark.features.own_model import Given, OnnxFile

Progress = Callable[[str, float], None]
MOST_BYTES = 2 << 30
ANY: Literal["any"] = "any"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What features are made by, of rows of each kind.

    Attributes:
        kind: `PATCHES` or `NET`: of pictures, learnt from the rows themselves. models: ONNX files whose inner layer is taken instead, by what rows
            are; under `ANY` of those that `settled` finds. columns: of tables, that the model takes, in its order; all of numbers where empty.
    """

    kind: str = PATCHES
    models: Mapping[Kind | Literal["any"], Path] = field(default_factory=dict)
    columns: tuple[str, ...] = ()

    def settled(self, kinds: Collection[Kind]) -> Wanted:
        """The same for rows of these kinds: a model of any rows is of pictures where there are some, else of the only kind.

        Raises:
            Unusable: there are no rows that a model, the network or the columns are of, or several that a model may be of.
        """
        models = dict(self.models)
        if ANY in models:
            mine = "pictures" if "pictures" in kinds else next(iter(kinds))
            if mine in models or (mine != "pictures" and len(kinds) > 1):
                raise Unusable(
                    "a model for which rows?", why=f"these are {' and '.join(sorted(kinds))}",
                    mend="--model clips=FILE, say",
                )  # fmt: skip
            models[mine] = models.pop(ANY)
        of = {*models, *(("pictures",) if self.kind == NET else ()), *(("tables",) if self.columns else ())}
        if lost := sorted(of - set(kinds)):
            raise Unusable(
                f"a model or network of {lost[0]}, and there are none here", why=f"these are {' and '.join(sorted(kinds))}",
                mend="leave out --model, --features or --model-column",
            )  # fmt: skip
        if self.columns and "tables" not in models:
            raise Unusable("columns for a model, and no model", mend="--model tables=FILE")
        return replace(self, models=models)

    def encoder(self, kind: Kind) -> OnnxFile | None:
        """The model of rows of this kind, from the very bytes that were inspected; None where features are made here.

        Raises:
            As `proven`.
        """
        from countermark.features.own_model import OnnxFile

        return OnnxFile(proven(self.models[kind])[0], self.models[kind].name) if kind in self.models else None

    def given(self, files: Sequence[bytes], names: Sequence[str], progress: Progress | None = None) -> Given | None:
        """Features of the model's inner layer, of pictures as delivered; None where they are learnt here.

        Raises:
            As `encoder` and `features_of_file`.
        """
        file = self.encoder("pictures")
        return None if file is None else features_of_file(file, files, names, progress)


LEARNT = Wanted()


def features_of_file(
    model: OnnxFile, files: Sequence[bytes], names: Sequence[str], progress: Progress | None = None
) -> Given:
    """Decode every picture at the size that the model takes, with an area average, and read the model's inner layer.

    Args:
        model: a file that was inspected. files, names: n encoded pictures and their ids.

    Raises:
        Unusable: it takes no pictures. FormatRefused: it has no inner layer, or a picture does not decode. MissingExtra: `onnx` or ONNX Runtime is absent.
    """
    from countermark.features.own_model import Given, in_batches, of_onnx

    encode, (height, width) = of_onnx(model.data)
    told = (lambda done: progress("features", done)) if progress else None
    values = in_batches(encode, decoded(files, names, (width, height), told))
    return Given(values, model.words(f"pictures at {width} x {height}"))


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
