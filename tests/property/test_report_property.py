"""Whatever a signed statement holds, the report is made: it is most needed where evidence is worst."""

from __future__ import annotations

import copy
from typing import Any

from core_evidence import good, judged
from hypothesis import given, settings
from hypothesis import strategies as st

from countermark.assess.assess import assess
from countermark.errors import StatementRefused
from countermark.report.html import to_html
from countermark.report.markdown import to_markdown
from countermark.report.sarif import to_sarif
from countermark.report.view import Report

SMALL = good(3, (2, 3))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [p for step, inner in steps for p in [(*at, step), *paths(inner, (*at, step))]]


LISTED = paths(SMALL)
VERDICT = judged(SMALL)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(LISTED), VALUES), min_size=1, max_size=4))
def test_every_form_is_made_of_any_evidence(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    evidence = copy.deepcopy(SMALL)
    for path, value in changes:
        at: Any = evidence
        try:
            for step in path[:-1]:
                at = at[step]
            at[path[-1]] = value
        except (TypeError, KeyError, IndexError):
            continue
    try:
        verdict = judged(evidence)
    except StatementRefused:
        verdict = VERDICT
    report = Report(evidence, verdict, assess(evidence, verdict))
    assert to_html(report).endswith("</html>")
    assert to_markdown(report).startswith("# ")
    assert to_sarif(report)["version"] == "2.1.0"


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.sampled_from(["worth", "parts", "named", "planted", "seconds", "freshness", "guard", "redelivered", "quarantined",
                                        "refused_deliveries", "tampering_refused", "suppliers", "images"]), VALUES, max_size=6))  # fmt: skip
def test_any_story_is_a_page(story: dict[str, Any]) -> None:
    assert to_html(Report(SMALL, VERDICT, assess(SMALL, VERDICT), story=story)).endswith("</html>")
