"""JSON, SARIF and Markdown: the same report, for machines and for merge requests."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from core_evidence import BACKDOOR, good, judged

from countermark import canonical
from countermark.assess.assess import assess
from countermark.report import charts
from countermark.report.build import write
from countermark.report.lineage import HEIGHT, WIDTH, lineage
from countermark.report.markdown import to_markdown
from countermark.report.parts import findings, rows, statements, suppliers
from countermark.report.sarif import MOST_LOCATIONS, to_sarif
from countermark.report.view import Report

LEVELS = {"none", "note", "warning", "error"}
URI = re.compile(r"(?:[A-Za-z0-9/._~-]|%[0-9A-F]{2})+")


def report(evidence: dict[str, Any], **more: Any) -> Report:
    verdict = judged(evidence)
    return Report(evidence, verdict, assess(evidence, verdict), **more)


def refused() -> dict[str, Any]:
    evidence = good()
    evidence["approvals"] = []
    evidence["quarantines"][0]["rows"] = evidence["quarantines"][0]["rows"][5:]
    evidence["inspection"]["checks"]["model/onnx"] = {"outcome": "failed", "error": "the reader died"}
    return evidence


def test_json_holds_what_was_judged() -> None:
    made = report(good())
    value = canonical.from_bytes(canonical.to_bytes(made.to_json()))
    assert value["headline"] == "admitted, unwitnessed"
    assert value["evidence"] == good()
    assert canonical.sha256_hex(canonical.to_bytes(value["evidence"])) == value["verdict"]["evidence"]
    assert len(value["assessment"]["cheatSheet"]) == 21


def test_all_forms_are_written(tmp_path: Path) -> None:
    made = report(good())
    write(made, tmp_path / "r.html", json=tmp_path / "r.json", sarif=tmp_path / "r.sarif", markdown=tmp_path / "r.md")
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")
    assert json.loads((tmp_path / "r.sarif").read_bytes())["version"] == "2.1.0"
    assert json.loads((tmp_path / "r.json").read_bytes())["format"] == 1
    assert (tmp_path / "r.md").read_text().startswith("# admitted, unwitnessed")


@pytest.mark.parametrize("evidence", [good(), refused()], ids=["good", "refused"])
def test_sarif_keeps_to_its_specification(evidence: dict[str, Any]) -> None:
    log = to_sarif(report(evidence))
    assert set(log) == {"$schema", "version", "runs"} and log["version"] == "2.1.0"
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    ids = [r["id"] for r in rules]
    assert len(set(ids)) == len(ids) and all(r["shortDescription"]["text"] for r in rules)
    assert isinstance(run["invocations"][0]["executionSuccessful"], bool)
    for result in run["results"]:
        assert set(result) <= {
            "ruleId",
            "ruleIndex",
            "level",
            "message",
            "locations",
            "partialFingerprints",
            "rank",
            "suppressions",
            "properties",
        }
        assert ids[result["ruleIndex"]] == result["ruleId"]
        assert result["level"] in LEVELS and result["message"]["text"]
        assert 0 <= result.get("rank", 0) <= 100
        assert 0 < len(result["locations"]) <= MOST_LOCATIONS
        assert re.fullmatch("[0-9a-f]{64}", result["partialFingerprints"]["countermark/v1"])
        for place in result["locations"]:
            uri = place.get("physicalLocation", {}).get("artifactLocation", {}).get("uri")
            assert uri is None or URI.fullmatch(uri)
            assert uri or place["logicalLocations"]
        for mark in result.get("suppressions", []):
            assert mark["kind"] in ("inSource", "external") and mark["status"] in (
                "accepted",
                "underReview",
                "rejected",
            )


def test_sarif_tells_findings_failed_rules_and_what_could_not_look() -> None:
    (run,) = to_sarif(report(refused()))["runs"]
    by_rule = {r["ruleId"]: r for r in run["results"]}
    patch = by_rule["data/recurring-patch/pattern-stands-still"]
    assert patch["level"] == "error" and patch["rank"] == 99.9 and "cannotTell" in patch["properties"]
    assert "policy/approved-by-reviewer" in by_rule and "policy/model/onnx" in by_rule
    assert run["invocations"][0]["executionSuccessful"] is False
    assert any("the reader died" in n["message"]["text"] for n in run["invocations"][0]["toolExecutionNotifications"])


def test_sarif_suppresses_only_what_is_wholly_set_aside() -> None:
    (clean,) = to_sarif(report(good()))["runs"]
    assert all(r.get("suppressions") for r in clean["results"])
    (left,) = to_sarif(report(refused()))["runs"]
    found = [r for r in left["results"] if r["ruleId"].startswith("data/")]
    assert any(not r.get("suppressions") for r in found)


def test_sarif_fingerprints_do_not_depend_on_wording() -> None:
    evidence = good()
    before = [r["partialFingerprints"] for r in to_sarif(report(evidence))["runs"][0]["results"]]
    evidence["screening"]["checks"]["data/recurring-patch"]["findings"][0]["what"] = "other words"
    assert [r["partialFingerprints"] for r in to_sarif(report(evidence))["runs"][0]["results"]] == before


@pytest.mark.parametrize("path", ["a b/\u00e9.png", "c:/x", "//host/x", "?q#f", "%41", "..\\x", "\ud800", "a:b"])
def test_sarif_places_are_relative_references(path: str) -> None:
    evidence = good()
    evidence["screening"]["checks"]["data/recurring-patch"]["findings"][0]["where"]["path"] = path
    places = [r["locations"] for r in to_sarif(report_of(evidence))["runs"][0]["results"]]
    uris = [
        p["physicalLocation"]["artifactLocation"]["uri"] for each in places for p in each if "physicalLocation" in p
    ]
    assert all(URI.fullmatch(u) for u in uris)


def report_of(evidence: dict[str, Any]) -> Report:
    """A report whose evidence has no canonical form, with the verdict of good evidence."""
    verdict = judged(good())
    return Report(evidence, verdict, assess(evidence, verdict))


def test_markdown_says_the_verdict_first_and_takes_no_markup() -> None:
    evidence = good()
    evidence["screening"]["checks"]["data/recurring-patch"]["findings"][0]["what"] = (
        "](https://evil) | <b>x</b> `y` **z**\n# head"
    )
    told = to_markdown(report(evidence))
    assert told.startswith("# admitted, unwitnessed\n")
    assert told.index("## What was not looked at") < told.index("## Findings") < told.index("## Rules")
    assert "<b>" not in told and "](https" not in told and "\n# head" not in told
    assert to_markdown(report(refused())).count("Fix:") == 3


def test_the_register_holds_each_statement_once() -> None:
    listed = statements(report(good()))
    digests = [s.digest for s in listed]
    assert len(digests) == len(set(digests)) == 36 + 7
    assert [s.kind for s in listed[:3]] == ["screening", "training", "inspection"]


def test_rows_and_suppliers_are_counted_from_statements() -> None:
    made = report(good())
    counted = rows(made)
    assert (counted.delivered, counted.aside, counted.kept) == (5184, 81, 5103)
    listed = suppliers(made)
    assert [s.state for s in listed[:3]] == ["refused"] * 3
    assert [s.aside for s in listed[3:6]] == [70, 11, 0]
    assert listed[4].name == BACKDOOR and listed[4].named


def test_a_relabelled_row_is_still_in_the_data() -> None:
    evidence = good()
    row = evidence["quarantines"][0]["rows"][0]
    evidence["decisions"] = [
        evidence["approvals"][0] | {"signer": "manufacturer", "row": row, "action": "relabel", "label": "x"}
    ]
    assert rows(report(evidence)).aside == 80
    told = [seen for seen in findings(report(evidence)) if row in seen.rows]
    assert told and all(seen.settled == f"{len(seen.rows) - 1} rows set aside, 1 given another class" for seen in told)


def numbers(svg: str, name: str) -> list[float]:
    return [float(v) for v in re.findall(rf' {name}="(-?[\d.]+)"', svg)]


@pytest.mark.parametrize("suppliers_", [1, 36])
def test_the_drawing_is_xml_and_stays_on_its_page(suppliers_: int) -> None:
    svg = str(lineage(report(good(suppliers_))))
    ElementTree.fromstring(svg)
    for name, limit in (("x", WIDTH), ("y", HEIGHT)):
        assert all(0 <= v <= limit for v in numbers(svg, name))
    for x, width in zip(numbers(svg, "x"), numbers(svg, "width"), strict=False):
        assert width <= WIDTH and x >= 0


def test_a_drawing_of_a_thousand_suppliers_is_bounded() -> None:
    evidence = good()
    evidence["deliveries"] = evidence["deliveries"][:36] * 30
    svg = str(lineage(report_of(evidence)))
    assert svg.count('class="sq') <= 144
    assert "1080 deliveries" in svg


def test_the_extraction_curve_is_drawn_from_its_measures() -> None:
    trial = good()["trials"]["stealing/extraction"]
    svg = str(charts.curve(trial))
    ElementTree.fromstring(svg)
    assert svg.count('class="line') == 2
    assert "full scores" in svg and "label only" in svg
    assert charts.curve({"measures": trial["measures"][:1]}) == ""
    assert (
        charts.curve(
            {
                "measures": [
                    {"name": "fidelity, x, 0 queries", "value": 1},
                    {"name": "fidelity, x, 5 queries", "value": "1"},
                ]
            }
        )
        == ""
    )


@pytest.mark.parametrize("value", [-3.0, 0.0, 0.5, 7.0])
def test_bars_stay_in_their_track(value: float) -> None:
    svg = str(charts.bars([charts.Bar("share", value, "accent", value - 1, value + 1)]))
    ElementTree.fromstring(svg)
    fill = float(re.search(r'class="fill accent"[^>]* width="([\d.]+)"', svg)[1])  # type: ignore[index]
    track = float(re.search(r'class="track"[^>]* width="([\d.]+)"', svg)[1])  # type: ignore[index]
    assert 0 < fill <= track
