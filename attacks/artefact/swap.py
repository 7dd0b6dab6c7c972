"""Swap a model's file between the moment it is verified and the moment it is loaded.

    python attacks/artefact/swap.py [--rounds 1000]

Ordinary code verifies a folder and then gives the path to its loader; whoever may write there wins every time.
A handle gives out the bytes that it hashed, or refuses. The last attack never stops: another process swaps the
file to and fro as fast as it can while both sides verify and load. Loaders that take a whole folder get one that exists
only in their own mount namespace; one such child loads again and again while the folder outside is swapped.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import safetensors.numpy

from countermark.artefact.folder import read_folder
from countermark.artefact.handle import Handle, open_verified
from countermark.artefact.tree import Tree
from countermark.errors import CountermarkError
from countermark.runtime.load import load
from countermark.runtime.mounted import run
from countermark.runtime.torch_tensors import from_handle
from countermark.sandbox.bubblewrap import find

FILE = "weights.safetensors"
GOOD = safetensors.numpy.save({"w": np.full(64, 1, np.float32)})
EVIL = safetensors.numpy.save({"w": np.full(64, 666, np.float32)})
Swap = Callable[[Path], None]


@dataclass(frozen=True)
class Target:
    """A model folder, what it was when it was signed, and the attacker's files beside it."""

    folder: Path
    signed: Tree
    evil: Path

    @property
    def file(self) -> Path:
        return self.folder / FILE

    def restore(self) -> None:
        """Put the signed file back."""
        self.file.unlink(missing_ok=True)
        self.file.write_bytes(GOOD)


def make(place: Path) -> Target:
    """A model of one file, signed."""
    folder = place / "model"
    folder.mkdir(parents=True)
    evil = place / "evil.safetensors"
    evil.write_bytes(EVIL)
    (folder / FILE).write_bytes(GOOD)
    return Target(folder, read_folder(folder), evil)


def rename_over(target: Target) -> None:
    """The file's name comes to mean another file."""
    other = target.folder.parent / "other"
    other.write_bytes(EVIL)
    other.rename(target.file)


def rewrite(target: Target) -> None:
    """The same file gets other bytes, with its size and times kept."""
    status = target.file.stat()
    with open(target.file, "r+b") as file:
        file.write(EVIL)
    os.utime(target.file, ns=(status.st_atime_ns, status.st_mtime_ns))


def truncate(target: Target) -> None:
    """The file loses its last bytes."""
    os.truncate(target.file, len(GOOD) - 4)


def link(target: Target) -> None:
    """The file becomes a symbolic link to the attacker's."""
    target.file.unlink()
    target.file.symlink_to(target.evil)


def folder_link(target: Target) -> None:
    """The whole folder becomes a symbolic link to the attacker's folder."""
    lure = target.folder.parent / "lure"
    lure.mkdir(exist_ok=True)
    (lure / FILE).write_bytes(EVIL)
    target.folder.rename(target.folder.parent / "gone")
    target.folder.symlink_to(lure)


def folder_back(target: Target) -> None:
    """Undo `folder_link`."""
    if target.folder.is_symlink():
        target.folder.unlink()
        (target.folder.parent / "gone").rename(target.folder)


SWAPS = {f.__name__.replace("_", "-"): f for f in (rename_over, rewrite, truncate, link, folder_link)}


def naive(target: Target, meanwhile: Callable[[], None]) -> str:
    """Verify the folder, then give the path to the loader."""
    if read_folder(target.folder).digest != target.signed.digest:
        return "refused"
    meanwhile()
    try:
        return _told(float(safetensors.numpy.load_file(target.file)["w"][0]))
    except Exception as error:  # noqa: BLE001  whatever the loader leaks is the point
        return f"broke: {type(error).__name__}"


def by_handle(target: Target, meanwhile: Callable[[], None]) -> str:
    """Open the folder verified, then load from the handle."""
    return _held(target, meanwhile, lambda handle: float(load(handle, FILE)["w"][0]))  # type: ignore[index,arg-type]


def by_path(target: Target, meanwhile: Callable[[], None]) -> str:
    """As `by_handle`, with a loader that takes a path: it gets a sealed file, and the swap comes once more."""

    def read(handle: Handle) -> float:
        with handle.sealed(FILE) as path:
            meanwhile()
            return float(safetensors.numpy.load_file(path)["w"][0])

    return _held(target, lambda: None, read)


def by_view(target: Target, meanwhile: Callable[[], None]) -> str:
    """As `by_handle`, where the swap comes after the bytes were handed on and before they are used."""

    def read(handle: Handle) -> float:
        tensors = load(handle, FILE)
        meanwhile()
        return float(tensors["w"][0])  # type: ignore[index,arg-type]

    return _held(target, lambda: None, read)


def by_torch(target: Target, meanwhile: Callable[[], None]) -> str:
    """As `by_view`, with PyTorch tensors."""

    def read(handle: Handle) -> float:
        tensors = from_handle(handle, FILE)
        meanwhile()
        return float(tensors["w"][0])

    return _held(target, lambda: None, read)


