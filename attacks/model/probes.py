"""Everything that is asked of the readers: files, folders of files, files under lowered limits, readers asked directly."""

from __future__ import annotations

import gzip
import pickle
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any
from unittest import mock

import carriers
import corpus
import gguf_files
import grammar_files
import hdf5_files
import plain_files
import streams
import tensorflow_files
from breaks import breaks

from countermark.checks.model import _joblib, _look, _nested, _streams, _template, archive, xml
from countermark.checks.model._look import look_at
from countermark.checks.model.inspect import inspect_files
from countermark.formats import (
    flatbuffers,
    gguf,
    hdf5,
    inflated,
    json_text,
    lz4,
    onnx,
    protobuf,
    safetensors,
    savedmodel,
    tar,
    tensor_bundle,
    torchscript,
    tree_models,
    ubjson,
    xml_text,
    zipped,
)  # fmt: skip
from countermark.formats.limits import ModelLimits
from countermark.formats.pickle import machine
from countermark.formats.source import Buffered, Memory, Slice

Answer = tuple[object, ...]
SMALL = 8_000
"""Bytes of a file of the corpus that is asked about in every mutant; `LARGE` of one that breaks a format."""
LARGE = 400_000
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True)
class Probe:
    """One question.

    Attributes:
        name: of the file, or of what is asked. data: bytes that it is about. asks: gives the answer.
    """

    name: str
    data: bytes
    asks: Callable[[], Answer]

    def ask(self) -> Answer:
        """The answer; a reader that crashes says that."""
        try:
            return self.asks()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
            return (getattr(error, "rule", type(error).__name__),)


def of_file(name: str, data: bytes) -> Answer:
    """What is said of a file: the format, the answer and the rules; of what is unproven the reason without its numbers."""
    look = look_at(name, Memory(data))
    why = _DIGITS.sub("#", look.why) if look.answer == "unproven" else ""
    return (look.format, look.answer, tuple(sorted(f.rule for f in look.findings)), why)


def probes() -> list[Probe]:
    """All of them; the same ones in the same order."""
    out = [Probe(name, data, partial(of_file, name, data)) for name, data in _files()]
    out += [Probe(f"folder {name}", b"", partial(_of_folder, files)) for name, files in _folders().items()]
    for number, (module, limit, value, name, data) in enumerate(_limited()):
        out.append(Probe(f"limit {number} {name}", data, partial(_under, module, limit, value, name, data)))
    template = dict(gguf_files.good())["template-plain.gguf"]
    out.append(Probe("limit without jinja2", template, partial(_without_jinja2, template)))
    return out + [Probe(f"asked {name}", b"", partial(_of_reader, ask)) for name, ask in _asked().items()]


def _files() -> Iterator[tuple[str, bytes]]:
    for case in (*corpus.attacks(), *corpus.harmless(), *corpus.doubtful()):
        if (
            len(case.data) < (SMALL if case.family in ("trick", "carrier", "benign") else LARGE)
            and case.family != "gadget"
        ):
            yield case.file, case.data
    yield from ((f"break/{name}", data) for name, data, _ in breaks() if len(data) < LARGE)


class _Linked(Memory):
    """A file with a second name in its file system."""

    links = 2


def _of_folder(files: dict[str, Memory]) -> Answer:
    seen = inspect_files(list(files.items()), confined=False)
    return (
        tuple((file.path, file.format, file.answer, _DIGITS.sub("#", file.why)) for file in seen.files),
        tuple(sorted(finding.rule for finding in seen.findings)),
    )


def _folders() -> dict[str, dict[str, Memory]]:
    """Files that claim bytes of one another."""
    index = tensorflow_files.index([(b"a", tensorflow_files.tensor(0, 8)), (b"b", tensorflow_files.tensor(8, 16))])
    graph, outside = grammar_files.openvino(), plain_files.outside()
    twice = '<layer version="opset1"><data offset="0" size="4"/></layer>' * 2
    plain = {
        "checkpoint": {"v.index": index, "v.data-00000-of-00001": b"\xfe" * 24}, "missing": {"v.index": index},
        "short": {"v.index": index, "v.data-00000-of-00001": b"\xfe" * 20}, "gap": {"v.index": index, "v.data-00000-of-00001": b"\xfe" * 30},
        "padded": {"m.xml": graph, "m.bin": b"\xfe" * 8 + bytes(9)}, "two": {"m.onnx": outside, "w.bin": bytes(16)},
        "outside": {"m.onnx": outside, "w.bin": bytes(8)}, "shared": {"m.xml": grammar_files.openvino(twice), "m.bin": b"\xfe" * 4},
        "zip": {"m.xml": grammar_files.openvino(size=len(_ZIP)), "m.bin": b"\xfe" + _ZIP[1:]}, "pickle": {"m.xml": graph, "m.bin": carriers.RUN},
    }  # fmt: skip
    out = {name: {path: Memory(data) for path, data in files.items()} for name, files in plain.items()}
    out["linked"] = {"m.onnx": Memory(outside), "w.bin": _Linked(bytes(16))}
    return out


