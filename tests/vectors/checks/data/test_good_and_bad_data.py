"""Every check of training data has a good set that it passes and a bad one in which it finds exactly what was planted.

The sets are made by `attacks/data/made_up_parts.py` and `made_up_tables.py` from the recipe in each JSON file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import made_up_parts
import made_up_tables
import numpy as np
import pytest

from countermark.checks.data import contract
from countermark.checks.data._view import View
from countermark.checks.data.battery import CHECKS
from countermark.finding import Found

HERE = Path(__file__).parent
BY_ID = {check.id: check for check in CHECKS}
RECIPES = sorted(HERE.glob("*/*.json"))


def make(recipe: dict[str, Any]) -> made_up_parts.MadeUp:
    data = made_up_parts.honest(recipe["seed"], **recipe.get("set", {}))
    if side := recipe.get("enlarged"):
        data = made_up_parts.enlarged(data, side)
    if attack := recipe.get("attack"):
        given = {k: np.array(v) if isinstance(v, list) else v for k, v in recipe["with"].items()}
        data = getattr(made_up_parts, attack)(data, **given)
    return data


def of_pictures(recipe: dict[str, Any]) -> tuple[View, np.ndarray]:
    data = make(recipe)
    return made_up_parts.view_of(data, contract=agreed(data, recipe.get("contract"))), data.planted


def of_table(recipe: dict[str, Any]) -> tuple[View, np.ndarray]:
    clean = data = made_up_tables.honest(recipe["seed"])
    if attack := recipe.get("attack"):
        data = getattr(made_up_tables, attack)(data, **recipe["with"])
    return made_up_tables.view_of(data, schema=made_up_tables.schema(clean)), data.planted


def agreed(data: made_up_parts.MadeUp, how: str | None) -> dict[str, dict[str, int]] | None:
    if how is None:
        return None
    out = contract.counts(list(data.label), list(data.supplier))
    if how == "one row less agreed":
        label = min(out["maker-00"])
        out["maker-00"][label] -= 1
    return out


def test_every_check_has_both() -> None:
    assert {f"data/{p.parent.name}" for p in RECIPES} == set(BY_ID)
    assert all((HERE / c.id.split("/")[1] / f"{k}.json").is_file() for c in CHECKS for k in ("good", "bad"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_outcome(path: Path) -> None:
    recipe = json.loads(path.read_text())
    view, truth = (of_table if recipe.get("kind") == "table" else of_pictures)(recipe)
    report = BY_ID[f"data/{path.parent.name}"].run(view)
    assert report.outcome.word == recipe["outcome"]
    if not isinstance(report.outcome, Found):
        assert report.suspects == ()
        return
    expect, suspects, planted = recipe["expect"], set(report.suspects), set(np.flatnonzero(truth).tolist())
    for finding in report.outcome.findings:
        assert finding.why and finding.fix and finding.cannot_tell
        assert 0 < finding.confidence <= 1
        assert set(finding.exhibits) <= set(report.exhibits)
    if "suppliers" in expect:
        assert sorted({f.where.supplier for f in report.outcome.findings}) == expect["suppliers"]
    if "rules" in expect:
        assert sorted({f.rule for f in report.outcome.findings}) == expect["rules"]
    if expect.get("rows") == "planted":
        assert suspects == planted
    if "recall" in expect:
        assert len(suspects & planted) >= expect["recall"] * len(planted)
        assert len(suspects & planted) >= expect["precision"] * len(suspects)
