"""`countermark report`: one self-contained page about a model: verdict first, then what was not looked at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from countermark import compose
from countermark.cli._answer import FINE, FOUND, Answer, Pairs
from countermark.cli._command import PATH, command, with_desk
from countermark.cli._show import count

if TYPE_CHECKING:
    from countermark.lifecycle.desk import Desk

SHOWN = 5


@command("report", examples=[
    "countermark report model",
    "countermark report model --out report.html --sarif report.sarif --json-file report.json",
])  # fmt: skip
@click.argument("model", type=PATH)
@click.option("--policy", type=PATH, metavar="FILE", help="As for `release`.")
@click.option("--out", type=PATH, metavar="FILE", default=Path("report.html"), show_default=True)
@click.option("--json-file", type=PATH, metavar="FILE", help="Write the same as JSON.")
@click.option("--sarif", type=PATH, metavar="FILE", help="Write findings and failed rules as SARIF 2.1.0.")
@click.option("--markdown", type=PATH, metavar="FILE", help="Write a short form for a merge request.")
@with_desk
def report(
    model: Path,
    policy: Path | None,
    out: Path,
    json_file: Path | None,
    sarif: Path | None,
    markdown: Path | None,
    desk: Desk,
) -> Answer:
    """Write one self-contained HTML file about a model, as the ledger's keeper sees it.

    It needs no scripts and no network, prints well, and shows the verdict first, then what was not looked at. The
    files are written whatever the verdict is; the exit code is the verdict's.
    """
    from countermark.report.build import build, write

    made = build(desk, model, compose.policy_of(desk, policy))
    write(made, out, json=json_file, sarif=sarif, markdown=markdown)
    written = [str(p) for p in (out, json_file, sarif, markdown) if p]
    missing = made.not_looked_at()
    more = f", {len(missing) - SHOWN} more of them in {out}" if len(missing) > SHOWN else ""
    return Answer(
        f"{made.headline}: {out}",
        FINE if made.admitted else FOUND,
        {"headline": made.headline, "written": written, "findings": len(made.findings()), "not_looked_at": missing},
        [*(f"not looked at: {line}" for line in missing[:SHOWN]),
         Pairs([("findings", len(made.findings())), ("not looked at", count(len(missing), "thing") + more),
                *(("written", path) for path in written)])],
    )  # fmt: skip
