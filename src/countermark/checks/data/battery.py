"""The battery: features once, every check over them, one calibrated result per supplier, cell and row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data import (
    _combine,
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
    spectral,
)
from countermark.checks.data._check import Check, CheckReport
from countermark.checks.data._codings import CODING, codings
from countermark.checks.data._features import NET, PATCHES, called, features_of, taught_here
from countermark.checks.data._prepare import Progress, Spread, as_pixels, prepare
from countermark.checks.data._view import Counts, View
from countermark.checks.data._work import Encoded, Frozen, Work
from countermark.checks.data.contract import counts as count_rows
from countermark.checks.data.screening import CellResult, Features, Screening, SupplierResult
from countermark.engines.engine import Engine, Threads, one_thread
from countermark.errors import Unusable
from countermark.finding import SEVERITIES, Failed, Finding, Found, Outcome, Skipped
from countermark.formats.image import sniff

# In this order: a check may leave out of its heads what an earlier one suspects.
CHECKS: tuple[Check, ...] = (
    contract.CHECK, duplicates.CHECK, picture_integrity.CHECK, privacy.CHECK, image_scaling.CHECK, recurring_patch.CHECK,
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
    delivered: Sequence[str] | None = None,
    aside: Sequence[bool] | None = None,
    sizes: Sequence[tuple[int, int]] | None = None,
    files: Sequence[bytes] | None = None,
    tests: tuple[NDArray[np.uint8], Sequence[str]] | None = None,
    seed: int = 0,
    engine: Engine | None = None,
    progress: Progress | None = None,
    work: Work | None = None,
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
        contract: supplier -> class -> rows agreed. delivered: n labels as the suppliers gave them, where decisions changed
            some. aside: n, whether a row is set aside; it is screened all the same, and not counted against the contract.
        sizes: n (width, height) that the pictures had before they were brought to one size; read from `files` where absent.
        tests: pictures of a test set, uint8 (m, h, w) or (m, h, w, 3) of the size of `images`, and their names: rows that stand in it are told.
        files: n encoded pictures as delivered, for checks that look at bytes. seed: of sampling and folds: same seed, same result.
        engine: how feature extraction is spread; by default two threads of this process.
        progress: called with (stage, share done, 0 to 1).
        work: what earlier screenings of a workspace left of these rows, for `lifecycle.screen`; it takes the place of `files`.

    Raises:
        Unusable: shapes disagree, fewer than two suppliers or classes, row ids repeat, `model` is none or answers with
            something else than features, or `features` is neither. FormatRefused, MissingExtra: as `own_model.encoder`; FormatRefused: a file
            is no picture; MissingExtra: a network is asked for and PyTorch is absent.
    """
    tags = deliveries if deliveries is not None else suppliers
    if features not in (PATCHES, NET):
        raise Unusable(f"features {features!r}", mend=f'"{PATCHES}" or "{NET}"')
    names = list(ids) if ids is not None else [f"{tag}/{i}" for i, tag in enumerate(tags)]
    if work is not None and model is not None:
        work.frozen = None  # frames are of patches
    spread = features_of(model, seed, engine or Threads(WORKERS), progress, work)
    with one_thread():
        view, rows = prepare(images, labels, suppliers, names, contract, seed, spread)
        if work is not None:
            view, rows = _frozen(view, rows, spread, work)
        view = replace(_with_files(view, sizes, files, work), tests=_tests(tests, view))
        if deliveries is not None:
            view = _with_deliveries(view, deliveries)
        if delivered is not None or aside is not None:
            view = replace(view, counts=_counts(labels, suppliers, delivered, aside))
        view, single = taught_here(view, progress) if features == NET else (view, None)
        reports = run_checks(view, CHECKS, progress)
    return _joined(view, reports, Features(called(model), rows.dimensions, view.heads.accuracy, single))


def _tests(
    tests: tuple[NDArray[np.uint8], Sequence[str]] | None, view: View
) -> tuple[NDArray[np.uint8], tuple[str, ...]] | None:
    if tests is None:
        return None
    pixels = as_pixels(tests[0])
    if pixels.shape[1:] != view.images.shape[1:] or len(pixels) != len(tests[1]):
        raise Unusable(
            f"{len(tests[1])} names and test images of shape {pixels.shape}",
            mend="of the size of the images, one name each",
        )
    return pixels, tuple(tests[1])


def _frozen(view: View, features: Encoded, spread: Spread, work: Work) -> tuple[View, Encoded]:
    """The same rows on another frame where heads do worse than they did on this one; and which frame rows are on now."""
    if work.frozen is not None and work.frozen.worse(view.heads.accuracy):
        work.why = f"out-of-fold accuracy fell to {view.heads.accuracy:.2f} from {work.frozen.accuracy:.2f}"
        work.frozen = None
        features = spread(view.images)
        view = replace(view, heads=view.heads.over(features.rows))
    if work.frozen is None and features.frame is not None:
        work.frozen = Frozen(features.frame, view.heads.accuracy, len(view.label))
    return view, features


