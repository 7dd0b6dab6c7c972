"""What a licensor sent to a licensee: verified, kept beside the licence, and no more of it than counts.

Beside ``plant.licence`` lie ``plant.licence.beacons``, ``.revoked`` and ``.resets``: one signed envelope a line.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from countermark import dsse
from countermark.errors import Refusal, StatementRefused
from countermark.licence import beacons, word
from countermark.licence.carried import Words
from countermark.licence.chain import Chain
from countermark.licence.refusal import LicenceRefused
from countermark.licence.store import Store
from countermark.lifecycle import license as licensing
from countermark.lifecycle.desk import Desk, read_file
from countermark.statement.predicates.beacon import BEACON, RESET
from countermark.statement.predicates.licence import LICENCE_LIST
from countermark.statement.predicates.licence_claims import Lease
from countermark.statement.statement import Statement

SUFFIXES = {BEACON: ".beacons", LICENCE_LIST: ".revoked", RESET: ".resets"}
MOST_WORD_BYTES = 32 << 20


def words(file: Path) -> Words:
    """What lies beside a licence now.

    Raises:
        Unusable: a file cannot be read.
    """

    def beside(suffix: str) -> bytes:
        path = file.with_name(file.name + suffix)
        return read_file(path, MOST_WORD_BYTES) if path.exists() else b""

    return Words(beside(".beacons"), beside(".revoked"), beside(".resets"))


def take(desk: Desk, file: Path, carried: Sequence[Path]) -> list[tuple[str, str]]:
    """Verify what was carried here, and keep it beside the licence.

    A list of revoked licences replaces one of a lower epoch by the same issuer; resets are added; of beacons those stay that hold a chain.

    Returns:
        What each envelope was, and when it was signed.

    Raises:
        Refusal: something does not hold. Unusable: a file cannot be read or written.
    """
    chain, found, lines = licensing.read(desk, file).chain, list[tuple[str, str]](), dict[str, list[bytes]]()
    for path in carried:
        for line in (one for one in read_file(path, MOST_WORD_BYTES).splitlines() if one):
            kind, said = _said(desk, chain, line, path.name)
            lines.setdefault(kind, []).append(line)
            found.append((SUFFIXES[kind].lstrip("."), said))
    for kind, new in lines.items():
        path = file.with_name(file.name + SUFFIXES[kind])
        old = read_file(path, MOST_WORD_BYTES).splitlines() if path.exists() else []
        kept = _kept(desk, chain, kind, old, new)
        if kept != old:
            desk.space.disk.write(path, _whole(kind, kept))
    return found


def _whole(kind: str, kept: list[bytes]) -> bytes:
    """The file's content, which must be one that is read again: else nothing could be loaded beside it."""
    data = b"".join(one + b"\n" for one in kept)
    if len(data) > MOST_WORD_BYTES:
        raise StatementRefused(
            f"{len(data)} bytes of lists", why=f"at most {MOST_WORD_BYTES} are read beside a licence",
            mend="ask the licensor for the newest list alone",
        )  # fmt: skip
    if kind in (BEACON, RESET):
        word.lines(data)
    return data


def _said(desk: Desk, chain: Chain, line: bytes, what: str) -> tuple[str, str]:
    """Kind of a licensor's word, and when it was signed, once it was found to hold."""
    try:
        envelope = dsse.Envelope.from_bytes(line, what=what)
        kind = Statement.from_bytes(envelope.statement_bytes(), what=what).predicate_type
    except StatementRefused as error:
        raise _no_word(what, error.what) from error
    if kind in (BEACON, RESET):
        word.lines(line)  # no signature covers blanks: a true one can be longer than is read beside the licence
    if kind == BEACON:
        return kind, word.beacon(envelope, _lease(chain), chain.project).context.time
    if kind == LICENCE_LIST:
        return kind, word.revoked(envelope, chain, desk.trust(), desk.now()).said.context.time
    if kind == RESET:
        return kind, word.reset(envelope, desk.trust(), desk.now()).context.time
    raise _no_word(what, f"it is of type {kind:.120}")


def _no_word(what: str, why: str) -> StatementRefused:
    return StatementRefused(f"{what} holds no word of a licensor", why=why,
                            mend="beacons, lists of revoked licences and resets are kept; a licence is used as it is")  # fmt: skip


def _lease(chain: Chain) -> Lease:
    lease = chain.claims.lease
    if not isinstance(lease, Lease):
        raise LicenceRefused("lease", expected="a licence with a lease", seen="none", mend="it needs no beacon")
    return lease


def _kept(desk: Desk, chain: Chain, kind: str, old: list[bytes], new: list[bytes]) -> list[bytes]:
    """What lies beside the licence from now on."""
    if kind == BEACON:
        known, held = (
            Store(desk.space, chain.root.digest).peek(),
            [line for line in dict.fromkeys(old) if _holds(line, chain)],
        )
        return beacons.needed({*held, *new}, _lease(chain).max_age, known.memory.mark if known else 0)
    if kind == RESET:
        return [*old, *(line for line in dict.fromkeys(new) if line not in old)]
    for line in new:
        old = _replaced(desk, chain, old, line)
    return old


def _holds(line: bytes, chain: Chain) -> bool:
    """Whether it is a beacon that counts: junk that was put there by hand must not stand in for one."""
    try:
        word.lines(line)
        word.beacon(dsse.Envelope.from_bytes(line), _lease(chain), chain.project)
    except Refusal:
        return False
    return True


def _replaced(desk: Desk, chain: Chain, lists: list[bytes], line: bytes) -> list[bytes]:
    """Lists of revoked licences with one more: of each issuer the highest epoch."""
    issuers, mine = [_issuer(desk, chain, one) for one in lists], _issuer(desk, chain, line)
    others = [(who, one) for who, one in zip(issuers, lists, strict=True) if who != mine or _epoch(one) > _epoch(line)]
    kept = [one for _, one in others]
    return kept if mine in {who for who, _ in others} else [*kept, dsse.Envelope.from_bytes(line).to_bytes()]


def _issuer(desk: Desk, chain: Chain, line: bytes) -> int | bytes:
    """The first link that a list's signer issued; one that does not hold stands for itself. Other signatures beside it make no other list."""
    try:
        return word.revoked(dsse.Envelope.from_bytes(line), chain, desk.trust(), desk.now()).first
    except Refusal:
        return line


def _epoch(line: bytes) -> int:
    epoch = Statement.from_bytes(dsse.Envelope.from_bytes(line).statement_bytes()).predicate.get("epoch")
    return epoch if isinstance(epoch, int) else 0
