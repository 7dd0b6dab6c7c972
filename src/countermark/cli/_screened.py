"""What `countermark screen` tells of a finished screening: findings in groups, what may be expected of them, what was not looked at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from countermark.cli._answer import FINE, FOUND, INCONCLUSIVE, Answer, Pairs, Table, worst
from countermark.cli._show import count, figure

if TYPE_CHECKING:
    from countermark.checks.data.screening import Screening
    from countermark.finding import Outcome

Results = list[tuple[str, "Screening"]]
EXPECTED = ("would set aside", "rows", "expected precision", "expected recall")
NAMING = "anybody is named in at most 5 % of clean screenings, where the empirical nulls hold; rows: by check, above"

NEXT = "next: `countermark review --sheet sheet.html` shows the rows, `countermark quarantine --from-screening` sets them aside"


def exit_of(outcomes: Sequence[Outcome]) -> int:
    """1 something was found; 3 something could not be looked at, or nothing was; else 0."""
    from countermark.finding import Found, Passed

    codes = [FINE if isinstance(o, Passed) else FOUND if isinstance(o, Found) else INCONCLUSIVE for o in outcomes]
    return worst(codes or [INCONCLUSIVE])


def outcome_rows(outcomes: dict[str, Outcome]) -> list[tuple[str, str, str]]:
    """Check, its word, and what it measured or why it could not look."""
    rows: list[tuple[str, str, str]] = []
    for name, outcome in outcomes.items():
        reason = getattr(outcome, "reason", "") or getattr(outcome, "error", "")
        measured = ", ".join(f"{m.name} {figure(m.value)}" for m in outcome.measures[:3])
        rows.append((name, outcome.word, reason or measured))
    return rows


def told(results: Results, facts: dict[str, Any]) -> Answer:
    """The answer of a screening: of one kind of rows as `_told_one`; else of each by itself, and what nobody could look at.

    Args:
        results: by the rows' form, in words. facts: `unseen` are lines about rows that are in none of them.
    """
    unseen, *_ = (facts.pop(name, []) for name in ("unseen", "unseen_rows", "places"))
    if len(results) == 1 and not unseen:
        return _told_one(results[0][1], facts)
    answers = [
        _told_one(result, {"suppliers": facts["suppliers"]} | _flagged(result, facts.get("aside")))
        for _, result in results
    ]
    forms = [f"{form}, {len(result.row_p)} rows" for form, result in results]
    words = [f"{form}: {answer.verdict}" for form, answer in zip(forms, answers, strict=True)]
    lost = [f"{len(unseen)} kinds of rows could not be looked at"] if unseen else []
    body = [
        block for form, answer in zip(forms, answers, strict=True) for block in (f"== {form}", "", *answer.body, "")
    ]
    whole: dict[str, Any] = {"rows": sum(a.facts["rows"] for a in answers), "named": [n for a in answers for n in a.facts["named"]],
             "parts": [{"form": form} | a.facts for (form, _), a in zip(results, answers, strict=True)],
             "not_looked_at": [*unseen, *(line for a in answers for line in a.facts["not_looked_at"])]}  # fmt: skip
    return Answer(
        "; ".join([*words, *lost]), worst([*(a.exit for a in answers), *([INCONCLUSIVE] if unseen else [])]), facts | whole,
        [*body, *_together(len(results)), *(f"not looked at: {line}" for line in unseen)],
    )  # fmt: skip


def _together(forms: int) -> list[str]:
    """What the bound of each form comes to for all."""
    return [f"p and q are adjusted over the {forms} forms: over all of them, {NAMING}"] if forms > 1 else []


def _flagged(result: Screening, aside: Sequence[str] | None) -> dict[str, list[str]]:
    """Flagged rows of one form, and which of them are set aside, where a workspace knows that."""
    names = [name for name, bad in zip(result.seen.ids, result.row_flagged, strict=True) if bad]
    return {"flagged": names} | ({} if aside is None else {"aside": [name for name in names if name in aside]})


def _told_one(result: Screening, facts: dict[str, Any]) -> Answer:
    """Groups of findings first, then each check's outcome, what may be expected, and what nobody looked at."""
    from countermark.checks.data.battery import looked_away

    outcomes = {check: report.outcome for check, report in result.checks.items()}
    named = [{"supplier": s.id, "p": s.p, "q": s.q, "why": s.why} for s in result.suppliers if s.named]
    away = (*looked_away(result), *facts.pop("columns_left_out", ()))
    body: list[Any] = [
        *_grouped(result), Table(("check", "outcome", "measured"), [
            *outcome_rows(outcomes), *((check, "not applicable", why) for check, why in result.not_applicable.items()),
        ]), "",
        Table(EXPECTED, expected_rows(result)), "",
        "operating points, and false alarms to expect at them",
        Pairs([(name, f"{r.operating}; false alarms: {r.alarms}") for name, r in result.checks.items() if r.looking]), "",
        Pairs([
            ("suppliers", f"{len(result.suppliers)}, {facts['suppliers']}"),
            ("false alarms", NAMING), ("features", result.features.words()),
            ("not judged", f"{len(result.abstained)} classes with too few rows" if result.abstained else "nothing"),
        ]),
        *(f"not looked at: {line}" for line in away),
        *([NEXT] if facts["suppliers"] == "verified" and facts["flagged"] and not facts.get("aside") else []),
    ]  # fmt: skip
    outcome = exit_of(list(outcomes.values()))
    who = ", ".join(result.named)
    bad, out = len(facts["flagged"]), len(facts.get("aside", ()))
    flagged = f"{bad} of {len(result.row_p)} rows flagged, {_set_aside(out, bad)}"
    if outcome == INCONCLUSIVE:
        words = f"inconclusive: {_blind(outcomes)} could not look; {flagged}"
    else:
        words = f"named: {who}; {flagged}" if who else f"nobody is named; {flagged}"
    return Answer(
        words, outcome,
        facts | {
            "rows": len(result.row_p), "checks": {name: r.to_json() for name, r in result.checks.items()}, "named": named,
            "features": result.features.to_json(), "abstained": list(result.abstained),
            "not_looked_at": list(away), "not_applicable": dict(result.not_applicable),
        }, body,
    )  # fmt: skip


def _set_aside(aside: int, flagged: int) -> str:
    if not aside:
        return "none set aside yet"
    return "all of them set aside" if aside == flagged else f"{aside} of them set aside"


def _blind(outcomes: dict[str, Outcome]) -> str:
    """The checks that could not look; how many, where they are many."""
    from countermark.finding import Found, Passed

    names = [name for name, outcome in outcomes.items() if not isinstance(outcome, Passed | Found)]
    return " and ".join(names) if 0 < len(names) < 3 else count(len(names), "check")


def _grouped(result: Screening) -> Iterator[Any]:
    """At most ten groups, worst first; severity and confidence apart, as findings are shown."""
    for group in result.groups:
        yield group.worst
        if group.others:
            yield f"  and {group.others} more findings like it, {group.rows} rows in all: --json lists them"
    if result.groups:
        yield ""


def expected_rows(result: Screening) -> list[tuple[str, ...]]:
    """One for each check that would set rows aside: how many, and what it expects of them where it is calibrated for that."""
    return [
        (name, str(len(r.suspects)), *("not calibrated" if v is None else f"{v:.2f}" for v in (r.precision, r.recall)))
        for name, r in result.checks.items() if r.suspects
    ]  # fmt: skip
