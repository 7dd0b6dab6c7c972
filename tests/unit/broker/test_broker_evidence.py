"""Evidence by elements: a TPM's quote, a token's key, sample quotes of SGX and TDX; and a root key in a token."""

from __future__ import annotations

import dataclasses
import json
from datetime import datetime
from pathlib import Path

import pytest
import test_doubles
from broker_world import World
from test_doubles import PIN, at_token

from countermark.broker import evidence, prove
from countermark.broker.policy import Rule
from countermark.broker.request import Evidence
from countermark.errors import (
    CountermarkError,
    FormatRefused,
    PolicyRefused,
    SignatureRefused,
    StatementRefused,
    TrustRefused,
    Unusable,
)
from countermark.keys import held, uri
from countermark.keys.tpm_policy import extended

needs_softhsm = pytest.mark.skipif(not test_doubles.HAS_SOFTHSM, reason=test_doubles.NO_SOFTHSM)
needs_swtpm = pytest.mark.skipif(not test_doubles.HAS_SWTPM, reason=test_doubles.NO_SWTPM)
SAMPLES = Path(__file__).parents[2] / "vectors" / "attest"
MODEL = bytes(range(32))


@needs_swtpm
def test_a_quote_over_the_model_gets_the_key_and_another_model_does_not(world: World, tmp_path: Path) -> None:
    from countermark.keys import tpm_quote

    with test_doubles.software_tpm(tmp_path / "tpm") as where, world.log() as log:
        chip = uri.parse(f"tpm:handle=0x81010001?{where}")
        key = tpm_quote.make_attestation_key(chip)
        rule = world.rule(evidence="tpm-quote", keys=frozenset({key.name.hex()}), pcrs={16: extended(MODEL)})
        broker = world.broker(log)
        world.stocked(broker, rule)

        def ask(prover) -> bytearray:
            mine = prove.ephemeral()
            asked = prove.request(world.asset(), broker.challenge(), mine, prover)
            return prove.content_key(world.asset(), broker.release(asked.to_bytes()), mine, log.key)

        with pytest.raises(TrustRefused, match="does not run what was agreed"):
            ask(prove.by_tpm(chip, (16,)))
        tpm_quote.measure(chip, 16, MODEL)
        with pytest.raises(TrustRefused, match="other PCRs"):
            ask(prove.by_tpm(chip, (7, 16)))
        assert ask(prove.by_tpm(chip, (16,))) == world.key
        stale = prove.by_tpm(chip, (16,))(bytes(32))
        with pytest.raises(TrustRefused, match="not for this request"):
            ask(lambda _: stale)
        stranger = uri.parse(f"tpm:handle=0x81010002?{where}")
        tpm_quote.make_attestation_key(stranger)
        with pytest.raises(TrustRefused, match="not enrolled"):
            ask(prove.by_tpm(stranger, (16,)))
        tpm_quote.measure(chip, 16, bytes(32))
        with pytest.raises(TrustRefused, match="does not run what was agreed"):
            ask(prove.by_tpm(chip, (16,)))
        assert len(list(log.records())) == 1


@needs_softhsm
def test_a_hosts_key_and_the_brokers_root_are_in_tokens(world: World) -> None:
    from countermark.keys import pkcs11_wrap
    from countermark.seal import registry

    place = test_doubles.tokens()
    pkcs11_wrap.make_agreement_key(uri.parse(at_token(place, "broker-root", token="other")), PIN.encode())
    host = held.make(uri.parse(at_token(place, "host-key")), "host", "ecdsa-p256", PIN.encode())
    world.root = registry.identity_at(at_token(place, "broker-root", token="other"), lambda: None)
    with world.log() as log:
        broker = world.broker(log)
        world.stocked(broker, world.rule(evidence="pkcs11", keys=frozenset({host.public.id})))
        mine = prove.ephemeral()
        asked = prove.request(world.asset(), broker.challenge(), mine, prove.by_key(host))
        assert asked.evidence.kind == "pkcs11"
        assert prove.content_key(world.asset(), broker.release(asked.to_bytes()), mine, log.key) == world.key
        with pytest.raises(PolicyRefused):  # the same word, said to be by a file
            again = prove.request(world.asset(), broker.challenge(), mine, prove.by_key(host))
            broker.release(dataclasses.replace(again, evidence=Evidence("software", again.evidence.parts)).to_bytes())


def sample(kind: str) -> tuple[Evidence, bytes, int, dict]:
    """A sample quote of dcap-qvl's own tests, its collateral, a time at which that counted, and its report."""
    dcap_qvl = pytest.importorskip("dcap_qvl", reason="needs the attest extra")
    quote, collateral = (
        (SAMPLES / f"{kind}_quote").read_bytes(),
        (SAMPLES / f"{kind}_quote_collateral.json").read_bytes(),
    )
    issued = json.loads(json.loads(collateral)["tcb_info"])["issueDate"]
    now = int(datetime.fromisoformat(issued).timestamp()) + 86400
    whole = dcap_qvl.verify(quote, dcap_qvl.QuoteCollateralV3.from_json(collateral.decode()), now)
    return Evidence(kind, {"quote": quote}), collateral, now, json.loads(whole.to_json())


