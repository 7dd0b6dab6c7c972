"""One witness of three has an ML-DSA-44 key: enrolled, asked over a socket, counted in the quorum, and read in the papers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import small_release
from core_world import OTHER, OWNER, SECOND, SUPPLIER, World

from countermark.errors import LedgerRefused, SignatureRefused, StatementRefused, Unusable
from countermark.guard import server
from countermark.keys import signer
from countermark.keys.cosigner import ML_DSA_44, SIGNATURE_BYTES
from countermark.keys.verifier import PublicKey
from countermark.ledger.note import Note
from countermark.ledger.receipt import Receipt
from countermark.lifecycle import enrol, own_keys, release, witnessing
from countermark.lifecycle.verify import pinned, verify_model
from countermark.passport.passport import Passport, packed
from countermark.witness.app import Witness

KINDS = {SUPPLIER: "ml-dsa-44", SECOND: "ed25519", OTHER: "ed25519"}


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[World]:
    """The quorum asks for the ML-DSA-44 witness and for one of the other two; each is on a socket."""
    world = small_release.make(tmp_path / "world")
    with ExitStack() as held:
        for name, algorithm in KINDS.items():
            own_keys.new_key(world[name].space, "witness", algorithm, None)
            fresh = enrol.enrolment(world[name]).keys
            world.amend(lambda d, n=name, k=fresh: d.with_party(replace(d.party(n), keys=k)))
        urls = {
            n: held.enter_context(server.background(Witness(lambda body, n=n: witnessing.answer(world[n], body))))
            for n in KINDS
        }
        world.amend(lambda d: replace(d, quorum=quorum(world, urls)))
        yield world


def quorum(world: World, urls: dict[str, str]) -> str:
    lines = [f"witness {n} {witnessing.key_of(world[n], world[n].trust()).vkey()} {urls[n]}" for n in KINDS]
    return "\n".join(
        [*lines, f"group classical any {SECOND} {OTHER}", f"group both all {SUPPLIER} classical", "quorum both", ""]
    )


def released(world: World) -> tuple[Path, Path]:
    assert witnessing.ask(world[OWNER], world[OWNER].trust()).enough
    return small_release.model(world, "model")


def lines(passport: Passport) -> dict[str, bytes]:
    note = Note.from_bytes(Receipt.from_bytes(passport.verdict.receipt or b"").checkpoint)
    return {s.name.rsplit("/", 1)[-1]: s.signature for s in note.signatures}


def test_papers_are_witnessed_by_keys_of_both_kinds(watched: World) -> None:
    model, papers = released(watched)
    reader = watched[OTHER]
    done = verify_model(model, papers, pinned(reader), reader.now())
    assert done.state == "admitted, witnessed" and done.witnessed.startswith(
        f"witnessed by {SUPPLIER}, {OTHER}, {SECOND} at"
    )
    passport = Passport.from_bytes(papers.read_bytes())
    assert len(lines(passport)[SUPPLIER]) == 8 + SIGNATURE_BYTES[ML_DSA_44] == 2428
    print(f"{papers.stat().st_size:,} bytes of papers, {len(passport.to_json_bytes()):,} before they are deflated")


def test_without_its_line_or_with_another_the_quorum_is_not_met(watched: World) -> None:
    model, papers = released(watched)
    reader, text = watched[OTHER], Passport.from_bytes(papers.read_bytes()).to_json_bytes()
    note = Receipt.from_bytes(Passport.from_bytes(papers.read_bytes()).verdict.receipt or b"").checkpoint.decode()
    line = next(one for one in note.splitlines() if f"/{SUPPLIER} " in one)
    start = line.rindex(" ") + 40
    forged = line[:start] + ("A" if line[start] != "A" else "B") + line[start + 1 :]
    for changed in ("", forged + "\\n"):
        papers.write_bytes(packed(text.replace((line + "\\n").encode(), changed.encode())))
        with pytest.raises(LedgerRefused, match=r"not cosigned by the quorum|does not verify"):
            verify_model(model, papers, pinned(reader), reader.now())


def test_a_head_that_does_not_grow_is_not_cosigned_by_it_either(watched: World) -> None:
    desk, trust = watched[OWNER], watched[OWNER].trust()
    assert witnessing.ask(desk, trust).enough
    answer = witnessing.answer(watched[SUPPLIER], witnessing.request(desk, trust).to_bytes())
    assert answer.status == 409, "it knows a larger one than it is told that it knows"


def test_a_key_that_nobody_enrolled_is_no_witness(watched: World) -> None:
    stranger = signer.generate("witness", "ml-dsa-44").public
    named = witnessing.of_key("countermark.invalid/parts/acme", stranger).vkey()
    with pytest.raises(StatementRefused, match="no enrolled witness key"):
        watched.amend(lambda d: replace(d, quorum=f"witness acme {named}\nquorum acme\n"))


@pytest.mark.parametrize("use", ["root", "statement", "ledger", "oms"])
def test_it_is_taken_for_witnesses_alone(use: str, tmp_path: Path) -> None:
    made = signer.generate("witness", "ml-dsa-44")
    made.save(tmp_path / "witness.pem")
    assert signer.load(tmp_path / "witness.pem", "witness").public == made.public
    with pytest.raises(SignatureRefused, match="for witnesses alone"):
        PublicKey.from_spki(use, made.public.spki)
    with pytest.raises(Unusable) as told:
        signer.load(tmp_path / "witness.pem", use)  # type: ignore[arg-type]
    assert "for witnesses alone" in told.value.why


def test_by_commands(project) -> None:
    """As a witness and the owners type it."""
    project("key", "new", "witness", "--algorithm", "ml-dsa-44", at="acme")
    project("party", "add", "../acme/acme.enrol.json", "--role", "supplier", "--scope", "nut,screw", at="manufacturer")
    for at in ("manufacturer", "engineering", "manufacturer"):
        words = ["--out", "../next.json"] if not (project.here / "next.json").exists() else ["../next.json"]
        project("trust", "sign", *words, at=at)
    project("trust", "export", "../trust.jsonl", at="manufacturer")
    fingerprint = project("trust", "show", "--json", at="manufacturer").json()["fingerprint"]
    project("trust", "pin", fingerprint, "--trust", "../trust.jsonl", at="acme")
    line = project("witness", "key", "--json", at="acme").json()["line"]
    (project.here / "manufacturer" / "witnesses.txt").write_text(f"{line}\nquorum acme\n")
    assert project("trust", "quorum", "witnesses.txt", at="manufacturer").exit == 0
    project("key", "new", "statement", "--algorithm", "ml-dsa-44", at="acme", exit=1)


def test_release_asks_it(watched: World) -> None:
    folder = watched.root / "model"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(b"weights")
    done = release.release(watched[OWNER], folder, small_release.POLICY)
    assert done.judged.admitted and done.passport is not None
