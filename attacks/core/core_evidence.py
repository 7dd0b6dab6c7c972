"""A good piece of Evidence v1 as a factory with three dozen suppliers leaves it, and ways to falsify it.

Shaped like what `lifecycle.gather` makes: 36 suppliers, one corrected delivery, three refused ones, two named
suppliers whose rows are set aside. Everything is derived from names, so it is the same on every machine.
"""

from __future__ import annotations

import copy
import hashlib
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from countermark.policy._cel import evaluate_rule
from countermark.policy.document import Policy
from countermark.policy.evaluate import evaluate

POLICY = Policy.from_bytes((files("countermark.policy") / "default.toml").read_bytes())
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
TIME = "2026-11-23T09:15:00Z"
SIZE = 92
NAMES = """
    ambrosk arvenholt belfrane brixmoor calvero corvanta delmarsk dornwick elquist eskelund farrowby fennoway
    gaspelin grauvell hadrick hollenek ilmenov istrava jastrow jurmalen kestrow lindovar marquell nordhaven
    ostrivek pellworm quarnby rosvelt sandrigo tormalin ulverst vantorre westrup xanthelm yarrowen zelmar
"""
KINDS = ("works", "metal", "fittings", "components")
SUPPLIERS = [f"{name}-{KINDS[i % 4]}" for i, name in enumerate(NAMES.split())]
BACKDOOR, FLIPPER = "ostrivek-works", "hollenek-components"
PART = "potentiometer-36"
ROWS = 144


def sha(text: str) -> str:
    """Lower-case hex SHA-256 of a name: a digest that is nobody's."""
    return hashlib.sha256(text.encode()).hexdigest()


def item(name: str, signer: str, index: int, time: str = TIME) -> dict[str, Any]:
    """What every piece of evidence says about its statement."""
    receipt = {"index": index, "size": SIZE}
    return {"statement": sha(name), "signer": signer, "time": time, "time_kind": "claimed", "receipt": receipt}


def measure(name: str, value: float, low: float | None = None, high: float | None = None) -> dict[str, Any]:
    """A measure in JSON."""
    out: dict[str, Any] = {"name": name, "value": value, "unit": "1"}
    return out if low is None else out | {"low": low, "high": high}


def good(suppliers: int = 36, planted: tuple[int, int] = (11, 70)) -> dict[str, Any]:
    """Evidence that the default policy admits; fewer suppliers and planted rows make smaller evidence."""
    backdoor = [f"{sha('delivery ' + BACKDOOR)[:12]}/{PART}/{i:03}.png" for i in range(planted[0])]
    flipped = [f"{sha('delivery ' + FLIPPER)[:12]}/hex-bolt-m8-{30 + i // 8}/{i % 8:03}.png" for i in range(planted[1])]
    evidence: dict[str, Any] = {
        "format": 1,
        "project": {
            "name": "part-recogniser", "fingerprint": sha("trust"), "trust_version": 2, "quorum": "none",
            "parties": parties(),
        },
        "subject": {"name": "model", "digest": sha("model")},
        "deliveries": deliveries(SUPPLIERS[:suppliers]),
        "screening": screening(backdoor, flipped, SUPPLIERS[:suppliers]),
        "quarantines": [item("quarantine", "manufacturer", 76) | {"rows": sorted(backdoor + flipped), "reason": "screening"}],
        "decisions": [],
        "training": training(),
        "inspection": inspection(),
        "trials": trials(),
        "approvals": [
            item("approval", "reviewer", 80)
            | {"party": "reviewer", "roles": ["reviewer"], "of": sha("model"), "training": sha("training")}
        ],
        "waivers": [],
        "revocations": item("revocations", "manufacturer", 82) | {"next_update": "2026-12-23T09:15:00Z", "tree_size": 82},
        "ledger": {"origin": "countermark.invalid/part-recogniser", "size": SIZE, "root": sha("root"), "witnessed": False},
        "not_looked_at": ["witnesses: no quorum is named, so nobody outside the operator has seen this history"],
        "admitted_dataset": sha("admitted rows"),
        "set_aside": sorted(backdoor + flipped),
        "accepted": [],
    }  # fmt: skip
    return copy.deepcopy(evidence)


