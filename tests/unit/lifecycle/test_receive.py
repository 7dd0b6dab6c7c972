"""Receiving: every delivery that must not pass is refused by name, and nothing admitted is ever lost."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from core_world import OTHER, OWNER, SECOND, STRANGER, SUPPLIER, World, private_key

from countermark import canonical, dsse
from countermark.artefact.folder import read_folder
from countermark.errors import SignatureRefused, StatementRefused, TreeRefused, TrustRefused, Unusable
from countermark.keys.document import Revocation
from countermark.keys.signer import sign_envelope
from countermark.lifecycle import answers, book, parcel
from countermark.lifecycle.deliver import deliver, look
from countermark.lifecycle.deliveries import DATA, Received, admitted_trees, received
from countermark.lifecycle.parcel import Parcel
from countermark.lifecycle.receive import finish, receive
from countermark.lifecycle.verify import verify_delivery
from countermark.passport.slip import verify
from countermark.statement.predicates.delivery import TYPE
from countermark.statement.statement import Statement


def owners_ledger_size(world: World) -> int:
    with book.ledger(world[OWNER], world[OWNER].trust()) as log:
        return log.checkpoint.size


def resign(folder: Path, piece: Parcel, signer: str, use: str = "statement", **context: object) -> None:
    """Write the delivery again with another context, signer or key."""
    delivery = replace(piece.delivery, context=replace(piece.delivery.context, **context))  # type: ignore[arg-type]
    statement = replace(piece.statement, predicate=delivery.to_json())
    envelope = sign_envelope(dsse.IN_TOTO, statement.to_bytes(), [private_key(signer, use)])  # type: ignore[arg-type]
    parcel.beside(folder).write_bytes(Parcel(envelope, statement, delivery, piece.tree).to_bytes())


def refused(world: World, folder: Path, what: str, *, stranger: bool = False) -> Received:
    answer = receive(world[OWNER], folder)
    assert answer.state == "refused"
    assert any(what in reason for reason in answer.reasons), answer.reasons
    assert (answer.answer is None) == stranger
    if answer.answer:
        verify(answer.answer, world[SUPPLIER].trust(), world.clock())
    with pytest.raises(Unusable, match="no delivery was admitted"):
        admitted_trees(world[OWNER])
    return answer


def test_a_delivery_is_admitted_kept_and_answered_with_a_receipt(world: World) -> None:
    folder, piece = world.delivered()
    answer = receive(world[OWNER], folder)
    assert (answer.state, answer.reasons, answer.rows, answer.supplier) == ("admitted", (), 4, SUPPLIER)
    assert answer.folder is not None and answer.answer is not None
    assert read_folder(answer.folder / DATA).digest == piece.tree.digest
    shown = verify(answer.answer, world[SUPPLIER].trust(), world.clock())
    assert (shown.party.id, shown.statement.digest, shown.context.addressee) == (OWNER, piece.tree.digest, SUPPLIER)
    assert list(admitted_trees(world[OWNER])) == [piece.envelope.digest]
    assert list((world[OWNER].space.home / "incoming").iterdir()) == []


def test_receiving_twice_is_harmless(world: World) -> None:
    folder, _ = world.delivered()
    first = receive(world[OWNER], folder)
    assert receive(world[OWNER], folder) == first
    assert owners_ledger_size(world) == 2
    assert received(world[OWNER]) == [first]


def test_executable_files_stay_executable_and_so_keep_their_digest(world: World) -> None:
    folder = world.parts()
    (folder / "nut" / "0.png").chmod(0o755)
    _, piece = world.delivered(folder)
    kept = receive(world[OWNER], folder).folder
    assert kept is not None and read_folder(kept / DATA).digest == piece.tree.digest


@pytest.mark.parametrize("how", ["change", "add", "remove", "rename", "mode"])
def test_what_was_altered_in_transit_is_refused_by_file_and_kept_aside(world: World, how: str) -> None:
    folder, _ = world.delivered()
    victim = folder / "nut" / "0.png"
    {
        "change": lambda: victim.write_bytes(b"altered"),
        "add": lambda: (folder / "nut" / "new.png").write_bytes(b"new"),
        "remove": victim.unlink,
        "rename": lambda: victim.rename(folder / "nut" / "7.png"),
        "mode": lambda: victim.chmod(0o755),
    }[how]()
    answer = refused(world, folder, "nut/new.png" if how == "add" else "nut/0.png")
    assert answer.folder is not None and answer.folder.parent.name == "refused"
    assert (answer.folder / DATA / "screw" / "0.png").exists()
    again = receive(world[OWNER], folder)
    assert again == answer and owners_ledger_size(world) == 2, "the same refusal is not entered twice"


def test_a_refused_delivery_that_arrives_whole_is_admitted(world: World) -> None:
    folder, piece = world.delivered()
    before = (folder / "nut" / "0.png").read_bytes()
    (folder / "nut" / "0.png").write_bytes(b"altered")
    assert receive(world[OWNER], folder).state == "refused"
    (folder / "nut" / "0.png").write_bytes(before)
    assert receive(world[OWNER], folder).state == "admitted"
    assert [(r.state, r.parcel.envelope.digest) for r in received(world[OWNER]) if r.parcel] == [
        ("admitted", piece.envelope.digest)
    ]
    assert owners_ledger_size(world) == 3


def test_a_refusal_stays_in_the_history_after_the_delivery_was_admitted(world: World) -> None:
    folder, piece = world.delivered()
    before = (folder / "nut" / "0.png").read_bytes()
    for content in (b"altered", b"altered again"):
        (folder / "nut" / "0.png").write_bytes(content)
        receive(world[OWNER], folder)
    (folder / "screw" / "0.png").unlink()
    receive(world[OWNER], folder)
    assert [p.then for p in answers.past(world[OWNER], received(world[OWNER]))] == ["then refused again"] * 2
    (folder / "screw" / "0.png").write_bytes(b"parts screw 0" * 20)
    (folder / "nut" / "0.png").write_bytes(before)
    assert receive(world[OWNER], folder).state == "admitted"
    past = answers.past(world[OWNER], received(world[OWNER]))
    assert [(p.supplier, p.sequence, p.delivery, p.then) for p in past] == [
        (SUPPLIER, 1, piece.envelope.digest, "then admitted")
    ] * 3
    assert "nut/0.png" in past[0].reasons[0]


def test_what_followed_a_refused_delivery_is_told(world: World) -> None:
    folder, piece = world.delivered()
    (folder / "nut" / "0.png").write_bytes(b"altered")
    receive(world[OWNER], folder)
    assert answers.then(received(world[OWNER])) == {}
    deliver(world[SUPPLIER], folder, addressee=OWNER, replace=True)
    assert receive(world[OWNER], folder).state == "admitted"
    every = received(world[OWNER])
    assert answers.then(every) == {piece.envelope.digest: "then replaced by delivery 2, which was admitted"}
    assert answers.past(world[OWNER], every) == []


def test_a_file_that_nobody_signed_is_hashed_but_not_copied(world: World) -> None:
    folder, _ = world.delivered()
    (folder / "nut" / "more.png").write_bytes(bytes(5 << 20))
    answer = refused(world, folder, "extra: nut/more.png")
    assert answer.folder is not None and not (answer.folder / DATA / "nut" / "more.png").exists()


def test_a_folder_far_larger_than_was_signed_is_not_read_to_its_end(world: World) -> None:
    folder, _ = world.delivered()
    with (folder / "nut" / "1.png").open("wb") as file:
        file.truncate(1 << 43)
    refused(world, folder, "far more files or bytes than were signed")


def test_a_row_too_large_for_memory_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, _ = world.delivered()
    monkeypatch.setattr(parcel, "MAX_ROW_BYTES", 100)
    refused(world, folder, "is larger than 100 bytes")
    with pytest.raises(TrustRefused, match="may not deliver"):
        deliver(world[SUPPLIER], folder, addressee=OWNER)


def test_a_folder_with_a_link_out_of_it_is_refused(world: World) -> None:
    folder, _ = world.delivered()
    (folder / "nut" / "out.png").symlink_to(world[OWNER].space.home / "keys" / "root.pem")
    refused(world, folder, "nut/out.png is a symbolic link")


def test_a_pipe_in_the_folder_is_refused(world: World) -> None:
    folder, _ = world.delivered()
    os.mkfifo(folder / "nut" / "pipe.png")
    refused(world, folder, "nut/pipe.png is neither a file nor a folder")


@pytest.mark.parametrize("name", [b"caf\xe9.png", "e\u0301.png".encode(), b"\x1b[31m.png"])
def test_hostile_names_in_the_folder_are_refused(world: World, name: bytes) -> None:
    folder, _ = world.delivered()
    with open(os.fsencode(folder / "nut") + b"/" + name, "wb"):
        pass
    answer = refused(world, folder, "nut/")
    assert all(reason.isprintable() for reason in answer.reasons)


def test_a_delivery_file_that_is_a_pipe_does_not_stall_the_door(world: World) -> None:
    folder = world.parts()
    os.mkfifo(parcel.beside(folder))
    with pytest.raises(Unusable, match="no plain file"):
        receive(world[OWNER], folder)


def test_a_missing_delivery_file_says_who_makes_it(world: World) -> None:
    with pytest.raises(Unusable, match="not beside the folder") as caught:
        receive(world[OWNER], world.parts())
    assert "countermark deliver" in caught.value.mend


def test_a_missing_folder_keeps_nothing(world: World) -> None:
    folder, _ = world.delivered()
    shutil.rmtree(folder)
    with pytest.raises(Unusable, match="cannot read"):
        receive(world[OWNER], folder)
    assert list((world[OWNER].space.home / "incoming").iterdir()) == []
    assert received(world[OWNER]) == []


@pytest.mark.parametrize("use", ["root", "ledger"])
def test_a_key_of_another_use_is_a_strangers(world: World, use: str) -> None:
    folder, piece = world.delivered()
    resign(folder, piece, OWNER, use)
    refused(world, folder, "no signature by a key that counts", stranger=True)


def test_a_stranger_is_turned_away_with_digest_and_reason_only(world: World) -> None:
    folder, piece = world.delivered()
    resign(folder, piece, STRANGER)
    refused(world, folder, "no signature by a key that counts", stranger=True)
    kept = list((world[OWNER].space.home / "refused").iterdir())
    assert len(kept) == 1
    note = json.loads(kept[0].read_bytes())
    assert note["file"] == canonical.sha256_hex(parcel.beside(folder).read_bytes())
    assert set(note) == {"file", "name", "reason", "time"}
    assert owners_ledger_size(world) == 0


def flip_signature(data: bytes) -> bytes:
    value = json.loads(data.split(b"\n", 1)[0])
    value["signatures"][0]["sig"] = "A" * 86 + "=="
    return canonical.to_bytes(value) + b"\n" + data.split(b"\n", 1)[1]


MANIFESTS = {
    "signature": flip_signature,
    "cut": lambda d: d[: len(d) // 2],
    "empty": lambda _: b"",
    "no manifest": lambda d: d.split(b"\n", 1)[0],
    "line dropped": lambda d: d[: d.rstrip(b"\n").rindex(b"\n") + 1],
    "line doubled": lambda d: d + d.rstrip(b"\n").rsplit(b"\n", 1)[1] + b"\n",
    "dotdot": lambda d: d.replace(b'["nut/0.png"', b'["../0.png"'),
    "absolute": lambda d: d.replace(b'["nut/0.png"', b'["/etc/0.png"'),
    "size": lambda d: d.replace(b",220,", b",999,", 1),
    "huge size": lambda d: d.replace(b'png",', b'png",9' + b"9" * 30, 1),
    "float": lambda d: d.replace(b'.png",', b'.png",1.0,', 1),
    "doubled key": lambda d: d.replace(b'{"payload"', b'{"payload":"x","payload"', 1),
    "deep": lambda _: b"[" * 1_000_000,
    "deep line": lambda d: d + b"[" * 30_000 + b"\n",
    "long line": lambda d: d + b" " * 40_000 + b"\n",
    "garbage": lambda _: os.urandom(3000),
}


@pytest.mark.parametrize("how", MANIFESTS)
def test_malformed_delivery_files_turn_away(world: World, how: str) -> None:
    folder, _ = world.delivered()
    file = parcel.beside(folder)
    file.write_bytes(MANIFESTS[how](file.read_bytes()))
    refused(world, folder, "", stranger=True)


def test_a_swapped_manifest_is_refused(world: World) -> None:
    """Envelope of one delivery, list of files of another: the list must be the signed one."""
    _, first = world.delivered()
    folder, second = world.delivered(world.parts("others"))
    parcel.beside(folder).write_bytes(Parcel(second.envelope, second.statement, second.delivery, first.tree).to_bytes())
    refused(world, folder, "not the signed one", stranger=True)


@pytest.mark.parametrize(
    "predicate",
    [{"more": 1}, {"bytes": 1.5}, {"classes": {"nut": 0}}, {"classes": {"nut\x1b": 4}}, {"layout": "odd"},
     {"context": {}}, {"replaces": "x"}, {"bytes": 1}],
    ids=str,
)  # fmt: skip
def test_signed_statements_that_are_malformed_turn_away(world: World, predicate: dict[str, object]) -> None:
    folder, piece = world.delivered()
    body = json.loads(piece.envelope.payload)
    body["predicate"] |= predicate
    payload = json.dumps(body).encode()
    envelope = sign_envelope(dsse.IN_TOTO, payload, [private_key(SUPPLIER, "statement")])
    parcel.beside(folder).write_bytes(envelope.to_bytes() + b"\n" + piece.tree.manifest())
    refused(world, folder, "", stranger=True)


def test_a_statement_of_another_project_is_not_replayed_here(world: World, tmp_path: Path) -> None:
    other = World.make(tmp_path / "elsewhere")
    other.clock.move(seconds=1)
    folder, piece = world.delivered()
    resign(folder, piece, SUPPLIER, project="a" * 64)
    refused(world, folder, "belongs to another project", stranger=True)


def test_a_delivery_for_somebody_else_is_refused_with_an_answer(world: World) -> None:
    folder, _ = world.delivered(to=SECOND)
    answer = refused(world, folder, "addressed to engineering, not to manufacturer")
    assert answer.supplier == SUPPLIER
    mine, _ = world.delivered(world.parts("mine"))
    assert receive(world[OWNER], mine).state == "admitted", "it takes no place in the sequence of this receiver"


def test_a_party_that_is_no_supplier_may_not_deliver(world: World) -> None:
    folder, piece = world.delivered()
    resign(folder, piece, SECOND)
    refused(world, folder, "engineering may not deliver")


def test_a_class_outside_the_scope_is_refused_at_both_ends(world: World) -> None:
    folder = world.parts("bolts", classes=("bolt",))
    assert look(folder, world[SUPPLIER].trust().document.party(SUPPLIER)).rejects == (
        "class bolt: outside the scope of acme",
    )
    with pytest.raises(TrustRefused, match="may not deliver") as caught:
        deliver(world[SUPPLIER], folder, addressee=OWNER)
    assert "widen the scope" in caught.value.mend
    piece = deliver(world[OTHER], folder, addressee=OWNER)
    resign(folder, piece, SUPPLIER)
    refused(world, folder, "class bolt is outside the scope of acme")


def test_a_note_among_the_pictures_is_no_row_and_is_not_signed(world: World) -> None:
    folder = world.parts()
    (folder / "screw" / "note.txt").write_text("screws of March")
    (folder / "nut" / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (folder / "nut" / "0001").write_bytes(b"\x89PNG\r\n\x1a\n and so on")
    seen = look(folder)
    assert seen.dataset.classes() == {"nut": 3, "screw": 2}
    assert [line.partition(":")[0] for line in seen.rejects] == ["nut/.DS_Store", "screw/note.txt"]
    with pytest.raises(TrustRefused, match="may not deliver") as refused:
        deliver(world[SUPPLIER], folder, addressee=OWNER)
    assert "note.txt: no picture" in refused.value.why


@pytest.mark.parametrize("days", [-30, 3], ids=["past", "future"])
def test_a_wrong_clock_is_refused_and_mended(world: World, days: int) -> None:
    """The supplier's clock is wrong; set right, the very same content is delivered again and admitted."""
    folder, piece = world.delivered()
    stamp = "2026-10-24T10:00:00Z" if days < 0 else "2026-11-26T10:00:00Z"
    resign(folder, piece, SUPPLIER, time=stamp)
    sent = world[SUPPLIER].space.home / "sent" / OWNER / "000001.cmdelivery"
    sent.write_bytes(parcel.beside(folder).read_bytes())
    refused(world, folder, "before the project began" if days < 0 else "in the future")
    again = deliver(world[SUPPLIER], folder, addressee=OWNER)
    assert again.delivery.context.sequence == 2
    assert receive(world[OWNER], folder).state == "admitted"


