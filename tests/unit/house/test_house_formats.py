"""Format pages under test: the example of each is read by the program's own parser, and names its fields."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
import small_release
from core_evidence import good, judged
from core_world import OWNER, SUPPLIER, private_key

from countermark import canonical
from countermark.artefact import recipe, row_list
from countermark.artefact.proof import TreeProof
from countermark.artefact.tree import TreeEntry, bytes_root, tree_of
from countermark.assess.assess import assess
from countermark.keys import quorum
from countermark.keys.cosigner import CosignerKey
from countermark.ledger import cosignature
from countermark.ledger.checkpoint import verify_checkpoint
from countermark.ledger.note import Note, NoteKey
from countermark.lifecycle import contract
from countermark.passport.passport import unpacked
from countermark.report.view import Report

PAGES = Path(__file__).parents[3] / "docs" / "reference" / "formats"
FIELD = re.compile(r"^\| (`.+?`(?:, `.+?`)*) \|", re.MULTILINE)
KEY = NoteKey("countermark.invalid/parts", private_key(OWNER, "ledger").public.raw())


def example(name: str) -> bytes:
    text = (PAGES / f"{name}.md").read_text()
    return re.findall(r"^```(?:toml)?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[-1].encode()


def fields(name: str) -> set[str]:
    """Top-level fields that a page's tables name."""
    text = (PAGES / f"{name}.md").read_text()
    return {f.strip("`").split(".")[0] for row in FIELD.findall(text) for f in row.split(", ")}


def test_ledger() -> None:
    head = verify_checkpoint(example("ledger"), KEY)
    assert (head.origin, head.size) == ("countermark.invalid/parts", 2)


def test_cosignature() -> None:
    head = verify_checkpoint(example("cosignature"), KEY)
    witness = CosignerKey.from_vkey(re.findall(r"^Witness: `(.+)`$", (PAGES / "cosignature.md").read_text(), re.M)[0])
    assert witness.public == private_key(SUPPLIER, "witness").public.raw()
    (line,) = (s for s in Note.from_bytes(head.note).signatures if s.name == witness.name)
    assert cosignature.verify(witness, head, line) == 1795600000


def test_quorum() -> None:
    rule = quorum.parse(example("quorum").decode())
    assert rule.satisfied(["acme", "bolts"]) and not rule.satisfied(["acme"])


def test_recipe() -> None:
    parsed = recipe.parse(example("recipe"))
    assert parsed.inputs == {"train": "data/train", "test": "data/test"} and parsed.memory_bytes == 2 << 30
    assert fields("recipe") >= {"format", "name", "code", "inputs", "output", "environment", "limits", "seeds"}


def test_contract() -> None:
    parsed = contract.parse(example("contract"), toml=True)
    assert parsed.rows == {"acme": {"nut": 24, "screw": 24}} and (parsed.width, parsed.height) == (128, 128)
    assert fields("contract") == {"format", "image", "kinds", "rows", "notes"}


def test_passport(tmp_path: Path) -> None:
    _, papers = small_release.model(small_release.make(tmp_path / "world"), "model")
    assert fields("passport") == set(canonical.object_from_bytes(unpacked(papers.read_bytes())))


def test_report() -> None:
    evidence = good(3)
    verdict = judged(evidence)
    assert fields("report") == set(Report(evidence, verdict, assess(evidence, verdict)).to_json())


@pytest.mark.parametrize(
    "name", ["ledger", "passport", "report", "recipe", "contract", "quorum", "cosignature", "rows"]
)
def test_a_page_says_its_version_or_source(name: str) -> None:
    text = (PAGES / f"{name}.md").read_text()
    assert "c2sp.org" in text or re.search(r"`format`? (?:= )?[12]|`format = 1`", text)


def test_rows() -> None:
    text = io.BytesIO(example("rows"))
    heading = row_list.check(text)
    assert (heading.id, heading.rows, [row.id for row in row_list.lines(text)]) == ("key", 1, ["a"])
    assert fields("rows") >= set(canonical.object_from_bytes(heading.line())) - {"format"}


def test_tree_proof() -> None:
    contents = {"a.txt": b"one", "b.txt": b"two", "c.txt": b"three"}
    tree = tree_of(TreeEntry(name, len(data), False, bytes_root(data)) for name, data in contents.items())
    proof = TreeProof.from_bytes(example("tree-proof").strip())
    assert proof.verify(tree.digest).entries == (tree.entries[1],)
    assert fields("tree-proof") == set(canonical.object_from_bytes(proof.to_bytes()))
