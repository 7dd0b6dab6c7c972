"""Judging: CEL in a confined child, for those who release and for those who judge again."""

from __future__ import annotations

from typing import Any

from countermark.sandbox.limits import BudgetExceeded, ChildFailed, Limits
from countermark.sandbox.pipe import run_task

CEL_TASK = "countermark.policy._cel:evaluate_task"
CEL_LIMITS = Limits(memory_bytes=512 << 20, cpu_seconds=10, wall_seconds=20.0, request_bytes=64 << 20)


def in_child(rules: dict[str, str], variables: dict[str, Any]) -> dict[str, Any]:
    """Evaluate CEL in a confined child that is killed where it crosses a budget; that refuses every rule."""
    try:
        return run_task(CEL_TASK, {"rules": rules, "variables": variables}, limits=CEL_LIMITS).json
    except (BudgetExceeded, ChildFailed) as error:
        return dict.fromkeys(rules, f"the evaluation did not end within its bounds: {error.what}")
