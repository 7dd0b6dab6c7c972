"""Options that a command takes together, as one value."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def taken_as(
    name: str, make: Callable[..., Any], names: Iterable[str], options: Sequence[Callable[[Any], Any]]
) -> Callable[[Decorated], Decorated]:
    """A decorator that adds options to a command, which takes them as one argument.

    Args:
        name: of that argument. make: what it is made of, by the names of the options. names: those. options: in the order of the help;
            arguments may be among them.
    """
    named = tuple(names)

    def add(body: Decorated) -> Decorated:
        @functools.wraps(body)
        def run(*args: Any, **kwargs: Any) -> Any:
            said = {one: kwargs.pop(one) for one in named}
            return body(*args, **{name: make(**said)}, **kwargs)

        made: Any = run
        for option in reversed(options):
            made = option(made)
        return made  # type: ignore[no-any-return]

    return add
