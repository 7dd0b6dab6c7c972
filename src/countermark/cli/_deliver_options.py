"""The options of `countermark deliver`, as one value."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import click

from countermark.cli._command import PATH
from countermark.cli._options import taken_as
from countermark.errors import Unusable


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for, each as its option says."""

    folder: Path
    addressee: str | None
    replace: bool
    admitted: bool
    cached: bool
    strip: bool
    seal_for: tuple[str, ...]
    canaries: Path | None
    dry_run: bool

    def refuse_mixed(self) -> None:
        """Refuse options of which one would silently do nothing.

        Raises:
            Unusable: two of them do not go together.
        """
        if self.seal_for and self.dry_run:
            raise Unusable("--dry-run and --seal-for do not go together", mend="leave one out")
        if self.canaries is not None and (self.dry_run or self.admitted or self.strip):
            raise Unusable("--canaries goes with none of --dry-run, --admitted and --strip", why="the folder must be the one that was drawn",
                           mend="strip first, then draw, then deliver")  # fmt: skip
        if self.dry_run and self.admitted:
            raise Unusable("--dry-run and --admitted do not go together", mend="leave one out")


deliver_options = taken_as("asked", Asked, [one.name for one in fields(Asked)], (
    click.argument("folder", type=PATH),
    click.option("--to", "addressee", metavar="PARTY", help="Who it is for (default: `to` of countermark.toml, or the only "
                 "data owner)."),
    click.option("--replace", is_flag=True, help="It corrects this party's last delivery, whose rows no longer count."),
    click.option("--admitted", is_flag=True, help="Write the rows that training may see into FOLDER, then deliver it."),
    click.option("--cached", is_flag=True, help="Read only files that changed since the last delivery with --cached."),
    click.option("--strip", is_flag=True, help="Write FOLDER.stripped, its pictures without metadata that tells of people, places "
                 "and devices, and deliver that."),
    click.option("--seal-for", multiple=True, metavar="KEY",
                 help="Seal the folder for this .sealpub key too, and hand that over instead of it; may be repeated."),
    click.option("--canaries", type=PATH, metavar="KEY", help="Declare the pairs that `canary draw` drew for FOLDER: how many, and a "
                 "commitment."),
    click.option("--dry-run", is_flag=True, help="Show classes, counts and what would be refused; sign nothing."),
))  # fmt: skip
"""Adds them to a command, which takes them as `asked`."""
