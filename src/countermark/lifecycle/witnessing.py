"""Witnessing: what a party does that watches the project's ledger, and how the ledger's keeper asks for it.

A witness remembers the newest head it cosigned and never cosigns one that does not extend it: two histories of one
ledger cannot both be cosigned by it. What is remembered is durable before the cosignature leaves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from countermark import canonical
from countermark.canonical import Fields
from countermark.errors import CountermarkError, LedgerRefused, SignatureRefused, TrustRefused
from countermark.keys import ends
from countermark.keys.cosigner import CosignerKey, of_key
from countermark.keys.quorum import Quorum, Witness
from countermark.keys.trust import Trust
from countermark.ledger import asking, cosignature, submission
from countermark.ledger.checkpoint import Checkpoint
from countermark.ledger.note import Note, NoteSignature, line
from countermark.ledger.submission import Answer, Declined, Seen, Submission
from countermark.lifecycle import book, heads
from countermark.lifecycle.desk import Desk
from countermark.passport.slip import ledger_note_key
from countermark.workspace.place import Workspace

FOLDER, LOCK = "witness", "witness.lock"


def key_of(desk: Desk, trust: Trust) -> CosignerKey:
    """This party's witness key, under the name that the project knows it by.

    Raises:
        TrustRefused: the owners did not enrol it, or it has ended. Unusable: there is none here.
    """
    public = desk.signer("witness").public
    enrolled = [k for k in trust.document.party(desk.party).keys if k.key.id == public.id and not k.revoked]
    if not enrolled:
        raise TrustRefused(
            f"the witness key of {desk.party} is not enrolled", mend="hand the owners the file that `key new` wrote"
        )
    ends.refuse_ended(enrolled[0], desk.party, desk.now())
    return of_key(name(trust, desk.party), public)


def name(trust: Trust, party: str) -> str:
    """Name of a party's witness: the ledger's origin, and the party."""
    return f"{trust.document.ledger_origin}/{party}"


def answer(desk: Desk, data: bytes) -> Answer:
    """Answer one submission (C2SP tlog-witness).

    Raises:
        TrustRefused, Unusable: this party cannot witness at all, or cannot remember what it saw.
    """
    trust = desk.trust()
    key, log = key_of(desk, trust), ledger_note_key(trust)
    try:
        asked = Submission.from_bytes(data)
        if submission.origin(asked) != log.name:
            return Answer(404, b"this log is not known here\n")
    except LedgerRefused as error:
        return Answer(400, f"{error.what}\n".encode())
    if end := ends.ledger_key_ended(trust.document, desk.now()):
        return Answer(403, f"the key of this log ended on {end}\n".encode())
    with desk.space.lock(LOCK):
        try:
            checkpoint = submission.judge(asked, log, _seen(desk.space, log.name))
        except Declined as declined:
            return declined.answer
        _remember(desk.space, checkpoint)
    time = int(desk.clock().timestamp())
    return Answer(200, line(cosignature.cosign(key, checkpoint, time, desk.signer("witness").sign)))


def seen(desk: Desk, trust: Trust) -> Seen:
    """The newest head that this party cosigned."""
    return _seen(desk.space, trust.document.ledger_origin)


def _seen(space: Workspace, origin: str) -> Seen:
    path = space.home / FOLDER / _file(origin)
    if not path.exists():
        return Seen()
    fields = Fields(canonical.from_bytes(path.read_bytes(), what=path.name), path.name)
    out = Seen(fields.integer("size"), bytes.fromhex(fields.hex("root")))
    if fields.text("origin") != origin:
        raise TrustRefused(f"{path} is about another log")
    fields.done()
    return out


def _remember(space: Workspace, checkpoint: Checkpoint) -> None:
    said = {"origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root.hex()}
    space.disk.folder(space.home / FOLDER)
    space.disk.write(space.home / FOLDER / _file(checkpoint.origin), canonical.to_bytes(said))


def _file(origin: str) -> str:
    return f"{hashlib.sha256(origin.encode()).hexdigest()[:32]}.json"


@dataclass(frozen=True, slots=True)
class Round:
    """What asking the witnesses brought: the head as it stands now, who cosigned, and who did not, with the reason."""

    checkpoint: Checkpoint
    cosigned: tuple[str, ...]
    missing: dict[str, str]
    enough: bool


def ask(desk: Desk, trust: Trust, brought: Sequence[bytes] = (), *, seconds: float = asking.SECONDS) -> Round:
    """Collect cosignatures on the ledger's newest head, and publish it with them.

    Args:
        brought: answers of witnesses that were asked by file. seconds: patience with each witness that has a URL.

    Raises:
        TrustRefused: this party does not keep the ledger, or the trust document names no quorum.
    """
    rule = needed(trust)
    with book.ledger(desk, trust) as log:
        head, lines, missing = log.checkpoint, dict[str, NoteSignature](), dict[str, str]()
        carried = [one for data in brought for one in submission.cosignatures(data)]
        for witness in rule.witnesses:
            try:
                lines[witness.name] = _one(witness, head, carried, log.reader.consistency, seconds)
            except CountermarkError as error:
                missing[witness.name] = _told(error)
        published = log.cosigned(list(lines.values())) if lines else head
        heads.keep(desk, trust, published)
    lines_now = Note.from_bytes(published.note).signatures
    here = {w.name for w in rule.witnesses if any(_named(w, s) and _in_time(w, published, s) for s in lines_now)}
    left = {name: why for name, why in missing.items() if name not in here}
    return Round(published, tuple(sorted(here)), left, rule.satisfied(here))


def _told(error: CountermarkError) -> str:
    """A witness's answer in one line, with what to do about it."""
    told = f"{error.what}: {error.why}" if error.why else error.what
    return f"{told}; {error.mend}" if error.mend else told


def needed(trust: Trust) -> Quorum:
    """The quorum that the trust document names.

    Raises:
        TrustRefused: none.
    """
    rule = ends.quorum_of(trust.document)
    if not rule.needed:
        raise TrustRefused("the trust document names no quorum of witnesses", mend="`countermark trust quorum FILE`")
    return rule


def _named(witness: Witness, one: NoteSignature) -> bool:
    return witness.key.names(one.name, one.key_id)


def _in_time(witness: Witness, head: Checkpoint, one: NoteSignature) -> bool:
    return not cosignature.outlived(witness, cosignature.verify(witness.key, head, one))


def _one(witness: Witness, head: Checkpoint, carried: Sequence[NoteSignature], prove: submission.Prove,
         seconds: float) -> NoteSignature:  # fmt: skip
    """A verified cosignature of one witness: carried here, or asked for."""
    lines = [one for one in carried if _named(witness, one)]
    if not lines and witness.url:
        got = submission.submit(asking.exchange(witness.url, seconds), head.note, prove, head.size, 0)
        lines = [one for one in got if _named(witness, one)]
    if not lines:
        raise SignatureRefused("no cosignature was brought", mend="carry FILE to it: `countermark witness cosign FILE`")
    if not _in_time(witness, head, lines[-1]):
        raise SignatureRefused(
            f"its key ended on {witness.until:%Y-%m-%dT%H:%M:%SZ}",
            mend="it makes a new one, which the owners enrol and name",
        )
    return lines[-1]


def request(desk: Desk, trust: Trust, old: int = 0) -> Submission:
    """A submission on paper, for a witness without a network.

    Args:
        old: size that this witness cosigned last.
    """
    with book.ledger(desk, trust) as log:
        head = log.checkpoint
        return Submission(old, tuple(log.reader.consistency(old, head)) if old else (), head.note)
