"""Read what an earlier run left in the output folder: an input that nobody declared."""

from pathlib import Path

print(Path("out/leftover").read_text())
