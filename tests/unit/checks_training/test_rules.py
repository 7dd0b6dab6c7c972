"""Every rule: its page's bad example breaks it, its page's good example breaks none, and no disguise hides a call."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from countermark.checks.training._program import Program, parse
from countermark.checks.training.rules import RULES

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


DISGUISES = {
    "another name": "import pickle as p\np.loads(b'')",
    "the function alone": "from pickle import loads\nloads(b'')",
    "renamed twice": "from pickle import loads as a\nb = a\nc = b\nc(b'')",
    "everything imported": "from pickle import *\nloads(b'')",
    "getattr": "import pickle\ngetattr(pickle, 'loads')(b'')",
    "getattr in pieces": "import pickle\ngetattr(pickle, 'lo' + 'ads')(b'')",
    "getattr backwards": "import pickle\ngetattr(pickle, 'sdaol'[::-1])(b'')",
    "joined letters": "import pickle\ngetattr(pickle, ''.join(['l', 'o', 'a', 'd', 's']))(b'')",
    "letters by number": "import pickle\ngetattr(pickle, chr(108) + 'oads')(b'')",
    "formatted": "import pickle\nx = 'load'\ngetattr(pickle, f'{x}s')(b'')",
    "bytes": "import pickle\ngetattr(pickle, b'loads'.decode())(b'')",
    "imported by function": "__import__('pickle').loads(b'')",
    "importlib": "import importlib\nimportlib.import_module('pickle').loads(b'')",
    "importlib renamed": "from importlib import import_module as i\ni('pickle').loads(b'')",
    "sys.modules": "import sys\nsys.modules['pickle'].loads(b'')",
    "its table": "import pickle\npickle.__dict__['loads'](b'')",
    "vars": "import pickle\nvars(pickle)['loads'](b'')",
    "globals": "import pickle\nglobals()['pickle'].loads(b'')",
    "C's own name": "import _pickle\n_pickle.loads(b'')",
    "a default": "import pickle\ndef read(x, load=pickle.loads):\n    return load(x)",
    "a map": "import pickle\nlist(map(pickle.loads, [b'']))",
    "partial": "import functools, pickle\nfunctools.partial(pickle.loads)(b'')",
    "walrus": "import pickle\n(f := pickle.loads)(b'')",
    "either": "import pickle, json\n(pickle if 1 else json).loads(b'')",
    "an attribute": "import pickle\nclass A:\n    pass\na = A()\na.load = pickle.loads\na.load(b'')",
    "an instance": "import pickle, io\npickle.Unpickler(io.BytesIO()).load()",
    "inside a function": "def f():\n    import pickle\n    return pickle.loads(b'')",
    "in a comprehension": "import pickle\n[pickle.loads(x) for x in ()]",
    "a decorator": "import pickle\n@pickle.loads\ndef f(): ...",
}  # fmt: skip


@pytest.mark.parametrize("text", DISGUISES.values(), ids=DISGUISES.keys())
def test_no_disguise_hides_a_call(text: str) -> None:
    assert "pickle-load" in broken(text)


@pytest.mark.parametrize(("text", "name"), [
    ("import os\nos.popen('ls')", "shell"),
    ("import subprocess\nsubprocess.run('ls', shell=True)", "shell"),
    ("import subprocess\nopts = {}\nsubprocess.run('ls', **opts)", "shell"),
    ("__builtins__['ev' + 'al']('1')", "exec-eval"),
    ("from hydra.utils import instantiate\ninstantiate({})", "dynamic-import"),
    ("import torch\ntry:\n    torch.load('a', weights_only=True)\nexcept ValueError:\n    torch.load('a', weights_only=False)", "torch-load"),
    ("import torch\ntorch.load('a', **{})", "torch-load"),
    ("import torch\ntorch.hub.load('pytorch/vision', 'resnet18')", "hub-download"),
    ("from datasets import load_dataset\nload_dataset('mnist', revision='main')", "hub-download"),
    ("kw = {'trust_remote_code': True}", "trust-remote-code"),
    ("import numpy as np\nflag = True\nnp.load('a.npy', allow_pickle=flag)", "numpy-allow-pickle"),
    ("import pandas as pd\npd.read_csv('https://example.org/a.csv')", "network"),
    ("from torchvision.datasets import MNIST\nMNIST('data', download=True)", "network"),
    ("import requests\nrequests.get('https://a', verify=False)", "tls-off"),
    ("from sklearn.model_selection import train_test_split\ntrain_test_split([1], [2])", "unseeded-random"),
    ("import numpy as np\nnp.random.default_rng()", "unseeded-random"),
    ("from pathlib import Path\nPath('../elsewhere').write_text('x')", "write-outside"),
    ("import numpy as np\nnp.save('elsewhere/a.npy', [1])", "write-outside"),
    ("password = 'correcthorse9'", "secret"),
    ("key = '''-----BEGIN PRIVATE KEY-----'''", "secret"),
    ("p\u0430th = 1\np\u0430th", "hidden-text"),
    ("import os\nif os.uname().nodename == 'prod':\n    pass", "date-trigger"),
    ("import yaml\nyaml.load('a')", "yaml-load"),
    ("x = '" + "QUJD" * 200 + "'", "obfuscated"),
])  # fmt: skip
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
