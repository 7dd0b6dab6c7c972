"""Witnesses on real sockets and by files: an honest ledger is cosigned, two histories never both are."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import small_release
from core_world import OTHER, OWNER, SECOND, SUPPLIER, World, private_key

from countermark.errors import StatementRefused, TrustRefused
from countermark.keys.document import TrustDocument
from countermark.lifecycle import book, enrol, own_keys, roster, trust_draft, trust_pin, trust_sign, witnessing
from countermark.lifecycle.receive import receive
from countermark.lifecycle.release import release

_SPEC = importlib.util.spec_from_file_location(
    "split_view", Path(__file__).parents[2] / "attacks" / "ledger" / "split_view.py"
)
split_view = importlib.util.module_from_spec(_SPEC)
sys.modules["split_view"] = split_view
_SPEC.loader.exec_module(split_view)


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("first", [(0, 0, 1), (0, 1, 1)])
def test_an_operator_with_two_histories_never_gets_both_cosigned(tmp_path: Path, number: int, first) -> None:
    with split_view.watched(tmp_path) as place:
        names = split_view.WITNESSES
        order = (*zip(first, names, strict=True), *zip((1 - w for w in first), names, strict=True))
        held = split_view.attack(tmp_path, number, order, place)
    assert sorted(held) == [False, True]


def test_the_keeper_asks_everybody_and_publishes_what_holds(tmp_path: Path, shell) -> None:
    with split_view.watched(tmp_path) as place:
        world = place.world
        folder, _ = world.delivered()
        receive(world[OWNER], folder)
        done = witnessing.ask(world[OWNER], world[OWNER].trust())
        assert done.enough and done.cosigned == tuple(sorted(split_view.WITNESSES)) and not done.missing
        again = witnessing.ask(world[OWNER], world[OWNER].trust())
        assert again.enough and again.checkpoint.size == done.checkpoint.size
        assert witnessing.seen(world[SUPPLIER], world[SUPPLIER].trust()).size == done.checkpoint.size


def test_a_witness_without_a_network_and_one_that_is_away(tmp_path: Path) -> None:
    with split_view.watched(tmp_path) as place:
        world = place.world
        urls = {SECOND: place.urls[SECOND], SUPPLIER: "http://127.0.0.1:9"}
        world.amend(lambda d: replace(d, quorum=split_view.policy_text(world, urls)))
        trust = world[OWNER].trust()
        folder, _ = world.delivered()
        receive(world[OWNER], folder)
        few = witnessing.ask(world[OWNER], trust, seconds=2)
        assert not few.enough and few.cosigned == (SECOND,) and set(few.missing) == {SUPPLIER, OTHER}
        answer = witnessing.answer(world[OTHER], witnessing.request(world[OWNER], trust).to_bytes())
        assert answer.status == 200
        assert witnessing.ask(world[OWNER], trust, [answer.body], seconds=2).enough


def test_after_a_rotation_each_witness_that_knows_only_the_old_key_is_named(tmp_path: Path) -> None:
    with split_view.watched(tmp_path) as place:
        world = place.world
        world.amend(small_release.amended)
        private_key(OWNER, "oms").save(world[OWNER].space.folder("keys") / "oms.pem")
        folder, _ = world.delivered()
        receive(world[OWNER], folder)
        with book.ledger(world[OWNER], world[OWNER].trust()) as log:
            size = log.checkpoint.size
        old = next(k.key.id for k in world[OWNER].trust().document.party(OWNER).keys if k.key.use == "ledger")
        trust_draft.revoke(world[OWNER], OWNER, key_id=old, reason="yearly", from_leaf=size)
        own_keys.new_key(world[OWNER].space, "ledger", "ed25519", None)
        roster.enrol_party(world[OWNER], enrol.enrolment(world[OWNER]))
        published(world)
        model = tmp_path / "model"
        model.mkdir()
        (model / "weights.bin").write_bytes(b"weights")
        done = release(world[OWNER], model, small_release.POLICY)
        assert not done.judged.admitted and set(done.witnesses) == {SUPPLIER, OTHER}  # the other owner knows it
        for said in done.witnesses.values():
            assert "status 403" in said and "not signed by a key of this log" in said and "newest trust version" in said
        for name in split_view.WITNESSES:
            trust_pin.pin(world[name], world.fingerprint, world.chain)
        again = release(world[OWNER], model, small_release.POLICY)
        assert again.judged.admitted and again.witnesses == {}


def published(world: World) -> None:
    """Both owners sign the draft; no supplier pins it yet."""
    trust_sign.sign_draft(world[OWNER])
    handed = world.root / "rotated.signed"
    handed.write_bytes((world[OWNER].space.home / "trust" / "draft.json.signed").read_bytes())
    trust_sign.sign_draft(world[SECOND], handed)
    trust_sign.sign_draft(world[OWNER], handed)


def test_the_quorum_is_of_enrolled_keys_and_never_the_operator_alone(tmp_path: Path) -> None:
    with split_view.watched(tmp_path) as place:
        document: TrustDocument = place.world[OWNER].trust().document
        own = document.party(OWNER).organisation
        within = tuple(replace(p, organisation=own) for p in document.parties)
        with pytest.raises(StatementRefused, match="within the organisation"):
            replace(document, parties=within).check()
        bare = tuple(replace(p, keys=tuple(k for k in p.keys if k.key.use != "witness")) for p in document.parties)
        with pytest.raises(StatementRefused, match="no enrolled witness key"):
            replace(document, parties=bare).check()
        with pytest.raises(TrustRefused):
            replace(document, quorum="some").check()


def test_nothing_else_is_on_the_socket(tmp_path: Path) -> None:
    import http.client

    with split_view.watched(tmp_path) as place:
        host, port = place.urls[SECOND].removeprefix("http://").split(":")
        seen = {}
        for method, path, body in (("GET", "/", b""), ("GET", "/add-checkpoint", b""), ("POST", "/add-checkpoint", b"x"),
                                   ("POST", "/add-checkpoint", b"old 0\n\n" + b"x" * (400 << 10)), ("POST", "/..", b"")):  # fmt: skip
            connection = http.client.HTTPConnection(host, int(port), timeout=5)
            connection.request(method, path, body)
            seen[method, path, len(body)] = connection.getresponse().status
            connection.close()
    assert list(seen.values()) == [404, 405, 400, 413, 404]
