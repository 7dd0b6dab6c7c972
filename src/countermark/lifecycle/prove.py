"""Prove: from a folder, the small file that shows others that some of its files belong to its digest; and checking it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from countermark.artefact import reading, walk
from countermark.artefact.buffer import leaf_at
from countermark.artefact.folder import Progress
from countermark.artefact.handle import Proven
from countermark.artefact.profile import Profile
from countermark.artefact.proof import MAX_PROOF_BYTES, TreeProof, prove, window
from countermark.artefact.stream import Outputs, Summary, manifest_entries, stream_folder
from countermark.artefact.tree import CHUNK_BYTES, TreeEntry
from countermark.errors import StatementRefused, TreeRefused
from countermark.lifecycle.desk import read_file
from countermark.lifecycle.verify import is_meant, look_at


@dataclass(frozen=True, slots=True)
class Part:
    """Which files of a folder are meant, and of one file which bytes [start, stop); `span` is None for all of them."""

    names: tuple[str, ...]
    span: tuple[int, int] | None = None

    def means(self, path: str) -> bool:
        """Whether that file is one of them."""
        return any(is_meant(path, name) for name in self.names)


def proof_of(root: Path, part: Part, profile: Profile, progress: Progress | None = None) -> tuple[Summary, TreeProof]:
    """Digest a folder, and prove that a part of it belongs to that digest.

    Raises:
        TreeRefused, Unusable: the folder cannot be digested, no file is meant, the file has no such bytes, or it changed.
        StatementRefused: a byte range of several files.
    """
    with tempfile.TemporaryFile() as listing:
        summary = stream_folder(root, profile=profile, outputs=Outputs(listing), progress=progress)

        def listed() -> Iterator[TreeEntry]:
            listing.seek(0)
            return manifest_entries(listing)

        proof = prove(listed, part.means, profile)
    return summary, proof if part.span is None else _narrowed(root, proof, part.span)


def _narrowed(root: Path, proof: TreeProof, span: tuple[int, int]) -> TreeProof:
    if len(proof.entries) != 1:
        raise StatementRefused("a byte range is about one file", why=f"{len(proof.entries)} are meant")
    ((_, entry),) = proof.entries
    narrowed = replace(proof, window=window(entry, *span, _chunk_leaves(root, entry, proof.profile), proof.profile))
    # The file was read a second time: what was read then must belong to the digest as well.
    look_at(root, Proven((entry,), "", proof.profile), narrowed.window)
    return narrowed


def _chunk_leaves(root: Path, entry: TreeEntry, profile: Profile) -> Iterator[bytes]:
    try:
        descriptor = os.open(root if root.is_file() else root / entry.path, reading.OPEN_FILE)
    except OSError as error:
        raise walk.unreadable(entry.path, error) from error
    try:
        for at in range(0, entry.size, CHUNK_BYTES):
            yield leaf_at(descriptor, at, min(at + CHUNK_BYTES, entry.size), profile.chunks)
    finally:
        os.close(descriptor)


def check(root: Path, file: Path, digest: str) -> TreeProof:
    """Verify a proof and the part of a folder that it is about; nothing else is read.

    Args:
        file: the proof. digest: of the tree, hex, from where it is trusted.

    Raises:
        TreeRefused: proof or files do not belong to that digest. StatementRefused: the proof is malformed.
    """
    proof = TreeProof.from_bytes(read_file(file, MAX_PROOF_BYTES), what=file.name)
    proven, window = proof.verify(digest), proof.window
    if root.is_file():  # one file of a tree, sent without the folders that it lies in
        if len(proven.entries) != 1:
            raise TreeRefused(
                f"{root.name} is one file, the proof is about {len(proven.entries)}", mend="name a folder"
            )
        proven = replace(proven, entries=(proven.entries[0].moved(root.name),))
        window = window and replace(window, path=root.name)
    look_at(root, proven, window)
    return proof
