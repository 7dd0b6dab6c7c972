"""License: grant, narrow, co-sign, revoke, tell the time, move. What a licensor or sublicensor does at its desk.

Signed with this party's key of the use ``licence``; beacons with a time key that is made here, stands in the licences and can
do nothing else.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from countermark import dsse
from countermark.errors import NothingToVerify, Refusal, StatementRefused, TrustRefused, Unusable
from countermark.keys.document import moment
from countermark.keys.signer import FileSigner, add_signature, generate, load, sign_envelope
from countermark.keys.trust import Trust
from countermark.ledger.note import decode_base64
from countermark.licence import chain as chains
from countermark.licence import word
from countermark.licence.broker_anchor import broker_of, refuse_going_on, refuse_others_going_on
from countermark.licence.chain import Chain
from countermark.licence.refusal import LicenceRefused
from countermark.licence.store import FOLDER
from countermark.lifecycle.desk import Desk, read_file
from countermark.statement.predicates.beacon import BEACON, MOST_BEACON_BYTES, RESET, Beacon, Reset
from countermark.statement.predicates.licence import LICENCE, LICENCE_LIST, Licence, RevokedLicences
from countermark.statement.predicates.licence_claims import Claims, Licensee, Revocation
from countermark.statement.statement import EVERYBODY, Statement

TIME_KEY, JOURNAL, LIST = "licence-time.pem", "beacons.jsonl", "revoked.json"
GRANTED, SUFFIX = "granted", ".licence"
LIST_DAYS = 90
BESIDE = "beside the licence"


@dataclass(frozen=True, slots=True)
class Papers:
    """A licence file as it was read.

    Attributes:
        envelopes: as they stand. chain: a handle to them.
    """

    envelopes: tuple[dsse.Envelope, ...]
    chain: Chain


def read(desk: Desk, file: Path) -> Papers:
    """Read and verify a licence file.

    Raises:
        Refusal: it does not hold. Unusable: it cannot be read.
    """
    envelopes = _file(file)
    return Papers(envelopes, chains.verify(envelopes, desk.trust(), desk.now()))


def _file(file: Path) -> tuple[dsse.Envelope, ...]:
    return chains.from_file(read_file(file, chains.MOST_FILE_BYTES), file.name)


def licensee(desk: Desk, party: str) -> Licensee:
    """A party of the project and its newest licence key.

    Raises:
        TrustRefused: nobody of that name, or it has no licence key.
    """
    who = desk.trust().document.party(party)
    keys = [k.key for k in who.keys if k.key.use == "licence" and not k.revoked]
    if not keys:
        raise TrustRefused(
            f"{party} has no licence key in the trust document", why="by it the licensee narrows, returns and proves its host",
            mend=f"{party} runs `countermark key new licence`, and the owners enrol it (`countermark party add`)",
        )  # fmt: skip
    return Licensee(who.id, who.organisation, keys[-1])


def time_key(desk: Desk) -> FileSigner:
    """The key that signs beacons; made here the first time.

    Raises:
        Unusable: it cannot be read or written.
    """
    path = desk.space.folder("keys") / TIME_KEY
    if not path.exists():
        generate("licence").save(path)
    return load(path, "licence")


def grant(desk: Desk, claims: Claims) -> tuple[dsse.Envelope, ...]:
    """Sign an owner's grant; it counts once all its co-signers signed as well.

    Raises:
        Refusal: it would not hold. Unusable: no licence key here.
    """
    return _signed(desk, (), claims)


def narrow(desk: Desk, above: Papers, claims: Claims) -> tuple[dsse.Envelope, ...]:
    """Sign a sublicence as the licensee of the chain's last link.

    Raises:
        LicenceRefused: ``licensee``: this party does not hold the licence above; or it claims more than that. Refusal: it would not hold.
        Unusable: no licence key here.
    """
    refuse_other_holder(desk, above.chain, "narrows it")
    return _signed(desk, above.envelopes, claims)


def refuse_other_holder(desk: Desk, chain: Chain, does: str) -> None:
    """Only the licensee of a chain's last link sublicenses it and gives it back.

    Args:
        does: what only the licensee does, for people.

    Raises:
        LicenceRefused: ``licensee``: this party is another. Unusable: no licence key here.
    """
    holder, mine = chain.claims.licensee, desk.signer("licence").public
    if mine != holder.key:
        raise LicenceRefused("licensee", expected=f"{holder.party}, key {holder.key.id[:16]}", seen=f"{desk.party}, key {mine.id[:16]}",
                             mend=f"{holder.party} {does}, with the key that the licence names")  # fmt: skip


def _signed(desk: Desk, above: Sequence[dsse.Envelope], claims: Claims) -> tuple[dsse.Envelope, ...]:
    checked = Claims.from_json(claims.to_json())  # what would be refused when it is read is not signed
    context = desk.context(claims.licensee.party)
    predicate = Licence(context, above[-1].digest if above else None, checked)
    statement = Statement("licensed", claims.subject.digest, LICENCE, predicate.to_json())
    made = (*above, desk.sign(statement, "licence"))
    try:
        chains.verify(made, desk.trust(), desk.now())
    except LicenceRefused as error:
        if error.claim != "co_signers":
            raise
    return _kept(desk, made)


def _kept(desk: Desk, made: tuple[dsse.Envelope, ...]) -> tuple[dsse.Envelope, ...]:
    """A copy of what was signed here, so that a recall can name its licensee."""
    disk = desk.space.disk
    folder = disk.folder(disk.folder(desk.space.home / FOLDER) / GRANTED)
    disk.write(folder / f"{made[-1].digest}{SUFFIX}", chains.to_file(made))
    return made


def granted(desk: Desk) -> tuple[tuple[tuple[dsse.Envelope, ...], Path], ...]:
    """Licences that were granted, narrowed or co-signed here, as they were signed, and where each lies.

    Raises:
        StatementRefused: one is malformed. Unusable: it cannot be read.
    """
    folder = desk.space.home / FOLDER / GRANTED
    files = sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else []
    return tuple((_file(file), file) for file in files)


def claimed(envelopes: Sequence[dsse.Envelope], trust: Trust, now: datetime) -> tuple[Claims, bool]:
    """What a licence claims, and whether all its co-signers signed it: it counts only then.

    Raises:
        Refusal: it does not hold.
    """
    try:
        return chains.verify(envelopes, trust, now).claims, True
    except LicenceRefused as refusal:
        if refusal.claim != "co_signers":
            raise
    return Licence.from_json(Statement.from_bytes(envelopes[-1].statement_bytes()).predicate).claims, False


def evidence(desk: Desk, model: str, handed: Sequence[Path] = ()) -> list[dict[str, Any]]:
    """Licences for a model that count now, as an assessment looks at them: those that were signed here, and those handed in.

    Ended, revoked and not wholly co-signed ones are left out, and one kept here that does not hold any more.

    Args:
        model: tree digest, hex. handed: licence files, each of which must hold.

    Raises:
        Refusal: one that was handed in does not hold. Unusable: something cannot be read.
    """
    trust, now = desk.trust(), desk.now()
    listed = newest_list(desk)
    revoked = listed[1].licences if listed else frozenset[str]()
    out = {}
    for chain in (*_held(desk, trust, now), *(read(desk, file).chain for file in handed)):
        claims, links = chain.claims, [link.digest for link in chain.links]
        counts = moment(claims.not_before) <= now < moment(claims.not_after) and revoked.isdisjoint(links)
        if claims.subject.digest == model and counts:
            out[links[-1]] = {
                "statement": links[-1], "signer": chain.leaf.issuer, "subject": model, "licensee": claims.licensee.party,
                "uses": sorted(claims.uses), "until": claims.not_after, "host": claims.host.kind if claims.host else "denied",
                "sealed": claims.subject.ciphertext_root is not None,
            }  # fmt: skip
    return [out[digest] for digest in sorted(out)]


def _held(desk: Desk, trust: Trust, now: datetime) -> Iterator[Chain]:
    for envelopes, _ in granted(desk):
        with contextlib.suppress(Refusal):  # a recall tells of it; it is no evidence
            yield chains.verify(envelopes, trust, now)


def co_sign(desk: Desk, file: Path) -> tuple[dsse.Envelope, ...]:
    """Add this party's signature to the last licence of a file, where it names this party as a co-signer.

    Raises:
        LicenceRefused: ``co_signers``: it does not. StatementRefused: malformed. Unusable: no licence key here.
    """
    envelopes = _file(file)
    said = Licence.from_json(Statement.from_bytes(envelopes[-1].statement_bytes(), what="licence").predicate)
    if desk.party not in said.claims.co_signers or said.context.project != desk.mark().fingerprint:
        raise LicenceRefused("co_signers", expected=", ".join(sorted(said.claims.co_signers)) or "nobody", seen=desk.party,
                             mend="only those sign whom the licence names")  # fmt: skip
    return _kept(desk, (*envelopes[:-1], add_signature(envelopes[-1], desk.signer("licence"))))


def newest_list(desk: Desk) -> tuple[bytes, RevokedLicences] | None:
    """This licensor's newest list of revoked licences, or None."""
    path = desk.space.home / FOLDER / LIST
    if not path.exists():
        return None
    data = read_file(path, word.MOST_LIST_BYTES * 2)
    statement = Statement.from_bytes(dsse.Envelope.from_bytes(data.strip()).statement_bytes())
    return data, RevokedLicences.from_json(statement.predicate)


