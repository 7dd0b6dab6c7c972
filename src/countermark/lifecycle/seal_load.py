"""Loading from a sealed asset: arrays and models over decrypted private memory, and one tensor without the others.

What goes to the runtime is an `Opened`, which answers `view`, `content`, `take` and `in` as a verified handle does: every byte that it gives was
in a chunk that had the signed hash and whose tag held.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from countermark.errors import FormatRefused, TreeRefused, TrustRefused
from countermark.formats.limits import Malformed
from countermark.lifecycle import seal, verify
from countermark.lifecycle.seal import Reader
from countermark.passport.passport import Passport
from countermark.passport.verify import Pin
from countermark.passport.verify import Verified as Shown
from countermark.seal import recipients
from countermark.seal.manifest import Verified
from countermark.seal.opened import Opened
from countermark.seal.prelude import wipe
from countermark.seal.stanza import NO_LICENCE, Identity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from countermark.artefact.handle import Handle
    from countermark.runtime.arrays import ByName, Tensors
    from countermark.runtime.onnx import OnnxModel
    from countermark.runtime.torch_tensors import TorchTensors


def load(files: Opened, path: str, *, threads: int = 1) -> Tensors | NDArray[Any] | dict[str, NDArray[Any]] | OnnxModel:
    """A file of a sealed asset, loaded by what it is: safetensors, .npy, .npz, ONNX (with the data files that it names).

    Arrays are read-only and lie over the decrypted memory, without a copy. ONNX Runtime takes a copy that nobody can overwrite.

    Args:
        threads: of ONNX Runtime.

    Raises:
        As `runtime.load.load`; FormatRefused: the sealed file was changed.
    """
    from countermark.runtime.load import load as load_verified

    return load_verified(cast("Handle", files), path, threads=threads)


def torch(files: Opened, path: str) -> TorchTensors:
    """A sealed safetensors file as PyTorch tensors over the decrypted memory.

    Raises:
        As `load`; MissingExtra: PyTorch is absent.
    """
    from countermark.runtime.torch_tensors import from_handle

    return from_handle(cast("Handle", files), path)


@dataclass(frozen=True, slots=True)
class Keyed:
    """How a sealed asset is opened.

    Attributes:
        reader: whom to trust to have sealed it. key: from its verified manifest and the digest of the licence that it is used under
            (`NO_LICENCE` without one) to the content key, which is overwritten after use. evidence: what the key is given on, as `sandbox.exposure.protection` has it; "" for
            a key or passphrase that opens it anywhere.
    """

    reader: Reader
    key: Callable[[Verified, str], bytearray]
    evidence: str = ""


def key_of(identity: Identity) -> Callable[[Verified, str], bytearray]:
    """The content key for one of its recipients, whose copy may be bound to a licence.

    Raises (the key):
        TrustRefused: it is not sealed for this key, or its copy is bound to another licence. FormatRefused: it was changed.
    """

    def key(handle: Verified, licence: str) -> bytearray:
        secret, stanza = recipients.content_key(handle.recipients, handle.manifest.prelude, identity)
        if stanza.licence in (NO_LICENCE, licence):
            return secret
        wipe(secret)
        raise TrustRefused(
            f"the key for {stanza.recipient} is bound to a licence", why=f"to {stanza.licence[:16]}, used under {licence[:16] or 'none'}",
            mend="--license FILE, the licence that it was sealed with",
        )  # fmt: skip

    return key


@contextlib.contextmanager
def open_model(
    sealed: Path, reader: Reader, identity: Identity, passport_file: Path, pin: Pin, now: datetime
) -> Iterator[verify.Opened]:
    """Verify a sealed model's papers, and open it for loading: as `lifecycle.verify.open_model`, without plaintext on any disk.

    Raises:
        Refusal: papers, seal or files do not hold, or are of two different models, or the key is bound to a licence. Unusable: something cannot be read.
    """
    shown, key = verify.papers(passport_file, pin, now), key_of(identity)
    handle = seal.verified(sealed, reader)
    with open_shown(sealed, handle, lambda: key(handle, NO_LICENCE), *shown) as opened:
        yield opened


@contextlib.contextmanager
def open_shown(
    sealed: Path, handle: Verified, key: Callable[[], bytearray], passport: Passport, verified: Shown
) -> Iterator[verify.Opened]:
    """As `open_model`, of a manifest and papers that were verified, with the content key from wherever it comes.

    Raises:
        FormatRefused: it is no model, or was changed. TreeRefused: it is another model than its papers are about. As the key.
    """
    if handle.manifest.kind != "model":
        raise FormatRefused(f"{sealed.name} is a sealed {handle.manifest.kind}, not a model")
    with seal.opened_by(sealed, handle, key) as files:
        if files.digest != verified.digest or files.tree.entries != passport.model.entries:
            raise TreeRefused(
                f"{sealed.name} holds another model than its papers are about", why=f"sealed {files.digest}, released {verified.digest}",
                mend="seal the folder that was released, under the SHA-256 profile",
            )  # fmt: skip
        yield verify.Opened(verified, cast("Handle", files))


def one_by_one(files: Opened, path: str) -> ByName:
    """Tensors of a sealed safetensors file, each read and decrypted when it is asked for, and no others with it.

    For some tensors of a large file; whoever wants all of them takes `load`, which decrypts each chunk once. Each array has memory of its own.

    Raises:
        FormatRefused: the file breaks its format, or the sealed file was changed. TreeRefused: no such file.
    """
    from countermark.runtime.arrays import ByName

    return ByName(_Source(files, path), lambda begin, end: files.read(path, begin, end))


class _Source:
    """A sealed file as the bounded readers take it."""

    def __init__(self, files: Opened, path: str) -> None:
        self._files, self._path, self.size = files, path, files.size(path)

    def read(self, offset: int, count: int) -> bytes:
        """Exactly `count` bytes."""
        if offset < 0 or count < 0 or offset + count > self.size:
            raise Malformed("truncated", f"{count} bytes at byte {offset} of {self.size}", offset=self.size)
        return bytes(self._files.read(self._path, offset, offset + count))
