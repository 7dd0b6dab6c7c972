"""Files of skops, LightGBM, XGBoost, OpenVINO, PMML, TensorFlow Lite and Core ML: good ones, and what hurts whoever loads them."""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "formats"))
from models import ARRAY, PICKLE, field, zipped


def node(loader: str, module: str, name: str, content: object = None, **more: object) -> dict[str, object]:
    """One node of a skops schema."""
    return {"__class__": name, "__module__": module, "__loader__": loader, "content": content, **more}


def skops(root: object, **members: bytes) -> bytes:
    """A skops archive; members without their extension."""
    return zipped({f"{name}.npy": data for name, data in members.items()} | {"schema.json": json.dumps(root).encode()})


WEIGHTS = node("NdArrayNode", "numpy", "ndarray", type="numpy", file="w.npy")
TEXT = node("JsonNode", "builtins", "str", '"l2"', is_json=True)


def estimator(*inner: object) -> dict[str, object]:
    """A scaler whose state holds nodes."""
    state = node("DictNode", "builtins", "dict", {str(i): n for i, n in enumerate(inner)})
    return node("ObjectNode", "sklearn.preprocessing._data", "StandardScaler", state)


HEAD = "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=1\nobjective=binary sigmoid:1\n"
HEAD += "feature_names=a b\nfeature_infos=[0:1] [0:1]\ntree_sizes=300\n\n"
TREE = "Tree=0\nnum_leaves=2\nnum_cat=0\nsplit_feature=0\nsplit_gain=1\nthreshold=0.5\ndecision_type=2\nleft_child=-1\nright_child=-2\n"
TREE += "leaf_value=0.1 -1e-05\nleaf_weight=1 2\nleaf_count=1 2\ninternal_value=0\ninternal_weight=0\ninternal_count=3\nis_linear=0\nshrinkage=1\n\n\n"
TAIL = "end of trees\n\nfeature_importances:\na=1\n\nparameters:\n[boosting: gbdt]\n[data: ]\n\nend of parameters\n\npandas_categorical:null\n"


def lightgbm(tree: str = TREE, head: str = HEAD, tail: str = TAIL) -> bytes:
    """A LightGBM text model."""
    return (head + tree + tail).encode()


def xgboost(**tree: object) -> dict[str, object]:
    """An XGBoost model of one tree."""
    plain: dict[str, object] = {
        "left_children": [1, -1, -1], "right_children": [2, -1, -1], "parents": [2147483647, 0, 0], "split_indices": [0, 0, 0],
        "split_conditions": [0.5, 1.0, -1.0], "default_left": [0, 0, 0], "tree_param": {"num_nodes": "3"}, "id": 0,
    }  # fmt: skip
    model = {"trees": [plain | tree], "tree_info": [0], "gbtree_model_param": {"num_trees": "1"}}
    learner = {
        "learner_model_param": {"num_feature": "2"},
        "gradient_booster": {"model": model, "name": "gbtree"},
        "attributes": {},
    }
    return {"learner": learner, "version": [3, 2, 0]}


def ubjson(value: object) -> bytes:
    """As XGBoost writes it."""
    if isinstance(value, dict):
        return b"{" + b"".join(ubjson(k)[1:] + ubjson(v) for k, v in value.items()) + b"}"
    if isinstance(value, list) and value and all(type(v) is int for v in value):
        return b"[$l#L" + struct.pack(f">q{len(value)}i", len(value), *value)
    if isinstance(value, list):
        return b"[#L" + struct.pack(">q", len(value)) + b"".join(map(ubjson, value))
    if isinstance(value, str):
        return b"SL" + struct.pack(">q", len(value.encode())) + value.encode()
    return b"L" + struct.pack(">q", value) if isinstance(value, int) else b"d" + struct.pack(">f", value)


def openvino(layers: str | None = None, prolog: str = '<?xml version="1.0"?>', *, size: int = 8) -> bytes:
    """A graph of OpenVINO; by default with one constant of so many bytes."""
    if layers is None:
        layers = f'<layer id="0" name="w" type="Const" version="opset1"><data element_type="f32" offset="0" size="{size}" shape="2"/></layer>'
    return f'{prolog}<net name="m" version="11"><layers>{layers}</layers><edges/></net>'.encode()


