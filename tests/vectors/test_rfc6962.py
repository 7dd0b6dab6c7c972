"""All published RFC 6962 proof vectors of transparency-dev/merkle, good and bad."""

from __future__ import annotations

import base64
import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from countermark import merkle
from countermark.errors import LedgerRefused

VECTORS = Path(__file__).parents[3] / "shared" / "vectors" / "rfc6962"
FILES = sorted(VECTORS.rglob("*.json"))

pytestmark = pytest.mark.skipif(not FILES, reason=f"the RFC 6962 vectors are not at {VECTORS}")


def _raw(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def _verify(vector: dict[str, Any]) -> None:
    proof = [_raw(node) for node in vector["proof"] or []]
    if "leafIdx" in vector:
        merkle.verify_inclusion(
            _raw(vector["leafHash"]), vector["leafIdx"], vector["treeSize"], proof, _raw(vector["root"])
        )
    else:
        roots = _raw(vector["root1"]), _raw(vector["root2"])
        merkle.verify_consistency(vector["size1"], vector["size2"], *roots, proof)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(VECTORS)))
def test_vector(path: Path) -> None:
    vector = json.loads(path.read_text())
    with pytest.raises(LedgerRefused) if vector["wantErr"] else contextlib.nullcontext():
        _verify(vector)


def test_the_set_is_whole() -> None:
    wanted = [json.loads(path.read_text())["wantErr"] for path in FILES]
    assert (len(wanted), sum(wanted)) == (196, 184)
