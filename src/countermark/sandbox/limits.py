"""Budgets of a confined child. Every one of them is enforced, and the one that is crossed is named."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from countermark.errors import FormatRefused, Inconclusive


@dataclass(frozen=True, slots=True)
class Limits:
    """What one child may use. A request that needs more is refused, never waited for.

    Attributes:
        memory_bytes: RLIMIT_DATA: heap and private writable mappings, code not counted.
        cpu_seconds: processor time of one request (RLIMIT_CPU, raised again for each request).
        wall_seconds: time from sending one request to holding its answer; then the group is killed.
        open_files: RLIMIT_NOFILE.
        request_bytes: JSON of one request. blob_bytes: sum of the raw blobs of one request.
        answer_bytes: JSON of one answer. array_bytes: sum of the raw arrays of one answer.
        read_bytes: sum of what one request may read from the sources it was given.
    """

    memory_bytes: int = 1 << 30
    cpu_seconds: int = 60
    wall_seconds: float = 120.0
    open_files: int = 64
    request_bytes: int = 16 << 20
    blob_bytes: int = 1 << 30
    answer_bytes: int = 64 << 20
    array_bytes: int = 1 << 30
    read_bytes: int = 1 << 40

    def to_json(self) -> dict[str, Any]:
        """The budgets as plain JSON numbers."""
        return asdict(self)


class BudgetExceeded(FormatRefused):
    """One budget of a child was crossed.

    Attributes:
        budget: its name, as in `Limits`. limit: its value.
    """

    def __init__(self, budget: str, limit: float, *, what: str = "the input") -> None:
        super().__init__(
            f"{what} crossed the limit of {limit:g} {budget.replace('_', ' ')}",
            why="reading stops where its budget ends; nothing is known of the rest",
            mend=f"raise {budget} if this input is expected to be that large",
        )
        self.budget = budget
        self.limit = limit


class ChildFailed(Inconclusive):
    """A child died or answered in a way that its protocol does not have: the input could not be looked at."""
