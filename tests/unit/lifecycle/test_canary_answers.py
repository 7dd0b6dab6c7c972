"""Foreign bytes of canaries: answers of a served model, and key files; whatever is in them, they parse or are refused."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

pytest.importorskip("scipy")

from countermark.errors import CountermarkError, FormatRefused, TreeRefused
from countermark.lifecycle import canary
from countermark.lifecycle.canary_test import _read
from countermark.statement.predicates.delivery import Canaries
from countermark.tracing.canary import CanaryKey, Half, Pair

GOOD = b"".join(b'{"file_name":"nut/%d.png","scores":{"nut":0.25,"screw":-7}}\n' % n for n in range(4))
KEY = CanaryKey(bytes(32), [Pair("nut", (Half("nut/0.png", bytes(32)), Half("nut/1.png", b"1" * 32)))])


def mutants(good: bytes, count: int) -> list[bytes]:
    dice, out = random.Random(11), []
    parts = [
        b"",
        b"\x00",
        b"\xff",
        b"{",
        b"[" * 200,
        b'"',
        b"1e999",
        b"9" * 400,
        b"null",
        b"-",
        b'{"a":1}',
        b"\xf0\x9f\x94\xa9",
        b"NaN",
    ]
    for _ in range(count):
        at, cut = dice.randrange(len(good)), dice.randrange(12)
        out.append(good[:at] + dice.choice(parts) + good[at + cut :])
    return out


def test_answers_parse_or_are_refused(tmp_path: Path) -> None:
    file, refused = tmp_path / "answers.jsonl", 0
    for data in [GOOD, *mutants(GOOD, 400)]:
        file.write_bytes(data)
        try:
            labels, table = _read(file)
        except CountermarkError:
            refused += 1
        else:
            assert all(len(scores) == len(labels) for scores in table.values())
    assert 200 < refused < 401


@pytest.mark.parametrize(
    "line",
    [b"[]", b'{"file_name":1,"scores":{}}', b'{"file_name":"a","scores":{}}', b'{"file_name":"a","scores":{"nut":true}}', b'{"file_name":"a","scores":{"nut":"1"}}',
     b'{"file_name":"a","scores":{"nut":1},"more":1}', b'{"file_name":"a","scores":{"nut":' + b"9" * 400 + b"}}"],
    ids=range(7),
)  # fmt: skip
def test_lines_that_are_no_answers(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "a").write_bytes(line)
    with pytest.raises(CountermarkError):
        _read(tmp_path / "a")
    (tmp_path / "a").write_bytes(GOOD + GOOD)
    with pytest.raises(FormatRefused):
        _read(tmp_path / "a")


def test_keys_parse_or_are_refused() -> None:
    good, refused = KEY.to_bytes(), 0
    for data in mutants(good, 400):
        try:
            again = CanaryKey.from_bytes(data)
        except CountermarkError:
            refused += 1
        else:
            assert again.commitment == CanaryKey.from_bytes(again.to_bytes()).commitment
    assert refused > 200


def test_a_tree_that_was_not_drawn_is_refused() -> None:
    from countermark.artefact.tree import TreeEntry, tree_of

    (sent,), (kept,) = KEY.split()

    def tree(*halves: Half) -> object:
        return tree_of(TreeEntry(half.path, 1, False, half.root) for half in halves)

    canary.must_fit(KEY, tree(sent))
    for bad in ((kept,), (sent, kept), (sent, Half("elsewhere/x", kept.root)), (Half("nut/9.png", sent.root),)):
        with pytest.raises(TreeRefused):
            canary.must_fit(KEY, tree(*bad))
    assert canary.declared(KEY) == Canaries(1, KEY.commitment)