def pmml(inner: str = "", prolog: str = '<?xml version="1.0"?>') -> bytes:
    """A PMML document."""
    return f'{prolog}<PMML xmlns="http://www.dmg.org/PMML-4_4" version="4.4"><Header/>{inner}</PMML>'.encode()


XXE = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
LAUGHS = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'


def tflite(custom: str = "", *, index: int = 0, buffer_end: int = 0) -> bytes:
    """A TensorFlow Lite file of one operator and one buffer, its tables laid out by hand."""
    out = bytearray(8)
    out[4:8] = b"TFL3"

    def table(fields: dict[int, tuple[int, bytes | None]]) -> tuple[int, dict[int, int]]:
        """Write a table; gives its place, and that of each field (offsets are patched later)."""
        most = max(fields) + 1 if fields else 0
        shape, places, at = len(out), {}, 4
        slots = [0] * most
        for number, (width, _) in sorted(fields.items(), key=lambda f: -f[1][0]):
            at += -at % width
            slots[number] = at
            at += width
        out.extend(struct.pack(f"<HH{most}H", 4 + 2 * most, at, *slots))
        out.extend(bytes(-len(out) % 8))
        begin = len(out)
        out.extend(struct.pack("<i", begin - shape) + bytes(at - 4))
        for number, (width, value) in fields.items():
            places[number] = begin + slots[number]
            if value is not None:
                out[places[number] : places[number] + width] = value
        return begin, places

    def vector(places: list[int]) -> int:
        begin = len(out)
        out.extend(struct.pack("<I", len(places)))
        for place in places:
            out.extend(struct.pack("<I", place - len(out) & 0xFFFFFFFF))
        return begin

    def point(at: int, to: int) -> None:
        out[at : at + 4] = struct.pack("<I", to - at)

    def later(count: int) -> tuple[int, list[int]]:
        """A list whose tables come after it."""
        begin = len(out)
        out.extend(struct.pack("<I", count) + bytes(4 * count))
        return begin, [begin + 4 + 4 * i for i in range(count)]

    model, at = table({0: (4, struct.pack("<I", 3)), 1: (4, None), 2: (4, None), 4: (4, None)})
    out[0:4] = struct.pack("<I", model)
    lists = {}
    for number in (1, 2, 4):
        begin, slots = later(1)
        point(at[number], begin)
        lists[number] = slots[0]
    code, places = table({0: (1, bytes([32 if custom else 3])), 1: (4, None), 3: (4, struct.pack("<I", 32 if custom else 3))} if custom else
                         {0: (1, b"\x03"), 3: (4, b"\x03\0\0\0")})  # fmt: skip
    point(lists[1], code)
    if custom:
        point(places[1], len(out))
        out.extend(struct.pack("<I", len(custom)) + custom.encode() + bytes(4))
    graph, places = table({3: (4, None)})
    point(lists[2], graph)
    begin, slots = later(1)
    point(places[3], begin)
    operator, _ = table({0: (4, struct.pack("<I", index))})
    point(slots[0], operator)
    buffer, places = table(
        {0: (4, None), 1: (8, struct.pack("<Q", 16 if buffer_end else 0)), 2: (8, struct.pack("<Q", buffer_end))}
    )
    point(lists[4], buffer)
    point(places[0], len(out))
    out.extend(struct.pack("<I", 8) + bytes(8))
    return bytes(out)