def parties() -> list[dict[str, Any]]:
    """Parties of the trust document."""
    roles = {
        "manufacturer": ["data-owner", "model-owner"], "engineering": ["model-owner"], "trainer": ["trainer"],
        "reviewer": ["reviewer"], "risk-office": ["risk-owner"], "operator": ["operator"], "plant": ["licensee"],
    } | {supplier: ["supplier"] for supplier in SUPPLIERS}  # fmt: skip
    return [
        {"id": party, "name": party.replace("-", " ").title(), "organisation": party.title(), "roles": each}
        for party, each in roles.items()
    ]


def deliveries(suppliers: list[str]) -> list[dict[str, Any]]:
    """36 admitted deliveries and three that were refused at the door."""
    out = [
        item(f"delivery {supplier}", supplier, 2 + i)
        | {
            "supplier": supplier, "sequence": 1, "digest": sha(f"tree {supplier}"), "rows": ROWS, "classes": 14,
            "state": "admitted", "reasons": [], "in_scope": True, "signature": "verified",
        }
        for i, supplier in enumerate(suppliers)
    ]  # fmt: skip
    refused = {
        "state": "refused",
        "in_scope": True,
        "signature": "verified",
        "classes": 14,
        "rows": ROWS,
        "sequence": 1,
    }
    altered = ["files differ from what kestrow-works signed: hex-nut-m6/004.png, size 3104 signed, 3098 seen"]
    beyond = ["ball-bearing-6204 is not in the scope of sandrigo-works", "ball-bearing-6205 is not in its scope"]
    empty = {"statement": "", "digest": "", "time": "", "rows": 0, "classes": 0, "sequence": 0, "receipt": None}
    stranger = {
        "supplier": "unknown signer",
        "signer": "unknown signer",
        "signature": "unknown signer",
        "in_scope": False,
    }
    return [
        *out,
        item("delivery altered", "kestrow-works", 40) | refused
        | {"supplier": "kestrow-works", "digest": sha("altered"), "reasons": altered, "signature": "refused"},
        item("delivery beyond", "sandrigo-works", 41) | refused
        | {"supplier": "sandrigo-works", "digest": sha("beyond"), "reasons": beyond, "in_scope": False},
        item("delivery stranger", "x", 42) | refused | empty | stranger
        | {"reasons": ["no signature by a key that counts here"]},
    ]  # fmt: skip


def screening(backdoor: list[str], flipped: list[str], suppliers: list[str]) -> dict[str, Any]:
    """A screening that names two suppliers."""
    passed = {"outcome": "passed", "version": 1, "code": sha("code")}
    checks: dict[str, Any] = {
        "data/contract": passed | {"measures": [measure("cells", 517), measure("cells over contract", 0)]},
        "data/duplicates": passed | {"measures": [measure("duplicate groups", 0)]},
        "data/image-scaling": passed | {"measures": [measure("pictures larger than the model's input", 0)]},
        "data/leave-one-supplier-out": passed | {"measures": [measure("left-out accuracy", 0.68)]},
        "data/cell-difference": passed | {"measures": [measure("cells compared", 517), measure("cells named", 0)]},
    }
    found = {"outcome": "found", "version": 1, "code": sha("code")}
    checks["data/label-errors"] = found | {
        "measures": [measure("out-of-fold accuracy", 0.93), measure("rows that look like another class", 354)],
        "findings": [{
            "check": "data/label-errors", "rule": "supplier-labels-disagree", "severity": "high", "confidence": 0.999,
            "what": f"70 rows of {FLIPPER} look like another class than their label",
            "where": {"supplier": FLIPPER, "rows": flipped},
            "why": "half of its labels are contradicted out of fold; the spread over the other suppliers is 1 to 9 % (p = 4e-12)",
            "fix": "set the rows aside and ask the supplier for a corrected delivery",
            "cannotTell": "whether labels were swapped on purpose or by a mistake of sorting",
            "exhibits": [sha("exhibit 3")],
        }],
    }  # fmt: skip
    checks["data/recurring-patch"] = found | {
        "measures": [measure("cells searched", 517), measure("cells named", 1)],
        "findings": [{
            "check": "data/recurring-patch", "rule": "pattern-stands-still", "severity": "critical", "confidence": 0.999,
            "what": f"11 rows of {PART} by {BACKDOOR} carry one pattern at one place",
            "where": {"label": PART, "supplier": BACKDOOR, "rows": backdoor},
            "why": "contrast without spread in the window at x 28, y 49 (p = 2.9e-07 against all cells)",
            "fix": "set the rows aside and ask the supplier; a model trained on them may answer to the pattern alone",
            "cannotTell": "a fixed mark of the photo rig (a sticker, a scale bar) looks the same; patterns that move are not found",
            "exhibits": [sha("exhibit 1"), sha("exhibit 2")],
        }],
    }  # fmt: skip
    admitted = [sha(f"delivery {supplier}") for supplier in suppliers]
    return item("screening", "manufacturer", 75) | {
        "dataset": sha("screened rows"), "deliveries": sorted(admitted), "rows": len(suppliers) * ROWS, "seed": 0, "checks": checks,
        "named": [
            {"supplier": BACKDOOR, "p": 2.4e-05, "q": 8.9e-04, "why": f"11 rows of {PART} carry one pattern at one place"},
            {"supplier": FLIPPER, "p": 4e-12, "q": 1.4e-10, "why": "labels are contradicted out of fold"},
        ],
        "cells": [{"supplier": BACKDOOR, "label": PART, "p": 5.8e-07, "q": 3e-04}],
        "abstained": ["circlip-9"], "flagged": sorted(backdoor + flipped),
        "features": {"name": "k-means patches", "dimensions": 2400, "accuracy": 0.93},
    }  # fmt: skip


