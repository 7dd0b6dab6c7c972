"""Croissant out and in: others' validator takes what is written, and what is read back is what was named."""

from __future__ import annotations

import json
import shutil
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countermark.artefact import croissant as documents
from countermark.artefact.dataset import describe
from countermark.artefact.folder import read_folder
from countermark.errors import CountermarkError, FormatRefused, TreeRefused, Unusable
from countermark.lifecycle import croissant

sys.path[:0] = [str(Path(__file__).parents[3] / "attacks" / n) for n in ("artefact", "formats")]
import croissants  # noqa: E402
import tables  # noqa: E402

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*:DeprecationWarning:rdflib", "ignore:.*:DeprecationWarning:mlcroissant"
)
"""The validator's own library warns of itself."""
ATTACKS = croissants.attacks()
ABOUT = {"license": "https://spdx.org/licenses/CC-BY-4.0", "url": "https://acme.invalid/photos", "creator": "Acme",
         "datePublished": "2026-01-31", "description": "Photographs of screws"}  # fmt: skip


@pytest.fixture
def validator(monkeypatch: pytest.MonkeyPatch) -> Any:
    """mlcroissant, with nothing but this machine to talk to."""
    found = pytest.importorskip("mlcroissant")

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return found


def test_what_is_written_is_valid_for_others(tmp_path: Path, validator: Any) -> None:
    file = croissants.world(tmp_path)
    file.write_bytes(croissant.write(tmp_path / "photos", ABOUT, file).data)
    seen = validator.Dataset(jsonld=str(file)).metadata
    assert not seen.ctx.issues.errors and seen.ctx.issues.report().count("does not exist") == 2  # citeAs and version
    assert {f.id: f.content_size for f in seen.distribution} == {
        "photos/nut/1.png": "3 B", "photos/nut/2.png": "3 B", "photos/bolt/1.png": "5 B"}  # fmt: skip
    records = list(validator.Dataset(jsonld=str(file)).records("rows"))
    assert {r["rows/file"]: r["rows/label"] for r in records}["photos/bolt/1.png"] in ("bolt", b"bolt")


def test_tables_are_described_so_that_others_read_them(tmp_path: Path, validator: Any) -> None:
    arrow = pytest.importorskip("pyarrow")
    (tmp_path / "t").mkdir()
    made = arrow.table({"key": ["a", "b"], "n": [1, 2], "x": [0.5, 1.5], "ok": [True, False], "box": [[1], [2, 3]]})
    (tmp_path / "t" / "one.parquet").write_bytes(tables.parquet(made))
    file = tmp_path / "t.croissant.json"
    done = croissant.write(tmp_path / "t", ABOUT, file)
    file.write_bytes(done.data)
    said = json.loads(done.data)
    assert {f["name"]: f["dataType"] for f in said["recordSet"][0]["field"]} == {
        "key": "sc:Text", "n": "sc:Integer", "x": "sc:Float", "ok": "sc:Boolean"}  # fmt: skip
    seen = validator.Dataset(jsonld=str(file))
    assert not seen.metadata.ctx.issues.errors
    assert croissant.read(file, tmp_path / "out").tree.digest == done.tree.digest == read_folder(tmp_path / "t").digest


def test_there_and_back(tmp_path: Path) -> None:
    file = croissants.world(tmp_path)
    (tmp_path / "photos" / "nut" / "2.png").chmod(0o755)
    done = croissant.write(tmp_path / "photos", {}, file)
    file.write_bytes(done.data)
    seen = croissant.read(file, tmp_path / "out")
    assert seen.tree == read_folder(tmp_path / "photos") == read_folder(tmp_path / "out")
    assert seen.classes == {"bolt": 1, "nut": 2}
    with pytest.raises(Unusable, match="exists"):
        croissant.read(file, tmp_path / "out")
    with pytest.raises(Unusable, match="would not lie beside"):
        croissant.write(tmp_path / "photos", {}, tmp_path / "photos" / "croissant.json")


