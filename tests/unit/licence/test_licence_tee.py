"""A licence bound to an enclave, decided with stored quotes and collateral (samples of dcap-qvl's own tests, made for nobody's licence)."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest
from core_world import SECOND
from licence_world import Licensors, claims, host

from countermark.errors import Unusable
from countermark.keys.enclave_quote import MOST_QUOTE
from countermark.licence.host import prove
from countermark.licence.refusal import LicenceRefused
from countermark.licence.tee import REPORTS, TeeVerifier, TsmProver, stored_in
from countermark.lifecycle import license_use
from countermark.statement.predicates.licence_host import HostBinding

SAMPLES = Path(__file__).parents[2] / "vectors" / "attest"


class Sample:
    """A quote, the collateral of its day, and what it says."""

    def __init__(self, kind: str, folder: Path) -> None:
        dcap_qvl = pytest.importorskip("dcap_qvl", reason="needs the attest extra")
        self.quote, collateral = (
            (SAMPLES / f"{kind}_{what}").read_bytes() for what in ("quote", "quote_collateral.json")
        )
        self.now = (
            datetime.fromisoformat(json.loads(json.loads(collateral)["tcb_info"])["issueDate"]).timestamp() + 86400
        )
        folder.mkdir(exist_ok=True)
        self.file = folder / f"{kind}-{dcap_qvl.parse_quote(self.quote).fmspc().lower()}.json"
        self.file.write_bytes(collateral)
        whole = dcap_qvl.verify(self.quote, dcap_qvl.QuoteCollateralV3.from_json(collateral.decode()), int(self.now))
        (self.report,) = json.loads(whole.to_json())["report"].values()
        self.status = json.loads(whole.to_json())["status"]
        self.challenge = bytes.fromhex(self.report["report_data"])[:32]
        self.verifier = TeeVerifier(stored_in(folder), lambda: self.now)


def bound(*measurements: str) -> HostBinding:
    return HostBinding("tee", measurements=frozenset(measurements))


def refused(sample: Sample, binding: HostBinding, challenge: bytes | None = None, quote: bytes | None = None) -> str:
    with pytest.raises(LicenceRefused) as caught:
        sample.verifier.verify(binding, quote or sample.quote, sample.challenge if challenge is None else challenge)
    assert caught.value.claim == "host"
    return caught.value.seen


@pytest.fixture
def sgx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sample:
    """SGX's sample leaves the second half of its report data empty, as ours do: its first half stands for a challenge."""
    sample = Sample("sgx", tmp_path / "collateral")
    monkeypatch.setattr("countermark.licence.tee.TCB", sample.status)
    return sample


def test_a_quote_over_the_challenge_proves_the_enclave_that_the_licence_names(sgx: Sample) -> None:
    mine = f"sgx-mrenclave:{sgx.report['mr_enclave']}"
    assert sgx.verifier.verify(bound(mine, "sgx-mrenclave:" + "0" * 64), sgx.quote, sgx.challenge) == mine
    maker = f"sgx-mrsigner:{sgx.report['mr_signer']}"
    assert sgx.verifier.verify(bound(maker), sgx.quote, sgx.challenge) == maker


def test_what_is_not_it_is_refused(sgx: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = f"sgx-mrenclave:{sgx.report['mr_enclave']}"
    assert "not for this request" in refused(sgx, bound(mine), bytes(32)), "a quote that was kept from before"
    assert "of another program" in refused(sgx, bound("sgx-mrenclave:" + "0" * 64))
    assert "another kind" in refused(sgx, bound("tdx-mrtd:" + "0" * 96))
    assert "no verifier" in refused(sgx, bound("sev-snp:" + "0" * 96))
    certificates = sgx.quote.index(
        b"-----BEGIN"
    )  # line ends of this text, and the root that nobody believes from it, may differ
    for at in range(0, certificates, 17):
        bent = bytearray(sgx.quote)
        bent[at] ^= 1
        refused(sgx, bound(mine), quote=bytes(bent))
    assert "a quote of" in refused(sgx, bound(mine), quote=bytes(MOST_QUOTE + 1))
    monkeypatch.setattr("countermark.licence.tee.TCB", "SWHardeningNeeded")
    assert "TCB level" in refused(sgx, bound(mine))
    sgx.now += 400 * 86400
    assert "does not verify" in refused(sgx, bound(mine)), "collateral that ended"
    sgx.file.unlink()
    with pytest.raises(Unusable, match="no collateral for sgx platform"):
        sgx.verifier.verify(bound(mine), sgx.quote, sgx.challenge)


@pytest.mark.skipif(REPORTS.is_dir(), reason="this is a confidential guest")
def test_outside_an_enclave_it_is_said_what_is_missing(tmp_path: Path, licensors: Licensors) -> None:
    machine = host(tmp_path / "plant", licensors, claims(host=bound("tdx-mrtd:" + "1" * 96)))
    desk = licensors.world[SECOND]
    with pytest.raises(LicenceRefused, match="no collateral") as caught:
        license_use.elements(desk, machine.chain)
    assert "--collateral DIR" in caught.value.mend
    given = license_use.elements(desk, machine.chain, collateral=tmp_path)
    with pytest.raises(LicenceRefused) as caught:
        prove(bound("tdx-mrtd:" + "1" * 96), machine.chain.leaf.digest, given.provers, given.verifiers)
    assert (caught.value.claim, caught.value.seen) == ("host", f"no {REPORTS}") and "TDX guest" in caught.value.mend
    (tmp_path / "empty").mkdir()
    with pytest.raises(LicenceRefused, match="No such file"):  # a folder that is no configfs answers nothing
        TsmProver(tmp_path / "empty").prove(bound("tdx-mrtd:" + "1" * 96), bytes(32))
