"""Opening a released model: the page that tells how runs as written, and tampering is refused where the page says."""

from __future__ import annotations

import re
import shutil
import sys
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

import released_model
from released_model import ReleasedModel

import countermark
from countermark.errors import TreeRefused, TrustRefused
from countermark.guard.admission import admit
from countermark.passport.verify import Pin
from countermark.sandbox import bubblewrap

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "load-a-model.md"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> ReleasedModel:
    return released_model.make(tmp_path_factory.mktemp("released") / "world")


@pytest.fixture
def model(made: ReleasedModel, tmp_path: Path) -> ReleasedModel:
    """A copy to tamper with."""
    shutil.copytree(made.folder, tmp_path / "model")
    shutil.copy(made.passport, tmp_path / "model.cmpass")
    return ReleasedModel(made.world, tmp_path / "model", tmp_path / "model.cmpass")


def opened(model: ReleasedModel) -> Any:
    return countermark.load(model.folder, model.passport, model.pin, model.world.clock())


@pytest.mark.skipif(sys.platform != "linux", reason="the page shows sealed files, which Linux alone has")
def test_the_page_runs_as_written(model: ReleasedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(model.folder.parent)
    blocks = BLOCK.findall(PAGE.read_text())
    assert len(blocks) == 6
    missing = [block for block in blocks if ".torch(" in block and not find_spec("torch")]
    missing += [block for block in blocks if ".run(" in block and bubblewrap.find() is None]
    source = "\n".join(block for block in blocks if block not in missing).replace(
        'FINGERPRINT = "..."', f"FINGERPRINT = {model.world.fingerprint!r}"
    )
    # The world's clock stands still on the day that its papers were made.
    source = source.replace("datetime.now(UTC)", f"datetime.fromisoformat({model.world.clock().isoformat()!r})")
    seen: dict[str, Any] = {}
    exec(compile(source, str(PAGE), "exec"), seen)
    assert np.array_equal(seen["writable"], np.arange(12, dtype=np.float32).reshape(3, 4))
    assert seen["mean"].shape == (3,) and seen["network"].input_shape == (8, 8, 3)
    assert seen["labels"] == (model.folder / "labels.json").read_bytes()
    assert not find_spec("torch") or seen["layer"].tolist() == seen["writable"].tolist()
    assert bubblewrap.find() is None or Path("made/names.txt").read_text().split() == sorted(
        f"./{path.relative_to(model.folder).as_posix()}" for path in model.folder.rglob("*") if path.is_file()
    )
    assert seen["head"] == (model.folder / "weights.safetensors").read_bytes()[:8]


def test_what_is_used_is_refused_when_it_differs(model: ReleasedModel) -> None:
    data = bytearray((model.folder / "weights.safetensors").read_bytes())
    data[-1] ^= 1
    (model.folder / "weights.safetensors").write_bytes(data)
    with opened(model) as handle:
        assert handle.load("mean.npy").shape == (3,)
        with pytest.raises(TreeRefused, match="weights"):
            handle.load("weights.safetensors")
        with pytest.raises(TreeRefused, match="weights"):
            handle.files.check_rest()


def test_the_guard_admits_no_model_of_which_any_file_differs(model: ReleasedModel) -> None:
    with opened(model) as handle:
        assert admit(handle).digest == handle.verified.digest
    data = bytearray((model.folder / "mean.npy").read_bytes())
    data[-1] ^= 1
    (model.folder / "mean.npy").write_bytes(data)
    with opened(model) as handle, pytest.raises(TreeRefused, match=r"mean\.npy"):
        admit(handle)


def test_names_and_papers_are_refused_at_once(model: ReleasedModel) -> None:
    with pytest.raises(TrustRefused):
        countermark.load(model.folder, model.passport, Pin("0" * 64), model.world.clock())
    with pytest.raises(TrustRefused):
        countermark.load(model.folder, model.passport, model.pin, model.world.clock() + timedelta(days=365 * 20))
    (model.folder / "extra.py").write_text("print()")
    with pytest.raises(TreeRefused, match=r"extra\.py"):
        opened(model)
