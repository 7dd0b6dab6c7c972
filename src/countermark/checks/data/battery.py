"""The battery: features once, every check over them, one calibrated result per supplier, cell and row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data import (
    cell_difference,
    contract,
    drift,
    duplicates,
    frequency,
    image_scaling,
    label_errors,
    leave_one_supplier_out,
    picture_integrity,
    privacy,
    recurring_patch,
    schema,
    spectral,
)
from countermark.checks.data._check import Check, CheckReport
from countermark.checks.data._features import NET, PATCHES, called, features_of, taught_here
from countermark.checks.data._given import Beside, Known, frozen
from countermark.checks.data._joined import joined, not_applicable
from countermark.checks.data._prepare import Progress, prepare
from countermark.checks.data._view import View
from countermark.checks.data.screening import Features, Screening
from countermark.engines.engine import Engine, Threads, one_thread
from countermark.errors import Unusable
from countermark.finding import Failed, Outcome, Skipped

# In this order: a check may leave out of its heads what an earlier one suspects.
CHECKS: tuple[Check, ...] = (
    contract.CHECK, schema.CHECK, duplicates.CHECK, picture_integrity.CHECK, privacy.CHECK, image_scaling.CHECK, recurring_patch.CHECK,
    spectral.CHECK, frequency.CHECK, label_errors.CHECK, leave_one_supplier_out.CHECK, cell_difference.CHECK,
    drift.CHECK,
)  # fmt: skip
WORKERS = 2


def screen(
    images: NDArray[np.uint8],
    labels: Sequence[str],
    suppliers: Sequence[str],
    *,
    model: object | None = None,
    features: str = PATCHES,
    deliveries: Sequence[str] | None = None,
    ids: Sequence[str] | None = None,
    contract: Mapping[str, Mapping[str, int]] | None = None,
    files: Sequence[bytes] | None = None,
    tests: tuple[NDArray[np.uint8], Sequence[str]] | None = None,
    seed: int = 0,
    engine: Engine | None = None,
    progress: Progress | None = None,
    known: Known | None = None,
) -> Screening:
    """Screen training data for poison, and name the supplier.

    Args:
        images: uint8 (n, h, w) or (n, h, w, 3), sides of at least 8. labels, suppliers: n names each.
        model: the user's own, whose inner layer gives the features: a path to an ONNX file, its bytes, or a function of uint8
            (n, h, w, 3) that returns features (n, ...), a torch module, or features (n, d) themselves. Heads are fitted on them out of fold;
            patch features are learnt where absent.
        features: `"net"` trains a small network here, out of fold by suppliers, for `data/label-errors` alone; `"patches"` does not.
        deliveries: n delivery ids; among a supplier's rows, earlier deliveries stand before later ones. Used for row names where `ids` is
            absent. ids: n unique row names.
        contract: supplier -> class -> rows agreed.
        tests: pictures of a test set, uint8 (m, h, w) or (m, h, w, 3) of the size of `images`, and their names: rows that stand in it are told.
        files: n encoded pictures as delivered, for checks that look at bytes. seed: of sampling and folds: same seed, same result.
        engine: how feature extraction is spread; by default two threads of this process.
        progress: called with (stage, share done, 0 to 1).
        known: what a workspace knows besides, for `lifecycle.screen`.

    Raises:
        Unusable: shapes disagree, fewer than two suppliers or classes, row ids repeat, `model` is none or answers with
            something else than features, or `features` is neither. FormatRefused, MissingExtra: as `own_model.encoder`; FormatRefused: a file
            is no picture; MissingExtra: a network is asked for and PyTorch is absent.
    """
    tags = deliveries if deliveries is not None else suppliers
    if features not in (PATCHES, NET):
        raise Unusable(f"features {features!r}", mend=f'"{PATCHES}" or "{NET}"')
    names = list(ids) if ids is not None else [f"{tag}/{i}" for i, tag in enumerate(tags)]
    known = known or Known()
    work = known.work
    if work is not None and model is not None:
        work.frozen = None  # frames are of patches
    spread = features_of(model, seed, engine or Threads(WORKERS), progress, work)
    with one_thread():
        view, rows = prepare(images, labels, suppliers, names, contract, seed, spread)
        if work is not None:
            view, rows = frozen(view, rows, spread, work)
        view = Beside(deliveries, files, tests, known).put(view)
        view, single = taught_here(view, progress) if features == NET else (view, None)
        return screened(view, Features(called(model), rows.dimensions, view.heads.accuracy, single), progress)


def screened(view: View, features: Features, progress: Progress | None = None) -> Screening:
    """All checks of such rows over a view, joined; whoever made it keeps BLAS to one thread.

    Args:
        features: what the rows were turned into.
    """
    reports = run_checks(view, CHECKS, progress)
    away = [check for check in CHECKS if view.content.kind not in check.of]
    return joined(view, reports, features, not_applicable(view, away))


def run_checks(view: View, checks: Sequence[Check], progress: Progress | None = None) -> dict[str, CheckReport]:
    """Run the checks of such rows in order; each knows what the earlier ones suspect."""
    reports: dict[str, CheckReport] = {}
    for at, check in enumerate(checks):
        if view.content.kind not in check.of:
            continue
        if progress:
            progress(check.id, at / len(checks))
        reports[check.id] = report = _run(check, view)
        view = view.suspecting(check.id, report.suspects)
    if progress:
        progress("done", 1.0)
    return reports


def _run(check: Check, view: View) -> CheckReport:
    """Run one check; a numerical breakdown is its outcome, never a pass."""
    try:
        report = check.run(view)
    except (ArithmeticError, ValueError, IndexError, np.linalg.LinAlgError) as error:
        report = CheckReport(Failed(f"{type(error).__name__}: {error}"))
    return replace(
        report, id=check.id, version=check.version, code=check.code, operating=check.operating, alarms=check.alarms
    )


def looked_away(screening: Screening) -> tuple[str, ...]:
    """What checks did not look at, and why, one line each: for the page that says so."""
    return tuple(f"{name}: {why}" for name, r in screening.checks.items() for why in _away(r.outcome))


def _away(outcome: Outcome) -> tuple[str, ...]:
    match outcome:
        case Skipped():
            return (outcome.reason,)
        case Failed():
            return (outcome.error,)
        case _:
            return outcome.left_out
