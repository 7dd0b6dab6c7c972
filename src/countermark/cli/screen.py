"""`countermark screen`: look for poison in training data, and name the supplier."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from countermark.cli._answer import FINE, FOUND, INCONCLUSIVE, Answer, Pairs, Table, worst
from countermark.cli._command import PATH, command, sitting, with_view, workspace_options
from countermark.cli._engine import chosen, engine_options
from countermark.cli._progress import Bar
from countermark.cli._show import View
from countermark.cli.receive import contract_of

if TYPE_CHECKING:
    from countermark.checks.data.screening import Screening
    from countermark.engines.engine import Engine
    from countermark.finding import Outcome

PATTERN = "{supplier}/{label}/*"
SHOWN = 10


@command("screen", examples=[
    "countermark screen photos/ --label-from '{supplier}/{label}/*'",
    "countermark screen deliveries.parquet --label-column part",
    "countermark screen s3://BUCKET/photos --engine daft",
    "countermark screen --contract contract.json",
    "countermark screen --csv flagged.csv",
])  # fmt: skip
@click.argument("photos", required=False)
@click.option("--label-from", metavar="PATTERN", default=PATTERN, show_default=True,
              help="Where supplier and label stand in the paths below PHOTOS.")  # fmt: skip
@click.option("--label-column", metavar="NAME", default="label", show_default=True,
              help="Column of the class in tables; member of the .json component in shards.")  # fmt: skip
@click.option("--supplier-column", metavar="NAME", default="supplier", show_default=True,
              help="The same for the supplier.")  # fmt: skip
@click.option("--picture-column", metavar="NAME", default="",
              help="Column (or component) of the pictures; the only one of bytes.")  # fmt: skip
@click.option("--id-column", metavar="NAME", default="", help="Column (or member) that names rows; their place.")
@click.option(
    "--contract", type=PATH, metavar="FILE", help="Contract (JSON or TOML): rows agreed per supplier and class."
)
@click.option("--csv", "csv_file", type=PATH, metavar="FILE", help="Write the flagged rows as CSV.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of sampling and folds.")
@click.option("--refit", is_flag=True, help="Learn features anew and look at every row again; believe nothing kept.")
@engine_options
@workspace_options
@with_view
def screen(
    photos: str | None, label_from: str, contract: Path | None, csv_file: Path | None, seed: int, refit: bool,
    workspace: Path | None, passphrase_file: Path | None, view: View, engine: str, workers: int, cluster: str | None,
    cluster_token: Path | None, **columns: str,
) -> Answer:  # fmt: skip
    """Look for poison in training data, and name the supplier whose delivery disagrees with all others.

    With PHOTOS (a folder, Parquet or Arrow tables, WebDataset shards, or a bucket's URL of any of these) it needs no
    workspace and no key; suppliers are then only claimed by names of folders or columns. Without, it
    screens every row that was admitted here, signs what it found and enters it into the ledger. Nothing is set aside
    before `countermark quarantine`.
    """
    how = How(chosen(engine, workers, cluster, cluster_token), seed, refit)
    with Bar(view) as bar:
        if photos is not None:
            result, facts, table = _claimed((photos, label_from, columns), contract, how, bar)
        else:
            result, facts, table = _admitted(workspace, passphrase_file, contract, how, bar)
    if csv_file is not None:
        from countermark.workspace.disk import Disk

        Disk().write(csv_file, table.encode(), mode=0o644)
    return _told(result, facts)


class How(NamedTuple):
    """How rows are screened: the engine, the seed of sampling and folds, and whether nothing kept is believed."""

    engine: Engine
    seed: int
    refit: bool = False


def _admitted(workspace: Path | None, phrase: Path | None, contract: Path | None, how: How, bar: Bar) -> Any:
    from countermark.lifecycle import review
    from countermark.lifecycle.screen import screen as stage

    desk = sitting(workspace, phrase)
    done = stage(desk, contract_of(desk.space.root, contract), seed=how.seed, refit=how.refit, progress=bar.share,
                 engine=how.engine)  # fmt: skip
    facts = {"suppliers": "verified", "flagged": done.flagged(), "dataset": done.dataset,
             "statement": done.slip.envelope.digest}  # fmt: skip
    return done.screening, facts, review.to_csv(review.suspects(desk))


def _claimed(source: tuple[str, str, dict[str, str]], contract: Path | None, how: How, bar: Bar) -> Any:
    from countermark.artefact.labelled import Columns
    from countermark.checks.data.battery import screen as battery
    from countermark.lifecycle import claimed

    place, pattern, named = source
    columns = Columns(**{name.removesuffix("_column"): value for name, value in named.items()})
    rows = claimed.read_claimed(place, pattern, columns, bar.share)
    agreed = contract_of(Path(), contract) if contract else None
    result = battery(rows.images, rows.labels, rows.suppliers, ids=rows.paths, files=rows.files,
                     contract=agreed.rows if agreed and agreed.rows else None, seed=how.seed, progress=bar.share,
                     engine=how.engine)  # fmt: skip
    flagged = [path for path, bad in zip(rows.paths, result.row_flagged, strict=True) if bad]
    return result, {"suppliers": "claimed", "flagged": flagged}, claimed.to_csv(rows, result.row_flagged)


def exit_of(outcomes: Sequence[Outcome]) -> int:
    """1 something was found; 3 something could not be looked at, or nothing was; else 0."""
    from countermark.finding import Found, Passed

    codes = [FINE if isinstance(o, Passed) else FOUND if isinstance(o, Found) else INCONCLUSIVE for o in outcomes]
    return worst(codes or [INCONCLUSIVE])


def outcome_rows(outcomes: dict[str, Outcome]) -> list[tuple[str, str, str]]:
    """Check, its word, and what it measured or why it could not look."""
    rows: list[tuple[str, str, str]] = []
    for name, outcome in outcomes.items():
        reason = getattr(outcome, "reason", "") or getattr(outcome, "error", "")
        measured = ", ".join(f"{m.name} {m.value:.3g}" for m in outcome.measures[:3])
        rows.append((name, outcome.word, reason or measured))
    return rows


def _told(result: Screening, facts: dict[str, Any]) -> Answer:
    from countermark.checks.data.battery import looked_away
    from countermark.finding import outcome_to_json

    outcomes = {check: report.outcome for check, report in result.checks.items()}
    named = [{"supplier": s.id, "p": s.p, "q": s.q, "why": s.why} for s in result.suppliers if s.named]
    away = looked_away(result)
    more = [f"... and {len(result.findings) - SHOWN} more findings: --json lists all"]
    body: list[Any] = [
        Table(("check", "outcome", "measured"), outcome_rows(outcomes)), "",
        *result.findings[:SHOWN], *(more if len(result.findings) > SHOWN else []), "",
        Pairs([
            ("suppliers", f"{len(result.suppliers)}, {facts['suppliers']}"),
            ("features", f"{result.features.name}, out-of-fold accuracy {result.features.accuracy:.2f}"),
            ("not judged", f"{len(result.abstained)} classes with too few rows" if result.abstained else "nothing"),
        ]),
        *(f"not looked at: {line}" for line in away),
    ]  # fmt: skip
    outcome = exit_of(list(outcomes.values()))
    who = ", ".join(result.named)
    flagged = f"{len(facts['flagged'])} of {len(result.row_p)} rows flagged, none set aside yet"
    if outcome == INCONCLUSIVE:
        words = f"inconclusive: some checks could not look; {flagged}"
    else:
        words = f"named: {who}; {flagged}" if who else f"nobody is named; {flagged}"
    return Answer(
        words, outcome,
        facts | {
            "rows": len(result.row_p), "checks": {k: outcome_to_json(v) for k, v in outcomes.items()}, "named": named,
            "features": result.features.to_json(), "abstained": list(result.abstained),
            "not_looked_at": list(away),
        }, body,
    )  # fmt: skip
