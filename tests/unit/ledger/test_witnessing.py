"""Witnesses: policies, cosignatures of both kinds, submissions by the letter of the specification."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, mldsa
from hypothesis import given, settings
from hypothesis import strategies as st

from countermark import merkle
from countermark.errors import CountermarkError, LedgerRefused, TrustRefused
from countermark.keys import quorum
from countermark.keys.cosigner import ED25519, ML_DSA_44, CosignerKey
from countermark.ledger import cosignature, submission
from countermark.ledger.checkpoint import issue
from countermark.ledger.note import Note, NoteKey, line
from countermark.ledger.submission import Declined, Seen, Submission

LOG = ed25519.Ed25519PrivateKey.from_private_bytes(b"L" * 32)
KEY = NoteKey("example.com/log", LOG.public_key().public_bytes_raw())
LEAVES = [merkle.RFC6962.leaf(bytes([n])) for n in range(9)]
NOW = datetime(2026, 11, 24, tzinfo=UTC)
TIME = int(NOW.timestamp())


def head(size: int, leaves: list[bytes] = LEAVES):
    return issue(size, merkle.root(leaves[:size]), KEY, LOG.sign)


def proof(old: int, new: int) -> tuple[bytes, ...]:
    return tuple(merkle.consistency_proof(LEAVES[:new], old))


def signers():
    small = [ed25519.Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in range(1, 4)]
    keys = [CosignerKey(f"example.com/w{n}", ED25519, k.public_key().public_bytes_raw()) for n, k in enumerate(small)]
    large = mldsa.MLDSA44PrivateKey.from_seed_bytes(b"M" * 32)
    keys.append(CosignerKey("example.com/pq", ML_DSA_44, large.public_key().public_bytes_raw()))
    return [*zip(keys, [*(k.sign for k in small), large.sign], strict=True)]


SIGNERS = signers()
NAMES = ["X", "Y", "Z", "Q"]
WITNESSES = "".join(f"witness {n} {k.vkey()}\n" for n, (k, _) in zip(NAMES, SIGNERS, strict=True))


def rule(lines: str) -> quorum.Quorum:
    return quorum.parse(f"# comment\n\n{WITNESSES}{lines}\n")


def cosigned(who: str, checkpoint=None, time: int = TIME):
    checkpoint = checkpoint or head(5)
    lines = [
        cosignature.cosign(*(SIGNERS[NAMES.index(n)][0], checkpoint, time), SIGNERS[NAMES.index(n)][1]) for n in who
    ]
    return cosignature.with_cosignatures(checkpoint, lines)


def test_the_example_of_the_specification_signs_these_bytes() -> None:
    """Header, time and body of the Ed25519 message stand in tlog-cosignature word by word."""
    text = b"example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    note = Note(text, ()).to_bytes() + "— x AAAAAAAAAAA=\n".encode()
    shown = replace(head(1), note=note)
    assert cosignature.message(SIGNERS[0][0], shown, 1679315147) == b"cosignature/v1\ntime 1679315147\n" + text


def test_the_post_quantum_message_is_laid_out_as_specified() -> None:
    key, checkpoint = SIGNERS[3][0], head(5)
    said = cosignature.message(key, checkpoint, 7)
    rest = b"\x0eexample.com/pq" + (7).to_bytes(8) + b"\x0fexample.com/log" + (0).to_bytes(8) + (5).to_bytes(8)
    assert said == b"subtree/v1\n\0" + rest + checkpoint.root


@pytest.mark.parametrize(
    ("lines", "enough", "few"),
    [
        ("quorum X", "X", "YZQ"), ("group g any X Y\nquorum g", "Y", "ZQ"), ("group g all X Q\nquorum g", "XQ", "XYZ"),
        ("group a 2 X Y Z\ngroup b all a Q\nquorum b", "XZQ", "XYZ"), ("group a 2 X Y Z\nquorum a", "XZ", "XQ"),
    ],
)  # fmt: skip
def test_a_quorum_counts_as_its_policy_says(lines: str, enough: str, few: str) -> None:
    seen = cosignature.witnessed(cosigned(enough), rule(lines), NOW)
    assert seen.witnesses == tuple(sorted(enough)) and seen.time == TIME
    with pytest.raises(LedgerRefused, match="not cosigned by the quorum"):
        cosignature.witnessed(cosigned(few), rule(lines), NOW)


def test_time_is_when_the_quorum_was_complete() -> None:
    both = cosigned("X", time=TIME - 50)
    both = cosignature.with_cosignatures(both, [cosignature.cosign(SIGNERS[1][0], both, TIME - 10, SIGNERS[1][1])])
    assert cosignature.witnessed(both, rule("group g all X Y\nquorum g"), NOW).time == TIME - 10
    assert cosignature.witnessed(both, rule("group g any X Y\nquorum g"), NOW).when == "2026-11-23T23:59:10Z"


@pytest.mark.parametrize("who", ["X", "Q"])
def test_cosignatures_do_not_move_to_another_head_time_or_name(who: str) -> None:
    key, sign = SIGNERS[NAMES.index(who)]
    good = cosignature.cosign(key, head(5), TIME, sign)
    for other in (head(6), issue(5, bytes(32), KEY, LOG.sign)):
        with pytest.raises(LedgerRefused):
            cosignature.verify(key, other, good)
    for bad in (replace(good, signature=(TIME + 1).to_bytes(8) + good.signature[8:]), replace(good, name="other"),
                replace(good, signature=good.signature[:-1]), replace(good, signature=b"\xff" * 8 + good.signature[8:])):  # fmt: skip
        with pytest.raises(LedgerRefused):
            cosignature.verify(key, head(5), bad)


def test_a_broken_line_of_a_known_witness_refuses_and_one_of_a_stranger_means_nothing() -> None:
    good = cosigned("XY")
    stranger = cosignature.with_cosignatures(good, [replace(Note.from_bytes(good.note).signatures[1], name="somebody")])
    assert cosignature.witnessed(stranger, rule("quorum Y"), NOW)
    lines = Note.from_bytes(good.note).signatures
    broken = replace(lines[1], signature=lines[1].signature[:-1] + bytes([lines[1].signature[-1] ^ 1]))
    with pytest.raises(LedgerRefused, match="does not verify"):
        cosignature.witnessed(cosignature.with_cosignatures(good, [broken]), rule("quorum Y"), NOW)
    with pytest.raises(LedgerRefused, match="future"):
        cosignature.witnessed(cosigned("X", time=TIME + 3600), rule("quorum X"), NOW)


@pytest.mark.parametrize(
    "lines",
    [
        "", "quorum W", "quorum X\nquorum Y", "group g 0 X\nquorum g", "group g 3 X Y\nquorum g", "group g 01 X\nquorum g",
        "group g any X X\nquorum g", "group g any X\ngroup h any X\nquorum h", "group X any Y\nquorum X", "quorum none none",
        "group none any X\nquorum X", "witness A nonsense\nquorum X", "log", "group g any\nquorum X", "rule X\nquorum X",
        f"witness A {SIGNERS[0][0].vkey()}\nquorum X", "quorum X\n\x0b", "witness X2 " + "x" * 5000 + "\nquorum X",
    ],
)  # fmt: skip
def test_policies_that_could_be_read_in_two_ways_are_refused(lines: str) -> None:
    with pytest.raises(TrustRefused):
        rule(lines)


@settings(max_examples=200)
@given(st.text(max_size=200) | st.text("witness group quorum any all 12XY\n\t#+", max_size=200))
def test_no_text_crashes_the_policy_reader(text: str) -> None:
    try:
        quorum.parse(text)
    except TrustRefused:
        return


def submit(old: int, new: int, seen: Seen, **changes):
    asked = Submission(old, proof(old, new) if 0 < old <= new else (), head(new).note)
    return submission.judge(Submission.from_bytes(replace(asked, **changes).to_bytes()), KEY, seen)


def status(old: int, new: int, seen: Seen, **changes) -> int:
    with pytest.raises(Declined) as declined:
        submit(old, new, seen, **changes)
    return declined.value.answer.status


def test_submissions_by_the_letter() -> None:
    three = Seen(3, merkle.root(LEAVES[:3]))
    assert submit(0, 5, Seen()).size == 5 and submit(3, 8, three).size == 8 and submit(3, 3, three).size == 3
    assert status(3, 2, three, proof=()) == 400
    assert status(0, 5, three) == 409 and status(5, 8, three) == 409
    assert status(3, 8, three, proof=proof(3, 7)) == 422 and status(3, 8, three, proof=()) == 422
    assert status(0, 5, Seen(), proof=proof(3, 5)) == 422
    assert status(3, 3, Seen(3, b"x" * 32), proof=()) == 409
    foreign = issue(
        5, merkle.root(LEAVES[:5]), replace(KEY, public=_other().public_key().public_bytes_raw()), _other().sign
    )
    assert status(0, 5, Seen(), note=foreign.note) == 403
    with pytest.raises(Declined) as declined:
        submit(0, 5, three)
    assert (declined.value.answer.body, declined.value.answer.type) == (b"3\n", "text/x.tlog.size")


def _other() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.from_private_bytes(b"O" * 32)


@settings(max_examples=200)
@given(st.binary(max_size=300), st.integers(0, 400))
def test_no_bytes_crash_a_witness(data: bytes, at: int) -> None:
    good = Submission(3, proof(3, 8), head(8).note).to_bytes()
    for text in (data, good[:at] + data + good[at:], b"old " + data):
        try:
            submission.judge(Submission.from_bytes(text), KEY, Seen())
        except CountermarkError:
            continue


def test_a_log_that_is_behind_its_witness_hears_it() -> None:
    def exchange(_body: bytes) -> submission.Answer:
        return submission.conflict(Seen(9, merkle.root(LEAVES)))

    with pytest.raises(LedgerRefused, match="another history: 9 entries"):
        submission.submit(exchange, head(5).note, lambda old: proof(old, 5), 5, 0)


def test_answers_are_lines(tmp_path: Path) -> None:
    made = cosignature.cosign(SIGNERS[0][0], head(5), TIME, SIGNERS[0][1])
    assert submission.cosignatures(line(made)) == (made,)
    for bad in (b"", line(made)[:-1], b"\xff\n", b"x\n", line(made) * 65):
        with pytest.raises(LedgerRefused):
            submission.cosignatures(bad)
