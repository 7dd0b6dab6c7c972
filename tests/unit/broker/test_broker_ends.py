"""Admitting meters, ending them, and how many steps a host may take: what an operator says holds, whoever comes at the same moment."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from broker_world import World

sys.path.insert(0, str(Path(__file__).parents[3] / "attacks" / "licence"))
from licence_world import BEGIN, Licensors, claims, key
from meter_world import NAME, Counted

from countermark.broker import app as application
from countermark.broker.admitted import MOST_HOSTS, Admitted, Meter
from countermark.broker.app import App
from countermark.broker.log import Record
from countermark.broker.meter_log import EVERY_HOST, MeterLog, Moved
from countermark.broker.meters import MOST_STEPS, Meters
from countermark.broker.pace import Pace
from countermark.broker.typed_log import Entry
from countermark.errors import LedgerRefused, PolicyRefused, StatementRefused, Unusable
from countermark.licence.anchors import ZERO, extended
from countermark.licence.metered import Asked, Step, held
from countermark.workspace.disk import Disk

NONCE = bytes(32)
LICENCE = "ab" * 32
PLANT = key("plant").public.id


@pytest.fixture(scope="module")
def licensors(tmp_path_factory: pytest.TempPathFactory) -> Licensors:
    return Licensors.make(tmp_path_factory.mktemp("licensors") / "world")


@pytest.fixture
def counted(tmp_path: Path) -> Counted:
    return Counted(tmp_path / "broker")


def asked(licence: str, step: Step | None = None, host: str = "plant", *, end: bool = False) -> bytes:
    return Asked(licence, NONCE, step, end, key(host).public).signed(key(host)).to_bytes()


def logged(counted: Counted) -> list[Moved]:
    with MeterLog(counted.home / "meter-log", NAME + "/meter", counted.signer) as log:
        return list(log.records())


@pytest.mark.parametrize(("entry", "data"), [
    (Moved(7, LICENCE, "cd" * 32, 2, "ef" * 32, False),
     b'{"at":7,"count":2,"ended":false,"head":"%s","host":"%s","licence":"%s","version":1}' % (b"ef" * 32, b"cd" * 32, b"ab" * 32)),
    (Record(7, "01" * 16, 9, "acme", "02" * 32, "plant-7", "03" * 32, "04" * 32, "05" * 32, 1, "software", "06" * 32, "07" * 32,
            {"recipe": "08" * 32}, "09" * 16),
     b'{"asset":"%s","at":7,"challenge":"%s","claims":{"recipe":"%s"},"evidence":"software","expires":9,"host":"%s","licence":"%s","owner":"acme",'
     b'"policy":"%s","recipient":"plant-7","rule":"%s","salt":"%s","sequence":1,"to":"%s","version":1}'
     % (b"02" * 32, b"01" * 16, b"08" * 32, b"06" * 32, b"03" * 32, b"05" * 32, b"04" * 32, b"09" * 16, b"07" * 32)),
])  # fmt: skip
def test_entries_on_the_disk_are_what_they_were(entry: Entry, data: bytes) -> None:
    assert entry.to_bytes() == data and type(entry).from_bytes(data) == entry
    with pytest.raises(StatementRefused, match="of another version"):
        type(entry).from_bytes(data.replace(b'"version":1', b'"version":2'))
    with pytest.raises(StatementRefused, match="unknown field"):
        type(entry).from_bytes(data.replace(b'"version":1', b'"version":1,"x":1'))


class Slow(Disk):
    """A disk that takes a moment, so that two writers are at it at once."""

    def write(self, path: Path, data: bytes, *, mode: int = 0o600) -> None:
        time.sleep(0.1)
        super().write(path, data, mode=mode)


def test_two_admissions_at_once_lose_neither_a_host_nor_an_end(tmp_path: Path) -> None:
    """The race: each reads the file, and the later one writes back what stood there before the earlier one's end."""
    acts = [Meter(LICENCE, frozenset({f"{n:064x}"}), ended=n == 3) for n in range(6)]
    begin = threading.Barrier(len(acts))

    def admit(meter: Meter) -> None:
        begin.wait()
        Admitted(tmp_path, Slow()).admit(meter)  # of its own, as each command is a process of its own

    threads = [threading.Thread(target=admit, args=(meter,)) for meter in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = Admitted(tmp_path).find(LICENCE)
    assert kept == Meter(LICENCE, frozenset().union(*(one.hosts for one in acts)), ended=True)
    with pytest.raises(StatementRefused, match="a meter of 65 hosts"):
        Admitted(tmp_path).admit(Meter(LICENCE, frozenset(f"{n:064x}" for n in range(MOST_HOSTS + 1))))


def test_a_meter_under_another_licences_name_grants_nothing(tmp_path: Path) -> None:
    Admitted(tmp_path).admit(Meter(LICENCE, frozenset({PLANT})))
    (tmp_path / "meters" / f"{LICENCE}.json").rename(tmp_path / "meters" / f"{'cd' * 32}.json")
    with pytest.raises(StatementRefused, match="another licence's name"):
        Admitted(tmp_path).find("cd" * 32)


def test_an_operators_end_is_in_the_log_and_outlives_his_file(licensors: Licensors, counted: Counted) -> None:
    """The attack: the file is put back as it was, also with a host more that never asked before."""
    grant = licensors.grant(claims(host=counted.binding("plant", "line")))
    counted.admit([grant])
    first = Step(1, ZERO, b"e" * 32)
    with counted.meters() as meters:
        meters.answer(asked(grant.digest, first))
        before = Admitted(counted.home).find(grant.digest)
        assert before is not None
        Admitted(counted.home).admit(replace(before, ended=True))
        with pytest.raises(PolicyRefused, match="was ended"):
            meters.answer(asked(grant.digest, Step(2, extended(ZERO, b"e" * 32), b"f" * 32)))
    assert logged(counted)[1:] == [Moved(BEGIN, grant.digest, EVERY_HOST, 0, ZERO.hex(), True)]
    file = counted.home / "meters" / f"{grant.digest}.json"
    file.write_bytes(replace(before, hosts=before.hosts | {key("thief").public.id}).to_bytes())
    with counted.meters() as meters:
        for host in ("plant", "line", "thief"):
            note = held(
                meters.answer(asked(grant.digest, host=host)), counted.key, grant.digest, key(host).public.id, NONCE
            )
            assert note.ended
            with pytest.raises(PolicyRefused, match="was ended"):
                meters.answer(asked(grant.digest, first, host))
    assert len(logged(counted)) == 2, "told once"


def test_an_end_is_logged_where_no_host_asks(licensors: Licensors, counted: Counted) -> None:
    """At the start what was ended before; while it runs by `App`, within seconds. A meter that is malformed, or cannot be read, stops neither."""
    grants = [licensors.grant(claims(host=counted.binding("plant"), max_loads=n)) for n in (2, 3)]
    counted.admit([grants[0]])
    Admitted(counted.home).admit(Meter(grants[0].digest, frozenset({PLANT}), ended=True))
    (counted.home / "meters" / f"{'0' * 64}.json").write_bytes(b"{")
    (counted.home / "meters" / f"{'1' * 64}.json").mkdir()
    with counted.meters() as meters:
        Admitted(counted.home).admit(Meter(grants[1].digest, frozenset({PLANT}), ended=True))
        meters.enter_ends()
        meters.enter_ends()
    ended = {(one.licence, one.host) for one in logged(counted)}
    assert ended == {(grant.digest, EVERY_HOST) for grant in grants} and len(logged(counted)) == 2


def test_a_running_service_enters_ends_by_itself(
    world: World, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application, "ENDS_SECONDS", 0.02)

    async def run(app: App) -> None:
        events: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        said: list[str] = []

        async def send(event: dict[str, str]) -> None:
            said.append(event["type"])

        await events.put({"type": "lifespan.startup"})
        serving = asyncio.create_task(app({"type": "lifespan"}, events.get, send))  # type: ignore[arg-type]
        Admitted(counted.home).admit(Meter(LICENCE, frozenset({PLANT}), ended=True))
        await asyncio.sleep(0.5)
        await events.put({"type": "lifespan.shutdown"})
        await serving
        assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]

    with world.log() as log, counted.meters() as meters:
        asyncio.run(run(App(world.broker(log), meters)))
    assert [(one.licence, one.host, one.ended) for one in logged(counted)] == [(LICENCE, EVERY_HOST, True)]


