"""What real model files do that hand-made ones did not: each layout in a small file made here, proven or told truthfully."""

from __future__ import annotations

import gzip
import lzma
import pickle
import struct
import sys
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[3] / "attacks" / "model"))

import carriers
from streams import STOP, name, text

from countermark.checks.model import archive
from countermark.checks.model._look import look_at
from countermark.formats.source import Memory

P2, P3 = b"\x80\x02", b"\x80\x03"
ORDERED = name("collections", "OrderedDict")


def look(data, file="m.pkl"):
    return look_at(file, Memory(data))


def tensor_of(storage: bytes, count: int) -> bytes:
    """A tensor as plain pickle writes it."""
    return (
        name("torch._utils", "_rebuild_tensor_v2")
        + b"("
        + storage
        + b"K\0K%c\x85K\x01\x85\x89" % count
        + ORDERED
        + b")RtR"
    )


def latin(data: bytes) -> bytes:
    """Bytes as protocol 2 writes them."""
    coded = data.decode("latin-1").encode()
    return name("_codecs", "encode") + b"X" + struct.pack("<I", len(coded)) + coded + text("latin1") + b"\x86R"


def escaped(data: bytes) -> bytes:
    """A storage as protocol 0 writes it."""
    line = (
        data.decode("latin-1")
        .replace("\\", "\\u005c")
        .replace("\0", "\\u0000")
        .replace("\n", "\\u000a")
        .replace("\r", "\\u000d")
        .replace("\x1a", "\\u001a")
    )
    coded = name("_codecs", "encode") + b"(V" + line.encode("latin-1") + b"\nVlatin1\ntR"
    return name("torch.storage", "_load_from_bytes") + b"(" + coded + b"tR"


def test_storages_of_torch_1_6_are_named_by_their_address():
    key = "94823274932928"
    data = carriers.torch_zip(P2 + carriers.tensor(4, (4,), (1,), key=key) + STOP, {key: bytes(16)})
    assert look(data, "m.pt").answer == "proven"
    assert look(carriers.torch_zip(P2 + carriers.tensor(4, (4,), (1,), key=key) + STOP), "m.pt").answer == "refused"


@pytest.mark.parametrize("module", ["joblib.numpy_pickle", "sklearn.externals.joblib.numpy_pickle"])
@pytest.mark.parametrize("wrap", [bytes, zlib.compress, lambda data: gzip.compress(data, mtime=0)])
def test_arrays_of_joblib_are_found_however_late_the_first_one_stands(module, wrap):
    one = carriers.array(b"\0\0\0\x80\0").replace(b"joblib.numpy_pickle", module.encode())
    seen = look(wrap(P2 + b"](" + text("x" * 99) * 1500 + one + b"e" + STOP), "m.joblib")
    assert seen.answer == "proven"
    assert seen.format.startswith("joblib")


@pytest.mark.parametrize("package", ["joblib", "sklearn.externals.joblib"])
@pytest.mark.parametrize("wrapper", ["NDArrayWrapper", "ZNDArrayWrapper"])
def test_arrays_in_files_beside_are_named_and_not_proven(package, wrapper):
    state = text("subclass") + b"N" + text("filename") + text("model.pkl_01.npy")
    seen = look(P2 + carriers.wrapper(f"{package}.numpy_pickle", state, title=wrapper) + STOP)
    assert (seen.answer, seen.findings) == ("unproven", ())
    assert "model.pkl_01.npy" in seen.why


@pytest.mark.parametrize(("protocol", "storage"), [
    (P2, lambda data: name("torch.storage", "_load_from_bytes") + latin(data) + b"\x85R"), (P3, carriers.storage), (b"", escaped),
])  # fmt: skip
def test_storages_in_a_plain_pickle_are_followed_and_bound_their_tensors(protocol, storage):
    inside = storage(carriers.legacy_storage(4))
    seen = look(protocol + b"](" + tensor_of(inside, 4) * 3 + b"e" + STOP)
    assert seen.answer == "proven"
    assert look(zlib.compress(protocol + tensor_of(inside, 4) + STOP)).answer == "proven"
    beyond = look(protocol + tensor_of(inside, 5) + STOP)
    assert [finding.rule for finding in beyond.findings] == ["pickle-arguments"]
    short = look(protocol + tensor_of(storage(carriers.legacy_storage(4)[:-1]), 4) + STOP)
    assert "pickle-nested" in [finding.rule for finding in short.findings]


