"""What goes out with a release: its wheel, bill of materials and base lock in one folder, signed and verified by Countermark.

    python release/evidence.py --key OMS.pem [--passphrase-file FILE] [--out dist]

Writes OUT/release/ (the wheel that two builds agreed on, `countermark.cdx.json`, `base.lock`), OUT/release.oms.json (an OMS
bundle over all of it) and OUT/release.pub.pem, then verifies the bundle with the program's own command and prints the
tree digest. The private key is read from a file, never from an argument or the environment.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from lock import base
from reproducible import ROOT, epoch, reproduced
from sbom import bill, to_bytes

SBOM, LOCK = "countermark.cdx.json", "base.lock"


def countermark(*words: str | Path) -> str:
    """The last line of a command of the program.

    Raises:
        SystemExit: it did not end with 0; what it said is shown.
    """
    command = [sys.executable, "-m", "countermark", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(
            f"countermark {' '.join(command[3:5])} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        )
    return done.stdout.splitlines()[-1]


def assemble(folder: Path) -> None:
    """Make the folder that is signed.

    Raises:
        SystemExit: something else lies in it, which would be signed too.
    """
    name, data = reproduced()
    others = {path.name for path in folder.glob("*")} - {name, SBOM, LOCK}
    if others:
        raise SystemExit(f"{folder} also holds {', '.join(sorted(others))}: move that away, it would be signed")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)
    parts = base()
    (folder / SBOM).write_bytes(to_bytes(bill(parts, folder / name, epoch())))
    (folder / LOCK).write_text("".join(part.requirement() for part in parts))


def sign(folder: Path, key: Path, passphrase: Path | None) -> list[str]:
    """Sign the folder, write the public key beside it, verify, and tell the digest: what each command said last."""
    bundle, public = folder.with_name(folder.name + ".oms.json"), folder.with_name(folder.name + ".pub.pem")
    opening: list[str | Path] = ["--passphrase-file", passphrase] if passphrase else []
    said = [countermark("oms", "sign", folder, "--key", key, "--signature", bundle, *opening)]
    public.write_bytes(_public(key, passphrase))
    said.append(countermark("oms", "verify", folder, "--signature", bundle, "--public-key", public))
    return [*said, countermark("digest", folder)]


def _public(key: Path, passphrase: Path | None) -> bytes:
    from countermark.compose import read_passphrase
    from countermark.keys import signer

    return signer.load(key, "oms", read_passphrase(passphrase) if passphrase else None).public.pem()


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--key", type=Path, required=True, help="ECDSA P-256 private key, PEM")
    parser.add_argument("--passphrase-file", type=Path, help="file whose first line opens the key")
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    options = parser.parse_args()
    folder = options.out / "release"
    assemble(folder)
    for line in sign(folder, options.key, options.passphrase_file):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
