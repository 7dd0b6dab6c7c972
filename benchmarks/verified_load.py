"""Load a safetensors file verified, beside loading it plainly and beside verifying it with `model_signing` first.

    python benchmarks/verified_load.py [--size 2G] [--rounds 5] [--warm] [--peer .benchenv/bin/model_signing]

Each side is a process of its own and ends with every tensor in memory: "plain" is `safetensors.numpy.load_file`, ours is
`open_verified` and `runtime.load.load` under BLAKE3 and under SHA-256, "model-signing" runs `model_signing verify` and
then the plain load, as its users do. CPU seconds and peak memory are of the whole process with its start-up; "bare" is
what Python and the same imports cost without a model, and is taken off for the last two columns. Rounds are turn about
on the same warm file; medians. Start-up peaks higher than it ends, so that the memory column says something only of files
of 512 MiB and more. The peer lives in an environment of its own.

Memory itself costs: 2 GiB of small pages about 1.2 s of system time, and on a virtual machine whose host takes free memory
back, huge pages between 0.2 and 8 s, whoever asks for them. `--warm` has a process touch and free the memory before each
measured one, so that the host's part is paid by nobody; without it the figures are what the machine really charges.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from cost import PEER, Cost, machine, measure, medians, size, turn_about

FILE = "model.safetensors"
OURS = ("blake3", "sha256")


def work(side: str, folder: Path, manifest: Path, threads: int) -> None:
    """What a measured process does."""
    import numpy as np
    import safetensors.numpy

    from countermark.artefact import handle, profile, tree
    from countermark.runtime import arrays, load

    del np, arrays
    if side == "bare":
        return
    if side in OURS:
        used = profile.profile_named(side)
        signed = tree.tree_of(tree.parse_manifest(manifest.with_suffix("." + side).read_bytes().splitlines()), used)
        with handle.open_verified(folder, signed, threads=threads) as opened:
            tensors = load.load(opened, FILE, threads=threads)
            total = sum(array.nbytes for array in tensors.values())  # type: ignore[union-attr]
    else:
        tensors = safetensors.numpy.load_file(folder / FILE)
        total = sum(array.nbytes for array in tensors.values())
    if total < (folder / FILE).stat().st_size * 0.99:
        raise SystemExit("tensors are missing")


def make(folder: Path, size: int) -> None:
    """A safetensors file of about `size` bytes: float32 matrices of 64 MiB."""
    import json

    folder.mkdir(parents=True)
    side = 16 << 20
    count = max(1, size // (4 * side))
    header = json.dumps(
        {f"layer.{n}": {"dtype": "F32", "shape": [side // 4096, 4096], "data_offsets": [n * 4 * side, (n + 1) * 4 * side]}
         for n in range(count)}
    ).encode()  # fmt: skip
    header += b" " * (-len(header) % 8)
    with open(folder / FILE, "wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for _ in range(count):
            file.write(os.urandom(4 * side))


def sign(folder: Path, place: Path, peer: Path) -> None:
    """What each side verifies against: our manifests, and the peer's signature where it is installed."""
    from countermark.artefact import folder as folders
    from countermark.artefact.profile import profile_named
    from countermark.keys import signer

    for name in OURS:
        (place / f"manifest.{name}").write_bytes(folders.read_folder(folder, profile=profile_named(name)).manifest())
    if peer.exists():
        key = signer.generate("oms", "ecdsa-p256")
        key.save(place / "peer.pem")
        (place / "peer.pub").write_bytes(key.public.pem())
        options = ["--signature", place / "peer.sig", "--private_key", place / "peer.pem"]
        measure([peer, "sign", "key", folder, *options])


def once(side: str, folder: Path, place: Path, threads: int, peer: Path) -> Cost:
    """Measure one side once."""
    if side == "model-signing":
        keys = ["--signature", place / "peer.sig", "--public_key", place / "peer.pub"]
        return measure([peer, "verify", "key", folder, *keys]).then(once("plain", folder, place, threads, peer))
    return measure([sys.executable, __file__, "--worker", side, folder, place / "manifest", str(threads)])


def warmed(memory_bytes: int, run: Callable[[], Cost]) -> Cost:
    """Measure a side right after another process had and freed the memory that it needs."""
    code = (
        "import mmap, sys\n"
        "memory = mmap.mmap(-1, int(sys.argv[1]), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)\n"
        "memory.madvise(mmap.MADV_HUGEPAGE)\n"
        "memory[::4096] = bytes(len(memory) // 4096)\n"
    )
    subprocess.run([sys.executable, "-I", "-S", "-c", code, str(memory_bytes)], check=True)
    return run()


def compare(
    place: Path, size_bytes: int, rounds: int, threads: int, peer: Path, *, warm: bool = False
) -> dict[str, list[Cost]]:
    """Make a model in a new folder of `place`, sign it for each side, and load it turn about."""
    folder = place / "model"
    make(folder, size_bytes)
    sign(folder, place, peer)
    sides = ["bare", "plain", *OURS] + (["model-signing"] if peer.exists() else [])
    runs = {side: partial(once, side, folder, place, threads, peer) for side in sides}
    memory = 2 * size_bytes + (1 << 30)
    return turn_about({side: partial(warmed, memory, run) if warm else run for side, run in runs.items()}, rounds)


def show(costs: dict[str, list[Cost]], size_bytes: int) -> None:
    """Medians, and ratios beside the plain load."""
    middle = medians(costs)
    bare, plain = middle["bare"], middle["plain"]
    print(f"{'':<16}{'wall':>8}{'CPU':>8}{'peak':>10}   CPU as plain load's, without bare   memory as the file's")
    for side, cost in middle.items():
        line = f"{side:<16}{cost.wall:7.2f}s{cost.cpu:7.2f}s{cost.rss / 2**20:8.0f}MB"
        if side != "bare":
            times = (cost.cpu - bare.cpu) / max(plain.cpu - bare.cpu, 1e-9)
            line += (
                f"   x{cost.cpu / plain.cpu:.2f}, x{times:.2f}".ljust(40) + f"x{(cost.rss - bare.rss) / size_bytes:.3f}"
            )
        print(line)
    cpus = {side: [round(run.cpu, 2) for run in runs] for side, runs in costs.items()}
    print(f"CPU of each round: {cpus}")


def main() -> None:
    """Command line."""
    if sys.argv[1:2] == ["--worker"]:
        work(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]), int(sys.argv[5]))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--size", type=size, default=size("2G"), help="of the file: 64M, 2G")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2, help="of our copying and hashing")
    parser.add_argument("--peer", type=Path, default=PEER, help="model_signing of its own environment")
    parser.add_argument("--warm", action="store_true", help="have the host give the memory first")
    parser.add_argument("--place", type=Path, help="folder for the model; default: the temporary folder")
    options = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory(dir=options.place) as place:
        print(f"{options.size:,} bytes, {options.rounds} rounds, {options.threads} threads")
        costs = compare(Path(place), options.size, options.rounds, options.threads, options.peer, warm=options.warm)
        show(costs, options.size)
    if not options.peer.exists():
        print(f"model-signing: skipped, there is no {options.peer}")


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
