"""Writes the list of TorchScript operators from the torch that is installed here; what it writes is reviewed by hand.

    python release/torchscript_names.py > src/countermark/checks/model/names/torchscript.names

Listed is what computes on tensors, numbers, text and containers. Left out, and so refused or unproven: operators that read
or write files, call Python, other processes or other machines, and namespaces that only compilers and tests use.
"""

from __future__ import annotations

from datetime import UTC, datetime

import torch

NAMESPACES = ("aten", "quantized", "_quantized", "quantization", "mkldnn", "sparse")
PRIMITIVES = (
    "EnumName", "EnumValue", "IfThenElse", "ModuleContainerIndex", "NumToTensor", "RaiseException", "StringIndex",
    "TupleIndex", "TupleUnpack", "Uninitialized", "abs", "data", "device", "dtype", "grad", "id", "index", "is_cpu", "is_cuda",
    "is_meta", "is_mkldnn", "is_mps", "is_nested", "is_quantized", "is_sparse", "is_sparse_csr", "is_vulkan", "is_xla",
    "is_xpu", "itemsize", "layout", "max", "min", "name", "nbytes", "rangelist", "requires_grad", "tolist", "type",
    "unchecked_cast", "unchecked_unwrap_optional", "Print",
)  # fmt: skip
REFUSED = {"aten::from_file", "aten::save"}


def main() -> None:
    """Print the list."""
    names = {schema.name for schema in torch._C._jit_get_all_schemas()}
    kept = {n for n in names if n.split("::")[0] in NAMESPACES} | {f"prim::{n}" for n in PRIMITIVES}
    print("# profile: torchscript\n# version: 1")
    print(f"# date: {datetime.now(UTC).date()}\n# source: release/torchscript_names.py over torch {torch.__version__}")
    print("# namespace\toperator")
    for name in sorted(kept - REFUSED):
        print(*name.split("::"), sep="\t")


if __name__ == "__main__":
    main()
