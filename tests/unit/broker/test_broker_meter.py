"""Counts that a broker keeps: no block twice, no older state, no answer shown again, and an end that the old host cannot undo."""

from __future__ import annotations

import base64
import http.client
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from broker_world import World
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[3] / "attacks" / "licence"))
from core_world import SECOND
from licence_world import BEGIN, DAY, Licensors, claims, key, lease
from meter_world import Counted, metered

from countermark import canonical
from countermark.broker.admitted import Admitted, Meter, of_licence
from countermark.broker.app import App
from countermark.broker.meter_log import Moved
from countermark.broker.meters import NOT_HERE, Meters
from countermark.errors import (
    CountermarkError,
    LedgerRefused,
    PolicyRefused,
    Refusal,
    SignatureRefused,
    StatementRefused,
    Unusable,
)
from countermark.ledger.note import Note, NoteKey, sign_note
from countermark.licence import chain as chains
from countermark.licence.anchors import ZERO, extended
from countermark.licence.broker_anchor import BrokerAnchor, refuse_going_on
from countermark.licence.metered import PATH, Asked, Held, Step, held
from countermark.licence.refusal import LicenceRefused
from countermark.licence.state import parse as parsed_state
from countermark.licence.tenure import Tenure
from countermark.lifecycle.license import Papers, move
from countermark.lifecycle.license_broker import sending
from countermark.statement.predicates.licence import RETURN, ReturnReceipt
from countermark.statement.predicates.licence_claims import Sublicense

LICENCE = Path(__file__).parents[3] / "attacks" / "licence"
NONCE = bytes(range(32))


@pytest.fixture(scope="session")
def licensors(tmp_path_factory: pytest.TempPathFactory) -> Licensors:
    return Licensors.make(tmp_path_factory.mktemp("licensors") / "world")


@pytest.fixture
def counted(tmp_path: Path) -> Counted:
    return Counted(tmp_path / "broker")


@pytest.fixture
def meters(counted: Counted) -> Iterator[Meters]:
    with counted.meters() as opened:
        yield opened


def use(tenure: Tenure, queries: int) -> None:
    if not tenure.take(queries):
        tenure.renew(queries)


def refused(act: object, *args: object) -> LicenceRefused:
    with pytest.raises(LicenceRefused) as caught:
        act(*args)  # type: ignore[operator]
    return caught.value


def asked(licence: str, *, host: str = "plant", step: Step | None = None, end: bool = False) -> bytes:
    return Asked(licence, NONCE, step, end, key(host).public).signed(key(host)).to_bytes()


def test_a_restored_deleted_or_edited_state_is_refused(
    tmp_path: Path, licensors: Licensors, counted: Counted, meters: Meters
) -> None:
    machine = metered(tmp_path / "plant", licensors, counted, meters.answer)
    tenure = machine.load()
    assert tenure.meter.counting.startswith("anchored in broker vault (")
    use(tenure, 30)
    machine.snapshot(tmp_path / "backup")
    use(tenure, 60)
    tenure.close()
    machine.restore(tmp_path / "backup")
    assert "older" in (said := refused(machine.load)).mend or said.claim == "state"
    shutil.rmtree(machine.root / ".countermark" / "licences")
    assert refused(machine.load).seen == "none"
    machine.restore(tmp_path / "backup")
    (path,) = (machine.root / ".countermark" / "licences").glob("*.state.json")
    path.write_bytes(path.read_bytes().replace(b'"drawn":30', b'"drawn":0'))
    assert refused(machine.load).claim == "state"


def test_a_next_state_that_its_owner_made_up_is_taken(
    tmp_path: Path, licensors: Licensors, counted: Counted, meters: Meters
) -> None:
    """The limit that the pages name: heads are compared, and nobody but the guard looks at what they stand for."""
    machine = metered(tmp_path / "plant", licensors, counted, meters.answer)
    use(machine.load(), 90)
    (path,) = (machine.root / ".countermark" / "licences").glob("*.state.json")
    newest, _, head = parsed_state(path.read_bytes())
    usage = {link: replace(one, drawn=0) for link, one in newest.usage.items()}
    made = replace(newest, count=newest.count + 1, sequence=newest.sequence + 1, usage=usage)
    path.write_bytes(canonical.to_bytes({"previous": head.hex(), "entry": canonical.from_bytes(made.entry())}))
    use(machine.load(), 90)
    page = Path(__file__).parents[3] / "docs" / "reference" / "formats" / "licence-time.md"
    assert "whoever writes a *next* state himself" in page.read_text()


