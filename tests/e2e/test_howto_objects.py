"""A ledger in an object store, as the page says: every command of it is run against an S3 server on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from bucket import BUCKET, Server, server
from test_howto_keys import fingerprint, folders, released, run_page  # noqa: F401 - a fixture

from countermark import compose
from countermark.ledger.record import LEAF_BYTES
from countermark.ledger.stores.objects import ObjectStore, Version
from countermark.lifecycle import book

PAGE = "keep-the-ledger-in-an-object-store.md"
SETTING = f'ledger = "s3://{BUCKET}/parts"\n'


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with server() as place:
        for name, value in place.environment.items():
            monkeypatch.setenv(name, value)
        yield place


def moved(place: Server, folder: Path) -> None:
    """What `aws s3 cp --recursive` does, then the folder leaves the workspace."""
    for file in folder.rglob("*"):
        if file.is_file():
            name = file.relative_to(folder)
            httpx.put(f"{place.url}/{BUCKET}/parts/{name}", content=file.read_bytes()).raise_for_status()
    folder.rename(folder.parents[2] / "old-ledger")


def setting(project, text: str = SETTING) -> None:
    (project.here / "manufacturer" / "countermark.toml").write_text(text)


def test_the_page(project, s3: Server) -> None:
    folders(project, "stick")
    setting(project)
    project("deliver", "photos", at="acme")
    project("ledger", "head", "../stick/head.checkpoint", at="manufacturer")
    said = run_page(project, PAGE, {})
    assert said[0] == "1 admitted (4 rows), 0 refused"
    assert said[2].startswith("whole: 2 entries") and said[3] == "whole: 2 entries and their statements"
    assert said[4] == "2 entries, 2 new; the history only grew"
    assert {"parts/checkpoint", "parts/tile/0/000.p/2", "parts/tile/entries/000.p/2"} < set(s3.names())
    assert not any((project.here / "manufacturer" / ".countermark" / "ledger").rglob("checkpoint"))


def test_a_ledger_moves_and_neither_place_begins_a_second_history(project, s3: Server) -> None:
    folders(project, "stick")
    project("deliver", "photos", at="acme")
    project("receive", "../acme/photos", at="manufacturer")
    project("ledger", "head", "../stick/head.checkpoint", at="manufacturer")
    setting(project)
    said = project("trust", "snapshot", "../rev.json", at="manufacturer", exit=1)
    assert "there is one in the workspace too" in said.err
    home = project.here / "manufacturer" / ".countermark" / "ledger"
    moved(s3, home)
    said = project("ledger", "check", "--seen", "../stick/head.checkpoint", at="manufacturer")
    assert said.last.startswith("whole: 2 entries")
    project("trust", "snapshot", "../rev.json", at="manufacturer")
    assert project("ledger", "show", "--json", at="manufacturer").json()["size"] == 3
    for text in ("", SETTING.replace("parts", "part")):  # the setting is lost, or mistyped
        setting(project, text)
        said = project("ledger", "show", at="manufacturer", exit=1)
        assert "a new one would be a second history" in said.err
    setting(project)
    project("ledger", "fsck", at="manufacturer")


def test_a_model_is_released_from_there(released, s3: Server) -> None:  # noqa: F811 - a fixture
    moved(s3, released.here / "manufacturer" / ".countermark" / "ledger")
    setting(released, SETTING)
    said = run_page(released, "verify-on-an-air-gapped-pc.md", {"FINGERPRINT": lambda: fingerprint(released)})
    assert said[-1] == "admitted, unwitnessed: model of parts" == said[4]
    released("ledger", "fsck", at="manufacturer")


def test_a_writer_that_comes_second_is_told_and_runs_again(
    project, s3: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting(project)
    project("deliver", "photos", at="acme")
    project("receive", "../acme/photos", at="manufacturer")
    decide, waiting = ObjectStore._decide, [True]

    def overtaken(store: ObjectStore, record: bytes, seen: Version | None) -> Version:
        """Between this writer's look and its commit another machine with the same key commits."""
        if waiting:
            waiting.clear()
            desk = compose.desk(project.here / "manufacturer", None)
            with book.ledger(desk, desk.trust()) as log:
                log.append([bytes(LEAF_BYTES)])
        return decide(store, record, seen)

    monkeypatch.setattr(ObjectStore, "_decide", overtaken)
    said = project("trust", "snapshot", "../rev.json", at="manufacturer", exit=1)
    assert "another writer went on with this ledger" in said.err and "run the command again" in said.err
    project("trust", "snapshot", "../rev.json", at="manufacturer")
    assert project("ledger", "check", at="manufacturer").last.startswith("whole: 4 entries")
    said = project("ledger", "monitor", at="manufacturer", exit=1)
    assert "entry 2: nobody here entered it" in said.out


def test_what_the_settings_and_the_environment_lack_is_told(
    project, s3: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for url in ("file:///tmp/x", "s3://key:secret@bucket/x", "http://127.0.0.1/x"):
        setting(project, f'ledger = "{url}"\n')
        said = project("ledger", "show", at="manufacturer", exit=2)
        assert "a ledger cannot be kept at" in said.err and "secret" not in said.err
    setting(project, 'ledger = "s3://no-such-bucket/x"\n')
    said = project("ledger", "show", at="manufacturer", exit=2)
    assert "cannot be" in said.err
