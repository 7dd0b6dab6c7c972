"""ONNX: operators of one runtime are unproven, those of other libraries refused, a recipe's domains allowed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countermark.checks.model._look import look_at
from countermark.errors import FormatRefused
from countermark.formats import onnx
from countermark.formats.limits import Malformed, Unaccounted
from countermark.formats.source import Memory

sys.path.insert(0, str(Path(__file__).parents[3] / "attacks" / "formats"))
import models


def graph(*nodes):
    return models.onnx(b"".join(models.field(1, models.node(op, domain)) for op, domain in nodes))


@pytest.mark.parametrize(
    ("nodes", "answer"),
    [
        ([("Relu", ""), ("Scaler", "ai.onnx.ml")], "proven"),
        ([("Relu", ""), ("FusedMatMul", "com.microsoft")], "unproven"),
        ([("PythonOp", "com.microsoft")], "refused"),
        ([("EPContext", "com.microsoft")], "refused"),
        ([("PyOp", "ai.onnx.contrib")], "refused"),
        ([("FusedMatMul", "com.microsoft"), ("Run", "evil.ops")], "refused"),
        ([("Run", "com.microsoft.evil")], "refused"),
    ],
)
def test_domains(nodes, answer):
    assert look_at("m.onnx", Memory(graph(*nodes))).answer == answer


def test_a_named_domain_is_allowed_and_still_may_not_call_python():
    wide = onnx.STANDARD_DOMAINS | {"com.microsoft", "acme.ops"}
    assert onnx.read(Memory(graph(("FusedMatMul", "com.microsoft"), ("Run", "acme.ops"))), domains=wide).operators
    with pytest.raises(Malformed, match="PythonOp"):
        onnx.read(Memory(graph(("PythonOp", "com.microsoft"))), domains=wide)
    with pytest.raises(Unaccounted):
        onnx.read(Memory(graph(("FusedMatMul", "com.microsoft"))))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 200), st.binary(min_size=1, max_size=6))
def test_changed_bytes_never_kill_the_reader(at, new):
    data = models.onnx(models.field(1, models.node("Relu")) + models.field(5, models.tensor()))
    try:
        onnx.read(Memory(data[:at] + new + data[at + len(new) :]))
    except FormatRefused as error:
        assert error.what