def test_a_snapshot_of_memory_gives_again_what_was_drawn(
    tmp_path: Path, licensors: Licensors, counted: Counted, meters: Meters
) -> None:
    """The other limit that the pages name: a block in memory is used without a step, so that no anchor sees it used again."""
    machine = metered(tmp_path / "plant", licensors, counted, meters.answer, block=1000)
    tenure = machine.load()
    use(tenure, 1)
    left = tenure.meter._have
    for _ in range(3):
        machine.sleep(seconds=61)
        use(tenure, 99)
        tenure.meter._have = left  # the machine is resumed
    assert tenure.look().state.of(machine.chain.root.digest).drawn == 100 and left == 99
    page = Path(__file__).parents[3] / "docs" / "reference" / "formats" / "licence-time.md"
    assert "a snapshot of a *running* guard" in page.read_text()


def test_two_copies_of_a_host_do_not_both_get_a_block(
    tmp_path: Path, licensors: Licensors, counted: Counted, meters: Meters
) -> None:
    machine = metered(tmp_path / "plant", licensors, counted, meters.answer)
    machine.load()
    machine.snapshot(tmp_path / "copy")
    copy = replace(machine, root=tmp_path / "copy")
    use(machine.load(), 5)
    assert refused(copy.load).claim == "state"


def test_a_copy_that_draws_between_reading_and_writing_is_noticed(
    tmp_path: Path, licensors: Licensors, counted: Counted, meters: Meters
) -> None:
    """The attack: both copies read one state, and the second to write asks the broker anew what to go on from."""
    waiting: list[Callable[[], None]] = []
    questions = [0]

    def send(data: bytes) -> bytes:
        questions[0] += Asked.from_bytes(data).step is None
        if waiting and questions[0] == 2:  # of `Store.write`; the first was of `Store.read`
            waiting.pop()()
        return meters.answer(data)

    machine = metered(tmp_path / "plant", licensors, counted, send, count=100, block=30)
    tenure = machine.load()
    machine.snapshot(tmp_path / "copy")
    anchor = BrokerAnchor(meters.answer, counted.key, machine.chain.root.digest, key("plant"))
    copy = replace(machine, root=tmp_path / "copy", anchor=anchor)
    questions[0] = 0
    waiting.append(lambda: use(copy.load(), 30))
    assert "a copy of this host goes on" in refused(tenure.renew, 30).seen
    assert not waiting
    assert copy.tenure().look().state.of(machine.chain.root.digest).drawn == 30


def test_the_same_step_is_given_once(licensors: Licensors, counted: Counted, meters: Meters) -> None:
    grant = licensors.grant(claims(host=counted.binding("plant")))
    counted.admit([grant])
    first = asked(grant.digest, step=Step(1, ZERO, b"e" * 32))
    note = held(meters.answer(first), counted.key, grant.digest, key("plant").public.id, NONCE)
    assert note == Held(1, extended(ZERO, b"e" * 32), at=BEGIN)
    for again in (first, asked(grant.digest, step=Step(1, ZERO, b"f" * 32)), asked(grant.digest, step=Step(2, ZERO, b"f" * 32)),
                  asked(grant.digest, step=Step(3, note.head, b"f" * 32))):  # fmt: skip
        with pytest.raises(PolicyRefused, match="does not follow the newest"):
            meters.answer(again)
    assert held(meters.answer(asked(grant.digest)), counted.key, grant.digest, key("plant").public.id, NONCE) == note


def test_what_was_not_admitted_or_is_anothers_key_gets_nothing(
    licensors: Licensors, counted: Counted, meters: Meters
) -> None:
    grant = licensors.grant(claims(host=counted.binding("plant")))
    with pytest.raises(PolicyRefused, match=NOT_HERE):
        meters.answer(asked(grant.digest))
    counted.admit([grant])
    with pytest.raises(PolicyRefused, match=NOT_HERE):
        meters.answer(asked(grant.digest, host="line"))
    forged = Asked(grant.digest, NONCE, None, False, key("plant").public).signed(key("line"))
    with pytest.raises(SignatureRefused):
        meters.answer(forged.to_bytes())
    other = NoteKey("countermark.broker/other", bytes(32))
    with pytest.raises(PolicyRefused, match="does not name this broker"):
        of_licence(chains.to_file([grant]), other)


