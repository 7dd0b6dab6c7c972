"""A licence at the licensee's desk: this host answers for itself, uses it, and gives it back."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from countermark import dsse
from countermark.canonical import sha256_hex
from countermark.errors import Unusable
from countermark.keys.signer import Signer
from countermark.licence.anchors import Anchor, Elements, EvidenceVerifier, HostProver
from countermark.licence.broker_anchor import BrokerAnchor
from countermark.licence.chain import Chain
from countermark.licence.decide import Granted, Request, decide
from countermark.licence.host import KeyProver, KeyVerifier, ProvenHost
from countermark.licence.refusal import LicenceRefused
from countermark.licence.state import State
from countermark.licence.store import Store
from countermark.licence.tenure import Tenure
from countermark.lifecycle import license as licensing
from countermark.lifecycle import license_broker
from countermark.lifecycle.desk import Desk, read_file
from countermark.lifecycle.license_words import words
from countermark.seal.manifest import Verified
from countermark.statement.predicates.licence import RETURN, Destroyed, ReturnReceipt
from countermark.statement.predicates.licence_claims import Subject
from countermark.statement.predicates.licence_host import HostBinding, Kind
from countermark.statement.statement import EVERYBODY, Statement


def elements(
    desk: Desk, chain: Chain, *, tpm: str = "", meter: str = "", collateral: Path | None = None, anchor: Anchor | None = None,
) -> Elements:  # fmt: skip
    """What of this host takes part: its licence keys, a TPM where one is named, and the anchor that the licence names or that is handed in.

    Args:
        tpm: URI of a TPM's attestation key, ``tpm:handle=0x81010001``: it proves the host, and its clock bounds the lease. meter: URL of
            the broker that the licence names to count. collateral: folder of Intel's, by which this host's own quote is verified.

    Raises:
        Unusable, SignatureRefused, MissingExtra: the licence asks for a key, and this party's cannot be opened. LicenceRefused: ``state``:
            the licence names a broker, and no address is said; ``host``: it names an enclave, and no collateral is said.
    """
    binding = chain.claims.host
    signers: list[Signer] = desk.signers("licence") if binding is not None and binding.keys else []
    provers: dict[Kind, HostProver] = {"software-key": KeyProver(signers), "pkcs11-key": KeyProver(signers)}
    verifiers: dict[Kind, EvidenceVerifier] = {"software-key": KeyVerifier(), "pkcs11-key": KeyVerifier()}
    anchor = anchor or license_broker.anchor(chain, signers, meter)
    if binding is not None and binding.kind == "tee":
        from countermark.licence.tee import TeeVerifier, TsmProver, stored_in

        if collateral is None:
            raise LicenceRefused("host", expected="a quote of this enclave, and collateral to verify it by", seen="no collateral",
                                 mend="inside the TDX guest: --collateral DIR with KIND-FMSPC.json, as `dcap-qvl` writes it")  # fmt: skip
        provers["tee"] = TsmProver()
        verifiers["tee"] = TeeVerifier(stored_in(collateral), lambda: desk.clock().timestamp())
    if not tpm:
        return Elements(anchor, None, provers, verifiers)
    from countermark.keys.uri import parse
    from countermark.licence.tpm import TpmClock, TpmProver, TpmVerifier

    where = parse(tpm)
    if anchor is None and binding is not None and binding.counter is not None:
        from countermark.licence.tpm_anchor import TpmAnchor

        anchor = TpmAnchor(where, *binding.counter)
    return Elements(anchor, TpmClock(where), provers | {"tpm": TpmProver(where)}, verifiers | {"tpm": TpmVerifier()})


def hold(
    desk: Desk, file: Path, elapsed: Callable[[], float], boot: str = "", *, tpm: str = "", meter: str = "",
    collateral: Path | None = None, anchor: Anchor | None = None,
) -> Tenure:  # fmt: skip
    """A licence file, ready to be used on this host.

    Args:
        elapsed: seconds that only run forward. boot: as `Tenure` has it. tpm, meter, collateral, anchor: as `elements` has them.

    Raises:
        Refusal: it does not hold. Unusable, MissingExtra: something cannot be read or opened.
    """
    chain = licensing.read(desk, file).chain
    return Tenure(
        desk.space, chain, desk.trust(), clock=lambda: desk.clock().timestamp(), elapsed=elapsed, words=lambda: words(file),
        elements=elements(desk, chain, tpm=tpm, meter=meter, collateral=collateral, anchor=anchor), boot=boot,
    )  # fmt: skip


def state(desk: Desk, chain: Chain) -> State | None:
    """What this host remembers of a licence, as it lies in the file; None where it never used it.

    Raises:
        StatementRefused: malformed. Unusable: it cannot be read.
    """
    return Store(desk.space, chain.root.digest).peek()


def judged(desk: Desk, file: Path, chain: Chain, use: str, field: str, territory: str) -> Granted:
    """What would be decided now, without asking the host's element, counting or writing anything.

    Raises:
        LicenceRefused: it would be refused. Refusal: something beside it does not hold.
    """
    tenure = Tenure(
        desk.space,
        chain,
        desk.trust(),
        clock=lambda: desk.clock().timestamp(),
        elapsed=lambda: 0.0,
        words=lambda: words(file),
    )
    looked, binding = tenure.look(keep=False), chain.claims.host
    host = ProvenHost(binding.kind, binding.keys[0].id if binding.keys else "") if binding else ProvenHost("none")
    request = Request(use, chain.claims.subject, host, field, territory)
    granted = decide(request, chain, looked.reading, looked.lists, looked.state.memory.epoch)
    return replace(granted, notes=(*looked.notes, *granted.notes))


def tpm_host(tpm: str, ek: Path, pcrs: Sequence[int], counter: int | None) -> HostBinding:
    """What a licensor needs to bind a licence to this host's TPM.

    Args:
        tpm: URI of its attestation key. ek: PEM of the endorsement key's public half, as the licensor checks it against the maker's
            certificate. pcrs: registers whose values now are to hold. counter: NV index; it is made where it is not there.

    Raises:
        Unusable: the TPM refuses, or a file is no key. MissingExtra: its library is absent.
    """
    from countermark.keys import tpm_quote, tpm_seal
    from countermark.keys.uri import parse

    where = parse(tpm)
    key = tpm_quote.read_attestation_key(where)
    values = tuple(
        (index, value.hex()) for index, value in sorted(tpm_quote.read_pcrs(where, tuple(sorted(pcrs))).items())
    )
    epoch = None
    if counter is not None:
        try:
            epoch = tpm_seal.read_epoch(where, counter)
        except Unusable:
            epoch = tpm_seal.make_epoch(where, counter)
    anchored = (epoch.index, epoch.value) if epoch else None
    return HostBinding("tpm", ek=_spki_digest(ek), ak="000b" + key.name.hex(), pcrs=values, counter=anchored)


def _spki_digest(pem: Path) -> str:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

    try:
        key = load_pem_public_key(read_file(pem, 16 << 10))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Unusable(
            f"{pem} is no public key", why=str(error)[:200], mend="`tpm2_createek -f pem -u FILE` writes one"
        ) from error
    return sha256_hex(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def give_back(
    desk: Desk, file: Path, elapsed: Callable[[], float], *, tpm: str = "", meter: str = ""
) -> tuple[dsse.Envelope, Destroyed]:
    """Never use a licence here again, and say so, signed.

    Where a broker counts, it refuses this host from then on, and its word stands in the receipt; else it is a promise, because nobody can
    see a software key die.

    Returns:
        The receipt, and what it rests on.

    Raises:
        Refusal: it does not hold, is another's, or was given back before. Unusable: no licence key here, or the broker does not answer.
    """
    tenure = hold(desk, file, elapsed, tpm=tpm, meter=meter)
    chain, anchor = tenure.chain, tenure.anchor
    licensing.refuse_other_holder(desk, chain, "gives it back")
    known = state(desk, chain)
    if not (
        isinstance(anchor, BrokerAnchor) and known is not None and known.given_up
    ):  # else: it was, and the broker's word was lost
        tenure.give_up()
    host = ",".join(key.id for key in chain.claims.host.keys[:1]) if chain.claims.host else ""
    said = ReturnReceipt(desk.context(EVERYBODY), chain.leaf.digest, "promise", host)
    if isinstance(anchor, BrokerAnchor):
        said = replace(said, destroyed="broker", host=anchor.host, proof=base64.b64encode(anchor.end()).decode())
    signed = desk.sign(Statement("returned", chain.claims.subject.digest, RETURN, said.to_json()), "licence")
    return signed, said.destroyed


def sealed_subject(digest: str, handle: Verified) -> Subject:
    """What is loaded from a sealed asset: a licence may name its ciphertext and its manifest too.

    Args:
        digest: tree digest of the plaintext, as its papers name it. handle: its verified manifest.
    """
    return Subject(digest, handle.manifest.root.hex(), handle.digest)


def subject(digest: str) -> Subject:
    """What is loaded as plain files: it has no ciphertext, so that a licence for a sealed asset does not fit it."""
    return Subject(digest)
