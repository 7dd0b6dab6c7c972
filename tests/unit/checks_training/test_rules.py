"""Every rule: its page's bad example breaks it, its page's good example breaks none, and no disguise hides a call."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from countermark.checks.training._program import Program, parse
from countermark.checks.training.rules import RULES


def attack(name: str) -> ModuleType:
    """A script of `attacks/` as a module."""
    spec = importlib.util.spec_from_file_location(
        name.replace("/", "_"), Path(__file__).parents[3] / "attacks" / f"{name}.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


hidden = attack("training/hidden_calls")
PAGES = Path(__file__).parents[3] / "docs" / "reference" / "checks" / "training"
BY_NAME = {rule.id.partition("/")[2]: rule for rule in RULES}


def broken(*texts: str, output: str = "") -> set[str]:
    """Names of the rules that a program of some files breaks."""
    program = Program(tuple(parse(f"{n}.py", text) for n, text in enumerate(texts)), output)
    return {rule.id.partition("/")[2] for rule in RULES if rule.findings(program)}


def examples(name: str) -> tuple[str, str]:
    """The bad and the good example of a rule's page."""
    page = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    bad, good = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    return bad, good


@pytest.mark.parametrize("name", BY_NAME)
def test_the_bad_example_breaks_its_rule_and_the_good_one_none(name: str) -> None:
    bad, good = examples(name)
    assert name in broken(bad)
    assert broken(good) == set()


@pytest.mark.parametrize("name", BY_NAME)
def test_only_its_own_rule_answers_for_what_the_page_shows(name: str) -> None:
    """Taking a rule away leaves its example unnoticed, or noticed for another reason that its page names as well."""
    bad, _ = examples(name)
    others = broken(bad) - {name}
    assert others <= {"exec-eval", "process", "network", "hub-download", "delete-files", "swallowed-error"}


@pytest.mark.parametrize("name", BY_NAME)
def test_the_page_says_what_the_rule_says(name: str) -> None:
    rule, page = BY_NAME[name], (PAGES / f"{name}.md").read_text(encoding="utf-8")
    for said in (rule.why, rule.fix, rule.cannot_tell):
        assert said[1:] in page
    assert f"Severity: {rule.severity}." in page
    assert all(bandit in page for bandit in rule.bandit)


def test_rules_are_sorted_and_their_pages_are_all_there() -> None:
    assert [rule.id for rule in RULES] == sorted(rule.id for rule in RULES)
    rest = {"coverage", "lock", "notebook", "settings"}
    assert {p.stem for p in PAGES.glob("*.md")} == BY_NAME.keys() | rest


@pytest.mark.parametrize("text", hidden.DISGUISES.values(), ids=hidden.DISGUISES.keys())
def test_no_disguise_hides_a_call(text: str) -> None:
    assert "pickle-load" in broken(text)


@pytest.mark.parametrize(("text", "name"), hidden.OTHERS)
def test_other_ways_of_the_same(text: str, name: str) -> None:
    assert name in broken(text, output="out")


@pytest.mark.parametrize("text", [
    "import random\nrng = random.Random(3)\nrng.shuffle([1])",
    "import numpy as np\nrng = np.random.default_rng(0)\nrng.normal(size=3)",
    "from sklearn.model_selection import train_test_split\ntrain_test_split([1], [2], random_state=0)",
    "class Net:\n    def eval(self):\n        return self\nNet().eval()",
    "import re\npattern = re.compile('a')",
    "model = object()\nmodel.eval()\nmodel.compile(optimizer='adam')\nmodel.load('weights')",
    "import logging\nlogging.getLogger('a').exception('x')",
    "import time\nstart = time.time()\nprint(time.time() - start)",
    "import os\nprint(os.path.join('out', 'a'))\nfor name in sorted(os.listdir('data')):\n    print(name)",
    "from pathlib import Path\nfor path in sorted(p for p in Path('data').rglob('*.png')):\n    print(path)",
    "import numpy as np\nnp.save('out/a.npy', [1])",
    "def f(requests):\n    return requests.get('a')",
    "import json\nprint(json.loads('{}'))",
    "tokens = 'a b c'\ntokenizer = 'x'\nmax_token = 512",
    "import torch\ntorch.manual_seed(0)\nprint(torch.randn(3))",
])  # fmt: skip
def test_ordinary_code_breaks_nothing(text: str) -> None:
    assert broken(text, output="out") == set()


def test_a_seed_in_one_file_settles_the_others() -> None:
    draws = "import random\nrandom.random()"
    assert "unseeded-random" in broken(draws)
    assert broken(draws, "import random\nrandom.seed(1)") == set()
