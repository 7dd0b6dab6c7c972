"""A small sealed asset with its owner and two recipients, and one question: does what lies on the disk open, and as what?"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from countermark.errors import CountermarkError
from countermark.keys.signer import FileSigner, generate
from countermark.lifecycle import seal
from countermark.seal import hpke, writer
from countermark.seal.hpke import HpkeIdentity, HpkeRecipient
from countermark.seal.manifest import by_keys
from countermark.seal.recipients import content_key

CHUNK = 4096
FILES = {"config.json": b'{"layers": 3}\n', "weights.bin": bytes(range(256)) * 60 + b"end"}
ISSUED = "2026-11-27T00:00:00Z"


@dataclass(frozen=True, slots=True)
class World:
    """Where it lies, who signed it, and who opens it."""

    sealed: Path
    owner: FileSigner
    plant: HpkeIdentity
    other: HpkeIdentity

    @property
    def reader(self) -> seal.Reader:
        """Trusts the owner alone."""
        return seal.Reader(by_keys([self.owner.public]))

    @property
    def sealer(self) -> seal.Sealer:
        """The owner."""
        return seal.Sealer([self.owner], "", ISSUED)

    @property
    def for_plant(self) -> HpkeRecipient:
        """What the plant opens is wrapped so."""
        return HpkeRecipient("plant-7", self.plant.public)

    def part(self, suffix: str) -> Path:
        """The data ("") or a file beside it."""
        return seal.beside(self.sealed, suffix)

    def read(self) -> dict[str, bytes]:
        """Everything inside, as the plant opens it.

        Raises:
            CountermarkError: it is refused.
        """
        with seal.opened(self.sealed, self.reader, self.plant) as files:
            return {path: files.content(path) for path in files.paths}

    def taken(self) -> bool:
        """Whether it opens as anything, right or wrong."""
        try:
            self.read()
        except CountermarkError:
            return False
        return True

    def key(self) -> bytearray:
        """The content key, which every recipient can get at."""
        handle = seal.verified(self.sealed, self.reader)
        return content_key(handle.recipients, handle.manifest.prelude, self.plant)[0]

    def copy(self, folder: Path) -> World:
        """The same three files elsewhere, to be attacked."""
        folder.mkdir()
        for suffix in ("", seal.MANIFEST, seal.RECIPIENTS):
            shutil.copy(self.part(suffix), folder / self.part(suffix).name)
        return World(folder / self.sealed.name, self.owner, self.plant, self.other)


def make(
    folder: Path, files: dict[str, bytes] | None = None, *, owner: FileSigner | None = None, chunk: int = CHUNK
) -> World:
    """Seal some files in a new folder."""
    asset = folder / "model"
    asset.mkdir(parents=True)
    for name, data in (files or FILES).items():
        (asset / name).write_bytes(data)
    signer = owner or generate("statement")
    plant, other = hpke.generate(), hpke.generate(hpke.P256)
    world = World(folder / "model.cmsealed", signer, plant, other)
    to = [HpkeRecipient("plant-7", plant.public), HpkeRecipient("plant-8", other.public)]
    seal.seal(asset, world.sealed, to, world.sealer, kind="model", form=writer.Form(chunk=chunk))
    return world
