"""Hostile keyless bundles, each with the world it is made in. Used by `keyless.py` and by the tests.

A case gets an honest world and returns what a verifier is handed. Some are made by whoever can change a bundle, some by whoever
holds a valid certificate of another identity, some by an authority or log that the verifier does not trust, or trusts no more.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import keyless_world as world
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from keyless_world import DAY, MINUTE, NOW, Authority, Log, World

from countermark import dsse
from countermark.statement import oms

EVIL = b"import os  # runs when the folder is loaded\n"


def payload(content: bytes = b"weights") -> bytes:
    """An honest OMS statement over one file."""
    return oms.statement([("weights.bin", hashlib.sha256(content).hexdigest())], name="model")


@dataclass(frozen=True)
class Handed:
    """What a verifier is handed, and whom it expects."""

    bundle: dict[str, Any]
    root: dict[str, Any]
    identity: str = world.IDENTITY
    issuer: str = world.ISSUER


def honest(here: World) -> Handed:
    """Nothing is wrong with it."""
    return Handed(here.sign(payload()), here.root())


def altered(here: World, change: Callable[[dict[str, Any]], object]) -> Handed:
    """An honest bundle, changed."""
    handed = honest(here)
    change(handed.bundle)
    return handed


def entry(bundle: dict[str, Any]) -> dict[str, Any]:
    """Its log entry."""
    found: dict[str, Any] = bundle["verificationMaterial"]["tlogEntries"][0]
    return found


def another_authority(here: World) -> Handed:
    """The same names, other keys; the log of certificates and of signatures are the right ones."""
    mine = World(Authority(world.key(91), world.key(92), here.authority.log), here.log)
    return Handed(mine.sign(payload()), here.root())


def expired_when_logged(here: World) -> Handed:
    """A stolen one-time key is used an hour after its certificate ended."""
    return Handed(here.sign(payload(), logged=NOW + 60 * MINUTE), here.root())


def before_it_was_valid(here: World) -> Handed:
    """Logged before the certificate begins."""
    return Handed(here.sign(payload(), logged=NOW - MINUTE), here.root())


def no_certificate_log(here: World) -> Handed:
    """The authority issued a certificate that nobody can find in the log."""
    return Handed(here.sign(payload(), promised=False), here.root())


def unknown_certificate_log(here: World) -> Handed:
    """The promise is by a log that the trust root does not name."""
    mine = World(replace(here.authority, log=world.key(93)), here.log)
    return Handed(mine.sign(payload()), here.root())


def certificate_for_servers(here: World) -> Handed:
    """A certificate of the right authority that is not for signing code."""
    return Handed(here.sign(payload(), use=ExtendedKeyUsageOID.SERVER_AUTH), here.root())


def two_identities(here: World) -> Handed:
    """One certificate for the expected one and for somebody else."""
    names = [x509.RFC822Name(world.IDENTITY), x509.RFC822Name("mallory@works.example")]
    return Handed(here.sign(payload(), names=names), here.root())


def two_issuers(here: World) -> Handed:
    """The old field names the expected issuer, the new one another."""
    return Handed(here.sign(payload(), issuer_v2="https://login.mallory.example"), here.root())


def entry_of_another_bundle(here: World) -> Handed:
    """A valid entry of the log, which is about something else."""
    other = here.sign(payload(b"other"))
    return altered(here, lambda b: b["verificationMaterial"].update(tlogEntries=[entry(other)]))


def broken_proof(here: World) -> Handed:
    """One hash of the inclusion proof is another."""
    return altered(here, lambda b: entry(b)["inclusionProof"]["hashes"].__setitem__(0, world.b64(bytes(32))))


def no_proof(here: World) -> Handed:
    """The log's promise without a proof."""
    return altered(here, lambda b: entry(b).pop("inclusionProof"))


def checkpoint_by_another_key(here: World) -> Handed:
    """The same tree, signed by somebody who says that he is the log."""
    proof = entry(bundle := here.sign(payload()))["inclusionProof"]
    text, _, line = proof["checkpoint"]["envelope"].partition("\n\n")
    forged = world.b64(here.log.id[:4] + world.signed(world.key(94), f"{text}\n".encode()))
    proof["checkpoint"]["envelope"] = f"{text}\n\n{line.rpartition(' ')[0]} {forged}\n"
    return Handed(bundle, here.root())


def checkpoint_of_another_size(here: World) -> Handed:
    """The log signed this root for a tree of another size."""
    proof = entry(bundle := here.sign(payload()))["inclusionProof"]
    root = base64.b64decode(proof["rootHash"])
    proof["checkpoint"]["envelope"] = here.log.checkpoint(int(proof["treeSize"]) + 7, root)
    return Handed(bundle, here.root())