def good() -> Iterator[tuple[str, bytes]]:
    """Well-formed files that are proven."""
    yield "scaler.skops", skops(estimator(WEIGHTS, TEXT, node("CachedNode", "x", "x")), w=ARRAY)
    yield "types.skops", skops(estimator(node("TypeNode", "numpy", "float64"), node("SetNode", "builtins", "set", [])))
    yield "trees.txt", lightgbm()
    yield "trees.lgb", lightgbm(tail=TAIL.replace("feature_importances:", "feature importances:"))
    yield "trees.json", json.dumps(xgboost()).encode()
    yield "trees.ubj", ubjson(xgboost())
    yield "dart.json", json.dumps({"learner": {"learner_model_param": {"num_feature": "2"}, "gradient_booster": {"name": "dart", "gbtree": {
        "model": {"trees": []}}}}}).encode()  # fmt: skip
    yield "empty-graph.xml", openvino("")


def bad() -> Iterator[tuple[str, bytes, str]]:
    """Name, bytes, and the rule that refuses them."""
    yield (
        "operator.skops",
        skops(estimator(node("OperatorFuncNode", "operator", "methodcaller", {"attrs": []}))),
        "skops-loader",
    )
    yield (
        "method.skops",
        skops(estimator(node("MethodNode", "builtins", "function", {"func": "system", "obj": TEXT}))),
        "skops-loader",
    )
    yield from _broken()
    yield from _broken_flatbuffers()
    yield from _broken_archives()
    evil = zipped(
        {
            "schema.json": json.dumps(
                node("MethodNode", "builtins", "function", {"func": "system", "obj": TEXT})
            ).encode()
        }
    )
    yield (
        "two.ubj",
        ubjson(xgboost())[:-1] + b"U\x06Config[$U#l" + struct.pack(">i", len(evil)) + evil + b"}",
        "polyglot",
    )
    yield "object.skops", skops(node("ObjectNode", "os", "system", TEXT)), "skops-type"
    yield (
        "function.skops",
        skops(node("FunctionNode", "builtins", "function", {"module_path": "os", "function": "system"})),
        "skops-type",
    )
    harmless = {"module_path": "numpy", "function": "mean"}
    yield "two-functions.skops", skops(node("FunctionNode", "os", "system", harmless)), "skops-type"
    yield "own-function.skops", skops(node("FunctionNode", "os", "system")), "skops-type"
    yield "disguised.skops", skops(estimator(node("DictNode", "subprocess", "Popen", {}))), "skops-type"
    yield "type.skops", skops(estimator(node("TypeNode", "builtins", "eval"))), "skops-type"
    yield (
        "missing.skops",
        skops(estimator(node("NdArrayNode", "numpy", "ndarray", type="numpy", file="../../x.npy"))),
        "skops-file",
    )
    yield (
        "key-twice.skops",
        zipped({"schema.json": b'{"__loader__":"DictNode","__loader__":"MethodNode"}'}),
        "skops-json",
    )
    yield (
        "array.skops",
        skops(
            estimator(WEIGHTS),
            w=b"\x93NUMPY\x01\0v\0{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(127) + b"\n" + PICKLE,
        ),
        "pickle-names",
    )
    yield "member.skops", zipped({"schema.json": json.dumps(estimator()).encode(), "x.pkl": PICKLE}), "pickle-names"
    yield "child.txt", lightgbm(TREE.replace("left_child=-1", "left_child=99")), "lightgbm-child"
    yield "leaf.txt", lightgbm(TREE.replace("right_child=-2", "right_child=-77")), "lightgbm-child"
    yield "feature.txt", lightgbm(TREE.replace("split_feature=0", "split_feature=5")), "lightgbm-feature"
    yield "length.txt", lightgbm(TREE.replace("leaf_value=0.1 -1e-05", "leaf_value=0.1")), "lightgbm-length"
    yield "number.txt", lightgbm(TREE.replace("threshold=0.5", "threshold=__import__")), "lightgbm-number"
    yield "twice.txt", lightgbm(TREE.replace("num_cat=0", "num_cat=0\nnum_cat=1")), "lightgbm-twice"
    yield "leaves.txt", lightgbm(TREE.replace("num_leaves=2", "num_leaves=0")), "lightgbm-tree"
    yield "order.txt", lightgbm(TREE.replace("Tree=0", "Tree=7")), "lightgbm-tree"
    yield "endless.txt", lightgbm(tail=""), "lightgbm-end"
    for title, tree, rule in (
        ("child", {"left_children": [9, -1, -1]}, "xgboost-child"), ("right", {"right_children": [-9, -1, -1]}, "xgboost-child"),
        ("feature", {"split_indices": [1 << 30, 0, 0]}, "xgboost-feature"), ("length", {"split_conditions": [1.0]}, "xgboost-length"),
        ("nodes", {"tree_param": {"num_nodes": "99999999999999"}}, "xgboost-number"),
    ):  # fmt: skip
        yield f"{title}.json", json.dumps(xgboost(**tree)).encode(), rule
        yield f"{title}.ubj", ubjson(xgboost(**tree)), rule
    yield "key.json", b'{"learner": {}, "learner": {}}', "xgboost-json"
    yield "no-model.json", b'{"learner": {}}', "xgboost-model"
    yield (
        "length-lie.ubj",
        ubjson(xgboost()).replace(struct.pack(">q", 3), struct.pack(">q", 1 << 60), 1),
        "ubjson-length",
    )
    yield "tail.ubj", ubjson(xgboost()) + b"Z", "ubjson-tail"
    yield "cut.ubj", ubjson(xgboost())[:-1], "truncated"
    yield "key.ubj", ubjson(xgboost())[:-1] + ubjson({"version": 1})[1:], "ubjson-key"
    yield "deep-marker.ubj", ubjson(xgboost())[:-1] + b"U\x01a?}", "ubjson-marker"
    yield "text.ubj", ubjson(xgboost())[:-1] + b"U\x01aSU\x01\xff}", "ubjson-text"
    yield "whole.txt", lightgbm(TREE.replace("left_child=-1", "left_child=0.5")), "lightgbm-number"
    yield "latin.txt", lightgbm().replace(b"binary", b"\xff"), "lightgbm-text"
    yield "wire.mlmodel", field(1, 6) + b"\x15abcd", "coreml-wire"
    yield "marker.ubj", ubjson(xgboost())[:-1] + b"?", "ubjson-number"
    for kind, made in (("xml", openvino), ("pmml", pmml)):
        yield f"xxe.{kind}", made(prolog=XXE), "xml-doctype"
        yield f"laughs.{kind}", made(prolog=LAUGHS), "xml-doctype"
        yield (
            f"style.{kind}",
            made(prolog='<?xml version="1.0"?><?xml-stylesheet href="http://x.invalid/x.xsl"?>'),
            "xml-instruction",
        )
        yield (
            f"include.{kind}",
            made('<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="/etc/passwd"/>'),
            "xml-include",
        )
        yield f"cut.{kind}", made()[:-9], "xml-form"
    yield (
        "data.xml",
        openvino('<layer type="Const" version="opset1"><data offset="-8" size="8"/></layer>'),
        "openvino-data",
    )
    yield "function.pmml", pmml('<Apply function="com.evil.Run"/>'), "pmml-function"
    yield "reference.pmml", pmml('<Extension href="http://x.invalid/a"/>'), "pmml-reference"
    for name in ("FlexReadFile", "FlexWriteFile", "FlexPyFunc", "FlexSaveV2"):
        yield f"{name}.tflite", tflite(name), "tflite-operator"
    yield "index.tflite", tflite(index=7), "tflite-operator"
    yield "buffer.tflite", tflite(buffer_end=1 << 40), "tflite-buffer"
    yield "custom.mlmodel", field(1, 6) + field(2, b"d") + field(555, b"class"), "coreml-kind"
    yield "linked.mlmodel", field(1, 6) + field(2, b"d") + field(556, b"name"), "coreml-kind"
    yield "two.mlmodel", field(1, 6) + field(500, b"") + field(502, b""), "coreml-twice"


