"""What a screening says of one row, against what was planted and against the reports themselves."""

from __future__ import annotations

import json
from dataclasses import replace

import made_up_parts
import numpy as np
import pytest

from countermark import screen
from countermark.checks.data._exhibit import side_by_side
from countermark.checks.data._explain import ABOUT_SUPPLIERS
from countermark.checks.data.explanation import nth
from countermark.checks.data.screening import Screening
from countermark.errors import Unusable

DATA = made_up_parts.stamped(made_up_parts.honest(0), "maker-03", "part-03")
PLANTED = int(np.flatnonzero(DATA.planted)[0])
CLEAN = int(np.flatnonzero((DATA.label == "part-07") & ~DATA.planted)[0])


@pytest.fixture(scope="module")
def result() -> Screening:
    return screen(DATA.images, list(DATA.label), list(DATA.supplier), seed=3)


def test_a_planted_row_is_told_with_who_found_it_and_where_it_stands(result: Screening) -> None:
    told = result.explain(PLANTED)
    assert told.flagged and told.supplier.named and told.cell is not None and told.cell.named
    patch = next(c for c in told.checks if c.check == "data/recurring-patch")
    assert patch.set_aside and patch.rank == 1 and patch.of == len(DATA.label)
    assert patch.tied == DATA.planted.sum() - 1
    assert (
        patch.found and "carry one pattern" in patch.found[0] and "0.8" in patch.operating and "1.2 %" in patch.alarms
    )
    assert told.rank <= DATA.planted.sum() and told.p == result.row_p[PLANTED]
    # A backdoored row looks right to a head that saw its twins.
    assert told.heads[0].likely[0][0] == "part-03"


def test_ranks_and_scores_are_those_of_the_reports(result: Screening) -> None:
    for row in (PLANTED, CLEAN):
        for said in result.explain(row).checks:
            report = result.checks[said.check]
            if said.score is None:
                continue
            assert report.rows is not None and said.score == report.rows[row]
            looked = report.rows if report.looked is None else report.rows[report.looked]
            assert said.rank == 1 + (looked > said.score).sum() and said.of == len(looked)
            assert said.set_aside == (row in report.suspects)


def test_a_clean_row_is_told_as_such_and_never_as_proven(result: Screening) -> None:
    told = result.explain(CLEAN)
    assert not told.flagged and not any(c.set_aside or c.found for c in told.checks)
    assert any("not proven clean" in line for line in told.cannot_tell)
    assert {line.split(":")[0] for line in told.not_looked} == {
        "data/image-scaling", "data/picture-integrity", "data/privacy",
    }  # fmt: skip
    assert not told.whole
    assert all(not c.looked for c in told.checks if c.check in ABOUT_SUPPLIERS)


def test_the_nearest_rows_are_nearest(result: Screening) -> None:
    told, features = result.explain(CLEAN), result.seen.heads.features
    away = np.linalg.norm(features - features[CLEAN], axis=1)
    others = [i for i in np.argsort(away, kind="stable") if i != CLEAN][:10]
    assert [n.row for n in told.nearest] == [result.seen.ids[i] for i in others]
    assert [n.distance for n in told.nearest] == sorted(n.distance for n in told.nearest)
    assert told.typical is not None and DATA.label[told.typical] == "part-07" and not DATA.planted[told.typical]
    assert told.alike == sum(n.label == "part-07" for n in told.nearest)


def test_probabilities_fit_how_often_the_head_is_right(result: Screening) -> None:
    told = [result.explain(i).heads[0] for i in range(0, len(DATA.label), 12)]
    sure = np.array([h.likely[0][1] for h in told])
    assert ((sure > 0) & (sure <= 1)).all() and abs(sure.mean() - told[0].accuracy) < 0.1
    assert all(abs(h.likely[0][1] - max(p for _, p in h.likely)) < 1e-12 for h in told)


