"""Options that several commands share, declared once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])
FOLDER = click.Path(path_type=Path)
EXISTING = click.Path(exists=True, path_type=Path)


def json_option(function: Function) -> Function:
    """``--json``: one canonical JSON object on standard output instead of text."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")(function)


def quiet_option(function: Function) -> Function:
    """``--quiet``: no progress."""
    return click.option("--quiet", "-q", is_flag=True, help="No progress bar.")(function)


def desk_options(function: Function) -> Function:
    """``--as``/``--workspace`` and ``--passphrase-file``: whose desk a command sits at."""
    function = click.option("--passphrase-file", type=EXISTING, help="File whose first line opens this party's keys.")(
        function
    )
    return click.option(
        "--workspace", "-w", type=FOLDER, help="Folder of this party's workspace; default: here or above."
    )(function)
