"""`training/obfuscated`: text that is made to be not read."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from countermark.checks.training._program import Program
from countermark.checks.training._rule import Hit, Rule

_UNPACKERS = ("base64.*decode*", "binascii.unhexlify", "binascii.a2b_*", "codecs.decode", "zlib.decompress", "gzip.decompress", "bz2.decompress",
              "lzma.decompress", "builtins.bytes.fromhex", "builtins.bytearray.fromhex")  # fmt: skip
_RUNNERS = ("builtins.exec", "builtins.eval", "builtins.compile", "marshal.loads", "pickle.loads", "dill.loads", "cloudpickle.loads",
            "builtins.__import__", "importlib.import_module", "os.system", "subprocess.*", "types.FunctionType")  # fmt: skip
_BLOB = re.compile(r"[A-Za-z0-9+/=_-]{400,}|(?:\\x[0-9a-fA-F]{2}){100,}|[0-9a-fA-F]{400,}")


def _find(program: Program) -> Iterator[Hit]:
    unpacking = {id(call.node): call.name for call in program.calls(*_UNPACKERS)}
    for call in program.calls(*_RUNNERS):
        inner = next((unpacking[id(n)] for a in call.node.args for n in ast.walk(a) if id(n) in unpacking), None)
        if inner:
            yield Hit(call.code, call.node, f"{call.name} runs what {inner} unpacks")
    for code, node in program.nodes(ast.Constant):
        if isinstance(node.value, str | bytes) and _blob(node.value):
            yield Hit(code, node, f"a text of {len(node.value):,} characters that no person reads")


def _blob(value: str | bytes) -> bool:
    text = value if isinstance(value, str) else value.decode("latin-1")
    return len(text) >= 400 and _BLOB.search(text[: 1 << 16]) is not None


RULE = Rule(
    "training/obfuscated", "high", _find,
    why="encoded code is how a reviewer is kept from reading it",
    fix="write it out; bring data as an input of the recipe",
    cannot_tell="what it unpacks to",
)  # fmt: skip
