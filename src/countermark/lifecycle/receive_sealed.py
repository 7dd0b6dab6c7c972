"""Receiving what a supplier sealed for this party: opened in memory, then looked at, copied and answered as any other delivery.

What is admitted lies in this workspace in the clear, as that of any delivery does: the seal protected it on the way.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from countermark.artefact.reading import Sink, Wants
from countermark.artefact.tree import Tree, TreeEntry, bytes_root, tree_of
from countermark.errors import TrustRefused, Unusable
from countermark.lifecycle import receive as door
from countermark.lifecycle import seal
from countermark.lifecycle.deliveries import Received
from countermark.lifecycle.desk import Desk
from countermark.lifecycle.receive_stage import Examine, Progress, nothing_more
from countermark.seal.opened import Opened
from countermark.seal.stanza import Identity


def folder_of(sealed: Path) -> Path:
    """Where the delivered folder would lie in the clear; its ``.cmdelivery`` file lies beside that.

    Raises:
        Unusable: this is not the name of a sealed file.
    """
    if sealed.suffix != seal.SUFFIX or not sealed.stem:
        raise Unusable(f"{sealed.name} is not called as a sealed delivery", mend=f"name FOLDER{seal.SUFFIX}")
    return sealed.with_name(sealed.stem)


def receive(
    desk: Desk, sealed: Path, identity: Identity, *, examine: Examine = nothing_more, progress: Progress | None = None
) -> Received:
    """Admit or refuse a sealed delivery; no plaintext is written but the private copy that is kept.

    The seal must be by the party that signed the delivery, and hold exactly the signed files: otherwise the answer is a signed refusal, as where a
    chunk was changed. What does not open for `identity` at all gets no answer.

    Raises:
        As `receive.receive`. TrustRefused, SignatureRefused, FormatRefused, NothingToVerify: as `seal.opened`; nothing is kept then.
    """
    with seal.opened(sealed, seal.reader_of(desk), identity, kind="dataset") as files:
        return door.receive(desk, folder_of(sealed), examine=examine, progress=progress, read=partial(_read, files))


def _read(files: Opened, supplier: str, sink: Sink, wants: Wants, progress: Progress | None) -> Tree:
    if files.signed_by != supplier:
        raise TrustRefused(
            f"{files.signed_by} sealed what {supplier} delivers", why="a supplier seals its deliveries itself",
            mend=f"{supplier} runs `countermark deliver FOLDER --seal-for KEY`",
        )  # fmt: skip
    return tree_of(_entries(files, sink, wants, progress))


def _entries(files: Opened, sink: Sink, wants: Wants, progress: Progress | None) -> Iterator[TreeEntry]:
    """Each file as it was seen; of those that are not wanted, as the sealed header names them, which refuses them all the same."""
    done = 0
    for number, entry in enumerate(files.tree.entries, 1):
        if wants(entry.path, entry.size):
            content = files.content(entry.path)
            seen = entry._replace(root=bytes_root(content))
            sink(seen, content)
        else:
            seen = entry
        done += entry.size
        if progress:
            progress(number, done)
        yield seen
