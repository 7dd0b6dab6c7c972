"""The page: one file, no scripts, no requests, verdict first; and other people's text stays text."""

from __future__ import annotations

import hashlib
import html
import re
import struct
import zlib
from html.parser import HTMLParser
from typing import Any

import pytest
from core_evidence import BACKDOOR, FLIPPER, good, judged, sha, waiver

from countermark.assess.assess import assess
from countermark.passport.witnesses import UNWITNESSED
from countermark.report.html import to_html
from countermark.report.markdown import to_markdown
from countermark.report.plain import figure, plain
from countermark.report.view import MOST_EXHIBIT_BYTES, Report

Evidence = dict[str, Any]
VOID = {"meta", "br", "img", "link", "input", "hr", "path", "rect", "circle"}
STORY: Evidence = {
    "parts": {"source": "parametric", "count": 200, "variant": "rig", "seed": 0}, "suppliers": 36, "images": 5976,
    "refused_deliveries": [{"supplier": "kestrow-works", "reasons": ["files differ"]}],
    "named": [{"supplier": BACKDOOR, "p": 1e-5, "q": 1e-4}, {"supplier": "zelmar-components", "p": 0.001, "q": 0.04}],
    "planted": {"backdoor": BACKDOOR, "part": "potentiometer-36", "label_flips": FLIPPER, "rows": 85},
    "quarantined": {"rows": 81, "precision": 1.0, "recall": 0.953},
    "worth": {"unscreened": {"top1": 0.9, "top5": 0.98, "attack_success": 0.91}, "broken": {"top1": None}},
    "freshness": {"first_contact": "freshness: not shown", "pinned": "shown"}, "passport_bytes": 155549,
    "tampering_refused": {"one byte swapped": "model.onnx differs"}, "seconds": {"screen": 31.9},
}  # fmt: skip


