"""``countermark screen``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from countermark.cli import show
from countermark.cli.options import EXISTING, FOLDER, desk_options, json_option, quiet_option


@click.command("screen")
@click.argument("photos", type=EXISTING, required=False)
@click.option(
    "--label-from", metavar="PATTERN", help="Where supplier and label stand in a path: '{supplier}/{label}/*'."
)
@click.option("--contract", type=EXISTING, help="Contract (JSON or TOML).")
@click.option("--csv", "csv_file", type=FOLDER, help="Write flagged rows as CSV.")
@click.option("--seed", type=int, default=0, show_default=True)
@desk_options
@json_option
@quiet_option
def command(photos: Path | None, label_from: str | None, contract: Path | None, csv_file: Path | None, seed: int,
            workspace: Path | None, passphrase_file: Path | None, as_json: bool, quiet: bool) -> None:  # fmt: skip
    """Look for poison in training data, and name the supplier whose delivery disagrees with all others.

    With PHOTOS it needs no workspace; suppliers are then only claimed. Without, it screens everything that was
    admitted here, signs the result and enters it into the ledger.

    \b
    Examples:
      countermark screen photos/ --label-from '{supplier}/{label}/*'
      countermark screen --contract contract.json
    """
    with show.progress("screen", quiet=quiet) as step:

        def tick(what: str, share: float) -> None:
            step(what, int(100 * share), 100)

        if photos is not None:
            result, facts = _claimed(photos, label_from or "{supplier}/{label}/*", contract, seed, tick)
        else:
            result, facts = _admitted(workspace, passphrase_file, contract, seed, tick)
    if csv_file:
        csv_file.write_text(facts.pop("csv"))
    facts.pop("csv", None)
    _tell(result, facts, as_json)


def _admitted(
    workspace: Path | None, phrase: Path | None, contract: Path | None, seed: int, tick: Any
) -> tuple[Any, dict[str, Any]]:
    from countermark.cli.receive import find_contract
    from countermark.compose import desk
    from countermark.lifecycle import review
    from countermark.lifecycle.screen import screen

    me = desk(workspace, phrase)
    done = screen(me, find_contract(me.space.root, contract), seed=seed, progress=tick)
    facts = {
        "statement": done.slip.envelope.digest,
        "dataset": done.dataset,
        "flagged": done.flagged(),
        "suppliers": "verified",
    }
    return done.screening, facts | {"csv": review.to_csv(review.suspects(me))}


def _claimed(photos: Path, pattern: str, contract: Path | None, seed: int, tick: Any) -> tuple[Any, dict[str, Any]]:
    from countermark.checks.data.battery import screen
    from countermark.cli.receive import find_contract
    from countermark.lifecycle.claimed import read_claimed

    rows = read_claimed(photos, pattern, tick)
    agreed = find_contract(photos, contract).rows if contract else None
    result = screen(rows.images, rows.labels, rows.suppliers, ids=rows.paths, contract=agreed, seed=seed, progress=tick)
    flagged = [p for p, bad in zip(rows.paths, result.row_flagged, strict=True) if bad]
    lines = [
        "row,supplier,label",
        *(f"{p},{s},{x}" for p, s, x in zip(rows.paths, rows.suppliers, rows.labels, strict=True) if p in set(flagged)),
    ]
    return result, {"flagged": flagged, "suppliers": "claimed", "csv": "\n".join(lines) + "\n"}


def _tell(result: Any, facts: dict[str, Any], as_json: bool) -> None:
    from countermark.finding import Failed, Found, Skipped, outcome_to_json

    outcomes = {check: report.outcome for check, report in result.checks.items()}
    if as_json:
        show.as_json(
            facts
            | {
                "checks": {k: outcome_to_json(v) for k, v in outcomes.items()},
                "named": [{"supplier": s.id, "p": s.p, "q": s.q, "why": s.why} for s in result.suppliers if s.named],
                "features": result.features.to_json(),
                "abstained": list(result.abstained),
            }
        )
    else:
        show.outcomes(outcomes)
        show.findings(result.findings[:10])
        if len(result.findings) > 10:
            show.lines(f"and {len(result.findings) - 10} more findings: --json lists all")
        show.lines(
            f"suppliers are {facts['suppliers']}; features: {result.features.name}, out-of-fold accuracy {result.features.accuracy:.2f}"
        )
        named = ", ".join(result.named) or "nobody"
        show.verdict(
            f"named: {named}; {len(facts['flagged'])} rows flagged (nothing is set aside yet)", good=not result.named
        )
    if any(isinstance(o, Found) for o in outcomes.values()):
        raise click.exceptions.Exit(1)
    if any(isinstance(o, Skipped | Failed) for o in outcomes.values()):
        raise click.exceptions.Exit(3)
