"""Telling hosts the time: beacons and resets.

Beacons are signed with a time key that is made here, stands in the licences and can do nothing else; resets with an owner's root key.
"""

from __future__ import annotations

from countermark import dsse
from countermark.errors import NothingToVerify, StatementRefused, Unusable
from countermark.keys.document import moment
from countermark.keys.signer import FileSigner, generate, load, sign_envelope
from countermark.licence import word
from countermark.licence.store import FOLDER
from countermark.lifecycle.desk import Desk
from countermark.lifecycle.license_lists import newest_list
from countermark.statement.predicates.beacon import BEACON, MOST_BEACON_BYTES, RESET, Beacon, Reset
from countermark.statement.statement import EVERYBODY, Statement

TIME_KEY, JOURNAL = "licence-time.pem", "beacons.jsonl"


def time_key(desk: Desk) -> FileSigner:
    """The key that signs beacons; made here the first time.

    Raises:
        Unusable: it cannot be read or written.
    """
    path = desk.space.folder("keys") / TIME_KEY
    if not path.exists():
        generate("licence").save(path)
    return load(path, "licence")


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
