"""Golden files of version 1: they verify for ever, here and in a second implementation that shares no code."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import jsonschema
import make_core_vectors
import pytest
import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from countermark import canonical
from countermark.artefact.tree import TreeEntry, bytes_root, parse_manifest, tree_of
from countermark.errors import CountermarkError, Refusal
from countermark.keys.document import TrustDocument, moment
from countermark.keys.trust import Trust, verify_chain
from countermark.lifecycle import parcel
from countermark.lifecycle.desk import read_chain
from countermark.passport.slip import Slip, context_of, verify
from countermark.statement.predicates.delivery import Delivery
from countermark.statement.statement import Statement

HERE = Path(__file__).parent
SCHEMAS = HERE.parents[2] / "docs" / "reference" / "formats" / "schemas"
EXPECTED = json.loads((HERE / "expected-v1.json").read_bytes())
TREES = json.loads((HERE / "tree-v1.json").read_bytes())["cases"]


def golden(name: str) -> bytes:
    return (HERE / name).read_bytes()


@pytest.fixture(scope="module")
def trust() -> Trust:
    return verify_chain(read_chain(HERE / "trust-v1.jsonl"), EXPECTED["fingerprint"], moment(EXPECTED["now"]))


@pytest.mark.parametrize("case", TREES, ids=lambda c: c["name"])
def test_trees(case: dict[str, Any]) -> None:
    whole = tree_of(make_core_vectors.entries(case["files"]))
    assert (whole.digest, whole.manifest().decode()) == (case["digest"], case["manifest"])
    assert tree_of(parse_manifest(case["manifest"].encode().splitlines())).digest == case["digest"]


def test_trust_and_delivery_verify(trust: Trust) -> None:
    assert trust.document.version == 2 and trust.document.threshold == 2
    piece = parcel.parse(golden("delivery-v1.cmdelivery"))
    assert (piece.envelope.digest, piece.tree.digest) == (EXPECTED["delivery"], EXPECTED["tree"])
    assert piece.envelope.payload == golden("statement-v1.json")
    assert trust.verify(piece.envelope, "statement", moment(EXPECTED["now"])).party.id == "acme"


def test_writing_what_was_read_gives_the_golden_bytes(trust: Trust) -> None:
    piece = parcel.parse(golden("delivery-v1.cmdelivery"))
    assert piece.to_bytes() == golden("delivery-v1.cmdelivery")
    assert Statement.from_bytes(golden("statement-v1.json")).to_bytes() == golden("statement-v1.json")
    assert [trust.document.to_bytes()] == [e.payload for e in trust.envelopes[-1:]]
    assert Slip.from_bytes(golden("slip-v1.json")).to_bytes() == golden("slip-v1.json")
    assert b"".join(e.to_bytes() + b"\n" for e in trust.envelopes) == golden("trust-v1.jsonl")


def test_the_slip_verifies(trust: Trust) -> None:
    shown = verify(Slip.from_bytes(golden("slip-v1.json")), trust, moment(EXPECTED["now"]))
    assert (shown.digest, shown.party.id, shown.index) == (EXPECTED["answer"], "manufacturer", 1)


def key_of(document: dict[str, Any], party: str, use: str) -> Ed25519PublicKey:
    keys = next(p["keys"] for p in document["parties"] if p["id"] == party)
    key = load_der_public_key(base64.b64decode(next(k["spki"] for k in keys if k["use"] == use)))
    assert isinstance(key, Ed25519PublicKey)
    return key


def payload_signed_by(envelope: dict[str, Any], key: Ed25519PublicKey) -> Any:
    """DSSE v1, from its specification."""
    body, kind = base64.b64decode(envelope["payload"]), envelope["payloadType"].encode()
    message = b" ".join((b"DSSEv1", str(len(kind)).encode(), kind, str(len(body)).encode(), body))
    for signature in envelope["signatures"]:
        try:
            key.verify(base64.b64decode(signature["sig"]), message)
            return json.loads(body)
        except InvalidSignature:
            continue
    raise AssertionError("not signed by this key")


def test_a_second_implementation_follows_the_whole_slip() -> None:
    """From the pinned fingerprint to the ledger's root, by the pages in docs/reference/formats and nothing else."""
    first, newest = (json.loads(line) for line in golden("trust-v1.jsonl").splitlines())
    assert hashlib.sha256(base64.b64decode(first["payload"])).hexdigest() == EXPECTED["fingerprint"]
    document = json.loads(base64.b64decode(first["payload"]))
    for owner in ("manufacturer", "engineering"):
        trust = payload_signed_by(newest, key_of(document, owner, "root"))
    assert trust["previous"] == EXPECTED["fingerprint"]

    slip = json.loads(golden("slip-v1.json"))
    said = payload_signed_by(slip["envelope"], key_of(trust, "manufacturer", "statement"))
    opening, record = slip["opening"], slip["opening"]["record"]
    assert record == {
        "type": said["predicateType"],
        "envelope": hashlib.sha256(base64.b64decode(slip["envelope"]["payload"])).hexdigest(),
        "subject": said["subject"][0]["digest"]["cmTreeV1"],
        "signer": "manufacturer",
        "sequence": said["predicate"]["context"]["sequence"],
    }
    domain = b"countermark/ledger-record/v1\x00"
    leaf = b"\x01" + hashlib.sha256(domain + bytes.fromhex(opening["nonce"]) + rfc8785.dumps(record)).digest()

    proof, _, note = slip["receipt"].partition("\n\n")
    header, index, sibling = proof.split("\n")
    assert (header, index) == ("c2sp.org/tlog-proof@v1", "index 1")
    root = hashlib.sha256(b"\x01" + base64.b64decode(sibling) + hashlib.sha256(b"\x00" + leaf).digest()).digest()
    text, _, signatures = note.partition("\n\n")
    assert text.split("\n") == [trust["ledger"]["origin"], "2", base64.b64encode(root).decode()]
    signature = base64.b64decode(signatures.rstrip("\n").split(" ")[2])
    key_of(trust, "manufacturer", "ledger").verify(signature[4:], text.encode() + b"\n")


