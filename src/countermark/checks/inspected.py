"""What inspections of models and of recipes have in common: findings, and the exit code that they come to."""

from __future__ import annotations

from typing import Protocol

from countermark.finding import Failed, Finding, Found, Outcome, Skipped


class Checked(Protocol):
    """Something that has an outcome for each of its checks."""

    @property
    def checks(self) -> dict[str, Outcome]:
        """Check id to outcome."""
        ...


def findings_of(inspection: Checked) -> tuple[Finding, ...]:
    """All findings, in the order of the checks."""
    return tuple(f for outcome in inspection.checks.values() if isinstance(outcome, Found) for f in outcome.findings)


def exit_code_of(inspection: Checked) -> int:
    """1 something is found; 3 something could not be looked at, or nothing was there; else 0."""
    if any(isinstance(outcome, Found) for outcome in inspection.checks.values()):
        return 1
    return 3 if any(isinstance(outcome, Skipped | Failed) for outcome in inspection.checks.values()) else 0
