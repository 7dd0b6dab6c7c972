"""The pages of licences under test: the table of attacks is what the attacks give, examples parse, schemas and parsers agree."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import time_attacks
from licence_world import BEGIN, DAY, Licensors, Quota, Revocation, claims, lease, stamp

from countermark.errors import Refusal
from countermark.statement.predicates.beacon import MOST_BEACON_BYTES, Beacon, Reset
from countermark.statement.predicates.licence import Licence, ReturnReceipt, RevokedLicences
from countermark.statement.predicates.licence_claims import Claims
from countermark.statement.predicates.licence_host import KINDS

DOCS = Path(__file__).parents[3] / "docs" / "reference" / "formats"


def schema(name: str) -> jsonschema.Draft202012Validator:
    value = json.loads((DOCS / "schemas" / f"{name}.schema.json").read_bytes())
    jsonschema.Draft202012Validator.check_schema(value)
    return jsonschema.Draft202012Validator(value)


def test_the_table_of_attacks_is_what_they_give(tmp_path: Path) -> None:
    made = time_attacks.table(tmp_path)
    page = (DOCS / "licence-time.md").read_text()
    assert page.split(time_attacks.BEGINS)[1].split(time_attacks.ENDS)[0] == made, (
        "python attacks/licence/time_attacks.py --write"
    )
    for row in made.splitlines()[2:]:
        files, _, chip, broker = (cell.strip() for cell in row.strip("|").split("|")[1:])
        assert broker.startswith("refused: `"), f"a broker keeps heads and tells the time: {row}"
        assert chip.startswith("refused: `"), f"a chip that keeps a head notices each: {row}"
        assert files.startswith("refused: `") or files == time_attacks.GAINED


def test_the_example_parses_and_all_claims_are_named() -> None:
    text = (DOCS / "licence.md").read_text()
    example = json.loads(re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[-1])
    assert Licence.from_json(example).to_json() == example
    schema("licence").validate(example)
    named = set(re.findall(r"`([a-z_]+)`", text))
    assert set(Claims.__dataclass_fields__) <= named and {k for k in KINDS if "-" not in k} <= named


def said(licensors: Licensors) -> dict[str, tuple[Callable[[Any], Any], dict[str, Any]]]:
    """A good predicate of each kind, with its parser."""
    context = licensors.context()
    rich = claims(
        lease=lease(), revocation=Revocation("list", 1), max_queries=Quota(5, 60), fingerprint="m1", text="1" * 64
    )
    return {
        "licence": (Licence.from_json, Licence(context, None, rich).to_json()),
        "beacon": (Beacon.from_json, Beacon(context, 3, "0" * 16).to_json()),
        "licence-reset": (Reset.from_json, Reset(context, "0" * 16, stamp(BEGIN), "why").to_json()),
        "licence-revocations": (RevokedLicences.from_json, RevokedLicences(context, 1, frozenset({"a" * 64}), stamp(BEGIN + DAY)).to_json()),
        "licence-return": (ReturnReceipt.from_json, ReturnReceipt(context, "a" * 64, "promise", "").to_json()),
    }  # fmt: skip


NAMES = ("licence", "beacon", "licence-reset", "licence-revocations", "licence-return")


def mutated(value: dict[str, Any], dice: random.Random) -> dict[str, Any]:
    """The same document with one member taken out, added or replaced, somewhere."""
    out = json.loads(json.dumps(value))
    node = out
    while True:
        name = dice.choice(list(node))
        if isinstance(node[name], dict) and node[name] and dice.random() < 0.7:
            node = node[name]
            continue
        break
    kind = dice.randrange(3)
    if kind == 0:
        del node[name]
    elif kind == 1:
        node["unheard-of"] = 1
    else:
        node[name] = dice.choice([None, -1, 1.5, True, "x" * 5000, [], {}, ["a", "a"], "UPPER", 2**60])
    return out


@pytest.mark.parametrize("name", NAMES)
def test_what_a_parser_takes_its_schema_takes(name: str, licensors: Licensors) -> None:
    parse, good = said(licensors)[name]
    assert parse(good).to_json() == good
    schema(name).validate(good)
    dice, taken, refused = random.Random(5), 0, 0
    for _ in range(600):
        other = mutated(good, dice)
        try:
            parse(other)
        except Refusal:
            refused += 1
            continue
        taken += 1
        # null stands for absent in the parsers; the schemas are stricter there, and only there
        if not re.search(r": null", json.dumps(other)) or schema(name).is_valid(other):
            schema(name).validate(other)
    assert refused > 300 and taken < 300


def test_a_beacon_is_small(licensors: Licensors) -> None:
    assert len(licensors.beacon(BEGIN, epoch=2**40, answers="f" * 16)) <= MOST_BEACON_BYTES
