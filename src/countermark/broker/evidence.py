"""Judging evidence against one rule: a handle to the host that showed it, or an exception.

What each kind proves, and no more:

* ``software``: somebody has a file. On a host that its operator owns it protects at rest, not in use.
* ``pkcs11``: somebody has a key that its owner, when he enrolled it, said was in a token. PKCS#11 has no attestation: the signature
  looks the same as one by a file.
* ``tpm-quote``: a TPM that was enrolled saw these PCR values since the challenge. A software TPM is a test double and proves nothing.
* ``sgx``, ``tdx``: an Intel platform at one of the accepted TCB levels runs this enclave or domain (checked by ``dcap-qvl`` with stored
  collateral, at the broker's clock). With physical access such platforms were broken (WireTap, TEE.fail, 2025).
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from countermark import canonical
from countermark.broker.policy import PKCS11, SOFTWARE, TPM, Rule
from countermark.broker.request import Evidence
from countermark.errors import TrustRefused
from countermark.keys import enclave_quote, tpm_attest
from countermark.keys.enclave_quote import Collateral
from countermark.keys.verifier import PublicKey

DOMAIN = b"countermark/broker-evidence/v1\0"


@dataclass(frozen=True, slots=True)
class Shown:
    """Evidence that holds.

    Attributes:
        kind: as in a rule. host: id of the key, or hex SHA-256 of the measurements, by which the host is known.
    """

    kind: str
    host: str


def verify(evidence: Evidence, rule: Rule, binding: bytes, now: int, collateral: Collateral) -> Shown:
    """Verify evidence as a rule asks for it.

    Args:
        binding: 32 bytes that it must be over. now: POSIX seconds, for collateral.

    Raises:
        SignatureRefused, TrustRefused: it does not hold. MissingExtra: dcap-qvl is absent. Unusable: no collateral for the platform.
    """
    if evidence.kind != rule.evidence:
        raise TrustRefused("the rule asks for other evidence", why=f"expected {rule.evidence}, seen {evidence.kind}")
    if evidence.kind in (SOFTWARE, PKCS11):
        return _signed(evidence, rule, binding)
    if evidence.kind == TPM:
        return _quoted(evidence, rule, binding)
    return _attested(evidence, rule, binding, now, collateral)


def _signed(evidence: Evidence, rule: Rule, binding: bytes) -> Shown:
    key = PublicKey.from_spki("host", evidence.parts["key"])
    _require(key.id, rule)
    key.verify(DOMAIN + binding, evidence.parts["signature"])
    return Shown(evidence.kind, key.id)


def _quoted(evidence: Evidence, rule: Rule, binding: bytes) -> Shown:
    key = tpm_attest.attestation_key(evidence.parts["area"])
    _require(key.name.hex(), rule)
    tpm_attest.verify_quote(evidence.parts["attested"], evidence.parts["signature"], key, nonce=binding, pcrs=rule.pcrs)
    return Shown(evidence.kind, key.name.hex())


def _require(key: str, rule: Rule) -> None:
    if key not in rule.keys:
        raise TrustRefused(
            "this key is not enrolled with the owner", why=f"seen {key}", mend="ask the owner to name it in a rule"
        )


def _attested(evidence: Evidence, rule: Rule, binding: bytes, now: int, collateral: Collateral) -> Shown:
    report = enclave_quote.verified(evidence.parts["quote"], (evidence.kind,), now, collateral)
    if report.status not in rule.tcb:
        raise TrustRefused("the platform's TCB level is not accepted", why=f"expected {', '.join(rule.tcb)}, seen {report.status}",
                           mend="update its firmware and microcode, or the owner accepts that level")  # fmt: skip
    report.refuse_debug()
    report.refuse_other_data(binding)
    for name, expected in rule.measurements.items():
        seen = report.measured(name)
        if not hmac.compare_digest(seen, expected):
            raise TrustRefused(f"the measurement {name} is another", why=f"expected {expected}, seen {seen}",
                               mend="run what the owner measured, or ask the owner for a new policy")  # fmt: skip
    return Shown(evidence.kind, canonical.sha256_hex(canonical.to_bytes(dict(rule.measurements))))
