"""A licence bound to a TPM and counted in it, with swtpm (a test double, which protects nothing), by the commands that people type."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import test_doubles
from test_license_served import Plant, plant  # noqa: F401 - a fixture

from countermark.errors import CountermarkError
from countermark.guard.start import Licensed
from countermark.keys import tpm_quote, tpm_seal, tpm_session, uri
from countermark.keys.signer import generate
from countermark.licence.refusal import LicenceRefused
from countermark.licence.tenure import Tenure
from countermark.lifecycle import license_use

pytestmark = pytest.mark.skipif(not test_doubles.HAS_SWTPM, reason=test_doubles.NO_SWTPM)
HANDLE, COUNTER = "0x81010001", "0x01800010"
TERMS = ("--use", "infer", "--field", "*", "--territory", "*", "--days", "365", "--max-loads", "unlimited", "--max-hosts", "1",
         "--max-queries", "100", "--lease", "30d", "--grace", "7d")  # fmt: skip


def load(at: Plant, tpm: str) -> Tenure:
    tenure = license_use.hold(at.desk, at.licence, lambda: 0.0, tpm=tpm)
    Licensed(tenure, "any-field", "DE").load(license_use.subject(at.digest))
    return tenure


def claim(at: Plant, tpm: str) -> str:
    with pytest.raises(LicenceRefused) as caught:
        load(at, tpm)
    return caught.value.claim


def test_bound_to_a_tpm_and_counted_in_it(plant: Plant, shell, tmp_path: Path) -> None:  # noqa: F811
    with test_doubles.software_tpm(tmp_path / "one") as first, test_doubles.software_tpm(tmp_path / "two") as second:
        mine, other = (f"tpm:handle={HANDLE}?{where}" for where in (first, second))
        for where in (mine, other):
            tpm_quote.make_attestation_key(uri.parse(where))
            tpm_quote.measure(uri.parse(where), 16, bytes(range(32)))
        ek = plant.world.root / "ek.pem"
        ek.write_bytes(
            generate("licence", "ecdsa-p256").public.pem()
        )  # any: that it is this TPM's is for the licensor to check
        shell(
            "license",
            "host",
            mine,
            "--ek",
            ek,
            "--pcr",
            "16",
            "--counter",
            COUNTER,
            "--out",
            "../host.json",
            at="world/acme",
        )
        shell(
            "license",
            "grant",
            plant.model,
            "--to",
            "acme",
            *TERMS,
            "--host",
            "../host.json",
            "--out",
            plant.licence,
            at="world/engineering",
        )
        told = shell("license", "explain", plant.licence, at="world/acme").out
        assert "37 d of powered-on time" in told and "PCR 16" in told

        tenure = load(plant, mine)
        assert tenure.meter.counting == f"anchored in TPM NV counter {int(COUNTER, 16):#x}"
        tenure.renew(60)
        tenure.close()
        with pytest.raises(CountermarkError):
            load(plant, other)  # another TPM: neither its counter nor its key
        with pytest.raises(LicenceRefused, match="host"):
            license_use.hold(plant.desk, plant.licence, lambda: 0.0).host()  # none at all

        folder, kept = plant.desk.space.home / "licences", tmp_path / "kept"
        shutil.copytree(folder, kept)
        tenure = load(plant, mine)
        tenure.renew(40)
        with pytest.raises(LicenceRefused, match="max_queries"):
            tenure.renew(1)
        shutil.rmtree(folder)
        assert claim(plant, mine) == "state", "deleted"
        shutil.copytree(kept, folder)
        assert claim(plant, mine) == "state", "put back from a backup"

        with tpm_session.opened(
            uri.parse(mine)
        ) as chip:  # its owner removes the counter, and the state, and begins anew
            import tpm2_pytss as tpm

            chip.nv_undefine_space(chip.tr_from_tpmpublic(tpm.TPM2_HANDLE(int(COUNTER, 16))))
        shutil.rmtree(folder)
        with pytest.raises(CountermarkError):
            load(plant, mine)
        tpm_seal.make_epoch(uri.parse(mine), int(COUNTER, 16))
        assert claim(plant, mine) == "state", "a new counter stands above the old one"


def test_another_state_of_the_machine_is_another_host(plant: Plant, shell, tmp_path: Path) -> None:  # noqa: F811
    with test_doubles.software_tpm(tmp_path / "one") as where:
        mine = f"tpm:handle={HANDLE}?{where}"
        tpm_quote.make_attestation_key(uri.parse(mine))
        tpm_quote.measure(uri.parse(mine), 16, bytes(range(32)))
        ek = plant.world.root / "ek.pem"
        ek.write_bytes(generate("licence", "ecdsa-p256").public.pem())
        shell("license", "host", mine, "--ek", ek, "--pcr", "16", "--out", "../host.json", at="world/acme")
        shell(
            "license",
            "grant",
            plant.model,
            "--to",
            "acme",
            *TERMS,
            "--host",
            "../host.json",
            "--out",
            plant.licence,
            at="world/engineering",
        )
        tenure = load(plant, mine)
        assert tenure.meter.counting.startswith("advisory") and tenure.look().state.memory.chip is not None
        tpm_quote.measure(uri.parse(mine), 16, bytes(32))
        assert claim(plant, mine) == "host"
