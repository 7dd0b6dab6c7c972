"""Printing: text for people, one canonical JSON object for machines. Names from strangers are escaped."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import click

from countermark import compose
from countermark.cli._answer import FINE, FOUND, INCONCLUSIVE, Answer, Pairs, Refused, Table, Verbatim
from countermark.compose import Terminal

COLOURS = {FINE: "green", FOUND: "red", INCONCLUSIVE: "yellow"}
SEVERITY_COLOURS = {"critical": "red", "high": "red", "medium": "yellow", "low": "cyan", "info": "blue"}
VERDICTS = {FOUND: "refused", INCONCLUSIVE: "inconclusive"}
GAP = "  "


def count(number: int, noun: str) -> str:
    """``1 key``, ``2 keys``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def figure(value: float) -> str:
    """A measured number for people: whole ones in full (``4,000``), others to three digits."""
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e15 else f"{value:.3g}"


def safe(text: object) -> str:
    """One line that cannot move the cursor, change colours or turn the direction of writing.

    Everything that Python does not call printable (controls, format characters such as bidirectional
    overrides, lone surrogates of names that are not UTF-8) is shown as its escape.
    """
    line = str(text)
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else "\\t" if c == "\t" else ascii(c)[1:-1] for c in line)


@dataclass(frozen=True, slots=True)
class View:
    """How the user wants to be told.

    Attributes:
        json: one canonical JSON object. quiet: the last line only. out, err: what both streams can show.
    """

    json: bool
    quiet: bool
    out: Terminal
    err: Terminal

    @classmethod
    def of(cls, *, json: bool = False, quiet: bool = False) -> View:
        """The view for this process's streams."""
        return cls(json, quiet, compose.terminal(sys.stdout), compose.terminal(sys.stderr))


def show(answer: Answer, view: View) -> None:
    """Print an answer."""
    if view.json:
        from countermark import canonical

        whole = {**answer.facts, "exit": answer.exit, "verdict": answer.verdict}
        click.echo(canonical.to_bytes(whole).decode(), color=False)
        return
    if not view.quiet:
        for block in answer.body:
            for line in _lines(block, view.out):
                click.echo(line, color=view.out.colour)
    last = click.style(safe(answer.verdict), fg=COLOURS.get(answer.exit, "red"), bold=True)
    click.echo(last, color=view.out.colour)


def show_error(what: str, why: str, fix: str, code: int, view: View) -> None:
    """Print an error: on standard error for people, as one JSON object on standard output for machines."""
    if view.json:
        from countermark import canonical

        error = {"what": what, "why": why, "fix": fix}
        click.echo(canonical.to_bytes({"error": error, "exit": code, "verdict": f"stopped: {what}"}).decode())
        return
    told = list(_told(Refused(what, why, fix), view.err, code))
    for line in told[:1] if view.quiet else told:
        click.echo(line, err=True, color=view.err.colour)
    word = VERDICTS.get(code)
    if word and not view.quiet:  # findings, refusals and what could not be looked at are verdicts: told last
        click.echo(click.style(f"verdict: {word}", fg=COLOURS[code], bold=True), color=view.out.colour)


def _lines(block: Any, terminal: Terminal) -> Iterator[str]:
    match block:
        case str():
            yield from _wrapped(block, terminal.width)
        case Table():
            if block.rows:  # a heading over nothing says nothing
                yield from _table(block, terminal)
        case Pairs():
            yield from _pairs(block, terminal.width)
        case Refused():
            yield from _told(block, terminal, FOUND)
        case Verbatim():
            yield from (safe(line) for line in block.lines)
        case _:
            yield from _finding(block, terminal)


def _wrapped(text: str, width: int, indent: str = "", later: str | None = None) -> Iterator[str]:
    for line in text.split("\n") or [""]:
        yield from textwrap.wrap(
            safe(line), width, initial_indent=indent, subsequent_indent=indent if later is None else later,
            break_on_hyphens=False, drop_whitespace=True,
        ) or [""]  # fmt: skip


