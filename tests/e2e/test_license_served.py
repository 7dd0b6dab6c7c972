"""A licence and a real served model on loopback: granted, narrowed, loaded, counted, lapsed, revoked; every refusal names its claim."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import small_release
from core_world import OWNER, SECOND, SUPPLIER, World, private_key
from guard_world import LABELS, pictures, tiny_model

from countermark.errors import ExchangeRefused
from countermark.guard import keyring, server, start
from countermark.guard.client import Answer, Session
from countermark.guard.start import Licensed
from countermark.keys.document import TrustDocument
from countermark.licence.refusal import LicenceRefused
from countermark.lifecycle import enrol, license_time, license_use, license_words
from countermark.lifecycle.desk import Desk

sys.path.insert(0, str(Path(__file__).parents[2] / "attacks" / "licence"))
from licence_world import Chip

TERMS = ("--use", "infer", "--field", "inspection", "--territory", "DE", "--days", "365", "--max-loads", "unlimited",
         "--max-queries", "10/1d", "--max-hosts", "1", "--host", "software-key", "--lease", "30d", "--grace", "7d")  # fmt: skip


@dataclass
class Plant:
    """A released model, its licensor, and a plant that may operate it."""

    world: World
    model: Path
    papers: Path
    token: str
    digest: str

    @property
    def desk(self) -> Desk:
        return self.world[SUPPLIER]

    @property
    def licence(self) -> Path:
        return self.world.root / "plant.licence"

    def licensed(self, elapsed: float = 0.0, **more: str) -> Licensed:
        tenure = license_use.hold(self.desk, self.licence, lambda: elapsed)
        return Licensed(tenure, **({"field_of_use": "inspection", "territory": "DE"} | more))

    def ask(self, url: str, many: int = 1) -> Answer:
        with Session(url, self.token, clock=self.world.clock) as session:
            return session.predict(pictures(many), session.describe(self.desk.trust(), self.digest))

    def refused(self, url: str, many: int = 1) -> str:
        with pytest.raises(ExchangeRefused) as caught:
            self.ask(url, many)
        return caught.value.what


def licensing(document: TrustDocument) -> TrustDocument:
    """The plant, which delivered parts too, operates models under licence."""
    roles = {SUPPLIER: ("supplier", "operator", "licensee")}
    parties = tuple(replace(p, roles=roles.get(p.id, p.roles)) for p in document.parties)
    return replace(document, parties=parties)


@pytest.fixture
def plant(tmp_path: Path, shell) -> Iterator[Plant]:
    world = World.make(shell.here / "world")
    world.clock.now = datetime.now(UTC).replace(microsecond=0)
    world.amend(small_release.amended)
    from countermark.lifecycle.receive import receive

    parts, _ = world.delivered()
    receive(world[OWNER], parts)
    private_key(OWNER, "oms").save(world[OWNER].space.folder("keys") / "oms.pem")
    for name in (OWNER, SECOND, SUPPLIER):
        shell("key", "new", "licence", at=f"world/{name}")
        file = enrol.enrolment(world[name])
        held = world[name].trust().document.party(name)
        world.amend(lambda d, f=file, h=held: d.with_party(f.party(h.roles, h.scope)))
    world.amend(licensing)
    folder = world.root / "model"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(tiny_model())
    (folder / "labels.json").write_text(json.dumps(list(LABELS)))
    papers = small_release.released(world, folder)
    _, token = keyring.create(world[SUPPLIER].space, "line", world[SUPPLIER].stamp())
    from countermark.artefact.folder import read_folder

    yield Plant(world, folder, papers, token, read_folder(folder).digest)


def listening(host: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


def granted(plant: Plant, shell, *more: str) -> str:
    said = shell(
        "license",
        "grant",
        plant.model,
        "--to",
        SUPPLIER,
        *TERMS,
        *more,
        "--out",
        plant.licence,
        "--json",
        at=f"world/{SECOND}",
    )
    return str(said.json()["licence"])


def test_a_served_model_keeps_to_its_licence(plant: Plant, shell) -> None:
    granted(plant, shell)
    told = shell(
        "license",
        "explain",
        plant.licence,
        "--use",
        "infer",
        "--field",
        "inspection",
        "--territory",
        "DE",
        at=f"world/{SUPPLIER}",
    )
    assert "infer is allowed" in told.last and "not bounded against the host's owner" in told.out
    with pytest.raises(LicenceRefused, match="none named, and acme is a licensee"):
        start.open_guard(plant.desk, plant.model, plant.papers)
    for wrong, claim in ({"field_of_use": "sorting"}, "field_of_use"), ({"territory": "FR"}, "territory"):
        with pytest.raises(LicenceRefused) as caught:
            start.open_guard(plant.desk, plant.model, plant.papers, licensed=plant.licensed(**wrong))
        assert caught.value.claim == claim
    guard, served = start.open_guard(plant.desk, plant.model, plant.papers, licensed=plant.licensed())
    with server.background(guard) as url:
        assert np.array_equal(plant.ask(url, 4).scores, served.network.predict(pictures(4)))
        plant.ask(url, 6)
        what = plant.refused(url)
        assert "the guard refused: 403" in what and "max_queries: expected at most 10 in 1 d" in what
        plant.world.clock.move(days=1)
        plant.ask(url, 10)
        assert "max_queries" in plant.refused(url)
    used = shell("license", "explain", plant.licence, "--json", at=f"world/{SUPPLIER}").json()["used"]
    assert (
        used["loads"] == "1" and used["queries drawn"] == "10 of 10 in 1 d" and used["counting"].startswith("advisory")
    )


def test_it_stops_on_lapse_and_goes_on_with_the_beacons(plant: Plant, shell) -> None:
    granted(plant, shell)
    guard, _ = start.open_guard(plant.desk, plant.model, plant.papers, licensed=plant.licensed())
    with server.background(guard) as url:
        plant.ask(url)
        plant.world.clock.move(days=6.9)  # within the guard's delegation
        plant.ask(url)
    # The licensor's commands go by the real clock: its beacons are signed through the library, as of today in this world.
    at = replace(plant.world[SECOND], clock=lambda: plant.world.clock.now.replace(microsecond=0))
    plant.world.clock.move(days=20)
    began = at.stamp()
    license_time.beacon(at)
    plant.world.clock.move(days=4)
    licensed = plant.licensed()
    guard, _ = start.open_guard(plant.desk, plant.model, plant.papers, licensed=licensed)
    assert licensed.tenure.granted is not None and "in grace until" in licensed.tenure.granted.notes[0]
    with server.background(guard) as url:
        plant.ask(url)
        plant.world.clock.move(days=6.5)
        what = plant.refused(url)
        assert "403" in what and "lease: expected word of the licensor" in what
        stick = plant.world.root / "beacon.json"
        stick.write_bytes(license_time.beacon(at))
        assert stick.stat().st_size <= 1024
        license_words.take(plant.desk, plant.licence, [stick])
        assert "lease" in plant.refused(url), (
            "this beacon is more than one lease after the last: the one in between is missing"
        )
        stick.write_bytes(license_time.beacons_since(at, began))
        license_words.take(plant.desk, plant.licence, [stick])
        plant.ask(url)


def test_a_revoked_plant_stops(plant: Plant, shell) -> None:
    granted(plant, shell)
    guard, _ = start.open_guard(plant.desk, plant.model, plant.papers, licensed=plant.licensed())
    with server.background(guard) as url:
        plant.ask(url)
        stick = plant.world.root / "revoked.json"
        said = shell("license", "revoke", plant.licence, "--out", stick, at=f"world/{SECOND}")
        assert "list 2" in said.last
        shell("license", "take", plant.licence, stick, at=f"world/{SUPPLIER}")
        plant.world.clock.move(seconds=120)
        what = plant.refused(url)
        assert "403" in what and "revocation: expected a licence that stands" in what
    with pytest.raises(LicenceRefused, match="revocation"):
        start.open_guard(plant.desk, plant.model, plant.papers, licensed=plant.licensed())
    told = shell("license", "explain", plant.licence, "--use", "infer", "--field", "inspection", "--territory", "DE",
                 at=f"world/{SUPPLIER}", exit=1)  # fmt: skip
    assert "revocation" in told.err


def test_a_chip_that_does_not_answer_stops_the_query_and_not_the_guard(plant: Plant, shell) -> None:
    granted(plant, shell)
    chip = Chip()
    licensed = Licensed(license_use.hold(plant.desk, plant.licence, lambda: 0.0, anchor=chip), "inspection", "DE")
    assert licensed.tenure.meter.counting == "anchored in stand-in chip"
    guard, _ = start.open_guard(plant.desk, plant.model, plant.papers, licensed=licensed)
    with server.background(guard) as url:
        chip.fails = 1
        assert "503 the licence's state cannot be read or kept at the guard" in plant.refused(url)
        kept = chip.count
        assert "max_queries" in plant.refused(url), (
            "the whole quota was the block that was lost: a crash gives nothing back"
        )
        assert chip.count == kept + 1
        plant.world.clock.move(days=1)
        plant.ask(url, 10)


def test_another_host_is_refused_before_the_model_is_loaded(plant: Plant, shell) -> None:
    granted(plant, shell)
    keys = plant.desk.space.folder("keys")
    (keys / "licence.pem").rename(keys / "licence.kept")
    private_key("thief", "licence").save(keys / "licence.pem")
    with pytest.raises(LicenceRefused) as caught:
        plant.licensed().load(license_use.subject(plant.digest))
    assert caught.value.claim == "host" and "move" in caught.value.mend


def test_another_model_is_refused(plant: Plant, shell) -> None:
    granted(plant, shell)
    with pytest.raises(LicenceRefused) as caught:
        plant.licensed().load(license_use.subject("6" * 64))
    assert caught.value.claim == "subject"


def test_narrow_co_sign_and_move(plant: Plant, shell) -> None:
    granted(plant, shell, "--sublicense", "1", "--sublicense-use", "infer", "--co-signer", OWNER, "--transfer")
    refused = shell("license", "explain", plant.licence, at=f"world/{SUPPLIER}", exit=1)
    assert "co_signers" in refused.err
    shell("license", "sign", plant.licence, at=f"world/{OWNER}")
    shell("license", "sign", plant.licence, at=f"world/{SUPPLIER}", exit=1)
    shell("license", "explain", plant.licence, at=f"world/{SUPPLIER}")
    wider = shell("license", "narrow", plant.licence, "--to", OWNER, "--max-queries", "11/1d", "--out", "../line.licence",
                  at=f"world/{SUPPLIER}", exit=1)  # fmt: skip
    assert "max_queries" in wider.err
    shell(
        "license",
        "narrow",
        plant.licence,
        "--to",
        OWNER,
        "--max-queries",
        "5/1d",
        "--out",
        "../line.licence",
        at=f"world/{SUPPLIER}",
    )
    shell("license", "sign", "../line.licence", at=f"world/{OWNER}")
    line = shell("license", "explain", "../line.licence", "--json", at=f"world/{SUPPLIER}").json()
    assert line["claims"]["max_queries"] == {"count": 5, "window": 86400} and line["claims"]["sublicense"]["depth"] == 0

    shell("license", "move", plant.licence, "--out", "../receipt.json", at=f"world/{SUPPLIER}")
    with pytest.raises(LicenceRefused, match="handed back"):
        plant.licensed().load(license_use.subject(plant.digest))
    new = private_key("new host", "licence")
    (plant.world.root / "new.pem").write_bytes(new.public.pem())
    said = shell("license", "move", plant.licence, "--receipt", "../receipt.json", "--host-key", "../new.pem", "--out", "../moved.licence",
                 "--json", at=f"world/{SECOND}").json()  # fmt: skip
    assert said["awaits"] == [OWNER]
    shell("license", "sign", "../moved.licence", at=f"world/{OWNER}")
    moved = shell("license", "explain", "../moved.licence", "--json", at=f"world/{SUPPLIER}").json()
    assert len(moved["claims"]["host"]["keys"]) == 1 and moved["claims"]["revocation"]["epoch"] == 2
    shell(
        "license",
        "move",
        "../line.licence",
        "--receipt",
        "../receipt.json",
        "--out",
        "../x.licence",
        at=f"world/{SECOND}",
        exit=1,
    )


def test_a_reset_and_an_answer_by_their_codes(plant: Plant, shell) -> None:
    granted(plant, shell)
    plant.licensed().load(license_use.subject(plant.digest))
    real = plant.world.clock.now
    plant.world.clock.now = real.replace(year=real.year + 9)
    with pytest.raises(Exception):  # the trust document itself has ended by then: nothing is believed
        plant.licensed()
    for back in ("answer", "reset"):
        plant.world.clock.now = real
        ahead = plant.licensed()
        plant.world.clock.move(days=20)
        ahead.load(license_use.subject(plant.digest))
        plant.world.clock.now = datetime.now(UTC)
        with pytest.raises(LicenceRefused) as caught:
            plant.licensed().load(license_use.subject(plant.digest))
        code = caught.value.mend.split("--answer ")[1][:16]
        more = ("--reason", "the clock battery died") if back == "reset" else ()
        shell("license", "beacon", f"--{back}", code, *more, "--out", f"../{back}.json", at=f"world/{SECOND}")
        shell("license", "take", plant.licence, f"../{back}.json", at=f"world/{SUPPLIER}")
        plant.world.clock.now = datetime.now(UTC)
        plant.licensed().load(license_use.subject(plant.digest))


def test_the_command_serves_under_a_licence(plant: Plant, shell) -> None:
    """`countermark serve --license` in a process of its own, from a terminal, until it is interrupted."""
    import signal
    import subprocess
    import time

    granted(plant, shell)
    desk = plant.desk.space.root
    words = [sys.executable, "-m", "countermark.cli.main"]
    base = [*words[:1], "-c", "from countermark.cli.main import main; main()", "serve", str(plant.model), "--passport", str(plant.papers),
            "--license", str(plant.licence), "--port", "0", "--workspace", str(desk)]  # fmt: skip
    denied = subprocess.run([*base, "--field", "sorting"], capture_output=True, text=True, check=False)
    assert denied.returncode == 1 and "field_of_use: expected inspection, seen sorting" in denied.stderr
    running = subprocess.Popen([*base, "--field", "inspection", "--territory", "DE"], stderr=subprocess.PIPE, text=True)
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend(iter(running.stderr.readline, "")), daemon=True)  # type: ignore[union-attr]
    reader.start()
    until = time.monotonic() + 60
    while not any("counting:" in line for line in lines):
        assert running.poll() is None and time.monotonic() < until, lines
        time.sleep(0.1)
    url = next(word for line in lines for word in line.split() if word.startswith("http://")).rstrip(";")
    plant.world.clock.now = datetime.now(UTC)
    listens = url.removeprefix("http://").split(":")
    while not listening(listens[0], int(listens[1])):
        assert time.monotonic() < until
        time.sleep(0.1)
    plant.ask(url, 10)
    assert "max_queries" in plant.refused(url)
    running.send_signal(signal.SIGINT)
    assert running.wait(30) == 0
    reader.join(10)
    running.stderr.close()  # type: ignore[union-attr]
    text = "".join(lines)
    assert f"licensed to {SUPPLIER} by {SECOND}" in text and "protection: none" in text and "counting: advisory" in text
