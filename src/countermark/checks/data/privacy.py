"""data/privacy: metadata of the delivered files that tells of people, places and devices.

Fields are named, their values are never repeated: findings are signed and shown. Tags are read by `formats.identifiers`
(EXIF, XMP, IPTC, Photoshop, PNG text, comments); what has no meaning there counts as found, not as absent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from countermark.checks.data._check import Check, CheckReport
from countermark.checks.data._view import View
from countermark.errors import FormatRefused
from countermark.finding import SEVERITIES, Finding, Found, Measure, Passed, Severity, Skipped, Where
from countermark.formats.identifiers import KINDS, told

ID = "data/privacy"
MOST_FIELDS = 12
_WHAT = {
    "location": "tell where they were taken", "person": "name people", "serial": "carry serial numbers",
    "thumbnail": "carry a second, smaller picture", "maker-note": "carry a maker's note that only its maker can read",
    "unread": "carry metadata that is not read here", "trailing": "carry bytes after the picture", "text": "carry free text",
    "time": "tell when they were taken or edited", "identifier": "carry an id that links copies",
}  # fmt: skip


def look(files: Sequence[bytes]) -> list[dict[str, Any]]:
    """Per file: `fields` by kind of identifier, and lines `unread` about what was not looked into."""
    return [_look(data) for data in files]


def _look(data: bytes) -> dict[str, Any]:
    try:
        seen = told(data)
    except FormatRefused as error:
        return {"fields": {}, "unread": [f"not read: {error.what}"[:120]]}
    fields: dict[str, list[str]] = {}
    for one in seen.identifiers:
        fields.setdefault(one.kind, []).append(one.field)
    return {"fields": fields, "unread": list(seen.unread)}


def run(view: View) -> CheckReport:
    """One finding per supplier and kind of identifier; sets no row aside and accuses nobody."""
    told_of = view.told(ID, look)
    if told_of is None:
        return CheckReport(Skipped("only pixels are known, not the files as they were delivered"))
    scores, devices = np.zeros(len(told_of)), 0
    found: dict[tuple[int, str], list[tuple[int, list[str]]]] = {}
    away: Counter[str] = Counter()
    for row, seen in enumerate(told_of):
        away.update(seen["unread"])
        devices += "device" in seen["fields"]
        for kind, fields in seen["fields"].items():
            if kind != "device":
                scores[row] = max(scores[row], SEVERITIES.index(cast(Severity, KINDS[kind])) + 1)
                found.setdefault((int(view.supplier[row]), kind), []).append((row, fields))
    findings = tuple(_finding(view, *where, rows) for where, rows in sorted(found.items()))
    measures = (
        Measure("files looked at", len(told_of)), Measure("files with an identifier", int((scores > 0).sum())),
        Measure("files that name the device or program (told, not a finding)", devices),
    )  # fmt: skip
    left_out = (
        "text and faces in the pixels themselves were not looked at",
        *(f"{count} files: {what}" for what, count in away.most_common(10)),
    )
    return CheckReport(Found(findings, measures, left_out) if findings else Passed(measures, left_out), scores)


def _finding(view: View, s: int, kind: str, rows: list[tuple[int, list[str]]]) -> Finding:
    fields = Counter(field for _, named in rows for field in dict.fromkeys(named))
    listed = "; ".join(f"{field} ({n})" for field, n in fields.most_common(MOST_FIELDS))
    supplier = view.suppliers[s]
    return Finding(
        ID, kind, cast(Severity, KINDS[kind]), 1.0, f"{len(rows)} files of {supplier} {_WHAT[kind]}",
        Where(rows=view.names(np.array([row for row, _ in rows], np.intp)), supplier=supplier), listed,
        "the supplier delivers again with `countermark deliver FOLDER --strip`",
        "whether a field's content is true or about a real person; what the pixels show",
    )  # fmt: skip


CHECK = Check(
    ID,
    1,
    run,
    "any field that is there and not blank; sets nothing aside",
    "none: what is found is there",
    of=("pictures",),
)
