"""``countermark review``."""

from __future__ import annotations

from pathlib import Path

import click

from countermark.cli import show
from countermark.cli.options import FOLDER, desk_options, json_option


@click.command("review")
@click.option("--sheet", type=FOLDER, help="Write a contact sheet (HTML).")
@click.option("--csv", "csv_file", type=FOLDER, help="Write the rows as CSV.")
@click.option(
    "--letters", type=FOLDER, help="Folder for signed letters, one per delivery, each with its own rows only."
)
@click.option("--supplier", help="Only this supplier's rows.")
@desk_options
@json_option
def command(sheet: Path | None, csv_file: Path | None, letters: Path | None, supplier: str | None, workspace: Path | None,
            passphrase_file: Path | None, as_json: bool) -> None:  # fmt: skip
    """Look at what the newest screening flagged; write what people need to decide.

    \b
    Examples:
      countermark review --sheet sheet.html --csv flagged.csv
      countermark review --letters letters/
    """
    from countermark.compose import desk
    from countermark.lifecycle import review

    me = desk(workspace, passphrase_file)
    listed = [s for s in review.suspects(me) if supplier in (None, s.row.supplier)]
    if sheet:
        sheet.write_text(review.contact_sheet(me, listed))
    if csv_file:
        csv_file.write_text(review.to_csv(listed))
    if letters:
        letters.mkdir(parents=True, exist_ok=True)
        for name in sorted({s.row.supplier for s in listed}):
            for envelope in review.letter(me, name, listed):
                (letters / f"{name}-{envelope.digest[:8]}.json").write_bytes(envelope.to_bytes())
    if as_json:
        show.as_json(
            {
                "rows": [
                    {"row": s.row.id, "supplier": s.row.supplier, "label": s.row.label, "seen": s.seen} for s in listed
                ]
            }
        )
        return
    show.lines(*(f"{s.row.id}  {s.row.supplier}  {s.row.label}" for s in listed[:50]))
    show.verdict(f"{len(listed)} rows to look at", good=not listed)
