"""Write the golden files of the core's formats, version 1.

    python tests/vectors/core/make_core_vectors.py            # writes what is missing
    python tests/vectors/core/make_core_vectors.py --update   # after a deliberate change of an unreleased format

Old formats verify for ever: once a version is released its files are never written again; a new version adds
files beside them. Everything but ECDSA signatures and the ledger's nonce is derived from names and a fixed clock.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[2] / "attacks" / "core"))

from core_world import OWNER, World  # noqa: E402

from countermark.artefact import tree  # noqa: E402
from countermark.artefact.tree import TreeEntry, tree_of  # noqa: E402
from countermark.lifecycle import parcel  # noqa: E402
from countermark.lifecycle.receive import receive  # noqa: E402

File = tuple[str, dict[str, Any], bool]
TREES: dict[str, list[File]] = {
    "one empty file": [("empty", {"hex": ""}, False)],
    "one byte, executable": [("run", {"hex": "00"}, True)],
    "sorted by UTF-8 bytes": [
        ("b", {"hex": "62"}, False), ("a/b", {"hex": "6162"}, False), ("a-b", {"hex": "61"}, False),
        ("\uffee", {"hex": "01"}, False), ("\U00010000", {"hex": "02"}, False), ("\u00e9", {"hex": "03"}, False),
    ],
    "one chunk exactly": [("chunk", {"shake128": "one chunk", "size": 4 << 20}, False)],
    "one chunk and a byte": [("chunks", {"shake128": "two chunks", "size": (4 << 20) + 1}, False)],
    "seven files": [(f"{n}.png", {"shake128": f"file {n}", "size": 100 * n}, n % 2 == 1) for n in range(7)],
}  # fmt: skip


def content(how: dict[str, Any]) -> bytes:
    """Bytes of a described file."""
    if "hex" in how:
        return bytes.fromhex(how["hex"])
    return hashlib.shake_128(how["shake128"].encode()).digest(how["size"])


def entries(files: list[Any]) -> list[TreeEntry]:
    out = []
    for path, how, executable in files:
        data = content(how)
        out.append(TreeEntry(path, len(data), executable, tree.bytes_root(data)))
    return out


def trees() -> bytes:
    cases = [
        {"name": name, "files": files, "digest": tree_of(entries(files)).digest,
         "manifest": tree_of(entries(files)).manifest().decode()}
        for name, files in TREES.items()
    ]  # fmt: skip
    return json.dumps({"format": "cm-tree/v1", "cases": cases}, indent=1, ensure_ascii=True).encode() + b"\n"


def project(root: Path) -> dict[str, bytes]:
    """Trust chain of two versions, a delivery, its statement, and the slip of the owner's answer."""
    world = World.make(root / "world")
    world.clock.move(days=1)
    world.amend(lambda d: d)
    folder, piece = world.delivered(world.parts(each=1))
    answer = receive(world[OWNER], folder).answer
    if answer is None:
        raise SystemExit("the delivery was not answered")
    expected = {
        "now": "2026-11-24T10:00:00Z",
        "fingerprint": world.fingerprint,
        "delivery": piece.envelope.digest,
        "tree": piece.tree.digest,
        "answer": answer.envelope.digest,
    }
    return {
        "trust-v1.jsonl": world.chain.read_bytes(),
        "delivery-v1.cmdelivery": parcel.beside(folder).read_bytes(),
        "statement-v1.json": piece.envelope.payload,
        "slip-v1.json": answer.to_bytes(),
        "expected-v1.json": json.dumps(expected, indent=1).encode() + b"\n",
    }


def made() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        return {"tree-v1.json": trees(), **project(Path(folder))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true")
    update = parser.parse_args().update
    for name, data in made().items():
        path = HERE / name
        if path.exists() and not update:
            print(f"{name} is there: only --update writes it again")
            continue
        path.write_bytes(data)


if __name__ == "__main__":
    main()
