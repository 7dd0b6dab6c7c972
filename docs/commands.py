"""Writes docs/reference/commands.md from the program itself; a test compares the two.

python docs/commands.py > docs/reference/commands.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

from countermark.cli._table import COMMANDS, SECTIONS
from countermark.cli.main import countermark

HEAD = """# Commands

Every command takes `--json` (one canonical JSON object instead of text) and `--quiet` (the last line only), uses no
colour when its output is no terminal or `NO_COLOR` is set, draws a progress bar on standard error past one second of
work, and ends with a line that says its verdict. [Exit codes](exit-codes.md) are the same everywhere.

This page is written by `docs/commands.py` from the program's own help.
"""
WIDTH = 92


def page() -> str:
    """The whole page."""
    lines = [HEAD]
    for section in SECTIONS:
        lines.append(f"## {section}\n")
        for name, entry in COMMANDS.items():
            if entry.section == section:
                found = countermark.get_command(click.Context(countermark), name)
                lines += _command((name,), found)
    return "\n".join(lines).rstrip() + "\n"


def _command(path: tuple[str, ...], found: click.Command | None) -> Iterator[str]:
    if found is None:
        return
    depth = "#" * (2 + len(path))
    context = click.Context(found, info_name=" ".join(("countermark", *path)), terminal_width=WIDTH)
    text = "\n".join(line.rstrip() for line in found.get_help(context).splitlines())
    yield f"{depth} `{' '.join(path)}`\n\n```text\n{text}\n```\n"
    if isinstance(found, click.Group):
        for name in found.list_commands(context):
            yield from _command((*path, name), found.get_command(context, name))


if __name__ == "__main__":
    sys.stdout.write(page())
