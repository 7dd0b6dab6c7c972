"""Papers of a model from three dozen suppliers: how large they are, and what a licensee is told (`pytest -s` prints the parts)."""

from __future__ import annotations

import base64
import re
from dataclasses import replace

import pytest

pytest.importorskip("numpy")
pytest.importorskip("PIL")
pytest.importorskip("sklearn")

import many_suppliers
from core_world import OWNER, SUPPLIER
from many_suppliers import Factory

from countermark.lifecycle import book, rows
from countermark.lifecycle.verify import pinned, verify_model
from countermark.passport.passport import Commitment, Passport
from countermark.statement.predicates import acts, checked
from countermark.statement.predicates import delivery as deliveries
from countermark.statement.predicates import rows as row_predicates
from countermark.statement.statement import Statement

pytestmark = pytest.mark.slow
MOST = 200_000


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Factory:
    return many_suppliers.make(tmp_path_factory.mktemp("many") / "factory")


def kinds(passport: Passport) -> list[str]:
    return [Statement.from_bytes(s.envelope.payload).predicate_type for s in passport.slips()]


def test_papers_of_36_suppliers_stay_below_200_000_bytes(made: Factory) -> None:
    desk = made.world[OWNER]
    entered = [
        len(book.entered(desk, kind))
        for kind in (deliveries.TYPE, checked.SCREENING, row_predicates.QUARANTINE, acts.WAIVER)
    ]
    assert entered[:3] == [36, 4, 4] and entered[3] >= 1
    for file in (made.licensee, made.auditor):
        passport = Passport.from_bytes(file.read_bytes())
        assert len(passport.trust) == 3 and passport.heads
        for part, plain, deflated in many_suppliers.sizes(file):
            print(f"{file.stem:<9} {part:<12} {plain:>8,} B {deflated:>8,} B deflated")
        assert file.stat().st_size <= MOST


def test_only_what_counts_is_carried(made: Factory) -> None:
    passport = Passport.from_bytes(made.auditor.read_bytes())
    assert kinds(passport).count(checked.SCREENING) == 1 and kinds(passport).count(deliveries.TYPE) == 36
    assert kinds(passport).count(row_predicates.QUARANTINE) == kinds(passport).count(row_predicates.DECISION) == 4
    assert passport.evidence is not None
    newest = book.entered(made.world[OWNER], checked.SCREENING)[-1].envelope.digest
    assert passport.evidence["screening"]["statement"] == newest


def told(passport: Passport) -> str:
    """All text in papers, whatever is encoded in base64 read too; the trust document apart, which lists all parties."""
    text = replace(passport, trust=()).to_json_bytes().decode()
    payloads = re.findall(r'"payload":"([^"]+)"', text)
    return text + "".join(base64.b64decode(p).decode() for p in payloads)


def test_a_licensee_is_told_of_no_supplier_and_of_no_row(made: Factory) -> None:
    """But for the trust document, which lists every party with its organisation and classes."""
    desk, passport = made.world[OWNER], Passport.from_bytes(made.licensee.read_bytes())
    trust = desk.trust().document
    suppliers = [p for p in trust.parties if "supplier" in p.roles]
    listed = rows.listed(desk)
    hidden = {p.id for p in suppliers} | {p.name for p in suppliers} | {p.organisation for p in suppliers}
    hidden |= (
        {row.id for row in listed}
        | {row.entry.path for row in listed}
        | {row.entry.path.split("/")[-1] for row in listed}
    )
    hidden |= {row.delivery for row in listed} | {row.id.split("/")[0] for row in listed}
    hidden |= {one.envelope.digest for kind in (checked.SCREENING, row_predicates.QUARANTINE, row_predicates.DECISION)
               for one in book.entered(desk, kind)}  # fmt: skip
    text, raw = told(passport), made.licensee.read_bytes()
    assert len(hidden) > 2500 and not [name for name in hidden if name in text or name.encode() in raw]
    assert passport.evidence is None and all(isinstance(c, Commitment) for c in passport.commitments)
    assert len(passport.commitments) == 36 + 1 + 4 + 4
    assert all(p.id in passport.trust[-1].payload.decode() for p in suppliers), "as the page says"
    opened = told(Passport.from_bytes(made.auditor.read_bytes()))
    assert all(f"maker-{n:02}" in opened for n in range(36)), "an auditor is told"


def test_commitments_stand_in_ledger_order(made: Factory) -> None:
    """By supplier they would tell who is which, to everybody who sees the list of parties."""
    passport = Passport.from_bytes(made.licensee.read_bytes())
    entries = [int(re.findall(r"index (\d+)", c.to_json()["receipt"])[0]) for c in passport.commitments]
    assert entries == sorted(entries)


def test_both_kinds_verify_and_the_auditors_is_judged_again(made: Factory) -> None:
    reader = made.world[SUPPLIER]
    first = verify_model(made.model, made.licensee, pinned(reader), reader.now())
    second = verify_model(made.model, made.auditor, pinned(reader), reader.now())
    assert first.state == second.state == "admitted, witnessed"
    assert first.again is None and second.again is not None and second.again.rules > 20
    assert not [line for line in second.again.not_looked_at if "ledger's head" in line], "its papers lead to it"
    assert any(r.until for r in second.verdict.rulings), "something was waived"
