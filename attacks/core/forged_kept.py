"""Attack on kept work: who can write `.countermark/kept` swaps what a screening saw, so that the next one sees something else.

With a secret of one's own the file is whole and not believed; with the workspace's secret, which lies among its keys, it is.
"""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

import numpy as np

from countermark.features import arrays

MAC_BYTES = 32


def first_looks(kept: Path) -> list[Path]:
    """Files that hold pixels."""
    return [p for p in sorted(kept.glob("*.kept")) if "pixels" in arrays.from_bytes(p.read_bytes()[MAC_BYTES:])]


def whiten(path: Path, secret: bytes) -> None:
    """Make all pictures of a block white, whatever was delivered, under a MAC of this secret."""
    told = dict(arrays.from_bytes(path.read_bytes()[MAC_BYTES:]))
    told["pixels"] = np.full_like(told["pixels"], 255)
    sign(path, arrays.to_bytes(told), secret)


def sign(path: Path, body: bytes, secret: bytes) -> None:
    """Write a kept file of this content, under a MAC of this secret."""
    mac = hmac.new(secret, b"cm-kept/v1\0" + hashlib.sha256(path.stem.encode()).digest(), hashlib.sha256)
    mac.update(body)
    path.write_bytes(mac.digest() + body)
