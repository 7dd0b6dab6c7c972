"""Two deliveries compared: every kind of change is told from the others, against a plain model, in bounded memory."""

from __future__ import annotations

import hashlib
from collections import Counter

import pytest
from core_world import World
from hypothesis import given
from hypothesis import strategies as st

from countermark.artefact.tree import TreeEntry
from countermark.errors import StatementRefused, TreeRefused, Unusable
from countermark.lifecycle import compare, parcel
from countermark.lifecycle.compare import Change

ROWS = st.dictionaries(st.from_regex(r"[ab]/[a-d]{1,2}", fullmatch=True), st.integers(0, 4), max_size=14)


def entries(rows: dict[str, int]) -> list[TreeEntry]:
    return [TreeEntry(p, 1, False, hashlib.sha256(b"%d" % rows[p]).digest()) for p in sorted(rows)]


def kinds(old: dict[str, int], new: dict[str, int]) -> list[Change]:
    return compare.compare(entries(old), entries(new)).changes


def test_each_kind_of_change() -> None:
    old = {"nut/1": 1, "nut/2": 2, "nut/3": 3, "nut/4": 4, "screw/5": 5}
    new = {"nut/1": 1, "nut/2": 20, "screw/3": 3, "nut/four": 4, "screw/6": 6}
    assert sorted(kinds(old, new), key=lambda c: c.kind) == [
        Change("added", "", "screw/6"), Change("changed", "nut/2", "nut/2"), Change("moved", "nut/4", "nut/four"),
        Change("relabelled", "nut/3", "screw/3"), Change("removed", "screw/5", ""),
    ]  # fmt: skip
    seen = compare.compare(entries(old), entries(new), most=2)
    assert len(seen.changes) == 2 and sum(seen.counts.values()) == 5 and seen.same == 1
    assert seen.by_label["screw"] == Counter(relabelled=1, removed=1, added=1)


@given(ROWS, ROWS)
def test_counts_add_up_and_nothing_is_told_twice(old: dict[str, int], new: dict[str, int]) -> None:
    seen = compare.compare(entries(old), entries(new))
    both = [p for p in old if p in new]
    assert seen.same == sum(old[p] == new[p] for p in both)
    assert seen.counts["changed"] == len(both) - seen.same
    befores, nows = [c.before for c in seen.changes if c.before], [c.now for c in seen.changes if c.now]
    assert len(set(befores)) == len(befores) and len(set(nows)) == len(nows)
    assert set(befores) | {p for p in both if old[p] == new[p]} == set(old)
    assert set(nows) | {p for p in both if old[p] == new[p]} == set(new)
    for change in seen.changes:
        if change.kind in ("moved", "relabelled"):
            assert old[change.before] == new[change.now]
            assert (change.kind == "moved") == (change.before[0] == change.now[0])
    left = Counter(old[p] for p in old if p not in new) - Counter(new[p] for p in new if p not in old)
    assert seen.counts["removed"] == sum(left.values()), "what could be paired was"


def test_lists_out_of_order_are_refused() -> None:
    rows = entries({"a/1": 1, "a/2": 2})
    for old, new in ((rows[::-1], rows), (rows, rows[::-1]), ([*rows, rows[1]], rows)):
        with pytest.raises(StatementRefused, match="stands after"):
            compare.compare(old, new)


def test_too_many_to_pair_is_said() -> None:
    old, new = entries({f"a/{n}": n for n in range(5)}), entries({f"b/{n}": n for n in range(5)})
    seen = compare.compare(old, new, paired=2)
    assert seen.unpaired and sum(seen.counts[k] for k in ("added", "relabelled")) == 5


def test_delivery_files_stand_for_their_folders(world: World) -> None:
    folder, piece = world.delivered()
    file = parcel.beside(folder)
    with compare.listed(file) as (digest, left), compare.listed(folder) as (read, right):
        assert digest == read == piece.tree.digest
        seen = compare.compare(left, right)
    assert (seen.same, seen.changes) == (len(piece.tree.entries), [])
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([*lines[:-1]]))
    with pytest.raises(TreeRefused, match="not the signed one"), compare.listed(file):
        pass
    file.write_bytes(b"\n".join([b"{}", *lines[1:]]))
    with pytest.raises(StatementRefused), compare.listed(file):
        pass
    with pytest.raises(Unusable), compare.listed(world.root / "nothing"):
        pass