_ZIP = carriers.zipped({"a.pkl": carriers.RUN})


def _under(module: ModuleType, limit: str, value: object, name: str, data: bytes) -> Answer:
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(module, limit, value))
        return of_file(name, data)


def _without_jinja2(data: bytes) -> Answer:
    with mock.patch.dict(sys.modules, {"jinja2": None}):
        return of_file("template.gguf", data)


def _limited() -> list[tuple[ModuleType, str, object, str, bytes]]:
    """Files that cross a limit once that is lowered: module, limit, its value, name, bytes."""
    objects = next(data for name, data, _ in breaks() if name == "wrapper-object-tail.joblib")
    numbers = pickle.dumps([[1], [2], [3]], 4)
    code = {"constants.pkl": b"\x80\x02).", "code/__torch__.py": b"x = 1.0000"}
    dims = plain_files.initial(
        plain_files.field(1, b"\1" * 30), plain_files.field(2, 1), plain_files.field(9, bytes(4))
    )
    single = plain_files.initial(
        *[plain_files.field(1, 1)] * 3, plain_files.field(2, 1), plain_files.field(9, bytes(4))
    )
    long_text = hdf5_files.with_heap(hdf5_files.heap((1, b"x" * 20)), size=20)
    files = {
        module: dict(module.good()) for module in (gguf_files, hdf5_files, plain_files, tensorflow_files, grammar_files)
    }
    tree, graph = files[grammar_files], files[plain_files]["plain.onnx"]
    index = tensorflow_files.index([(b"a", tensorflow_files.tensor(0, 8)), (b"b", tensorflow_files.tensor(8, 8))])
    keras = hdf5_files.keras(hdf5_files.GOOD_CONFIGURATIONS["old"])
    compact = hdf5_files.file(hdf5_files.header(*(hdf5_files.link(n, 48 + 16 + 3 * 32 + 40 * i) for i, n in enumerate("xyz"))),
                              *[hdf5_files.header(hdf5_files.message(0, bytes(16)))] * 3)  # fmt: skip

    def bound(**limits: int) -> Callable[[], ModelLimits]:
        return lambda: ModelLimits(**limits)

    template = files[gguf_files]["template-plain.gguf"]
    return [
        (machine, "MEMO_LIMIT", 2, "memo.pkl", pickle.dumps([[1], [2], [3]], 2)), (machine, "MEMO_LIMIT", 2, "memo.pkl", numbers),
        (machine, "MEMO_LIMIT", 2, "put.pkl", b"\x80\x02(NNNNr\x05\0\0\0l."), (machine, "STACK_LIMIT", 10, "stack.pkl", pickle.dumps(tuple(range(40)), 4)),
        (machine, "LINE_LIMIT", 16, "line.pkl", b"\x80\x02V" + b"x" * 600 + b"\n."), (_streams, "MOST_STREAMS", 3, "several.pkl", numbers * 5),
        (_streams, "MOST_PICKLE", 5, "a.pt", carriers.torch_zip(b"\x80\x02]](K\x01K\x02K\x03ee.")), (tar, "_MOST_MEMBERS", 1, "a.tar", carriers.tarred(("a", b"", b"0", ""), ("b", b"", b"0", ""))),
        (torchscript, "MOST_SOURCE", 5, "a.pt", carriers.torch_zip(b"\x80\x02}.", None, code)), (_joblib, "DEEPEST", 0, "a.joblib", objects),
        (archive, "MOST_MEMBERS", 1, "a.zip", carriers.zipped({"a": b"x", "b": b"y"})), (_look, "DEEPEST", 0, "a.zip", carriers.zipped({"a": b"x"})),
        (archive, "MOST_INFLATED", 1, "a.txt.gz", gzip.compress(b"plain text", mtime=0)),
        (machine, "STACK_LIMIT", 12, "second.joblib", b"\x80\x02" + carriers.array(b"(" + b"N" * 40) + b"."),
        (_nested, "MOST_PICKLE", 200, "storage.pkl", b"\x80\x02" + streams.name("torch.storage", "_load_from_bytes") + streams.name("_codecs", "encode") + streams.text("x" * 300) + streams.text("latin1") + b"\x86R\x85R."),
        (_look, "DEEPEST", 0, "a.keras", keras), (_look, "DEEPEST", 0, "a.skops", tree["scaler.skops"]), (_look, "DEEPEST", 0, "a.pt", carriers.torch_zip(b"\x80\x02}.", None, {"x": b"y"})),
        (_look, "DEEPEST", 0, "a.h5", hdf5_files.file(hdf5_files.header(hdf5_files.text_attribute("info", hdf5_files.PICKLE)))),
        (_streams, "MOST_PICKLE", 5, "a.keras", carriers.zipped({"config.json": b"{        }", "metadata.json": b"{}"}, compress=True)), (_streams, "MOST_PICKLE", 5, "a.skops", tree["scaler.skops"]),
        (gguf, "ModelLimits", bound(tensors=1), "two.gguf", files[gguf_files]["two.gguf"]), (gguf, "ModelLimits", bound(messages=1), "a.gguf", files[gguf_files]["vocabulary.gguf"]),
        (_template, "MOST_NODES", 5, "nodes.gguf", template), (_template, "_STRUCTURE", _template._STRUCTURE - {"For"}, "construct.gguf", template),
        (hdf5, "ModelLimits", bound(tensors=1), "ranges.h5", files[hdf5_files]["old-group.h5"]), (hdf5, "ModelLimits", bound(tensors=2), "objects.h5", compact),
        (hdf5, "_MOST_ELEMENTS", 0, "elements.h5", files[hdf5_files]["attributes.h5"]), (hdf5, "_MOST_TEXT", 4, "texts.h5", files[hdf5_files]["attributes.h5"]), (hdf5, "_MOST_TEXT", 20, "heap.h5", long_text),
        (onnx, "ModelLimits", bound(axes=2), "packed.onnx", dims), (onnx, "ModelLimits", bound(axes=2), "single.onnx", single), (onnx, "ModelLimits", bound(tensors=0), "a.onnx", graph),
        (onnx, "ModelLimits", bound(messages=2), "messages.onnx", graph), (protobuf, "_TEXT_BYTES", 2, "text.onnx", graph), (safetensors, "ModelLimits", bound(header_bytes=5), "a.safetensors", files[plain_files]["plain.safetensors"]),
        (safetensors, "ModelLimits", bound(tensors=0), "b.safetensors", files[plain_files]["plain.safetensors"]), (savedmodel, "ModelLimits", bound(messages=3), "a.pb", files[tensorflow_files]["plain/saved_model.pb"]),
        (tensor_bundle, "_MOST_BLOCK", 10, "a.index", index), (tensor_bundle, "ModelLimits", bound(tensors=1), "b.index", index), (json_text, "MOST_BYTES", 10, "a.pb", files[tensorflow_files]["objects/saved_model.pb"]),
        (json_text, "MOST_BYTES", 10, "a.json", tree["trees.json"]), (tree_models, "MOST_BYTES", 10, "a.txt", tree["trees.txt"]), (ubjson, "MOST_BYTES", 10, "a.ubj", tree["trees.ubj"]),
        (xml_text, "MOST_BYTES", 10, "a.xml", tree["empty-graph.xml"]), (xml_text, "MOST_ELEMENTS", 2, "b.xml", tree["empty-graph.xml"]), (xml, "_MOST_CLAIMS", 0, "c.xml", grammar_files.openvino()),
        (flatbuffers, "_MOST_ITEMS", 0, "a.tflite", grammar_files.tflite()), (zipped, "ModelLimits", bound(inflated_bytes=1), "a.zip", carriers.zipped({"a": b"xx"})),
    ]  # fmt: skip


