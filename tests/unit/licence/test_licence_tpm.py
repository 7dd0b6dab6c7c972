"""A licence bound to a TPM, with swtpm (a test double, which protects nothing): the host that it names, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest
import test_doubles

from countermark.keys import uri
from countermark.keys.tpm_policy import extended
from countermark.licence import host
from countermark.licence.refusal import LicenceRefused
from countermark.licence.tpm import TpmClock, TpmProver, TpmVerifier
from countermark.statement.predicates.licence_host import HostBinding

pytestmark = pytest.mark.skipif(not test_doubles.HAS_SWTPM, reason=test_doubles.NO_SWTPM)
LICENCE, MODEL = "ab" * 32, bytes(range(32))


def test_only_the_named_host_in_the_named_state_answers(tmp_path: Path) -> None:
    from countermark.keys import tpm_quote

    with test_doubles.software_tpm(tmp_path / "one") as first, test_doubles.software_tpm(tmp_path / "two") as second:
        chip, other = (uri.parse(f"tpm:handle=0x81010001?{where}") for where in (first, second))
        key = tpm_quote.make_attestation_key(chip)
        tpm_quote.make_attestation_key(other)
        tpm_quote.measure(chip, 16, MODEL)
        tpm_quote.measure(other, 16, MODEL)
        binding = HostBinding("tpm", ek="00" * 32, ak="000b" + key.name.hex(), pcrs=((16, extended(MODEL).hex()),))
        assert HostBinding.from_json(binding.to_json()) == binding
        verifiers = {"tpm": TpmVerifier()}
        proven = host.prove(binding, LICENCE, {"tpm": TpmProver(chip)}, verifiers)
        assert (proven.kind, proven.name) == ("tpm", binding.ak)
        with pytest.raises(LicenceRefused, match="host") as caught:
            host.prove(binding, LICENCE, {"tpm": TpmProver(other)}, verifiers)
        assert "one by" in caught.value.seen and caught.value.mend
        question = host.challenge(LICENCE, bytes(32))
        evidence = TpmProver(chip).prove(binding, question)
        assert TpmVerifier().verify(binding, evidence, question) == binding.ak
        with pytest.raises(LicenceRefused, match="not for this request"):
            TpmVerifier().verify(binding, evidence, host.challenge(LICENCE, b"n" * 32))
        for cut in (b"", evidence[:-1], evidence + b"\0", evidence[:300], bytes(9)):
            with pytest.raises(LicenceRefused):
                TpmVerifier().verify(binding, cut, question)
        for at in range(0, 8 * len(evidence), 13):
            bent = bytearray(evidence)
            bent[at // 8] ^= 1 << at % 8
            with pytest.raises(LicenceRefused):
                TpmVerifier().verify(binding, bytes(bent), question)
        tpm_quote.measure(chip, 16, MODEL)
        with pytest.raises(LicenceRefused, match="does not run what was agreed"):
            host.prove(binding, LICENCE, {"tpm": TpmProver(chip)}, verifiers)


def test_the_clock_goes_forward_and_names_its_chip(tmp_path: Path) -> None:
    with test_doubles.software_tpm(tmp_path / "one") as first, test_doubles.software_tpm(tmp_path / "two") as second:
        clock, other = (TpmClock(uri.parse(f"tpm:handle=0x81010001?{where}")) for where in (first, second))
        before, after = clock.ticks(), clock.ticks()
        assert after.milliseconds >= before.milliseconds and after.safe
        assert after.chip == before.chip != other.ticks().chip and after.resets == before.resets