LOADER = """
import json, os, sys
from collections import Counter
folder, count, seen = "/model", int(sys.argv[1]), Counter()
for number in range(count):
    try:
        open(os.path.join(folder, sys.argv[2]), "r+b")
        seen["WROTE TO THE FOLDER"] += 1
    except OSError:
        pass
    with open(os.path.join(folder, sys.argv[2]), "rb") as file:
        seen[file.read().hex()] += 1
    if number == 0:
        open("ready", "w").close()
json.dump(seen, open("seen", "w"))
"""


def in_mount(target: Target, output: Path, loads: int) -> Counter[str]:
    """A child that takes a folder loads from it again and again while the folder outside is swapped in every way."""
    stop, swaps = threading.Event(), 0

    def swapping_outside() -> None:
        nonlocal swaps
        while not (output / "ready").exists() and not stop.wait(0.001):
            pass
        while not stop.is_set():
            for swap in SWAPS.values():
                target.restore()
                swap(target)
                swaps += 1
                folder_back(target)

    target.restore()
    attacker = threading.Thread(target=swapping_outside)
    with open_verified(target.folder, target.signed) as handle:
        attacker.start()
        try:
            done = run(handle, ["python", "-I", "-c", LOADER, str(loads), FILE], output)
        finally:
            stop.set()
            attacker.join()
            target.restore()
    if done.returncode != 0 or not swaps:
        raise SystemExit(f"the child ended with {done.returncode} after {swaps} swaps: {done.finished.stderr[-500:]}")
    told = {GOOD.hex(): _told(1.0), EVIL.hex(): _told(666.0)}
    seen = json.loads((output / "seen").read_text())
    return Counter({told.get(what, what[:40]): count for what, count in seen.items()})


def _held(target: Target, meanwhile: Callable[[], None], read: Callable[[Handle], float]) -> str:
    try:
        with open_verified(target.folder, target.signed) as handle:
            meanwhile()
            return _told(read(handle))
    except CountermarkError:
        return "refused"


def _told(number: float) -> str:
    return {1.0: "loaded what was signed", 666.0: "LOADED WHAT THE ATTACKER WROTE"}.get(number, f"loaded {number}")


SIDES = {"verify, then load": naive, "handle": by_handle, "sealed path": by_path, "view": by_view}
if find_spec("torch"):
    SIDES["torch"] = by_torch


def rounds(target: Target, side: str, swap: str, count: int) -> Counter[str]:
    """Swap once per round, between verifying and loading; what came of it."""
    seen: Counter[str] = Counter()
    for _ in range(count):
        target.restore()
        seen[SIDES[side](target, lambda: SWAPS[swap](target))] += 1
        folder_back(target)
    target.restore()
    return seen


@contextmanager
def swapping(target: Target) -> Iterator[None]:
    """Another process swaps the file for ever."""
    code = (
        "import os,sys\nfile,other,good,evil=sys.argv[1:]\n"
        "g,e=open(good,'rb').read(),open(evil,'rb').read()\n"
        "while True:\n"
        " for data in (e,g):\n"
        "  open(other,'wb').write(data); os.rename(other,file)\n"
        "  with open(file,'r+b') as f: f.write(e)\n"
        "  with open(file,'r+b') as f: f.write(g)\n"
    )
    good, other = target.folder.parent / "good.safetensors", target.folder.parent / "racing"
    good.write_bytes(GOOD)
    target.restore()
    child = subprocess.Popen([sys.executable, "-I", "-c", code, target.file, other, good, target.evil])
    try:
        yield
    finally:
        child.kill()
        child.wait()
        target.restore()


def race(target: Target, side: str, count: int) -> Counter[str]:
    """Verify and load while another process swaps."""
    with swapping(target):
        return Counter(SIDES[side](target, lambda: None) for _ in range(count))


def main() -> int:
    """Command line; exit code 0 when no swap won against a handle."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=1000, help="of each swap against each side")
    count, lost = parser.parse_args().rounds, 0
    with tempfile.TemporaryDirectory() as place:
        target = make(Path(place))
        for side in SIDES:
            for swap in (*SWAPS, "race"):
                seen = race(target, side, count) if swap == "race" else rounds(target, side, swap, count)
                bad = sum(n for what, n in seen.items() if what not in ("refused", _told(1.0)))
                lost += bad if side != "verify, then load" else 0
                print(f"{side:<18} {swap:<12} {', '.join(f'{n} {what}' for what, n in seen.most_common())}")
        if find() is None:
            print("private mount: skipped, bubblewrap is not installed")
        else:
            (Path(place) / "out").mkdir()
            seen = in_mount(target, Path(place) / "out", count)
            lost += sum(n for what, n in seen.items() if what != _told(1.0))
            print(f"{'private mount':<18} {'all':<12} {', '.join(f'{n} {what}' for what, n in seen.most_common())}")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
