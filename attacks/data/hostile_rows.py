"""Tables of values and clips that a hostile supplier delivers: what each would do to a receiver that believes them.

    python attacks/data/hostile_rows.py

Shows what the supplier's own `deliver` says of each; tests show that the receiver's door refuses those that another program signed.
"""

from __future__ import annotations

import struct
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "formats")]

import numpy as np  # noqa: E402
import pyarrow  # noqa: E402
import tables  # noqa: E402
from tables_and_clips import wav_of  # noqa: E402

CALM = np.zeros(400, "<i2").tobytes()


class Hostile(NamedTuple):
    """One file of a delivery: its name, its bytes, what a refusal says, and what it would do."""

    name: str
    make: Callable[[], bytes]
    refusal: str
    story: str


def values(**columns: Any) -> bytes:
    """Parquet with a column `label`, unless another is given; two rows."""
    return tables.parquet(tables.table(**({"label": ["nut", "screw"]} | columns)), store_schema=False)


def lying_footer() -> bytes:
    """A footer that declares 2^60 rows of a group of 1,000."""
    data = tables.parquet(tables.table(label=["nut"] * 1000, n=list(range(1000))), store_schema=False)
    size = struct.unpack("<I", data[-8:-4])[0]
    footer = data[-8 - size : -8]
    mark = b"\x16" + tables.varint(1000)
    at = footer.index(mark)
    changed = footer[:at] + b"\x16" + tables.varint(1 << 60) + footer[at + len(mark) :]
    return data[: -8 - size] + changed + struct.pack("<I", len(changed)) + b"PAR1"


def lying_type() -> bytes:
    """Text whose footer says that it is numbers: the column's physical type was changed after writing."""
    return tables.patched(
        tables.ipc(tables.table(label=["nut", "nut"], n=["hello", "world"])),
        struct.pack("<3i", 0, 5, 10),
        struct.pack("<3i", 0, 5, 0x7FFFFFF0),
    )


def bomb() -> bytes:
    """A text of 64 KiB in 40,000 rows that Parquet holds once: a few hundred bytes for 2.5 GiB."""
    text = pyarrow.array(["a" * (64 << 10)])
    column = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * 40_000, pyarrow.int32()), text)
    labels = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * 40_000, pyarrow.int32()), pyarrow.array(["nut"]))
    made = pyarrow.table({"label": labels, "n": column})
    return tables.parquet(made, store_schema=False, compression="zstd", row_group_size=40_000)


def swollen() -> bytes:
    """Words that a table holds once, in 600 rows of 40 columns: a few kilobytes for 98 MB of rows."""
    word = pyarrow.DictionaryArray.from_arrays(pyarrow.array(np.zeros(600, np.int32)), pyarrow.array(["a" * 4000]))
    label = pyarrow.DictionaryArray.from_arrays(pyarrow.array(np.zeros(600, np.int32)), pyarrow.array(["nut"]))
    made = pyarrow.table({"label": label} | {f"c{n}": word for n in range(40)})
    return tables.parquet(made, store_schema=False, compression="zstd", write_statistics=False)


def wide(columns: int) -> bytes:
    """Many columns."""
    return values(**{f"c{i}": [1, 2] for i in range(columns)})


def attacks() -> dict[str, Hostile]:
    """All, by name."""
    nan = np.full(400, np.nan, "<f4").tobytes()
    cut = wav_of(CALM)
    return {
        "rows that are not there": Hostile("t.parquet", lying_footer, "declares", "memory is reserved for 2^60 rows"),
        "offsets outside": Hostile("t.arrow", lying_type, "cannot be read", "memory outside the buffer is read as text"),
        "bomb": Hostile("t.parquet", bomb, "over|crossed|decoded|longer|characters", "a kilobyte becomes 2.5 GiB"),
        "swollen rows": Hostile("t.parquet", swollen, "more rows than they may", "a few kilobytes become 98 MB of rows in memory and on disk"),
        "5,000 columns": Hostile("t.parquet", lambda: wide(5000), "columns", "features of 5,000 columns for every row of everybody"),
        "a word of a megabyte": Hostile("t.parquet", lambda: values(n=["a" * (1 << 20), "b"]), "characters of a word", "memory, and a page nobody reads"),
        "an infinite number": Hostile("t.parquet", lambda: values(n=[1.0, np.inf]), "not finite", "means and spreads of everybody become infinite"),
        "a list in a cell": Hostile("t.parquet", lambda: values(n=[[1, 2], [3]]), "no number, time or text", "what no check looks at reaches the training"),
        "a row of no class": Hostile("t.parquet", lambda: values(label=["nut", None], n=[1, 2]), "no class", "a row that no count knows of"),
        "a class that is a path": Hostile("t.parquet", lambda: values(label=["../../nut", "nut"], n=[1, 2]), "not a name|no folder|slash", "the training set is written elsewhere"),
        "a column that redraws the screen": Hostile("t.parquet", lambda: values(**{"n\x1b[2J": [1, 2]}), "control character", "a finding shows something else than it says"),
        "nothing but classes": Hostile("t.parquet", values, "says something of a row", "rows that nothing can be said of"),
        "a clip cut short": Hostile("nut/0.wav", lambda: cut[:-10], "cut short", "samples beyond the end are read"),
        "a clip with something behind": Hostile("nut/0.wav", lambda: cut + b"PK\x03\x04" + bytes(40), "bytes after the end", "another program sees an archive"),
        "a clip of no numbers": Hostile("nut/0.wav", lambda: wav_of(nan, tag=3, bits=32), "no finite numbers", "one clip stops the screening of all"),
        "a clip of ten samples": Hostile("nut/0.wav", lambda: wav_of(CALM[:20]), "the least", "one clip stops the screening of all"),
        "a clip that is something else": Hostile("nut/0.wav", lambda: b"\x7fELF" + bytes(100), "no WAV", "a program among the data"),
        "two gigabytes declared": Hostile("nut/0.wav", lambda: cut[:40] + struct.pack("<I", 0x7FFFFFF0) + cut[44:], "beyond the file", "memory is reserved for what is not there"),
    }  # fmt: skip


def laid_out(hostile: Hostile, place: Path) -> Path:
    """A folder that holds the one file."""
    file = place / "data" / hostile.name
    file.parent.mkdir(parents=True)
    file.write_bytes(hostile.make())
    return place / "data"


def main() -> int:
    """Show what `deliver` says of each table, and the door of each clip; 1 where one passed."""
    from countermark.artefact.dataset import Dataset
    from countermark.errors import CountermarkError
    from countermark.lifecycle import deliver
    from countermark.lifecycle.contract import Contract, Door

    passed = 0
    for name, hostile in attacks().items():
        with tempfile.TemporaryDirectory() as folder:
            place = laid_out(hostile, Path(folder))
            try:
                if hostile.name.endswith(".wav"):
                    dataset = Dataset("folder-per-class", {hostile.name: "nut"})
                    said = "; ".join(Door(Contract())("acme", dataset, iter([(hostile.name, hostile.make())])))
                else:
                    deliver.look(place)
                    said = ""
            except CountermarkError as error:
                said = error.what
        passed += not said
        print(f"{name:34} {said or 'PASSED':90.90} {hostile.story}")
    return 1 if passed else 0


if __name__ == "__main__":
    sys.exit(main())
