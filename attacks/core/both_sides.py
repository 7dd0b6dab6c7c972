"""Show an attack from both sides: what ordinary code makes of the hostile input, and what Countermark says."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

from countermark.errors import CountermarkError


@dataclass(frozen=True)
class Attack:
    """A hostile input in two readings.

    Attributes:
        name: what is tried. naive: ordinary code on it; returns what happened. ours: Countermark on it.
    """

    name: str
    naive: Callable[[], object]
    ours: Callable[[], object]


@dataclass(frozen=True)
class Shown:
    """What came of an attack; `refusal` is None where Countermark let it through."""

    attack: Attack
    naive: str
    refusal: CountermarkError | None


class Stalled(Exception):
    """The naive reader would wait for ever."""


def _stall(_signal: int, frame: FrameType | None) -> None:
    if frame is not None and frame.f_code.co_name == "gc_callback":
        signal.setitimer(
            signal.ITIMER_REAL, 0.01
        )  # what is raised in a collector's callback is swallowed: a little later
        return
    raise Stalled("still waiting after five seconds")


def _naive(attack: Attack) -> str:
    signal.setitimer(signal.ITIMER_REAL, 5.0)
    try:
        return f"took it: {attack.naive()!r:.90}"
    except Exception as error:  # noqa: BLE001  whatever ordinary code leaks is the point
        return f"leaked {type(error).__name__}: {error!s:.80}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def show(attack: Attack) -> Shown:
    """Run both sides; the naive one gets five seconds: a busy machine needs more than one for an honest answer."""
    before = signal.signal(signal.SIGALRM, _stall)
    try:
        naive = _naive(attack)
    except Stalled as error:  # the alarm came while the clock was being stopped
        naive = f"leaked Stalled: {error}"
    signal.signal(signal.SIGALRM, before)
    try:
        attack.ours()
    except CountermarkError as error:
        return Shown(attack, naive, error)
    return Shown(attack, naive, None)


def report(attacks: list[Attack]) -> int:
    """Print both sides of each; exit code 0 when Countermark refused all of them."""
    missed = 0
    for attack in attacks:
        shown = show(attack)
        missed += shown.refusal is None
        print(f"{attack.name}\n  ordinary code  {shown.naive}")
        print(
            f"  countermark    {f'{type(shown.refusal).__name__}: {shown.refusal.what}' if shown.refusal else 'TOOK IT'}"
        )
    return 1 if missed else 0