def test_an_old_delivery_passed_as_new_is_refused(world: World) -> None:
    old, piece = world.delivered()
    receive(world[OWNER], old)
    new, _ = world.delivered(world.parts("newer"))
    receive(world[OWNER], new)
    resign(old, piece, SUPPLIER, time="2026-11-23T10:00:01Z")
    answer = receive(world[OWNER], old)
    assert answer.state == "refused" and "an old one replayed" in answer.reasons[0]
    assert len(admitted_trees(world[OWNER])) == 2


def test_deliveries_out_of_order_are_admitted_once_they_are_in_order(world: World) -> None:
    first, _ = world.delivered(world.parts("one"))
    second, _ = world.delivered(world.parts("two"))
    third, _ = world.delivered(world.parts("three"))
    refused(world, second, "receive delivery 1 first")
    assert [receive(world[OWNER], f).state for f in (first, second, third)] == ["admitted"] * 3


def test_a_delivery_that_names_another_predecessor_is_refused(world: World) -> None:
    first, _ = world.delivered(world.parts("one"))
    receive(world[OWNER], first)
    second, piece = world.delivered(world.parts("two"))
    resign(second, piece, SUPPLIER, previous="b" * 64)
    answer = receive(world[OWNER], second)
    assert answer.state == "refused" and "names another delivery before it" in answer.reasons[0]


