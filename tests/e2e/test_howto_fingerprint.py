"""The page on tracing a leaked copy, typed line by line."""

from __future__ import annotations

import hashlib
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from countermark import canonical, compose
from countermark.lifecycle.desk import read_envelope
from countermark.passport.slip import Slip
from countermark.statement.statement import Statement

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "trace-a-leaked-copy.md").read_text()
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]


def test_a_leaked_copy_is_traced_and_the_trace_is_signed(project) -> None:
    numpy, save = pytest.importorskip("numpy"), pytest.importorskip("safetensors.numpy").save_file
    rng, here = numpy.random.default_rng(0), project.here / "manufacturer"
    model = {n: rng.normal(size=s).astype(numpy.float32) for n, s in (("a.weight", (160, 96)), ("b.weight", (64, 160)))}
    save(model, here / "model.safetensors")
    for line in COMMANDS[:3]:
        project(*line.split()[1:], at="manufacturer")
    assert COMMANDS[3].startswith("printf ")
    subprocess.run(COMMANDS[3], shell=True, check=True, cwd=here)
    load = pytest.importorskip("safetensors.numpy").load_file
    leaked = load(here / "plant-18.safetensors")
    order = rng.permutation(160)
    leaked = {"a.weight": leaked["a.weight"][order], "b.weight": numpy.ascontiguousarray(leaked["b.weight"][:, order])}
    save(leaked | {"steps": numpy.zeros((2, 2), numpy.int64)}, here / "leaked.safetensors")
    assert project(*COMMANDS[4].split()[1:], at="manufacturer", exit=1).last == "traced: plant-18"

    project(*COMMANDS[5].split()[1:], at="manufacturer", exit=1)
    project(*COMMANDS[6].split()[1:], at="manufacturer")
    said = project(*COMMANDS[7].split()[1:], "--json", at="manufacturer", exit=3).json()
    assert said["verdict"].startswith("verified: manufacturer traced leaked.safetensors to plant-18")
    assert [one["licensee"] for one in said["named"]] == ["plant-18"] and said["named"][0]["score"] >= said["threshold"]
    assert said["licensees"] == 3 and said["not_looked_at"] == [
        "steps: in the file, of a type or place that is not read"
    ]
    assert said["licensees_sha256"] == hashlib.sha256((here / "licensees.txt").read_bytes()).hexdigest()
    project("trust", "snapshot", "../rev.json", at="manufacturer")
    pin = project("trust", "show", "--json", at="plant").json()["fingerprint"]
    project("trust", "pin", pin, "--trust", "../trust.jsonl", "--revocations", "../rev.json", at="plant")
    assert project("verify", "../manufacturer/slips/trace.slip.json", at="plant").last.endswith("to plant-18, entry 0")
    # A supplier may trace, but its word about it does not count.
    other = (
        COMMANDS[5].replace("leaked.", "../manufacturer/leaked.").replace("--original ", "--original ../manufacturer/")
    )
    other = other.replace("--key ", "--key ../manufacturer/").replace("--licensees ", "--licensees ../manufacturer/")
    refused = project.ends(*other.split()[1:], at="acme")
    assert refused.exit == 1 and not (project.here / "acme" / "trace.json").exists()
    # Nor does it count where its program does not ask: the keeper enters no such statement, and no reader takes a slip of it.
    desk, envelope = compose.desk(project.here / "acme", None), read_envelope(here / "trace.json")
    worse = canonical.object_from_bytes(envelope.payload)
    worse["predicate"]["named"][0]["licensee"] = "plant-19"
    forged = desk.sign(Statement.from_bytes(canonical.to_bytes(worse)))
    (here / "forged.json").write_bytes(forged.to_bytes())
    assert "may not say this" in project("ledger", "add", "forged.json", at="manufacturer", exit=1).err.replace(
        "\n", " "
    )
    slip = Slip.from_bytes((here / "slips" / "trace.slip.json").read_bytes())
    for other in (forged, replace(envelope, payload=forged.payload)):
        (here / "forged.slip.json").write_bytes(replace(slip, envelope=other).to_bytes())
        assert project("verify", "forged.slip.json", at="manufacturer", exit=1).last == "verdict: refused"
