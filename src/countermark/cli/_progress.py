"""A bar on standard error, drawn only once a step has taken longer than a second."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from countermark.cli._show import View, safe
from countermark.errors import CountermarkError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._drawn is not None:
            self._drawn.stop()

    def tick(self, what: str, done: float, every: float | None = None, *, text: str = "") -> None:
        """Say how far step `what` is: `done` of `every`, or of unknown; `text` is shown instead of its name."""
        if not self._watched or time.monotonic() - self._began < PATIENCE_SECONDS:
            return
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

        console = Console(stderr=True, no_color=not self._colour, highlight=False)
        columns = (
            rich.SpinnerColumn(), rich.TextColumn("{task.description}", markup=False), rich.BarColumn(),
            rich.TimeElapsedColumn(), rich.TextColumn("gone,"), rich.TimeRemainingColumn(), rich.TextColumn("left"),
        )  # fmt: skip
        self._drawn = rich.Progress(*columns, console=console, transient=True)
        self._drawn.start()
        return self._drawn


def _mega(size: int) -> str:
    """Millions of bytes: a folder of small files is not nothing."""
    return f"{size / 1e6:.1f}" if size < 10_000_000 else f"{size / 1e6:.0f}"