def test_delivering_the_same_content_again_is_the_same_delivery(world: World) -> None:
    folder, piece = world.delivered()
    assert deliver(world[SUPPLIER], folder, addressee=OWNER) == piece
    assert deliver(world[SUPPLIER], folder, addressee=SECOND).delivery.context.sequence == 1


def test_a_revoked_key_delivers_nothing_new_and_what_it_delivered_stays(world: World) -> None:
    old, _ = world.delivered(world.parts("one"))
    admitted = receive(world[OWNER], old)
    world.amend(
        lambda d: d.with_party(
            replace(
                d.party(SUPPLIER),
                keys=tuple(replace(k, revoked=Revocation(2, "stolen")) for k in d.party(SUPPLIER).keys),
            )
        )
    )
    assert receive(world[OWNER], old) == admitted
    new, _ = world.delivered(world.parts("two"))
    answer = receive(world[OWNER], new)
    assert answer.state == "refused" and "is revoked: stolen" in answer.reasons[0] and answer.answer is None
    assert list(admitted_trees(world[OWNER])) == [admitted.parcel.envelope.digest]  # type: ignore[union-attr]
    assert admitted.answer is not None
    assert verify(admitted.answer, world[OTHER].trust(), world.clock()).index == 1


def test_a_key_that_ended_is_turned_away(world: World) -> None:
    folder, _ = world.delivered()
    world.amend(
        lambda d: d.with_party(
            replace(
                d.party(SUPPLIER),
                keys=tuple(replace(k, not_after="2026-11-23T11:00:00Z") for k in d.party(SUPPLIER).keys),
            )
        )
    )
    world.clock.move(hours=2)
    refused(world, folder, "ended on 2026-11-23T11:00:00Z", stranger=True)