def test_a_row_is_named_by_place_id_or_unique_beginning(result: Screening) -> None:
    name = result.seen.ids[PLANTED]
    assert result.explain(name) == result.explain(PLANTED)
    longest = max(result.seen.ids, key=len)
    assert result.explain(longest[:-1] if sum(i.startswith(longest[:-1]) for i in result.seen.ids) == 1 else longest)
    for bad, why in (
        ("maker-0", "rows begin like this"),
        ("nobody/1", "none of"),
        ("", "names no row"),
        (288, "no row 288"),
        (-1, "no row"),
    ):
        with pytest.raises(Unusable) as refused:
            result.explain(bad)
        assert why in f"{refused.value.what} {refused.value.why}"


def test_it_is_json_and_html_with_every_name_escaped() -> None:
    small = made_up_parts.honest(0, classes=3, suppliers=3, makers=2, rows=3)
    bad = {name: f"<b>{name}</b>" for name in set(small.supplier)}
    result = screen(small.images, list(small.label), [bad[s] for s in small.supplier])
    told = result.explain(0)
    assert json.loads(json.dumps(told.to_json()))["row"] == told.row
    assert "<b>" not in told._repr_html_() and "&lt;b&gt;" in told._repr_html_()
    assert "<b>" not in result._repr_html_()
    assert any("fewer than 8 rows" in line for line in told.cannot_tell)
    assert "data/spectral: fewer than two classes of at least 8 rows" in told.not_looked


def test_a_screening_without_rows_says_so(result: Screening) -> None:
    with pytest.raises(Unusable, match="kept no rows"):
        replace(result, view=None).explain(0)


def test_what_is_found_comes_in_at_most_ten_groups(result: Screening) -> None:
    copied = np.concatenate([DATA.images, DATA.images[100:130]])
    twice = screen(copied, [*DATA.label, *DATA.label[100:130]], [*DATA.supplier, *DATA.supplier[100:130]])
    same = [g for g in twice.groups if g.worst.rule == "same-picture"]
    assert len(same) == 1 and same[0].others == 29 and same[0].rows == 30
    assert len(twice.groups) <= 10 and twice.groups[0].worst.severity == "critical"
    assert sum(g.others + 1 for g in twice.groups) == len(twice.findings)


def test_what_may_be_expected_is_told_or_told_to_be_missing() -> None:
    flipped = made_up_parts.honest(1)
    label, rng = flipped.label.copy(), np.random.default_rng(5)
    rows = np.flatnonzero(flipped.supplier == "maker-02")[::2]
    classes = np.unique(label)
    label[rows] = classes[
        (np.searchsorted(classes, label[rows]) + rng.integers(1, len(classes), len(rows))) % len(classes)
    ]
    result = screen(flipped.images, list(label), list(flipped.supplier))
    report = result.checks["data/label-errors"]
    assert report.suspects and report.precision is not None and report.recall is not None
    right = np.isin(report.suspects, rows).mean()
    assert abs(report.precision - right) < 0.15 and 0 < report.recall <= 1
    said = report.to_json()
    assert said["expectedPrecision"] == report.precision and said["setAside"] == len(report.suspects)
    assert all(r.operating and r.alarms for r in result.checks.values())
    assert "expected precision" in result._repr_html_()
    assert "expectedPrecision" not in result.checks["data/spectral"].to_json()


@pytest.mark.parametrize(
    ("number", "said"),
    [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (112, "112th"), (5181, "5,181st")],
)
def test_places_in_words(number: int, said: str) -> None:
    assert nth(number) == said


def test_pictures_side_by_side_lose_nothing() -> None:
    import io

    from PIL import Image

    lines = [DATA.images[[0, 5]], DATA.images[[9]]]
    shown = np.asarray(Image.open(io.BytesIO(side_by_side(lines))))
    assert shown.shape == (2 * 192 + 2, 2 * 192 + 2, 3)
    assert (shown[1:192:3, 1:192:3] == DATA.images[0]).all() and (shown[195::3, 1:192:3] == DATA.images[9]).all()
