"""`countermark screen`: look for poison in training data, and name the supplier."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from countermark.cli._answer import Answer
from countermark.cli._command import command, sitting, with_view, workspace_options
from countermark.cli._content import other_rows
from countermark.cli._engine import chosen
from countermark.cli._explain import explained
from countermark.cli._features import wanted
from countermark.cli._leaks import tests_of
from countermark.cli._progress import Bar
from countermark.cli._screen_options import Asked, screen_options
from countermark.cli._screened import Results, told
from countermark.cli._show import View
from countermark.cli.receive import contract_of

if TYPE_CHECKING:
    from countermark.engines.engine import Engine
    from countermark.lifecycle.own_features import Wanted
    from countermark.lifecycle.screen import Looked


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
    "countermark screen measurements.parquet --model model.onnx --model-column width --model-column height",
    "countermark screen --model pictures=photos.onnx --model clips=sounds.onnx",
    "countermark screen photos/ --test test-photos/",
])  # fmt: skip
@screen_options
@workspace_options
@with_view
def screen(asked: Asked, workspace: Path | None, passphrase_file: Path | None, view: View) -> Answer:
    """Look for poison in training data, and name the supplier whose delivery disagrees with all others.

    With PHOTOS (a folder, Parquet or Arrow tables, WebDataset shards, or a bucket's URL of any of these; tables without
    pictures and folders of WAV clips are screened as such) it needs no workspace and no key; suppliers are then only claimed by names of folders or columns. Without, it
    screens every row that was admitted here (pictures, tables and clips, each with their like), signs what it found and enters it into
    the ledger. Nothing is set aside
    before `countermark quarantine`.
    """
    with Bar(view) as bar:
        how = How.of(asked, bar)
        if asked.photos is None:
            results, facts, table = _admitted(workspace, passphrase_file, asked, how, bar)
        else:
            source = (asked.photos, asked.label_from, asked.columns)
            other = other_rows(source, asked.content, asked.schema, asked.contract, how, bar)
            result, facts, table = other or _claimed(source, asked.contract, how, bar)
            results = [("", result)]
    if asked.csv_file is not None:
        from countermark.workspace.disk import Disk

        Disk().write(asked.csv_file, table.encode(), mode=0o644)
    return explained(results, asked.rows, facts, asked.picture) if asked.rows else told(results, facts)


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

    @classmethod
    def of(cls, asked: Asked, bar: Bar) -> How:
        """As the options say; the test set is read."""
        tests = tests_of(asked.test_place, asked.columns, bar)
        engine = chosen(asked.engine, asked.workers, asked.cluster, asked.cluster_token)
        return cls(
            engine,
            asked.seed,
            wanted(asked.models, asked.model_columns, asked.features),
            tests,
            asked.refit,
            bool(asked.rows),
        )


def _admitted(
    workspace: Path | None, phrase: Path | None, asked: Asked, how: How, bar: Bar
) -> tuple[Results, dict[str, Any], str]:
    from countermark.checks.data._schema_document import MOST_BYTES
    from countermark.lifecycle import review, rows
    from countermark.lifecycle import screen as stage
    from countermark.lifecycle.desk import read_file

    desk = sitting(workspace, phrase)
    agreed = contract_of(desk.space.root, asked.contract)
    spread: dict[str, Any] = {"seed": how.seed, "progress": bar.share, "engine": how.engine, "wanted": how.wanted,
                              "tests": how.tests, "refit": how.refit,
                              "schema": read_file(asked.schema, MOST_BYTES) if asked.schema else None}  # fmt: skip
    if how.only_look:
        seen = stage.look(desk, agreed, **spread)
        return _results(seen), {"newest": review.newest_about(desk, seen.dataset)} | _facts(seen), ""
    done = stage.screen(desk, agreed, **spread)
    flagged, out = done.flagged(), rows.select(desk, done.rows).aside
    facts = {
        "flagged": flagged,
        "aside": [i for i in flagged if i in out],
        "dataset": done.dataset,
        "statement": done.slip.envelope.digest,
    }
    table = review.to_csv(review.suspects(desk)) if asked.csv_file else ""
    return _results(done.seen), facts | _facts(done.seen), table


def _results(seen: Looked) -> Results:
    return [(part.form, part.screening) for part in seen.parts]


def _facts(seen: Looked) -> dict[str, Any]:
    """What a screening of admitted rows knows beside its results; `unseen`, `unseen_rows` and `places` are for the answer's words."""
    return {"suppliers": "verified", "unseen": [str(one) for one in seen.unseen],
            "unseen_rows": {row.id: str(one) for one in seen.unseen for row in one.rows},
            "places": {row.id: row.place for row in seen.rows if row.shard}}  # fmt: skip


def _claimed(source: tuple[str, str, dict[str, str]], contract: Path | None, how: How, bar: Bar) -> Any:
    from countermark.artefact.labelled import Columns
    from countermark.checks.data.battery import screen as battery
    from countermark.lifecycle import claimed

    place, pattern, named = source
    columns = Columns(**{name.removesuffix("_column"): value for name, value in named.items()})
    wanted = how.wanted.settled(["pictures"])
    rows = claimed.read_claimed(place, pattern, columns, bar.share)
    agreed = contract_of(Path(), contract) if contract else None
    result = battery(rows.images, rows.labels, rows.suppliers, ids=rows.paths, files=rows.files,
                     contract=agreed.rows if agreed and agreed.rows else None, seed=how.seed, progress=bar.share,
                     engine=how.engine, tests=how.tests, features=wanted.kind,
                     model=wanted.given(rows.files, rows.paths, bar.share))  # fmt: skip
    flagged = [path for path, bad in zip(rows.paths, result.row_flagged, strict=True) if bad]
    return result, {"suppliers": "claimed", "flagged": flagged}, claimed.to_csv(rows, result.row_flagged)