def unknown_log(here: World) -> Handed:
    """All is well, in a log that the trust root does not name."""
    mine = World(here.authority, Log(world.key(95)))
    return Handed(mine.sign(payload()), here.root())


def later_time(here: World) -> Handed:
    """The time in the entry is another than the log promised."""
    later = str(int((NOW + 2 * MINUTE).timestamp()))
    return altered(here, lambda b: entry(b).update(integratedTime=later))


def no_time(here: World) -> Handed:
    """Neither a promise nor a timestamp: the time of signing is anybody's word."""
    return altered(here, lambda b: entry(b).pop("inclusionPromise"))


def altered_payload(here: World) -> Handed:
    """Other files under the same signature."""
    return altered(here, lambda b: b["dsseEnvelope"].update(payload=world.b64(payload(EVIL))))


def other_payload_type(here: World) -> Handed:
    """The same bytes, said to be something else."""
    return altered(here, lambda b: b["dsseEnvelope"].update(payloadType="application/json"))


def second_signature(here: World) -> Handed:
    """A second signature that nobody logged."""
    more = {"sig": world.b64(world.signed(world.key(96), dsse.pae(dsse.IN_TOTO, payload())))}
    return altered(here, lambda b: b["dsseEnvelope"]["signatures"].append(more))


def second_entry(here: World) -> Handed:
    """A second log entry, about something else."""
    other = entry(here.sign(payload(b"other")))
    return altered(here, lambda b: b["verificationMaterial"]["tlogEntries"].append(other))


def other_key_signed(here: World) -> Handed:
    """Right certificate and right log entry, but the signature is by another key."""
    once, forger = ec.generate_private_key(ec.SECP256R1()), world.key(97)
    certificate = here.authority.issue(once.public_key())
    forged = forger.sign(dsse.pae(dsse.IN_TOTO, payload()), ec.ECDSA(hashes.SHA256()))
    logged = here.log.enter(world.entry_body(payload(), forged, certificate), NOW + MINUTE)
    return Handed(world.bundle(payload(), forged, certificate, logged), here.root())


def retired_authorities(here: World) -> Handed:
    """Authority and logs were retired before this was signed; their keys may be anybody's by now."""
    return Handed(here.sign(payload()), here.root(until=NOW - DAY))


def document_in_document(here: World) -> Handed:
    """A second name for the envelope, which some readers take for the first."""
    other = copy.deepcopy(honest(here).bundle["dsseEnvelope"]) | {"payload": world.b64(payload(EVIL))}
    return altered(here, lambda b: b.update(dsse_envelope=other))


def cut_proof(here: World) -> Handed:
    """The index of the proof lies outside of the tree."""
    return altered(here, lambda b: entry(b)["inclusionProof"].update(logIndex="500"))


CASES: dict[str, Callable[[World], Handed]] = {
    "another-authority": another_authority,
    "expired-when-logged": expired_when_logged,
    "before-it-was-valid": before_it_was_valid,
    "no-certificate-log": no_certificate_log,
    "unknown-certificate-log": unknown_certificate_log,
    "certificate-for-servers": certificate_for_servers,
    "wrong-identity": lambda here: replace(honest(here), identity="mallory@works.example"),
    "wrong-issuer": lambda here: replace(honest(here), issuer="https://login.mallory.example"),
    "identity-in-other-letters": lambda here: replace(honest(here), identity=world.IDENTITY.upper()),
    "two-identities": two_identities,
    "two-issuers": two_issuers,
    "entry-of-another-bundle": entry_of_another_bundle,
    "broken-proof": broken_proof,
    "no-proof": no_proof,
    "cut-proof": cut_proof,
    "checkpoint-by-another-key": checkpoint_by_another_key,
    "checkpoint-of-another-size": checkpoint_of_another_size,
    "unknown-log": unknown_log,
    "later-time": later_time,
    "no-time": no_time,
    "altered-payload": altered_payload,
    "other-payload-type": other_payload_type,
    "second-signature": second_signature,
    "second-entry": second_entry,
    "other-key-signed": other_key_signed,
    "retired-authorities": retired_authorities,
    "document-in-document": document_in_document,
}


def to_json(handed: Handed) -> str:
    """The client trust configuration that the reference takes, around the same root."""
    service = {"majorApiVersion": 1, "operator": "local", "validFor": {"start": "2026-01-01T00:00:00Z"}}
    return json.dumps({
        "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
        "trustedRoot": handed.root,
        "signingConfig": {
            "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
            "caUrls": [{"url": "https://fulcio.invalid", **service}],
            "rekorTlogUrls": [{"url": "https://rekor.invalid", **service}], "rekorTlogConfig": {"selector": "ANY"},
        },
    })  # fmt: skip
