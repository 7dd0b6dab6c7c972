"""`model/tflite`: the operators of a TensorFlow Lite file and where its buffers lie; refused where they reach out, otherwise unproven.

Source: `tensorflow/lite/schema/schema.fbs`, version 3. The options of operators are not read, so that bytes remain unaccounted for.
"""

from __future__ import annotations

from countermark.checks.model._check import Look, ModelFile, refused
from countermark.checks.model._lists import listed
from countermark.finding import Finding, Where
from countermark.formats.flatbuffers import Table, root
from countermark.formats.limits import Malformed
from countermark.formats.source import Buffered

ID = "model/tflite"
_CODES, _SUBGRAPHS, _BUFFERS, _OPERATORS = 1, 2, 4, 3
_CUSTOM = 32
_FLEX = "Flex"


def looks_at(file: ModelFile) -> bool:
    """The identifier at byte 4."""
    return file.head[4:8] == b"TFL3"


def look(file: ModelFile) -> Look:
    """Walk the model, its operators and its buffers."""
    try:
        model = root(Buffered(file.source))
        customs = _customs(model)
        counts = (("operators", _operators(model)), ("parameter bytes", _buffers(model)))
    except Malformed as error:
        return refused(ID, "tflite", file, error)
    findings = [_finding(file, name, at) for name, at in customs if _reaches(name)]
    if findings:
        return Look(ID, "tflite", "refused", findings[0].what, tuple(findings), counts=counts)
    names = ", ".join(name[:60] for name, _ in customs[:5])
    what = f"custom operators {names}" if customs else "built-in operators only"
    why = f"{what}; the options of operators are not read here; convert to ONNX"
    return Look(ID, "tflite", "unproven", why, counts=counts)


def _customs(model: Table) -> list[tuple[str, int]]:
    """Names of custom operators and where they stand."""
    out = []
    for code in model.tables(_CODES):
        if _CUSTOM in (code.scalar(0, 1), code.scalar(3, 4)):
            out.append((code.text(1), code.at))
    return out


def _operators(model: Table) -> int:
    codes, total = len(model.tables(_CODES)), 0
    for graph in model.tables(_SUBGRAPHS):
        for operator in graph.tables(_OPERATORS):
            total += 1
            if operator.scalar(0, 4) >= codes:
                raise Malformed("tflite-operator", f"operator {operator.scalar(0, 4)} of {codes}", offset=operator.at)
    return total


def _buffers(model: Table) -> int:
    """Bytes in buffers, which may lie behind the FlatBuffer too."""
    total = 0
    for buffer in model.tables(_BUFFERS):
        _, count = buffer.items(0, 1)
        offset, size = buffer.scalar(1, 8), buffer.scalar(2, 8)
        if offset > 1 and offset + size > model.file.size:
            raise Malformed(
                "tflite-buffer", f"a buffer of {size} bytes at {offset} of {model.file.size}", offset=buffer.at
            )
        total += count + (size if offset > 1 else 0)
    return total


def _reaches(name: str) -> bool:
    """TensorFlow's own operators, called through the Flex delegate, that open files or call Python."""
    inner = name.removeprefix(_FLEX)
    return name.startswith(_FLEX) and inner in listed("tensorflow", "refused-operator") | listed("tensorflow", "saver")


def _finding(file: ModelFile, name: str, at: int) -> Finding:
    return Finding(
        ID, "tflite-operator", "high", 1.0, f"the operator {name}", Where(path=file.path, offset=at),
        "the Flex delegate runs TensorFlow's operator, which opens files or calls Python", "export with built-in operators",
        "whether the runtime has the delegate",
    )  # fmt: skip
