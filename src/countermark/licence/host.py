"""Which host this is: a fresh challenge, answered by a key, a TPM or a TEE, and checked before it counts."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from countermark.errors import SignatureRefused
from countermark.keys.signer import Signer
from countermark.licence.anchors import EvidenceVerifier, HostProver
from countermark.licence.refusal import LicenceRefused
from countermark.statement.predicates.licence_host import HostBinding, Kind

LABEL = b"countermark/licence-host/v1\0"
_ID, MOST_EVIDENCE_BYTES = 32, 1 << 20


@dataclass(frozen=True, slots=True)
class ProvenHost:
    """A handle to a host that answered.

    Attributes:
        kind: of the binding. name: as the evidence shows it; "" where nothing is bound.
    """

    kind: Kind
    name: str = ""


def challenge(licence: str, nonce: bytes) -> bytes:
    """What a host answers: 32 bytes over the licence and a nonce, under a label that no statement begins with.

    Args:
        licence: payload digest, hex. nonce: 32 fresh random bytes.
    """
    return hashlib.sha256(LABEL + bytes.fromhex(licence) + nonce).digest()


def signed_bytes(question: bytes) -> bytes:
    """What a key signs: never the bytes of a statement, whatever the question."""
    return LABEL + question


def prove(
    binding: HostBinding, licence: str, provers: Mapping[Kind, HostProver], verifiers: Mapping[Kind, EvidenceVerifier]
) -> ProvenHost:
    """Ask this host who it is, and check the answer against the licence.

    Args:
        binding: of the licence. licence: payload digest, hex. provers, verifiers: what is here, by kind.

    Raises:
        LicenceRefused: ``host``: it is another one, or there is nothing here that could answer.
        Unusable, MissingExtra: the element cannot be used.
    """
    if binding.kind == "none":
        return ProvenHost("none")
    prover, verifier = provers.get(binding.kind), verifiers.get(binding.kind)
    if prover is None or verifier is None:
        raise LicenceRefused("host", expected=f"proof by {binding.kind}", seen="nothing here that could give it",
                             mend="use the host that the licence names, or ask to move it (`countermark license move`)")  # fmt: skip
    question = challenge(licence, secrets.token_bytes(32))
    evidence = prover.prove(binding, question)
    if len(evidence) > MOST_EVIDENCE_BYTES:
        raise LicenceRefused(
            "host", expected=f"evidence of at most {MOST_EVIDENCE_BYTES} bytes", seen=f"{len(evidence)} bytes",
            mend="look at what proves this host: that is no evidence of its kind",
        )  # fmt: skip
    return ProvenHost(binding.kind, verifier.verify(binding, evidence, question))


class KeyProver:
    """Answers with a key of the use ``licence`` that this host holds, in a file or a token.

    Args:
        signers: this host's; the first that the licence names answers.
    """

    def __init__(self, signers: Sequence[Signer]) -> None:
        self._signers = signers

    def prove(self, binding: HostBinding, challenge: bytes) -> bytes:
        """Id of the key (32 bytes) and its signature.

        Raises:
            LicenceRefused: the licence names none of these keys. Unusable: the token does not sign.
        """
        named = {key.id for key in binding.keys}
        for signer in self._signers:
            if signer.public.id in named:
                return bytes.fromhex(signer.public.id) + signer.sign(signed_bytes(challenge))
        raise LicenceRefused(
            "host", expected=f"a host with key {' or '.join(key.id[:16] for key in binding.keys)}",
            seen=", ".join(s.public.id[:16] for s in self._signers) or "no licence key here",
            mend="use the host that the licence names, or ask to move it (`countermark license move`)",
        )  # fmt: skip


class KeyVerifier:
    """Checks what a `KeyProver` answers. Whether the key lies in a token, no signature can tell."""

    def verify(self, binding: HostBinding, evidence: bytes, challenge: bytes) -> str:
        """Id of the key that signed, hex.

        Raises:
            LicenceRefused: no key that the licence names signed this challenge.
        """
        name = evidence[:_ID].hex()
        key = next((key for key in binding.keys if key.id == name), None)
        try:
            if key is None:
                raise SignatureRefused("a key that the licence does not name")
            key.verify(signed_bytes(challenge), evidence[_ID:])
        except SignatureRefused as error:
            raise LicenceRefused(
                "host", expected="a signature over this challenge by a key of the licence", seen=error.what,
                mend="use the host that the licence names, or ask to move it (`countermark license move`)",
            ) from error  # fmt: skip
        return key.id
