"""The wheel of the last commit, built twice from clean copies and kept only where both are the same bytes.

    python release/reproducible.py [--out dist]

What is built is what the commit holds (`git archive`), not the working tree: a file that nobody committed cannot slip in.
The two copies lie in different folders and are built under different umasks. Time is `SOURCE_DATE_EPOCH`, else the
commit's. The build backend is the locked one of this environment; nothing is fetched.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from io import BytesIO
from pathlib import Path

ROOT = Path(__file__).parents[1]


def git(*words: str) -> bytes:
    """What git says about this repository.

    Raises:
        SystemExit: it is none, or git is absent.
    """
    try:
        done = subprocess.run(["git", "-C", ROOT, *words], capture_output=True, check=False)
    except FileNotFoundError as error:
        raise SystemExit("git is not installed: the wheel is built from a commit") from error
    if done.returncode:
        raise SystemExit(f"git {words[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def epoch() -> int:
    """Seconds since 1970 that everything made here is dated with (reproducible-builds.org, SOURCE_DATE_EPOCH)."""
    said = os.environ.get("SOURCE_DATE_EPOCH") or git("log", "-1", "--format=%ct").decode()
    return int(said)


def version() -> str:
    """The version, from where the build backend reads it.

    Raises:
        SystemExit: it is not there.
    """
    found = re.search(
        r'^__version__ = "(.+)"$', (ROOT / "src" / "countermark" / "__init__.py").read_text(), re.MULTILINE
    )
    if found is None:
        raise SystemExit("src/countermark/__init__.py tells no __version__")
    return found[1]


def build(commit: str, place: Path, umask: int) -> Path:
    """Unpack a commit into `place` and build its wheel there.

    Raises:
        SystemExit: it does not build; the backend's output is shown.
    """
    source, out = place / "source", place / "out"
    before = os.umask(umask)
    try:
        with tarfile.open(fileobj=BytesIO(git("archive", commit))) as archive:
            archive.extractall(source, filter="data")
        done = subprocess.run(
            [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, source],
            capture_output=True, text=True, check=False, env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch())},
        )  # fmt: skip
    finally:
        os.umask(before)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return next(out.glob("*.whl"))


def reproduced(commit: str = "HEAD") -> tuple[str, bytes]:
    """Name and bytes of the wheel.

    Raises:
        SystemExit: two builds differ.
    """
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory(prefix="another-place-") as two:
        first, second = build(commit, Path(one), 0o022), build(commit, Path(two), 0o077)
        data = first.read_bytes()
        if data != second.read_bytes() or first.name != second.name:
            raise SystemExit(f"two builds of {commit} differ: {first.name}; nothing is kept")
        return first.name, data


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    options = parser.parse_args()
    name, data = reproduced()
    if git("status", "--porcelain", "--untracked-files=no"):
        print("changes that are not committed are not in the wheel", file=sys.stderr)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / name).write_bytes(data)
    print(f"{hashlib.sha256(data).hexdigest()}  {options.out / name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
