"""Show each hostile OMS bundle to the reference implementation and to Countermark.

    python attacks/oms/compare.py [--peer .benchenv/bin/model_signing]

Prints one line per case. Exit code 0 when Countermark refuses all of them and accepts the honest bundle.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import hostile

from countermark.errors import CountermarkError
from countermark.statement import oms
from countermark.statement.oms_keys import KeyTrust

DEFAULT_PEER = Path(__file__).parents[2] / ".benchenv" / "bin" / "model_signing"


def reference(peer: Path, place: Path, options: tuple[str, ...]) -> str:
    """What `model_signing verify key` says."""
    if not peer.exists():
        return "not installed"
    command = [peer, "verify", "key", place / "model", "--signature", place / "model.sig", *options]
    done = subprocess.run(
        [*command, "--public_key", place / "key.pem"], check=False, capture_output=True, text=True, timeout=60
    )
    return "ACCEPTS" if done.returncode == 0 else "refuses"


def countermark(place: Path) -> str:
    """What we say, with the reason."""
    try:
        manifest = oms.verify((place / "model.sig").read_bytes(), KeyTrust(hostile.PEM))
        manifest.compare(hostile.digests(place / "model"))
    except CountermarkError as refusal:
        return f"refuses: {refusal.what}" + (f" ({refusal.why})" if refusal.why else "")
    return "ACCEPTS"


def show(name: str, case: hostile.Case, peer: Path) -> bool:
    """Build one case and print both answers; True where we refused."""
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        (place / "model.sig").write_bytes(case.build(place / "model"))
        (place / "key.pem").write_bytes(hostile.PEM)
        ours = countermark(place)
        print(f"{name:<22} {case.tries:<46} reference {reference(peer, place, case.options):<13} {ours[:150]}")
    return ours != "ACCEPTS"


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--peer", type=Path, default=DEFAULT_PEER, help="model_signing of its own environment")
    options = parser.parse_args()
    honest = hostile.Case(lambda model: hostile.signed(hostile.honest(model)), "an honest bundle")
    accepted = not show("honest", honest, options.peer)
    refused = [show(name, case, options.peer) for name, case in hostile.CASES.items()]
    return 0 if accepted and all(refused) else 1


if __name__ == "__main__":
    sys.exit(main())
