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
from countermark.licence.decide import Request
from countermark.licence.refusal import LicenceRefused
from countermark.licence.tenure import Tenure
from countermark.lifecycle import verify
from countermark.lifecycle.desk import Desk
from countermark.statement.predicates.licence_claims import Subject
from countermark.statement.statement import EVERYBODY


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

    def load(self, digest: str) -> None:
        """Decide, and count one load, before the model is loaded.

        Args:
            digest: tree digest of the verified model, hex.

        Raises:
            LicenceRefused: it is not allowed. Unusable, MissingExtra: state or element cannot be reached.
        """
        tenure = self.tenure
        tenure.load(Request("infer", Subject(digest), tenure.host(), self.field_of_use, self.territory))


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
            licensed.load(opened.verified.digest)
        served = admit(opened)
    return prepare(desk, served, name=model.name, days=days, tenure=licensed.tenure if licensed else None), served


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