def _broken() -> Iterator[tuple[str, bytes, str]]:
    """One rule each: sizes and types that one reader checks and another one walks over."""
    left, right = TREE.replace("left_child=-1", "left_child=-00000000001"), TREE.replace("Tree=0", "Tree=1")
    yield "child-long.txt", lightgbm(left), "lightgbm-number"
    yield "first-of-two.txt", lightgbm(TREE.replace("left_child=-1", "left_child=99") + right), "lightgbm-child"
    yield "gain-length.txt", lightgbm(TREE.replace("split_gain=1", "split_gain=1 2")), "lightgbm-length"
    learner = xgboost()["learner"]
    assert isinstance(learner, dict)
    yield "learner-list.json", b'{"learner": [{"a": 1}]}', "xgboost-model"
    yield "more.json", json.dumps(xgboost() | {"file": "/etc/passwd"}).encode(), "xgboost-model"
    booster = {"model": {"trees": {"0": 1}}, "name": "gbtree"}
    yield (
        "trees-object.json",
        json.dumps({"learner": learner | {"gradient_booster": booster}}).encode(),
        "xgboost-model",
    )
    for title, tree, rule in (
        ("nodes-number", {"tree_param": {"num_nodes": 3}}, "number"), ("nodes-sign", {"tree_param": {"num_nodes": "+3"}}, "number"),
        ("conditions-text", {"split_conditions": "abc"}, "length"), ("child-float", {"left_children": [1.0, -1, -1]}, "child"),
        ("feature-float", {"split_indices": [0.0, 0, 0]}, "feature"),
    ):  # fmt: skip
        yield f"{title}.json", json.dumps(xgboost(**tree)).encode(), f"xgboost-{rule}"
    head = ubjson(xgboost())[:-1]
    yield "numbers.ubj", head + b"U\x01a[$L#L" + struct.pack(">q", 9) + bytes(12) + b"}", "ubjson-length"
    yield "length-negative.ubj", head + b"U\x01aSi\xff}", "ubjson-length"
    yield "length-float.ubj", head + b"U\x01aSd" + struct.pack(">f", 0) + b"}", "ubjson-length"
    yield "typed.ubj", head + b"U\x01a[$lL}", "ubjson-marker"
    yield "counted-object.ubj", head + b"U\x01a{#U\0}", "ubjson-marker"
    yield "endless.mlmodel", b"\x08" + b"\xff" * 11, "coreml-wire"
    for title, text in (("digits", "\u0663"), ("long", "9" * 20)):
        yield (
            f"data-{title}.xml",
            openvino(f'<layer type="Const" version="opset1"><data offset="0" size="{text}"/></layer>'),
            "openvino-data",
        )
    yield "encoding.xml", openvino(prolog='<?xml version="1.0" encoding="utf-99"?>'), "xml-form"
    yield "idna.xml", openvino(prolog='<?xml version="1.0" encoding="idna"?>'), "xml-form"


