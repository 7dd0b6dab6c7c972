"""Both sides: what a thief does to a copy, alone or with others, and who is named all the same; and what is not traced."""

from __future__ import annotations

import numpy as np
import pytest
from coalitions import MIXES
from copy_attacks import low_rank, noise, prune, quantise, reorder
from small_owner import LAYERS, Owner, answers, network

from countermark.tracing.align import ABSENT, AS_IT_STANDS, REARRANGED, UNLIKE, align
from countermark.tracing.axes import Axis
from countermark.tracing.key import FingerprintKey
from countermark.tracing.spread import LEAST_TENSOR, POWER, Spreader, carries, layer_spread
from countermark.tracing.trace import Fingerprints

ALONE = {
    "nothing": lambda w, r: w, "noise": noise(0.3), "pruned by half": prune(0.5), "int8": quantise(8), "int4": quantise(4),
    "int4 by layer": quantise(4, False), "half the rank": low_rank(0.5), "reordered": reorder(LAYERS),
    "rescaled": reorder(LAYERS, scale=1.0), "signs turned": reorder(LAYERS, signs=True),
    "dropped and added": reorder(LAYERS, scale=0.5, drop=0.1, add=0.2),
    "several": lambda w, r: quantise(8)(prune(0.4)(reorder(LAYERS, scale=0.5)(w, r), r), r),
}  # fmt: skip


@pytest.mark.parametrize("attack", list(ALONE))
def test_a_copy_is_traced_after(attack: str, owner: Owner, rng: np.random.Generator) -> None:
    assert owner.named(ALONE[attack](owner.copy("plant-7"), rng)) == {"plant-7"}


@pytest.mark.parametrize("mix", list(MIXES))
def test_a_coalition_of_five_is_named_in_part_and_nobody_else(mix: str, owner: Owner, rng: np.random.Generator) -> None:
    guilty = [f"plant-{n}" for n in (3, 50, 99, 200, 431)]
    copies = [owner.copy(who) for who in guilty]
    mixed = {n: MIXES[mix](np.stack([c[n] for c in copies]), rng).astype(np.float32) for n in owner.carriers}
    named = owner.named(mixed)
    assert named and named <= set(guilty)


def test_order_scale_and_signs_leave_the_answers_alone(owner: Owner, rng: np.random.Generator) -> None:
    """Or the attack would be none."""
    inputs = rng.normal(size=(20, 48)).astype(np.float32)
    expected = answers(owner.weights, inputs)
    assert np.allclose(answers(reorder(LAYERS, scale=1.0)(owner.weights, rng), inputs), expected, atol=1e-3)
    turned = reorder(LAYERS, signs=True)(owner.weights, rng)
    assert np.allclose(answers(turned, inputs, np.tanh), answers(owner.weights, inputs, np.tanh), atol=1e-3)


def test_without_alignment_a_reordered_copy_would_not_be_traced(owner: Owner, rng: np.random.Generator) -> None:
    suspect = reorder(LAYERS)(owner.copy("plant-7"), rng)
    reading = owner.prints.read(owner.carriers, align(owner.carriers, owner.weights))
    assert not reading.chips(owner.prints.code.bias).any()  # the original itself says nothing
    plain = {n: a.__class__(suspect[n], a.seen, a.how) for n, a in align(owner.carriers, suspect).items()}
    seen = owner.prints.read(owner.carriers, plain).chips(owner.prints.code.bias)
    ranked, threshold = owner.prints.accuse(seen, owner.licensees)
    assert ranked[0].score < threshold


def test_nobody_is_named_for_the_original_another_model_or_another_owners_copy(owner: Owner) -> None:
    other = Fingerprints(FingerprintKey(bytes(32)), bytes(32))
    for suspect in (owner.weights, network(5), owner.weights | dict(other.mark("plant-7", owner.carriers)), {}):
        assert owner.named(suspect) == set()
    assert owner.trace(owner.weights).ranking == () and set(owner.trace({}).tensors.values()) == {ABSENT}
    assert owner.trace({}).compared == 0


def test_a_mark_is_small_balanced_and_leaves_zeros(owner: Owner) -> None:
    for name, before in owner.carriers.items():
        change = dict(owner.prints.mark("plant-7", {name: before}))[name] - before
        assert np.sqrt(np.mean(change**2)) == pytest.approx(0.03 * layer_spread(before), rel=0.06)
        assert abs(float(change.mean())) < 0.01 * layer_spread(before)
    sparse = (
        np.where(np.random.default_rng(0).random((64, 64)) < 0.5, 0, 1).astype(np.float32)
        * owner.carriers["1.weight"][:64, :64]
    )
    marked = Spreader(bytes(32)).mark("s", sparse, owner.prints.code.word("a"))
    assert np.array_equal(marked == 0, sparse == 0) and 0.5 < POWER < 0.65


def test_what_is_no_weight_matrix_carries_nothing(rng: np.random.Generator) -> None:
    good = rng.normal(size=(64, 64)).astype(np.float32)
    assert carries(good) and carries(good.reshape(16, 4, 8, 8))
    for bad in (
        good[0],
        good[:4, :4],
        np.zeros((64, 64)),
        np.tril(np.ones((64, 64))),
        np.full((64, 64), np.nan),
        good.reshape(-1),
    ):
        assert not carries(bad)
    assert LEAST_TENSOR == 1024


