"""Beacons that a host keeps: no more than hold the chain together, and never a mark less."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from core_world import SECOND
from licence_world import BEGIN, DAY, Licensors, Revocation, claims, host, lease, stamp

from countermark.dsse import Envelope
from countermark.errors import StatementRefused
from countermark.licence import beacons, word
from countermark.licence.beacons import NEWEST, needed, told
from countermark.licence.carried import Words
from countermark.licence.chain import to_file
from countermark.licence.refusal import LicenceRefused
from countermark.lifecycle import license_words
from countermark.statement.predicates.beacon import BEACON, Beacon
from countermark.statement.statement import Context, Statement

YEARS = 5 * 365


@pytest.fixture(scope="module")
def daily(licensors: Licensors) -> list[bytes]:
    """A licensor's beacons of five years, one a day."""
    project = licensors.trust.fingerprint

    def signed(day: int) -> bytes:
        said = Beacon(Context(project, "*", stamp(BEGIN + day * DAY + 3600)), 0)
        return licensors.sign("beacon", project, BEACON, said.to_json(), "time").to_bytes() + b"\n"

    return [signed(day) for day in range(1, YEARS + 1)]


def final(marks: list[int], begin: int, max_age: int) -> int:
    """The mark that beacons lead to, by the rule of `clock.take_beacon`."""
    for at in sorted(marks):
        if begin < at <= begin + max_age:
            begin = at
    return begin


def test_a_plant_with_five_years_of_daily_beacons_works(
    tmp_path: Path, licensors: Licensors, daily: list[bytes]
) -> None:
    grant = licensors.grant(claims(lease=lease(30, 7)))
    desk = licensors.world[SECOND]
    papers, stick = tmp_path / "plant.licence", tmp_path / "beacons.json"
    papers.write_bytes(to_file([grant]))
    machine = host(tmp_path / "plant", licensors, claims(lease=lease(30, 7)))
    kept = papers.with_name("plant.licence.beacons")
    for at in range(0, YEARS, 91):
        stick.write_bytes(b"".join(daily[at : at + 91]))
        license_words.take(desk, papers, [stick])
    assert len(kept.read_bytes().splitlines()) < NEWEST + 70 and kept.stat().st_size < 100_000
    machine.now = BEGIN + YEARS * DAY + 7200
    machine.words = license_words.words(papers)
    assert machine.load().granted.notes == () and machine.tenure().look().reading.mark == BEGIN + YEARS * DAY + 3600
    # All of them as they were kept until now: more than a host reads.
    machine.words = Words(beacons=b"".join(daily) * 5)
    with pytest.raises(StatementRefused, match="beacon file of"):
        machine.load()
    # And a file that grew that large is mended by the next one that is taken.
    kept.write_bytes(b"".join(daily) * 5)
    stick.write_bytes(daily[-1])
    license_words.take(desk, papers, [stick])
    assert len(kept.read_bytes().splitlines()) < NEWEST + 70


def test_from_whatever_mark_the_same_mark_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """0 differences in 3,000 random sets, from marks before, between and after; the chain alone, without what is kept besides."""
    monkeypatch.setattr(beacons, "NEWEST", 1)
    monkeypatch.setattr(beacons, "told", lambda line: beacons.Told(line, int(line), 0, ""))
    dice, dropped = random.Random(7), 0
    for _ in range(3000):
        times = sorted(dice.sample(range(1, 400), dice.randint(1, 60)))
        max_age = dice.randint(1, 40)
        kept = [int(line) for line in needed([b"%d" % at for at in times], max_age)]
        dropped += len(times) - len(kept)
        assert set(kept) <= set(times)
        for begin in (*dice.sample(range(420), 5), 0, times[0], times[-1]):
            assert final(kept, begin, max_age) == final(times, begin, max_age), (times, kept, max_age, begin)
    assert dropped > 10_000


def test_answers_and_the_highest_epoch_stay(licensors: Licensors, daily: list[bytes]) -> None:
    answer, named = (
        licensors.beacon(BEGIN + 40 * DAY, answers="0123456789abcdef"),
        licensors.beacon(BEGIN + 41 * DAY, epoch=9),
    )
    kept = needed([line.strip() for line in (*daily[:200], answer, named)], 30 * DAY)
    assert {answer.strip(), named.strip()} <= set(kept) and len(kept) < NEWEST + 12
    assert [told(line).at for line in kept] == sorted(told(line).at for line in kept)


