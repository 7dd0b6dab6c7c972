"""The pages of signed traces and canary tests: their examples parse, and what the parsers take fits the schemas."""

from __future__ import annotations

import copy
import json
import random
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from countermark.errors import StatementRefused
from countermark.lifecycle.fingerprint_statement import list_digest
from countermark.statement.predicates.canary import CanaryTest
from countermark.statement.predicates.fingerprint import FingerprintTrace

PAGES = Path(__file__).parents[3] / "docs" / "reference" / "formats"
KINDS: dict[str, tuple[str, Any]] = {
    "fingerprint-trace": ("fingerprint-trace", FingerprintTrace),
    "canary-test": ("canary", CanaryTest),
}


def text(name: str) -> str:
    return (PAGES / f"{KINDS[name][0]}.md").read_text()


def example(name: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(re.findall(r"^```\n(.*?)^```", text(name), re.MULTILINE | re.DOTALL)[-1])
    return value


def schema(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads((PAGES / "schemas" / f"{name}.schema.json").read_bytes()))


@pytest.mark.parametrize("name", KINDS)
def test_the_example_parses_and_every_field_is_named(name: str) -> None:
    assert KINDS[name][1].from_json(example(name)).to_json() == example(name)
    schema(name).validate(example(name))
    assert set(example(name)) <= set(re.findall(r"`([a-z0-9_]+)`", text(name)))


@pytest.mark.parametrize("name", KINDS)
def test_what_the_parser_takes_fits_the_schema(name: str) -> None:
    dice, refused, odd = random.Random(3), 0, [None, -1, 1.5, True, "x" * 5000, [], {}, ["a"], "UPPER", 2**60, 0]
    good, checks = example(name), schema(name)
    for _ in range(400):
        other = copy.deepcopy(good)
        node = dice.choice([other, other, *other.get("named", []), other["context"]])
        field = dice.choice(list(node))
        if dice.random() < 0.2:
            del node[field]
        else:
            node[dice.choice([field, field, field, "unheard-of"])] = dice.choice(odd)
        try:
            KINDS[name][1].from_json(other)
        except StatementRefused:
            refused += 1
        else:
            checks.validate(other)
    assert 200 < refused < 400


def test_the_digest_of_a_list_hangs_on_its_names_alone() -> None:
    assert list_digest(["b", "a"]) == list_digest(["a", "b"]) != list_digest(["a", "b", "c"])
