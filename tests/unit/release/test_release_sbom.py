"""The bill of materials: complete, by the lock, valid CycloneDX 1.6, and the same bytes every time."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
SECONDS = 1_795_000_000


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    monkeypatch.syspath_prepend(str(ROOT / "release"))
    return importlib.import_module


@pytest.fixture
def bill(script: Callable[[str], Any]) -> dict[str, Any]:
    """As the file says it."""
    sbom = script("sbom")
    said: dict[str, Any] = json.loads(sbom.to_bytes(sbom.bill(script("lock").base(), None, SECONDS)))
    return said


def schemas() -> Path:
    """The standard's schemas, as cyclonedx-python-lib brings them along."""
    found = importlib.util.find_spec("cyclonedx")
    if found is None or not found.submodule_search_locations:
        pytest.skip("cyclonedx-python-lib is not installed: it carries the schemas")
    return Path(found.submodule_search_locations[0]) / "schema" / "_res"


def test_it_is_valid_cyclonedx(bill: dict[str, Any]) -> None:
    jsonschema, referencing = pytest.importorskip("jsonschema"), pytest.importorskip("referencing")
    home = schemas()
    read = {n: json.loads((home / f"{n}.SNAPSHOT.schema.json").read_text()) for n in ("bom-1.6", "spdx", "jsf-0.82")}
    registry = referencing.Registry().with_resources(
        (said["$id"], referencing.Resource.from_contents(said)) for said in read.values()
    )
    validator = jsonschema.Draft7Validator(read["bom-1.6"], registry=registry)
    assert [error.message for error in validator.iter_errors(bill)] == []
    assert list(validator.iter_errors({**bill, "components": [{"name": "of no type"}]})), "the schema is not looked at"


def test_shape_where_no_schema_is_at_hand(bill: dict[str, Any]) -> None:
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.6", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", bill["serialNumber"])
    assert bill["metadata"]["timestamp"] == "2026-11-18T11:06:40Z"
    refs = [part["bom-ref"] for part in (bill["metadata"]["component"], *bill["components"])]
    assert len(set(refs)) == len(refs) == len(bill["dependencies"])
    assert {node["ref"] for node in bill["dependencies"]} == set(refs)
    assert {to for node in bill["dependencies"] for to in node["dependsOn"]} == set(refs[1:]), "nothing stands apart"
    for part in bill["components"]:
        assert part["purl"] == f"pkg:pypi/{part['name']}@{part['version']}" and part["licenses"], part["name"]


def test_it_names_the_base_install_and_no_extra(bill: dict[str, Any]) -> None:
    names = {part["name"] for part in bill["components"]}
    assert names >= {"blake3", "click", "cryptography", "cffi", "jinja2", "markupsafe", "rfc8785", "rich"}
    assert not names & {"numpy", "pillow", "scikit-learn", "onnxruntime", "uvicorn", "hatchling", "pytest"}


def test_versions_and_hashes_are_those_of_the_lock(bill: dict[str, Any]) -> None:
    lock = (ROOT / "locks" / "demo.lock").read_text()
    for part in bill["components"]:
        block = re.search(rf"^{part['name']}==(\S+) \\\n((?:    --hash=.*\n?)+)", lock, re.MULTILINE)
        assert block and block[1] == part["version"], part["name"]
        (files,) = part["externalReferences"]
        assert {h["content"] for h in files["hashes"]} == set(re.findall("sha256:([0-9a-f]{64})", block[2]))


def test_no_registry_is_named(bill: dict[str, Any]) -> None:
    assert re.findall(r"https?://[^\"]+", json.dumps(bill)) == ["http://cyclonedx.org/schema/bom-1.6.schema.json"]


def test_two_runs_agree_and_the_wheel_counts(
    script: Callable[[str], Any], bill: dict[str, Any], tmp_path: Path
) -> None:
    sbom, parts = script("sbom"), script("lock").base()
    assert json.loads(sbom.to_bytes(sbom.bill(parts, None, SECONDS))) == bill
    (tmp_path / "w.whl").write_bytes(b"wheel")
    other = sbom.bill(parts, tmp_path / "w.whl", SECONDS)
    assert other["metadata"]["component"]["hashes"] == [
        {"alg": "SHA-256", "content": hashlib.sha256(b"wheel").hexdigest()}
    ]
    assert other["serialNumber"] != bill["serialNumber"]


def test_what_is_not_locked_or_differs_is_refused(script: Callable[[str], Any], tmp_path: Path) -> None:
    lock = script("lock")
    short = tmp_path / "short.lock"
    short.write_text("".join(part.requirement() for part in lock.base() if part.name != "cffi"))
    with pytest.raises(SystemExit, match="cffi is needed by the base install"):
        lock.base(short)
    short.write_text("".join(part.requirement() for part in lock.base()).replace("click==", "click==0.0.1rc"))
    with pytest.raises(SystemExit, match=r"is installed, the lock says 0\.0\.1rc"):
        lock.base(short)
    short.write_text("click==8.5.1\n")
    with pytest.raises(SystemExit, match="pins no version and hash of click"):
        lock.pins(short)


def test_a_base_lock_reads_back_as_it_was(script: Callable[[str], Any], tmp_path: Path) -> None:
    lock = script("lock")
    (tmp_path / "base.lock").write_text("".join(part.requirement() for part in lock.base()))
    again = lock.base(tmp_path / "base.lock")
    assert again == lock.base() and len(again) > 8


def test_markers_are_judged_where_the_lock_holds(script: Callable[[str], Any]) -> None:
    needed = script("lock").needed
    assert needed(["a; python_full_version < '3.12'", "b; extra == 'x'", "C.d; sys_platform == 'win32'", "E_f>=1"]) == [
        "a",
        "e-f",
    ]
