"""Digest and sign a folder beside `model_signing sign key`: wall, CPU and memory of whole processes.

    python benchmarks/tree_sign.py [--files 50000] [--big-size 4G] [--rounds 3] [--peer .benchenv/bin/model_signing]

The peer is installed in an environment of its own (`pip install model-signing pyOpenSSL`), never beside
Countermark. Each round runs the sides turn about on the same warm files; start-up is part of every
figure. "tree" is `cm-tree/v1` and an Ed25519 statement in a DSSE envelope, with the manifest written;
"tree + oms" also hashes each file for an OMS bundle that the peer verifies (checked here once).
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from cost import PEER, Cost, machine, measure, medians, size, spread, told, turn_about


def work(kind: str, folder: Path, place: Path) -> None:
    """What a measured process of ours does; imports are part of the cost."""
    from countermark import canonical, dsse
    from countermark.artefact.folder import read_folder
    from countermark.artefact.tree import DIGEST_NAME, TreeEntry
    from countermark.keys import signer

    digests: list[tuple[str, str]] = []

    def keep(entry: TreeEntry, data: bytes) -> None:
        digests.append((entry.path, hashlib.sha256(data).hexdigest()))

    tree = read_folder(folder, sink=keep if kind == "oms" else None)
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": folder.name, "digest": {DIGEST_NAME: tree.digest}}],
        "predicateType": "https://example.org/benchmark/v1",
        "predicate": {"files": len(tree.entries), "bytes": tree.total_bytes},
    }
    key = signer.generate("statement")
    envelope = signer.sign_envelope(dsse.IN_TOTO, canonical.to_bytes(statement), [key])
    (place / "statement.key").write_bytes(canonical.to_bytes(key.public.to_json()))
    (place / "manifest").write_bytes(tree.manifest())
    (place / "envelope.json").write_bytes(envelope.to_bytes())
    if kind == "oms":
        write_oms(folder, place, digests)


def check(folder: Path, place: Path) -> None:
    """What a measured process of ours does to verify: the signature first, then every byte of the folder.

    Raises:
        SystemExit: the folder is not what was signed.
    """
    from countermark import canonical, dsse
    from countermark.artefact.folder import read_folder
    from countermark.artefact.tree import DIGEST_NAME
    from countermark.keys.verifier import PublicKey

    key = PublicKey.from_json(canonical.object_from_bytes((place / "statement.key").read_bytes()))
    envelope = dsse.Envelope.from_bytes((place / "envelope.json").read_bytes())
    key.verify(envelope.signed_bytes(), envelope.signatures[0].sig)
    signed = canonical.object_from_bytes(envelope.payload)["subject"][0]["digest"][DIGEST_NAME]
    if read_folder(folder).digest != signed:
        raise SystemExit(f"{folder} is not what was signed")


def write_oms(folder: Path, place: Path, digests: list[tuple[str, str]]) -> None:
    """The bundle and the key that the peer verifies it with."""
    from countermark.keys import signer
    from countermark.statement import oms

    key = signer.generate("oms", "ecdsa-p256")
    payload = oms.statement(digests, name=folder.name)
    (place / "model.sig").write_bytes(oms.sign(payload, sign=key.sign, spki_pem=key.public.pem()))
    (place / "oms.pem").write_bytes(key.public.pem())


def make_many(folder: Path, count: int) -> None:
    """`count` files of 4 KiB in folders of a thousand."""
    for number in range(count):
        path = folder / f"{number // 1000:03d}" / f"{number % 1000:03d}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(4096))


def make_big(folder: Path, size: int) -> None:
    """One file of `size` bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "model.bin", "wb") as file:
        for at in range(0, size, 1 << 24):
            file.write(os.urandom(min(1 << 24, size - at)))


def private_key(place: Path) -> Path:
    """A P-256 key file for the peer."""
    from countermark.keys import signer

    path = place / "peer.pem"
    if not path.exists():
        signer.generate("oms", "ecdsa-p256").save(path)
    return path


def sides(folder: Path, kinds: Sequence[str], place: Path, peer: Path) -> dict[str, list[str | Path]]:
    """The command of each side: ours for each kind, and the peer's where it is installed."""
    said: dict[str, list[str | Path]] = {
        f"tree + {kind}" if kind != "tree" else kind: [sys.executable, __file__, "--worker", kind, folder, place]
        for kind in kinds
    }
    if peer.exists():
        keys = ["--signature", place / "peer.sig", "--private_key", private_key(place)]
        said["model-signing"] = [peer, "sign", "key", folder, *keys]
    return said


def compare(commands: dict[str, list[str | Path]], rounds: int) -> dict[str, list[Cost]]:
    """Measure every side turn about."""
    return turn_about({name: partial(measure, command) for name, command in commands.items()}, rounds)


def show(costs: dict[str, list[Cost]]) -> None:
    """Medians, and ratios beside the peer."""
    middle = medians(costs)
    for name, cost in middle.items():
        walls = spread([run.wall for run in costs[name]])
        line = f"  {name:<14} {cost.wall:6.2f} s wall {walls}  {cost.cpu:6.2f} s CPU  {cost.rss / 2**20:5.0f} MB"
        peer = middle.get("model-signing")
        if peer and name != "model-signing":
            line += f"  | x{peer.wall / cost.wall:.1f} wall, x{peer.cpu / cost.cpu:.1f} CPU, x{peer.rss / cost.rss:.1f} memory"
        print(line)


def peer_verifies(folder: Path, place: Path, peer: Path) -> Cost:
    """The peer on the bundle that "tree + oms" wrote.

    Raises:
        SystemExit: it refuses it.
    """
    return measure(
        [peer, "verify", "key", folder, "--signature", place / "model.sig", "--public_key", place / "oms.pem"]
    )


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--big-size", type=size, default=size("512M"), help="such as 512M or 4G")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer", type=Path, default=PEER, help="model_signing of its own environment")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="on the disc to measure")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        kind, folder, place = options.worker[0], Path(options.worker[1]), Path(options.worker[2])
        if kind == "check":
            check(folder, place)
        else:
            work(kind, folder, place)
        return 0
    if not options.peer.exists():
        print(f"model-signing is not at {options.peer}: only our side is measured")
    print({**machine(), "rounds": options.rounds})
    with tempfile.TemporaryDirectory(dir=options.folder) as temporary:
        place = Path(temporary)
        print(f"{options.files} files of 4 KiB")
        make_many(place / "many", options.files)
        show(compare(sides(place / "many", ["tree", "oms"], place, options.peer), options.rounds))
        if options.peer.exists():
            print(f"  the peer verifies our bundle: {peer_verifies(place / 'many', place, options.peer).wall:.2f} s")
        print(f"one file of {told(options.big_size)}")
        make_big(place / "big", options.big_size)
        show(compare(sides(place / "big", ["tree"], place, options.peer), options.rounds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