def _broken_flatbuffers() -> Iterator[tuple[str, bytes, str]]:
    plain, custom = tflite(), tflite("Mine")
    text = custom.index(b"Mine")
    yield "shape-short.tflite", plain[:8] + b"\2\0" + plain[10:], "flatbuffer-table"
    yield "shape-odd.tflite", plain[:8] + b"\x0d\0" + plain[10:], "flatbuffer-table"
    yield (
        "text-long.tflite",
        custom[: text - 4] + struct.pack("<I", (1 << 16) + 1) + custom[text:] + bytes(1 << 17),
        "flatbuffer-text",
    )
    yield "text.tflite", custom.replace(b"Mine", b"\xff\xfe\xff\xfe"), "flatbuffer-text"
    yield "list.tflite", _listed(plain, 1 << 28), "flatbuffer-list"
    yield "root.tflite", struct.pack("<I", 1 << 31) + plain[4:], "truncated"
    yield "before.tflite", _before(plain), "truncated"


def _listed(data: bytes, count: int) -> bytes:
    """The first list of the root says that it holds so many."""
    root = struct.unpack_from("<I", data)[0]
    shape = root - struct.unpack_from("<i", data, root)[0]
    place = root + struct.unpack_from("<H", data, shape + 6)[0]
    begin = place + struct.unpack_from("<I", data, place)[0]
    return data[:begin] + struct.pack("<I", count) + data[begin + 4 :]


