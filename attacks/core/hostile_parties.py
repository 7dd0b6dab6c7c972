"""Parties who sign what is not theirs, in another's name, at another time, or for another project.

    python attacks/core/hostile_parties.py

The naive side checks what many verifiers check: that some signature in the envelope verifies under the key the
sender enrolled.
"""

from __future__ import annotations

import base64
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from both_sides import Attack, report
from core_world import OTHER, OWNER, SECOND, STRANGER, SUPPLIER, World, make_desk, private_key
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from countermark import dsse
from countermark.errors import TrustRefused
from countermark.keys.document import PAYLOAD_TYPE
from countermark.keys.signer import FileSigner, sign_envelope
from countermark.keys.verifier import PublicKey
from countermark.lifecycle import enrol, own_keys, parcel, trust_draft, trust_pin, trust_sign
from countermark.lifecycle.parcel import Parcel
from countermark.lifecycle.receive import receive
from countermark.passport.slip import Slip, addressed_to, verify

ED25519_SPKI = bytes.fromhex("302a300506032b6570032100")
IDENTITY = b"\x01" + bytes(31)


def naive(envelope: dsse.Envelope, key: PublicKey) -> str:
    """Verifies the first signature under a key; knows no use, role, project, order or time."""
    key.verify(envelope.signed_bytes(), envelope.signatures[0].sig)
    return f"signature of {key.id[:8]} is fine"


def refuse(world: World, folder: Path) -> None:
    """Receive, and raise where it is refused."""
    answer = receive(world[OWNER], folder)
    if answer.state != "admitted":
        raise TrustRefused("; ".join(answer.reasons))


def resigned(folder: Path, piece: Parcel, signer: FileSigner, **context: object) -> dsse.Envelope:
    delivery = replace(piece.delivery, context=replace(piece.delivery.context, **context))  # type: ignore[arg-type]
    statement = replace(piece.statement, predicate=delivery.to_json())
    envelope = sign_envelope(dsse.IN_TOTO, statement.to_bytes(), [signer])
    parcel.beside(folder).write_bytes(Parcel(envelope, statement, delivery, piece.tree).to_bytes())
    return envelope


def keys() -> list[Attack]:
    """Keys that are not what they seem."""
    small = ED25519_SPKI + IDENTITY
    public = ec.derive_private_key(7, ec.SECP256R1()).public_key()
    point = public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    second = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200") + point

    def anybody_signs() -> str:
        key = ed25519.Ed25519PublicKey.from_public_bytes(IDENTITY)
        for message in (b"I delivered this", b"I never did"):
            key.verify(IDENTITY + bytes(32), message)
        return "64 constant bytes sign every message"

    return [
        Attack("a key that anybody signs for", anybody_signs, lambda: PublicKey.from_spki("statement", small)),
        Attack("one key under two ids", lambda: load_der_public_key(second) == public,
               lambda: PublicKey.from_spki("root", second)),
    ]  # fmt: skip


def deliveries(root: Path) -> list[Attack]:
    """Deliveries of a project in which two were admitted already."""
    world = World.make(root / "world")
    old, first = world.delivered(world.parts("one"))
    receive(world[OWNER], old)
    out = []

    def attack(name: str, signer: FileSigner, by: str = SUPPLIER, **context: object) -> None:
        folder, piece = world.delivered(
            world.parts(f"p{len(out)}", classes=("bolt",) if by == OTHER else ("nut",)), by=by
        )
        envelope = resigned(folder, piece, signer, **context)
        out.append(Attack(name, lambda: naive(envelope, signer.public), lambda: refuse(world, folder)))

    mine = private_key(SUPPLIER, "statement")
    attack("a stranger's signature", private_key(STRANGER, "statement"))
    attack("a root key signs a delivery", private_key(OWNER, "root"))
    attack("a delivery of another project", mine, project="a" * 64)
    attack("a delivery for somebody else", mine, addressee=SECOND)
    attack("an old place in the sequence", mine, sequence=1, previous=None)
    attack("a place far ahead", mine, sequence=99)
    attack("a predecessor nobody sent", mine, sequence=2, previous="b" * 64)
    attack("a delivery from next year", mine, time="2027-11-23T10:00:00Z", sequence=2, previous=first.envelope.digest)
    attack("another supplier's parts", mine, by=OTHER)
    swapped, piece = world.delivered(world.parts("swapped"))
    parcel.beside(swapped).write_bytes(replace(piece, tree=first.tree).to_bytes())
    out.append(Attack("the list of files of another delivery", lambda: naive(piece.envelope, mine.public),
                      lambda: refuse(world, swapped)))  # fmt: skip
    return out


def trust_and_slips(root: Path) -> list[Attack]:
    """Replays of trust and of logged statements."""
    world = World.make(root / "world")
    folder, _ = world.delivered()
    answer = receive(world[OWNER], folder).answer
    if answer is None:
        raise SystemExit("the delivery was not answered")
    old = root / "old.jsonl"
    old.write_bytes(world.chain.read_bytes())
    forked = replace(trust_draft.draft(world[OWNER]), policies=("0" * 64,))
    world.amend(lambda d: d)
    fork = root / "fork.jsonl"
    both = sign_envelope(PAYLOAD_TYPE, forked.to_bytes(), [private_key(n, "root") for n in (OWNER, SECOND)])
    fork.write_bytes(old.read_bytes() + both.to_bytes() + b"\n")
    thief = make_desk(root / "thief", STRANGER, world.clock)
    own_keys.new_key(thief.space, "root", "ed25519", None)
    party = enrol.enrolment(thief).party(("data-owner",), ("*",))
    trust_draft.first_draft(thief, "parts", [party], threshold=1, ledger=STRANGER)
    please_sign = root / "please-sign.json"
    please_sign.write_bytes(trust_sign.sign_draft(thief)[0].to_bytes())
    empty = Slip.from_json(answer.to_json() | {"receipt": ""})
    owner = private_key(OWNER, "statement").public
    now = world.clock()
    return [
        Attack("the trust document before last", lambda: _naive_chain(old),
               lambda: trust_pin.pin(world[SUPPLIER], world.fingerprint, old)),
        Attack("a second history of the trust document", lambda: _naive_chain(fork),
               lambda: trust_pin.pin(world[SUPPLIER], world.fingerprint, fork)),
        Attack("sign this draft for me, please", lambda: _naive_sign(please_sign),
               lambda: trust_sign.sign_draft(world[OWNER], please_sign)),
        Attack("a logged statement with an empty receipt", lambda: naive(empty.envelope, owner),
               lambda: verify(empty, world[SUPPLIER].trust(), now)),
        Attack("another supplier's acceptance", lambda: naive(answer.envelope, owner),
               lambda: addressed_to(verify(answer, world[OTHER].trust(), now), OTHER)),
    ]  # fmt: skip


def _naive_chain(file: Path) -> str:
    newest = json.loads(file.read_bytes().splitlines()[-1])
    document = json.loads(base64.b64decode(newest["payload"]))
    return f"version {document['version']}, signed by {len(newest['signatures'])}"


def _naive_sign(file: Path) -> str:
    envelope = dsse.Envelope.from_bytes(file.read_bytes())
    return private_key(OWNER, "root").sign(envelope.signed_bytes()).hex()


def attacks(root: Path) -> list[Attack]:
    """Every hostile party."""
    return [*keys(), *deliveries(root / "deliveries"), *trust_and_slips(root / "trust")]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(report(attacks(Path(folder))))
