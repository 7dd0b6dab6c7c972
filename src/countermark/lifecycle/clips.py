"""Clips at the door: WAV files that could not be screened are named. They are decoded in a confined child."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.util import find_spec
from typing import TypeVar

from countermark.errors import FormatRefused, MissingExtra
from countermark.formats.wav import facts_of
from countermark.sandbox.limits import BudgetExceeded, ChildFailed, Limits
from countermark.sandbox.pipe import Child

T = TypeVar("T")
LIMITS = Limits(memory_bytes=4 << 30)
_TASK = "countermark.formats._wav_task:examine"
_AT_ONCE_BYTES = 32 << 20
_AT_ONCE = 256


def head_reason(path: str, data: bytes) -> str:
    """Why a file that is named as a clip is none, by its header; empty where that is in order."""
    try:
        facts_of(data)
    except FormatRefused as error:
        return f"{path}: {error.what}"
    return ""


def reasons(files: Sequence[tuple[str, bytes]], most: int) -> list[str]:
    """Why clips could not be screened: too short, bytes behind their end, samples that are no finite numbers.

    Args:
        files: path and content. most: reasons to stop at.

    Raises:
        MissingExtra: NumPy is absent.
    """
    if files and find_spec("numpy") is None:
        raise MissingExtra("looking at clips needs NumPy", mend="pip install 'countermark[screen]'")
    out: list[str] = []
    for some in in_batches(files, lambda file: len(file[1]), _AT_ONCE):
        out += _reasons(some)
        if len(out) >= most:
            break
    return out


def _reasons(some: Sequence[tuple[str, bytes]]) -> list[str]:
    """A clip that its reader dies of costs that clip, not its neighbours."""
    try:
        with Child(LIMITS) as child:
            told = child.ask(_TASK, {}, [data for _, data in some]).json.get("errors")
    except (ChildFailed, BudgetExceeded) as error:
        if len(some) == 1:
            return [f"{some[0][0]}: {error.what}"]
        return [reason for one in some for reason in _reasons([one])]
    if not isinstance(told, list) or len(told) != len(some) or not all(isinstance(one, str) for one in told):
        raise ChildFailed("the confined reader answered about other clips than it was given")
    return [f"{path}: {wrong}" for (path, _), wrong in zip(some, told, strict=True) if wrong]


def in_batches(items: Iterable[T], size: Callable[[T], int], at_once: int) -> Iterator[list[T]]:
    """Items in order, at most `at_once` and about 32 MiB together, one at least."""
    some: list[T] = []
    total = 0
    for item in items:
        if some and (len(some) >= at_once or total + size(item) > _AT_ONCE_BYTES):
            yield some
            some, total = [], 0
        some.append(item)
        total += size(item)
    if some:
        yield some
