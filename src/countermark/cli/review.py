"""`countermark review`: what the newest screening flagged, for people to decide about."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from countermark.cli._answer import FINE, FOUND, Answer, Table
from countermark.cli._command import PATH, command, with_desk
from countermark.cli._show import count

if TYPE_CHECKING:
    from countermark.lifecycle.desk import Desk
    from countermark.lifecycle.review import Suspect

SHOWN = 40


@command("review", examples=[
    "countermark review --sheet sheet.html --csv flagged.csv",
    "countermark review --supplier acme --letters letters/",
])  # fmt: skip
@click.option("--supplier", metavar="PARTY", help="Only this supplier's rows.")
@click.option("--sheet", type=PATH, metavar="FILE", help="Write a contact sheet, one HTML file without scripts.")
@click.option("--csv", "csv_file", type=PATH, metavar="FILE", help="Write the rows as CSV.")
@click.option(
    "--letters", type=PATH, metavar="DIR", help="Write signed letters, each to one supplier about its own rows."
)
@with_desk
def review(supplier: str | None, sheet: Path | None, csv_file: Path | None, letters: Path | None, desk: Desk) -> Answer:
    """Look at what the newest screening flagged; write what people need to decide.

    Then: countermark decide ROW --accept, --relabel CLASS, --reject or --undo.
    """
    from countermark.lifecycle import review as stage

    listed = [s for s in stage.suspects(desk) if supplier in (None, s.row.supplier)]
    written: list[Path] = []
    if sheet is not None:
        desk.space.disk.write(sheet, stage.contact_sheet(desk, listed).encode())
        written.append(sheet)
    if csv_file is not None:
        desk.space.disk.write(csv_file, stage.to_csv(listed).encode())
        written.append(csv_file)
    if letters is not None:
        written += write_letters(desk, listed, letters)
    rows = [(s.row.id, s.row.supplier, s.row.label, *_told(s)) for s in stage.worst_first(listed)[:SHOWN]]
    more = [f"... and {len(listed) - SHOWN} more rows: --csv or --json lists all"] if len(listed) > SHOWN else []
    return Answer(
        _verdict(listed),
        FOUND if listed else FINE,
        {"rows": [{"row": s.row.id, "supplier": s.row.supplier, "label": s.row.label, "seen": s.seen, "stands": s.stands}
                  for s in listed],
         "written": [str(p) for p in written]},
        [*(stage.findings(desk) if listed else []), Table(("row", "supplier", "class", "seen by", "stands"), rows), *more, *(f"written: {p}" for p in written)],
    )  # fmt: skip


def _told(suspect: Suspect) -> tuple[str, str]:
    """Which checks name a row, where its supplier finds it and that it disputes that; and how it stands."""
    row, disputed = suspect.row, ["disputed"] if "disputed by " in suspect.seen else []
    return (f"{row.place}: " if row.shard else "") + ", ".join(
        [*suspect.checks, *disputed]
    ), suspect.stands or "undecided"


def _verdict(listed: list[Suspect]) -> str:
    """How many rows there are, and what became of them."""
    if not listed:
        return "nothing was flagged"
    states = Counter(s.stands.partition(" to ")[0] for s in listed if s.stands)
    told = "".join(f", {number} {state}" for state, number in sorted(states.items()))
    return f"{count(len(listed), 'row')} to look at{told}"


def write_letters(desk: Desk, listed: list[Suspect], folder: Path) -> list[Path]:
    """One signed letter per delivery with suspect rows; returns the files."""
    from countermark.lifecycle import review as stage

    desk.space.disk.folder(folder)
    out = []
    for name in sorted({s.row.supplier for s in listed}):
        for envelope in stage.letter(desk, name, listed):
            out.append(folder / f"{name}-{envelope.digest[:8]}.json")
            desk.space.disk.write(out[-1], envelope.to_bytes(), mode=0o644)
    return out
