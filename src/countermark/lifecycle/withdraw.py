"""Withdraw: to say, signed and in the ledger, that a statement no longer counts, or that a newer release replaces it.

Nothing leaves the ledger. A withdrawal is a statement of its own: releases leave out what it names, and the owners' next
revocation snapshot lists its entry, so that relying parties refuse every passport that rests on it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from countermark import dsse
from countermark.artefact.folder import read_folder
from countermark.errors import CountermarkError, NothingToVerify, StatementRefused, TrustRefused
from countermark.keys.document import OWNERS
from countermark.keys.trust import Trust
from countermark.lifecycle import book, entitled, filed, parcel
from countermark.lifecycle.desk import Desk, read_file
from countermark.passport import passport
from countermark.passport.passport import Passport
from countermark.passport.slip import Shown, Slip, verify
from countermark.statement.predicates import acts, verdict
from countermark.statement.predicates.acts import Successor, Withdrawal
from countermark.statement.predicates.verdict import VerdictStatement
from countermark.statement.statement import EVERYBODY, Statement


def find(desk: Desk, which: str) -> list[Slip]:
    """Statements that a user means: those admitting a model's folder, the verdict of a passport, or one by its name.

    Args:
        which: path of a model or of its passport, or as `book.find` takes it.

    Raises:
        NothingToVerify: nothing here answers to it. Unusable, Refusal: a file cannot be read, or is malformed.
    """
    path = Path(which)
    if path.name.endswith(passport.SUFFIX) and path.is_file():
        return [filed.slip(desk, Passport.from_bytes(read_file(path, passport.MAX_BYTES)).verdict.envelope.digest)]
    if not path.exists():
        return [book.find(desk, which)]
    digest = read_folder(path).digest
    verdicts = entitled.standing(book.entered(desk, verdict.TYPE, about=digest), desk.trust(), desk.now())
    hit = [shown.slip for shown in verdicts if _admits(shown, digest)]
    if not hit:
        raise NothingToVerify(f"no verdict here admits {path}", mend="`countermark ledger show` lists what was entered")
    return hit


def _admits(shown: Shown, digest: str | None = None) -> bool:
    said = shown.statement
    if said.predicate_type != verdict.TYPE or digest not in (None, said.digest):
        return False
    return VerdictStatement.from_json(said.predicate).admitted


def withdraw(desk: Desk, slips: Sequence[Slip], reason: str, successor: Slip | None = None) -> list[Slip]:
    """Sign and enter that statements no longer count.

    Args:
        slips: as entered here. reason: for every reader. successor: verdict that admits what replaces them.

    Raises:
        TrustRefused: this party is neither an owner nor signed them, or keeps no ledger. StatementRefused: the successor
            admits nothing, was withdrawn itself, or is older than what it is to replace.
    """
    with desk.space.lock():
        trust = desk.trust()
        if successor is not None:
            _must_follow(desk, trust, slips, successor)
        envelopes = []
        for slip in slips:
            shown = verify(slip, trust, desk.now())
            if desk.party != shown.party.id and not OWNERS & set(trust.document.party(desk.party).roles):
                raise TrustRefused(f"{desk.party} may not withdraw what {shown.party.id} said", mend="ask an owner")
            said = Withdrawal(
                desk.context(EVERYBODY), shown.digest, reason, successor.envelope.digest if successor else None
            )
            envelopes.append(desk.sign(Statement("withdrawn", shown.statement.digest, acts.WITHDRAWAL, said.to_json())))
        return book.enter(desk, trust, envelopes)


def request(desk: Desk, folder: Path, reason: str) -> dsse.Envelope:
    """A supplier's signed word that a delivery of its own no longer counts, for the ledger's keeper to enter.

    Args:
        folder: as delivered, its delivery file beside it; or the delivery file, as `sent` keeps each.

    Raises:
        NothingToVerify: nobody delivered it. TrustRefused: somebody else did.
    """
    folder = folder.with_name(folder.name.removesuffix(parcel.SUFFIX))
    if not parcel.beside(folder).exists():
        raise NothingToVerify(
            f"nobody delivered {folder}",
            why=f"there is no {parcel.beside(folder).name}",
            mend="name the folder that you delivered; what is entered, the ledger's keeper revokes",
        )
    piece = parcel.read(folder)
    signer = desk.verify(desk.trust(), piece.envelope, "supplier").party.id
    if signer != desk.party:
        raise TrustRefused(f"{desk.party} may not withdraw what {signer} delivered", mend="ask an owner")
    said = Withdrawal(desk.context(EVERYBODY), piece.envelope.digest, reason, None)
    return desk.sign(Statement("withdrawn", piece.statement.digest, acts.WITHDRAWAL, said.to_json()))


def _must_follow(desk: Desk, trust: Trust, slips: Sequence[Slip], successor: Slip) -> None:
    if not _admits(entitled.counts(verify(successor, trust, desk.now()))) or successor.envelope.digest in withdrawn(
        desk
    ):
        raise StatementRefused("what replaces a release must be admitted and not withdrawn", mend="release it first")
    if any(s.index() >= successor.index() for s in slips):
        raise StatementRefused(
            f"entry {successor.index()} is not newer than what it is to replace",
            mend="supersede OLD NEW, in this order",
        )


def withdrawn(desk: Desk) -> dict[str, Withdrawal]:
    """What no longer counts, by the digest of the statement withdrawn; withdrawals that do not hold change nothing."""
    slips = book.entered(desk, acts.WITHDRAWAL)
    if not slips:
        return {}
    trust = desk.trust()
    held = [said for slip in slips if (said := _held(desk, trust, slip))]
    return {said.statement: said for said in held}


def entries(desk: Desk) -> set[int]:
    """Ledger entries of what no longer counts."""
    return {filed.slip(desk, digest).index() for digest in withdrawn(desk)}


def successors(desk: Desk, trust: Trust, revoked: Collection[int]) -> tuple[Successor, ...]:
    """What replaces each superseded verdict in the end, by what was signed: the newest in its line that still admits.

    Args:
        revoked: ledger entries that count for nothing, whoever said so; none of them replaces anything.
    """
    gone = withdrawn(desk)
    admitting = {
        s.digest: s for s in entitled.standing(book.entered(desk, verdict.TYPE), trust, desk.now()) if _admits(s)
    }
    out = []
    for old in (admitting[digest] for digest in gone if digest in admitting):
        newest = old
        while (said := gone.get(newest.digest)) and (nxt := admitting.get(said.successor or "")):
            if (nxt.index or 0) <= (newest.index or 0):
                break  # only what came later replaces anything, so that every line ends
            newest = nxt
        if newest.digest not in gone and newest.index not in revoked:
            out.append(Successor(old.index or 0, newest.digest, newest.statement.digest))
    return tuple(sorted(out, key=lambda one: one.entry))


def _held(desk: Desk, trust: Trust, slip: Slip) -> Withdrawal | None:
    """The withdrawal, where its signer counts and may say it."""
    try:
        shown = verify(slip, trust, desk.now())
        said = Withdrawal.from_json(shown.statement.predicate)
        return said if may(shown, verify(filed.slip(desk, said.statement), trust, desk.now())) else None
    except CountermarkError:
        return None  # its signer was revoked before it, it is malformed, or names nothing that was entered here


def may(shown: Shown, gone: Shown) -> bool:
    """Whether the signer of a withdrawal may withdraw that statement: an owner, or whoever said it."""
    return bool(OWNERS & set(shown.party.roles)) or gone.party.id == shown.party.id
