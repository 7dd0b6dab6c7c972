"""Views of a ledger: two that agree, two that prove a fork to anybody, and servers that lie about their tiles."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import small_release
from core_world import OWNER, SUPPLIER, World, private_key
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from plain_web import web

from countermark import merkle
from countermark.errors import CountermarkError, LedgerRefused, NothingToVerify, StatementRefused, Unusable
from countermark.ledger.fork import Fork
from countermark.ledger.log import Log
from countermark.ledger.stores.files import FileStore
from countermark.lifecycle import acts, care, views
from countermark.lifecycle.views import Forked
from countermark.passport.slip import ledger_note_key

SCHEMAS = Path(__file__).parents[3] / "docs" / "reference" / "formats" / "schemas"


@pytest.fixture
def small(tmp_path: Path) -> World:
    world = small_release.make(tmp_path / "small")
    small_release.model(world, "model")
    return world


def history(world: World, name: str, leaves: list[bytes]) -> Path:
    """A ledger under the key that everybody trusts."""
    folder = world.root / name
    key = ledger_note_key(world[OWNER].trust())
    with Log.create(FileStore.at(folder), key, private_key(OWNER, "ledger").sign) as log:
        for leaf in leaves:
            log.append([leaf])
    return folder


def leaves(count: int, last: bytes = b"") -> list[bytes]:
    return [bytes([n]) for n in range(count - 1)] + [last or bytes([count - 1])]


def view(world: World, where: object) -> views.View:
    return views.read(world[SUPPLIER].trust(), str(where))


@pytest.mark.parametrize("sizes", [(3, 3), (1, 7), (4, 7), (5, 7), (6, 7), (4, 8), (300, 700)])
def test_views_of_one_history_agree(small: World, sizes: tuple[int, int]) -> None:
    older, newer = (history(small, f"h{n}-{s}", [b"%d" % i for i in range(s)]) for n, s in enumerate(sizes))
    for first, second in ((older, newer), (newer, older), (older / "checkpoint", newer), (newer, older / "checkpoint")):
        done = views.compare(view(small, first), view(small, second))
        assert (done.earlier.head.size, done.later.head.size, done.more) == (*sizes, sizes[1] - sizes[0])


@pytest.mark.parametrize("sizes", [(3, 3), (1, 7), (2, 7), (4, 7), (5, 7), (6, 7), (4, 8), (300, 700), (256, 512)])
def test_two_histories_prove_themselves_to_anybody(small: World, sizes: tuple[int, int]) -> None:
    """Of every shape, also where the earlier tree is a subtree of the later and its root is in no proof."""
    names = [b"%d" % i for i in range(sizes[1])]
    older = history(small, "older", [*names[: sizes[0] - 1], b"another"])
    newer = history(small, "newer", names)
    for first, second in ((older, newer), (newer, older / "checkpoint")):
        with pytest.raises(Forked) as refused:
            views.compare(view(small, first), view(small, second))
        fork = Fork.from_bytes(refused.value.fork.to_bytes())
        key = ledger_note_key(small[SUPPLIER].trust())
        earlier, later = fork.verify((key, key))
        assert (earlier.size, later.size) == sizes
    schema = json.loads((SCHEMAS / "fork.schema.json").read_bytes())
    Draft202012Validator(schema).validate(json.loads(fork.to_bytes()))
    (small.root / "evidence.json").write_bytes(fork.to_bytes())
    assert views.read_fork(small[SUPPLIER].trust(), small.root / "evidence.json")[0].size == sizes[0]


def test_evidence_cannot_be_made_up(small: World) -> None:
    """Of an honest ledger there is none: not from its own heads, whatever root and proof are put beside them."""
    folder, key = history(small, "honest", leaves(7)), ledger_note_key(small[OWNER].trust())
    shorter = history(small, "shorter", leaves(5))
    notes = [(f / "checkpoint").read_bytes() for f in (shorter, folder)]
    good = view(small, folder)
    roots = [merkle.root([merkle.RFC6962.leaf(x) for x in leaves(n)]) for n in (3, 4, 5, 6, 7)]
    proofs = [(), *(tuple(good.reader.consistency(n, good.head)) for n in (1, 3, 4, 5, 6))]
    for earlier, later in ((notes[0], notes[1]), (notes[1], notes[0]), (notes[0], notes[0]), (notes[1], notes[1])):
        for root in (*roots, bytes(32)):
            for proof in proofs:
                with pytest.raises(LedgerRefused):
                    Fork(earlier, later, root, proof).verify((key, key))
    forged = notes[0].replace(b"\n5\n", b"\n4\n")
    with pytest.raises(LedgerRefused):
        Fork(forged, notes[1], bytes(32), proofs[3]).verify((key, key))


@given(st.binary(max_size=400), st.integers(0, 600), st.integers(0, 255))
def test_no_bytes_crash_the_reader_of_evidence(data: bytes, at: int, byte: int) -> None:
    good = bytearray(Fork("é\n\n— a b\n".encode() * 3, b"x", bytes(32), (bytes(32),) * 3).to_bytes())
    good[at % len(good)] = byte
    for some in (data, bytes(good)):
        try:
            Fork.from_bytes(some)
        except StatementRefused:
            continue


def test_views_without_tiles_can_only_be_compared_where_they_bring_a_proof(small: World) -> None:
    older, newer = (history(small, name, leaves(size)) for name, size in (("older", 3), ("newer", 7)))
    with pytest.raises(NothingToVerify, match="not shown"):
        views.compare(view(small, older / "checkpoint"), view(small, newer / "checkpoint"))
    with pytest.raises(LedgerRefused):
        view(small, history(small, "empty", [b"x"]) / "tile" / "0" / "000.p" / "1")


def test_papers_carry_heads_and_proofs(small: World, tmp_path: Path) -> None:
    served = small[OWNER].space.home / "ledger"
    shutil.copytree(served, tmp_path / "before")
    first = view(small, small.root / "model.cmpass")
    acts.snapshot(small[OWNER])
    assert views.compare(first, view(small, served)).more == 1
    small_release.model(small, "second", b"others")
    second = view(small, small.root / "second.cmpass")
    assert views.compare(first, second).more == 2, "a later passport proves that it extends what was shown before"


def test_a_ledger_over_http_is_monitored_and_its_fork_is_kept(small: World, tmp_path: Path) -> None:
    reader = small[SUPPLIER]
    honest, forked = history(small, "honest", leaves(5)), history(small, "forked", [*leaves(5, b"x"), b"y"])
    place = tmp_path / "served"
    shutil.copytree(honest, place)
    with web(place) as url:
        assert care.monitor(reader, url).before == 0 and care.monitor(reader, url).before == 5
        shutil.rmtree(place)
        shutil.copytree(forked, place)
        with pytest.raises(Forked) as refused:
            care.monitor(reader, url)
        (kept,) = (reader.space.home / views.FORKS).iterdir()
        assert str(kept) in refused.value.mend
        assert views.read_fork(small[OWNER].trust(), kept)[1].size == 6
        shutil.rmtree(place)
        shutil.copytree(history(small, "short", leaves(2)), place)
        with pytest.raises(LedgerRefused, match="5 were seen before"):
            care.monitor(reader, url)


def test_a_mark_of_before_notes_were_kept_still_refuses(small: World) -> None:
    reader, state = small[SUPPLIER], small[SUPPLIER].space.home / care.STATE
    care.monitor(reader, str(history(small, "honest", leaves(5))))
    old = json.loads(state.read_bytes())
    del old["note"]
    state.write_bytes(json.dumps(old).encode())
    with pytest.raises(Forked):
        care.monitor(reader, str(history(small, "forked", [*leaves(5, b"x"), b"y"])))
    assert not (reader.space.home / views.FORKS).exists(), "nothing that nobody signed is called evidence"
    assert care.monitor(reader, str(history(small, "grown", leaves(6)))).before == 5


def _lies(folder: Path, change: Callable[[bytearray], None], name: str) -> None:
    file = folder / name
    data = bytearray(file.read_bytes())
    change(data)
    file.write_bytes(data)


def flip(data: bytearray) -> None:
    data[40] ^= 1


@pytest.mark.parametrize(
    ("name", "change"),
    [("tile/0/000.p/7", flip), ("tile/0/000.p/7", bytearray.clear), ("tile/0/000.p/7", lambda d: d.extend(bytes(32))),
     ("checkpoint", flip), ("checkpoint", bytearray.clear), ("checkpoint", lambda d: d.extend(b"x" * (1 << 19)))],
)  # fmt: skip
def test_a_server_that_lies_about_its_tiles_is_refused_and_is_no_fork(small: World, name: str, change) -> None:
    reader = small[SUPPLIER]
    care.monitor(reader, str(history(small, "honest", leaves(5))))
    served = history(small, "grown", leaves(7))
    _lies(served, change, name)
    with web(served) as url, pytest.raises((LedgerRefused, Unusable)) as refused:
        care.monitor(reader, url)
    assert not isinstance(refused.value, Forked)
    assert not (reader.space.home / views.FORKS).exists()


def test_nothing_is_asked_of_an_address_that_is_not_allowed(small: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "create_connection", lambda *_: pytest.fail("a connection was made"))
    for url in ("http://ledger.example/log", "https://user@ledger.example", "HTTP://10.0.0.1/"):
        with pytest.raises(Unusable):
            care.monitor(small[SUPPLIER], url)


@pytest.mark.parametrize("where", ["", "nowhere", "/dev/zero", "checkpoint"])
def test_what_is_no_view_is_refused(small: World, where: str) -> None:
    with pytest.raises(CountermarkError):
        views.read(small[SUPPLIER].trust(), where)
