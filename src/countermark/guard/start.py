"""Starting a guard from an operator's desk: a fresh guard key in memory, delegated, with the desk's API keys."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from countermark.errors import TrustRefused
from countermark.guard import delegation, keyring
from countermark.guard.admission import Served, admit
from countermark.guard.app import Guard, Limits
from countermark.keys.signer import generate
from countermark.lifecycle import verify
from countermark.lifecycle.desk import Desk
from countermark.statement.statement import EVERYBODY


def open_guard(desk: Desk, model: Path, passport: Path, *, days: float = 7) -> tuple[Guard, Served]:
    """Verify a model while it is loaded, and put a guard before it: the bytes that run are those that were hashed.

    Args:
        desk: of the operator. model: folder. passport: its papers. days: the delegation's time, at most 7.

    Raises:
        Refusal: papers, files or this party's role do not hold, or the model does not load. MissingExtra: no ONNX
        Runtime. Unusable: something cannot be read.
    """
    with verify.open_model(model, passport, verify.pinned(desk), desk.now()) as opened:
        verify.remember(desk, opened.verified)
        served = admit(opened)
    return prepare(desk, served, name=model.name, days=days), served


def prepare(desk: Desk, served: Served, *, name: str = "model", days: float = 7, limits: Limits | None = None) -> Guard:
    """A guard that is ready to be served.

    Its private key never touches the disk: who starts the guard again gets a new key and a new delegation.

    Args:
        desk: of the operator, who must hold that role in the trust document. served: from `admission.admit`.
        name: of the model, for people. days: the delegation's time, at most 7.

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
    return Guard(served, ring, signer, delegated, envelope.to_bytes(), clock, limits)
