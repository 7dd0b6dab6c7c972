"""A whole recipe: every file answered, read in a confined child as in this process, and nothing executed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countermark.canonical import to_bytes
from countermark.checks.training._program import Unparsed, parse
from countermark.checks.training.inspect import CHECKS, COVERAGE, collect, inspect_recipe
from countermark.checks.training.recipe_files import is_recipe
from countermark.cli.main import run
from countermark.errors import StatementRefused, Unusable
from countermark.finding import Failed, Found, Passed, Skipped
from countermark.formats.limits import Malformed
from countermark.sandbox.limits import Limits

RECIPE = """format = 1
name = "r"
[code]
files = ["train.py", "lib"]
[inputs]
train = "data/train"
[output]
folder = "out"
model = "m.onnx"
metrics = "m.json"
[environment]
lock = "requirements.lock"
"""
LOCK = "numpy==2.1.0 --hash=sha256:" + "a" * 64 + "\n"


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "lib").mkdir()
    (tmp_path / "recipe.toml").write_text(RECIPE)
    (tmp_path / "requirements.lock").write_text(LOCK)
    (tmp_path / "train.py").write_text("import numpy as np\n\nfrom lib import tools\n\nprint(np, tools)\n")
    (tmp_path / "lib" / "tools.py").write_text("x = 1\n")
    (tmp_path / "unrelated.py").write_text("import os\nos.system('ls')\n")
    return tmp_path


def test_a_clean_recipe_is_read_whole_and_nothing_else(recipe: Path) -> None:
    seen = inspect_recipe(collect(recipe))
    assert seen.exit_code == 0
    assert {f.path: f.answer for f in seen.files} == dict.fromkeys(
        ("recipe.toml", "requirements.lock", "train.py", "lib/tools.py"), "proven"
    )
    assert set(seen.checks) == set(CHECKS)
    assert all(isinstance(o, Passed) for o in seen.checks.values())
    assert seen.confinement is not None


def test_the_child_says_what_this_process_says(recipe: Path) -> None:
    (recipe / "lib" / "bad.py").write_text("import pickle\npickle.load(open('/etc/x'))\n")
    there, here = inspect_recipe(collect(recipe)), inspect_recipe(collect(recipe), confined=False)
    assert to_bytes(there.to_json()) == to_bytes(here.to_json())
    assert there.exit_code == 1
    assert [(f.where.path, f.where.line) for f in there.findings] == [("lib/bad.py", 2)]


def test_nothing_is_executed(recipe: Path, tmp_path: Path) -> None:
    (recipe / "train.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').write('x')\n")
    assert inspect_recipe(collect(recipe)).exit_code == 1
    assert not (tmp_path / "ran").exists()


def test_what_does_not_parse_is_never_clean(recipe: Path) -> None:
    (recipe / "lib" / "tools.py").write_text("def f(:\n")
    seen = inspect_recipe(collect(recipe))
    assert seen.exit_code == 3
    assert isinstance(seen.checks[COVERAGE], Skipped)


@pytest.mark.parametrize("name", ["tools.so", "run.sh", "old.pyc"])
def test_what_no_reader_is_for_is_never_clean(recipe: Path, name: str) -> None:
    (recipe / "lib" / name).write_bytes(b"x")
    assert inspect_recipe(collect(recipe)).exit_code == 3


def test_a_link_in_the_code_is_found(recipe: Path) -> None:
    (recipe / "lib" / "link.py").symlink_to("/etc/passwd")
    seen = inspect_recipe(collect(recipe))
    assert isinstance(seen.checks[COVERAGE], Found)


def test_a_recipe_without_a_lock_or_without_its_files_is_told(recipe: Path) -> None:
    (recipe / "recipe.toml").write_text(RECIPE.replace('[environment]\nlock = "requirements.lock"\n', ""))
    assert [f.rule for f in inspect_recipe(collect(recipe)).findings] == ["no-lock"]
    (recipe / "train.py").unlink()
    with pytest.raises(Unusable, match=r"train\.py is not there"):
        collect(recipe)
    (recipe / "recipe.toml").write_text("format = 2")
    with pytest.raises(StatementRefused):
        collect(recipe)


def test_a_reader_that_dies_leaves_nothing_clean(recipe: Path) -> None:
    (recipe / "lib" / "large.py").write_text("x = " + "+".join(["a"] * 200_000) + "\n")
    seen = inspect_recipe(collect(recipe), limits=Limits(memory_bytes=64 << 20, cpu_seconds=20, wall_seconds=60))
    assert seen.exit_code == 3
    assert any(isinstance(o, Failed | Skipped) for o in seen.checks.values())


def test_other_code_is_refused_as_text_and_deep_nesting_is_unproven() -> None:
    for text in ("(" * 5000 + ")" * 5000, "-" * 100_000 + "1", "a" * (2 << 20), "\0", "x = 1 +"):
        with pytest.raises(Malformed) as seen:
            parse("a.py", text)
        assert seen.value.answer == "unproven"


@settings(max_examples=60)
@given(st.text(alphabet="abx()[]{}.=,:'\"\n \\+-*@!%#0123456789defimportlambd", max_size=120))
def test_no_text_makes_the_rules_stumble(text: str) -> None:
    from countermark.checks.training._program import Program
    from countermark.checks.training.rules import RULES

    try:
        code = parse("a.py", text)
    except (Unparsed, Malformed):
        return
    for rule in RULES:
        rule.findings(Program((code,)))


def test_what_counts_as_a_recipe(recipe: Path) -> None:
    assert is_recipe(recipe)
    assert is_recipe(recipe / "recipe.toml")
    assert is_recipe(recipe / "train.py")
    assert not is_recipe(recipe / "lib")


def test_the_command_writes_sarif_with_lines(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (recipe / "train.py").write_text("import os\n\nos.system('ls')\n")
    assert run(["inspect", str(recipe), "--sarif", str(recipe / "out.sarif"), "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["verdict"].startswith("refused")
    result = json.loads((recipe / "out.sarif").read_text())["runs"][0]["results"][0]
    assert result["ruleId"] == "training/shell/shell"
    place = result["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "train.py"}, "region": {"startLine": 3}}


def test_findings_of_many_places_are_grouped_for_people(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (recipe / "train.py").write_text("import os\n" + "os.system('ls')\n" * 30)
    assert run(["inspect", str(recipe)]) == 1
    said = capsys.readouterr().out
    assert "30 places" in said
    assert "and 10 more" in said
    assert said.count("a shell reads the text anew") == 1
