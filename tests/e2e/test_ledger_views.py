"""Watching and comparing a served ledger as its users type it: growth, a server that is away, a fork and its evidence."""

from __future__ import annotations

import shutil
import socket
import time
from pathlib import Path

import pytest
from plain_web import web

from countermark.keys.signer import load
from countermark.ledger.log import Log
from countermark.ledger.note import NoteKey
from countermark.ledger.stores.files import FileStore


def forked(project, folder: Path) -> Path:
    """Another history, signed by the keeper's own key."""
    signer = load(project.here / "manufacturer" / ".countermark" / "keys" / "ledger.pem", "ledger")
    shutil.rmtree(folder, ignore_errors=True)
    with Log.create(
        FileStore.at(folder), NoteKey("countermark.invalid/parts", signer.public.raw()), signer.sign
    ) as log:
        log.append([b"one", b"two", b"three"])
    return folder


def test_a_watch_goes_on_while_the_server_is_away_and_ends_with_a_fork(
    project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project("deliver", "photos", at="acme")
    project("receive", "../acme/photos", at="manufacturer")
    served = project.here / "served"
    shutil.copytree(project.here / "manufacturer" / ".countermark" / "ledger", served)
    connect = socket.create_connection

    def away(*_: object) -> socket.socket:
        raise ConnectionRefusedError("nobody listens")

    def again() -> None:
        monkeypatch.setattr(socket, "create_connection", connect)
        forked(project, served)

    moments = iter([lambda: monkeypatch.setattr(socket, "create_connection", away), again])

    def sleep(_seconds: float) -> None:
        next(moments)()

    with web(project.here) as url:
        monkeypatch.setattr(time, "sleep", sleep)
        said = project("ledger", "monitor", f"{url}/served", "--every", "60", at="acme", exit=1)
        monkeypatch.undo()
    assert "2 entries, 2 new" in said.out and "nobody listens" in said.err
    assert "two histories" in said.err and "forks" in said.err
    (evidence,) = (project.here / "acme" / ".countermark" / "forks").iterdir()
    shutil.copy(evidence, project.here / "plant" / "fork.json")
    proven = project("ledger", "fork", "fork.json", at="plant", exit=1)
    assert proven.last == "proven: the ledger's key signed two histories, of 2 and 3 entries"
    (project.here / "plant" / "fork.json").write_bytes(evidence.read_bytes().replace(b'"proof":["', b'"proof":["00'))
    assert project("ledger", "fork", "fork.json", at="plant", exit=1).err.startswith("refused")


def test_a_watch_without_an_address_that_answers_says_so(project) -> None:
    said = project("ledger", "monitor", "http://127.0.0.1:9", "--seconds", "1", at="acme", exit=2)
    assert "does not answer" in said.err
    said = project("ledger", "monitor", "http://ledger.example/", at="acme", exit=2)
    assert "use https" in said.err


def test_two_parties_compare_what_they_hold(project) -> None:
    project("deliver", "photos", at="acme")
    project("receive", "../acme/photos", at="manufacturer")
    project("ledger", "head", "../old.checkpoint", at="manufacturer")
    project("trust", "snapshot", "../revocations.json", at="manufacturer")
    done = project(
        "ledger", "compare", "../old.checkpoint", "../manufacturer/.countermark/ledger", "--json", at="acme"
    ).json()
    assert done["more"] == 1 and [v["size"] for v in done["views"]] == [2, 3]
    other = forked(project, project.here / "other")
    said = project("ledger", "compare", "../old.checkpoint", str(other), at="acme", exit=1)
    assert "two histories" in said.err
    said = project("ledger", "compare", "../old.checkpoint", "../revocations.json", at="acme", exit=3)
    assert "not shown" in said.err
