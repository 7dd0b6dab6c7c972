"""Training code beside bandit: what each finds of the examples and disguises here, and on real scripts.

    python -m venv .benchenv && .benchenv/bin/pip install bandit==1.9.4
    python benchmarks/recipes.py --peer .benchenv/bin/bandit --real FOLDER

`found` counts files in which a tool says anything at all, which favours the peer: its ids need not name the same thing.
The cases are our own, so recall says what was built, not how it fares in the wild; FOLDER shows alarms on code that nobody
here wrote.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from cost import measure

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "attacks" / "training"))
import hidden_calls  # noqa: E402  (the corpus)

COUNTERMARK = Path(sys.executable).with_name("countermark")


def cases() -> dict[str, dict[str, str]]:
    """Group -> name -> text."""
    pages = sorted((ROOT / "docs" / "reference" / "checks" / "training").glob("*.md"))
    blocks = {p.stem: re.findall(r"```python\n(.*?)```", p.read_text(encoding="utf-8"), re.DOTALL) for p in pages}
    return {
        "bad examples": {name: found[0] for name, found in blocks.items() if found},
        "disguised pickle.loads": dict(hidden_calls.DISGUISES),
        "other ways": {f"{n} {rule}": text for n, (text, rule) in enumerate(hidden_calls.OTHERS)},
        "good examples": {name: found[1] for name, found in blocks.items() if found},
    }


def ours(folder: Path) -> set[str]:
    """Files in which a rule is broken."""
    done = subprocess.run(
        [COUNTERMARK, "inspect", folder, "--kind", "recipe", "--json"], capture_output=True, check=False
    )
    return {f["path"] for f in json.loads(done.stdout)["files"] if f["answer"] == "refused"}


def peers(bandit: Path, folder: Path) -> set[str]:
    """Files in which bandit finds anything."""
    done = subprocess.run([bandit, "-r", folder, "-f", "json", "-q"], capture_output=True, check=False)
    found = json.loads(done.stdout)["results"]
    return {Path(f["filename"]).resolve().relative_to(folder.resolve()).as_posix() for f in found}


def written(folder: Path, texts: Iterable[str]) -> int:
    """One file for each text; returns how many."""
    for number, text in enumerate(texts):
        (folder / f"case_{number:03}.py").write_text(text, encoding="utf-8")
    return len(list(folder.iterdir()))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", type=Path)
    parser.add_argument("--real", type=Path)
    options = parser.parse_args()
    tools = {"countermark": ours} | ({"bandit": partial(peers, options.peer)} if options.peer else {})
    for group, texts in cases().items():
        with tempfile.TemporaryDirectory() as place:
            count = written(Path(place), texts.values())
            said = ", ".join(f"{name} {len(tool(Path(place)))}" for name, tool in tools.items())
            print(f"{group} ({count} files): {said}")
    if options.real:
        count = len(list(options.real.rglob("*.py")))
        print(
            f"real ({count} files): " + ", ".join(f"{name} {len(tool(options.real))}" for name, tool in tools.items())
        )
        command = [COUNTERMARK, "inspect", options.real, "--kind", "recipe", "--quiet"]
        print("countermark", measure(command, allowed=[0, 1, 3]))
        if options.peer:
            print("bandit", measure([options.peer, "-r", options.real, "-q", "-f", "json"], allowed=[0, 1]))


if __name__ == "__main__":
    main()
