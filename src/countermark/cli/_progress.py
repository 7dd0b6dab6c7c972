"""A bar on standard error, drawn only once a step has taken longer than a second."""

from __future__ import annotations

import contextlib
import threading
import time
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click

from countermark.cli._show import View, safe
from countermark.errors import CountermarkError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID
    from rich.text import Text

PATIENCE_SECONDS = 1.0
FILE_BYTES = 16 << 10  # opening a file takes as long as hashing about this much
FILES_BETWEEN, BYTES_BETWEEN = 64, 1 << 20


class Bar:
    """Progress of one command; a context manager. Silent where nobody watches."""

    def __init__(self, view: View) -> None:
        self._watched = view.err.live and not view.quiet and not view.json
        self._colour = view.err.colour
        self._began = time.monotonic()
        self._drawn: Progress | None = None
        self._expected = 0, 0
        self._told, self._since = 0, self._began
        self._tasks: dict[str, TaskID] = {}
        self._lock = threading.RLock()
        self._later: threading.Timer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._forget()
        with self._lock:
            self._watched = False  # for a step whose timer had gone off already
            if self._drawn is not None:
                self._drawn.stop()

    def tick(self, what: str, done: float, every: float | None = None, *, text: str = "") -> None:
        """Say how far step `what` is: `done` of `every`, or of unknown; `text` is shown instead of its name."""
        if time.monotonic() - self._began < PATIENCE_SECONDS:
            return
        with self._lock:
            if self._watched:
                self._tick(what, done, every, text)

    def step(self, what: str) -> None:
        """Name a step of unknown length that tells nothing while it runs: a timer shows it once it takes long."""
        self._forget()
        if not self._watched:
            return
        wait = max(0.0, self._began + PATIENCE_SECONDS - time.monotonic())
        self._later = threading.Timer(wait, self.tick, (what, 0))
        self._later.daemon = True
        self._later.start()

    def say(self, line: str) -> None:
        """A line on standard error, above the bar where one is drawn."""
        with self._lock:
            if self._drawn is None:
                click.echo(safe(line), err=True)
            else:
                self._drawn.console.print(safe(line), markup=False, highlight=False, soft_wrap=True)

    def _forget(self) -> None:
        if self._later is not None:
            self._later.cancel()

    def _tick(self, what: str, done: float, every: float | None, text: str) -> None:
        drawn = self._drawn or self._draw()
        task = self._tasks.get(what)
        if task is None:
            for other in self._tasks.values():
                drawn.update(other, visible=False)
            task = self._tasks[what] = drawn.add_task(safe(what), total=every)
        drawn.update(task, completed=done, total=every, description=safe(text or what), visible=True)

    def clear(self) -> None:
        """Forget the steps so far, so that the next one starts a bar of its own."""
        if self._drawn is not None:
            self._drawn.stop()
            self._drawn = None
        self._tasks.clear()
        self._began = time.monotonic()

    def expect(self, root: Path) -> None:
        """Count what `files` will be told of next, so that it can say what remains; only where somebody watches."""
        self._expected, self._told, self._since = (0, 0), 0, time.monotonic()
        if not self._watched:
            return
        from countermark.artefact.walk import measure

        with contextlib.suppress(CountermarkError):  # whoever reads the folder tells what is wrong with it
            self._expected = measure(root)

    def files(self, done: int, size: int) -> None:
        """For readers of folders: (files done, bytes done)."""
        if not self._watched or (done % FILES_BETWEEN and size - self._told < BYTES_BETWEEN):
            return
        self._told = size
        rate = size / 1e6 / max(time.monotonic() - self._since, 1e-3)
        count, whole = self._expected
        if count < done or whole < size:  # nobody counted, or there are more by now
            self.tick("files", 0, text=f"{done} files, {_mega(size)} MB, {rate:.1f} MB/s")
            return
        text = f"{done} of {count} files, {_mega(size)} of {_mega(whole)} MB, {rate:.1f} MB/s"
        self.tick("files", size + done * FILE_BYTES, whole + count * FILE_BYTES, text=text)

    def share(self, what: str, share: float) -> None:
        """For steps that tell a share between 0 and 1."""
        self.tick(what, share, 1.0)

    def _draw(self) -> Progress:
        from rich import progress as rich
        from rich.console import Console

        class Times(rich.ProgressColumn):
            def render(self, task: rich.Task) -> Text:
                return console.render_str(times(task.elapsed, task.time_remaining), markup=False)

        console = Console(stderr=True, no_color=not self._colour, highlight=False)
        columns = (rich.SpinnerColumn(), rich.TextColumn("{task.description}", markup=False), rich.BarColumn(), Times())
        self._drawn = rich.Progress(*columns, console=console, transient=True)
        self._drawn.start()
        return self._drawn


def times(gone: float | None, left: float | None) -> str:
    """``0:00:12 gone, 0:00:05 left``; what is left only where somebody knows."""
    told = f"{timedelta(seconds=int(gone or 0))} gone"
    return told if left is None else f"{told}, {timedelta(seconds=int(left))} left"


def _mega(size: int) -> str:
    """Millions of bytes: a folder of small files is not nothing."""
    return f"{size / 1e6:.1f}" if size < 10_000_000 else f"{size / 1e6:.0f}"
