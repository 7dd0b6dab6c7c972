"""Owners sign a draft of the trust document; with enough of them it is published."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from countermark import dsse
from countermark.errors import SignatureRefused, TrustRefused
from countermark.keys import signer as keyfiles
from countermark.keys.document import PAYLOAD_TYPE, TrustDocument
from countermark.keys.trust import owners_signed, root_keys, verify_chain
from countermark.keys.verifier import PublicKey
from countermark.lifecycle.desk import CHAIN, MARK, MARK_LOCK, Desk, Mark, chain_bytes, read_file
from countermark.lifecycle.trust_draft import DRAFT
from countermark.lifecycle.trust_pin import known_chain


def sign_draft(desk: Desk, file: Path | None = None) -> tuple[dsse.Envelope, bool]:
    """Sign the draft (here, or in a file another owner handed over); publish it once enough owners signed.

    Nothing is signed that is not the next version of the pinned project, or the first of a new one.

    Returns:
        The envelope as signed so far, and whether it was published.

    Raises:
        TrustRefused: not of the pinned project, does not follow, or this party is no owner in it.
        StatementRefused: no trust document. Unusable: no draft, or it cannot be written.
    """
    trust = desk.space.folder("trust")
    partly = file or trust / f"{DRAFT}.signed"
    if partly.exists():
        envelope = dsse.Envelope.from_bytes(read_file(partly), what=partly.name)
    else:
        envelope = dsse.Envelope(PAYLOAD_TYPE, read_file(trust / DRAFT), ())
    with desk.space.lock(MARK_LOCK):
        chain = _chain_before(desk, envelope)
        document = TrustDocument.from_bytes(envelope.payload)
        for signer in desk.signers("root"):
            _refuse_no_owner(desk, document, chain, signer.public)
            envelope = keyfiles.add_signature(envelope, signer)
        desk.space.disk.write(partly, envelope.to_bytes())
        return envelope, _published(desk, document, chain, envelope)


def _chain_before(desk: Desk, envelope: dsse.Envelope) -> tuple[dsse.Envelope, ...]:
    """The pinned versions before this one; empty where it begins a project."""
    if envelope.payload_type != PAYLOAD_TYPE:
        raise TrustRefused("a root key signs trust documents only", why=f"this is {envelope.payload_type!r:.80}")
    document = TrustDocument.from_bytes(envelope.payload)
    if not (desk.space.home / "trust" / MARK).exists():
        chain: tuple[dsse.Envelope, ...] = ()
    else:
        chain = desk.trust(expired=True).envelopes
    if chain and document.version == 1 and envelope.digest != chain[0].digest:
        raise TrustRefused(
            "this draft begins another project", why=f"pinned {chain[0].digest}",
            mend="use a workspace of its own for each project",
        )  # fmt: skip
    if envelope.digest in {e.digest for e in chain}:
        return chain[: document.version - 1]
    if document.version != len(chain) + 1:
        raise TrustRefused(f"trust version {document.version} does not follow version {len(chain)} known here")
    return chain


def _refuse_no_owner(desk: Desk, document: TrustDocument, chain: Sequence[dsse.Envelope], key: PublicKey) -> None:
    judges = [document, *(TrustDocument.from_bytes(e.payload) for e in chain[-1:])]
    if not any(key.id in root_keys(judge, document.issued) for judge in judges):
        raise TrustRefused(
            f"{desk.party} is no owner in this draft", why=f"it knows no root key {key.id[:16]}",
            mend="the owners enrol this party's root key first",
        )  # fmt: skip


def _published(desk: Desk, document: TrustDocument, chain: Sequence[dsse.Envelope], envelope: dsse.Envelope) -> bool:
    """Keep the version and remember it, where enough owners of it and of the one before have signed."""
    judges = [document, *(TrustDocument.from_bytes(e.payload) for e in chain[-1:])]
    if any(not _enough(envelope, judge, document.issued) for judge in judges):
        return False
    first = chain[0].digest if chain else envelope.digest
    home, known = desk.space.home / "trust", known_chain(desk)
    verify_chain((*chain, envelope), first, desk.now())
    if len(known) <= len(chain):
        desk.space.disk.write(home / CHAIN, chain_bytes((*chain, envelope)))
    if not (home / MARK).exists():
        desk.space.disk.write(home / MARK, Mark(first).to_bytes())
    for leftover in (DRAFT, f"{DRAFT}.signed"):
        desk.space.disk.unlink(home / leftover)
    return True


def _enough(envelope: dsse.Envelope, judge: TrustDocument, issued: str) -> bool:
    try:
        return len(owners_signed(envelope, judge, issued)) >= judge.threshold
    except SignatureRefused:
        return False
