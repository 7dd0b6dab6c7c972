"""A broker's logs in the project's ledger: a log that was cut, put back or written anew is refused by the next statement."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from countermark.broker.heads import farthest, grown, verified
from countermark.broker.home import METERS, RELEASES, Home
from countermark.broker.meter_log import Moved
from countermark.dsse import Envelope
from countermark.errors import LedgerRefused, StatementRefused
from countermark.statement.predicates.broker_heads import BrokerHeads
from countermark.statement.statement import Statement


def steps(home: Home, *counts: int, host: str = "b") -> None:
    with home.meter_log() as log:
        for count in counts:
            log.append(Moved(2_000_000_000, "a" * 64, host * 64, count, "c" * 64, False))


def said(file: Path) -> BrokerHeads:
    return BrokerHeads.from_json(
        Statement.from_bytes(Envelope.from_bytes(file.read_bytes()).statement_bytes()).predicate
    )


def cut(home: Home, kept: Path) -> None:
    """Put the log of that day back."""
    shutil.rmtree(home.folder / METERS)
    shutil.copytree(kept, home.folder / METERS)


def rewritten(home: Home, kept: Path) -> None:
    """Write another history, longer than the old one, with the broker's own key."""
    shutil.rmtree(home.folder / METERS)
    steps(home, *range(1, 9), host="d")


@pytest.mark.parametrize("attack", [cut, rewritten])
def test_the_heads_are_in_the_ledger_and_the_log_must_lead_on(
    project, tmp_path: Path, attack: Callable[[Home, Path], None]
) -> None:
    at = project.here / "manufacturer"
    project("broker", "init", "vault", at="manufacturer")
    home = Home.open(at / "broker")
    steps(home, 1, 2)
    shutil.copytree(home.folder / METERS, tmp_path / "kept")
    first = project("broker", "anchor", "--out", "one.json", "--json", at="manufacturer").json()
    assert first["logs"] == {RELEASES: 0, METERS: 2} and isinstance(first["entry"], int)
    assert first["statement"][:16] in project("ledger", "show", "--json", at="manufacturer").out
    steps(home, 3)
    with home.log(), home.meter_log():  # as while it runs
        project("broker", "anchor", "--after", "one.json", "--out", "two.json", at="manufacturer")
    assert {name: head.size for name, head in verified(said(at / "two.json")).items()} == {RELEASES: 0, METERS: 3}
    steps(home, 4)
    project("broker", "anchor", "--after", "two.json", "--out", "three.json", at="manufacturer")

    attack(home, tmp_path / "kept")
    told = project("broker", "anchor", "--after", "three.json", "--out", "four.json", at="manufacturer", exit=1)
    assert "meter-log" in told.err or "not" in told.err
    project(
        "broker", "anchor", "--out", "four.json", at="manufacturer", exit=1
    )  # as the ledger here tells, asked or not
    project("broker", "anchor", "--after", "one.json", "--out", "four.json", at="manufacturer", exit=1)
    assert not (at / "four.json").exists()
    with pytest.raises(LedgerRefused):
        grown(home, said(at / "three.json"))


def test_another_party_hands_it_in_and_another_broker_does_not_lead_on(project) -> None:
    project("broker", "init", "vault", at="plant")
    project("broker", "init", "second", "--home", "second", at="plant")
    told = project("broker", "anchor", "--out", "../heads.json", "--json", at="plant").json()
    assert told["entry"] is None
    assert "entered: 1 statement" in project("ledger", "add", "../heads.json", at="manufacturer").last
    project("broker", "anchor", "--home", "second", "--after", "../heads.json", "--out", "x.json", at="plant", exit=1)
    with pytest.raises(StatementRefused, match="another broker"):
        grown(Home.open(project.here / "plant" / "second"), said(project.here / "heads.json"))


@pytest.mark.parametrize("heads", [{}, {"log": "x"}, {"log": "A" * 8192}, {str(n): "" for n in range(9)}])
def test_heads_are_read_strictly(project, heads: dict[str, str]) -> None:
    project("broker", "init", "vault", at="plant")
    project("broker", "anchor", "--out", "heads.json", at="plant")
    good = said(project.here / "plant" / "heads.json").to_json()
    assert BrokerHeads.from_json(good).to_json() == good
    with pytest.raises(StatementRefused):
        BrokerHeads.from_json({**good, "heads": heads})


def test_heads_that_the_broker_did_not_sign_stop_nobody(project) -> None:
    """The attack: any party may state heads; what stands in them must not keep the true broker from stating its own."""
    project("broker", "init", "vault", at="plant")
    project("broker", "anchor", "--out", "heads.json", at="plant")
    good = said(project.here / "plant" / "heads.json")
    bent = replace(good, heads={name: note.replace(b"\n0\n", b"\n9\n", 1) for name, note in good.heads.items()})
    assert bent.heads != good.heads and farthest([bent], good.key) is None
    assert farthest([good, bent], good.key) == good
    assert farthest([good], "another+00000000+" + "A" * 44) is None
