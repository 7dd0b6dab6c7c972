"""`model/trees`: boosted trees of LightGBM (text) and XGBoost (JSON and UBJSON); CatBoost is recognised and not read."""

from __future__ import annotations

import re

from countermark.checks.model._check import Look, ModelFile, refused
from countermark.formats import json_text, tree_models, ubjson
from countermark.formats.limits import Malformed, OverLimit

ID = "model/trees"
_JSON = re.compile(rb'\s*\{\s*"learner"\s*:')
_UBJ = re.compile(rb"\{[iUIlL]\0{0,7}\x07learner")


def _kind(file: ModelFile) -> str:
    if _JSON.match(file.head):
        return "xgboost json"
    if _UBJ.match(file.head):
        return "xgboost ubjson"
    if file.head.startswith(b"tree\nversion="):
        return "lightgbm text"
    return "catboost" if file.head.startswith(b"CBM1") else ""


def looks_at(file: ModelFile) -> bool:
    """By how each begins."""
    return bool(_kind(file))


def look(file: ModelFile) -> Look:
    """Account for every byte."""
    kind = _kind(file) or "unknown"
    if kind in ("catboost", "unknown"):
        return Look(ID, kind, "unproven", f"{kind} is recognised and not read here; export to ONNX or JSON")
    try:
        trees = _read(file, kind)
    except Malformed as error:
        return refused(ID, kind, file, error)
    return Look(ID, kind, "proven", f"{trees} trees, every child inside its tree", counts=(("trees", trees),))


def _read(file: ModelFile, kind: str) -> int:
    if kind == "lightgbm text":
        return tree_models.lightgbm(file.source)
    if kind == "xgboost ubjson":
        return tree_models.xgboost(ubjson.parse(file.source))
    if file.source.size > json_text.MOST_BYTES:
        raise OverLimit("text bytes", file.source.size, json_text.MOST_BYTES)
    return tree_models.xgboost(json_text.parse(file.source.read(0, file.source.size), "xgboost-json"))