def test_under_an_expired_trust_document_nothing_is_received(world: World) -> None:
    folder, _ = world.delivered()
    world.clock.move(days=400)
    with pytest.raises(TrustRefused, match="expired") as caught:
        receive(world[OWNER], folder)
    assert "renew" in caught.value.mend


def test_reasons_of_the_contract_are_told_and_signed(world: World) -> None:
    folder, _ = world.delivered()
    answer = receive(
        world[OWNER], folder, examine=lambda who, rows, _: [f"{who} owes 9 nuts, sent {rows.classes()['nut']}"]
    )
    assert answer.reasons == ("acme owes 9 nuts, sent 2",)
    assert answer.answer is not None
    said = Statement.from_bytes(answer.answer.envelope.payload).predicate
    assert said["reasons"] == ["acme owes 9 nuts, sent 2"] and said["state"] == "refused"


def test_many_reasons_are_cut_short_and_counted(world: World) -> None:
    folder, _ = world.delivered()
    answer = receive(world[OWNER], folder, examine=lambda *_: [f"reason {n}" for n in range(300)])
    assert len(answer.reasons) == 101 and answer.reasons[-1] == "and 200 more"


@pytest.mark.parametrize("label", ["../../out", "a/b", "..", "", "\x1b[31m", "/etc"])
def test_labels_of_metadata_never_leave_the_training_folder(world: World, label: str) -> None:
    folder = world.root / SUPPLIER / "flat"
    folder.mkdir()
    (folder / "1.png").write_bytes(b"1")
    (folder / "metadata.jsonl").write_text(json.dumps({"file_name": "1.png", "label": label}))
    with pytest.raises((TreeRefused, StatementRefused)):
        deliver(world[SUPPLIER], folder, addressee=OWNER)


