"""Tree digest: which names it takes, what it binds, and how it tells two folders apart."""

from __future__ import annotations

import time

import pytest

from countermark import canonical
from countermark.artefact import tree
from countermark.artefact.tree import CHUNK_BYTES, CHUNKS, FILES, Tree, TreeEntry, compare, parse_manifest, tree_of
from countermark.errors import StatementRefused, TreeRefused


def entry(path: str, content: bytes = b"x", executable: bool = False) -> TreeEntry:
    return TreeEntry(path, len(content), executable, tree.bytes_root(content))


@pytest.mark.parametrize(
    "path",
    [
        "", "/", "/etc/passwd", "a//b", "a/", "./a", "a/./b", "..", "../a", "a/../b", "a/..", "a\\b", "C:\\x", "a\0b",
        "e\u0301.png", "\u212b", "bell\x07.png", "\x1b[2J", "two\nlines", "tab\there", "\x7f", "\x9b31m", "\u2028",
        "cod\u202egnp.exe", "\u2066x\u2069", "\udcff.png", "a" * 4097, "\u00e9" * 2049, "/" * 10,
    ],
)  # fmt: skip
def test_names_that_no_tree_may_hold(path: str) -> None:
    with pytest.raises(TreeRefused) as caught:
        tree.check_path(path)
    assert caught.value.what.isprintable(), "the message itself must not carry the hostile characters"
    assert caught.value.mend or "longer" in caught.value.what


@pytest.mark.parametrize(
    "path",
    ["a", "a/b.png", ".hidden", "a/.b/c", "...", "a b", "\u00e9.png", "\u65e5\u672c/\U0001f600", "a" * 4096, "x:y"],
)
def test_plain_names_are_taken(path: str) -> None:
    tree.check_path(path)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a", "a"),
        ("Nut/1.png", "nut/1.png"),
        ("stra\u00dfe", "STRASSE"),
        ("\u01f0", "\u01f0".upper().lower()),
        ("\u03c2", "\u03c3"),
    ],
)
def test_names_that_are_one_file_elsewhere(one: str, other: str) -> None:
    with pytest.raises(TreeRefused, match="one file on some systems"):
        tree_of([entry(one), entry(other)])


def test_the_very_same_entry_twice_is_refused() -> None:
    same = entry("a")
    with pytest.raises(TreeRefused):
        tree_of([same, same])


def test_no_files_are_no_tree() -> None:
    with pytest.raises(TreeRefused, match="no files"):
        tree_of([])


def test_order_of_entries_does_not_matter_and_sorts_by_bytes() -> None:
    names = ["b", "a/b", "a-b", "a", "\uffee", "\U00010000", "Z", "\u00e9"]
    one, other = tree_of(map(entry, names)), tree_of(map(entry, reversed(names)))
    assert one == other
    assert [e.path.encode() for e in one.entries] == sorted(n.encode() for n in names)


def test_everything_is_bound() -> None:
    base = [entry("a", b"1"), entry("b", b"2")]
    digests = {
        tree_of(base).digest,
        tree_of([entry("a", b"2"), entry("b", b"1")]).digest,
        tree_of([entry("a", b"1"), entry("c", b"2")]).digest,
        tree_of([entry("a", b"1", True), entry("b", b"2")]).digest,
        tree_of([base[0]._replace(size=2), base[1]]).digest,
        tree_of([*base, entry("empty", b"")]).digest,
        tree_of(base[:1]).digest,
    }
    assert len(digests) == 7


def test_a_chunk_tree_node_is_no_file_leaf_and_no_chunk() -> None:
    """Second preimages: neither inner nodes nor leaves of one tree pass for those of the other."""
    left, right = b"l" * CHUNK_BYTES, b"r"
    root = tree.bytes_root(left + right)
    inner = CHUNKS.leaf(left) + CHUNKS.leaf(right)
    assert root == CHUNKS.node(CHUNKS.leaf(left), CHUNKS.leaf(right))
    assert root not in (tree.bytes_root(inner), tree.bytes_root(b"\x11" + inner), FILES.leaf(inner))
    pair = tree_of([entry("a"), entry("b")])
    hashes = b"".join(e.leaf() for e in pair.entries)
    assert tree_of([entry("a", hashes)]).digest != pair.digest
    prefixes = [p for h in (CHUNKS, FILES) for p in (h.leaf_prefix, h.node_prefix)]
    assert len(set(prefixes)) == 4