def test_nobody_adds_hosts_to_anothers_licence(licensors: Licensors, counted: Counted) -> None:
    """The attack: the true grant with a sublicence behind it that its licensee did not sign; 64 such keys leave no room for the true hosts."""
    mine, theirs = claims(host=counted.binding("plant", "line")), claims("thief", host=counted.binding("line"))
    true = licensors.chain(mine, theirs)
    assert len(of_licence(chains.to_file(true), counted.key).hosts) == 2
    forged = licensors.grant(replace(theirs, host=counted.binding("thief")), by=("thief",), parent=true[0].digest)
    with pytest.raises(SignatureRefused):
        of_licence(chains.to_file([true[0], forged]), counted.key)
    with pytest.raises(StatementRefused, match="in order"):
        of_licence(chains.to_file([licensors.grant(replace(mine, max_loads=2)), true[1]]), counted.key)


def test_an_older_answer_of_the_broker_is_not_taken(
    tmp_path: Path, licensors: Licensors, counted: Counted, meters: Meters
) -> None:
    """The attack: whoever has the host keeps the broker's answers of the day of his backup, and shows them instead of new ones."""
    kept: list[bytes] = []
    machine = metered(tmp_path / "plant", licensors, counted, lambda data: kept.append(meters.answer(data)) or kept[-1])
    use(machine.load(), 10)
    machine.snapshot(tmp_path / "backup")
    use(machine.load(), 50)
    machine.restore(tmp_path / "backup")
    for old in kept:
        machine.anchor = BrokerAnchor(lambda _, old=old: old, counted.key, machine.chain.root.digest, key("plant"))
        assert "fresh word" in refused(machine.load).expected
    theirs = Counted(tmp_path / "theirs", key("theirs-ledger"))
    own = sign_note(Held(3, ZERO).text(counted.key.name, machine.chain.root.digest, key("plant").public.id, NONCE),
                    NoteKey(counted.key.name, theirs.signer.public.raw()), theirs.signer.sign)  # fmt: skip
    with pytest.raises(LedgerRefused, match="not signed by"):
        held(own.to_bytes(), counted.key, machine.chain.root.digest, key("plant").public.id, NONCE)


def test_a_host_that_was_given_back_gets_no_more_whatever_it_restores(
    tmp_path: Path, licensors: Licensors, counted: Counted
) -> None:
    with counted.meters() as meters:
        machine = metered(tmp_path / "plant", licensors, counted, meters.answer)
        tenure = machine.load()
        machine.snapshot(tmp_path / "backup")
        assert isinstance(tenure.anchor, BrokerAnchor)
        note = tenure.anchor.end()
        refuse_going_on(note, counted.key, machine.chain.root.digest, key("plant").public.id)
        machine.restore(tmp_path / "backup")
        assert "ended" in refused(machine.load).seen
        assert refused(tenure.renew, 1).claim == "state"
    with counted.meters() as meters:  # the broker was started anew
        machine.anchor = BrokerAnchor(meters.answer, counted.key, machine.chain.root.digest, key("plant"))
        assert "ended" in refused(machine.load).seen
        with pytest.raises(PolicyRefused, match="was ended"):
            meters.answer(asked(machine.chain.root.digest, step=Step(3, ZERO, bytes(32))))
        going = meters.answer(asked(machine.chain.root.digest))
        assert held(going, counted.key, machine.chain.root.digest, key("plant").public.id, NONCE).ended


def test_a_proof_of_an_end_is_of_that_licence_and_host(licensors: Licensors, counted: Counted, meters: Meters) -> None:
    grant = licensors.grant(claims(host=counted.binding("plant", "line")))
    counted.admit([grant])
    open_ = meters.answer(asked(grant.digest))
    ended = meters.answer(asked(grant.digest, end=True))
    plant, line = (key(name).public.id for name in ("plant", "line"))
    refuse_going_on(ended, counted.key, grant.digest, plant)
    for note, licence, host in (
        (open_, grant.digest, plant),
        (ended, "a" * 64, plant),
        (ended, grant.digest, line),
        (b"", grant.digest, plant),
    ):
        assert refused(refuse_going_on, note, counted.key, licence, host).claim == "state"
    assert not held(meters.answer(asked(grant.digest, host="line")), counted.key, grant.digest, line, NONCE).ended


