"""`training/unseeded-random`: two runs of the recipe give two models."""

from __future__ import annotations

from collections.abc import Iterator

from countermark.checks.training._program import ABSENT, Call, Program
from countermark.checks.training._rule import Hit, Rule

_SOURCES = {
    "random": (("random.*",), ("random.seed", "random.Random", "random.setstate", "lightning*.seed_everything", "*.set_seed", "*.seed_everything")),
    "numpy.random": (("numpy.random.*",), ("numpy.random.seed", "numpy.random.set_state", "*.set_seed", "*.seed_everything")),
    "torch": (
        ("torch.rand", "torch.randn", "torch.randint", "torch.randperm", "torch.nn.init.*", "torch.utils.data.random_split", "torch.normal",
         "torch.bernoulli", "torch.multinomial", "torch.nn.Linear", "torch.nn.Conv2d"),
        ("torch.manual_seed", "torch.random.manual_seed", "torch.seed", "*.set_seed", "*.seed_everything"),
    ),
    "tensorflow": (
        ("tensorflow.random.*", "keras.layers.Dense", "keras.layers.Conv2D", "tensorflow.keras.layers.*"),
        ("tensorflow.random.set_seed", "keras.utils.set_random_seed", "tensorflow.keras.utils.set_random_seed", "tensorflow.set_random_seed"),
    ),
}  # fmt: skip
_NOT_DRAWS = frozenset({"numpy.random.default_rng", "numpy.random.RandomState", "numpy.random.Generator", "numpy.random.SeedSequence",
                        "numpy.random.PCG64", "numpy.random.Philox", "random.SystemRandom"})  # fmt: skip
_OWN = {
    "numpy.random.default_rng": 0,
    "numpy.random.RandomState": 0,
    "numpy.random.SeedSequence": 0,
    "random.Random": 0,
}
_STATE = {
    "sklearn.model_selection.train_test_split": "shuffle", "sklearn.model_selection.KFold": "only with shuffle",
    "sklearn.model_selection.StratifiedKFold": "only with shuffle", "sklearn.model_selection.ShuffleSplit": "",
    "sklearn.cluster.KMeans": "", "sklearn.cluster.MiniBatchKMeans": "", "sklearn.ensemble.RandomForestClassifier": "",
    "sklearn.ensemble.RandomForestRegressor": "", "sklearn.ensemble.ExtraTreesClassifier": "", "sklearn.ensemble.ExtraTreesRegressor": "",
    "sklearn.ensemble.IsolationForest": "", "sklearn.neural_network.MLPClassifier": "", "sklearn.neural_network.MLPRegressor": "",
    "sklearn.utils.shuffle": "", "sklearn.utils.resample": "", "sklearn.manifold.TSNE": "", "sklearn.mixture.GaussianMixture": "",
    "sklearn.linear_model.SGDClassifier": "", "sklearn.linear_model.SGDRegressor": "", "sklearn.tree.DecisionTreeClassifier": "",
}  # fmt: skip
"""Calls with ``random_state``, and the switch that makes them draw at all."""


def _find(program: Program) -> Iterator[Hit]:
    seeded = False
    for library, (draws, seeds) in _SOURCES.items():
        seeded_here = any(call.node.args or call.node.keywords for call in program.calls(*seeds))
        seeded |= seeded_here and library == "numpy.random"
        for call in () if seeded_here else program.calls(*draws):
            if call.name not in _NOT_DRAWS and "()" not in call.name:
                yield Hit(call.code, call.node, f"{call.name} draws, and nothing seeds {library}")
                break  # one place tells enough
    for call in program.calls(*_OWN):
        if call.value("seed", 0) in (ABSENT, None):
            yield Hit(call.code, call.node, f"{call.name} without a seed")
    for call in () if seeded else program.calls(*_STATE):
        if call.value("random_state") in (ABSENT, None) and _draws(call):
            yield Hit(call.code, call.node, f"{call.name} without random_state")


def _draws(call: Call) -> bool:
    switch, shuffle = _STATE[call.name], call.value("shuffle")
    if switch == "only with shuffle":
        return shuffle is not ABSENT and shuffle is not False
    return not (switch == "shuffle" and shuffle is False)


RULE = Rule(
    "training/unseeded-random", "medium", _find,
    why="nobody can train the model again and compare, and whoever trains can draw until a bad model comes",
    fix="seed every source of chance from the recipe's [seeds]",
    cannot_tell="what a library draws inside; a second run shows that",
)  # fmt: skip