def _with_files(
    view: View, sizes: Sequence[tuple[int, int]] | None, files: Sequence[bytes] | None, work: Work | None
) -> View:
    """What is known of the files: themselves, or what a first look at them told."""
    for what, given in (("sizes", sizes), ("files", files)):
        if given is not None and len(given) != len(view.label):
            raise Unusable(f"{len(given)} {what} for {len(view.label)} rows", mend="one per row")
    looked: dict[str, Sequence[Any]] = {} if files is None else {CODING: _codings(files)}
    if work is not None:
        looked = dict(work.look.told)
        view = replace(view, properties=work.look.properties)
    if CODING in looked and sizes is None:
        sizes = [(one["width"], one["height"]) for one in looked[CODING]]
    return replace(view, files=files, looked=looked, sizes=None if sizes is None else np.array(sizes, np.intp))


def _codings(files: Sequence[bytes]) -> list[dict[str, Any] | None]:
    out = codings(files)
    if None in out:
        sniff(files[out.index(None)])  # says why it is no picture
    return out


def _with_deliveries(view: View, deliveries: Sequence[str]) -> View:
    if len(deliveries) != len(view.label):
        raise Unusable(f"{len(deliveries)} deliveries for {len(view.label)} rows", mend="one per row")
    names = tuple(dict.fromkeys(deliveries))
    code = {name: i for i, name in enumerate(names)}
    return replace(view, delivery=np.array([code[d] for d in deliveries], np.intp), deliveries=names)


def _counts(
    labels: Sequence[str], suppliers: Sequence[str], delivered: Sequence[str] | None, aside: Sequence[bool] | None
) -> tuple[Counts, Counts]:
    """Rows by supplier and class as delivered, and as they are in the data now."""
    kept = [i for i, out in enumerate(aside if aside is not None else [False] * len(labels)) if not out]
    now = count_rows([labels[i] for i in kept], [suppliers[i] for i in kept])
    return count_rows(labels if delivered is None else delivered, suppliers), now


def run_checks(view: View, checks: Sequence[Check], progress: Progress | None = None) -> dict[str, CheckReport]:
    """Run checks in order; each knows what the earlier ones suspect."""
    reports: dict[str, CheckReport] = {}
    for at, check in enumerate(checks):
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


def _joined(view: View, reports: dict[str, CheckReport], features: Features) -> Screening:
    suppliers = _suppliers(view, reports)
    named = {s.id for s in suppliers if s.named}
    return Screening(
        _combine.row_p(view, reports), _combine.flagged(view, reports), suppliers, _cells(view, reports, named), reports,
        tuple(c for c, few in zip(view.classes, view.abstained, strict=True) if few), features, _worst_first(reports),
        {digest: png for r in reports.values() for digest, png in r.exhibits.items()}, view,
    )  # fmt: skip


def _suppliers(view: View, reports: dict[str, CheckReport]) -> tuple[SupplierResult, ...]:
    q, loudest = _combine.supplier_q(view, reports)
    reasons = _reasons(reports)
    return tuple(
        SupplierResult(
            s, float(qi) / _combine.ACCUSING, float(qi), bool(qi < _combine.ALPHA),
            reasons.get(s, check) if qi < _combine.ALPHA else "",
        )
        for s, qi, check in zip(view.suppliers, q, loudest, strict=True)
    )  # fmt: skip


def _cells(view: View, reports: dict[str, CheckReport], named: set[str]) -> tuple[CellResult, ...]:
    out = []
    for s, c, _ in view.cells:
        q, supplier = _combine.cell_q(reports, (s, c)), view.suppliers[s]
        stands = supplier in named and q < _combine.ALPHA
        out.append(CellResult(supplier, view.classes[c], q / _combine.ACCUSING, q, stands))
    return tuple(out)


def _reasons(reports: dict[str, CheckReport]) -> dict[str, str]:
    out: dict[str, list[str]] = {}
    for finding in _worst_first(reports):
        if finding.where.supplier and finding.severity in ("high", "critical"):
            out.setdefault(finding.where.supplier, []).append(finding.what)
    return {supplier: "; ".join(told[:3]) for supplier, told in out.items()}


def _worst_first(reports: dict[str, CheckReport]) -> tuple[Finding, ...]:
    every = [f for r in reports.values() if isinstance(r.outcome, Found) for f in r.outcome.findings]
    return tuple(sorted(every, key=lambda f: (-SEVERITIES.index(f.severity), -f.confidence)))


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
