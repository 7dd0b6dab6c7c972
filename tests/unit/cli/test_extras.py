"""The extras that `doctor` lists and that a missing library is mended with are those of the installed metadata."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from countermark.cli import _command, _extras, doctor
from countermark.cli._show import View

ROOT = Path(__file__).parents[3]
DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


@pytest.fixture(autouse=True)
def fresh() -> None:
    _extras.extras.cache_clear()


def test_every_declared_extra_is_known_with_what_it_brings_and_is_for() -> None:
    assert set(_extras.extras()) == set(DECLARED) == set(doctor.PURPOSES)
    assert tuple(_extras.extras())[:3] == _extras.MAIN
    for extra, names in _extras.extras().items():
        direct = {re.split(r"[^A-Za-z0-9-]", line)[0] for line in DECLARED[extra]} - {"countermark"}
        assert direct <= set(names), extra
    assert {"numpy", "uvicorn", "onnx"} <= set(_extras.extras()["demo"]), "an extra of extras brings what they bring"


def test_the_pages_name_no_extra_that_there_is_not() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    named = {
        e for p in pages for word in re.findall(r"countermark\[([a-z0-9,]+)\]", p.read_text()) for e in word.split(",")
    }
    assert named <= set(DECLARED)


@pytest.mark.parametrize(
    ("module", "extra"),
    [("numpy", "screen"), ("PIL", "screen"), ("sklearn", "screen"), ("uvicorn", "serve"), ("onnx", "demo"), ("pkcs11", "pkcs11"),
     ("tpm2_pytss", "tpm"), ("torch", "torch"), ("pyarrow", "datasets"), ("ml_dtypes", "load"), ("obstore", "team"),
     ("sigstore", "sigstore"), ("mlcroissant", "croissant"), ("securesystemslib", "kms"), ("nobody_knows", None)],
)  # fmt: skip
def test_a_missing_module_names_its_extra(module: str, extra: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    assert _extras.bringing(module) == extra

    def body() -> object:
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    code = _command.ended(View.of(json=False, quiet=False), body, (), {})  # type: ignore[arg-type]
    assert code == (3 if extra else 101)
    assert extra is None or f"countermark[{extra}]" in capsys.readouterr().err


def test_what_an_extra_asks_for_in_turn_is_missed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = {"countermark": ["securesystemslib[awskms,vault]>=1.6 ; extra == 'kms'"],
                 "securesystemslib": ['boto3 ; extra == "awskms"', "hvac>=2; extra == 'vault'"], "boto3": []}  # fmt: skip

    def version(name: str) -> str:
        if name not in installed:
            raise metadata.PackageNotFoundError(name)
        return "1"

    monkeypatch.setattr(metadata, "requires", lambda name: installed[name])
    monkeypatch.setattr(metadata, "version", version)
    assert _extras.absent("kms") == ["hvac"]


def test_without_metadata_nothing_is_made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_extras, "NAME", "no-such-distribution")
    assert _extras.extras() == {} and _extras.bringing("numpy") is None
    assert not doctor._listed()[0].ok


def test_an_extra_for_one_purpose_is_listed_and_changes_no_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_extras, "absent", lambda extra: [] if extra in _extras.MAIN else ["something"])
    listed = {f.name: f for f in doctor._listed()}
    assert listed["extra screen"].state == "ok" and listed["extra tpm"].state == "not installed"
    assert not any(f.asked for f in listed.values() if not f.ok)
