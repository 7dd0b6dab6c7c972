"""How a licence says no: the claim that decided, what it expected, what was seen, and the next step."""

from __future__ import annotations

from countermark.errors import Refusal


class LicenceRefused(Refusal):
    """A licence does not allow this, does not hold, or has lapsed.

    Attributes:
        claim: name of the deciding claim as it stands in the licence, or ``signature``, ``clock_rollback``, ``state``.
        expected, seen: for people. mend: the next step.
    """

    def __init__(self, claim: str, *, expected: str, seen: str, mend: str) -> None:
        super().__init__(
            f"the licence refuses: {claim}: expected {expected:.160}, seen {seen:.160}",
            why=f"the deciding claim is {claim!r}; what a licence does not grant is denied",
            mend=mend,
        )
        self.claim, self.expected, self.seen = claim, expected, seen
