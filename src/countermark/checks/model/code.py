"""`model/code`: programs and scripts do not belong beside a model; some loaders run them."""

from __future__ import annotations

from countermark.checks.model._check import Look, ModelFile
from countermark.finding import Finding, Where

ID = "model/code"
_MAGIC = (
    (b"\x7fELF", "ELF program"), (b"MZ", "Windows program"), (b"\xfe\xed\xfa\xce", "Mach-O program"),
    (b"\xfe\xed\xfa\xcf", "Mach-O program"), (b"\xcf\xfa\xed\xfe", "Mach-O program"),
    (b"\xca\xfe\xba\xbe", "Java or Mach-O program"), (b"\0asm", "WebAssembly program"), (b"#!", "script"),
)  # fmt: skip
_EXTENSIONS = frozenset(
    {"py", "pyc", "pyo", "pyd", "pyw", "so", "dll", "dylib", "exe", "sh", "bash", "bat", "cmd", "ps1", "js", "jar",
     "whl", "egg", "ipynb", "lua", "rb", "pl"}
)  # fmt: skip


def _kind(file: ModelFile) -> str:
    for magic, name in _MAGIC:
        if file.head.startswith(magic):
            return name
    return f".{file.extension} code" if file.extension in _EXTENSIONS else ""


def looks_at(file: ModelFile) -> bool:
    """A program by its first bytes, or code by its name."""
    return bool(_kind(file))


def look(file: ModelFile) -> Look:
    """Refuse it beside a model."""
    kind = _kind(file)
    found = Finding(
        ID, "code-beside-model", "high", 1.0, f"{kind} among the model's files", Where(path=file.path, offset=0),
        why="loaders with trust_remote_code, custom operators or plug-ins run code that lies beside a model",
        fix="deliver code as part of the recipe, signed and reviewed there",
        cannot_tell="what the code does; it was not read",
    )  # fmt: skip
    return Look(ID, kind, "refused", f"{kind} among the model's files", (found,))
