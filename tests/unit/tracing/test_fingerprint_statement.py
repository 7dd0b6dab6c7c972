"""The page of signed traces under test: its example parses, and what the parser takes fits the schema."""

from __future__ import annotations

import copy
import json
import random
import re
from pathlib import Path

import jsonschema

from countermark.errors import StatementRefused
from countermark.lifecycle.fingerprint_statement import list_digest
from countermark.statement.predicates.fingerprint import FingerprintTrace

PAGES = Path(__file__).parents[3] / "docs" / "reference" / "formats"
TEXT = (PAGES / "fingerprint-trace.md").read_text()
EXAMPLE = json.loads(re.findall(r"^```\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)[-1])
SCHEMA = jsonschema.Draft202012Validator(json.loads((PAGES / "schemas" / "fingerprint-trace.schema.json").read_bytes()))


def test_the_example_parses_and_every_field_is_named() -> None:
    assert FingerprintTrace.from_json(EXAMPLE).to_json() == EXAMPLE
    SCHEMA.validate(EXAMPLE)
    assert set(EXAMPLE) <= set(re.findall(r"`([a-z0-9_]+)`", TEXT))


def test_what_the_parser_takes_fits_the_schema() -> None:
    dice, refused, odd = random.Random(3), 0, [None, -1, 1.5, True, "x" * 5000, [], {}, ["a"], "UPPER", 2**60, 0]
    for _ in range(500):
        other = copy.deepcopy(EXAMPLE)
        node = dice.choice([other, other, other["named"][0], other["context"]])
        name = dice.choice(list(node))
        if dice.random() < 0.2:
            del node[name]
        else:
            node[dice.choice([name, name, name, "unheard-of"])] = dice.choice(odd)
        try:
            FingerprintTrace.from_json(other)
        except StatementRefused:
            refused += 1
        else:
            SCHEMA.validate(other)
    assert 250 < refused < 500


def test_the_digest_of_a_list_hangs_on_its_names_alone() -> None:
    assert list_digest(["b", "a"]) == list_digest(["a", "b"]) != list_digest(["a", "b", "c"])
