"""Which checks look at a model's files, in what order they are asked, and by which first bytes each is worth asking.

A check is imported when it is asked first: the readers of all formats would cost a small file more than its reading.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import cast

from countermark.checks.model._check import Check, ModelFile

May = Callable[[ModelFile], bool]


def _begins(*magics: bytes, at: int = 0) -> May:
    return lambda file: file.head.startswith(magics, at)


def _always(file: ModelFile) -> bool:
    return file.source.size >= 0


@dataclass(frozen=True, slots=True)
class Kind:
    """One check, before it is imported.

    Attributes:
        name: of its module; its id is ``model/NAME``. version: of the check. extensions: of files that are its business where
        the content says nothing. may: whether the check could take a file; where it is false, `looks_at` is too.
    """

    name: str
    version: int
    extensions: frozenset[str] = frozenset()
    may: May = _always

    @property
    def id(self) -> str:
        """As it stands in reports."""
        return f"model/{self.name.replace('_', '-')}"

    def load(self) -> Check:
        """The check itself."""
        return cast(Check, import_module(f"countermark.checks.model.{self.name}"))


_ZIP = b"PK"
BY_CONTENT: tuple[Kind, ...] = (
    Kind("safetensors", 1, frozenset({"safetensors"}), _begins(b"{", at=8)),
    Kind("gguf", 1, frozenset({"gguf"}), _begins(b"GGUF")),
    Kind("hdf5", 1, frozenset({"h5", "hdf5"}), _begins(b"\x89HDF")),
    Kind("keras", 1, frozenset({"keras"}), _begins(_ZIP)),
    Kind("skops", 1, frozenset({"skops"}), _begins(_ZIP)),
    Kind("trees", 1, frozenset({"cbm", "ubj"}), lambda file: file.head.lstrip()[:1] in (b"{", b"t", b"C")),
    Kind("tflite", 1, frozenset({"tflite", "lite"}), _begins(b"TFL3", at=4)),
    Kind("xml", 1, frozenset({"pmml"}), lambda file: b"<" in file.head),
    Kind("npy", 2, frozenset({"npy", "npz"}), _begins(b"\x93NUMPY", _ZIP)),
    Kind("pickle", 3, frozenset({"pkl", "pickle", "joblib"})),
    Kind("code", 1),
    Kind("savedmodel", 1, frozenset({"pb"})),
    Kind("coreml", 1, frozenset({"mlmodel"}), _begins(b"\x08")),
    Kind("onnx", 1, frozenset({"onnx"}), _begins(b"\x08")),
    Kind("config", 1, may=lambda file: file.extension in ("json", "yaml", "yml")),
    Kind("archive", 1),
    Kind("coverage", 1),
)
"""Asked in this order; the last one takes what is left."""
LAST = BY_CONTENT[-1]
FORMAT_NAME = Kind("format_name", 2)
"""Compares each file's name with what the others found."""
FILES, EXTERNAL_DATA = Kind("files", 1), Kind("external_data", 1)
"""Look at the folder, not at one file."""
CHECKS: dict[str, int] = {kind.id: kind.version for kind in (*BY_CONTENT, FORMAT_NAME, FILES, EXTERNAL_DATA)}
"""Check id to version, of everything that an inspection reports."""
