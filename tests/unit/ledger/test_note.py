"""Signed notes and their keys, first of all the example of the specification itself."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from countermark.errors import LedgerRefused
from countermark.ledger.note import MAX_NOTE_BYTES, Note, NoteKey, NoteSignature, sign_note

# C2SP signed-note: the note and the key that its example shows.
EXAMPLE = (
    "Ognuno sta solo sul cuor della terra\n"
    "trafitto da un raggio di sole:\n"
    "\n"
    "ed è subito sera.\n"
    "\n"
    "— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n"
).encode()


def test_the_text_may_hold_blank_lines() -> None:
    note = Note.from_bytes(EXAMPLE)
    assert note.text.decode().endswith("\n\ned è subito sera.\n")
    assert note.signatures[0].name == "quasimodo.example/salvatore"
    assert note.signatures[0].key_id.hex() == "367ba04b"
    assert note.to_bytes() == EXAMPLE


def test_signed_text_verifies_and_round_trips(key: NoteKey, sign: Callable[[bytes], bytes]) -> None:
    note = sign_note(b"text\n", key, sign)
    again = Note.from_bytes(note.to_bytes())
    again.verify(key)
    assert again == note


def test_a_signer_of_another_key_is_noticed_at_once(key: NoteKey) -> None:
    with pytest.raises(LedgerRefused, match="does not verify"):
        sign_note(b"text\n", key, lambda _: bytes(64))


def test_signatures_of_strangers_are_ignored_but_kept(key: NoteKey, sign: Callable[[bytes], bytes]) -> None:
    note = sign_note(b"text\n", key, sign)
    stranger = NoteSignature("witness.example", b"abcd", bytes(72))
    namesake = NoteSignature(key.name, b"abcd", bytes(64))
    both = Note(note.text, (stranger, *note.signatures, namesake))
    parsed = Note.from_bytes(both.to_bytes())
    parsed.verify(key)
    assert len(parsed.signatures) == 3


def test_every_signature_that_names_the_key_must_hold(key: NoteKey, sign: Callable[[bytes], bytes]) -> None:
    note = sign_note(b"text\n", key, sign)
    forged = NoteSignature(key.name, key.id, bytes(64))
    for signatures in ((*note.signatures, forged), (forged, *note.signatures), (forged,)):
        with pytest.raises(LedgerRefused, match="does not verify"):
            Note(note.text, signatures).verify(key)


def test_an_unsigned_note_is_refused(key: NoteKey) -> None:
    with pytest.raises(LedgerRefused, match="not signed by"):
        Note(b"text\n", (NoteSignature("other", b"abcd", bytes(64)),)).verify(key)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no signatures"),
        (b"text\n", "no signatures"),
        (b"text\n\n", "no signatures"),
        ("text\n\n— a YWJjZGU=".encode(), "no signatures"),
        (b"text\n\n- a YWJjZGU=\n", "em dash"),
        ("text\n\n— a\n".encode(), "too short"),
        ("text\n\n— a YWJjZA==\n".encode(), "too short"),
        ("text\n\n— a YWJjZGV\n".encode(), "not base64"),
        ("text\n\n— a YWJjZGV=\n".encode(), "canonical"),
        ("text\n\n— a+b YWJjZGU=\n".encode(), "cannot name a key"),
        ("text\n\n—  YWJjZGU=\n".encode(), "cannot name a key"),
        ("te\txt\n\n— a YWJjZGU=\n".encode(), "control character"),
        (b"\xff\n\n", "UTF-8"),
        (b"x" * (MAX_NOTE_BYTES + 1), "limit"),
        (b"text\n\n" + "— a YWJjZGU=\n".encode() * 65, "65 signatures"),
    ],
)
def test_malformed_notes(data: bytes, why: str) -> None:
    with pytest.raises(LedgerRefused) as refused:
        Note.from_bytes(data)
    assert why in str(refused.value)


def test_vkey_round_trips(key: NoteKey) -> None:
    assert NoteKey.from_vkey(key.vkey() + "\n") == key


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda v: v.replace("+", "-"), "not Ed25519"),
        (lambda v: v[:-1] + "!", "base64"),
        (lambda v: "other" + v, "has id"),
        (lambda v: v[:-4], "32"),
        (lambda v: "+".join(v.split("+")[:2]) + "+" + base64.b64encode(b"\x04" + bytes(32)).decode(), "not Ed25519"),
        (lambda v: "", "not Ed25519"),
    ],
)
def test_malformed_vkeys(key: NoteKey, spoil: Callable[[str], str], why: str) -> None:
    with pytest.raises(LedgerRefused) as refused:
        NoteKey.from_vkey(spoil(key.vkey()))
    assert why in str(refused.value)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u00a0b", "a\nb"])
def test_names_that_a_signature_line_cannot_carry(name: str) -> None:
    with pytest.raises(LedgerRefused, match="cannot name"):
        NoteKey(name, bytes(32))


def test_the_example_of_the_go_implementation_verifies() -> None:
    """Key and note as golang.org/x/mod/sumdb/note documents them."""
    key = NoteKey.from_vkey("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    line = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
    signed = f"{text}\n\N{EM DASH} PeterNeumann {line}\n".encode()
    Note.from_bytes(signed).verify(key)
    with pytest.raises(LedgerRefused, match="does not verify"):
        Note.from_bytes(signed.replace(b"answer", b"anSwer")).verify(key)
