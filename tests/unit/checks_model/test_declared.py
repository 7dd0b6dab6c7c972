"""What a recipe lets its model contain: exact names, signed for, and nothing that is known to run code."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from countermark import dsse
from countermark.artefact.declared import MOST, NOTHING, Declared
from countermark.artefact.folder import read_folder
from countermark.artefact.recipe import parse
from countermark.checks.model._look import look_at
from countermark.errors import StatementRefused
from countermark.formats.source import Memory
from countermark.lifecycle import book
from countermark.lifecycle.gather import gather
from countermark.lifecycle.receive import receive

ATTACK = Path(__file__).parents[3] / "attacks" / "model" / "declared_names.py"


@pytest.fixture(scope="module")
def attack() -> ModuleType:
    spec = importlib.util.spec_from_file_location("declared_names", ATTACK)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["declared_names"] = module
    spec.loader.exec_module(module)
    return module


def test_who_may_widen_the_list_and_by_what(attack: ModuleType, tmp_path: Path) -> None:
    assert attack.outcomes(tmp_path / "world") == attack.EXPECTED


def test_an_inspection_counts_beside_the_training_statement_that_it_names(attack: ModuleType, tmp_path: Path) -> None:
    case = attack.Case(attack.project(tmp_path / "world"), "honest", attack.OBJECT)
    assert attack.counts(case) == (True, False, False)
    said = case.inspected()
    assert said.widened and "declared by its recipe (vendor_layers.gates:Gate)" in said.inspection.files[0].why


@pytest.mark.parametrize(
    "name", ["os", "os:", ":system", "a.*:B", "a:B.c", "a:__reduce__", "a..b:C", "a b:C", "ä:B", "a:" + "b" * 300]
)
def test_a_class_is_an_exact_name(name: str) -> None:
    with pytest.raises(StatementRefused, match="no exact name"):
        Declared.from_json({"classes": [name]})


@pytest.mark.parametrize("value", [
    {"classes": ["a:B", "a:B"]}, {"classes": [f"a:B{n}" for n in range(MOST + 1)]}, {"class": ["a:B"]}, {"domains": ["com example"]},
    {"domains": [3]},
])  # fmt: skip
def test_what_is_no_table_of_names_is_refused(value: dict) -> None:
    with pytest.raises(StatementRefused):
        Declared.from_json(value)


def test_a_recipe_without_the_table_declares_nothing(attack: ModuleType) -> None:
    text = attack.RECIPE.format(classes='"a.b:C"')
    assert parse(text.encode()).declared == Declared(("a.b:C",))
    assert parse(text[: text.index("[model]")].encode()).declared == NOTHING and not NOTHING


def operator(domain: bytes, name: bytes) -> bytes:
    """An ONNX model of one node, written by hand (onnx.proto: ir_version, graph.node.op_type and .domain, opset_import)."""

    def field(number: int, data: bytes) -> bytes:
        return bytes([number << 3 | 2, len(data)]) + data

    node = field(1, b"x") + field(2, b"y") + field(4, name) + field(7, domain)
    opsets = field(8, field(1, domain) + b"\x10\x01") + field(8, b"\x10\x11")
    return b"\x08\x08" + field(7, field(1, node) + field(2, b"g")) + opsets


def test_a_domain_of_the_recipe_is_proven_and_of_nobody_refused() -> None:
    data = operator(b"com.vendor", b"Gate")
    assert look_at("m.onnx", Memory(data)).answer == "refused"
    assert look_at("m.onnx", Memory(data), declared=Declared((), ("com.vendor",))).answer == "proven"
    reaching = operator(b"com.microsoft", b"PythonOp")
    assert look_at("m.onnx", Memory(reaching), declared=Declared((), ("com.microsoft",))).answer == "refused"


def test_a_declared_class_may_lie_in_an_archive(attack: ModuleType) -> None:
    import gzip
    import io
    import zipfile

    declared = Declared((attack.CLASS,))
    assert look_at("m.pkl.gz", Memory(gzip.compress(attack.OBJECT)), declared=declared).answer == "proven"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("inner.pkl", attack.OBJECT)
    assert look_at("m.zip", Memory(out.getvalue())).answer == "unproven"
    assert look_at("m.zip", Memory(out.getvalue()), declared=declared).answer == "proven"


def test_evidence_takes_it_whichever_was_entered_first(attack: ModuleType, tmp_path: Path) -> None:
    world = attack.project(tmp_path / "world")
    case = attack.Case(world, "honest", attack.OBJECT)
    desk, tree = world[attack.OWNER], read_folder(case.model)
    receive(desk, world.delivered()[0])
    said, trained = case.inspected().envelope, dsse.Envelope.from_bytes(case.trained.read_bytes())
    book.enter(desk, desk.trust(), [said])
    alone = gather(desk, tree, "honest").evidence
    assert alone["inspection"] is None and any("does not count: what it let pass" in s for s in alone["not_looked_at"])
    book.enter(desk, desk.trust(), [trained])
    both = gather(desk, tree, "honest").evidence
    assert (
        both["inspection"]["declared"]["classes"] == [attack.CLASS] and both["training"]["statement"] == trained.digest
    )
