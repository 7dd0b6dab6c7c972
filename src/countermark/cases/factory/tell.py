"""How the story speaks: events to whoever shows them. Nothing here prints."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

Event = Callable[[str, str], None]
Share = Callable[[str, int, int], None]


def _silent(_kind: str, _text: str) -> None:
    return


def _still(_what: str, _done: int, _all: int) -> None:
    return


@dataclass(slots=True)
class Tell:
    """A listener for the story.

    Attributes:
        event: called with a kind (stage, command, say, refused, result) and a line. share: called with (what,
            done, all) while something takes long. seconds: wall time per stage.
    """

    event: Event = _silent
    share: Share = _still
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str, title: str) -> Iterator[None]:
        """A stage of the story; its wall time is kept."""
        self.event("stage", title)
        begin = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - begin, 2)

    def command(self, line: str) -> None:
        """What a user would type for this step."""
        self.event("command", line)

    def say(self, line: str) -> None:
        """What came out."""
        self.event("say", line)

    def refused(self, who: str, reasons: Sequence[str]) -> None:
        """Something was refused, as it should be."""
        first = reasons[0] if reasons else ""
        more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
        self.event("refused", f"{who}: {first}{more}")

    def progress(self, what: str, done: int, every: int) -> None:
        """How far a long step is."""
        self.share(what, done, every)
