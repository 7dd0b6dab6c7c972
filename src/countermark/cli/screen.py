"""`countermark screen`: look for poison in training data, and name the supplier."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from countermark.cli._answer import Answer
from countermark.cli._command import PATH, command, sitting, with_view, workspace_options
from countermark.cli._content import content_options, other_rows
from countermark.cli._engine import chosen, engine_options
from countermark.cli._explain import explained
from countermark.cli._features import feature_options, wanted
from countermark.cli._leaks import test_option, tests_of
from countermark.cli._progress import Bar
from countermark.cli._screened import told
from countermark.cli._show import View
from countermark.cli.receive import contract_of
from countermark.errors import Unusable

if TYPE_CHECKING:
    from countermark.engines.engine import Engine
    from countermark.lifecycle.own_features import Wanted

PATTERN = "{supplier}/{label}/*"


@command("screen", examples=[
    "countermark screen photos/ --label-from '{supplier}/{label}/*'",
    "countermark screen deliveries.parquet --label-column part",
    "countermark screen measurements.parquet --content table --schema schema.json",
    "countermark screen clips/ --content clips",
    "countermark screen s3://BUCKET/photos --engine daft",
    "countermark screen --contract contract.json",
    "countermark screen --csv flagged.csv",
    "countermark screen --explain 1f2e3d4c5b6a/screws/004.png --picture row.png",
    "countermark screen photos/ --model model.onnx --explain acme/screws/004.png",
    "countermark screen photos/ --test test-photos/",
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
@click.option("--explain", "rows", multiple=True, metavar="ROW",
              help="Tell all about one row (its id, or its beginning) instead; sign nothing. May repeat.")  # fmt: skip
@click.option(
    "--picture", type=PATH, metavar="FILE", help="With --explain: the row beside its class's typical one, as PNG."
)
@feature_options
@click.option("--seed", type=int, default=0, show_default=True, help="Of sampling and folds.")
@content_options
@test_option
@click.option("--refit", is_flag=True, help="Learn features anew and look at every row again; believe nothing kept.")
@engine_options
@workspace_options
@with_view
def screen(
    photos: str | None, label_from: str, contract: Path | None, csv_file: Path | None, seed: int, refit: bool,
    workspace: Path | None, passphrase_file: Path | None, view: View, engine: str, workers: int, cluster: str | None,
    cluster_token: Path | None, content: str, schema: Path | None, rows: tuple[str, ...], picture: Path | None,
    model: Path | None, features: str, test_place: str | None, **columns: str,
) -> Answer:  # fmt: skip
    """Look for poison in training data, and name the supplier whose delivery disagrees with all others.

    With PHOTOS (a folder, Parquet or Arrow tables, WebDataset shards, or a bucket's URL of any of these; tables without
    pictures and folders of WAV clips are screened as such) it needs no workspace and no key; suppliers are then only claimed by names of folders or columns. Without, it
    screens every row that was admitted here, signs what it found and enters it into the ledger. Nothing is set aside
    before `countermark quarantine`.
    """
    if (picture is not None and not rows) or (csv_file is not None and rows):
        raise Unusable("--picture goes with --explain, and --csv does not", mend="--explain ROW --picture FILE")
    with Bar(view) as bar:
        tests = tests_of(test_place, columns, bar)
        how = How(
            chosen(engine, workers, cluster, cluster_token), seed, wanted(model, features), tests, refit, bool(rows)
        )
        if photos is not None:
            other = other_rows((photos, label_from, columns), content, schema, contract, how, bar)
            result, facts, table = other or _claimed((photos, label_from, columns), contract, how, bar)
        else:
            result, facts, table = _admitted(workspace, passphrase_file, contract, how, bar)
    if csv_file is not None:
        from countermark.workspace.disk import Disk

        Disk().write(csv_file, table.encode(), mode=0o644)
    return explained(result, rows, facts, picture) if rows else told(result, facts)


class How(NamedTuple):
    """How rows are screened: engine, seed of sampling and folds, features, the test set.

    refit: whether nothing kept is believed. only_look: whether nothing is signed.
    """

    engine: Engine
    seed: int
    wanted: Wanted
    tests: Any = None
    refit: bool = False
    only_look: bool = False


def _admitted(workspace: Path | None, phrase: Path | None, contract: Path | None, how: How, bar: Bar) -> Any:
    from countermark.lifecycle import review
    from countermark.lifecycle import screen as stage

    desk = sitting(workspace, phrase)
    agreed = contract_of(desk.space.root, contract)
    spread: dict[str, Any] = {"seed": how.seed, "progress": bar.share, "engine": how.engine, "wanted": how.wanted,
                              "tests": how.tests, "refit": how.refit}  # fmt: skip
    if how.only_look:
        seen = stage.look(desk, agreed, **spread)
        facts: dict[str, Any] = {"suppliers": "verified", "newest": review.newest_about(desk, seen.dataset)}
        return seen.screening, facts, ""
    done = stage.screen(desk, agreed, **spread)
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
                     engine=how.engine, tests=how.tests, features=how.wanted.kind,
                     model=how.wanted.given(rows.files, rows.paths, bar.share))  # fmt: skip
    flagged = [path for path, bad in zip(rows.paths, result.row_flagged, strict=True) if bad]
    return result, {"suppliers": "claimed", "flagged": flagged}, claimed.to_csv(rows, result.row_flagged)
