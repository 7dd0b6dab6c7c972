"""deliver --strip: a copy without identifiers is signed; the supplier's folder stays as it was."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from core_world import OWNER, SUPPLIER, World

from countermark.cli.main import run
from countermark.errors import StatementRefused, Unusable
from countermark.lifecycle import strip
from countermark.lifecycle.deliver import deliver
from countermark.lifecycle.receive import receive
from countermark.statement.predicates.delivery import Delivery

tricks = pytest.importorskip("picture_tricks", reason="pictures are made with the screen extra")


def photos(root: Path) -> Path:
    folder = root / "photos"
    (folder / "screw").mkdir(parents=True)
    (folder / "nut").mkdir()
    (folder / "screw" / "a.jpg").write_bytes(tricks.personal(tricks.picture(1), tricks.picture(2)))
    (folder / "screw" / "b.png").write_bytes(tricks.saved(tricks.picture(3), "PNG"))
    (folder / "nut" / "c.jpg").write_bytes(tricks.personal(tricks.picture(4), tricks.picture(2)))
    return folder


def test_a_copy_is_written_and_what_was_left_out_is_signed(world: World, tmp_path: Path) -> None:
    folder, desk = photos(tmp_path), world[SUPPLIER]
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    said = strip.seek(folder)
    assert said.files == {"location": 2, "person": 2, "time": 2} and not said.unread
    out, told = strip.copy(desk.space.disk, folder)
    assert told.files == said.files
    assert not strip.seek(out).files and {p: p.read_bytes() for p in before} == before
    assert (out / "screw" / "b.png").read_bytes() == (folder / "screw" / "b.png").read_bytes()
    parcel = deliver(desk, out, addressee=OWNER, stripped=dict(told.files))
    assert parcel.delivery.stripped == {"location": 2, "person": 2, "time": 2} and parcel.delivery.rows == 3
    assert receive(world[OWNER], out).state == "admitted", "the receiver reads what was signed with it"
    with pytest.raises(Unusable, match="exists"):
        strip.copy(desk.space.disk, folder)


def test_a_picture_that_cannot_be_stripped_leaves_no_copy(world: World, tmp_path: Path) -> None:
    folder = photos(tmp_path)
    (folder / "nut" / "d.jpg").write_bytes((folder / "nut" / "c.jpg").read_bytes()[:-40])
    with pytest.raises(Exception, match=r"nut/d\.jpg cannot be stripped"):
        strip.copy(world[SUPPLIER].space.disk, folder)
    assert not folder.with_name("photos.stripped").exists()
    assert any("nut/d.jpg" in line for line in strip.seek(folder).unread)


def test_the_statement_says_it_only_where_it_was_done(world: World, tmp_path: Path) -> None:
    plain = deliver(world[SUPPLIER], photos(tmp_path), addressee=OWNER).delivery
    assert "stripped" not in plain.to_json() and Delivery.from_json(plain.to_json()) == plain
    for wrong in ({"x" * 41: 1}, {"time": -1}, {"time": 1.5}, ["time"]):
        with pytest.raises(StatementRefused):
            Delivery.from_json(plain.to_json() | {"stripped": wrong})


def test_by_command(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = photos(tmp_path)
    monkeypatch.chdir(world[SUPPLIER].space.root)
    assert run(["deliver", str(folder), "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["identifiers"] == {"location": 2, "person": 2, "time": 2}
    assert run(["deliver", str(folder), "--strip", "--to", OWNER, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["stripped"] == {"location": 2, "person": 2, "time": 2}
    assert said["file"] == str(tmp_path / "photos.stripped.cmdelivery")
    assert run(["deliver", str(folder), "--strip", "--to", OWNER]) == 2, "the copy is there already"
    assert "photos.stripped exists" in capsys.readouterr().err.replace("\n", " ")


@pytest.mark.skipif(importlib.util.find_spec("pydicom") is None, reason="DICOM is an extra")
def test_dicom_files_in_a_folder_are_seen_and_stripped(world: World, tmp_path: Path) -> None:
    test_dicom = _neighbour()

    folder = photos(tmp_path)
    (folder / "nut" / "scan.dcm").write_bytes(test_dicom.written(test_dicom.full()))
    assert strip.seek(folder).files["private"] == 1
    out, told = strip.copy(world[SUPPLIER].space.disk, folder)
    assert told.files["private"] == 1 and any("burned-in text" in line for line in told.unread)
    assert b"MUSTERMANN" not in (out / "nut" / "scan.dcm").read_bytes()


def _neighbour():
    path = Path(__file__).parents[1] / "formats" / "test_dicom.py"
    spec = importlib.util.spec_from_file_location("dicom_fixtures", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
