"""Hybrid signatures: a party that signs with both kinds of keys counts with both, and with neither alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from countermark import dsse
from countermark.errors import SignatureRefused, StatementRefused, TrustRefused
from countermark.keys.document import PAYLOAD_TYPE, EnrolledKey, Party, Revocation, TrustDocument, enrolment_bytes
from countermark.keys.signer import FileSigner, generate, sign_envelope
from countermark.keys.trust import Trust, verify_chain
from countermark.keys.verifier import ALGORITHMS, PublicKey, Use

NOW = datetime(2026, 11, 24, tzinfo=UTC)
KEYS = {(use, kind): generate(use, kind) for use in ("root", "statement") for kind in ("ed25519", "ml-dsa-65")}
OWN = list(KEYS.values())


def enrolled(*keys: FileSigner) -> tuple[EnrolledKey, ...]:
    return tuple(EnrolledKey(k.public, k.sign(enrolment_bytes("acme", k.public))) for k in keys)


def document(*keys: FileSigner, both: int | None = 5) -> TrustDocument:
    party = Party("acme", "Acme", "Acme", ("data-owner",), ("*",), enrolled(*keys), both)
    return TrustDocument(
        project="parts", version=1, issued="2026-11-23T10:00:00Z", expires="2027-11-23T10:00:00Z", previous=None, threshold=1,
        parties=(party,), ledger_origin="countermark.invalid/parts", ledger_operator="acme", quorum="none", policies=(),
    )  # fmt: skip


def pinned(signers: list[FileSigner], made: TrustDocument) -> Trust:
    envelope = sign_envelope(PAYLOAD_TYPE, made.to_bytes(), signers)
    return verify_chain([envelope], envelope.digest, NOW)


def trust() -> Trust:
    return pinned([k for k in OWN if k.public.use == "root"], document(*OWN))


def statement() -> dsse.Envelope:
    return sign_envelope(dsse.IN_TOTO, b"{}", [k for k in OWN if k.public.use == "statement"])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_signs_travels_and_refuses(algorithm: str) -> None:
    key = generate("witness" if algorithm == "ml-dsa-44" else "statement", algorithm)  # type: ignore[arg-type]
    again = PublicKey.from_json(key.public.to_json())
    assert again == key.public and again.algorithm == algorithm
    signed = key.sign(b"said")
    again.verify(b"said", signed)
    for message, signature in (
        (b"other", signed),
        (b"said", b""),
        (b"said", bytes([signed[0] ^ 1]) + signed[1:]),
    ):
        with pytest.raises(SignatureRefused):
            again.verify(message, signature)


def test_both_signatures_count_and_neither_alone() -> None:
    known, whole = trust(), statement()
    assert known.verify(whole, "statement", NOW).party.id == "acme"
    for kept in whole.signatures:
        with pytest.raises(TrustRefused, match="one of the two is missing"):
            known.verify(replace(whole, signatures=(kept,)), "statement", NOW)
        with pytest.raises(SignatureRefused, match="name the same key"):
            known.verify(replace(whole, signatures=(kept, kept)), "statement", NOW)


def test_a_replaced_signature_is_refused_by_name() -> None:
    whole = statement()
    for place in (0, 1):
        broken = list(whole.signatures)
        broken[place] = replace(broken[place], sig=bytes(len(broken[place].sig)))
        with pytest.raises(SignatureRefused, match="does not verify"):
            trust().verify(replace(whole, signatures=tuple(broken)), "statement", NOW)


def test_trust_versions_need_both_root_keys_as_well() -> None:
    for root in (k for k in OWN if k.public.use == "root"):
        with pytest.raises(TrustRefused, match=r"signed by 0 of"):
            pinned([root], document(*OWN))


def test_the_word_needs_two_kinds_of_keys() -> None:
    classical = [k for k in OWN if k.public.algorithm == "ed25519"]
    with pytest.raises(StatementRefused, match="post-quantum"):
        document(*classical, generate("statement", "ecdsa-p384")).check()
    document(*classical, both=None).check()
    made = document(*OWN)
    gone = replace(made.parties[0].keys[-1], revoked=Revocation(3, "stolen"))
    party = replace(made.parties[0], keys=(*made.parties[0].keys[:-1], gone))
    with pytest.raises(StatementRefused, match="post-quantum"):
        replace(made, parties=(party,)).check()


def test_what_was_entered_before_stays_valid() -> None:
    whole = statement()
    alone = replace(whole, signatures=whole.signatures[:1])
    assert trust().verify(alone, "statement", NOW, leaf=4).party.id == "acme"
    for leaf in (5, 6, None):
        with pytest.raises(TrustRefused, match="one of the two is missing"):
            trust().verify(alone, "statement", NOW, leaf=leaf)


def test_the_word_travels_and_others_are_refused() -> None:
    made = document(*OWN)
    assert TrustDocument.from_bytes(made.to_bytes()) == made
    word = b'{"both":{"fromLeaf":5}}'
    assert word in made.to_bytes()
    for other in (
        b'"both"',
        b"true",
        b"{}",
        b'{"any":{}}',
        b'{"both":{"fromLeaf":-1}}',
        b'{"both":{"fromLeaf":5,"to":6}}',
    ):
        with pytest.raises(StatementRefused):
            TrustDocument.from_bytes(made.to_bytes().replace(word, other))
    assert TrustDocument.from_bytes(made.to_bytes().replace(word, b"null")).parties[0].both is None


def test_a_use_of_one_kind_stays_as_it_was() -> None:
    ledger = generate("ledger")
    known = pinned([k for k in OWN if k.public.use == "root"], document(*OWN, ledger))
    use: Use = "ledger"
    assert known.verify(sign_envelope(dsse.IN_TOTO, b"{}", [ledger]), use, NOW).party.id == "acme"
