"""Cosignatures: a witness's word that it saw this tree head grow from every one it saw before.

Source: C2SP tlog-cosignature v1.1: Ed25519 (0x04) signs header, time and the note's text; ML-DSA-44 (0x06) signs a
structure of cosigner, time, origin, size and root.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from countermark.errors import LedgerRefused
from countermark.keys.cosigner import ED25519, SIGNATURE_BYTES, CosignerKey, ml_dsa_44
from countermark.keys.quorum import Quorum, Witness
from countermark.ledger.checkpoint import Checkpoint
from countermark.ledger.note import Note, NoteKey, NoteSignature

MAX_TIME = (1 << 63) - 1
MAX_AHEAD_SECONDS = 300
_LABEL = b"subtree/v1\n\0"
_TIME = struct.Struct(">Q")


@dataclass(frozen=True, slots=True)
class Witnessed:
    """A handle to a tree head that a quorum saw.

    Attributes:
        checkpoint: the head. witnesses: names, in the policy, of those whose cosignatures hold.
        time: when the last witness that made up the quorum had seen it, in POSIX seconds.
    """

    checkpoint: Checkpoint
    witnesses: tuple[str, ...]
    time: int

    @property
    def when(self) -> str:
        """`time` as RFC 3339."""
        return datetime.fromtimestamp(self.time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def message(key: CosignerKey, checkpoint: Checkpoint, time: int) -> bytes:
    """What a witness signs.

    Raises:
        LedgerRefused: a name or origin of more than 255 bytes cannot be cosigned by ML-DSA.
    """
    if key.kind == ED25519:
        return f"cosignature/v1\ntime {time}\n".encode() + Note.from_bytes(checkpoint.note).text
    name, origin = key.name.encode(), checkpoint.origin.encode()
    if not 0 < len(name) < 256 or not 0 < len(origin) < 256:
        raise LedgerRefused("a cosigner or log with a name of more than 255 bytes")
    parts = _LABEL, bytes([len(name)]), name, _TIME.pack(time), bytes([len(origin)]), origin
    return b"".join(parts) + _TIME.pack(0) + _TIME.pack(checkpoint.size) + checkpoint.root


def cosign(key: CosignerKey, checkpoint: Checkpoint, time: int, sign: Callable[[bytes], bytes]) -> NoteSignature:
    """Cosign a tree head; the signature is checked before anyone sees it.

    Raises:
        LedgerRefused: `sign` does not belong to `key`.
    """
    made = NoteSignature(key.name, key.id, _TIME.pack(time) + sign(message(key, checkpoint, time)))
    verify(key, checkpoint, made)
    return made


def verify(key: CosignerKey, checkpoint: Checkpoint, given: NoteSignature) -> int:
    """Check one cosignature.

    Returns:
        its time, POSIX seconds.

    Raises:
        LedgerRefused: of another key, malformed, or it does not hold.
    """
    if not key.names(given.name, given.key_id) or len(given.signature) != 8 + SIGNATURE_BYTES[key.kind]:
        raise LedgerRefused(f"this is no cosignature of {key.name}")
    time, signature = _TIME.unpack(given.signature[:8])[0], given.signature[8:]
    if time > MAX_TIME:
        raise LedgerRefused(f"the cosignature of {key.name} has no time", why=str(time))
    public = Ed25519PublicKey.from_public_bytes(key.public) if key.kind == ED25519 else ml_dsa_44(key.public)
    try:
        public.verify(signature, message(key, checkpoint, time))
    except (InvalidSignature, ValueError) as error:
        raise LedgerRefused(f"the cosignature of {key.name} does not verify", why="head or key differ") from error
    return int(time)


def witnessed(checkpoint: Checkpoint, quorum: Quorum, now: datetime) -> Witnessed:
    """Check that a quorum cosigned a tree head.

    1. every line that names a witness's key holds and is not from the future; 2. the witnesses found are enough, without those whose
    key had ended at the time of their line; 3. they were enough before the key that signed the head ended.
    Lines of unknown keys mean nothing.

    Args:
        checkpoint: its log's signature was verified already. now: clock reading.

    Raises:
        LedgerRefused: a line that names a witness does not hold, they are too few, or too late.
    """
    times: dict[str, int] = {}
    late: set[str] = set()
    for witness in quorum.witnesses:
        for line in Note.from_bytes(checkpoint.note).signatures:
            if not witness.key.names(line.name, line.key_id):
                continue
            time = _timely(witness, checkpoint, line, now)
            if outlived(witness, time):
                late.add(witness.name)
            else:
                times[witness.name] = min(time, times.get(witness.name, MAX_TIME))
    if not quorum.satisfied(times):
        ended = f"; after the end of their keys: {', '.join(sorted(late))}" if late else ""
        raise LedgerRefused(
            f"the ledger's head of {checkpoint.size} entries is not cosigned by the quorum that the trust document names",
            why=f"cosigned by {', '.join(sorted(times)) or 'nobody'}; asked for: {quorum.rule}{ended}",
            mend="its keeper runs `countermark ledger cosign`, then packs the papers again",
        )  # fmt: skip
    seen = Witnessed(checkpoint, tuple(sorted(times)), _settled(times, quorum))
    _refuse_late_head(seen, quorum)
    return seen


def outlived(witness: Witness, time: int) -> bool:
    """Whether a witness's key had ended at the time of a cosignature, POSIX seconds."""
    return witness.until is not None and time >= witness.until.timestamp()


def _refuse_late_head(seen: Witnessed, quorum: Quorum) -> None:
    """A head whose signing key ended before a quorum had seen it may be a thief's."""
    lines = {(line.name, line.key_id) for line in Note.from_bytes(seen.checkpoint.note).signatures}
    for origin, public, end in quorum.ledger_ends:
        if seen.time >= end.timestamp() and (origin, NoteKey(origin, public).id) in lines:
            raise LedgerRefused(
                f"the ledger key that signed this head ended on {end:%Y-%m-%dT%H:%M:%SZ}, and no quorum saw the head before",
                why=f"the quorum was complete at {seen.when}",
                mend="the ledger's keeper makes a new key, which the owners enrol, and has the head cosigned again",
            )  # fmt: skip


def _timely(witness: Witness, checkpoint: Checkpoint, line: NoteSignature, now: datetime) -> int:
    time = verify(witness.key, checkpoint, line)
    if time > now.timestamp() + MAX_AHEAD_SECONDS:
        raise LedgerRefused(f"the cosignature of {witness.name} is from the future", mend="check this machine's clock")
    return time


def _settled(times: dict[str, int], quorum: Quorum) -> int:
    """The earliest time at which those who had cosigned until then were enough."""
    for time in sorted(set(times.values())):
        if quorum.satisfied([name for name, at in times.items() if at <= time]):
            return time
    return 0


def with_cosignatures(checkpoint: Checkpoint, lines: Sequence[NoteSignature]) -> Checkpoint:
    """The same head with further signature lines; a newer line of a key replaces its older one."""
    note = Note.from_bytes(checkpoint.note)
    fresh = {(line.name, line.key_id): line for line in lines}
    kept = [line for line in note.signatures if (line.name, line.key_id) not in fresh]
    return Checkpoint(
        checkpoint.origin, checkpoint.size, checkpoint.root, Note(note.text, (*kept, *fresh.values())).to_bytes()
    )