def revoke(desk: Desk, licences: Sequence[str], *, days: int = LIST_DAYS) -> tuple[bytes, RevokedLicences]:
    """Sign the next list: all that was revoked before, and these. Without any it is renewed.

    Args:
        licences: payload digests, hex. days: until the list after it.

    Returns:
        The list's envelope as one line, and what it says.

    Raises:
        Unusable: no licence key here, or it cannot be written.
    """
    with desk.space.lock():
        before = newest_list(desk)
        known = before[1].licences if before else frozenset[str]()
        until = (desk.now() + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
        said = RevokedLicences(
            desk.context(EVERYBODY), (before[1].epoch if before else 0) + 1, known.union(licences), until
        )
        signed = desk.sign(Statement("revoked", desk.mark().fingerprint, LICENCE_LIST, said.to_json()), "licence")
        data = signed.to_bytes() + b"\n"
        desk.space.disk.write(desk.space.disk.folder(desk.space.home / FOLDER) / LIST, data)
        return data, said


def revocation(desk: Desk, place: str) -> Revocation:
    """The claim that a licensor's list must be at hand, the present one or a newer; a first, empty one is signed where there is none."""
    newest = newest_list(desk) or revoke(desk, ())
    return Revocation(place, newest[1].epoch)


def beacon(desk: Desk, *, answers: str = "") -> bytes:
    """Sign what time it is, with the time key; kept here, so that hosts that were away get those they missed.

    Args:
        answers: the code that a host showed, or "".

    Returns:
        The envelope as one line, at most 1 KiB.

    Raises:
        StatementRefused: no code. Unusable: it cannot be written.
    """
    newest = newest_list(desk)
    said = Beacon(desk.context(EVERYBODY), newest[1].epoch if newest else 0, answers)
    Beacon.from_json(said.to_json())
    statement = Statement("time", desk.mark().fingerprint, BEACON, said.to_json())
    line = sign_envelope(dsse.IN_TOTO, statement.to_bytes(), [time_key(desk)]).to_bytes()
    if len(line) > MOST_BEACON_BYTES:
        raise StatementRefused(f"a beacon of {len(line)} bytes", why=f"hosts read at most {MOST_BEACON_BYTES}")
    with desk.space.lock():
        path = desk.space.disk.folder(desk.space.home / FOLDER) / JOURNAL
        kept = path.read_bytes() if path.exists() else b""
        desk.space.disk.write(path, kept + line + b"\n")
    return line + b"\n"


def beacons_since(desk: Desk, since: str) -> bytes:
    """Beacons that were signed here at a time or later, one a line, oldest first.

    Args:
        since: RFC 3339 UTC.

    Raises:
        NothingToVerify: none was. StatementRefused: no time.
    """
    path, begin = desk.space.home / FOLDER / JOURNAL, moment(since)
    lines = path.read_bytes().splitlines() if path.exists() else []
    said = [(line, Beacon.from_json(_predicate(line))) for line in lines]
    out = [line + b"\n" for line, one in said if moment(one.context.time) >= begin]
    if not out:
        raise NothingToVerify(f"no beacon was signed here since {since}", mend="`countermark license beacon` signs one")
    return b"".join(out)


def _predicate(line: bytes) -> dict[str, object]:
    return Statement.from_bytes(dsse.Envelope.from_bytes(line).statement_bytes()).predicate


def reset(desk: Desk, code: str, reason: str) -> bytes:
    """An owner sets one host's memory of the time to now, with its root key.

    Args:
        code: that the host showed. reason: for every reader, at most 100 characters.

    Raises:
        TrustRefused: this party is no owner. Unusable: no root key here, or no reason.
    """
    if not reason.strip() or len(reason) > 100:
        raise Unusable("a reset needs a reason of at most 100 characters", mend="--reason '...'")
    said = Reset(desk.context(EVERYBODY), code, desk.stamp(), reason)
    Reset.from_json(said.to_json())
    signed = desk.sign(Statement("reset", desk.mark().fingerprint, RESET, said.to_json()), "root")
    word.reset(signed, desk.trust(), desk.now())
    return signed.to_bytes() + b"\n"


def move(
    desk: Desk, papers: Papers, receipt: dsse.Envelope, changes: Claims
) -> tuple[tuple[dsse.Envelope, ...], bytes]:
    """Grant anew what a licensee gave back, to another host or, where the licence allows transfer, another licensee.

    Args:
        changes: the new claims, for the same subject.

    Returns:
        The new chain, and the list of revoked licences that now names the old one.

    Raises:
        LicenceRefused: ``transfer``; or it claims more than before; ``state``: the broker that counts does not say that the old host's
            meter ended. TrustRefused, SignatureRefused: the receipt does not hold.
    """
    said, old = word.returned(receipt, papers.chain), papers.chain.claims
    if (broker := broker_of(old.host)) is not None:
        refuse_going_on(decode_base64(said.proof, "the receipt's proof"), broker, papers.chain.root.digest, said.host)
        refuse_others_going_on(old.host, said.host)
    if changes.licensee.party != old.licensee.party and not old.transfer:
        raise LicenceRefused("transfer", expected=old.licensee.party, seen=changes.licensee.party,
                             mend="this licence stays with its licensee; the licensor may grant another one")  # fmt: skip
    if papers.chain.leaf.issuer != desk.party:
        raise TrustRefused(f"{desk.party} did not grant this licence", mend=f"{papers.chain.leaf.issuer} moves it")
    kept = replace(changes, not_before=old.not_before, not_after=old.not_after, subject=old.subject)
    line, listed = revoke(desk, [papers.chain.leaf.digest])
    if isinstance(kept.revocation, Revocation) and len(papers.envelopes) == 1:
        kept = replace(kept, revocation=replace(kept.revocation, epoch=listed.epoch))
    return _signed(desk, papers.envelopes[:-1], kept), line
