"""`training/clock-seed`: a seed that changes by itself is none."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from countermark.checks.training._program import Program, matches
from countermark.checks.training._rule import Hit, Rule

_SEEDS = ("random.seed", "random.Random", "numpy.random.seed", "numpy.random.default_rng", "numpy.random.RandomState", "torch.manual_seed",
          "torch.cuda.manual_seed", "torch.cuda.manual_seed_all", "tensorflow.random.set_seed", "keras.utils.set_random_seed",
          "*.seed_everything", "*.set_seed")  # fmt: skip
_MOVING = ("time.*", "datetime.*", "os.urandom", "os.getpid", "uuid.*", "secrets.*", "random.SystemRandom*", "builtins.id", "builtins.hash", "torch.seed",
           "torch.initial_seed", "random.random", "random.randint", "random.getrandbits", "socket.gethostname", "platform.node")  # fmt: skip


def _find(program: Program) -> Iterator[Hit]:
    for code, name, node in program.references("torch.seed", "torch.random.seed"):
        yield Hit(code, node, f"{name} seeds with something that nobody chose")
    for call in program.calls(*_SEEDS):
        for part in (inner for argument in call.node.args for inner in ast.walk(argument)):
            names = call.code.names.of(part) if isinstance(part, ast.Name | ast.Attribute) else ()
            moving = next((n for n in sorted(names) if matches(n, _MOVING)), None)
            if moving:
                yield Hit(call.code, call.node, f"{call.name} seeds from {moving}")
                break


RULE = Rule(
    "training/clock-seed", "medium", _find,
    why="the run cannot be repeated, and looks as if it could",
    fix="a number in the recipe's [seeds]",
    cannot_tell="whether the seed matters to the model",
)  # fmt: skip