def test_a_host_does_not_fill_the_disk(licensors: Licensors, counted: Counted) -> None:
    """The attack: an admitted host takes one step after the other, each of them for ever in the log; others go on meanwhile."""
    grant = licensors.grant(claims(host=counted.binding("plant", "line")))
    counted.admit([grant])
    seconds, most = [0.0], 20
    with MeterLog(counted.home / "meter-log", NAME + "/meter", counted.signer) as log:
        meters = Meters(Admitted(counted.home), log, counted.key, counted.signer.sign, counted.clock)
        assert MOST_STEPS == 3600
        meters._pace = Pace(most, 1.0, lambda: seconds[0])
        head = {"plant": ZERO, "line": ZERO}
        count = {"plant": 0, "line": 0}

        def step(host: str = "plant") -> None:
            entry = count[host].to_bytes(32, "big")
            meters.answer(asked(grant.digest, Step(count[host] + 1, head[host], entry), host))
            head[host], count[host] = extended(head[host], entry), count[host] + 1

        for _ in range(most):
            step()
        with pytest.raises(Unusable, match="more than 20 in a short time"):
            step()
        assert log.checkpoint.size == most, "what was refused is not logged"
        assert held(meters.answer(asked(grant.digest)), counted.key, grant.digest, PLANT, NONCE).count == most
        step("line")
        seconds[0] += 1.5
        step()
        with pytest.raises(Unusable):
            step()
        forged = Asked(grant.digest, NONCE, Step(2, head["line"], ZERO), False, key("line").public).signed(key("plant"))
        for _ in range(most + 1):  # a stranger takes nothing of a host's number
            with pytest.raises(Exception, match="does not verify"):
                meters.answer(forged.to_bytes())
        step("line")
        assert held(meters.answer(asked(grant.digest, end=True)), counted.key, grant.digest, PLANT, NONCE).ended


def test_the_log_of_one_kind_is_not_that_of_another(world: World, counted: Counted) -> None:
    with world.log() as log:
        log.append(Record(7, "01" * 16, 9, "acme", "02" * 32, "p", "03" * 32, "04" * 32, "05" * 32, 1, "software", "06" * 32, "07" * 32,
                          {}, "09" * 16))  # fmt: skip
    with pytest.raises(LedgerRefused), MeterLog(world.home / "log", NAME + "/meter", world.log_signer):
        pass
    with MeterLog(world.home / "log", "broker.test", world.log_signer) as wrong, pytest.raises(StatementRefused):
        list(wrong.records())
