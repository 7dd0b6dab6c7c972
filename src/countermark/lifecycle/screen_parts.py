"""Parts of a screening: rows of one form are compared with each other, and what nobody could look at is named.

Every form's p-values are adjusted over all forms of the screening, so that anybody is named in at most 5 % of clean ones.

A statement has one outcome for each check. Where several parts were checked, the worst of theirs is it, with the findings of all;
where rows were not looked at, every check that would have to is `skipped`: nothing passes that was not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from countermark.checks.data._content import Kind as ContentKind
from countermark.checks.data.battery import CHECKS
from countermark.checks.data.screening import Screening
from countermark.lifecycle.kinds import Kind
from countermark.lifecycle.rows import Row

LEAST = 2
ALONE = "two suppliers and two classes of rows alike are needed to compare anything"
OF: dict[Kind, ContentKind] = {"pictures": "pictures", "tables": "table", "clips": "signals"}
_ORDER = ("failed", "skipped", "found", "passed")
Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one form, and what the battery says of them. form: in words."""

    kind: Kind
    form: str
    rows: tuple[Row, ...]
    screening: Screening

    def flagged(self) -> list[str]:
        """Ids of the rows that the battery would set aside."""
        return [row.id for row, bad in zip(self.rows, self.screening.row_flagged, strict=True) if bad]

    def to_json(self) -> dict[str, Any]:
        """As it stands among the facts of a statement."""
        return {"kind": self.kind, "form": self.form, "rows": len(self.rows), "suppliers": len({r.supplier for r in self.rows}),
                "features": self.screening.features.to_json()}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Unseen:
    """Rows that were admitted and that nobody could look at, and why."""

    kind: Kind
    rows: tuple[Row, ...]
    why: str

    def __str__(self) -> str:
        suppliers = sorted({row.supplier for row in self.rows})
        more = f" and {len(suppliers) - 5} more" if len(suppliers) > 5 else ""
        return f"{len(self.rows)} rows ({self.kind}) of {', '.join(suppliers[:5])}{more}: {self.why}"


def comparable(some: Sequence[Row]) -> bool:
    """Whether there is anybody to compare with."""
    return min(len({row.supplier for row in some}), len({row.label for row in some})) >= LEAST


def outcomes(parts: Sequence[Part], unseen: Sequence[Unseen]) -> dict[str, dict[str, Any]]:
    """Outcome of each check for a statement, as `CheckReport.to_json` writes one."""
    said: dict[str, list[tuple[Part, dict[str, Any]]]] = {}
    for part in parts:
        for name, report in part.screening.checks.items():
            said.setdefault(name, []).append((part, report.to_json()))
    out = {name: some[0][1] if len(parts) == 1 else _merged(some) for name, some in said.items()}
    for one in unseen:
        for check in CHECKS:
            if OF[one.kind] in check.of:
                before = out.get(check.id, {"measures": [], "version": check.version, "code": check.code})
                why = "; ".join(filter(None, (before.get("reason"), f"not looked at: {one}")))
                out[check.id] = before | {
                    "outcome": "failed" if before.get("outcome") == "failed" else "skipped",
                    "reason": why,
                }
    return out


def _merged(some: Sequence[tuple[Part, dict[str, Any]]]) -> dict[str, Any]:
    """The worst outcome, and what each part adds to it."""
    worst = min((one for _, one in some), key=lambda one: _ORDER.index(one["outcome"]))
    out = {name: value for name, value in worst.items() if name not in ("expectedPrecision", "expectedRecall")}
    out["measures"] = [m | {"name": f"{part.form}: {m['name']}"} for part, one in some for m in one["measures"]]
    out["setAside"] = sum(one["setAside"] for _, one in some)
    for name in ("findings", "leftOut"):
        if every := [line for _, one in some for line in one.get(name, [])]:
            out[name] = every
    for name in ("reason", "error"):
        if told := [f"{part.form}: {one[name]}" for part, one in some if name in one]:
            out[name] = "; ".join(told)
    return out


def named(parts: Sequence[Part]) -> list[dict[str, Any]]:
    """Suppliers that any part names, each once, with the smaller p and q, which are adjusted over all parts, and the reasons of all."""
    out: dict[str, dict[str, Any]] = {}
    for part in parts:
        for s in part.screening.suppliers:
            if s.named:
                why = s.why if len(parts) == 1 else f"{part.form}: {s.why}"
                before = out.get(s.id)
                out[s.id] = {"supplier": s.id, "p": s.p, "q": s.q, "why": why} if before is None else {
                    "supplier": s.id, "p": min(s.p, before["p"]), "q": min(s.q, before["q"]), "why": f"{before['why']}; {why}",
                }  # fmt: skip
    return list(out.values())