def test_tensors_are_found_under_other_names_and_turned(owner: Owner, rng: np.random.Generator) -> None:
    copy = owner.copy("plant-9")
    renamed = {
        f"onnx::MatMul_{at}": np.ascontiguousarray(w.T) for at, w in enumerate(w for w in copy.values() if w.ndim == 2)
    }
    traced = owner.trace(renamed)
    assert [one.licensee for one in traced.named] == ["plant-9"] and set(traced.tensors.values()) == {AS_IT_STANDS}
    mixed = reorder(LAYERS, scale=0.5)(copy, rng)
    assert owner.named({f"x{at}": w for at, w in enumerate(mixed.values())}) == {"plant-9"}


def test_names_that_were_exchanged_lead_nowhere_wrong(rng: np.random.Generator) -> None:
    """Four layers of one shape, each under another's name, with and without their neurons in another order; a square one stored turned."""
    layers = {f"{n}.weight": (rng.normal(size=(96, 96)) / 10).astype(np.float32) for n in range(4)}
    layers["first"] = rng.normal(size=(96, 30)).astype(np.float32)
    prints = Fingerprints(FingerprintKey(bytes(32)), bytes(32))
    for attack in (lambda w, r: w, reorder(["first", *[f"{n}.weight" for n in range(4)]], scale=0.5)):
        copy = attack(layers | dict(prints.mark("plant-1", layers)), rng)
        mixed = {f"{n}.weight": copy[f"{(n + 1) % 4}.weight"] for n in range(4)} | {"first": copy["first"]}
        mixed["2.weight"] = np.ascontiguousarray(mixed["2.weight"].T)
        traced = prints.trace(layers, mixed, ["plant-1", "plant-2"])
        assert [one.licensee for one in traced.named] == ["plant-1"] and UNLIKE not in traced.tensors.values()


def test_factors_beyond_what_squares_can_hold_and_numbers_that_are_none(owner: Owner, rng: np.random.Generator) -> None:
    copy = owner.copy("plant-7")
    far = {n: w.copy() for n, w in copy.items()}
    factor = (10.0 ** rng.uniform(-25, 25, 192)).astype(np.float32)
    far["0.weight"] *= factor[:, None]
    far["1.weight"] /= factor[None, :]
    assert owner.named(far) == {"plant-7"}
    broken = {n: w.copy() for n, w in copy.items()}
    broken["0.weight"][:20] = np.nan
    broken["1.weight"][:, :20] = np.inf
    broken["2.weight"][:] = 3e38
    assert owner.named(broken) == {"plant-7"}
    for value in (np.nan, np.inf, -np.inf, 0.0, 1e-38, 3e38):
        assert owner.named({n: np.full_like(w, value) for n, w in copy.items()}) == set()
    odd = {"0.weight": np.zeros((0, 48), np.float32), "1.weight": np.zeros((3, 0, 2), np.float32), "x": np.zeros((5, 5, 5, 5), np.float32),
           "2.weight": np.zeros((12, 1), np.float32)}  # fmt: skip
    assert owner.named(odd) == set()


def test_what_was_found_how_is_told(owner: Owner, rng: np.random.Generator) -> None:
    traced = owner.trace(reorder(LAYERS)(owner.copy("plant-7"), rng))
    assert set(traced.tensors.values()) == {REARRANGED} and traced.compared == 1
    partly = owner.copy("plant-7") | {"1.weight": rng.normal(size=(128, 192)).astype(np.float32)}
    traced = owner.trace(partly)
    assert traced.tensors["1.weight"] == UNLIKE and traced.tensors["0.weight"] == AS_IT_STANDS
    assert [one.licensee for one in traced.named] == ["plant-7"]


def test_flattened_pictures_keep_their_neurons_order(rng: np.random.Generator) -> None:
    axis = Axis(np.array([1, -1, 0]), np.array([2, 1, 4], np.float32), 2)
    outer, inner = axis.fitted(6, 4)
    assert outer.order.tolist() == [2, 3, -1, -1, 0, 1] and inner.order.tolist() == [1, -1, 0, 3, -1, 2]
    assert axis.fitted(3, 2) == [axis] and axis.fitted(7, 4) == [] and axis.fitted(6, 5) == []
    kernels = {"0.weight": rng.normal(size=(24, 8, 3, 3)).astype(np.float32), "1.weight": rng.normal(size=(32, 24, 3, 3)).astype(np.float32),
               "2.weight": rng.normal(size=(40, 32 * 16)).astype(np.float32)}  # fmt: skip
    prints = Fingerprints(FingerprintKey(bytes(32)), bytes(32))
    copy = dict(prints.mark("plant-1", kernels))
    traced = prints.trace(kernels, reorder(LAYERS, scale=0.7)(copy, rng), ["plant-1", "plant-2"])
    assert [one.licensee for one in traced.named] == ["plant-1"] and set(traced.tensors.values()) == {REARRANGED}
