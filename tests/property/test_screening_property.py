"""Properties that hold whatever the data: order of rows, names of suppliers, range of p-values."""

from __future__ import annotations

import made_up_parts
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from countermark.checks.data import _null, cell_difference, contract, duplicates, recurring_patch
from countermark.finding import Found

SET = made_up_parts.stamped(made_up_parts.honest(0, classes=8, suppliers=6, makers=3, rows=5), "maker-02", "part-02")
VALUES = hnp.arrays(np.float64, st.integers(1, 60), elements=st.floats(-1e6, 1e6))


@given(VALUES)
def test_p_values_are_p_values(values: np.ndarray) -> None:
    p = _null.tail_p(_null.robust_z(values))
    adjusted = _null.holm(p)
    assert ((p > 0) & (p <= 1)).all() and (adjusted >= p - 1e-15).all() and (adjusted <= 1).all()
    order = np.argsort(values, kind="stable")
    assert (np.diff(p[order]) <= 1e-15).all()


@given(VALUES, st.floats(0.1, 100), st.floats(-1e3, 1e3))
def test_robust_scores_do_not_depend_on_units(values: np.ndarray, scale: float, shift: float) -> None:
    values = np.round(values)
    one, two = _null.robust_z(values), _null.robust_z(values * scale + shift)
    np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-5)


@settings(max_examples=3, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(random: object) -> None:
    order = np.arange(len(SET.label))
    random.shuffle(order)  # type: ignore[attr-defined]
    moved = made_up_parts.MadeUp(SET.images[order], SET.label[order], SET.supplier[order], SET.planted[order])
    for check in (duplicates, recurring_patch):
        one = check.run(made_up_parts.view_of(SET))
        two = check.run(made_up_parts.view_of(moved))
        assert one.outcome.word == two.outcome.word
        assert set(order[list(two.suspects)]) == set(one.suspects)


def test_suppliers_are_known_by_their_rows_not_by_their_names() -> None:
    renamed = np.array([f"z{9 - int(s[-2:])}" for s in SET.supplier])
    moved = made_up_parts.MadeUp(SET.images, SET.label, renamed, SET.planted)
    values = []
    for data in (SET, moved):
        view = made_up_parts.view_of(data)
        found = cell_difference.differences(view, list(view.cells), np.zeros(0, np.intp))
        values.append(np.sort(found))
    np.testing.assert_allclose(values[0], values[1], atol=1e-9)


COUNTS = st.dictionaries(
    st.sampled_from("abc"), st.dictionaries(st.sampled_from("xyz"), st.integers(0, 5), max_size=3), max_size=3
)


@given(COUNTS, COUNTS)
def test_contract_finds_exactly_what_is_over(
    agreed: dict[str, dict[str, int]], seen: dict[str, dict[str, int]]
) -> None:
    outcome = contract.compare(agreed, seen)
    over = {s for s, made in seen.items() if any(n > agreed.get(s, {}).get(c, 0) for c, n in made.items())}
    found = {f.where.supplier for f in outcome.findings} if isinstance(outcome, Found) else set()
    assert found == over
