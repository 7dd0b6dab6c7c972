"""Enrolling a host by its endorsement key, with swtpm (a test double, whose endorsement key is anybody's)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import test_doubles

from countermark.errors import CountermarkError, SignatureRefused, TrustRefused
from countermark.keys import uri
from countermark.keys.tpm_credential import EndorsementKey

pytestmark = pytest.mark.skipif(not test_doubles.HAS_SWTPM, reason=test_doubles.NO_SWTPM)


def test_only_the_tpm_with_both_keys_gives_the_secret_back(tmp_path: Path) -> None:
    from countermark.keys import tpm_credential as credential
    from countermark.keys import tpm_quote

    with test_doubles.software_tpm(tmp_path / "one") as first, test_doubles.software_tpm(tmp_path / "two") as second:
        chip, beside, other = (
            uri.parse(f"tpm:handle=0x8101000{n}?{at}") for n, at in ((1, first), (2, first), (1, second))
        )
        keys = [tpm_quote.make_attestation_key(at) for at in (chip, beside, other)]
        endorsed = credential.read_endorsement(chip)
        assert endorsed == credential.read_endorsement(chip) and len(endorsed.id) == 64
        assert endorsed.id != credential.read_endorsement(other).id
        secret = os.urandom(32)
        asked = credential.challenge(endorsed, keys[0], secret)
        assert secret not in asked and credential.activate(chip, asked) == secret
        # The attacks: a key of another machine, or another key of this one, passed off as the enrolled one.
        for where, key in ((chip, keys[2]), (chip, keys[1]), (beside, keys[0]), (other, keys[0]), (other, keys[2])):
            with pytest.raises(TrustRefused, match="does not answer"):
                credential.activate(where, credential.challenge(endorsed, key, secret))
        for at in range(16, 8 * len(asked), 11):
            bent = bytearray(asked)
            bent[at // 8] ^= 1 << at % 8
            with pytest.raises(CountermarkError):
                credential.activate(chip, bytes(bent))
        for cut in (b"", asked[:-1], asked + b"\0", bytes(600)):
            with pytest.raises(SignatureRefused):
                credential.activate(chip, cut)
        with pytest.raises(SignatureRefused):
            credential.challenge(endorsed, keys[0], b"short")
        with pytest.raises(SignatureRefused):
            credential.challenge(EndorsementKey(b"\x04" + bytes(63) + b"\x01"), keys[0], secret)
        assert credential.activate(chip, asked) == secret  # nothing leaked on the way


def test_a_key_that_signs_anything_is_not_activated_under_the_name_of_another(tmp_path: Path) -> None:
    """Its name holds its attributes: the challenge to a restricted key does not open for one that is not."""
    from countermark.keys import held, tpm_quote
    from countermark.keys import tpm_credential as credential

    with test_doubles.software_tpm(tmp_path / "one") as first:
        chip, plain = (uri.parse(f"tpm:handle=0x8101000{n}?{first}") for n in (1, 2))
        key = tpm_quote.make_attestation_key(chip)
        held.make(plain, "statement", "ecdsa-p256", None)
        asked = credential.challenge(credential.read_endorsement(chip), key, bytes(32))
        with pytest.raises(TrustRefused):
            credential.activate(plain, asked)