def schema(name: str) -> jsonschema.Draft202012Validator:
    value = json.loads((SCHEMAS / f"{name}.schema.json").read_bytes())
    jsonschema.Draft202012Validator.check_schema(value)
    return jsonschema.Draft202012Validator(value)


def documents() -> list[tuple[str, Any]]:
    piece = golden("delivery-v1.cmdelivery").splitlines()
    envelopes = [json.loads(line) for line in golden("trust-v1.jsonl").splitlines()]
    statement = json.loads(golden("statement-v1.json"))
    out: list[tuple[str, Any]] = [("trust", json.loads(base64.b64decode(e["payload"]))) for e in envelopes]
    out += [("envelope", e) for e in (*envelopes, json.loads(piece[0]))]
    out += [("manifest-line", json.loads(line)) for line in piece[1:]]
    return [
        *out,
        ("statement", statement),
        ("delivery", statement["predicate"]),
        ("slip", json.loads(golden("slip-v1.json"))),
    ]


@pytest.mark.parametrize(("name", "value"), documents(), ids=lambda v: v if isinstance(v, str) else "")
def test_golden_documents_fit_their_schemas(name: str, value: Any) -> None:
    schema(name).validate(value)


def test_every_schema_is_tried() -> None:
    assert {p.name.removesuffix(".schema.json") for p in SCHEMAS.glob("*.json")} >= {n for n, _ in documents()}


READERS = {
    "trust": lambda v: TrustDocument.from_bytes(json.dumps(v).encode()),
    "statement": lambda v: context_of(Statement.from_bytes(json.dumps(v).encode())),
    "delivery": lambda v: Delivery.from_json(canonical.from_bytes(json.dumps(v).encode())),
    "slip": lambda v: Slip.from_bytes(json.dumps(v).encode()),
}


@pytest.mark.parametrize("name", READERS)
def test_what_the_schema_refuses_the_reader_refuses(name: str) -> None:
    """Every field dropped, doubled in kind, or joined by an unknown one: readers are at least as strict."""
    value = next(v for n, v in documents() if n == name)
    tried = 0
    for field in value:
        for change in (None, 1.5, [], {}, "text", -1, True):
            other = {k: v for k, v in value.items() if k != field} | ({} if change is None else {field: change})
            if schema(name).is_valid(other):
                continue
            tried += 1
            with pytest.raises(Refusal):
                READERS[name](other)
    assert tried > len(value)
    assert not schema(name).is_valid(value | {"unknown": 1})
    with pytest.raises(CountermarkError):
        READERS[name](value | {"unknown": 1})


def test_the_example_on_the_page_is_true() -> None:
    page = (SCHEMAS.parent / "tree.md").read_text()
    whole = tree_of([TreeEntry("run", 1, True, bytes_root(b"\0"))])
    assert whole.manifest().decode().rstrip() in page and whole.digest in page
