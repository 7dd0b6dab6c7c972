"""Which check is asked: by its first bytes it is never passed over where it would have taken the file."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermark.checks.model import _kinds
from countermark.checks.model._check import ModelFile
from countermark.checks.model._kinds import BY_CONTENT, CHECKS, EXTERNAL_DATA, FILES, FORMAT_NAME, Kind
from countermark.formats.source import Memory

BEGINNINGS = (
    b"", b"{", b'{"learner":', b" \n{ \"learner\" :", b"{i\x07learner", b"{L\0\0\0\0\0\0\0\x07learner", b"tree\nversion=v4", b"CBM1",
    b"\x02\0\0\0\0\0\0\0{}", b"GGUF\x03", b"\x89HDF\r\n\x1a\n", b"PK\x03\x04", b"PK\x05\x06", b"\x1c\0\0\0TFL3",
    b"<?xml version='1.0'?>", b"\xef\xbb\xbf <net>", b"<!-- x --><PMML>", b"\x93NUMPY\x01\0", b"\x80\x04.", b"cos\nsystem\n",
    b"\x7fELF", b"MZ", b"\x08\x01\x12", b"\x08\x07\x12", b"\x08\x09\x3a", b"ZF", b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ\0", b"ustar",
)  # fmt: skip
EXTENSIONS = (
    "",
    *sorted(set().union(*(kind.extensions for kind in BY_CONTENT))),
    "json",
    "yaml",
    "xml",
    "py",
    "txt",
    "bin",
)


@given(st.sampled_from(BEGINNINGS), st.binary(max_size=64), st.sampled_from(EXTENSIONS))
def test_what_a_check_takes_is_never_kept_from_it(begin: bytes, rest: bytes, extension: str) -> None:
    data = begin + rest
    file = ModelFile(f"model.{extension}" if extension else "model", Memory(data), data)
    for kind in BY_CONTENT:
        assert kind.may(file) or not kind.load().looks_at(file), kind.name


@pytest.mark.parametrize("kind", [*BY_CONTENT, FORMAT_NAME, FILES, EXTERNAL_DATA], ids=lambda kind: kind.name)
def test_a_kind_is_the_check_of_that_id(kind: Kind) -> None:
    assert kind.id == import_module(f"countermark.checks.model.{kind.name}").ID and CHECKS[kind.id] == kind.version


def test_a_pickle_imports_no_reader_of_other_formats() -> None:
    code = (
        "import pickle, sys\n"
        "from countermark.checks.model._look import look_at\n"
        "from countermark.formats.source import Memory\n"
        "assert look_at('a.pkl', Memory(pickle.dumps([1]))).answer == 'proven'\n"
        "print([name for name in sys.modules if name.startswith('countermark.')])\n"
    )
    source = str(Path(_kinds.__file__).parents[3])
    said = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": source}, capture_output=True, text=True, check=True
    ).stdout
    for reader in ("onnx", "hdf5", "gguf", "safetensors", "savedmodel", "image"):
        assert f"countermark.formats.{reader}'" not in said
