"""Load a sealed safetensors file, beside loading the plain one and beside cryptotensors; recipients, one tensor, records.

    python benchmarks/vault.py [--size 1G] [--rounds 5] [--warm] [--peer .vaultenv/bin/python] [--place DIR]

Each loading side is a process of its own that ends with every tensor in memory: "plain" is `safetensors.numpy.load_file`; "sealed" opens the
sealed file (signatures, table of hashes, X-Wing, each chunk hashed and decrypted once) and gives arrays; "cryptotensors" is
`cryptotensors.numpy.load_file` of an encrypted and signed file, in an environment of its own (`pip install cryptotensors numpy`), where it is
installed. "bare" and "peer bare" are what Python and the same imports cost. CPU seconds are of the whole process. Rounds are turn about on a warm
page cache (`--warm`: and on memory that the host has given already, as `verified_load.py` tells); the least of all rounds stands beside the median, because on a busy machine the caches of a core are shared.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import vault_records
from cost import Cost, machine, measure, median, size, turn_about
from verified_load import FILE, make, warmed

PEER = Path(__file__).parents[1] / ".vaultenv" / "bin" / "python"
FORMS = {"blake3": (1, "blake3"), "sha256": (1, "sha256"), "chacha": (2, "blake3")}
_PEER_IMPORTS = "import numpy, sys, cryptotensors, cryptotensors.numpy as t\n"
_PEER_KEYS = """
import base64, json
k = json.load(open(sys.argv[2]))
"""
_PEER_SAVE = (
    _PEER_IMPORTS
    + _PEER_KEYS
    + "c = cryptotensors.SerializeCryptoConfig(enc_key=k['enc'], sign_key=k['sign'])\n"
    + "import safetensors.numpy\n"
    + "t.save_file(safetensors.numpy.load_file(sys.argv[3]), sys.argv[1], config=c.to_dict())\n"
)
_PEER_LOAD = (
    _PEER_IMPORTS
    + _PEER_KEYS
    + "cryptotensors.register_direct_key_provider(keys=[k['enc'], k['sign']])\n"
    + "n = sum(a.nbytes for a in t.load_file(sys.argv[1]).values())\n"
    + "assert n > int(sys.argv[3]) * 0.99, n\n"
)


def work(side: str, place: Path, threads: int) -> None:
    """What a measured process does."""
    import numpy as np
    import safetensors.numpy

    from countermark.lifecycle import seal, seal_load
    from countermark.runtime import arrays, load
    from countermark.seal import keyfile, manifest

    del np, arrays, load
    if side == "bare":
        return
    if side == "plain":
        total = sum(array.nbytes for array in safetensors.numpy.load_file(place / "model" / FILE).values())
    else:
        reader = seal.Reader(manifest.by_keys([manifest.key_of_pem((place / "owner.pub").read_bytes())]))
        mine = keyfile.load(place / "plant.sealkey")
        with seal.opened(place / f"{side}.cmsealed", reader, mine, threads=threads) as files:
            tensors = seal_load.load(files, FILE)
            total = sum(array.nbytes for array in tensors.values())  # type: ignore[union-attr]
    if total < (place / "model" / FILE).stat().st_size * 0.99:
        raise SystemExit("tensors are missing")


def prepare(place: Path, size_bytes: int, peer: Path) -> None:
    """The plain file, its sealed forms, and what they cost to make; the peer's file where it is installed."""
    from countermark.keys import signer
    from countermark.lifecycle import seal
    from countermark.seal import hpke, keyfile, writer
    from countermark.workspace.disk import Disk

    make(place / "model", size_bytes)
    owner, private = signer.generate("statement"), hpke.new_private(hpke.XWING)
    (place / "owner.pub").write_bytes(owner.public.pem())
    keyfile.save(place / "plant.sealkey", private, None, Disk())
    to = [hpke.HpkeRecipient("plant", hpke.HpkeIdentity(private).public)]
    by = seal.Sealer([owner], "", "2026-01-01T00:00:00Z")
    for name, (suite, hashing) in FORMS.items():
        cpu, wall = os.times(), time.perf_counter()
        seal.seal(
            place / "model" / FILE,
            place / f"{name}.cmsealed",
            to,
            by,
            kind="model",
            form=writer.Form(suite, hash=hashing),
        )
        used, took = os.times(), time.perf_counter() - wall
        spent, copied = used.user + used.system - cpu.user - cpu.system, _copied(place)
        print(f"seal {name:<8}{size_bytes / 1e9 / spent:6.2f} GB/s of CPU, {size_bytes / 1e9 / took:6.2f} GB/s of wall (fsync included), "
              f"x{took / copied:.2f} of the wall of a plain copy and fsync right after it ({size_bytes / 1e9 / copied:.2f} GB/s)")  # fmt: skip
    _recipients(place, by, owner, hpke.HpkeIdentity(private))
    if peer.exists():
        _prepare_peer(place, peer)


def _copied(place: Path) -> float:
    """Wall seconds of a plain copy that is on the disk, too."""
    begin, target = time.perf_counter(), place / "copy"
    shutil.copyfile(place / "model" / FILE, target)
    with target.open("rb") as file:
        os.fsync(file.fileno())
    took = time.perf_counter() - begin
    target.unlink()
    return took


