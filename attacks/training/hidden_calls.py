"""A trainer hides what the code does: 29 ways to write ``pickle.loads``, and other calls in other clothes.

    python attacks/training/hidden_calls.py

Ordinary code review by searching for the name finds the plain ones. Exit code 0 when the rules of `training/*` find all.
"""

from __future__ import annotations

import sys

from countermark.checks.training._program import Program, parse
from countermark.checks.training.rules import RULES

DISGUISES: dict[str, str] = {
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
"""Each reads a pickle."""

OTHERS: list[tuple[str, str]] = [
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
]  # fmt: skip
"""Code, and the rule that it breaks."""


def found(text: str) -> set[str]:
    """Names of the rules that a file breaks; its recipe writes to ``out``."""
    program = Program((parse("train.py", text),), "out")
    return {rule.id.partition("/")[2] for rule in RULES if rule.findings(program)}


def main() -> int:
    """Both sides."""
    missed = 0
    for name, text in DISGUISES.items():
        plain = "pickle.load" in text.replace("loads", "load")
        seen = "pickle-load" in found(text)
        missed += not seen
        print(
            f"{name}: a search for the name {'finds it' if plain else 'misses it'}; the rules {'find it' if seen else 'MISS IT'}"
        )
    for text, rule in OTHERS:
        missed += rule not in found(text)
    print(f"{len(DISGUISES) + len(OTHERS) - missed} of {len(DISGUISES) + len(OTHERS)} found")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
