"""What an operator tells his broker about licences: an owner's list of revoked ones, and the end of a count, which is in the log."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "attacks" / "licence"))
from core_world import SECOND, private_key
from licence_world import Licensors, claims, key

from countermark.broker.home import Home
from countermark.broker.meter_log import EVERY_HOST
from countermark.licence import chain as chains
from countermark.licence.refusal import LicenceRefused
from countermark.statement.predicates.licence_host import HostBinding

LICENCE = "ab" * 32


@pytest.fixture(scope="module")
def licensors(tmp_path_factory: pytest.TempPathFactory) -> Licensors:
    return Licensors.make(tmp_path_factory.mktemp("licensors") / "world")


def test_a_list_is_taken_by_command_and_an_older_one_is_not(shell, licensors: Licensors) -> None:
    shell("broker", "init", "vault")
    (shell.here / "revoked.json").write_bytes(licensors.revocations(2, LICENCE))
    (shell.here / "acme-licence.pub").write_bytes(private_key(SECOND, "licence").public.pem())
    words = ("broker", "revoked", "acme", "revoked.json", "acme-licence.pub")
    assert "no owner 'acme' is known here" in shell(*words, exit=3).err  # a name misspelt: it would refuse nothing
    assert not (shell.here / "broker" / "revoked").exists()
    (shell.here / "acme.pub").write_bytes(private_key(SECOND, "statement").public.pem())
    shell("broker", "tenant", "acme", "acme.pub")
    said = shell(*words, "--json").json()
    assert (said["epoch"], said["licences"]) == (2, [LICENCE])
    with pytest.raises(LicenceRefused, match="revocation"):
        Home.open(shell.here / "broker").deposits().revoked.refuse("acme", LICENCE)
    (shell.here / "revoked.json").write_bytes(licensors.revocations(1))
    assert "newer list" in shell(*words, exit=1).err
    (shell.here / "acme-licence.pub").write_bytes(private_key("thief", "licence").public.pem())
    shell(*words, exit=1)
    shell("broker", "revoked", "acme", "none", "acme-licence.pub", exit=2)


def test_an_end_is_entered_at_once_or_by_the_broker_that_runs(shell, licensors: Licensors) -> None:
    shell("broker", "init", "vault")
    home = Home.open(shell.here / "broker")
    binding = HostBinding("software-key", keys=(key("plant").public,), broker=home.log_key().vkey())
    for name, loads in (("one", 2), ("two", 3)):
        grant = licensors.grant(claims(host=binding, max_loads=loads))
        (shell.here / f"{name}.licence").write_bytes(chains.to_file([grant]))
        assert "logged" not in shell("broker", "meter", f"{name}.licence", "--json").json()
    assert shell("broker", "meter", "one.licence", "--end", "--json").json()["logged"] is True
    with home.meter_log() as log:  # as while it runs
        assert [(entry.host, entry.ended) for entry in log.records()] == [(EVERY_HOST, True)]
        said = shell("broker", "meter", "two.licence", "--end", "--json").json()
        assert (said["ended"], said["logged"]) == (True, False)
        meters = home.meters(log, lambda: 0.0)
        assert len(list(log.records())) == 2
        meters.enter_ends()
        assert len(list(log.records())) == 2
    assert "in the log" in shell("broker", "meter", "two.licence", "--end").out
