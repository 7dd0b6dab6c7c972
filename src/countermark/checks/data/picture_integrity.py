"""data/picture-integrity: files that are one picture to one program and another picture to the next.

The structure is walked first (bombs, polyglots, bytes after the end, animation, orientation, colour chunks, markers that contradict each
other), then pixels are decoded twice in a confined child and compared, the colour profile is applied, and what lies under transparency is
looked at. Bounds were set on pictures that Pillow wrote; see `attacks/data/picture_tricks.py` for what must cross them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from countermark.checks.data._check import NO_INTENT, Check, CheckReport
from countermark.checks.data._view import View
from countermark.errors import FormatRefused, MissingExtra
from countermark.finding import SEVERITIES, Finding, Found, Measure, Passed, Severity, Skipped, Where
from countermark.formats.compare import Compared, Comparer
from countermark.formats.image import ImageFacts, sniff
from countermark.formats.limits import OverLimit
from countermark.formats.tricks import tricks

ID = "data/picture-integrity"
MOST_MEAN, MOST_BLOCK = 2.0, 4.0
MOST_PROFILE = 12.0
MOST_HIDDEN = 10.0
MOST_TOLD = 5
_SEVERITY: dict[str, Severity] = {
    "bomb": "high", "unreadable": "high", "one-decoder-only": "high", "decoders-differ": "high", "hidden-under-transparency": "high",
    "polyglot": "high", "trailing-bytes": "medium", "colour-contradiction": "medium", "colour-profile": "medium", "orientation": "medium",
    "gamma": "medium", "chromaticities": "medium", "colour-code": "medium", "colour-guess": "medium", "animated": "medium",
    "four-channels": "medium", "sixteen-bit": "low",
}  # fmt: skip
Told = dict[str, str]


def look(files: Sequence[bytes], comparer: Comparer | None = None) -> list[dict[str, Any]]:
    """Per file: `odd` (rule -> what), whether it was `compared`, why by one decoder only (`skipped`), and how far two differ (`mean`).

    Args:
        comparer: to be used for many batches; without one, a child is started for this one.

    Raises:
        MissingExtra: Pillow is absent.
    """
    odd: list[Told] = [{} for _ in files]
    structure = [_structure(data, told) for data, told in zip(files, odd, strict=True)]
    readable = [(row, facts) for row, facts in enumerate(structure) if facts is not None]
    out = [{"odd": told, "compared": False, "skipped": "", "mean": 0.0} for told in odd]
    with nullcontext(comparer) if comparer else Comparer() as used:
        seen = used.compare([files[row] for row, _ in readable], [facts for _, facts in readable])
    for (row, _), compared in zip(readable, seen, strict=True):
        odd[row].update(_pixels(compared))
        out[row] |= {"compared": True, "skipped": compared.skipped, "mean": compared.mean}
    return out


def run(view: View) -> CheckReport:
    """One finding per supplier and trick; the rows are set aside."""
    try:
        seen = view.told(ID, look)
    except MissingExtra as error:
        return CheckReport(Skipped(error.what))
    if seen is None:
        return CheckReport(Skipped("only pixels are known, not the files as they were delivered"))
    return _report(view, [one["odd"] for one in seen], [one for one in seen if one["compared"]])


def _structure(data: bytes, out: Told) -> ImageFacts | None:
    try:
        facts = sniff(data)
        flags = (*facts.flags, *tricks(data, facts))
    except FormatRefused as error:
        out["bomb" if isinstance(error, OverLimit) else "unreadable"] = error.what
        return None
    for flag in flags:
        rule = "polyglot" if flag.rule.startswith("polyglot") else flag.rule
        out.setdefault(rule, flag.what)
    return facts


def _pixels(seen: Compared) -> Told:
    out: Told = {}
    if seen.first:
        out["unreadable"] = seen.first
    if not seen.skipped and bool(seen.first) != bool(seen.second):
        out["one-decoder-only"] = seen.second or "only the second decoder reads it"
    if not (seen.first or seen.second) and (seen.mean > MOST_MEAN or seen.block > MOST_BLOCK):
        out["decoders-differ"] = f"{seen.mean:.1f} grey levels apart on average, {seen.block:.0f} in the worst block"
    if seen.profile > MOST_PROFILE:
        out["colour-profile"] = f"its colour profile changes it by {seen.profile:.0f} grey levels"
    if seen.hidden > MOST_HIDDEN:
        out["hidden-under-transparency"] = f"colours under transparency vary by {seen.hidden:.0f} grey levels"
    return out


def _report(view: View, odd: list[Told], seen: list[dict[str, Any]]) -> CheckReport:
    scores = np.array([max((SEVERITIES.index(_SEVERITY[rule]) for rule in one), default=0) for one in odd], np.float64)
    groups: dict[tuple[int, str], list[int]] = {}
    for row, one in enumerate(odd):
        for rule in one:
            groups.setdefault((int(view.supplier[row]), rule), []).append(row)
    findings = tuple(_finding(view, s, rule, rows, odd) for (s, rule), rows in sorted(groups.items()))
    skipped = Counter(one["skipped"] for one in seen if one["skipped"])
    measures = (
        Measure("files looked at", len(odd)), Measure("decoded by two decoders", len(seen) - skipped.total()),
        Measure("files with a finding", sum(map(bool, odd))),
        Measure("largest mean difference of two decoders", max((one["mean"] for one in seen), default=0.0), "grey levels"),
    )  # fmt: skip
    left_out = tuple(f"{count} files by one decoder only: {why}" for why, count in skipped.most_common(10))
    outcome = Found(findings, measures, left_out) if findings else Passed(measures, left_out)
    return CheckReport(outcome, scores, suspects=tuple(row for row, one in enumerate(odd) if one))


def _finding(view: View, s: int, rule: str, rows: list[int], odd: list[Told]) -> Finding:
    why = "; ".join(f"{what} ({n})" for what, n in Counter(odd[row][rule] for row in rows).most_common(MOST_TOLD))
    supplier = view.suppliers[s]
    return Finding(
        ID, rule, _SEVERITY[rule], 0.9, f"{len(rows)} files of {supplier}: {rule.replace('-', ' ')}",
        Where(rows=view.names(np.array(rows, np.intp)), supplier=supplier), why,
        "ask for plain 8-bit sRGB files, upright and without transparency; or convert them and look at the result",
        f"{NO_INTENT}; which of the pictures was meant; cameras and editors write some of these honestly",
    )  # fmt: skip


CHECK = Check(
    ID,
    1,
    run,
    "any trick; decoders more than 2 grey levels apart on average or 4 in a block",
    "none promised; 0 of 1,740 honest files when it was set",
    of=("pictures",),
)
