"""Decision trees of LightGBM and XGBoost: every child is a node of its own tree, every list as long as it must be.

Source: `Tree::ToString` and `GBDT::SaveModelToString` of LightGBM 4; `doc/model.schema` of XGBoost 3.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from countermark.formats.limits import Malformed, OverLimit, Unaccounted
from countermark.sandbox.task import Source

MOST_BYTES = 256 << 20
_NUMBER = r"[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|inf|nan)"
_LIST = re.compile(rf"(?:{_NUMBER})?(?: {_NUMBER})* ?")
_HEAD = frozenset(["version", "num_class", "num_tree_per_iteration", "label_index", "max_feature_idx", "objective", "average_output", "feature_names", "monotone_constraints", "feature_infos", "tree_sizes", "boosting", "linear_tree"])  # fmt: skip
_NODES = frozenset(
    [
        "split_feature",
        "split_gain",
        "threshold",
        "decision_type",
        "left_child",
        "right_child",
        "internal_value",
        "internal_weight",
        "internal_count",
    ]
)
_LEAVES = frozenset(["leaf_value", "leaf_weight", "leaf_count", "leaf_const", "num_features"])
_FREE = frozenset(
    [
        "num_leaves",
        "num_cat",
        "cat_boundaries",
        "cat_threshold",
        "is_linear",
        "leaf_features",
        "leaf_coeff",
        "shrinkage",
        "num_grad_quant_bins",
    ]
)
_SETTING = re.compile(r"\[[a-z0-9_]+: .*\]")


def lightgbm(source: Source) -> int:
    """Read a LightGBM text model; every line must be one that its writer writes.

    Returns:
        number of trees.

    Raises:
        Malformed: a child outside its tree, lists of other lengths. Unaccounted: a line that is not known. OverLimit: over 256 MiB.
    """
    if source.size > MOST_BYTES:
        raise OverLimit("text bytes", source.size, MOST_BYTES)
    try:
        lines = source.read(0, source.size).decode().split("\n")
    except UnicodeDecodeError as error:
        raise Malformed("lightgbm-text", "not UTF-8", offset=error.start) from error
    place = iter(enumerate(lines))
    next(place)
    tree: dict[str, str] = {}
    trees, features, named = 0, -1, ""
    for number, line in place:
        key, equals, value = line.partition("=")
        if line == "end of trees":
            _tree(tree, features, number)
            _rest(place)
            return trees
        if key == "Tree" and equals:
            _tree(tree, features, number)
            tree, trees, named = {}, trees + 1, value
            if value != str(trees - 1):
                raise Malformed("lightgbm-tree", f"tree {value[:20]!r} where {trees - 1} must be (line {number + 1})")
        elif line:
            _put(tree if named else None, key, value if equals else line, number)
            features = int(value) if key == "max_feature_idx" and value.isdigit() and len(value) < 10 else features
    raise Malformed("lightgbm-end", "the trees do not end")


def _put(tree: dict[str, str] | None, key: str, value: str, number: int) -> None:
    known = _HEAD if tree is None else _NODES | _LEAVES | _FREE
    if key not in known:
        raise Unaccounted("lightgbm-line", f"line {number + 1} is not known: {key[:40]!r}")
    if tree is None:
        return
    if key in tree:
        raise Malformed("lightgbm-twice", f"{key} stands twice in a tree (line {number + 1})")
    if not _LIST.fullmatch(value.strip()) and key not in ("leaf_features", "leaf_coeff"):
        raise Malformed("lightgbm-number", f"{key} holds no numbers (line {number + 1})")
    tree[key] = value


def _tree(tree: dict[str, str], features: int, line: int) -> None:
    if not tree:
        return
    leaves = int(tree.get("num_leaves", "0").strip() or 0) if tree.get("num_leaves", "").strip().isdigit() else 0
    if leaves < 1:
        raise Malformed("lightgbm-tree", f"a tree without leaves (before line {line + 1})")
    for key, value in tree.items():
        count = len(value.split())
        wanted = leaves - 1 if key in _NODES else leaves
        if (key in _NODES or key in _LEAVES) and count not in (wanted, 0):
            raise Malformed("lightgbm-length", f"{key} has {count} numbers, not {wanted} (before line {line + 1})")
    children = [int(v) for key in ("left_child", "right_child") for v in _whole(tree.get(key, ""), line)]
    if any(not -leaves <= child < leaves - 1 for child in children):
        raise Malformed(
            "lightgbm-child",
            f"a child outside its tree (before line {line + 1})",
            why="a reader walks out of its memory",
        )
    if any(not 0 <= int(v) <= features for v in _whole(tree.get("split_feature", ""), line)):
        raise Malformed(
            "lightgbm-feature",
            f"a feature that is none (before line {line + 1})",
            why="a reader walks out of its memory",
        )


def _whole(text: str, line: int) -> list[str]:
    words = text.split()
    if any(len(w) > 11 or not w.lstrip("-").isdigit() for w in words):
        raise Malformed("lightgbm-number", f"a number that is not whole (before line {line + 1})")
    return words


def _rest(place: Iterator[tuple[int, str]]) -> None:
    """Importances, parameters and categories, which tell and do nothing."""
    part = ""
    for number, line in place:
        if line in ("feature_importances:", "feature importances:", "parameters:", "end of parameters"):
            part = line
        elif (
            not line
            or line.startswith("pandas_categorical:")
            or (part.startswith("feature") and re.fullmatch(r".+=\d+", line))
        ):
            continue
        elif not (part == "parameters:" and _SETTING.fullmatch(line)):
            raise Unaccounted("lightgbm-line", f"line {number + 1} is not known: {line[:40]!r}")


def xgboost(value: Any) -> int:
    """Check a parsed XGBoost model.

    Returns:
        number of trees.

    Raises:
        Malformed: a child outside its tree, lists of other lengths, or not the parts of a model. Unaccounted: another booster.
    """
    learner = value.get("learner") if isinstance(value, dict) else None
    if not isinstance(learner, dict) or not set(value) <= {"learner", "version", "Config"}:
        raise Malformed("xgboost-model", "not the parts of a model", offset=0)
    booster = learner.get("gradient_booster")
    if isinstance(booster, dict) and isinstance(booster.get("gbtree"), dict):  # dart holds the trees one deeper
        booster = booster["gbtree"]
    model = booster.get("model") if isinstance(booster, dict) else None
    if not isinstance(model, dict):
        raise Malformed("xgboost-model", "no booster", offset=0)
    if "trees" not in model:
        if set(model) <= {"weights", "param", "boosted_rounds"} and isinstance(model.get("weights"), list):
            return 0
        raise Unaccounted("xgboost-booster", "a booster of another kind")
    if not isinstance(model["trees"], list):
        raise Malformed("xgboost-model", "trees that are no list", offset=0)
    features = _natural(learner.get("learner_model_param"), "num_feature")
    for number, tree in enumerate(model["trees"]):
        _xgboost_tree(tree, features, number)
    return len(model["trees"])


def _natural(holder: Any, key: str) -> int:
    text = holder.get(key) if isinstance(holder, dict) else None
    if not isinstance(text, str) or not text.isdigit() or len(text) > 10:
        raise Malformed("xgboost-number", f"{key} is no number", offset=0)
    return int(text)


def _xgboost_tree(tree: Any, features: int, number: int) -> None:
    nodes = _natural(tree.get("tree_param") if isinstance(tree, dict) else None, "num_nodes")
    for key in ("left_children", "right_children", "parents", "split_indices", "split_conditions", "default_left"):
        items = tree.get(key)
        if not isinstance(items, list) or len(items) != nodes:
            raise Malformed("xgboost-length", f"tree {number}: {key} does not have {nodes} numbers", offset=0)
        if key.endswith("children") and any(type(n) is not int or not -1 <= n < nodes for n in items):
            raise Malformed(
                "xgboost-child", f"tree {number}: a child outside", offset=0, why="a reader walks out of its memory"
            )
        if key == "split_indices" and any(type(n) is not int or not 0 <= n < max(1, features) for n in items):
            raise Malformed(
                "xgboost-feature",
                f"tree {number}: a feature that is none",
                offset=0,
                why="a reader walks out of its memory",
            )
