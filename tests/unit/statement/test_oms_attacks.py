"""The hostile bundles of attacks/oms: refused, one and all; the honest one is not."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from countermark.errors import Refusal
from countermark.statement import oms
from countermark.statement.oms_keys import KeyTrust

SCRIPT = Path(__file__).parents[3] / "attacks" / "oms" / "hostile.py"


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("oms_hostile", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


HOSTILE = _load()


@pytest.mark.parametrize("name", HOSTILE.CASES)
def test_refused(name: str, tmp_path: Path) -> None:
    bundle = HOSTILE.CASES[name].build(tmp_path / "model")
    with pytest.raises(Refusal):
        oms.verify(bundle, KeyTrust(HOSTILE.PEM)).compare(HOSTILE.digests(tmp_path / "model"))


def test_the_honest_bundle_is_accepted(tmp_path: Path) -> None:
    bundle = HOSTILE.signed(HOSTILE.honest(tmp_path / "model"))
    oms.verify(bundle, KeyTrust(HOSTILE.PEM)).compare(HOSTILE.digests(tmp_path / "model"))


def test_the_oms_digest_binds_no_names_and_the_manifest_does() -> None:
    """Why every other statement of ours refers to the tree digest instead."""
    one = oms.statement([("a.bin", "11" * 32), ("b.bin", "22" * 32)], name="m")
    two = oms.statement([("load_me.py", "11" * 32), ("z.bin", "22" * 32)], name="m")
    trust = KeyTrust(HOSTILE.PEM)
    first, second = (oms.verify(HOSTILE.signed(payload), trust) for payload in (one, two))
    assert first.digest == second.digest
    with pytest.raises(Refusal):
        first.compare(second.resources)
