"""Pinning a project: its trust document by a fingerprint that was told over another channel, and never an older or another history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from countermark import dsse
from countermark.errors import TrustRefused
from countermark.keys.trust import Trust, verify_chain
from countermark.lifecycle.desk import CHAIN, MARK, MARK_LOCK, Desk, Mark, chain_bytes, read_chain


def known_chain(desk: Desk) -> tuple[dsse.Envelope, ...]:
    """The versions of the trust document that this workspace keeps; empty where it keeps none."""
    path = desk.space.home / "trust" / CHAIN
    return read_chain(path) if path.exists() else ()


def pin(desk: Desk, fingerprint: str, file: Path) -> Trust:
    """Trust a project by its fingerprint, told over another channel, from a file of trust versions.

    Raises:
        TrustRefused: another fingerprint is pinned already, the file is older than what was seen, tells another
            history, or does not hold.
    """
    chain = read_chain(file)
    with desk.space.lock(MARK_LOCK):
        mark = desk.mark() if (desk.space.home / "trust" / MARK).exists() else Mark(fingerprint)
        if mark.fingerprint != fingerprint:
            raise TrustRefused(
                "this workspace is pinned to another project", why=f"pinned {mark.fingerprint}",
                mend="use a workspace of its own for each project",
            )  # fmt: skip
        trust = verify_chain(chain, fingerprint, desk.now(), least_version=mark.version)
        _refuse_fork(known_chain(desk), chain)
        home = desk.space.folder("trust")
        desk.space.disk.write(home / CHAIN, chain_bytes(chain))
        desk.space.disk.write(home / MARK, replace(mark, version=trust.document.version).to_bytes())
    return trust


def _refuse_fork(known: Sequence[dsse.Envelope], told: Sequence[dsse.Envelope]) -> None:
    for version, (old, new) in enumerate(zip(known, told, strict=False), 1):
        if old.digest != new.digest:
            raise TrustRefused(
                f"there are two versions {version} of this trust document",
                why=f"known {old.digest}, told {new.digest}: its owners signed both",
                mend="ask the owners over another channel which history is theirs",
            )
