"""A second screening of tables and clips decodes the new delivery alone, and says to the last bit what one from nothing says."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("sklearn")

import forged_kept
import made_up_sounds
import made_up_tables
import many_deliveries
import numpy as np
from core_world import OWNER, World
from tables_and_clips import clips_of, table_of

from countermark.artefact.tree import TreeEntry
from countermark.checks.data import _summaries
from countermark.checks.data._kept import Block, Kept
from countermark.engines.engine import InProcess
from countermark.features import arrays
from countermark.lifecycle import kept_rows, other_rows
from countermark.lifecycle.claimed_table import Parts
from countermark.lifecycle.contract import Contract, Door
from countermark.lifecycle.deliver import deliver
from countermark.lifecycle.receive import nothing_more, receive
from countermark.lifecycle.screen import Screened, screen
from countermark.statement.statement import Statement

LABS = tuple(f"lab-{n:02}" for n in range(4))
TABLE = made_up_tables.honest(1, suppliers=4, rows=24)
HONEST = made_up_sounds.honest(1, suppliers=4, rows=12, classes=2, seconds=0.05)
SOUNDS = replace(HONEST, supplier=np.char.replace(HONEST.supplier, "site", "lab"))
CLIPS, ROWS = 12, 24


def send(world: World, lab: str) -> None:
    """A lab delivers its table and its clips."""
    measured = table_of(TABLE, lab, world.root / lab / "t.parquet")
    clips = clips_of(SOUNDS, lab, world.root / lab / "clips")
    for place, examine in ((measured, Door(Contract())), (clips, nothing_more)):
        deliver(world[lab], place, addressee=OWNER)
        assert receive(world[OWNER], place, examine=examine).state == "admitted"


def facts(done: Screened) -> dict[str, Any]:
    said = Statement.from_bytes(done.slip.envelope.payload).predicate["facts"]
    assert isinstance(said, dict)
    return said


def counts(read: int, computed: int) -> dict[str, dict[str, int]]:
    """What a statement says was read and computed of so many labs' deliveries."""
    return {
        "columns": {"read": read * ROWS, "computed": computed * ROWS}, "clips": {"read": read * CLIPS, "computed": computed * CLIPS},
        "clip summaries": {"read": read * CLIPS, "computed": computed * CLIPS},
    }  # fmt: skip


def alike(one: Screened, other: Screened) -> None:
    """To the last bit, but for what was kept."""
    for a, b in zip(one.seen.parts, other.seen.parts, strict=True):
        assert (a.form, a.rows) == (b.form, b.rows)
        mine, yours = a.screening, b.screening
        assert np.array_equal(mine.row_p, yours.row_p) and np.array_equal(mine.row_flagged, yours.row_flagged)
        assert np.array_equal(mine.seen.heads.features, yours.seen.heads.features)
        assert (mine.suppliers, mine.cells, mine.findings, mine.exhibits, mine.features) == (
            yours.suppliers, yours.cells, yours.findings, yours.exhibits, yours.features,
        )  # fmt: skip
        assert {n: r.to_json() for n, r in mine.checks.items()} == {n: r.to_json() for n, r in yours.checks.items()}
    first, second = (facts(done) for done in (one, other))
    assert {k: v for k, v in first.items() if k != "kept"} == {k: v for k, v in second.items() if k != "kept"}