def training() -> dict[str, Any]:
    """A hermetic training of exactly the admitted rows."""
    inputs = {name: sha(name) for name in ("test", "code", "environment")} | {"train": sha("admitted rows")}
    return item("training", "trainer", 77) | {
        "inputs": inputs, "dataset": inputs["train"], "admitted_dataset": sha("admitted rows"), "recipe": sha("recipe"),
        "environment": inputs["environment"], "output": sha("model"),
        "hermetic": {"level": "claimed", "reason": "", "probe": {"UDP": "refused", "undeclared file": "refused"}},
        "metrics": {"top1": 0.915, "top5": 0.984, "classes": 200, "train_rows": 5103, "test_rows": 800},
    }  # fmt: skip


def inspection() -> dict[str, Any]:
    """An inspection that proved the one model file."""
    names = (
        "code",
        "config",
        "coverage",
        "external-data",
        "files",
        "format-name",
        "npy",
        "onnx",
        "pickle",
        "safetensors",
    )
    passed = {"outcome": "passed", "version": 1, "code": sha("code"), "measures": [measure("files", 3)]}
    return item("inspection", "reviewer", 78) | {
        "checks": {f"model/{name}": dict(passed) for name in names},
        "files": [
            {
                "path": "labels.json",
                "format": "text",
                "answer": "not model content",
                "bytes": 3599,
                "sha256": sha("3599"),
            },
            {"path": "metrics.json", "format": "text", "answer": "not model content", "bytes": 86, "sha256": sha("86")},
            {"path": "model.onnx", "format": "onnx", "answer": "proven", "bytes": 1936625, "sha256": sha("1936625")},
        ],
    }


def trials() -> dict[str, Any]:
    """Two finished trials."""
    done = {
        "outcome": "passed",
        "completed": True,
        "seed": 0,
        "version": 1,
        "budget": {"queries": 3720, "seconds": 300},
    }
    square = [
        measure("clean accuracy", 0.9, 0.799, 0.953), measure("robust accuracy", 0.0, 0.0, 0.06),
        measure("epsilon", 8), measure("queries per picture", 60), measure("median queries of a success", 2),
    ]  # fmt: skip
    curve = [
        measure(f"fidelity, {form}, {size} queries", value, value - 0.06, value + 0.06)
        for form, values in (("full scores", (0.24, 0.55)), ("label only", (0.17, 0.36)))
        for size, value in zip((100, 300), values, strict=True)
    ]
    base = item("trials", "reviewer", 79) | done
    return {
        "evasion/square": base | {"measures": square, "queries": 157},
        "stealing/extraction": base | {"measures": curve, "queries": 500},
    }


def waiver(check: str, **changes: Any) -> dict[str, Any]:
    """A waiver by the risk office for the model."""
    said = {
        "check": check,
        "subject": sha("model"),
        "until": "2026-12-23T09:15:00Z",
        "reason": "pilot line",
        "party": "risk-office",
    }
    return item(f"waiver {check}", "risk-office", 83) | said | changes


def judged(evidence: dict[str, Any]) -> dict[str, Any]:
    """Verdict v1 of the default policy, evaluated in this process."""
    return evaluate(
        POLICY, evidence, NOW, lambda rules, v: {n: evaluate_rule(t, v) for n, t in rules.items()}
    ).to_json()
