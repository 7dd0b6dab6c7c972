"""The page on tracing a leaked copy, typed line by line."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "trace-a-leaked-copy.md").read_text()
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]


def test_a_leaked_copy_is_traced(shell) -> None:
    numpy, save = pytest.importorskip("numpy"), pytest.importorskip("safetensors.numpy").save_file
    rng = numpy.random.default_rng(0)
    model = {n: rng.normal(size=s).astype(numpy.float32) for n, s in (("a.weight", (160, 96)), ("b.weight", (64, 160)))}
    save(model, shell.here / "model.safetensors")
    for line in COMMANDS[:3]:
        shell(*line.split()[1:])
    assert COMMANDS[3].startswith("printf ")
    subprocess.run(COMMANDS[3], shell=True, check=True, cwd=shell.here)
    load = pytest.importorskip("safetensors.numpy").load_file
    leaked = load(shell.here / "plant-18.safetensors")
    order = rng.permutation(160)
    leaked = {"a.weight": leaked["a.weight"][order], "b.weight": numpy.ascontiguousarray(leaked["b.weight"][:, order])}
    save(leaked, shell.here / "leaked.safetensors")
    assert shell(*COMMANDS[4].split()[1:], exit=1).last == "traced: plant-18"