def test_a_move_asks_for_the_end_of_the_licences_own_and_only_host(
    licensors: Licensors, counted: Counted, meters: Meters
) -> None:
    """The attack: the key that ends was never used, or was that of another licence; the one that draws goes on beside the new licence."""
    both, one = counted.binding("plant", "line"), counted.binding("line")
    chain = licensors.chain(claims(host=both), claims("sub", host=one, sublicense=Sublicense(6, frozenset({"infer"}))))
    counted.admit(chain)
    desk, plant = licensors.world[SECOND], key("plant").public.id
    proof = base64.b64encode(meters.answer(asked(chain[0].digest, end=True))).decode()
    for links, licensee in ((chain[:1], "plant"), (chain, "sub")):
        papers = Papers(tuple(links), chains.verify(links, licensors.trust, licensors.world.clock.now))
        said = ReturnReceipt(licensors.context("*"), links[-1].digest, "broker", plant, proof)
        receipt = licensors.sign("returned", papers.chain.claims.subject.digest, RETURN, said.to_json(), licensee)
        seen = refused(move, desk, papers, receipt, papers.chain.claims)
        assert "every host that the licence names" in seen.expected and plant[:16] in seen.seen


def test_an_operators_end_is_felt_within_a_minute(
    tmp_path: Path, licensors: Licensors, counted: Counted, meters: Meters
) -> None:
    machine = metered(tmp_path / "plant", licensors, counted, meters.answer)
    tenure = machine.load()
    use(tenure, 1)
    meter = Admitted(counted.home).find(machine.chain.root.digest)
    assert meter is not None
    Admitted(counted.home).admit(replace(meter, ended=True))
    machine.sleep(seconds=61)
    assert not tenure.take(1)
    assert "ended" in refused(tenure.renew, 1).seen
    counted.admit([licensors.grant(claims(host=counted.binding("plant"), max_loads=9))])
    again = Admitted(counted.home).admit(meter)
    assert again.ended, "what was ended does not begin again by being admitted"
    assert isinstance(tenure.anchor, BrokerAnchor)
    tenure.anchor.end()
    (counted.home / "meters" / f"{meter.licence}.json").write_bytes(meter.to_bytes())  # the operator's file is put back
    assert "ended" in refused(machine.load).seen, "a host that showed its end does not go on"


def test_a_broker_that_is_away_stops_and_does_not_lose_a_host(
    tmp_path: Path, licensors: Licensors, counted: Counted, meters: Meters
) -> None:
    """Answers are lost at every step in turn: nothing is used that was not registered, and the host goes on when they come again."""
    lost, calls = {3}, [0]

    def send(data: bytes) -> bytes:
        calls[0] += 1
        answer = meters.answer(data)
        if calls[0] in lost:
            raise Unusable("the answer was lost")
        return answer

    machine = metered(tmp_path / "plant", licensors, counted, send, count=1000)
    done = 0
    for at in range(1, 27):
        lost.clear()
        lost.add(calls[0] + 1 + at % 13)
        try:
            tenure = machine.load()
            for _ in range(15):
                use(tenure, 1)
                done += 1
        except Unusable:
            continue
    lost.clear()
    tenure, before = machine.load(), done
    use(tenure, 10)
    assert before > 30
    state = tenure.look().state
    assert done + 10 <= state.of(machine.chain.root.digest).drawn <= 1000


def test_the_brokers_clock_bounds_the_lease_and_its_error_is_not_remembered(
    tmp_path: Path, licensors: Licensors, counted: Counted, meters: Meters
) -> None:
    machine = metered(tmp_path / "plant", licensors, counted, meters.answer, lease=lease(30, 7))
    counted.clock = lambda: machine.true
    machine.load()
    for _ in range(40):  # its clock is held, and the machine begins anew each day
        machine.sleep(0.99, clock=False)
        machine.reboot()
    assert refused(machine.load).claim == "clock_rollback"
    machine.now = machine.true
    assert refused(machine.load).claim == "lease"
    other = metered(tmp_path / "other", licensors, counted, meters.answer, max_loads=99)
    counted.clock = lambda: BEGIN + 400 * DAY  # the broker's clock is wrong, and is then set right
    assert refused(other.load).claim == "clock_rollback"
    counted.clock = lambda: BEGIN
    assert other.load().look().reading.now == BEGIN


