"""The page on screening after a delivery: its commands are typed, in order, in a workspace with deliveries."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numpy")
pytest.importorskip("PIL")
pytest.importorskip("sklearn")

import made_up_parts
import many_deliveries
import numpy as np
from core_world import OWNER

from countermark.lifecycle import review
from countermark.workspace.place import Workspace

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "screen-after-a-delivery.md"
COMMANDS = [
    line for block in re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL) for line in block.splitlines()
]


def test_the_page(tmp_path: Path) -> None:
    data = made_up_parts.honest(0, classes=4, suppliers=3, makers=2, rows=4)
    names = tuple(map(str, np.unique(data.supplier)))
    world = many_deliveries.join(tmp_path / "world", names, np.unique(data.label))
    for name in names:
        rows = np.flatnonzero(data.supplier == name)
        many_deliveries.send(world, name, many_deliveries.photographed(tmp_path / name, data, name, rows))
    assert len(COMMANDS) == 3
    seen = []
    for command in COMMANDS:
        argv = [sys.executable, "-m", "countermark", *shlex.split(command)[1:]]
        done = subprocess.run(argv, cwd=world[OWNER].space.root, capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1, 3), done.stderr
        kept = review.newest_screening(world[OWNER])[1].facts["kept"]
        seen.append((kept["first look"]["read"], kept["first look"]["computed"]))
        if "--json" in command:
            assert json.loads(done.stdout)
    rows = len(data.label)
    assert seen == [(0, rows), (rows, 0), (0, rows)]
    assert Workspace(world[OWNER].space.root).folder("kept").stat().st_mode & 0o777 == 0o700
