"""Write rows-v1.json with the second implementation alone: ``python tests/vectors/rows/make_rows_vectors.py``."""

from __future__ import annotations

import json
from pathlib import Path

import rows_oracle

CASES = [
    ("one text and one number", {"key": "text", "n": "int64"}, [{"key": "a", "n": 1}]),
    ("nulls and empty text", {"key": "text", "t": "text"}, [{"key": "a", "t": None}, {"key": "b", "t": ""}]),
    ("columns sort by their bytes", {"key": "text", "Z": "bool", "a": "bool", "ä": "uint8"},
     [{"key": "ä", "Z": True, "a": False, "ä": 255}]),
    ("floats by their bits", {"key": "text", "f": "float64", "g": "float32"},
     [{"key": "a", "f": 0.0, "g": 1.5}, {"key": "b", "f": -0.0, "g": None}]),
    ("times", {"key": "text", "d": "date32", "t": "timestamp[us, UTC]", "u": "timestamp[ns]"},
     [{"key": "a", "d": -1, "t": 1_700_000_000_000_000, "u": -1}]),
    ("nested", {"key": "text", "l": {"list": {"struct": {"x": "int16", "y": {"list": "text"}}}}, "m": {"map": ["text", "int8"]}},
     [{"key": "a", "l": [{"x": 1, "y": ["p", None]}, None, {"x": None, "y": None}], "m": [["k", None], ["l", -1]]},
      {"key": "b", "l": [], "m": None}]),
    ("a shard", {"__key__": "text", "cls": "bytes", "txt": "bytes"},
     [{"__key__": "000", "cls": "nut", "txt": "one"}, {"__key__": "001", "cls": "bolt", "txt": ""}]),
]  # fmt: skip


def made() -> dict[str, object]:
    """All cases with digests and root."""
    cases = []
    for name, kinds, rows in CASES:
        column = "__key__" if "__key__" in kinds else "key"
        digests = {row[column]: rows_oracle.row_digest(kinds, row) for row in rows}
        cases.append(
            {
                "name": name,
                "id": column,
                "schema": kinds,
                "rows": rows,
                "digests": digests,
                "root": rows_oracle.root(digests),
            }
        )
    return {"format": 1, "cases": cases}


if __name__ == "__main__":
    text = json.dumps(made(), ensure_ascii=False, indent=1) + "\n"
    Path(__file__).with_name("rows-v1.json").write_text(text)
