"""Time: what is authentic, what the clock may do, and the way back."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from licence_world import BEGIN, DAY, Chip, Host, Licensors, Revocation, claims, host, lease

from countermark.errors import StatementRefused
from countermark.licence.carried import Words
from countermark.licence.refusal import LicenceRefused


def refused(machine: Host) -> LicenceRefused:
    with pytest.raises(LicenceRefused) as caught:
        machine.load()
    return caught.value


def code(error: LicenceRefused) -> str:
    return re.findall(r"--answer ([0-9a-f]{16})", error.mend)[0]


@pytest.fixture
def machine(tmp_path: Path, licensors: Licensors) -> Host:
    return host(tmp_path / "plant", licensors, claims(lease=lease(30, 7)))


def test_a_lease_lapses_after_its_grace_and_a_beacon_renews_it(machine: Host) -> None:
    assert machine.load().granted.notes == ()
    machine.sleep(31)
    assert "in grace until" in machine.load().granted.notes[0]
    machine.sleep(7)
    error = refused(machine)
    assert (error.claim, "beacon" in error.mend) == ("lease", True)
    machine.words = Words(beacons=machine.licensors.beacon(BEGIN + 29 * DAY))
    assert machine.load().granted.notes == ()


def test_advisory_goes_on_and_says_so(tmp_path: Path, licensors: Licensors) -> None:
    machine = host(tmp_path / "plant", licensors, claims(lease=lease(30, 7, "advisory")))
    machine.now += 400 * DAY
    granted = machine.load().granted
    assert granted.lapsed and granted.notes[0].startswith("advisory: the lease lapsed")


def test_a_clock_set_back_is_refused_beyond_a_day(machine: Host) -> None:
    machine.sleep(10)
    machine.load()
    machine.now -= DAY - 60
    machine.load()
    machine.now -= 120
    assert refused(machine).claim == "clock_rollback"


def test_setting_the_clock_back_a_little_each_day_gains_nothing_while_it_runs(machine: Host) -> None:
    tenure = machine.load()
    for day in range(1, 37):
        machine.sleep(1)
        machine.now = BEGIN + (day - 0.9) * DAY
        tenure.renew(1)
    machine.sleep(1.5, clock=False)
    machine.now = BEGIN + 36.8 * DAY
    with pytest.raises(LicenceRefused) as caught:
        tenure.renew(1)
    assert caught.value.claim == "lease"


def test_a_clock_that_ran_ahead_expires_and_an_answering_beacon_takes_that_back(machine: Host) -> None:
    machine.load()
    machine.now = BEGIN + 3000 * DAY
    assert refused(machine).claim == "lease"
    machine.now = BEGIN + 2 * DAY
    error = refused(machine)
    assert error.claim == "clock_rollback"
    machine.words = Words(beacons=machine.licensors.beacon(BEGIN + 2 * DAY))
    assert refused(machine).claim == "clock_rollback"  # any beacon is not enough: it might be old
    machine.words = Words(beacons=machine.licensors.beacon(BEGIN + 2 * DAY + 60, answers=code(refused(machine))))
    machine.now += 120
    assert machine.load().granted.notes == ()
    machine.now += 10 * DAY
    machine.load()
    machine.now -= 2 * DAY
    assert refused(machine).claim == "clock_rollback"  # the same answer serves once


def test_the_system_clock_never_raises_the_mark(machine: Host) -> None:
    machine.load()
    machine.now += 20 * DAY
    looked = machine.tenure().look()
    assert looked.reading.mark == looked.state.memory.mark == BEGIN


def test_one_beacon_from_the_future_bricks_nothing(machine: Host) -> None:
    machine.load()
    machine.words = Words(beacons=machine.licensors.beacon(BEGIN + 9000 * DAY))
    machine.sleep(1)
    granted = machine.load().granted
    assert "was left out" in granted.notes[0]
    machine.words = Words(beacons=machine.licensors.beacon(BEGIN + 20 * DAY))
    assert refused(machine).claim == "clock_rollback"  # it may be that this clock is behind: told, and nothing is kept
    machine.words = Words(beacons=machine.licensors.beacon(BEGIN + DAY))
    assert machine.load().granted.notes == () and machine.tenure().look().reading.mark == BEGIN + DAY


def test_whoever_was_away_brings_the_beacons_of_that_time(machine: Host) -> None:
    machine.load()
    machine.now += 100 * DAY
    machine.words = Words(beacons=machine.licensors.beacon(BEGIN + 99 * DAY))
    assert refused(machine).claim == "lease"
    series = [machine.licensors.beacon(BEGIN + days * DAY) for days in (99, 75, 50, 25)]
    machine.words = Words(beacons=b"".join(series))
    assert machine.load().granted.notes == ()


def test_beacons_of_others_change_nothing(machine: Host) -> None:
    machine.load()
    machine.sleep(29)
    for forged in (
        machine.licensors.beacon(BEGIN + 28 * DAY, by="plant"),
        machine.licensors.beacon(BEGIN + 28 * DAY, by="engineering"),
        b"junk\n",
    ):
        machine.words = Words(beacons=forged)
        assert "left out" in machine.load().granted.notes[0]
        assert machine.tenure().look().reading.mark == BEGIN


def test_an_owners_reset_serves_one_state_once(machine: Host) -> None:
    machine.load()
    machine.now = BEGIN + 3000 * DAY
    refused(machine)
    machine.now = BEGIN + 60 * DAY
    answer = machine.licensors.reset(code(refused(machine)), BEGIN + 60 * DAY)
    machine.words = Words(resets=machine.licensors.reset("0" * 16, BEGIN + 60 * DAY) + answer)
    assert machine.load().granted.notes == () and machine.tenure().look().state.memory.resets == 1
    machine.sleep(38)
    assert refused(machine).claim == "lease"  # it is not applied again


def test_an_owners_reset_takes_back_an_epoch_that_was_never_reached(tmp_path: Path, licensors: Licensors) -> None:
    """Whoever has the time key, or mistypes, could otherwise lock plants out for ever with one beacon."""
    machine = host(tmp_path / "plant", licensors, claims(lease=lease(), revocation=Revocation("https://example", 0)))
    machine.words = Words(lists=licensors.revocations(1), beacons=licensors.beacon(BEGIN, epoch=10**9))
    assert refused(machine).claim == "revocation"
    machine.words = Words(lists=licensors.revocations(1))
    assert refused(machine).claim == "revocation"
    answer = licensors.reset(machine.tenure().look().code, BEGIN + 60)
    machine.words = Words(lists=licensors.revocations(2), resets=answer)
    assert machine.load().granted.notes == ()
    machine.words = Words(lists=licensors.revocations(1), resets=answer)
    assert refused(machine).claim == "revocation"  # the epochs that follow count again


@pytest.mark.parametrize("file", ["state", "seen", "chip"])
def test_a_time_that_no_date_has_is_refused_and_does_not_crash(tmp_path: Path, licensors: Licensors, file: str) -> None:
    machine = host(
        tmp_path / "plant", licensors, claims(lease=lease()), chip=Chip(head=None) if file == "chip" else None
    )
    machine.load()
    if file == "chip":
        machine.chip.milliseconds = 2**64 - 1  # its owner may set it forward: TPM2_ClockSet
        assert refused(machine).claim == "clock_rollback"
        return
    path = next(machine.root.rglob("*.state.json" if file == "state" else "*.seen"))
    said = json.loads(path.read_bytes())
    (said["entry"]["memory"] if file == "state" else said)["mark" if file == "state" else "seen"] = 2**53 - 1
    path.write_text(json.dumps(said))
    with pytest.raises(StatementRefused, match="no date"):
        machine.load()


def test_a_reset_by_another_key_is_left_out(machine: Host, licensors: Licensors) -> None:
    machine.load()
    machine.words = Words(resets=licensors.reset("0" * 16, BEGIN, root="plant"))
    assert "a reset was left out" in machine.load().granted.notes[0]


def test_a_licence_from_the_future_is_refused(tmp_path: Path, licensors: Licensors) -> None:
    machine = host(tmp_path / "plant", licensors, claims())
    machine.now = BEGIN - 2 * DAY
    assert refused(machine).claim == "clock_rollback"


def test_a_chips_clock_counts_what_the_system_clock_hides(tmp_path: Path, licensors: Licensors) -> None:
    machine = host(tmp_path / "plant", licensors, claims(lease=lease(30, 7)), chip=Chip())
    tenure = machine.load()
    tenure.close()
    machine.sleep(10, clock=False)
    assert refused(machine).claim == "clock_rollback"
    machine.now += 38 * DAY
    assert refused(machine).claim == "lease"


def test_another_chip_or_none_is_refused(tmp_path: Path, licensors: Licensors) -> None:
    machine = host(tmp_path / "plant", licensors, claims(lease=lease(30, 7)), chip=Chip())
    machine.load()
    kept, machine.chip = machine.chip, Chip()
    assert refused(machine).claim == "state"
    machine.chip = None
    assert refused(machine).claim == "state"
    machine.chip = kept
    machine.load()
    assert kept is not None
    kept.milliseconds = 5
    assert refused(machine).claim == "clock_rollback"