def test_a_name_that_no_list_has_inside_of_a_storage_stays_a_doubt():
    object_ = name("somewhere", "Else") + b")\x810(" + carriers.STORED + b"K\x04NtQ"
    seen = look(P3 + tensor_of(carriers.storage(carriers.legacy_storage(4, object_)), 4) + STOP)
    assert seen.answer == "unproven"
    assert "somewhere.Else" in seen.why


@given(st.binary(max_size=400), st.integers(0, 400))
@settings(max_examples=150, deadline=None)
def test_no_bytes_of_a_storage_are_proven_but_whole_ones_and_none_breaks_the_reader(noise, at):
    good = carriers.legacy_storage(4)
    data = good[: at % len(good)] + noise
    seen = look(P3 + carriers.storage(data) + STOP)
    assert seen.answer == ("proven" if data == good else seen.answer)
    assert seen.answer != "proven" or len(data) >= len(good)


@pytest.mark.parametrize(("made", "base", "state", "answer"), [
    (("sklearn.svm._classes", "SVC"), "object", b"N", "proven"), (("sklearn.utils._bunch", "Bunch"), "dict", b"}", "proven"),
    (("sklearn.impute._iterative", "_ImputerTriplet"), "tuple", b"NNN\x87", "proven"), (("mine", "Model"), "object", b"N", "unproven"),
    (("sklearn.svm._classes", "SVC"), "dict", b"}", "refused"), (("sklearn.svm._classes", "SVC"), "str", b"N", "refused"),
    (("os", "system"), "object", b"N", "refused"), (("torch._utils", "_rebuild_parameter"), "object", b"N", "refused"),
])  # fmt: skip
def test_objects_of_protocols_before_2_are_judged_by_their_class(made, base, state, answer):
    data = P2 + name("copyreg", "_reconstructor") + name(*made) + name("builtins", base) + state + b"\x87R}b" + STOP
    assert look(data).answer == answer


def test_a_partial_of_a_function_of_no_list_is_a_doubt_and_one_of_a_command_is_not():
    def partial(function):
        return look(P2 + name("functools", "partial") + function + b"\x85R(" + function + b"}NN" + b"tb" + STOP)

    assert partial(name("mine", "f")).answer == "unproven"
    assert partial(name("os", "system")).answer == "refused"


def test_the_strongest_preset_of_xz_is_read():
    assert look(lzma.compress(pickle.dumps({"a": 1}), preset=9), "m.pkl.xz").answer == "proven"


def test_a_compressed_file_of_more_than_is_looked_into_is_unproven(monkeypatch):
    npz = carriers.zipped({"a.npy": carriers.npy("'|u1'", bytes(99), shape="(99,)")})
    assert look(lzma.compress(npz), "m.npz.xz").answer == "proven"
    monkeypatch.setattr(archive, "MOST_INFLATED", 50)
    assert look(lzma.compress(npz), "m.npz.xz").answer == "unproven"


def test_a_graph_module_is_refused_for_the_source_text_that_it_holds():
    seen = look(
        carriers.torch_zip(
            P2 + name("torch.fx.graph_module", "reduce_graph_module") + b"}" + text("import os") + b"\x86R."
        ),
        "m.pt",
    )
    assert seen.answer == "refused"
    assert "source text" in seen.why


@pytest.mark.parametrize("begun", [
    "I am a readme.\nSecond line\n", "From here\n", "class Foo:\n    pass\n", "cffi\nnumpy\nrequests\n", "import os\nimport sys\n", "pip install\n",
    "S'abc' is quoted\n", "Please\nread\nthis.\n", "1.5\n2.5\n", "(a) first\n", "p1\nq2\n", 'r"""Documentation."""\n', "Long " * 30_000, "V" * 70_000, "c\n" * 40_000,
])  # fmt: skip
def test_text_stays_text_whatever_letter_it_begins_with(begun):
    assert (look(begun.encode(), "notes.txt").answer, look(begun.encode(), "notes").format) == (
        "not model content",
        "text",
    )


def test_numbers_in_protocol_0_are_a_pickle_however_many_they_are():
    data = b"(l" + b"F1.5\na" * 90_000 + STOP
    assert (look(data).answer, look(data, "m.bin").format) == ("proven", "pickle")
    assert look(gzip.compress(data, mtime=0), "m.pkl.gz").answer == "proven"
