"""The how-to page of licences: every command of it is run, in the order and at the party that the page names."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from test_howto_keys import FENCE, PAGES, fingerprint, folders

sys.path.insert(0, str(Path(__file__).parents[2] / "attacks" / "licence"))
from licence_world import key


def test_license_a_model(project) -> None:
    folders(project, "stick")
    (project.here / "manufacturer" / "model").mkdir()
    (project.here / "manufacturer" / "model" / "weights.bin").write_bytes(b"weights")
    (project.here / "line.pem").write_bytes(key("line").public.pem())
    said = typed(project)
    assert any("infer is allowed" in line for line in said)
    assert "revocation" in said[-1] or "refuses" in said[-1]


def typed(project) -> list[str]:
    """All lines; the last one, and no other, is to be refused."""
    lines = "".join(FENCE.findall((PAGES / "license-a-model.md").read_text())).splitlines()
    said, at = [], ""
    for number, line in enumerate(lines, 1):
        if line.startswith("# at "):
            at = line.removeprefix("# at ")
            continue
        words = [fingerprint(project) if word == "FINGERPRINT" else word for word in shlex.split(line)[1:]]
        done = project(*words, at=at, exit=1 if number == len(lines) else 0)
        said.append(
            (done.out.splitlines() or done.err.splitlines())[-1] if number < len(lines) else done.err + done.out
        )
    return said
