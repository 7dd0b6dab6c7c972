"""`training/native-code`: a shared library is loaded or built."""

from __future__ import annotations

from collections.abc import Iterator

from countermark.checks.training._program import Program, shown
from countermark.checks.training._rule import Hit, Rule

_LOADERS = (
    "ctypes.CDLL", "ctypes.PyDLL", "ctypes.WinDLL", "ctypes.OleDLL", "ctypes.cdll.*", "ctypes.pydll.*", "ctypes.windll.*", "ctypes.util.find_library",
    "cffi.FFI", "numpy.ctypeslib.load_library", "torch.ops.load_library", "torch.classes.load_library", "torch.utils.cpp_extension.load",
    "torch.utils.cpp_extension.load_inline", "tensorflow.load_op_library", "tensorflow.load_library", "_ctypes.dlopen", "_imp.create_dynamic",
    "imp.load_dynamic", "*.register_custom_ops_library", "pyximport.install", "cppyy.cppdef", "cppyy.load_library", "numpy.f2py.compile",
    "torch._inductor.codecache.compile_file", "triton.compile", "weave.inline", "scipy.weave.inline",
)  # fmt: skip


def _find(program: Program) -> Iterator[Hit]:
    for code, name, node in program.references(*_LOADERS):
        yield Hit(code, node, f"{shown(name)} loads or builds machine code")


RULE = Rule(
    "training/native-code", "high", _find,
    why="machine code is not read by any check here, and it can do whatever the process can",
    fix="use a package that the lock pins by hash",
    cannot_tell="what the library does",
)  # fmt: skip