def _before(data: bytes) -> bytes:
    """The root's shape lies before the file."""
    root = struct.unpack_from("<I", data)[0]
    return data[:root] + struct.pack("<i", 1 << 20) + data[root + 4 :]


def _broken_archives() -> Iterator[tuple[str, bytes, str]]:
    """skops: what a node says twice, or in a type that loaders take for something else."""
    yield "loader-list.skops", skops(node(["MethodNode"], "a", "b")), "skops-loader"  # type: ignore[arg-type]
    yield (
        "json-twice.skops",
        skops(estimator(node("JsonNode", "builtins", "str", '{"a": 1, "a": 2}', is_json=True))),
        "skops-json",
    )
    yield "module-list.skops", skops(node("ObjectNode", ["os"], "system")), "skops-type"  # type: ignore[arg-type]
    yield "class-list.skops", skops(node("ObjectNode", "os", ["system"])), "skops-type"  # type: ignore[arg-type]


def doubtful() -> Iterator[tuple[str, bytes]]:
    """What is neither refused nor proven."""
    yield "role.skops", skops(estimator(node("SparseMatrixNode", "torch", "FloatStorage")))
    yield "member.skops", zipped({"schema.json": json.dumps(estimator()).encode(), "x.7z": b"7z\xbc\xaf\x27\x1c\0\4"})
    yield "claims.skops", zipped({"schema.json": json.dumps(estimator()).encode(), "g.xml": openvino()})
    yield "layer-nameless.xml", openvino('<layer type="Mine"/>')
    yield "layer-version.xml", openvino('<layer type="Mine" version="mine1"/>')
    yield "deep.xml", openvino("<a>" * 70 + "</a>" * 70)
    yield "outside-parameters.txt", lightgbm(tail=TAIL.replace("parameters:\n", ""))
    yield "in-parameters.txt", lightgbm(tail=TAIL.replace("[data: ]", "data: x"))
    yield "nested.ubj", ubjson(xgboost())[:-1] + b"U\x01a" + b"[" * 70 + b"]" * 70 + b"}"
    yield "packed.bin", b"7z\xbc\xaf\x27\x1c\0\4"
    yield "zstd.bin", b"\x28\xb5\x2f\xfd" + bytes(9)
    yield "latin.bin", b"caf\xe9 au lait"
    yield "cut.png", b"\x89PNG\r\n\x1a\n" + bytes(9)
    yield "behind.gif", b"GIF87a\1\0\1\0\x80\0\0" + bytes(6) + b"\x2c\0\0\0\0\1\0\1\0\0\2\2D\1\0;" + b"behind"
    packed = zipped({"a.bin": b"\xfe\1\2"})
    yield "unread.zip", packed
    yield "claims-alone.zip", zipped({"m.xml": openvino()})
    yield "claims.zip", zipped({"m.xml": openvino(), "m.bin": bytes(8)})
    for _ in range(5):
        packed = zipped({"a.zip": packed})
    yield "too-deep.zip", packed
    yield "loader.skops", skops(estimator(node("PartialNode", "functools", "partial", {})))
    yield "own.skops", skops(node("ObjectNode", "acme.models", "Mine", TEXT))
    yield "lost.skops", skops(estimator(), w=ARRAY)
    yield "line.txt", lightgbm(TREE.replace("num_cat=0", "unheard=0"))
    yield "rest.txt", lightgbm(tail=TAIL + "more\n")
    yield "booster.json", json.dumps({"learner": {"gradient_booster": {"model": {"other": 1}}}}).encode()
    yield "extension.xml", openvino('<layer type="Mine" version="extension"/>')
    yield "plain.pmml", pmml('<TreeModel functionName="classification"/>')
    yield "plain.tflite", tflite()
    yield "custom.tflite", tflite("MyOperator")
    yield "flex.tflite", tflite("FlexErf")
    yield "net.mlmodel", field(1, 6) + field(2, b"d") + field(500, b"layers")
    yield "cat.cbm", b"CBM1" + bytes(range(200, 230))