def _of_reader(ask: Callable[[], Any]) -> Answer:
    return (type(ask()).__name__,)


def _asked() -> dict[str, Callable[[], Any]]:
    """Readers asked directly for what no file makes them do."""
    two = Memory(carriers.zipped({"a": b"x", "b": b"y"}))
    packed = Memory(gzip.compress(bytes(100), mtime=0))
    out: dict[str, Callable[[], Any]] = {
        "members": lambda: zipped.read(two, ModelLimits(members=1)), "inflated": lambda: zipped.read(two, ModelLimits(inflated_bytes=1)),
        "bomb": lambda: inflated.Inflated(packed, "gzip", ModelLimits(inflated_bytes=9)), "frame": lambda: lz4.Frame().decompress(b"\5\x22\x4d\x18\x60\x40\x82" + bytes(4)),
        "cut before": lambda: Slice(packed, -1, 1), "cut less": lambda: Slice(packed, 0, -1), "cut beyond": lambda: Slice(packed, 0, 1 << 20),
    }  # fmt: skip
    sources = {
        "memory": Memory(bytes(7)), "slice": Slice(Memory(bytes(200)), 2, 6), "buffered": Buffered(Memory(bytes(7))),
        "inflated": inflated.Inflated(packed, "gzip"),
    }  # fmt: skip
    for name, source in sources.items():
        for title, offset, count in (("before", -1, 1), ("less", 5, -2), ("beyond", 5, 96)):
            out[f"{name} {title}"] = partial(source.read, offset, count)
    return out