NAMES = {"sgx": ("mr_enclave", "mr_signer"), "tdx": ("mr_td", "rt_mr1")}


@pytest.mark.parametrize("kind", ["sgx", "tdx"])
def test_a_sample_quote_counts_for_its_measurements_level_and_time(kind: str) -> None:
    shown, collateral, now, told = sample(kind)
    (report,) = told["report"].values()
    measured = {name: report[name] for name in NAMES[kind]}
    rule = Rule(kind, "plant-7", 1, measurements=measured, tcb=(told["status"],))
    asked: list[tuple[str, str]] = []

    def stored(*where: str) -> bytes:
        asked.append(where)  # type: ignore[arg-type]
        return collateral

    with pytest.raises(TrustRefused, match="not for this request"):  # the samples were made for nobody's request
        evidence.verify(shown, rule, bytes(32), now, stored)
    assert asked[0][0] == kind and len(asked[0][1]) == 12
    if report["report_data"].endswith("0" * 64):  # SGX's sample leaves the second half empty, as ours do
        binding = bytes.fromhex(report["report_data"])[:32]
        assert evidence.verify(shown, rule, binding, now, stored).kind == kind
        other = dataclasses.replace(
            rule, measurements={**measured, NAMES[kind][0]: "00" * (len(measured[NAMES[kind][0]]) // 2)}
        )
        with pytest.raises(TrustRefused, match=f"measurement {NAMES[kind][0]}"):
            evidence.verify(shown, other, binding, now, stored)
    level = "SWHardeningNeeded"
    assert level != told["status"]
    with pytest.raises(TrustRefused, match="TCB level"):
        evidence.verify(shown, dataclasses.replace(rule, tcb=(level,)), bytes(32), now, stored)
    for when in (now - 400 * 86400, now + 400 * 86400):  # collateral counts from its issue to its next update
        with pytest.raises(SignatureRefused):
            evidence.verify(shown, rule, bytes(32), when, stored)


@pytest.mark.parametrize("kind", ["sgx", "tdx"])
def test_a_changed_quote_is_refused(kind: str) -> None:
    shown, collateral, now, told = sample(kind)
    (report,) = told["report"].values()
    rule = Rule(kind, "plant-7", 1, measurements={NAMES[kind][0]: report[NAMES[kind][0]]}, tcb=(told["status"],))
    whole = shown.parts["quote"]
    for at in range(0, len(whole), 61):
        bent = bytearray(whole)
        bent[at] ^= 1
        with pytest.raises(CountermarkError):
            evidence.verify(Evidence(kind, {"quote": bytes(bent)}), rule, bytes(32), now, lambda *_: collateral)
    other = "tdx" if kind == "sgx" else "sgx"
    with pytest.raises(TrustRefused):
        evidence.verify(Evidence(other, {"quote": whole}), dataclasses.replace(
            Rule(other, "plant-7", 1, measurements={NAMES[other][0]: "00" * (48 if other == "tdx" else 32)}, tcb=("UpToDate",))
        ), bytes(32), now, lambda *_: collateral)  # fmt: skip


def test_collateral_is_kept_by_platform(world: World) -> None:
    deposits = world.deposits()
    with pytest.raises(Unusable, match="no collateral"):
        deposits.collateral("tdx", "b0c06f000000")
    deposits.keep_collateral("tdx", "b0c06f000000", b"{}")
    assert deposits.collateral("tdx", "b0c06f000000") == b"{}"
    for kind, fmspc in (("sev", "b0c06f000000"), ("tdx", "../../../etc/x"), ("tdx", "B0C06F000000")):
        with pytest.raises(StatementRefused):
            deposits.collateral(kind, fmspc)


@pytest.mark.parametrize("change", [
    {"evidence": "sev-snp"}, {"keys": frozenset()}, {"keys": frozenset({"zz"})}, {"releases": 0}, {"pcrs": {16: bytes(32)}},
    {"evidence": "tpm-quote"}, {"evidence": "tpm-quote", "pcrs": {24: bytes(32)}}, {"evidence": "sgx", "keys": frozenset()},
    {"evidence": "sgx", "keys": frozenset(), "measurements": {"isv_svn": "0001"}, "tcb": ("UpToDate",)},
    {"evidence": "tdx", "keys": frozenset(), "measurements": {"mr_td": "00"}, "tcb": ("UpToDate",)},
    {"evidence": "tdx", "keys": frozenset(), "measurements": {"mr_td": "00" * 48}, "tcb": ("Revoked",)},
    {"evidence": "tdx", "keys": frozenset(), "measurements": {"mr_td": "00" * 48}},
    {"claims": {"Recipe": "00" * 32}}, {"claims": {"recipe": "00"}}, {"recipient": "../x"}, {"licence": "00"},
])  # fmt: skip
def test_a_rule_that_grants_more_than_it_says_is_refused(world: World, change: dict) -> None:
    with pytest.raises((StatementRefused, FormatRefused)):
        Rule.from_json(world.rule(**change).to_json())
