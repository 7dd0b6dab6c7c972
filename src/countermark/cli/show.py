"""Printing. Text of other parties is made harmless before it reaches a terminal."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from countermark import canonical
from countermark.errors import CountermarkError
from countermark.finding import Finding, Outcome

PATIENCE_S = 1.0
COLOURS = {"critical": "red", "high": "red", "medium": "yellow", "low": "cyan", "info": None}


def safe(text: str) -> str:
    """Text without control characters and direction overrides, which could rewrite a terminal's line.

    >>> safe("a\\x1b[2Jb")
    'a\\\\x1b[2Jb'
    """
    return "".join(
        c if c == "\n" or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co") else repr(c)[1:-1] for c in text
    )


def error(problem: CountermarkError) -> None:
    """What, why, fix; on standard error."""
    from countermark.compose import colour_wanted

    word = {1: "refused", 3: "inconclusive"}.get(problem.exit_code, "cannot")
    head = (
        click.style(f"{word}: ", fg="red" if problem.exit_code != 3 else "yellow", bold=True)
        if colour_wanted()
        else f"{word}: "
    )
    click.echo(head + safe(problem.what), err=True)
    for name, text in (("why", problem.why), ("fix", problem.mend)):
        if text:
            click.echo(f"  {name}: {safe(text)}", err=True)


def as_json(value: Any) -> None:
    """One canonical JSON object on standard output."""
    click.echo(canonical.to_bytes(value).decode())


def lines(*texts: str) -> None:
    """Plain lines."""
    for text in texts:
        click.echo(safe(text))


def verdict(text: str, *, good: bool) -> None:
    """The last line of every command."""
    from countermark.compose import colour_wanted

    click.echo(click.style(safe(text), fg="green" if good else "red", bold=True) if colour_wanted() else safe(text))


def findings(found: Iterable[Finding]) -> None:
    """``id  severity  what  where`` and the three lines under it."""
    from countermark.compose import colour_wanted

    for finding in found:
        severity = click.style(finding.severity, fg=COLOURS[finding.severity]) if colour_wanted() else finding.severity
        click.echo(f"{finding.check}/{finding.rule}  {severity}  {safe(finding.what)}  [{safe(str(finding.where))}]")
        click.echo(f"  confidence: {finding.confidence:.3g}")
        for name, text in (("why", finding.why), ("fix", finding.fix), ("cannot tell", finding.cannot_tell)):
            if text:
                click.echo(f"  {name}: {safe(text)}")


def outcomes(checks: dict[str, Outcome]) -> None:
    """One line per check with its word and measures."""
    for name, outcome in checks.items():
        told = ", ".join(f"{m.name} {m.value:.3g}" for m in outcome.measures[:4])
        reason = getattr(outcome, "reason", "") or getattr(outcome, "error", "")
        lines(f"{name:<32} {outcome.word:<8} {reason or told}")


@contextmanager
def progress(title: str, *, quiet: bool = False) -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar on standard error that appears once the work has taken a second.

    Yields:
        A function of (what, done, all).
    """
    import sys

    if quiet or not sys.stderr.isatty():
        yield lambda _what, _done, _all: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    bar = Progress(TextColumn("{task.description:<24}"), BarColumn(), TextColumn("{task.completed:>6.0f}/{task.total:.0f}"),
                   TimeRemainingColumn(), console=Console(stderr=True), transient=True)  # fmt: skip
    task = bar.add_task(title, total=None)
    begin = time.monotonic()

    def step(what: str, done: int, every: int) -> None:
        if time.monotonic() - begin > PATIENCE_S and not bar.live.is_started:
            bar.start()
        bar.update(task, description=what or title, completed=done, total=every)

    try:
        yield step
    finally:
        if bar.live.is_started:
            bar.stop()
