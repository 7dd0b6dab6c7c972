"""A team's index on a real PostgreSQL: the commands answer as with a file, two projects share a server, and it cannot lie."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
import small_release
from core_world import OWNER, World

from countermark import compose
from countermark.cli.main import run
from countermark.lifecycle import book, lookup, withdraw
from countermark.lifecycle.desk import Desk
from countermark.statement.predicates import acts, delivery, verdict

TYPES = (delivery.TYPE, verdict.TYPE, acts.WITHDRAWAL, acts.REVOCATION)


@pytest.fixture
def team(tmp_path: Path, postgresql) -> World:
    world = small_release.make(tmp_path / "world")
    (world.root / OWNER / compose.SETTINGS).write_text(f'index = "{postgresql.url()}"\n')
    small_release.model(world, "model")
    return world


def served(world: World) -> Desk:
    """The owner's desk as a command makes it: with the settings' index, and the test's clock."""
    desk = compose.desk_of(world[OWNER].space, None)
    return Desk(desk.space, desk.party, world.clock, desk.passphrase, desk.index)


def said(capsys: pytest.CaptureFixture[str], world: World, *words: str, exit: int = 0) -> dict[str, Any]:
    capsys.readouterr()
    code = run([*words, "--workspace", str(world.root / OWNER), "--json"])
    printed = capsys.readouterr()
    assert code == exit, printed.out + printed.err
    return json.loads(printed.out)


def sql(postgresql, line: str) -> None:
    psycopg = pytest.importorskip("psycopg")
    with psycopg.connect(postgresql.url(), autocommit=True) as connection:
        connection.execute(line)


def test_commands_answer_from_the_server_as_from_a_file(team: World, capsys: pytest.CaptureFixture[str]) -> None:
    shown = said(capsys, team, "ledger", "show")
    assert len(shown["entries"]) == 3 and "postgresql" in lookup._read(served(team)).place
    digest = shown["entries"][2]["statement"]
    assert said(capsys, team, "ledger", "proof", digest[:10], "--out", str(team.root / "p.json"))["index"] == 2
    withdraw.withdraw(served(team), [book.find(served(team), "0")], "the wrong maker")
    assert withdraw.entries(served(team)) == {0} == withdraw.entries(team[OWNER])
    assert said(capsys, team, "ledger", "rebuild-index")["troubles"] == []
    served_answers = [[s.envelope.digest for s in book.entered(served(team), kind)] for kind in TYPES]
    assert served_answers == [[s.envelope.digest for s in book.entered(team[OWNER], kind)] for kind in TYPES]


def test_who_may_write_to_the_server_hides_nothing(team: World, postgresql, capsys: pytest.CaptureFixture[str]) -> None:
    withdraw.withdraw(served(team), [book.find(served(team), "0")], "the wrong maker")
    project = team.fingerprint
    assert withdraw.entries(served(team)) == {0}
    sql(postgresql, f"DELETE FROM countermark_statement WHERE project = '{project}' AND type = '{acts.WITHDRAWAL}'")
    refused = said(capsys, team, "recall", "--supplier", "acme", exit=1)
    assert "rebuild-index" in refused["error"]["fix"]
    said(capsys, team, "ledger", "rebuild-index")
    assert withdraw.entries(served(team)) == {0}
    sql(postgresql, "DROP TABLE countermark_statement, countermark_index")
    assert withdraw.entries(served(team)) == {0}, "an index that is not there is made anew"


def test_two_projects_share_a_server(team: World, tmp_path: Path) -> None:
    other = World.make(tmp_path / "other")
    other.amend(small_release.amended)
    (other.root / OWNER / compose.SETTINGS).write_text((team.root / OWNER / compose.SETTINGS).read_text())
    assert team.fingerprint != other.fingerprint or team.root != other.root
    assert book.entered(served(other), *TYPES) == [] and len(book.entered(served(team), *TYPES)) == 2


def test_threads_share_a_desk(team: World) -> None:
    desk, seen = served(team), list[int]()
    threads = [threading.Thread(target=lambda: seen.append(len(book.entered(desk, *TYPES)))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [2] * 8


def test_the_settings_hold_no_password_and_the_library_is_named(
    team: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = team.root / OWNER / compose.SETTINGS
    settings.write_text('index = "postgresql://me:hunter2@localhost/team"\n')
    refused = said(capsys, team, "ledger", "show", exit=2)
    assert "password" in refused["error"]["what"] and "hunter2" not in json.dumps(refused)
    settings.write_text('index = "postgresql://me@localhost/team"\n')
    monkeypatch.setitem(__import__("sys").modules, "sqlalchemy.engine", None)
    assert "countermark[team]" in said(capsys, team, "ledger", "show", exit=3)["error"]["fix"]