def test_what_is_past_is_bounded_and_what_is_to_come_is_told(
    licensors: Licensors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beacons, "told", lambda line: beacons.Told(line, int(line), 0, ""))
    hourly = [b"%d" % (3600 * hour) for hour in range(6000)]
    assert len(needed(hourly, 3600, mark=3600 * 6000)) == beacons.MOST_PAST
    with pytest.raises(StatementRefused, match="no more than a lease apart"):
        needed(hourly, 3600)


def test_junk_beside_the_licence_stands_in_for_no_beacon(
    tmp_path: Path, licensors: Licensors, daily: list[bytes]
) -> None:
    """Who can write there puts beacons of his own key between, so that thinning would drop the licensor's."""
    papers, stick = tmp_path / "plant.licence", tmp_path / "beacon.json"
    papers.write_bytes(to_file([licensors.grant(claims(lease=lease(30, 7)))]))
    kept = papers.with_name("plant.licence.beacons")
    forged = [licensors.beacon(BEGIN + day * DAY + 7200, by="plant") for day in range(1, 60)]
    kept.write_bytes(b"".join((*daily[:60], *forged)) + b"no beacon\n")
    stick.write_bytes(daily[60])
    license_words.take(licensors.world[SECOND], papers, [stick])
    left = kept.read_bytes().splitlines()
    assert left and set(left) <= {line.strip() for line in daily}


def test_a_true_beacon_that_was_padded_locks_nobody_out(
    tmp_path: Path, licensors: Licensors, daily: list[bytes]
) -> None:
    """The attack, by whoever carries the stick: what no signature covers makes a line longer than a host reads."""
    papers, stick = tmp_path / "plant.licence", tmp_path / "beacon.json"
    papers.write_bytes(to_file([licensors.grant(claims(lease=lease(30, 7)))]))
    kept, desk = papers.with_name("plant.licence.beacons"), licensors.world[SECOND]
    padded = daily[1].replace(b"{", b"{" + b" " * 1024, 1)
    for bad in (padded, licensors.reset("0" * 16, BEGIN).replace(b"{", b"{" + b" " * 1024, 1)):
        stick.write_bytes(daily[0] + bad)
        with pytest.raises(StatementRefused, match="a beacon of"):
            license_words.take(desk, papers, [stick])
    assert not kept.exists()
    kept.write_bytes(padded)  # by an earlier version, or by hand: the next one that is taken mends it
    stick.write_bytes(daily[0])
    license_words.take(desk, papers, [stick])
    assert word.lines(kept.read_bytes()) == [daily[0].strip()]


def test_one_list_with_other_signatures_beside_it_is_kept_once(tmp_path: Path, licensors: Licensors) -> None:
    """The attack: copies of a true list, each with a signature of nobody's, until the file is larger than a host reads."""
    papers, stick = tmp_path / "plant.licence", tmp_path / "revoked.json"
    papers.write_bytes(to_file([licensors.grant(claims(revocation=Revocation("list", 1)))]))
    true = json.loads(licensors.revocations(3))
    copies = [{**true, "signatures": [*true["signatures"], {"keyid": f"{n:064x}", "sig": "AAAA"}]} for n in range(20)]
    newer = json.loads(licensors.revocations(4))
    for given, epoch in ((copies, 3), ([newer], 4), (copies, 4)):
        stick.write_bytes(b"".join(json.dumps(one).encode() + b"\n" for one in given))
        license_words.take(licensors.world[SECOND], papers, [stick])
        (left,) = papers.with_name("plant.licence.revoked").read_bytes().splitlines()
        assert Statement.from_bytes(Envelope.from_bytes(left).statement_bytes()).predicate["epoch"] == epoch


def test_nothing_is_kept_where_one_line_does_not_hold(tmp_path: Path, licensors: Licensors, daily: list[bytes]) -> None:
    papers, stick = tmp_path / "plant.licence", tmp_path / "beacon.json"
    papers.write_bytes(to_file([licensors.grant(claims(lease="none"))]))
    stick.write_bytes(daily[0])
    with pytest.raises(LicenceRefused, match="lease"):
        license_words.take(licensors.world[SECOND], papers, [stick])
    assert not papers.with_name("plant.licence.beacons").exists()
