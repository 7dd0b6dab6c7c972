"""Printing: hostile names stay on their line, widths are kept, the last line is the verdict."""

from __future__ import annotations

import json

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermark.cli import _show
from countermark.cli._answer import Answer, Pairs, Refused, Table, Verbatim, worst
from countermark.cli._show import View, count, safe, show, show_error
from countermark.compose import Terminal
from countermark.finding import Finding, Where

PLAIN = Terminal(80, colour=False, live=False)
NARROW = Terminal(40, colour=False, live=False)
COLOUR = Terminal(80, colour=True, live=True)
FINDING = Finding(
    "data/label-errors", "swapped-label", "high", 0.97, "41 rows of acme look like another class",
    Where(supplier="acme", label="nut"), why="a head trained without acme disagrees", fix="ask acme to look at them",
    cannot_tell="whether it was meant",
)  # fmt: skip


def view(out: Terminal = PLAIN, *, as_json: bool = False, quiet: bool = False) -> View:
    return View(as_json, quiet, out, out)


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("nut\x1b[2J", r"nut\x1b[2J"),
        ("a\rb", r"a\rb"),
        ("two\nlines", r"two\nlines"),
        ("gpj.\u202eexe", r"gpj.\u202eexe"),
        ("zero\u200bwidth", r"zero\u200bwidth"),
        ("not-utf8-\udcff", r"not-utf8-\udcff"),
        ("\x9b31m", r"\x9b31m"),
        ("Schraube äöü 螺丝", "Schraube äöü 螺丝"),
    ],
)
def test_hostile_names_are_escaped(hostile: str, shown: str) -> None:
    assert safe(hostile) == shown


@given(st.text())
def test_whatever_comes_is_one_printable_line(text: str) -> None:
    assert safe(text).isprintable()


def test_exit_codes_have_a_precedence() -> None:
    assert [worst(codes) for codes in ([0, 3], [3, 1], [1, 2], [2, 101], [], [0])] == [3, 1, 2, 101, 0, 0]


def test_plurals() -> None:
    assert (count(1, "key"), count(2, "key"), count(0, "row")) == ("1 key", "2 keys", "0 rows")


def test_a_finding_prints_what_it_is_and_what_it_cannot_tell(capsys: pytest.CaptureFixture[str]) -> None:
    show(Answer("named: acme", 1, body=[FINDING]), view())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("data/label-errors/swapped-label  high, confidence 0.97  41 rows of acme")
    assert any(line.strip().endswith("[acme / nut]") for line in lines)
    assert "  why: a head trained without acme disagrees" in lines
    assert "  fix: ask acme to look at them" in lines
    assert "  cannot tell: whether it was meant" in lines
    assert lines[-1] == "named: acme"


@pytest.mark.parametrize("terminal", [NARROW, PLAIN])
def test_lines_keep_to_the_width(terminal: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    body = [
        FINDING, "a sentence that goes on for rather longer than a narrow screen is wide, as sentences do",
        Refused("a delivery " * 8, "reason one " * 9 + "\nreason two", "do it " * 12),
        Pairs([("name", "value " * 30), ("longer name", "x")]),
        Table(("one", "two"), [("cell " * 12, "other " * 12)]),
    ]  # fmt: skip
    show(Answer("done", body=body), view(terminal))
    assert max(map(len, capsys.readouterr().out.splitlines())) <= terminal.width


def test_lines_for_pipes_are_not_wrapped(capsys: pytest.CaptureFixture[str]) -> None:
    show(Answer("done", body=[Verbatim(["x" * 300])]), view(NARROW))
    assert capsys.readouterr().out.splitlines()[0] == "x" * 300


def test_colour_only_where_it_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    answer = Answer("done", body=[FINDING, Table(("a",), [("b",)]), Pairs([("c", "d")]), Refused("e", "f", "g")])
    show(answer, view(PLAIN))
    assert "\x1b" not in capsys.readouterr().out
    show(answer, view(COLOUR))
    coloured = capsys.readouterr().out
    assert "\x1b[" in coloured


def test_colour_changes_no_text(capsys: pytest.CaptureFixture[str]) -> None:
    import click

    answer = Answer("done", body=[FINDING, Table(("a",), [("b",)]), Pairs([("c", "d")]), Refused("e", "f", "g")])
    show(answer, view(PLAIN))
    plain = capsys.readouterr().out
    show(answer, view(COLOUR))
    assert click.unstyle(capsys.readouterr().out) == plain


def test_quiet_prints_the_last_line_only(capsys: pytest.CaptureFixture[str]) -> None:
    show(Answer("done", body=["much", Pairs([("a", "b")])]), view(quiet=True))
    assert capsys.readouterr().out == "done\n"


def test_json_is_one_canonical_object(capsys: pytest.CaptureFixture[str]) -> None:
    show(Answer("named: acme", 1, {"rows": 3, "a": [1]}, ["text"]), view(as_json=True))
    out = capsys.readouterr().out
    assert out == '{"a":[1],"exit":1,"rows":3,"verdict":"named: acme"}\n'


def test_errors_for_machines_are_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    show_error("no", "because", "mend", 2, view(as_json=True))
    said = json.loads(capsys.readouterr().out)
    assert said["error"] == {"what": "no", "why": "because", "fix": "mend"}
    assert said["exit"] == 2


def test_a_refusal_ends_with_its_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    show_error("nut/0.png was changed", "expected 12, seen 13", "ask again", 1, view())
    said = capsys.readouterr()
    assert said.out == "verdict: refused\n"
    assert said.err.splitlines() == [
        "refused: nut/0.png was changed",
        "  why: expected 12, seen 13",
        "  fix: ask again",
    ]


def test_a_hostile_error_text_cannot_move_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    show_error("bad\x1b[1A", "x\ny\x1b[2K", "z\x07", 1, view())
    assert "\x1b" not in capsys.readouterr().err


def test_the_algorithms_that_a_command_offers_are_those_that_keys_know() -> None:
    """Named twice, so that `--help` loads no cryptography."""
    from countermark.cli import key
    from countermark.keys import verifier

    assert key.ALGORITHMS == verifier.ALGORITHMS
    assert set(key.USES) <= set(verifier.USES)


@given(st.lists(st.tuples(*[st.text("ab c.-", max_size=12)] * 3), max_size=5))
def test_a_padded_table_looks_like_a_laid_out_one(rows: list[tuple[str, ...]]) -> None:
    table = Table(("answer", "file", "why"), rows)
    padded = [click.unstyle(line) for line in _show._table(table, PLAIN)]
    assert padded == list(_show._folded(table.columns, rows, PLAIN))


def test_a_table_without_rows_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    show(Answer("done", body=[Table(("kind", "what"), []), "after"]), view())
    assert capsys.readouterr().out == "after\ndone\n"
