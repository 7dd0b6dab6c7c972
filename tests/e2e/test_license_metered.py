"""A licence that a broker counts, by the commands that people type: granted, admitted, used over HTTP, moved, ended."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from core_world import SECOND, SUPPLIER
from test_license_served import TERMS, Plant, plant  # noqa: F401 - a fixture

from countermark.broker.app import App
from countermark.broker.home import Home
from countermark.broker.service import Broker
from countermark.errors import Unusable
from countermark.guard import server
from countermark.guard.start import Licensed
from countermark.licence.broker_anchor import BrokerAnchor
from countermark.licence.refusal import LicenceRefused
from countermark.licence.tenure import Tenure
from countermark.lifecycle import license_use


@contextmanager
def broker(folder: Path) -> Iterator[str]:
    """The broker of a folder, as `broker serve` opens it."""
    home = Home.open(folder)
    with home.log() as log, home.meter_log() as meter_log:
        keys = Broker(home.deposits(), home.identity(lambda: None), log, home.challenge_secret(), 60, time.time)
        with server.background(App(keys, home.meters(meter_log, time.time))) as url:
            yield url


def load(at: Plant, url: str) -> Tenure:
    tenure = license_use.hold(at.desk, at.licence, lambda: 0.0, meter=url)
    Licensed(tenure, "inspection", "DE").load(license_use.subject(at.digest))
    return tenure


def claim(at: Plant, url: str) -> str:
    with pytest.raises(LicenceRefused) as caught:
        load(at, url)
    return f"{caught.value.claim}: {caught.value.seen}"


def gone(anchor: BrokerAnchor) -> bytes:
    raise Unusable("the broker does not answer")


def test_a_broker_counts(plant: Plant, shell, tmp_path: Path) -> None:  # noqa: F811
    vault = shell.here / "vault"
    vault.mkdir()
    shell("broker", "init", "vault", at="vault")
    licensor, licensee = f"world/{SECOND}", f"world/{SUPPLIER}"
    grant = ["license", "grant", plant.model, "--to", SUPPLIER, *TERMS, "--meter", vault / "vault.vkey"]
    shell(*grant, "--host", "none", "--out", plant.licence, at=licensor, exit=2)
    shell(*grant, "--host", "software-key", "--out", plant.licence, at=licensor)
    told = shell("license", "explain", plant.licence, at=licensee).out
    assert "counted by countermark.broker/vault" in told and "1 min of wall time" in told and "as by broker" in told

    with broker(vault / "broker") as url:
        assert "no meter of that licence" in claim(plant, url)
        shell("broker", "meter", plant.licence, at="vault")  # while it runs
        tenure = load(plant, url)
        tenure.renew(3)
        tenure.close()
        with pytest.raises(LicenceRefused, match="--meter URL"):
            license_use.hold(plant.desk, plant.licence, lambda: 0.0)
        folder, kept = plant.desk.space.home / "licences", tmp_path / "kept"
        shutil.copytree(folder, kept)
        tenure = load(plant, url)
        tenure.renew(3)
        shutil.rmtree(folder)
        assert claim(plant, url) == "state: none"
        shutil.copytree(kept, folder)
        assert claim(plant, url).startswith("state: state "), "put back from a backup"


def test_a_move_is_enforced(plant: Plant, shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    vault = shell.here / "vault"
    vault.mkdir()
    shell("broker", "init", "vault", at="vault")
    licensor, licensee = f"world/{SECOND}", f"world/{SUPPLIER}"
    shell("license", "grant", plant.model, "--to", SUPPLIER, *TERMS, "--host", "software-key", "--meter", vault / "vault.vkey",
          "--out", plant.licence, at=licensor)  # fmt: skip
    shell("broker", "meter", plant.licence, at="vault")
    receipt, moved = shell.here / "receipt.json", shell.here / "moved.licence"
    with broker(vault / "broker") as url:
        load(plant, url)
        folder, kept = plant.desk.space.home / "licences", tmp_path / "kept"
        shutil.copytree(folder, kept)
        with (
            monkeypatch.context() as away
        ):  # the broker goes away after the last state, and before it says that it ended
            away.setattr(BrokerAnchor, "end", gone)
            shell("license", "move", plant.licence, "--broker", url, "--out", receipt, at=licensee, exit=2)
        said = shell("license", "move", plant.licence, "--broker", url, "--out", receipt, "--json", at=licensee).json()
        assert said["destroyed"] == "broker"
        shutil.rmtree(folder)
        shutil.copytree(kept, folder)
        assert "ended" in claim(plant, url), "the old host restores its files, and the broker refuses it all the same"
    shell("license", "move", plant.licence, "--receipt", receipt, "--out", moved, at=licensor)
    promise = license_use.ReturnReceipt(
        plant.desk.context("*"), license_use.licensing.read(plant.desk, plant.licence).chain.leaf.digest, "promise", ""
    )
    statement = license_use.Statement("returned", plant.digest, license_use.RETURN, promise.to_json())
    receipt.write_bytes(plant.desk.sign(statement, "licence").to_bytes())
    refused = shell("license", "move", plant.licence, "--receipt", receipt, "--out", moved, at=licensor, exit=1)
    assert "the word of" in refused.err.replace("\n", " ")


def test_an_operator_ends_a_meter_while_it_runs(plant: Plant, shell) -> None:  # noqa: F811
    vault = shell.here / "vault"
    vault.mkdir()
    shell("broker", "init", "vault", at="vault")
    shell("license", "grant", plant.model, "--to", SUPPLIER, *TERMS, "--host", "software-key", "--meter", vault / "vault.vkey",
          "--out", plant.licence, at=f"world/{SECOND}")  # fmt: skip
    shell("broker", "meter", plant.licence, at="vault")
    with broker(vault / "broker") as url:
        load(plant, url)
        assert "ended: the meter" in shell("broker", "meter", plant.licence, "--end", at="vault").last
        assert "ended" in claim(plant, url)
        assert shell("broker", "meter", plant.licence, "--json", at="vault").json()["ended"]