@pytest.mark.slow
def test_the_second_decodes_the_new_delivery_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = many_deliveries.join(tmp_path / "world", LABS, {*TABLE.label, *SOUNDS.label})
    for lab in LABS[:-1]:
        send(world, lab)
    assert facts(screen(world[OWNER]))["kept"] == counts(0, 3)
    send(world, LABS[-1])
    decoded, tables = list[str](), list[int]()

    def heard(rows: Any, *more: Any, **how: Any) -> Any:
        rows = list(rows)
        decoded.extend(row.supplier for row in rows)
        return REAL_DECODED(rows, *more, **how)

    def parsed(*given: Any) -> Any:
        tables.append(1)
        return REAL_READ(*given)

    monkeypatch.setattr(other_rows, "decoded", heard)
    monkeypatch.setattr(other_rows, "read_one", parsed)
    second = screen(world[OWNER])
    assert facts(second)["kept"] == counts(3, 1)
    assert decoded == [LABS[-1]] * CLIPS and tables == [1]
    again = screen(world[OWNER])
    assert facts(again)["kept"] == counts(4, 0) and len(decoded) == CLIPS and tables == [1]
    alike(again, second)
    kept = world[OWNER].space.home / "kept"
    files = sorted(kept.glob("*.kept"))
    assert len(files) == 3 * len(LABS)
    for path in files:  # the attack: kept work that another secret signed, that was cut short, or exchanged
        forged_kept.sign(path, path.read_bytes()[32:], bytes(32))
    files[0].write_bytes(b"")
    shutil.copyfile(files[1], files[2])
    anew = screen(world[OWNER])
    assert facts(anew)["kept"] == counts(0, 4)
    alike(anew, second)
    refit = screen(world[OWNER], refit=True)
    assert facts(refit)["kept"] == counts(0, 4)
    alike(refit, second)


class Memory(dict[str, bytes]):
    """A store in memory."""

    def put(self, name: str, content: bytes) -> None:
        self[name] = content


def test_kept_work_of_another_shape_is_none(tmp_path: Path) -> None:
    """What a MAC vouches for is still read with care: other rows, dtypes or members count as nothing kept."""
    rng = np.random.default_rng(0)
    clips = [rng.normal(size=(size, 2)).astype(np.float32) for size in (40, 60, 50)]
    rates = np.full(3, 8000.0)
    block, file = Block(0, 3, "ab" * 32), TreeEntry("t.parquet", 9, False, bytes(32))
    kept = Kept(Memory())
    kept_rows.clips_kept(kept, block, kept_rows.Samples(clips, rates.tolist()))
    read = kept_rows.clips_read(kept, block)
    assert read is not None and list(read.rates) == rates.tolist()
    assert all(np.array_equal(a, b) for a, b in zip(read.clips, clips, strict=True))
    made = _summaries.summaries(clips, rates, InProcess(), None, kept, (block,))
    assert all(map(np.array_equal, made, _summaries.summaries(clips, rates, InProcess(), None, kept, (block,))))
    assert kept.counts["clip summaries"] == [3, 3]
    sheet = Parts([("a", 0, "double"), ("b", 2, "string")], (), [np.arange(4.0).reshape(2, 2)], [[], ["x", "\ud800"]])
    kept_rows.table_kept(kept, file, sheet)
    again = kept_rows.table_read(kept, file)
    assert again is not None and (again.heads, again.words, again.rows) == (sheet.heads, sheet.words, 2)
    assert np.array_equal(again.values[0], sheet.values[0])
    assert kept_rows.clips_read(kept, Block(0, 2, block.digest)) is None
    readers = {
        (kept_rows.CLIPS, block.digest): lambda: kept_rows.clips_read(kept, block),
        (kept_rows.COLUMNS, kept_rows.digest(file).hex()): lambda: kept_rows.table_read(kept, file),
        (_summaries.KIND, f"{8000.0!r} {block.digest}"): lambda: _summaries._read(kept, 8000.0, block),
    }
    for (kind, content), reader in readers.items():
        data = kept.get(kind, content)
        assert data is not None and reader() is not None
        whole = dict(arrays.from_bytes(data))
        fewer, other = ({k: v[:1] for k, v in whole.items()}, {k: v.astype(np.int64) for k, v in whole.items()})
        for wrong in (*({k: v for k, v in whole.items() if k != gone} for gone in whole), fewer, other):
            kept.put(kind, content, arrays.to_bytes(wrong))
            assert reader() is None, (kind, list(wrong))
        kept.put(kind, content, b"no arrays")
        assert reader() is None
    assert all(map(np.array_equal, made, _summaries.summaries(clips, rates, InProcess(), None, kept, (block,))))


REAL_DECODED, REAL_READ = other_rows.decoded, other_rows.read_one