def test_sizes_beyond_the_format_are_refused_not_overflowed() -> None:
    line = canonical.from_bytes(b'["a",9007199254740992,false,"' + b"0" * 64 + b'"]')
    with pytest.raises(StatementRefused, match="size"):
        TreeEntry.from_json(line)
    huge = [entry(f"{n}")._replace(size=tree.MAX_FILE_BYTES) for n in range(2049)]
    with pytest.raises(TreeRefused, match="64 bits"):
        tree_of(huge)


@pytest.mark.parametrize(
    "line",
    [
        b"", b"{}", b"[]", b'["a",1,false]', b'["a",1.0,false,"00"]', b'["a",true,false,"00"]', b'["a",1,0,"00"]',
        b'["a",-1,false,"' + b"0" * 64 + b'"]', b'["a",1,false,"' + b"A" * 64 + b'"]', b'["a",1,false,"00",1]',
        b'["../a",1,false,"' + b"0" * 64 + b'"]', b'["\\ud800",1,false,"' + b"0" * 64 + b'"]',
        b'["/a",1,false,"' + b"0" * 64 + b'"]', b"[" * 100_000, b"x" * 40_000, b"\xff",
    ],
    ids=range(16),
)  # fmt: skip
def test_malformed_manifest_lines_are_refused(line: bytes) -> None:
    with pytest.raises((StatementRefused, TreeRefused)):
        list(parse_manifest([line]))


def test_a_manifest_reads_back() -> None:
    whole = tree_of([entry('q"uote', b""), entry("\u00e9/x", b"2", True), entry("z", b"3" * 9)])
    assert tree_of(parse_manifest(whole.manifest().splitlines())) == whole
    assert whole.total_bytes == 10


def test_differences_name_file_expected_and_seen() -> None:
    before = tree_of([entry("a", b"1" * 9), entry("b", b"2"), entry("big", b"3" * 2000), entry("d", b"4"), entry("e")])
    after = tree_of(
        [
            entry("a", b"1" * 8 + b"0"),
            entry("moved", b"2"),
            entry("big", b"ptr"),
            entry("d", b"4", True),
            entry("new", b"9"),
        ]
    )
    found = {d.path: d for d in compare(before, after)}
    assert {p: d.kind for p, d in found.items()} == {
        "a": "changed", "b": "renamed", "big": "changed", "d": "executable bit changed", "e": "missing", "new": "extra",
    }  # fmt: skip
    assert found["b"].seen == "moved"
    assert "pointer file" in found["big"].cause
    assert tree.bytes_root(b"1" * 9).hex()[:16] in str(found["a"])
    unread = tree.Difference("a", "changed", "12ab", "", "size 3 became 4")
    assert str(unread) == "changed: a (expected 12ab, not read); size 3 became 4"
    assert compare(before, before) == ()


def test_renames_pair_up_one_to_one() -> None:
    before = tree_of([entry(f"old{n}", b"same") for n in range(3)])
    after = tree_of([entry(f"new{n}", b"same") for n in range(2)])
    assert [(d.kind, d.path, d.seen) for d in compare(before, after)] == [
        ("renamed", "old0", "new0"), ("renamed", "old1", "new1"), ("missing", "old2", ""),
    ]  # fmt: skip


def test_comparing_strangers_takes_linear_time() -> None:
    """A hostile folder that shares nothing with 20,000 signed files must not cost their product."""

    def many(prefix: str) -> Tree:
        return Tree(tuple(TreeEntry(f"{prefix}{n}", n, False, b"%032d" % n) for n in range(20_000)), prefix)

    start = time.process_time()
    one, other = many("a"), many("b")
    shifted = Tree(tuple(e._replace(size=e.size + 50_000) for e in other.entries), "c")
    assert len(compare(one, shifted)) == 40_000
    assert time.process_time() - start < 3