def test_over_http(tmp_path: Path, licensors: Licensors, counted: Counted, meters: Meters, world: World) -> None:
    pytest.importorskip("uvicorn", reason="needs the serve extra")
    from countermark.guard import server

    with world.log() as log, server.background(App(world.broker(log), meters)) as url:
        machine = metered(tmp_path / "plant", licensors, counted, sending(url), count=40)
        tenure = machine.load()
        use(tenure, 25)
        machine.snapshot(tmp_path / "backup")
        use(tenure, 15)
        assert refused(tenure.renew, 1).claim == "max_queries"
        machine.restore(tmp_path / "backup")
        assert refused(machine.load).claim == "state"
        stranger = BrokerAnchor(sending(url), counted.key, "a" * 64, key("plant"))
        assert NOT_HERE in refused(stranger.read).seen
        connection = http.client.HTTPConnection(urlsplit(url).hostname or "", urlsplit(url).port, timeout=10)
        for body, status in ((b"", 400), (b"[" * 5000, 400), (b"{}", 400)):
            connection.request("POST", PATH, body)
            answer = connection.getresponse()
            assert (answer.status, bool(answer.read())) == (status, True)
        connection.close()
    with world.log() as log, server.background(App(world.broker(log))) as url, pytest.raises(Unusable, match="404"):
        sending(url)(b"")


KILLS = 6


def test_kill_9_gives_no_block_twice_and_locks_nobody_out(tmp_path: Path, licensors: Licensors) -> None:
    """Plant and broker die together, at any moment, again and again."""
    used, rng = 0, random.Random(5)
    command = [sys.executable, str(LICENCE / "meter_killed.py"), str(licensors.world.root), str(tmp_path)]
    for _ in range(KILLS):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            first = process.stdout.readline()
            time.sleep(rng.uniform(0.0, 0.2))
            process.kill()
            used += (first + process.stdout.read()).count(b"used\n")
    assert used > 0
    counted = Counted(tmp_path / "broker")
    with counted.meters() as meters:
        tenure = metered(tmp_path / "plant", licensors, counted, meters.answer, count=3000, block=3).load()
        drawn = tenure.look().state.of(tenure.chain.root.digest).drawn
        assert used <= drawn <= used + 3 * KILLS, "no query that was not drawn; and each death costs a block at most"


@given(st.binary(max_size=300))
def test_no_bytes_lead_to_another_exception(data: bytes) -> None:
    broker = NoteKey("countermark.broker/x", bytes(32))
    for parse in (
        Asked.from_bytes, Meter.from_bytes, Moved.from_bytes, lambda raw: of_licence(raw, broker),
        lambda raw: held(raw, broker, "a" * 64, "b" * 64, NONCE),
    ):  # fmt: skip
        with pytest.raises(CountermarkError):
            parse(data)


@given(at=st.integers(0, 10_000), mask=st.integers(1, 255))
def test_every_changed_byte_is_refused(at: int, mask: int) -> None:
    broker = key("ledger-of-a-broker")
    sender = NoteKey("countermark.broker/x", broker.public.raw())
    note = sign_note(Held(7, ZERO).text(sender.name, "a" * 64, "b" * 64, NONCE), sender, broker.sign).to_bytes()
    bent = bytearray(note)
    bent[at % len(bent)] ^= mask
    with pytest.raises(Refusal):
        held(bytes(bent), sender, "a" * 64, "b" * 64, NONCE)
    request = bytearray(asked("a" * 64, step=Step(1, ZERO, bytes(32))))
    request[at % len(request)] ^= mask
    with pytest.raises(Refusal):
        Asked.from_bytes(bytes(request)).verify()


def test_a_note_about_a_meter_is_no_checkpoint(counted: Counted, meters: Meters, licensors: Licensors) -> None:
    from countermark.ledger.checkpoint import verify_checkpoint

    grant = licensors.grant(claims(host=counted.binding("plant")))
    counted.admit([grant])
    note = Note.from_bytes(meters.answer(asked(grant.digest)))
    note.verify(counted.key)
    with pytest.raises(LedgerRefused):
        verify_checkpoint(note.to_bytes(), counted.key)
