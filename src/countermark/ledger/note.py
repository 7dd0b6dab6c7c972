"""Signed notes: text with signature lines, and the keys that verify them.

Source: C2SP signed-note v1.0. Only Ed25519 (type 0x01) is verified here; signatures of unknown keys
are kept and ignored, as the specification demands, so that witnesses can add theirs.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from countermark.errors import LedgerRefused

ED25519 = b"\x01"
MAX_NOTE_BYTES = 256 << 10
MAX_SIGNATURES = 64
_DASH = "\N{EM DASH} "


@dataclass(frozen=True, slots=True)
class NoteKey:
    """An Ed25519 key that verifies notes, known by name and 32-bit key id together.

    Attributes:
        name: non-empty, without Unicode spaces or ``+``; for a log the same as its origin.
        public: 32 bytes (RFC 8032).
    """

    name: str
    public: bytes

    def __post_init__(self) -> None:
        check_name(self.name)
        if len(self.public) != 32:
            raise LedgerRefused(f"the Ed25519 key of {self.name!r} is {len(self.public)} bytes, not 32")

    @property
    def id(self) -> bytes:
        """The 4 bytes by which signature lines name this key; a hint, never a proof."""
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:4]

    def vkey(self) -> str:
        """The one-line text form ``name+id+base64(type || key)``."""
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(ED25519 + self.public).decode()}"

    @classmethod
    def from_vkey(cls, text: str) -> NoteKey:
        """Parse the form that `vkey` prints.

        Raises:
            LedgerRefused: malformed, not Ed25519, or the id does not belong to name and key.
        """
        name, _, rest = text.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        raw = decode_base64(encoded, "verifier key")
        if raw[:1] != ED25519:
            raise LedgerRefused(f"the verifier key of {name!r} is not Ed25519", why="its type byte is not 0x01")
        key = cls(name, raw[1:])
        if not hmac.compare_digest(key.id.hex().encode(), key_id.encode()):
            raise LedgerRefused(f"verifier key {name!r} has id {key_id!r}", why=f"its bytes have id {key.id.hex()}")
        return key

    def verify(self, text: bytes, signature: bytes) -> None:
        """Check a signature over the text of a note.

        Raises:
            LedgerRefused: it does not verify.
        """
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text)
        except (InvalidSignature, ValueError) as error:
            raise LedgerRefused(f"the signature of {self.name!r} does not verify", why="text or key differ") from error


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: name, 4-byte key id and the bytes after it."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A note as parsed: nothing in it counts before `verify`.

    Attributes:
        text: the signed bytes, ending in a newline.
        signatures: in the order of the lines.
    """

    text: bytes
    signatures: tuple[NoteSignature, ...]

    @classmethod
    def from_bytes(cls, data: bytes) -> Note:
        """Split a note into text and signature lines.

        Raises:
            LedgerRefused: too large, not UTF-8, control characters, no or malformed signature lines.
        """
        if len(data) > MAX_NOTE_BYTES:
            raise LedgerRefused(f"a signed note of {len(data)} bytes", why=f"the limit is {MAX_NOTE_BYTES}")
        try:
            content = data.decode("utf-8", "strict")
        except UnicodeDecodeError as error:
            raise LedgerRefused("a signed note is not UTF-8", why=str(error)) from error
        if any(char < " " and char != "\n" for char in content):
            raise LedgerRefused("a signed note holds a control character")
        text, gap, lines = content.rpartition("\n\n")
        if not gap or not lines.endswith("\n"):
            raise LedgerRefused("a signed note has no signatures", why="no blank line, or no final newline")
        return cls(text.encode() + b"\n", _signatures(lines))

    def to_bytes(self) -> bytes:
        """The note with its signature lines."""
        return self.text + b"\n" + b"".join(line(s) for s in self.signatures)

    def verify(self, key: NoteKey) -> None:
        """Check that `key` signed the text; every signature that names the key must hold.

        Raises:
            LedgerRefused: no signature by this key, or one that does not verify.
        """
        mine = [s for s in self.signatures if s.name == key.name and s.key_id == key.id]
        if not mine:
            seen = ", ".join(f"{s.name}+{s.key_id.hex()}" for s in self.signatures)
            raise LedgerRefused(f"the note is not signed by {key.name}+{key.id.hex()}", why=f"signed by {seen}")
        for signature in mine:
            key.verify(self.text, signature.signature)


def sign_note(text: bytes, key: NoteKey, sign: Callable[[bytes], bytes]) -> Note:
    """A note over `text`, signed through `sign` and checked with `key` before anyone sees it.

    Raises:
        LedgerRefused: `sign` answered with something that `key` does not verify.
    """
    signature = sign(text)
    key.verify(text, signature)
    return Note(text, (NoteSignature(key.name, key.id, signature),))


def check_name(name: str) -> None:
    """Raises LedgerRefused for a name that signature lines cannot carry."""
    if not name or "+" in name or any(char.isspace() or char < " " for char in name):
        raise LedgerRefused(f"{name!r} cannot name a key", mend="no spaces, no plus sign, not empty")


def decode_base64(text: str, what: str) -> bytes:
    """Standard base64, only in its one canonical spelling.

    Raises:
        LedgerRefused: anything else.
    """
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise LedgerRefused(f"{what} is not base64", why=str(error)) from error
    if base64.b64encode(raw).decode() != text:
        raise LedgerRefused(f"{what} is not canonical base64")
    return raw


def signature_lines(data: bytes) -> tuple[NoteSignature, ...]:
    """Signature lines by themselves, as witnesses answer with them.

    Raises:
        LedgerRefused: too large, not UTF-8, malformed, too many.
    """
    if not data or len(data) > MAX_NOTE_BYTES or not data.endswith(b"\n"):
        raise LedgerRefused(f"{len(data)} bytes are no signature lines")
    try:
        return _signatures(data.decode("utf-8", "strict"))
    except UnicodeDecodeError as error:
        raise LedgerRefused("signature lines are not UTF-8", why=str(error)) from error


def _signatures(lines: str) -> tuple[NoteSignature, ...]:
    signatures = lines[:-1].split("\n")
    if len(signatures) > MAX_SIGNATURES:
        raise LedgerRefused(f"a signed note has {len(signatures)} signatures", why=f"at most {MAX_SIGNATURES}")
    return tuple(_signature(line) for line in signatures)


def _signature(line: str) -> NoteSignature:
    if not line.startswith(_DASH):
        raise LedgerRefused("a signature line does not begin with an em dash", why=repr(line[:80]))
    name, gap, encoded = line.removeprefix(_DASH).partition(" ")
    check_name(name)
    raw = decode_base64(encoded, f"the signature of {name!r}")
    if not gap or len(raw) < 5:
        raise LedgerRefused(f"the signature line of {name!r} is too short")
    return NoteSignature(name, raw[:4], raw[4:])


def line(signature: NoteSignature) -> bytes:
    """One signature line, with its newline."""
    encoded = base64.b64encode(signature.key_id + signature.signature).decode()
    return f"{_DASH}{signature.name} {encoded}\n".encode()
