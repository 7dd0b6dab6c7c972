"""Every weakness W1 to W13, one line each: what the reference says and what Countermark says.

    python attacks/oms/all.py

Exit code 1 where one of ours is not what was promised. `compare.py` shows further hostile bundles.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path

NAMES = tuple(sorted(path.stem for path in Path(__file__).parent.glob("w[0-9][0-9]_*.py")))


def main() -> int:
    """Run them all."""
    fallen = 0
    for name in NAMES:
        script = importlib.import_module(name)
        with tempfile.TemporaryDirectory() as temporary:
            answers = script.attack(Path(temporary))
        fallen += not answers.held
        print(f"{name}: {script.TRIES}\n  reference    {answers.reference}\n  countermark  {answers.ours}")
    print(f"{len(NAMES) - fallen} of {len(NAMES)} as promised")
    return 1 if fallen else 0


if __name__ == "__main__":
    sys.exit(main())
