"""Model file readers: they agree with the libraries that write the formats, and account for every byte."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import pytest

from countermark.errors import FormatRefused, Unusable
from countermark.formats import npy, onnx, pickled, safetensors, zipped
from countermark.formats._onnx_schema import MESSAGES
from countermark.formats.limits import Malformed, ModelLimits, OverLimit
from countermark.formats.source import Buffered, FileSource, Memory


def test_safetensors_agrees_with_the_library():
    np = pytest.importorskip("numpy", reason="needs the screen extra")
    library = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")
    tensors = {"b": np.ones((2, 3), np.float16), "a": np.arange(5, dtype=np.int64), "empty": np.zeros((0, 4), np.uint8)}
    data = library.save(tensors, {"made": "here"})
    facts = safetensors.read(Memory(data))
    assert facts.metadata == {"made": "here"}
    assert {t.name: t.shape for t in facts.tensors} == {name: t.shape for name, t in tensors.items()}
    assert 8 + facts.header_bytes + facts.data_bytes == len(data)
    for tensor in facts.tensors:
        assert data[tensor.begin : tensor.end] == tensors[tensor.name].tobytes()


def test_safetensors_limits_are_named():
    data = b"\x02\0\0\0\0\0\0\0{}"
    assert safetensors.read(Memory(data)).tensors == ()
    with pytest.raises(OverLimit, match="header bytes") as caught:
        safetensors.read(Memory(data), ModelLimits(header_bytes=1))
    assert caught.value.answer == "unproven"


def test_npy_and_npz_agree_with_numpy(tmp_path):
    np = pytest.importorskip("numpy", reason="needs the screen extra")
    arrays = {
        "plain": np.zeros((3, 4)),
        "order": np.asfortranarray(np.ones((2, 5), np.float32)),
        "text": np.array(["ab", "cde"]),
        "record": np.zeros(3, dtype=[("x", "<f4"), ("y", "<U3", (2,))]),
        "time": np.array(["2020-01-01"], "datetime64[D]"),
        "scalar": np.array(5, np.uint8),
        "complex": np.zeros(2, np.complex64),
    }
    for name, array in arrays.items():
        out = io.BytesIO()
        np.save(out, array)
        facts = npy.read_npy(Memory(out.getvalue()))
        assert (facts.shape, facts.data_bytes) == (array.shape, array.nbytes), name
        assert facts.fortran_order is (name == "order")
    for write in (np.savez, np.savez_compressed):
        out = io.BytesIO()
        write(out, **arrays)
        facts = npy.read_npz(Memory(out.getvalue()))
        assert {name: f.data_bytes for name, f in facts.arrays.items()} == {
            f"{name}.npy": array.nbytes for name, array in arrays.items()
        }


def test_onnx_schema_is_the_installed_one():
    library = pytest.importorskip("onnx", reason="onnx is not installed")
    seen = {}

    def walk(message):
        name = message.full_name.removeprefix("onnx.")
        if name in seen:
            return
        seen[name] = {f.number: f.name for f in message.fields}
        for f in message.fields:
            if f.message_type:
                walk(f.message_type)

    walk(library.ModelProto.DESCRIPTOR)
    ours = {name: {number: f.name for number, f in fields.items()} for name, fields in MESSAGES.items()}
    assert ours == seen


def test_onnx_accounts_for_every_model_that_the_library_ships():
    library = pytest.importorskip("onnx", reason="onnx is not installed")
    models = sorted(Path(library.__file__).parent.rglob("*.onnx"))
    if not models:
        pytest.skip("this onnx ships no models")
    for path in models:
        data = path.read_bytes()
        facts = onnx.read(Memory(data))
        graph = library.load_model_from_string(data).graph
        assert facts.tensors >= len(graph.initializer), path
        assert {(n.domain, n.op_type) for n in graph.node} <= set(facts.operators), path
        assert onnx.announces(data[:16]), path


def test_onnx_functions_of_the_file_are_no_custom_operators():
    library = pytest.importorskip("onnx", reason="onnx is not installed")
    helper = library.helper
    node = helper.make_node("Twice", ["x"], ["y"], domain="mine")
    inner = helper.make_node("Add", ["x", "x"], ["y"])
    value = [helper.make_tensor_value_info(n, 1, [2]) for n in "xy"]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]
    function = helper.make_function("mine", "Twice", ["x"], ["y"], [inner], opsets[:1])
    graph = helper.make_graph([node], "g", value[:1], value[1:])
    whole = helper.make_model(graph, opset_imports=opsets, functions=[function]).SerializeToString()
    facts = onnx.read(Memory(whole))
    assert facts.functions == {("mine", "Twice")}
    assert list(onnx.operators(facts)) == [("", "Add", 1), ("mine", "Twice", 1)]
    bare = helper.make_model(graph, opset_imports=opsets).SerializeToString()
    with pytest.raises(Malformed, match="domain 'mine'") as caught:
        onnx.read(Memory(bare))
    assert caught.value.rule == "onnx-custom-operator"
    assert onnx.read(Memory(bare), domains=onnx.STANDARD_DOMAINS | {"mine"}).opsets == {"": 17, "mine": 1}


@pytest.mark.parametrize(
    "kind", ["FLOAT", "DOUBLE", "INT64", "INT32", "BOOL", "FLOAT16", "COMPLEX64", "STRING", "UINT64"]
)
def test_onnx_tensors_in_typed_fields_are_counted(kind):
    library = pytest.importorskip("onnx", reason="onnx is not installed")
    number = getattr(library.TensorProto, kind)
    values = [b"a", b"b", b"c"] if kind == "STRING" else [1, 0, 1]
    tensor = library.helper.make_tensor("w", number, [3], values)
    value = [library.helper.make_tensor_value_info(n, 1, [3]) for n in "xy"]
    graph = library.helper.make_graph(
        [library.helper.make_node("Relu", ["x"], ["y"])], "g", value[:1], value[1:], [tensor]
    )
    data = library.helper.make_model(graph).SerializeToString()
    assert onnx.read(Memory(data)).tensors == 1
    tensor.dims[0] = 4
    graph = library.helper.make_graph(
        [library.helper.make_node("Relu", ["x"], ["y"])], "g", value[:1], value[1:], [tensor]
    )
    with pytest.raises(Malformed) as caught:
        onnx.read(Memory(library.helper.make_model(graph).SerializeToString()))
    assert caught.value.rule == "onnx-size"


def test_zip_members_inflate_to_their_content():
    out = io.BytesIO()
    content = {"a/b.txt": os.urandom(3 << 20), "c": b"", "d.txt": b"x" * 5000, "ä": b"text"}
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    source = Memory(out.getvalue())
    archive = zipped.read(source)
    assert archive.names == tuple(content)
    assert {m.name: b"".join(zipped.chunks(source, m)) for m in archive.members} == content


def test_zip_with_descriptors_and_zip64_is_read():
    class Pipe(io.RawIOBase):
        def __init__(self):
            self.data = bytearray()

        def writable(self):
            return True

        def write(self, data):
            self.data += data
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", b"x" * 100)
        with archive.open("b", "w", force_zip64=True) as member:
            member.write(b"y" * 100)
    source = Memory(pipe.data)
    archive = zipped.read(source)
    assert [b"".join(zipped.chunks(source, m)) for m in archive.members] == [b"x" * 100, b"y" * 100]


def test_zip_limits_are_named():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a", b"x" * 100)
        archive.writestr("b", b"y" * 100)
    for bounds, budget in ((ModelLimits(members=1), "members"), (ModelLimits(inflated_bytes=199), "inflated_bytes")):
        with pytest.raises(OverLimit) as caught:
            zipped.read(Memory(out.getvalue()), bounds)
        assert caught.value.budget == budget


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"N",
        b"hello. world.",
        b"(This is text.)\n",
        b"import os\nprint(1)\n",
        b"{}\n",
        b"x.",
        b"Some. Text",
        b"\x80",
    ],
)
def test_text_is_no_pickle(text):
    assert pickled.recognise(Memory(text)) == ""


def test_a_file_is_hashed_once_and_every_window_must_stay_as_it_was(tmp_path):
    import hashlib

    path = tmp_path / "big"
    data = os.urandom(1 << 20) * 20  # above what is kept whole
    path.write_bytes(data)
    with FileSource(path) as source:
        assert source.sha256 == hashlib.sha256(data).hexdigest()
        assert (source.size, source.links) == (len(data), 1)
        assert source.read(4_194_300, 20) == data[4_194_300:4_194_320]
        assert source.read(0, len(data)) == data
        with path.open("r+b") as stream:
            stream.seek(9 << 20)
            stream.write(b"changed")
        assert source.read(0, 100) == data[:100]
        with pytest.raises(FormatRefused, match="was changed while"):
            source.read(9 << 20, 10)


def test_a_released_file_is_opened_again_and_compared(tmp_path):
    path = tmp_path / "small"
    path.write_bytes(b"abcdef")
    source = FileSource(path)
    source.release()
    assert source.read(2, 3) == b"cde"
    source.release()
    path.write_bytes(b"abcdeF")
    with pytest.raises(FormatRefused, match="was changed"):
        source.read(0, 1)
    source.release()


@pytest.mark.parametrize("kind", ["link", "fifo", "folder", "nothing"])
def test_only_regular_files_are_opened(tmp_path, kind):
    path = tmp_path / "x"
    if kind == "link":
        (tmp_path / "target").write_text("t")
        path.symlink_to(tmp_path / "target")
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    with pytest.raises((Unusable, Malformed)):
        FileSource(path)


@pytest.mark.parametrize(("offset", "count"), [(-1, 1), (0, 7), (6, 1), (7, 0), (0, -1)])
def test_reads_outside_are_refused(tmp_path, offset, count):
    (tmp_path / "x").write_bytes(b"abcdef")
    with FileSource(tmp_path / "x") as file:
        for source in (Memory(b"abcdef"), Buffered(Memory(b"abcdef")), file):
            with pytest.raises(FormatRefused):
                source.read(offset, count)


@pytest.mark.parametrize(
    "location", ["", ".", "..", "a/../b", "/a", "a//b", "a\\b", "C:a", "a\0", "a/.", "x" * 2000, "a\nb"]
)
def test_paths_that_leave_their_folder(location):
    assert not onnx.stays_inside(location)


def test_a_path_that_stays():
    assert onnx.stays_inside("weights/w.bin")