def _prepare_peer(place: Path, peer: Path) -> None:
    from base64 import b64encode

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    def text(data: bytes) -> str:
        return b64encode(data).decode()

    private = Ed25519PrivateKey.generate()
    keys = {
        "enc": {"kty": "oct", "alg": "aes256gcm", "kid": "enc", "k": text(os.urandom(32))},
        "sign": {"kty": "okp", "alg": "ed25519", "kid": "sign", "d": text(private.private_bytes_raw()),
                 "x": text(private.public_key().public_bytes_raw())},
    }  # fmt: skip
    (place / "peer.json").write_text(json.dumps(keys))
    command = [peer, "-c", _PEER_SAVE, place / "peer.ct", place / "peer.json", place / "model" / FILE]
    subprocess.run([os.fspath(word) for word in command], check=True)


def _recipients(place: Path, by: object, owner: object, mine: object) -> None:
    """Adding and removing: wall seconds of each, in this process, and that the data stays as it is."""
    from countermark.lifecycle import seal
    from countermark.seal import hpke, manifest

    sealed = place / "blake3.cmsealed"
    reader = seal.Reader(manifest.by_keys([owner.public]))  # type: ignore[attr-defined]
    before, took = sealed.stat(), []
    for number in range(10):
        other = hpke.HpkeRecipient(f"other-{number}", hpke.generate().public)
        begin = time.perf_counter()
        seal.add(sealed, other, mine, reader, by)  # type: ignore[arg-type]
        took.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        seal.remove(sealed, other.name, reader, by)  # type: ignore[arg-type]
        took.append(time.perf_counter() - begin)
    after = sealed.stat()
    if (before.st_mtime_ns, before.st_size, before.st_ino) != (after.st_mtime_ns, after.st_size, after.st_ino):
        raise SystemExit("the data was touched")
    print(
        f"add or remove a recipient: median {statistics.median(took) * 1e3:.1f} ms, most {max(took) * 1e3:.1f} ms; data untouched"
    )


def one_tensor(place: Path) -> None:
    """One 64 MiB tensor of the sealed file, opened anew each time."""
    from countermark.lifecycle import seal, seal_load
    from countermark.seal import keyfile, manifest

    reader = seal.Reader(manifest.by_keys([manifest.key_of_pem((place / "owner.pub").read_bytes())]))
    mine, took, spent = keyfile.load(place / "plant.sealkey"), [], []
    for number in range(10):
        begin, cpu = time.perf_counter(), time.process_time()
        with seal.opened(place / "blake3.cmsealed", reader, mine) as files:
            tensors = seal_load.one_by_one(files, FILE)
            name = [*tensors][number % len(tensors)]
            if tensors[name].nbytes != 64 << 20:
                raise SystemExit("not 64 MiB")
        took.append(time.perf_counter() - begin)
        spent.append(time.process_time() - cpu)
    print(f"one tensor of 64 MiB, opening included: CPU least {min(spent) * 1e3:.0f} ms, median {statistics.median(spent) * 1e3:.0f} ms; "
          f"wall least {min(took) * 1e3:.0f} ms")  # fmt: skip


def once(side: str, place: Path, threads: int, peer: Path, size_bytes: int) -> Cost:
    """Measure one side once."""
    if side == "peer bare":
        return measure([peer, "-c", _PEER_IMPORTS])
    if side == "cryptotensors":
        return measure([peer, "-c", _PEER_LOAD, place / "peer.ct", place / "peer.json", str(size_bytes)])
    return measure([sys.executable, __file__, "--worker", side, place, str(threads)])


def show(costs: dict[str, list[Cost]], size_bytes: int) -> None:
    """Medians and least, and ratios beside the plain load, start-up taken off."""
    bare = {side: "peer bare" if side == "cryptotensors" else "bare" for side in costs}

    def net(side: str, pick: Callable[[list[float]], float]) -> float:
        return pick([run.cpu for run in costs[side]]) - pick([run.cpu for run in costs[bare[side]]])

    print(
        f"{'':<16}{'CPU median':>11}{'least':>8}{'wall least':>11}{'peak':>9}   CPU beside plain, start-up off: median, least; memory"
    )
    for side, runs in costs.items():
        line = f"{side:<16}{median(runs).cpu:10.2f}s{min(r.cpu for r in runs):7.2f}s{min(r.wall for r in runs):10.2f}s{median(runs).rss / 2**20:7.0f}MB"
        if "bare" not in side:
            ratios = [net(side, pick) / max(net("plain", pick), 1e-9) for pick in (statistics.median, min)]
            line += f"   x{ratios[0]:.2f}, x{ratios[1]:.2f}; x{(median(runs).rss - median(costs[bare[side]]).rss) / size_bytes:.3f}"
        print(line)


def main() -> None:
    """Command line."""
    if sys.argv[1:2] == ["--worker"]:
        work(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--size", type=size, default=size("1G"), help="of the file: 64M, 2G")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peer", type=Path, default=PEER, help="python of an environment with cryptotensors")
    parser.add_argument("--warm", action="store_true", help="have the host give the memory first")
    parser.add_argument("--place", type=Path, help="folder for the files; default: the temporary folder")
    options = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory(dir=options.place) as folder:
        place = Path(folder)
        print(f"{options.size:,} bytes, {options.rounds} rounds, {options.threads} threads")
        prepare(place, options.size, options.peer)
        sides = ["bare", "plain", *FORMS] + (["peer bare", "cryptotensors"] if options.peer.exists() else [])
        runs = {side: partial(once, side, place, options.threads, options.peer, options.size) for side in sides}
        if options.warm:
            runs = {side: partial(warmed, options.size + options.size // 4, run) for side, run in runs.items()}
        show(turn_about(runs, options.rounds), options.size)
        one_tensor(place)
        vault_records.records(place)
        vault_records.pictures(place)
    print(f"load at the end: {os.getloadavg()[0]:.1f}")
    if not options.peer.exists():
        print(f"cryptotensors: skipped, there is no {options.peer}")


if __name__ == "__main__":
    main()
