"""What a log submits to a witness, and what the witness has to answer: bytes in, an answer out, no state of its own.

Source: C2SP tlog-witness, "add-checkpoint".
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from countermark import merkle
from countermark.errors import LedgerRefused
from countermark.ledger.checkpoint import Checkpoint, decimal, verify_checkpoint, verify_consistency
from countermark.ledger.note import MAX_NOTE_BYTES, Note, NoteKey, NoteSignature, decode_base64, signature_lines

MAX_PROOF = 63
MAX_BYTES = MAX_NOTE_BYTES + 64 * 64
SIZE_TYPE, TEXT_TYPE = "text/x.tlog.size", "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Seen:
    """The newest head that a witness cosigned; size 0 where it never did."""

    size: int = 0
    root: bytes = merkle.RFC6962.empty()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a witness answers: HTTP status, body and its type. Only 200 brings cosignatures."""

    status: int
    body: bytes
    type: str = TEXT_TYPE


class Declined(LedgerRefused):
    """A witness does not cosign.

    Attributes:
        answer: what it answers.
    """

    def __init__(self, answer: Answer, why: str) -> None:
        super().__init__(f"the witness does not cosign: {answer.body.decode(errors='replace').strip()}", why=why)
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Submission:
    """A parsed request: the size its sender takes for known, the proof from there, and the new checkpoint's note."""

    old: int
    proof: tuple[bytes, ...]
    note: bytes

    def to_bytes(self) -> bytes:
        """Body of a request."""
        lines = [f"old {self.old}", *(base64.b64encode(node).decode() for node in self.proof)]
        return "\n".join(lines).encode() + b"\n\n" + self.note

    @classmethod
    def from_bytes(cls, data: bytes) -> Submission:
        """Parse the body of a request.

        Raises:
            LedgerRefused: too large or malformed.
        """
        if len(data) > MAX_BYTES:
            raise LedgerRefused(f"a submission of {len(data)} bytes", why=f"the limit is {MAX_BYTES}")
        head, gap, note = data.partition(b"\n\n")
        if not gap or not head.startswith(b"old ") or not head.isascii():
            raise LedgerRefused("this is no submission to a witness", why="`old SIZE`, proof lines, an empty line")
        first, *lines = head.decode("ascii").split("\n")
        if len(lines) > MAX_PROOF:
            raise LedgerRefused(f"a proof of {len(lines)} hashes", why=f"at most {MAX_PROOF}")
        proof = tuple(decode_base64(line, "a hash of the proof") for line in lines)
        if any(len(node) != 32 for node in proof):
            raise LedgerRefused("a hash of the proof is not 32 bytes")
        return cls(decimal(first.removeprefix("old "), "the old size"), proof, note)


def origin(submission: Submission) -> str:
    """The log that a submission claims to be of; nothing is verified yet.

    Raises:
        LedgerRefused: its note is malformed.
    """
    return Note.from_bytes(submission.note).text.decode().split("\n", 1)[0]


def judge(submission: Submission, log: NoteKey, seen: Seen) -> Checkpoint:
    """Whether a checkpoint may be cosigned by who has seen `seen`.

    In the order of the specification: signed by the log; the old size is not beyond the new one; it is the one seen;
    equal sizes have equal roots; the proof leads from what was seen to what is new.

    Raises:
        Declined: it may not; says with which status.
    """
    try:
        checkpoint = verify_checkpoint(submission.note, log)
    except LedgerRefused as error:
        raise Declined(Answer(403, b"not signed by a key of this log\n"), error.what) from error
    if submission.old > checkpoint.size:
        raise Declined(Answer(400, b"the old size is beyond the new one\n"), f"{submission.old} > {checkpoint.size}")
    if submission.old != seen.size:
        raise Declined(conflict(seen), f"{submission.old} is not the size seen last")
    if checkpoint.size == seen.size and checkpoint.root != seen.root:
        raise Declined(conflict(seen), f"two roots for {seen.size} entries: the log shows two histories")
    try:
        return verify_consistency(Checkpoint(log.name, seen.size, seen.root, b""), checkpoint, submission.proof)
    except LedgerRefused as error:
        raise Declined(Answer(422, b"the new head does not extend the one seen\n"), error.what) from error


def conflict(seen: Seen) -> Answer:
    """The answer that tells a log which size was seen last."""
    return Answer(409, f"{seen.size}\n".encode(), SIZE_TYPE)


def cosignatures(body: bytes) -> tuple[NoteSignature, ...]:
    """Signature lines of an answer; nothing about them is verified.

    Raises:
        LedgerRefused: malformed.
    """
    return signature_lines(body)


_MEND = {
    403: "it does not know the key that signs this ledger now: hand it the newest trust version (`countermark trust export`), which it pins",
    404: "it watches another project's ledger: hand it this project's trust document",
    422: "`countermark ledger check`, then compare with what `countermark witness show` prints there",
}
"""What the log's keeper can do about an answer, by its status."""
Exchange = Callable[[bytes], Answer]
"""Carries the body of a request to one witness and brings its answer."""
Prove = Callable[[int], Sequence[bytes]]
"""Consistency proof from a size to the submitted checkpoint."""


def submit(exchange: Exchange, note: bytes, prove: Prove, size: int, known: int) -> tuple[NoteSignature, ...]:
    """Ask one witness; where it has seen another size than `known`, ask again from there.

    Args:
        note: the checkpoint. size: its tree size. known: what the witness is believed to have seen last.

    Raises:
        LedgerRefused: it declines, or claims to have seen more than this log has.
    """
    answer = exchange(_request(note, prove, known).to_bytes())
    if answer.status == 409:
        seen = decimal(answer.body.decode("ascii", "replace").removesuffix("\n"), "the size that a witness tells")
        if seen > size or seen == known:
            raise LedgerRefused(
                f"a witness has seen another history: {seen} entries where this log has {size}",
                why="the log was rewritten, or restored from an old copy", mend="`countermark ledger check`, then compare with the root that the witness shows",
            )  # fmt: skip
        answer = exchange(_request(note, prove, seen).to_bytes())
    if answer.status != 200:
        text = answer.body[:200].decode(errors="replace").strip()
        raise LedgerRefused(
            f"a witness does not cosign (status {answer.status})", why=text, mend=_MEND.get(answer.status, "")
        )
    return cosignatures(answer.body)


def _request(note: bytes, prove: Prove, old: int) -> Submission:
    return Submission(old, tuple(prove(old)) if old else (), note)
