"""The weaknesses of the reference signer, W1 to W12 and the one found since: each of attacks/oms/wNN ends as promised, beside the reference where it is."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import weakness

SCRIPTS = sorted(path.stem for path in (Path(__file__).parents[2] / "attacks" / "oms").glob("w[0-9][0-9]_*.py"))

FALLS_FOR = {
    "w01": "for both",
    "w02": "refuses: Verification failed",
    "w11": "Missing files",
    "w12": "ModuleNotFoundError",
}
"""What the reference does, where it is not that it accepts."""


def test_there_are_thirteen() -> None:
    assert [name[:3] for name in SCRIPTS] == [f"w{n:02}" for n in range(1, 14)]


@pytest.mark.parametrize("name", SCRIPTS)
def test_ours_is_what_was_promised(name: str, tmp_path: Path) -> None:
    answers = importlib.import_module(name).attack(tmp_path)
    assert answers.held, answers
    if weakness.REFERENCE.exists():
        assert FALLS_FOR.get(name[:3], weakness.ACCEPTS) in answers.reference, (
            "an attack that works on nobody shows nothing"
        )
