"""Passing somebody else's sealed asset off as one's own, or one's own as somebody else's: by a stranger, and by who holds its key.

Each function changes a copy of a world on the disk. Whoever does it has what everybody has (three files), and where it says so the content key.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import sealed_mutations
from seal_world import World

from countermark import canonical, dsse
from countermark.keys.signer import FileSigner, sign_envelope
from countermark.lifecycle import seal
from countermark.seal import fields, recipients, writer
from countermark.seal.fields import Document, Field
from countermark.seal.plain import Unsealed
from countermark.seal.prelude import BYTES, new_content_key


def signed_anew(world: World, by: FileSigner) -> None:
    """A stranger strips the signatures of manifest and list, and puts his own in their place."""
    for suffix in (seal.MANIFEST, seal.RECIPIENTS):
        _sign(world, suffix, dsse.Envelope.from_bytes(world.part(suffix).read_bytes()).payload, by)


def named_in_the_manifest(world: World, by: FileSigner) -> None:
    """He also writes himself into the manifest as its sealer; file and prelude stay as they are."""
    signed_anew(world, by)
    said = canonical.from_bytes(sealed_mutations.manifest(world).to_bytes())
    _sign(world, seal.MANIFEST, canonical.to_bytes({**said, "sealer": by.public.id}), by)


def named_everywhere(world: World, by: FileSigner) -> None:
    """He also writes himself into the prelude, in manifest and file: everything that can be compared without a key is as it should be."""
    signed_anew(world, by)
    said = sealed_mutations.manifest(world)
    mine = dataclasses.replace(said, prelude=dataclasses.replace(said.prelude, sealer=bytes.fromhex(by.public.id)))
    world.sealed.write_bytes(mine.prelude.to_bytes() + world.sealed.read_bytes()[BYTES:])
    _sign(world, seal.MANIFEST, mine.to_bytes(), by)


def sealed_by_a_recipient(world: World, by: FileSigner, named: str) -> None:
    """A recipient opens the asset and seals it anew, with a key of his own making and the `named` key id as its sealer; he signs, as he must."""
    key = new_content_key()
    handle = seal.verified(world.sealed, world.reader)
    with seal.opened(world.sealed, world.reader, world.plant) as files:
        target = world.sealed.with_name("again.cmsealed")
        said = writer.write(Unsealed(files), target, key, writer.About("model", named, "", handle.manifest.issued))
    target.replace(world.sealed)
    to = [world.for_plant]
    _sign(world, seal.RECIPIENTS, recipients.first(said.prelude, key, to, {}).to_bytes(), by)
    _sign(world, seal.MANIFEST, said.to_bytes(), by)


def commitment_replayed(mine: World, theirs: World, by: FileSigner) -> None:
    """The sealer of `mine` writes the other's commitment to a plaintext into his own manifest, to be linked to the other's evidence."""
    said = dataclasses.replace(sealed_mutations.manifest(mine), tree=sealed_mutations.manifest(theirs).tree)
    _sign(mine, seal.MANIFEST, said.to_bytes(), by)


def fields_signed_anew(document: Document, by: FileSigner) -> dsse.Envelope:
    """A document with sealed fields under a stranger's signature."""
    return sign_envelope(fields.PAYLOAD_TYPE, document.to_bytes(), [by])


def fields_named(document: Document, by: FileSigner) -> Document:
    """The same, under his name: his key id in the document, in the groups' preludes, and in the digests of what is open."""
    mine = by.public.id
    groups = tuple((dataclasses.replace(p, sealer=bytes.fromhex(mine)), listed) for p, listed in document.groups)
    shown = tuple(_again(one, mine) for one in document.fields)
    return dataclasses.replace(document, sealer=mine, groups=groups, fields=shown)


def _again(one: Field, sealer: str) -> Field:
    return one if one.opening is None else dataclasses.replace(one, digest=one.opening.digest(sealer))


def _sign(world: World, suffix: str, payload: bytes, by: FileSigner) -> None:
    kind: Any = {seal.MANIFEST: seal.manifests.PAYLOAD_TYPE, seal.RECIPIENTS: recipients.PAYLOAD_TYPE}[suffix]
    world.part(suffix).write_bytes(sign_envelope(kind, payload, [by]).to_bytes())