@pytest.mark.parametrize("name", ATTACKS)
def test_a_hostile_document_is_refused_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    file = croissants.world(tmp_path)
    file.write_bytes(croissants.hostile(file.read_bytes(), ATTACKS[name]))
    before = sorted(p.name for p in tmp_path.iterdir())
    with pytest.raises((FormatRefused, TreeRefused)) as caught:
        croissant.read(file, tmp_path / "out")
    assert ATTACKS[name].says in str(caught.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_the_other_side_a_validator_takes_some_of_them(tmp_path: Path, validator: Any) -> None:
    """What makes these attacks: a document may be valid Croissant and bind nothing."""
    file = croissants.world(tmp_path)
    good = file.read_bytes()
    for name in ("another digest", "MD5 only", "a file set", "a label for no file", "a second name for digests"):
        file.write_bytes(croissants.hostile(good, ATTACKS[name]))
        assert not validator.Dataset(jsonld=str(file)).metadata.ctx.issues.errors, name


def test_links_are_not_followed(tmp_path: Path) -> None:
    file = croissants.world(tmp_path)
    target = tmp_path / "photos" / "nut" / "1.png"
    target.rename(tmp_path / "elsewhere.png")
    target.symlink_to(tmp_path / "elsewhere.png")
    with pytest.raises(Unusable, match="cannot read"):
        croissant.read(file, tmp_path / "out")
    target.unlink()
    shutil.move(tmp_path / "elsewhere.png", target)
    (tmp_path / "photos").rename(tmp_path / "real")
    (tmp_path / "photos").symlink_to(tmp_path / "real")
    with pytest.raises(Unusable, match="cannot read"):
        croissant.read(file, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_labels_that_folders_do_not_tell_become_metadata(tmp_path: Path) -> None:
    file = croissants.world(tmp_path)
    said = json.loads(file.read_bytes())
    del said["cm:tree"], said["cm:folder"]
    for row in said["recordSet"][0]["data"]:
        row["rows/label"] = "part"
    file.write_text(json.dumps(said))
    done = croissant.read(file, tmp_path / "out")
    assert done.classes == {"part": 3} and (tmp_path / "out" / "metadata.jsonl").is_file()
    assert describe(read_folder(tmp_path / "out"), lambda p: (tmp_path / "out" / p).read_bytes()).classes() == {
        "part": 3
    }


def test_a_document_made_by_others_is_read(tmp_path: Path, validator: Any) -> None:
    """Written by mlcroissant itself, for versions 1.0 and 1.1."""
    import hashlib

    (tmp_path / "nut").mkdir()
    (tmp_path / "nut" / "1.png").write_bytes(b"one")
    for version in ("http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/1.1"):
        from mlcroissant._src.core.rdf import Rdf, make_context

        ctx = validator.Context(conforms_to=version)
        ctx.rdf = Rdf(make_context(ctx))
        one = validator.FileObject(ctx=ctx, id="1.png", name="1.png", content_url="nut/1.png", encoding_formats=["image/png"],
                                   sha256=hashlib.sha256(b"one").hexdigest())  # fmt: skip
        made = validator.Metadata(ctx=ctx, name="others", url="https://acme.invalid", distribution=[one])
        file = tmp_path / "croissant.json"
        file.write_text(json.dumps(made.to_json(), default=str))
        done = croissant.read(file, tmp_path / version[-3:])
        assert done.classes == {"nut": 1} and done.said.name == "others"


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_changed_document_is_read_or_refused(data: st.DataObject) -> None:
    files = tuple(documents.FileObject(f"d/{n}", f"{n}" * 64, n) for n in range(3))
    good = documents.to_bytes(documents.Croissant("d", files, {"d/1": "nut"}, "0" * 64, "d"), ABOUT, {})
    assert documents.parse(good).files == files
    bad = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(bad) - 1))
        bad[at : at + data.draw(st.integers(0, 12))] = data.draw(
            st.binary(max_size=12) | st.sampled_from([b"null", b"[]", b"{}", b'"x"', b"1"])
        )
    try:
        documents.parse(bytes(bad))
    except CountermarkError:
        return


values = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=6), lambda c: st.lists(c, max_size=3) | st.dictionaries(
    st.sampled_from(["@id", "@type", "name", "field", "data", "sha256", "contentUrl", "rows/file"]), c, max_size=3), max_leaves=8)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["@context", "conformsTo", "distribution", "recordSet", "cm:tree", "cm:folder", "name"]), values)
def test_a_member_of_another_shape_is_read_or_refused(name: str, value: Any) -> None:
    good = json.loads(
        documents.to_bytes(
            documents.Croissant("d", (documents.FileObject("d/1", "1" * 64, 1),), {"d/1": "nut"}, None, "d"), {}, {}
        )
    )
    for shape in (value, [value], [*(good.get(name) if isinstance(good.get(name), list) else []), value]):
        try:
            documents.parse(json.dumps(good | {name: shape}).encode())
        except CountermarkError:
            continue
