"""Sealing, epochs, deadlines and quotes with swtpm (a test double, which protects nothing): what it gives, what it refuses."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import test_doubles

from countermark.errors import SignatureRefused, StatementRefused, TrustRefused, Unusable
from countermark.keys import tpm_attest, tpm_policy, uri
from countermark.keys.tpm_policy import TpmPolicy

pytestmark = pytest.mark.skipif(not test_doubles.HAS_SWTPM, reason=test_doubles.NO_SWTPM)
KEY = bytes(range(32))
MODEL = hashlib.sha256(b"model").digest()
COUNTER = 0x01800001


@pytest.fixture
def chip(tmp_path: Path) -> Iterator[uri.KeyUri]:
    with test_doubles.software_tpm(tmp_path / "tpm") as where:
        yield uri.parse(f"tpm:handle=0x81010001?{where}")


def test_a_key_opens_while_the_machine_runs_what_it_was_sealed_to(chip) -> None:
    from countermark.keys import tpm_quote, tpm_seal

    value = tpm_quote.measure(chip, 16, MODEL)
    assert value == tpm_policy.extended(MODEL)
    policy = TpmPolicy({16: value, 23: bytes(32)})
    blob = tpm_seal.seal(chip, KEY, policy)
    assert KEY[:8] not in blob and tpm_seal.unseal(chip, blob, policy) == KEY
    for other in (TpmPolicy({16: value}), TpmPolicy({16: value, 23: bytes(32)}, deadline=1 << 40)):
        with pytest.raises(TrustRefused, match="does not give this key"):
            tpm_seal.unseal(chip, blob, other)
    tpm_quote.measure(chip, 16, MODEL)
    with pytest.raises(TrustRefused, match="does not give this key") as caught:
        tpm_seal.unseal(chip, blob, policy)
    assert "PCR 16, 23 differ" in caught.value.why and caught.value.mend
    # What a resettable PCR is worth: whoever runs the system sets it back and measures anew.
    tpm_quote.reset(chip, 16)
    tpm_quote.measure(chip, 16, MODEL)
    assert tpm_seal.unseal(chip, blob, policy) == KEY
    with pytest.raises(Unusable, match="the TPM refused"):
        tpm_quote.reset(chip, 7)


def test_one_increment_ends_every_key_of_the_epoch_before(chip) -> None:
    from countermark.keys import tpm_seal

    first = tpm_seal.make_epoch(chip, COUNTER)
    assert tpm_seal.read_epoch(chip, COUNTER) == first
    policy = TpmPolicy(epoch=first)
    blob = tpm_seal.seal(chip, KEY, policy)
    assert tpm_seal.unseal(chip, blob, policy) == KEY
    second = tpm_seal.step_epoch(chip, COUNTER)
    assert second.value == first.value + 1
    with pytest.raises(TrustRefused) as caught:
        tpm_seal.unseal(chip, blob, policy)
    assert "revoked here" in caught.value.why
    with pytest.raises(TrustRefused):  # the policy cannot be talked into the new epoch either
        tpm_seal.unseal(chip, blob, TpmPolicy(epoch=second))
    with pytest.raises(Unusable, match="is taken"):
        tpm_seal.make_epoch(chip, COUNTER)


def test_a_counter_that_is_made_anew_does_not_go_back(chip) -> None:
    """The attack: remove the counter and define it again, so that the old value comes round."""
    from countermark.keys import tpm_seal, tpm_session

    first = tpm_seal.make_epoch(chip, COUNTER)
    policy = TpmPolicy(epoch=first)
    blob = tpm_seal.seal(chip, KEY, policy)
    tpm_seal.step_epoch(chip, COUNTER)
    with tpm_session.opened(chip) as open_chip:
        import tpm2_pytss as tpm

        open_chip.nv_undefine_space(open_chip.tr_from_tpmpublic(tpm.TPM2_HANDLE(COUNTER)))
    assert tpm_seal.make_epoch(chip, COUNTER).value > first.value
    with pytest.raises(TrustRefused):
        tpm_seal.unseal(chip, blob, policy)


def test_another_kind_of_nv_index_does_not_stand_in_for_the_counter(chip) -> None:
    """The attack: an ordinary index, written with the old value at will, in the counter's place."""
    from countermark.keys import tpm_seal, tpm_session

    first = tpm_seal.make_epoch(chip, COUNTER)
    policy = TpmPolicy(epoch=first)
    blob = tpm_seal.seal(chip, KEY, policy)
    with tpm_session.opened(chip) as open_chip:
        import tpm2_pytss as tpm

        open_chip.nv_undefine_space(open_chip.tr_from_tpmpublic(tpm.TPM2_HANDLE(COUNTER)))
        bits = tpm.TPMA_NV
        made = open_chip.nv_define_space(b"", tpm.TPM2B_NV_PUBLIC(tpm.TPMS_NV_PUBLIC(
            nvIndex=COUNTER, nameAlg=tpm.TPM2_ALG.SHA256, dataSize=8, authPolicy=b"",
            attributes=bits.OWNERWRITE | bits.OWNERREAD | bits.AUTHREAD | bits.NO_DA,
        )))  # fmt: skip
        open_chip.nv_write(made, first.value.to_bytes(8, "big"), auth_handle=tpm.ESYS_TR.OWNER)
    with pytest.raises(TrustRefused):
        tpm_seal.unseal(chip, blob, policy)
    with pytest.raises(Unusable, match="no counter"):
        tpm_seal.read_epoch(chip, COUNTER)


