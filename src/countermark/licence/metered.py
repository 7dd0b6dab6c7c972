"""What a host and a broker say to each other about a licence's state: a signed request, and a signed note in answer.

The broker keeps, for each licence and each of its hosts, how often the state moved on and the head of its chain; it never sees the state. A
step names the head before it, so that of two that begin at the same state one alone is taken, and a block is never given twice. The answer
stands under a nonce of the host, so that an older one cannot be shown in its place.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace

from countermark import canonical
from countermark.canonical import Fields
from countermark.errors import LedgerRefused, StatementRefused
from countermark.keys.signer import Signer
from countermark.keys.verifier import PublicKey
from countermark.ledger.note import Note, NoteKey

FORMAT = 1
PATH = "/v1/meter"
MOST_REQUEST, MOST_ANSWER = 8 << 10, 4 << 10
LABEL = b"countermark/licence-meter/v1\0"
_HEADER = " meter v1"
OPEN, ENDED = "open", "ended"


@dataclass(frozen=True, slots=True)
class Step:
    """One state more.

    Attributes:
        count: after it, 1 and up. previous: head before it, 32 bytes. entry: SHA-256 of the state, 32 bytes.
    """

    count: int
    previous: bytes
    entry: bytes


@dataclass(frozen=True, slots=True)
class Asked:
    """A host's request.

    Attributes:
        licence: payload digest of the owner's grant, hex. nonce: 32 bytes. step: None only asks what is held. end: whether this host is to
            have no more, for ever. key, signature: of the host (use ``licence``).
    """

    licence: str
    nonce: bytes
    step: Step | None
    end: bool
    key: PublicKey
    signature: bytes = b""

    def _bound(self) -> dict[str, object]:
        step = self.step
        said = {"count": step.count, "previous": step.previous.hex(), "entry": step.entry.hex()} if step else None
        return {
            "format": FORMAT, "licence": self.licence, "nonce": self.nonce.hex(), "step": said, "end": self.end,
            "key": base64.b64encode(self.key.spki).decode(),
        }  # fmt: skip

    def signed(self, signer: Signer) -> Asked:
        """The same, signed by the host's key."""
        return replace(self, signature=signer.sign(LABEL + canonical.to_bytes(self._bound())))

    def verify(self) -> None:
        """Check the signature; whether the key is a host's of that licence is for the broker to know.

        Raises:
            SignatureRefused: it does not hold.
        """
        self.key.verify(LABEL + canonical.to_bytes(self._bound()), self.signature)

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return canonical.to_bytes({**self._bound(), "signature": base64.b64encode(self.signature).decode()})

    @classmethod
    def from_bytes(cls, data: bytes) -> Asked:
        """Parse strictly; nothing is verified yet.

        Raises:
            StatementRefused, SignatureRefused: malformed, too large, or no key for this use.
        """
        fields = Fields(canonical.from_bytes(data, what="meter request", max_bytes=MOST_REQUEST), "meter request")
        if fields.integer("format") != FORMAT:
            raise StatementRefused("a meter request of another format", mend="a newer Countermark may read it")
        out = cls(
            fields.hex("licence"), bytes.fromhex(fields.hex("nonce")), _step(fields.any("step")), fields.boolean("end"),
            PublicKey.from_spki("licence", fields.base64("key")), fields.base64("signature"),
        )  # fmt: skip
        fields.done()
        return out


def _step(value: object) -> Step | None:
    if value is None:
        return None
    fields = Fields(value, "meter request: step")
    out = Step(
        fields.integer("count", least=1), bytes.fromhex(fields.hex("previous")), bytes.fromhex(fields.hex("entry"))
    )
    fields.done()
    return out


@dataclass(frozen=True, slots=True)
class Held:
    """What a broker holds of one licence on one host.

    Attributes:
        count: of the states so far. head: of their chain, 32 bytes. ended: whether it takes no more. at: when it answered, POSIX seconds by
            its clock.
    """

    count: int
    head: bytes
    ended: bool = False
    at: int = 0

    def text(self, broker: str, licence: str, host: str, nonce: bytes) -> bytes:
        """The note's text. Its first line is no origin of a log, so that it can stand for no checkpoint.

        Args:
            broker: name of its key. licence: hex. host: id of its key, hex. nonce: of the request, 32 bytes.
        """
        said = (
            broker + _HEADER,
            licence,
            host,
            nonce.hex(),
            str(self.at),
            str(self.count),
            self.head.hex(),
            ENDED if self.ended else OPEN,
        )
        return "".join(f"{line}\n" for line in said).encode()


def held(answer: bytes, broker: NoteKey, licence: str, host: str, nonce: bytes | None) -> Held:
    """What a broker's signed note says.

    Args:
        answer: foreign bytes, at most 4 KiB. nonce: that it must stand under; None where it is shown later as a proof.

    Raises:
        LedgerRefused: another key, licence, host or nonce, or malformed.
    """
    if len(answer) > MOST_ANSWER:
        raise LedgerRefused(f"a broker's note of {len(answer)} bytes", why=f"at most {MOST_ANSWER} are read")
    note = Note.from_bytes(answer)
    note.verify(broker)
    lines = note.text.decode().splitlines()
    if len(lines) != 8 or not all(n.isascii() and n.isdigit() and len(n) <= 12 for n in (lines[4], lines[5])):
        raise LedgerRefused("the broker's note is none about a meter")
    stated = _bytes(lines[3]), Held(int(lines[5]), _bytes(lines[6]), lines[7] == ENDED, int(lines[4]))
    if note.text != stated[1].text(broker.name, licence, host, nonce if nonce is not None else stated[0]):
        raise LedgerRefused("the broker's note is about something else", why="another licence, host or request",
                            mend="ask again; whoever is between here and the broker may keep its answers back")  # fmt: skip
    return stated[1]


def _bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise LedgerRefused("the broker's note is malformed", why=str(error)) from error