@pytest.mark.parametrize("name", [b"caf\xe9", "e\u0301".encode(), b"\x1b[31m", b"two\nlines"])
def test_a_folder_whose_own_name_is_hostile_is_refused(world: World, name: bytes) -> None:
    hostile = Path(os.fsdecode(os.fsencode(world.root) + b"/" + name))
    shutil.copytree(world.parts(), hostile)
    with pytest.raises(TreeRefused):
        deliver(world[SUPPLIER], hostile, addressee=OWNER)
    with pytest.raises(TreeRefused):
        receive(world[OWNER], hostile)


def test_the_folder_one_stands_in_can_be_delivered(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(world.parts())
    piece = deliver(world[SUPPLIER], Path(), addressee=OWNER)
    assert piece.statement.name == "parts"
    assert receive(world[OWNER], Path("../parts")).state == "admitted"
    with pytest.raises(Unusable, match="no name"):
        parcel.beside(Path("/"))


def test_a_statement_of_another_kind_is_no_delivery(world: World) -> None:
    folder, piece = world.delivered()
    statement = replace(piece.statement, predicate_type=TYPE.replace("delivery", "reception"))
    envelope = sign_envelope(dsse.IN_TOTO, statement.to_bytes(), [private_key(SUPPLIER, "statement")])
    parcel.beside(folder).write_bytes(envelope.to_bytes() + b"\n" + piece.tree.manifest())
    refused(world, folder, "is not a delivery", stranger=True)


def test_finish_does_nothing_where_nothing_was_left(world: World) -> None:
    folder, _ = world.delivered()
    receive(world[OWNER], folder)
    assert finish(world[OWNER]) == 0
    assert len(received(world[OWNER])) == 1


def test_a_party_that_keeps_no_ledger_does_not_receive(world: World) -> None:
    folder, _ = world.delivered(to=SECOND)
    with pytest.raises(TrustRefused, match="does not keep the ledger") as caught:
        receive(world[SECOND], folder)
    assert OWNER in caught.value.mend


def test_the_list_of_files_of_a_stranger_is_not_read(world: World) -> None:
    """Half a gigabyte of lines would cost minutes and gigabytes before anybody asked who signed them."""
    folder, piece = world.delivered()
    resign(folder, piece, STRANGER)
    beside = parcel.beside(folder)
    beside.write_bytes(beside.read_bytes() + b"no line of a list\n")
    refused(world, folder, "no signature by a key that counts", stranger=True)
    with pytest.raises(SignatureRefused, match="no signature by a key that counts"):
        verify_delivery(folder, world[OWNER])
    with pytest.raises(StatementRefused, match="manifest line"):
        verify_delivery(folder, None)


def test_no_two_deliveries_give_their_rows_the_same_names(world: World) -> None:
    """Rows are called by 48 bits of their delivery: two suppliers who work together find two deliveries that agree in them,
    and a decision about a harmless row of one would be a decision about a row of the other."""
    folder, piece = world.delivered()
    twin = world[OWNER].space.folder("deliveries") / (piece.envelope.digest[:12] + "0" * 52)
    twin.mkdir()
    assert "as those of another delivery" in receive(world[OWNER], folder).reasons[0]
    twin.rmdir()
    assert receive(world[OWNER], folder).state == "admitted"
