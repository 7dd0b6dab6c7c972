"""Options that choose how work is spread, for commands that look at many rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from countermark.cli._command import PATH
from countermark.errors import Unusable

if TYPE_CHECKING:
    from countermark.engines.engine import Engine

ENGINES = ("threads", "processes", "daft")


def engine_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--engine``, ``--workers``, ``--cluster`` and ``--cluster-token``; results are the same whatever is chosen."""
    for option in (
        click.option("--cluster-token", type=PATH, metavar="FILE", help="File with the token of the cluster."),
        click.option("--cluster", metavar="HOST:PORT", help="Ray cluster for daft: trust it as this machine."),
        click.option("--workers", type=click.IntRange(1, 4096), default=2, show_default=True, help="Work at once."),
        click.option("--engine", type=click.Choice(ENGINES), default=ENGINES[0], show_default=True,
                     help="How work is spread; the result is the same."),
    ):  # fmt: skip
        function = option(function)
    return function


def chosen(engine: str, workers: int, cluster: str | None, cluster_token: Path | None) -> Engine:
    """The engine of these options.

    Raises:
        Unusable: a cluster for another engine than daft, or no address. MissingExtra: Daft or Ray is absent.
    """
    if engine != "daft" and (cluster or cluster_token):
        raise Unusable(f"--engine {engine} knows no cluster", mend="--engine daft")
    if engine == "daft":
        from countermark.engines.daft import Daft

        return Daft(workers, cluster=cluster, token=cluster_token.absolute() if cluster_token else None)
    from countermark.engines.engine import Pool, Threads

    return Threads(workers) if engine == "threads" else Pool(workers)