def test_after_the_deadline_and_with_the_clock_set_back_the_key_stays_shut(chip) -> None:
    from countermark.keys import tpm_seal, tpm_session

    ends = tpm_seal.read_clock(chip) + 3_600_000
    policy = TpmPolicy(deadline=ends)
    blob = tpm_seal.seal(chip, KEY, policy)
    assert tpm_seal.unseal(chip, blob, policy) == KEY
    with tpm_session.opened(chip) as open_chip:
        open_chip.clock_set(ends + 1)
    with pytest.raises(TrustRefused) as caught:
        tpm_seal.unseal(chip, blob, policy)
    assert "the deadline" in caught.value.why
    with pytest.raises(Unusable, match="the TPM refused"), tpm_session.opened(chip) as open_chip:
        open_chip.clock_set(ends - 10)
    with pytest.raises(TrustRefused):  # a later deadline is another policy
        tpm_seal.unseal(chip, blob, replace(policy, deadline=ends + 3_600_000))


def test_all_conditions_hold_together_and_each_one_ends_it(chip) -> None:
    from countermark.keys import tpm_quote, tpm_seal, tpm_session

    epoch = tpm_seal.make_epoch(chip, COUNTER)
    policy = TpmPolicy({16: tpm_quote.measure(chip, 16, MODEL)}, tpm_seal.read_clock(chip) + 3_600_000, epoch)
    with tpm_session.opened(chip) as open_chip:  # our arithmetic is the TPM's own
        import tpm2_pytss as tpm

        trial = open_chip.start_auth_session(tpm.ESYS_TR.NONE, tpm.ESYS_TR.NONE, tpm.TPM2_SE.TRIAL,
                                             tpm.TPMT_SYM_DEF(algorithm=tpm.TPM2_ALG.NULL), tpm.TPM2_ALG.SHA256)  # fmt: skip
        tpm_seal._satisfy(open_chip, trial, policy)
        assert bytes(open_chip.policy_get_digest(trial)) == policy.digest()
    blob = tpm_seal.seal(chip, KEY, policy)
    assert tpm_seal.unseal(chip, blob, policy) == KEY
    assert TpmPolicy.from_parameters(policy.to_parameters()) == policy
    for weaker in (replace(policy, epoch=None), replace(policy, deadline=None), replace(policy, pcrs={})):
        with pytest.raises(TrustRefused):
            tpm_seal.unseal(chip, blob, weaker)
    tpm_seal.step_epoch(chip, COUNTER)
    with pytest.raises(TrustRefused):
        tpm_seal.unseal(chip, blob, policy)


