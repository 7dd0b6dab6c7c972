"""The page on finding one's data in a model, typed line by line; a model that never saw them; and an owner who cheats."""

from __future__ import annotations

import base64
import json
import re
import shutil
from pathlib import Path

import pytest

from conftest import photos

pytest.importorskip("scipy")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from memoriser import remember

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "find-your-data-in-a-model.md").read_text()
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
TEST = COMMANDS[2].split()[1:]


def answers(file: Path, folders: list[Path], known: set[str]) -> None:
    """What a server would say that is surer of pictures it knows."""
    lines = []
    for folder in folders:
        for path in sorted(folder.glob("*/*.png")):
            sure = 0.9 if path.read_bytes().hex() in known else 0.6
            scores = {label: sure if label == path.parent.name else 1 - sure for label in ("nut", "screw")}
            lines.append(json.dumps({"file_name": f"{path.parent.name}/{path.name}", "scores": scores}))
    file.write_text("\n".join(lines))


def test_the_page_and_who_cheats(project) -> None:
    acme = project.here / "acme"
    shutil.rmtree(acme / "photos")
    photos(acme / "photos", each=50)
    before = sorted(p.read_bytes() for p in (acme / "photos").glob("*/*.png"))
    for line in COMMANDS[:2]:
        project(*line.split()[1:], at="acme")
    assert (acme / "parts.canary").stat().st_mode & 0o077 == 0
    split = [sorted(p.read_bytes() for p in (acme / name).glob("*/*.png")) for name in ("drawn", "kept")]
    assert len(split[1]) == 40 and sorted(split[0] + split[1]) == before
    envelope = json.loads((acme / "drawn.cmdelivery").read_bytes().splitlines()[0])
    assert "canaries" in base64.b64decode(envelope["payload"]).decode()
    assert project("receive", "../acme/drawn", at="manufacturer").exit == 0

    assert project("verify", "../acme/drawn", "--json", at="manufacturer").json()["canaries"] == 40

    remember(acme / "drawn", acme / "suspect")
    said = project(*TEST, "--json", at="acme", exit=1).json()
    assert (
        said["p"] < 1e-3
        and said["better"] == said["decided"]
        and said["pairs"] == 40
        and said["p_after_tries"] > said["p"]
    )
    remember(photos(acme / "elsewhere", each=50), acme / "innocent")
    # The coins are new in each run: at 0.001 one run of a thousand would fail, and be right to.
    clean = project(
        "canary", "test", "innocent", *TEST[3:], "--false-alarm", "1e-9", "--json", at="acme", exit=3
    ).json()
    assert clean["p"] > 1e-9 and clean["verdict"].startswith("inconclusive")

    answers(acme / "answers.jsonl", [acme / "drawn", acme / "kept"], {data.hex() for data in split[0]})
    assert project(*COMMANDS[3].split()[1:], at="acme", exit=1).last.startswith("trained on delivered records")
    project(*COMMANDS[4].split()[1:], at="acme", exit=1)
    project("ledger", "add", "../acme/found.json", "--slips", "slips", at="manufacturer")
    shown = project("verify", "../manufacturer/slips/found.slip.json", "--json", at="acme", exit=3).json()
    assert "acme says that answers.jsonl was trained on delivered records" in shown["verdict"] and shown["p"] < 1e-9
    answers(acme / "answers.jsonl", [acme / "drawn"], set())
    assert "has no answer about" in project.ends(*COMMANDS[3].split()[1:], at="acme").err.replace("\n", " ")

    # An owner who draws after the delivery has no commitment in it; nor do records count that were changed afterwards.
    project(
        "canary",
        "draw",
        "photos",
        "--pairs",
        "40",
        "--key",
        "late.canary",
        "--out",
        "late",
        "--withheld",
        "late-kept",
        at="acme",
    )
    late = [*TEST[:3], "--key", "late.canary", "--delivered", "drawn", "--withheld", "late-kept"]
    assert "not the canary key" in project.ends(*late, at="acme").err.replace("\n", " ")
    project("deliver", "photos", "--to", "manufacturer", at="acme")
    late[late.index("drawn")] = "photos"
    assert "signed without canaries" in project.ends(*late, at="acme").err.replace("\n", " ")
    refused = project.ends("deliver", "photos", "--to", "manufacturer", "--canaries", "late.canary", at="acme")
    assert refused.exit == 1 and "a coin chose it to be withheld" in refused.err.replace("\n", " ")
    again = project.ends("deliver", "drawn", "--to", "manufacturer", "--canaries", "late.canary", at="acme")
    assert again.exit == 1
    swapped = sorted((acme / "kept").glob("*/*.png"))
    swapped[0].write_bytes(split[0][0])
    assert "not the record that was drawn" in project.ends(*TEST, at="acme").err.replace("\n", " ")


def test_what_cannot_be_drawn_from(shell) -> None:
    photos(shell.here / "few", each=3)
    words = ("--key", "k", "--out", "o", "--withheld", "w", "--at-random")
    assert "there are 2 pairs" in shell("canary", "draw", "few", "--pairs", "3", *words, exit=2).err.replace("\n", " ")
    shell("canary", "draw", "few", "--pairs", "2", *words)
    assert "exists" in shell("canary", "draw", "few", "--pairs", "2", *words, exit=2).err
    (shell.here / "few" / "loose.png").write_bytes(b"x")
    other = ("--key", "k2", "--out", "o2", "--withheld", "w2")
    assert "folder per class" in shell("canary", "draw", "few", "--pairs", "2", *other, exit=1).err.replace("\n", " ")
    assert not any((shell.here / name).exists() for name in ("k2", "o2", "w2"))
