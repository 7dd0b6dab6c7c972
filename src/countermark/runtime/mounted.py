"""A verified tree for loaders that take nothing but a folder: a private read-only mount, seen by one confined child.

Every file is copied into sealed memory and hashed there before the child starts. Bubblewrap copies those into a folder in
memory inside the child's own mount namespace, and makes it read-only: what lies in the folder that was verified may change
as often as it likes. The child has no network and no other files than the system's and its output folder.
Memory: each file twice until the child ends.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from countermark.artefact.handle import Handle
from countermark.errors import SandboxRefused
from countermark.sandbox import bubblewrap
from countermark.sandbox.bubblewrap import Folder, Outcome
from countermark.sandbox.plan import Handed, Plan, ScriptLimits
from countermark.sandbox.process import Relay

MODEL, OUTPUT = "/model", "/output"
MOST_FILES = 500  # each is a descriptor, of which a process has about a thousand


def run(
    handle: Handle,
    command: Sequence[str],
    output: Path,
    *,
    environment: Mapping[str, str] | None = None,
    limits: ScriptLimits | None = None,
    relay: Relay | None = None,
) -> Outcome:
    """Run a program that finds the verified files in ``/model`` and may write to ``/output``, where it starts.

    Args:
        command: program and arguments; a bare ``python`` is this interpreter with its packages. output: folder that
            the program's ``/output`` is. environment: the whole of it beyond PATH, HOME, TMPDIR and LC_ALL.
        limits: default: those of a training script, and room for the model. relay: called with each piece of what it prints.

    Raises:
        TreeRefused: a file is not what was signed; the program then was not started. Unusable: this platform has no
        sealed files in memory. SandboxRefused: it has no such mounts, or there are more than `MOST_FILES` files.
    """
    _check(handle)
    plan = Plan(
        command=tuple(command), inputs={}, output=output.resolve(), output_at=OUTPUT, workdir=OUTPUT,
        environment=environment or {}, limits=limits or _limits([handle.size(path) for path in handle.paths]),
    )  # fmt: skip
    with contextlib.ExitStack() as held:
        files = [_handed(handle, path, held) for path in handle.paths]
        return bubblewrap.run_confined(plan, relay=relay, folder=Folder(MODEL, files))


def _handed(handle: Handle, path: str, held: contextlib.ExitStack) -> Handed:
    descriptor = held.enter_context(handle.sealed_file(path))
    return Handed(f"{MODEL}/{path}", descriptor, handle.size(path), handle.executable(path))


def _limits(sizes: Sequence[int]) -> ScriptLimits:
    usual = ScriptLimits()
    # The files are made under these limits too; a loader may hold the model once as it lies there and once as it is used.
    return replace(
        usual,
        file_bytes=max(usual.file_bytes, *sizes, 0),
        memory_bytes=usual.memory_bytes + 2 * sum(sizes),
    )


def _check(handle: Handle) -> None:
    if bubblewrap.find() is None:
        raise SandboxRefused(
            "a loader that takes a folder cannot be served here", why="bubblewrap is not installed, and nothing else "
            "holds a folder still", mend="install the package bubblewrap, or use a loader that takes bytes",
        )  # fmt: skip
    if len(handle.paths) > MOST_FILES:
        raise SandboxRefused(
            f"{len(handle.paths)} files are too many to hand to a child", why=f"{MOST_FILES} are the most",
            mend="open fewer of them by a proof, or use a loader that takes bytes",
        )  # fmt: skip
