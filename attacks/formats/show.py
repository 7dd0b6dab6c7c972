"""Write every hostile file of this folder, read it as Countermark does, and show what is said.

Usage: ``python attacks/formats/show.py [FOLDER]``; without a folder nothing is kept.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import images
import models

from countermark.checks.model.inspect import inspect_path
from countermark.formats.image import sniff
from countermark.formats.limits import Malformed


def picture(data: bytes) -> list[str]:
    """Rules that refuse or flag a picture."""
    try:
        return [flag.rule for flag in sniff(data).flags]
    except Malformed as error:
        return [error.rule]


def main() -> int:
    """Show all; 1 where anything passed unseen."""
    missed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(sys.argv[1] if len(sys.argv) > 1 else name)
        for attack in (*images.attacks().values(), *models.attacks().values()):
            (folder / attack.file).write_bytes(attack.data)
        for shown in images.attacks().values():
            said = picture(shown.data)
            missed += shown.rule not in said
            print(f"{shown.file:28} {', '.join(said):40} {shown.story}")
        for hostile in models.attacks().values():
            inspection = inspect_path(folder / hostile.file)
            answer = inspection.files[0]
            missed += inspection.exit_code == 0
            rules = ", ".join(finding.rule for finding in inspection.findings) or answer.why
            print(f"{hostile.file:28} {answer.answer}: {rules[:60]:50} {hostile.story}")
    print(f"{missed} passed unseen")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
