"""Change the data that the statement says was used."""

from pathlib import Path

Path("data/row.txt").write_text("another row")
