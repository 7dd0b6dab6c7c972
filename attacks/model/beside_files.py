"""What lies beside a model: settings that fetch code, code, and files whose name lies about their content."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "formats"))
from models import ARRAY, PICKLE, entry, safetensors

WEIGHTS = safetensors({"a": entry(0, 4)}, b"abcd")
TEMPLATE = "{% for m in messages %}{{ m['role'] + ': ' + m['content'] }}{% endfor %}"
REACHING = "{% for c in [].__class__.__base__.__subclasses__() %}{{ c }}{% endfor %}"
"""The beginning of CVE-2024-34359: from any object to Python's classes."""
PROGRAMS = {
    "elf": b"\x7fELF", "windows": b"MZ", "mach-32": b"\xfe\xed\xfa\xce", "mach-64": b"\xfe\xed\xfa\xcf", "mach": b"\xcf\xfa\xed\xfe", "java": b"\xca\xfe\xba\xbe",
    "wasm": b"\0asm", "script": b"#!",
}  # fmt: skip
CODE = [
    "py",
    "pyc",
    "pyo",
    "pyd",
    "pyw",
    "so",
    "dll",
    "dylib",
    "exe",
    "sh",
    "bash",
    "bat",
    "cmd",
    "ps1",
    "js",
    "jar",
    "whl",
    "egg",
    "ipynb",
    "lua",
    "rb",
    "pl",
]
FORMATS = ["onnx", "npy", "npz", "gguf", "h5", "hdf5", "keras", "tflite", "pb", "skops", "ubj", "cbm", "mlmodel", "pmml", "xml", "json", "txt", "md", "toml", "yaml", "yml", "csv", "png", "jpg", "jpeg", "gif", "webp", "bmp", "pkl", "pickle", "joblib", "pt", "pth", "ckpt", "dill"]  # fmt: skip


def good() -> Iterator[tuple[str, bytes]]:
    """What people have beside a model."""
    yield "weights.bin", WEIGHTS
    yield "plain/tokenizer_config.json", _tokenizer(TEMPLATE)
    yield "plain.jinja", TEMPLATE.encode()
    yield "README.md", b"# A model\n\nIts settings may hold an auto_map or trust_remote_code.\n"
    yield "settings.yaml", b"a: 1\ntrust_remote_code: false\n# _target_ stands in a comment\n"
    yield "settings.json", b'{"a": NaN, "trust_remote_code": false, "auto_map": {}, "b": [{"c": "auto_map"}]}'


def bad() -> Iterator[tuple[str, bytes, str]]:
    """Name, bytes, and the rule that refuses them."""
    yield from _settings()
    for title, magic in PROGRAMS.items():
        yield f"program-{title}.bin", magic + b"\1\2\3\4", "code-beside-model"
    for end in CODE:
        yield f"code.{end}", b"run()", "code-beside-model"
    for end in FORMATS:
        yield f"weights.{end}", WEIGHTS, "mismatch"
    yield "tokenizer_config.json", _tokenizer(REACHING), "template-attribute"
    yield "chat_template.jinja", REACHING.encode(), "template-attribute"
    yield "array.safetensors", ARRAY, "mismatch"
    yield "pickle.safetensors", PICKLE, "mismatch"


def doubtful() -> Iterator[tuple[str, bytes]]:
    """What is neither refused nor proven."""
    yield "packed.bin", b"7z\xbc\xaf\x27\x1c\0\4"
    yield "zstd.bin", b"\x28\xb5\x2f\xfd" + bytes(9)
    yield "latin.bin", b"caf\xe9 au lait"
    yield "unparsed/tokenizer_config.json", _tokenizer("{% frobnicate %}")
    yield "unparsed.jinja", b"{{ a "
    yield "many/tokenizer_config.json", _tokenizer([{"name": str(n), "template": TEMPLATE} for n in range(65)])


def _tokenizer(template: object) -> bytes:
    """A tokenizer's settings with a chat template: a text, or one for each name (transformers)."""
    return json.dumps({"model_max_length": 4096, "chat_template": template}).encode()


def _settings() -> Iterator[tuple[str, bytes, str]]:
    """Settings that fetch or run code, as lenient readers see them: Python's JSON takes NaN and the last of two keys."""
    code = b'"auto_map": {"AutoModel": "m.Evil"}'
    texts = {
        "nan.json": b'{%b, "x": NaN}' % code, "key-twice.json": b'{"auto_map": {}, %b}' % code, "key-first.json": b'{%b, "auto_map": {}}' % code,
        "mark.json": b"\xef\xbb\xbf{%b}" % code, "surrogate.json": b'{"x": "\\ud800", %b}' % code, "escaped.json": b'{"\\u0061uto_map": "m.Evil"}',
        "deep.json": b'{"a": [{"b": [{%b}]}]}' % code, "target.json": b'{"_target_": "os.system"}', "remote.json": b'{"trust_remote_code": true}',
        "pipelines.json": b'{"custom_pipelines": {"a": {"impl": "m.P"}}}', "object.json": b'{"py/object": "os.system"}', "reduce.json": b'{"py/reduce": [1]}',
        "target.yaml": b"model:\n  _target_: os.system\n", "target-flow.yml": b"model: {_target_: os.system}\n", "target-quoted.yaml": b'"_\\x74arget_": os.system\n',
        "target-alias.yaml": b"a: &k _target_\nmodel:\n  *k : os.system\n", "target-complex.yaml": b"? _target_\n: os.system\n", "remote.yaml": b"trust_remote_code: true\n",
        "auto-map.yaml": b"auto_map:\n  AutoModel: m.Evil\n", "tag.yaml": b"a: !!python/object/apply:os.system [id]\n",
        "tag-whole.yaml": b"a: !<tag:yaml.org,2002:python/object/apply:os.system> [id]\n", "tag-escaped.yaml": b"a: !!%70ython/object/apply:os.system [id]\n",
        "tag-renamed.yaml": b"%TAG !e! tag:yaml.org,2002:py\n---\na: !e!thon/object/apply:os.system [id]\n",
    }  # fmt: skip
    yield from ((f"settings-{name}", b"a: \xff", "mismatch") for name in ("bytes.json", "bytes.yaml"))
    yield "settings-control.yaml", b"a: \1", "mismatch"
    yield from ((f"settings-{name}", data, "names-code") for name, data in texts.items())