def test_a_key_opens_on_no_other_tpm_and_not_when_changed(chip, tmp_path: Path) -> None:
    from countermark.keys import tpm_seal

    policy = TpmPolicy({16: bytes(32)})
    blob = tpm_seal.seal(chip, KEY, policy)
    with test_doubles.software_tpm(tmp_path / "other") as where, pytest.raises(TrustRefused, match="another TPM"):
        tpm_seal.unseal(uri.parse(f"tpm:handle=0x81010001?{where}"), blob, policy)
    for at in range(0, 8 * len(blob), 97):
        bent = bytearray(blob)
        bent[at // 8] ^= 1 << at % 8
        with pytest.raises((TrustRefused, StatementRefused)):
            tpm_seal.unseal(chip, bytes(bent), policy)
    for cut in (b"", blob[:-1], blob + b"\0", bytes(4096)):
        with pytest.raises(StatementRefused):
            tpm_seal.unseal(chip, cut, policy)
    for wrong in (b"", bytes(65)):
        with pytest.raises(Unusable, match="1 to 64 bytes"):
            tpm_seal.seal(chip, wrong, policy)
    assert tpm_seal.unseal(chip, blob, policy) == KEY  # no handle or session leaked on the way


def test_a_fresh_quote_is_verified_and_another_machines_is_not(chip, tmp_path: Path) -> None:
    from countermark.keys import tpm_quote

    key = tpm_quote.make_attestation_key(chip)
    assert tpm_quote.read_attestation_key(chip) == key
    pcrs = {7: bytes(32), 16: tpm_quote.measure(chip, 16, MODEL)}
    made = tpm_quote.quote(chip, b"n" * 32, pcrs)
    assert tpm_attest.attestation_key(made.area) == key
    seen = tpm_attest.verify_quote(made.attested, made.signature, key, nonce=b"n" * 32, pcrs=pcrs)
    assert seen.pcrs == pcrs and seen.clock > 0 and seen.safe
    with test_doubles.software_tpm(tmp_path / "other") as where:
        other = tpm_quote.make_attestation_key(uri.parse(f"tpm:handle=0x81010001?{where}"))
    with pytest.raises(SignatureRefused):
        tpm_attest.verify_quote(made.attested, made.signature, other, nonce=b"n" * 32, pcrs=pcrs)
    with pytest.raises(Unusable, match="is taken"):
        tpm_quote.make_attestation_key(chip)


def test_a_forged_quote_by_a_key_that_signs_anything_is_refused(chip) -> None:
    """The attack: an ordinary signing key of the same TPM signs bytes that look like a quote."""
    from countermark.keys import held, tpm_quote, tpm_session
    from countermark.keys.uri import parse

    tpm_quote.make_attestation_key(chip)
    made = tpm_quote.quote(chip, b"n" * 32, (16,))
    ordinary = parse(chip.text.replace("0x81010001", "0x81010002"))
    held.make(ordinary, "statement", "ecdsa-p256", None).sign(made.attested)  # it does sign it
    with tpm_session.opened(ordinary) as open_chip:
        public, _, _ = open_chip.read_public(tpm_session.key(open_chip, ordinary))
        area = bytes(public.publicArea.marshal())
    with pytest.raises(TrustRefused, match="not restricted to signing"):
        tpm_attest.attestation_key(area)


def test_a_restricted_key_signs_no_foreign_bytes_that_look_like_a_quote(chip) -> None:
    from countermark.keys import tpm_quote, tpm_session

    tpm_quote.make_attestation_key(chip)
    made = tpm_quote.quote(chip, b"n" * 32, (16,))
    with tpm_session.opened(chip) as open_chip:
        import tpm2_pytss as tpm

        digest, ticket = open_chip.hash(made.attested, tpm.TPM2_ALG.SHA256, tpm.ESYS_TR.OWNER)
        with pytest.raises(tpm.TSS2_Exception):
            open_chip.sign(
                tpm_session.key(open_chip, chip), digest, tpm.TPMT_SIG_SCHEME(scheme=tpm.TPM2_ALG.NULL), ticket
            )
