"""Mutate well-formed and hostile files, then parse: only refusals may come out, in bounded time and memory."""

from __future__ import annotations

import importlib.util
import io
import sys
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from countermark.checks.model._look import look_at
from countermark.errors import FormatRefused
from countermark.formats import image, npy, onnx, pickled, safetensors, zipped
from countermark.formats.source import Memory


def _load(name):
    path = Path(__file__).parents[2] / "attacks" / "formats" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"fuzz_{name}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


images, models = _load("images"), _load("models")
SMALL = 1 << 16
PICTURES = [images.png(), images.jpeg(), images.gif(), images.bmp(), images._webp(8, 8)]
PICTURES += [a.data for a in images.attacks().values() if len(a.data) < SMALL]
FILES = [models.onnx(), models.onnx(models.nested(3)), models.ARRAY, models.zipped({"a.npy": models.ARRAY})]
FILES += [a.data for a in models.attacks().values() if len(a.data) < SMALL]
FUZZ = settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
SECONDS, BYTES = 2.0, 64 << 20


@st.composite
def mutated(draw, seeds):
    """A seed with some bytes changed, cut out, doubled or put in."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(data)))
        end = min(len(data), at + draw(st.integers(0, 40)))
        match draw(st.sampled_from(["flip", "cut", "double", "insert", "number"])):
            case "flip" if at < len(data):
                data[at] ^= draw(st.integers(1, 255))
            case "cut":
                del data[at:end]
            case "double":
                data[at:at] = data[at:end]
            case "insert":
                data[at:at] = draw(st.binary(max_size=24))
            case "number":
                width = draw(st.sampled_from([1, 2, 4, 8]))
                value = draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF, 0x7FFFFFFF, 0xFFFFFFFF, 2**63, 2**64 - 1]))
                data[at : at + width] = (value % 256**width).to_bytes(width, "little")
    return bytes(data)


def bounded(parse, data):
    """Parse within time and memory; give what came out, or None where it was refused."""
    tracemalloc.start()
    started = time.process_time()
    try:
        return parse(data)
    except FormatRefused:
        return None
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert time.process_time() - started < SECONDS
        assert peak < BYTES


@FUZZ
@given(mutated(PICTURES))
def test_pictures(data):
    facts = bounded(image.sniff, data)
    assert facts is None or 0 < facts.declared_pixels <= 1 << 26


@FUZZ
@given(mutated(FILES))
@pytest.mark.parametrize(
    "read",
    [safetensors.read, onnx.read, npy.read_npy, npy.read_npz, zipped.read],
    ids=lambda f: f"{f.__module__}.{f.__name__}",
)
def test_readers(read, data):
    bounded(lambda raw: read(Memory(raw)), data)


@FUZZ
@given(mutated(FILES + PICTURES), st.sampled_from(["onnx", "safetensors", "npy", "npz", "pkl", "bin", "png", "txt"]))
def test_looking_never_raises_and_never_proves_what_a_reader_refuses(data, extension):
    look = bounded(lambda raw: look_at(f"m.{extension}", Memory(raw)), data)
    assert look is not None
    if look.answer == "proven":
        reader = {"onnx": onnx.read, "safetensors": safetensors.read, "npy": npy.read_npy, "npz": npy.read_npz}
        assert reader[look.format](Memory(data))


@FUZZ
@given(mutated([a.data for a in models.attacks().values() if a.rule.startswith("pickle")]))
def test_recognising_pickles(data):
    bounded(lambda raw: pickled.recognise(Memory(raw)), data)


@FUZZ
@given(mutated([models.zipped({"a": b"x" * 99, "b/c": b"y" * 999}, compress=True)]))
def test_a_zip_that_is_read_is_read_alike_by_the_standard_library(data):
    import zipfile

    def everything(raw):
        source = Memory(raw)
        return {m.name: b"".join(zipped.chunks(source, m)) for m in zipped.read(source).members}

    ours = bounded(everything, data)
    if ours is not None:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            assert {n: archive.read(n) for n in archive.namelist()} == ours


@FUZZ
@given(mutated([models.safetensors({"a": models.entry(0, 4), "b": models.entry(4, 6)}, b"abcdef")]))
def test_a_safetensors_that_is_read_is_read_alike_by_its_library(data):
    library = pytest.importorskip("safetensors", reason="safetensors is not installed")
    facts = bounded(lambda raw: safetensors.read(Memory(raw)), data)
    if facts is not None:
        theirs = {name: bytes(entry["data"]) for name, entry in library.deserialize(data)}
        assert {t.name: data[t.begin : t.end] for t in facts.tensors} == theirs


@FUZZ
@given(
    mutated(
        [
            models.onnx(models.field(1, models.node("Relu")) + models.field(5, models.tensor())),
            models.onnx(models.nested(2)),
        ]
    )
)
def test_an_onnx_that_is_read_is_read_by_its_library(data):
    library = pytest.importorskip("onnx", reason="onnx is not installed")
    facts = bounded(lambda raw: onnx.read(Memory(raw)), data)
    if facts is not None:
        theirs = library.load_model_from_string(data)
        assert facts.ir_version == theirs.ir_version
        assert len(theirs.graph.node) <= sum(facts.operators.values())
        assert len(theirs.graph.initializer) <= facts.tensors
