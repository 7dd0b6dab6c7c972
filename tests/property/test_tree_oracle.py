"""cm-tree/v1 against a second implementation, written from docs/reference/formats/tree.md and sharing no code."""

from __future__ import annotations

import hashlib
import json
import unicodedata

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from countermark.artefact import tree
from countermark.artefact.tree import TreeEntry, compare, parse_manifest, tree_of
from countermark.errors import TreeRefused

File = tuple[str, bytes, bool]


def oracle_root(leaves: list[bytes], node: bytes) -> bytes:
    """RFC 6962 section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return hashlib.sha256(node + oracle_root(leaves[:k], node) + oracle_root(leaves[k:], node)).digest()


def oracle_digest(files: list[File], chunk: int = 4 * 1024 * 1024) -> str:
    leaves = []
    for path, content, executable in sorted(files, key=lambda f: f[0].encode("utf-8")):
        chunks = [content[i : i + chunk] for i in range(0, len(content), chunk)]
        root = oracle_root([hashlib.sha256(b"\x10" + c).digest() for c in chunks], b"\x11")
        name = path.encode("utf-8")
        leaf = len(name).to_bytes(4, "big") + name + len(content).to_bytes(8, "big") + bytes([executable]) + root
        leaves.append(hashlib.sha256(b"\x20" + leaf).digest())
    counts = len(files).to_bytes(8, "big") + sum(len(f[1]) for f in files).to_bytes(8, "big")
    return hashlib.sha256(b"cm-tree/v1\x00" + b"\x01" + counts + oracle_root(leaves, b"\x21")).hexdigest()


parts = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="/\\"), min_size=1, max_size=12)
paths = st.lists(parts, min_size=1, max_size=4).map("/".join).map(lambda p: unicodedata.normalize("NFC", p))


def acceptable(path: str) -> bool:
    try:
        tree.check_path(path)
    except TreeRefused:
        return False
    return True


def folded(path: str) -> str:
    return unicodedata.normalize("NFC", path.casefold())


files = st.lists(
    st.tuples(paths.filter(acceptable), st.binary(max_size=64), st.booleans()),
    min_size=1,
    max_size=20,
    unique_by=lambda f: folded(f[0]),
)


def entries(these: list[File]) -> list[TreeEntry]:
    return [TreeEntry(path, len(content), bit, tree.bytes_root(content)) for path, content, bit in these]


@settings(derandomize=True, max_examples=200, deadline=None)
@given(files)
def test_digest_is_the_oracles(these: list[File]) -> None:
    assert tree_of(entries(these)).digest == oracle_digest(these)


@pytest.mark.parametrize("size", [0, 1, 4 << 20, (4 << 20) + 1, 3 * (4 << 20) - 1, 5 * (4 << 20)])
def test_chunks_are_the_oracles(size: int) -> None:
    content = hashlib.shake_128(b"%d" % size).digest(size)
    these = [("model.bin", content, False)]
    assert tree_of(entries(these)).digest == oracle_digest(these)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(files)
def test_manifest_is_canonical_json_and_reads_back(these: list[File]) -> None:
    whole = tree_of(entries(these))
    lines = whole.manifest().splitlines(keepends=True)
    assert lines == [rfc8785.dumps(json.loads(line)) + b"\n" for line in lines]
    assert tree_of(parse_manifest(lines)) == whole


@settings(derandomize=True, max_examples=200, deadline=None)
@given(files, files)
def test_two_trees_agree_exactly_where_their_files_do(one: list[File], other: list[File]) -> None:
    left, right = tree_of(entries(one)), tree_of(entries(other))
    assert (left.digest == right.digest) == (sorted(one) == sorted(other))
    assert bool(compare(left, right)) == (left.digest != right.digest)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.text(max_size=30))
def test_any_name_is_taken_or_refused_cleanly(path: str) -> None:
    """Whatever is taken stays inside the folder and shows on a screen as what it is."""
    try:
        tree.check_path(path)
    except TreeRefused:
        return
    assert ".." not in path.split("/") and not path.startswith("/") and "\x1b" not in path
    assert unicodedata.normalize("NFC", path) == path and path.encode()
