"""What a recipe says that its model may contain, beyond what the lists allow everybody: exact classes, and operator domains.

Its signer answers for the code that they name. What is known to run code stays refused, whoever declares it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from countermark.canonical import Fields
from countermark.errors import StatementRefused

MOST = 200
_MOST_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Declared:
    """The table ``model`` of a recipe.

    Attributes:
        classes: ``module:Class`` of pickled objects. domains: of ONNX operators. Both sorted, each once.
    """

    classes: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.classes or self.domains)

    def pairs(self) -> frozenset[tuple[str, str]]:
        """(module, class) of each class."""
        split = (name.split(":", 1) for name in self.classes)
        return frozenset((module, qualname) for module, qualname in split)

    def to_json(self) -> dict[str, list[str]]:
        """Both lists."""
        return {"classes": list(self.classes), "domains": list(self.domains)}

    @classmethod
    def from_json(cls, value: dict[str, Any], what: str = "declared") -> Declared:
        """Parse strictly; a list that is absent is empty.

        Raises:
            StatementRefused: an unknown key, more than 200 names, one that is no exact name, or one twice.
        """
        fields = Fields(value, what)
        out = cls(*(tuple(sorted(_names(fields, key))) for key in ("classes", "domains")))
        fields.done()
        for name in (*filter(_is_no_class, out.classes), *filter(_is_no_domain, out.domains)):
            raise StatementRefused(
                f"{what}: {name!r:.120} is no exact name", why="patterns and wildcards would allow what nobody looked at",
                mend='classes = ["package.module:Class"], domains = ["com.example"]',
            )  # fmt: skip
        return out


NOTHING = Declared()


def _names(fields: Fields, key: str) -> Iterator[str]:
    names = fields.texts(key) if fields.optional(key) is not None else ()
    if len(names) > MOST or len(set(names)) != len(names):
        raise StatementRefused(
            f"{key!r} names more than {MOST}, or one twice", mend="name each class that is needed, once"
        )
    yield from names


def _is_no_class(name: str) -> bool:
    module, colon, qualname = name.partition(":")
    parts = (*module.split("."), qualname)
    plain = all(part.isidentifier() and part.isascii() and not part.startswith("__") for part in parts)
    return not (colon and plain and len(name) <= _MOST_CHARACTERS)


def _is_no_domain(name: str) -> bool:
    parts = name.replace("-", "_").split(".")
    return not (name.isascii() and len(name) <= _MOST_CHARACTERS and all(p.isidentifier() for p in parts))