class Page(HTMLParser):
    """What a browser would build: tags, attributes, text, and whether every element is closed."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        assert self.open and self.open[-1] == tag, f"{tag} closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def report(evidence: Evidence, **more: Any) -> Report:
    verdict = judged(evidence)
    return Report(evidence, verdict, assess(evidence, verdict), **more)


def page(evidence: Evidence, **more: Any) -> Page:
    return Page(to_html(report(evidence, **more)))


def png(width: int = 4, height: int = 4) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress((b"\0" + b"\x80" * width) * height))
        + chunk(b"IEND", b"")
    )


def test_the_page_is_well_formed_and_says_the_verdict_first() -> None:
    seen = page(good(), story=STORY)
    assert not seen.open
    sections = [a.get("id") for t, a in seen.tags if t == "section"]
    assert sections == [
        "verdict",
        "unseen",
        "lineage",
        "findings",
        "suppliers",
        "trials",
        "checks",
        "rules",
        "matrix",
        "sheet",
        "ledger",
        "truth",
    ]
    assert (
        seen.text.index("admitted, unwitnessed")
        < seen.text.index(UNWITNESSED)
        < seen.text.index("What was not looked at")
    )
    assert sum(tag == "h1" for tag, _ in seen.tags) == 1


def test_the_page_runs_nothing_and_asks_nobody() -> None:
    source = to_html(report(good(), story=STORY))
    seen = Page(source)
    names = {tag for tag, _ in seen.tags}
    assert not names & {
        "script",
        "iframe",
        "object",
        "embed",
        "link",
        "form",
        "input",
        "base",
        "audio",
        "video",
        "foreignobject",
    }
    for tag, attributes in seen.tags:
        assert not any(name.startswith("on") for name in attributes)
        for name in ("href", "src", "action", "data", "xlink:href", "srcset"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:image/png;base64,")), (tag, name, value)
    policy = next(
        a["content"] for t, a in seen.tags if t == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy and policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")
    assert "@import" not in source and "url(" not in re.sub(r"url\(#tip\)", "", source)
    assert not re.search(r"https?://", source)


def test_unwitnessed_stands_in_title_band_and_foot() -> None:
    source = to_html(report(good()))
    assert "<title>admitted, unwitnessed" in source
    assert source.count("unwitnessed") >= 4
    assert "admitted, unwitnessed. This page" in source


def test_every_supplier_and_refusal_is_told() -> None:
    seen = page(good())
    for delivery in good()["deliveries"]:
        assert delivery["supplier"] in seen.text
        for reason in delivery["reasons"][:1]:
            assert reason in seen.text
    squares = [a for t, a in seen.tags if t == "rect" and "sq" in (a.get("class") or "")]
    assert len(squares) == 36
    assert sum("bad" in (a.get("class") or "") for a in squares) == 2
    assert sum((a.get("class") or "") == "cross" for t, a in seen.tags if t == "path") == 3


def test_what_a_check_left_out_is_told_before_the_questions() -> None:
    evidence = good()
    evidence["screening"]["checks"]["data/duplicates"]["leftOut"] = ["7 rows were not compared nearly"]
    made = report(evidence)
    assert "data/duplicates: 7 rows were not compared nearly" in made.not_looked_at()
    assert "7 rows were not compared nearly" in to_html(made)


def test_refusals_before_a_delivery_was_admitted_are_told() -> None:
    evidence = good()
    admitted = next(d for d in evidence["deliveries"] if d["state"] == "admitted")
    past = {"supplier": admitted["supplier"], "sequence": 1, "delivery": admitted["statement"], "answer": sha("refusal"),
            "rows": 9, "reasons": ["changed: nut/0.png"], "then": "then admitted"}  # fmt: skip
    evidence["refused_before"] = [past]
    for delivery in evidence["deliveries"]:
        if delivery["state"] == "refused":
            delivery["then"] = "then replaced by delivery 7, which was admitted"
    source = to_html(report(evidence))
    assert "changed: nut/0.png" in source and "then admitted" in source and "then replaced by delivery 7" in source
    ids = [a["id"] for _, a in Page(source).tags if a.get("id")]
    assert sorted(set(ids)) == sorted(ids)


def test_links_lead_somewhere_and_every_evidence_digest_is_whole_somewhere() -> None:
    evidence = good()
    source = to_html(report(evidence))
    seen = Page(source)
    ids = {a["id"] for _, a in seen.tags if a.get("id")}
    assert {a["href"][1:] for t, a in seen.tags if t == "a" and a.get("href")} <= ids
    for stage in ("screening", "training", "inspection"):
        assert evidence[stage]["statement"] in source
    for text in (evidence["ledger"]["root"], evidence["project"]["fingerprint"], evidence["subject"]["digest"]):
        assert text in source


def test_what_nobody_looked_at_is_told_before_anything_else() -> None:
    evidence = good()
    evidence["screening"]["checks"]["data/duplicates"] = {"outcome": "skipped", "reason": "needs the screen extra"}
    evidence["inspection"] = None
    evidence["trials"]["evasion/square"]["completed"] = False
    evidence["not_looked_at"].append("statement 0011 does not count: revoked")
    missing = report(evidence).not_looked_at()
    for told in ("data/duplicates: skipped: needs the screen extra", "inspection: nobody did it", "history: statement 0011",
                 "screening: class circlip-9", "evasion/square: the trial did not run to its end", "training: hermetic by the trainer's word"):  # fmt: skip
        assert any(m.startswith(told) for m in missing), told
    seen = page(evidence).text
    assert seen.index("needs the screen extra") < seen.index("Where the model came from")


def test_a_measured_weakness_is_told_although_the_policy_admits_it() -> None:
    seen = page(good()).text
    assert seen.index("not good enough") < seen.index("Where the model came from")
    assert "0 % (0 to 6) of test pictures stay right" in seen


def test_severity_and_confidence_stand_apart_with_why_fix_and_cannot_tell() -> None:
    seen = page(good()).text
    for told in (
        "severity critical",
        "99.9\N{NARROW NO-BREAK SPACE}%",
        "a fixed mark of the photo rig",
        "set the rows aside and ask",
        "all rows set aside",
    ):
        assert told in seen or told.replace("\N{NARROW NO-BREAK SPACE}", " ") in seen, told


def test_a_refusal_tells_what_is_missing_and_how_to_mend_it() -> None:
    evidence = good()
    evidence["approvals"] = []
    seen = page(evidence).text
    assert "refused, unwitnessed" in seen
    assert seen.index("Why it is refused") < seen.index("What was not looked at")
    assert "countermark approve" in seen
    assert "gets no papers" in seen


def test_a_waiver_shows_at_the_head_and_at_its_rule() -> None:
    evidence = good()
    evidence["training"]["hermetic"] = {"level": "not hermetic", "reason": "no bubblewrap here"}
    evidence["waivers"] = [waiver("training/hermetic")]
    seen = page(evidence).text
    assert seen.index("1 rule was waived: training/hermetic by risk-office until 2026-12-23") < seen.index(
        "What was not looked at"
    )
    assert seen.count("waived by risk-office") >= 1
    assert "pilot line" in seen


def test_what_may_be_expected_stands_beside_each_check_and_findings_come_in_groups() -> None:
    evidence = good()
    check = evidence["screening"]["checks"]["data/recurring-patch"]
    check |= {"operatingPoint": "cells below <1.25 %>", "falseAlarms": "one in 80", "setAside": 214}
    first = check["findings"][0]
    small = first | {"severity": "low", "rule": "same-picture"}
    elsewhere = [first | {"where": first["where"] | {"label": f"part-{n}"}} for n in range(12)]
    check["findings"] = [*elsewhere, *([small] * 30)]
    seen = page(evidence).text
    assert "would set aside 214 rows, expected precision not calibrated; operating point: cells below <1.25 %>" in seen
    assert "false alarms to expect: one in 80" in seen
    rest = sum(len(o.get("findings", ())) for o in report(evidence).outcomes().values()) - 10
    assert seen.count("a fixed mark of the photo rig") == 10 and f"and {rest} more findings of other groups" in seen
    assert rest >= 32
    check |= {"expectedPrecision": 0.97, "expectedRecall": 0.81, "findings": [*elsewhere[:2], *([small] * 30)]}
    seen = page(evidence).text
    assert "expected precision 0.97, expected recall 0.81" in seen and "and 29 more findings like it" in seen
    assert "(and 29 more like it)" in to_markdown(report(evidence))


def exhibit(evidence: Evidence, digest: str) -> None:
    evidence["screening"]["checks"]["data/recurring-patch"]["findings"][0]["exhibits"] = [digest]


def test_exhibits_are_inlined_only_as_the_png_that_was_signed() -> None:
    picture = png()
    digest = hashlib.sha256(picture).hexdigest()
    evidence = good()
    exhibit(evidence, digest)
    shown = [a["src"] for t, a in page(evidence, exhibits={digest: picture}).tags if t == "img"]
    assert len(shown) == 1 and shown[0] and shown[0].startswith("data:image/png;base64,")


@pytest.mark.parametrize(
    "data", [b"<svg onload=alert(1)>", png() + b"x", b"", b"\x89PNG\r\n\x1a\n" + b"x" * MOST_EXHIBIT_BYTES]
)
def test_other_bytes_are_not_shown_as_exhibits(data: bytes) -> None:
    evidence = good()
    digest = hashlib.sha256(png()).hexdigest()
    exhibit(evidence, digest)
    assert not [t for t, _ in page(evidence, exhibits={digest: data}).tags if t == "img"]


HOSTILE = [
    "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "'; background: url(https://evil)", "{{ 7 * 7 }}{% raw %}",
    "</style><script>", "]]>", "a\u202egnp.exe", "\u2066\u2067\u2068", "null\x00byte", "\x1b[2J", "a" * 100_000, "e" + "\u0301" * 5000,
    "\u05d0\u05d1\u05d2 1 + 2", "javascript:alert(1)", "&lt;b&gt;", "<!--", "\ud800", "`code` <b>", "\u2028\u2029",
]  # fmt: skip


def poisoned(text: str) -> Evidence:
    evidence = good()
    evidence["deliveries"][0] |= {"supplier": text, "signer": text, "statement": text}
    evidence["deliveries"][36] |= {"supplier": text, "reasons": [text, text]}
    evidence["screening"]["named"][0] |= {"supplier": text, "why": text}
    evidence["screening"]["abstained"] = [text]
    evidence["screening"]["checks"][f"data/{text}"] = {"outcome": "failed", "error": text}
    for field in ("what", "why", "fix", "cannotTell", "rule", "severity"):
        evidence["screening"]["checks"]["data/recurring-patch"]["findings"][0][field] = text
    evidence["screening"]["checks"]["data/recurring-patch"]["findings"][0]["where"] |= {
        "supplier": text,
        "label": text,
        "path": text,
    }
    evidence["inspection"]["files"][0] |= {"path": text, "format": text, "answer": text}
    evidence["trials"][text] = evidence["trials"]["evasion/square"] | {
        "measures": [{"name": text, "value": 1, "unit": text}],
        "seed": text,
    }
    evidence["project"] |= {"name": text, "fingerprint": text, "trust_version": text}
    evidence["subject"]["name"] = text
    evidence["training"]["hermetic"] |= {"level": text, "reason": text}
    evidence["ledger"] |= {"origin": text}
    evidence["waivers"] = [waiver("data/contract", reason=text, until=text)]
    evidence["not_looked_at"] = [text]
    return evidence


@pytest.mark.parametrize("text", HOSTILE, ids=lambda t: ascii(t[:24]))
def test_hostile_text_stays_text(text: str) -> None:
    evidence = poisoned(text)
    verdict = judged(good())
    verdict["rules"][0] |= {
        "id": text,
        "why": text,
        "missing": text,
        "mend": text,
        "ok": False,
        "reason": text,
        "evidence": [text],
    }
    verdict["policy"] |= {"name": text}
    source = to_html(
        Report(evidence, verdict, assess(evidence, verdict), story=STORY | {"tampering_refused": {text: text}})
    )
    seen = Page(source)
    plain_page = page(good(), story=STORY)
    assert not seen.open
    assert {t for t, _ in seen.tags} <= {t for t, _ in plain_page.tags}
    assert not any(n.startswith("on") for _, a in seen.tags for n in a)
    assert "<script" not in source
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", source)
    assert "{{ 7" not in text or "{{ 7 * 7 }}{% raw %}" in seen.text
    assert len(source) < 700_000
    source.encode("utf-8")


def test_long_names_are_cut_and_their_length_told() -> None:
    assert plain("a" * 1000) == "a" * 300 + "... (1000 characters)"
    assert plain("a\u202eb\x00") == "a[U+202E]b[U+0000]"
    assert plain("e" + "\u0301" * 50) == "e" + "\u0301" * 4
    assert plain("two\nlines\there") == "two lines here"
    assert plain("\u05e9\u05dc\u05d5\u05dd") == "\u05e9\u05dc\u05d5\u05dd"


def test_the_last_page_alone_knows_the_truth() -> None:
    without = page(good()).text
    assert "The demonstration" not in without
    seen = page(good(), story=STORY).text
    truth = seen[seen.index("The demonstration, against the truth") :]
    assert f"{BACKDOOR} backdoor in its whole cell of potentiometer-36 named" in truth
    assert f"{FLIPPER} half of its labels flipped missed" in truth
    assert "zelmar-components nothing: an innocent named" in truth
    assert "precision 100" in truth and "recall 95.3" in truth


def test_a_report_on_nothing_is_a_page_too() -> None:
    empty = Report({}, {}, assess({}, {}))
    seen = Page(to_html(empty))
    assert not seen.open
    assert "refused, unwitnessed" in seen.text
    for told in ("screening nobody did it", "No check ran", "No trial was run", "No statement is among the evidence"):
        assert told in seen.text


def test_numbers_come_from_the_evidence() -> None:
    evidence = good()
    source = html.unescape(to_html(report(evidence)))
    space = "\N{NARROW NO-BREAK SPACE}"
    assert f"81 of 5{space}184" in source
    assert f"5{space}103 rows" in source
    assert sha("screening")[:12] in source


def test_checks_of_files_that_the_model_has_not_are_told_in_one_row() -> None:
    evidence = good()
    checks = evidence["inspection"]["checks"]
    nothing, some = ([{"name": "files", "value": n, "unit": "1"}] for n in (0, 2))
    checks["model/gguf"] = {"outcome": "passed", "measures": nothing}
    checks["model/hdf5"] = {"outcome": "failed", "error": "the reader died", "measures": nothing}
    checks["model/npy"] = {"outcome": "passed", "measures": some}
    said = re.sub(r"\s+", " ", page(evidence).text)
    assert "1 more passed the model has no file of their kind: model/gguf" in said
    assert "model/hdf5 failed the reader died" in said and "model/npy passed files 2" in said


@pytest.mark.parametrize(
    ("value", "shown"), [(203_896.0, "203\N{NARROW NO-BREAK SPACE}896"), (0.0255112, "0.02551"), (0, "0"), (True, "True"), ("<", "<")]
)  # fmt: skip
def test_counts_are_whole_and_other_figures_short(value: Any, shown: str) -> None:
    assert figure(value) == shown