def _labelled(label: str, text: str, terminal: Terminal) -> Iterator[str]:
    """``label: text`` with a hanging indent; nothing where there is no text."""
    head = f"{GAP}{label}: "
    for part, line in enumerate(text.strip().split("\n") if text.strip() else []):
        first = head if part == 0 else " " * len(head)
        for number, wrapped in enumerate(_wrapped(line, terminal.width, first, " " * len(head))):
            plain = wrapped if part or number else wrapped.removeprefix(head)
            yield wrapped if part or number else GAP + click.style(f"{label}:", bold=True) + " " + plain


def _told(error: Refused, terminal: Terminal, code: int) -> Iterator[str]:
    heading = error.heading or VERDICTS.get(code, "error")
    colour = COLOURS.get(code, "red")
    lines = list(_wrapped(f"{heading}: {error.what}", terminal.width, later=GAP))
    yield click.style(lines[0], fg=colour, bold=True)
    yield from (click.style(line, fg=colour, bold=True) for line in lines[1:])
    yield from _labelled("why", error.why, terminal)
    yield from _labelled("fix", error.fix, terminal)


def _finding(found: Any, terminal: Terminal) -> Iterator[str]:
    """``id  severity  what  where``, then why, fix and what the check cannot tell."""
    name = f"{found.check}/{found.rule}" if found.rule else found.check
    rank = f"{found.severity}, confidence {found.confidence:.2f}"
    where = f"{GAP}[{found.where}]" if str(found.where) else ""
    head = f"{name}{GAP}{rank}{GAP}{found.what}{where}"
    lines = list(_wrapped(head, terminal.width, later=GAP * 2))
    colour = SEVERITY_COLOURS.get(found.severity, "red")
    yield lines[0].replace(safe(name), click.style(safe(name), fg=colour, bold=True), 1)
    yield from lines[1:]
    yield from _labelled("why", found.why, terminal)
    yield from _labelled("fix", found.fix, terminal)
    yield from _labelled("cannot tell", found.cannot_tell, terminal)


def _pairs(pairs: Pairs, width: int) -> Iterator[str]:
    longest = max((len(name) for name, _ in pairs.items), default=0)
    for name, value in pairs.items:
        head = f"{name.ljust(longest)}{GAP}"
        for number, line in enumerate(str(value).split("\n")):
            first = head if number == 0 else " " * len(head)
            for part, wrapped in enumerate(_wrapped(line, width, first, " " * len(head))):
                styled = click.style(name, bold=True) + wrapped[len(name) :]
                yield styled if number == 0 and part == 0 else wrapped


def _table(table: Table, terminal: Terminal) -> Iterator[str]:
    """A table that fits is padded; only one that has to be folded is worth the start of a library."""
    rows = [[safe(cell) for cell in row] for row in table.rows]
    widths = [max(map(len, column)) for column in zip(table.columns, *rows, strict=True)]
    if sum(widths) + 2 * len(widths) <= terminal.width and all(cell.isascii() for row in rows for cell in row):
        yield click.style(_padded(table.columns, widths), bold=True)
        yield from (_padded(row, widths) for row in rows)
    else:
        yield from _folded(table.columns, rows, terminal)


def _padded(cells: Sequence[str], widths: Sequence[int]) -> str:
    return GAP.join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _folded(columns: Sequence[str], rows: Sequence[Sequence[str]], terminal: Terminal) -> Iterator[str]:
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    grid = RichTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        grid.add_column(column, overflow="fold")
    for row in rows:
        grid.add_row(*map(Text, row))
    console = Console(
        width=terminal.width, highlight=False, color_system="standard" if terminal.colour else None,
        force_terminal=terminal.colour, no_color=not terminal.colour, legacy_windows=False,
    )  # fmt: skip
    with console.capture() as text:
        console.print(grid)
    yield from (line.rstrip() for line in text.get().splitlines())
