"""Starting a guard from an operator's desk: a fresh guard key in memory, delegated, with the desk's API keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from countermark.errors import TrustRefused
from countermark.guard import delegation, keyring
from countermark.guard.admission import Served, admit
from countermark.guard.app import Guard, Limits
from countermark.keys.document import OWNERS
from countermark.keys.signer import generate
from countermark.licence import describe
from countermark.licence.decide import Request
from countermark.licence.refusal import LicenceRefused
from countermark.licence.tenure import Tenure
from countermark.lifecycle import license_use, seal, seal_load, verify
from countermark.lifecycle.desk import Desk
from countermark.lifecycle.seal_load import Keyed
from countermark.sandbox import exposure
from countermark.seal.stanza import NO_LICENCE
from countermark.statement.predicates.licence_claims import Subject
from countermark.statement.statement import EVERYBODY

_WEAKEST_FIRST = {exposure.AT_REST: 0, describe.FIRST_LOAD: 1, describe.HOST_BOUND: 2, describe.ATTESTED: 3}


@dataclass(frozen=True, slots=True)
class Licensed:
    """The licence that a model is to be served under.

    Attributes:
        tenure: of the licence on this host. field_of_use, territory: what for and where, in the operator's words; nobody can check
            these, and an honest operator is told when they do not fit.
    """

    tenure: Tenure
    field_of_use: str = ""
    territory: str = ""

    def check(self, subject: Subject) -> None:
        """Decide, without counting: before a sealed model's key is asked for.

        Args:
            subject: as `load` has it.

        Raises:
            As `load`.
        """
        self.tenure.check(self._request(subject))

    def load(self, subject: Subject) -> None:
        """Decide, and count one load, before the model is loaded.

        Args:
            subject: the verified model, from `license_use.subject` or `license_use.sealed_subject`.

        Raises:
            LicenceRefused: it is not allowed. Unusable, MissingExtra: state or element cannot be reached.
        """
        self.tenure.load(self._request(subject))

    def _request(self, subject: Subject) -> Request:
        return Request("infer", subject, self.tenure.host(), self.field_of_use, self.territory)


def open_guard(
    desk: Desk, model: Path, passport: Path, *, days: float = 7, licensed: Licensed | None = None
) -> tuple[Guard, Served]:
    """Verify a model while it is loaded, and put a guard before it: the bytes that run are those that were hashed.

    Args:
        desk: of the operator. model: folder. passport: its papers. days: the delegation's time, at most 7. licensed: the licence it
            is served under, which is asked before the model is loaded.

    Raises:
        LicenceRefused: the licence does not allow it. Refusal: papers, files or this party's role do not hold, or the model does not load. MissingExtra: no ONNX
        Runtime. Unusable: something cannot be read.
    """
    with verify.open_model(model, passport, verify.pinned(desk), desk.now()) as opened:
        verify.remember(desk, opened.verified)
        _refuse_unlicensed(desk, licensed)
        if licensed is not None:
            licensed.load(license_use.subject(opened.verified.digest))
        served = admit(opened)
    return prepare(desk, served, name=model.name, days=days, tenure=licensed.tenure if licensed else None), served


def open_sealed_guard(
    desk: Desk, sealed: Path, passport: Path, keyed: Keyed, *, days: float = 7, licensed: Licensed | None = None
) -> tuple[Guard, Served]:
    """As `open_guard`, of a sealed model: decrypted into private memory of this process, never written in plaintext to a disk.

    1. papers; 2. the licence, of this very ciphertext and manifest where it names them; 3. the key; 4. the load is counted.

    Args:
        sealed: ``NAME.cmsealed``, manifest and recipients beside it. keyed: how it is opened.

    Raises:
        As `open_guard`; TrustRefused: the key is not given. FormatRefused, TreeRefused: the sealed file was changed, or is of another model.
    """
    exposure.without_cores()
    passported, verified = verify.papers(passport, verify.pinned(desk), desk.now())
    verify.remember(desk, verified)
    handle = seal.verified(sealed, keyed.reader)
    _refuse_unlicensed(desk, licensed)
    subject = license_use.sealed_subject(verified.digest, handle)
    if licensed is not None:
        licensed.check(subject)
    licence = licensed.tenure.chain.leaf.digest if licensed else NO_LICENCE
    with seal_load.open_shown(sealed, handle, lambda: keyed.key(handle, licence), passported, verified) as opened:
        if licensed is not None:
            licensed.load(subject)
        served = admit(opened)
    name = sealed.name.removesuffix(seal.SUFFIX)
    return prepare(desk, served, name=name, days=days, tenure=licensed.tenure if licensed else None), served


def protection(keyed: Keyed | None, licensed: Licensed | None) -> tuple[str, tuple[str, ...]]:
    """The protection class of what is served, and the open ways from this host's memory to a disk.

    Of a sealed model it is the weaker of what its key and what its licence, where there is one, stand for.
    """
    claims = licensed.tenure.chain.claims if licensed else None
    if keyed is None:
        return describe.UNSEALED, ()
    ways = exposure.ways(exposure.read())
    by_key = exposure.protection(keyed.evidence, ways) if keyed.evidence else exposure.AT_REST
    found = [_WEAKEST_FIRST.get(by_key, 0)]
    if claims is not None and claims.subject.ciphertext_root is not None:
        found.append(_WEAKEST_FIRST.get(describe.protection(claims), 0))
    return next(word for word, rank in _WEAKEST_FIRST.items() if rank == min(found)), tuple(way.what for way in ways)


def _refuse_unlicensed(desk: Desk, licensed: Licensed | None) -> None:
    """Whom the owners call a licensee, and no owner, serves under a licence alone: leaving it out is no way round it."""
    roles = set(desk.trust().document.party(desk.party).roles)
    if licensed is None and "licensee" in roles and not roles & OWNERS:
        raise LicenceRefused("uses", expected="a licence that grants infer", seen=f"none named, and {desk.party} is a licensee",
                             mend="--license FILE, as its licensor wrote it")  # fmt: skip


def prepare(
    desk: Desk, served: Served, *, name: str = "model", days: float = 7, limits: Limits | None = None,
    tenure: Tenure | None = None,
) -> Guard:  # fmt: skip
    """A guard that is ready to be served.

    Its private key never touches the disk: who starts the guard again gets a new key and a new delegation.

    Args:
        desk: of the operator, who must hold that role in the trust document. served: from `admission.admit`.
        name: of the model, for people. days: the delegation's time, at most 7. tenure: of its licence, already loaded.

    Raises:
        TrustRefused, SignatureRefused: this party is no operator, its key does not count, or the time is too long.
        Unusable: no statement key here, or the API keys cannot be read.
    """
    if not 0 < days <= delegation.LONGEST.days:
        raise TrustRefused(f"a guard key is delegated for at most {delegation.LONGEST.days} days, not {days:g}")
    signer, begin = generate("guard"), desk.now()
    envelope = delegation.delegate(
        desk.signer("statement"), signer.public, desk.context(EVERYBODY), name=name, model=served.digest,
        not_before=f"{begin:%Y-%m-%dT%H:%M:%SZ}", not_after=f"{begin + timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}",
    )  # fmt: skip
    delegated = delegation.verify(envelope, desk.trust(), begin)

    def clock() -> float:
        return desk.clock().timestamp()

    ring = keyring.KeyRing.of(desk.space, clock)
    return Guard(served, ring, signer, delegated, envelope.to_bytes(), clock, limits, tenure)
