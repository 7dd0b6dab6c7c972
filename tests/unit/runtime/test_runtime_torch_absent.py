"""Without PyTorch the loader names the extra."""

from __future__ import annotations

import sys

import pytest

from countermark.errors import MissingExtra
from countermark.runtime.torch_tensors import TorchTensors


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match="PyTorch") as told:
        TorchTensors(memoryview(bytearray(16)))
    assert "countermark[torch]" in told.value.mend
