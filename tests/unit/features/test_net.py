"""The small network: out of fold by suppliers, the same every time; and the attack that a network which saw everybody would hide."""

from __future__ import annotations

from collections.abc import Iterator

import made_up_parts
import numpy as np
import pytest

from countermark import screen
from countermark.checks.data._features import NET, PATCHES
from countermark.errors import MissingExtra, Unusable
from countermark.features import net
from countermark.features.own_model import Given, encoded, encoder

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
DATA = made_up_parts.honest(0, classes=4, suppliers=6, makers=3, rows=6)
SUPPLIER = np.unique(DATA.supplier, return_inverse=True)[1]
LABEL = np.unique(DATA.label, return_inverse=True)[1]


@pytest.fixture(scope="module", autouse=True)
def few_epochs() -> Iterator[None]:
    """What is tested here is who teaches whom, not how well."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(net, "EPOCHS", 2)
        yield


@pytest.fixture(scope="module")
def features(few_epochs: None) -> np.ndarray:
    return net.net_features(DATA.images, LABEL, SUPPLIER, 7)


def test_every_supplier_is_described_by_one_network_that_another_half_taught(features: np.ndarray) -> None:
    assert features.shape == (len(LABEL), 2 * net.INNER) and features.dtype == np.float32
    half = features[:, : net.INNER].any(axis=1)
    assert (half != features[:, net.INNER :].any(axis=1)).all()
    for s in range(SUPPLIER.max() + 1):
        assert len(set(half[s == SUPPLIER])) == 1
    assert 0.3 < half.mean() < 0.7


def test_a_suppliers_labels_do_not_change_how_its_rows_are_described(features: np.ndarray) -> None:
    other = LABEL.copy()
    mine = SUPPLIER == 2
    other[mine] = (other[mine] + 1) % (LABEL.max() + 1)
    again = net.net_features(DATA.images, other, SUPPLIER, 7)
    fold = features[:, : net.INNER].any(axis=1)
    same = fold == fold[mine][0]
    assert np.array_equal(again[same], features[same]), "their network never saw them"
    assert not np.array_equal(again[~same], features[~same]), "the other one did"


def test_same_seed_same_bits_and_the_callers_settings_stay(features: np.ndarray) -> None:
    torch.manual_seed(5)
    threads, state = torch.get_num_threads(), torch.random.get_rng_state().clone()
    assert np.array_equal(net.net_features(DATA.images, LABEL, SUPPLIER, 7), features)
    assert torch.get_num_threads() == threads and not torch.are_deterministic_algorithms_enabled()
    assert torch.equal(torch.random.get_rng_state(), state)


def test_the_battery_says_so_and_judges_single_labels_by_it_alone() -> None:
    plain, sharp = (
        screen(DATA.images, list(DATA.label), list(DATA.supplier), features=kind) for kind in (PATCHES, NET)
    )
    assert plain.features.single is None and sharp.features.single is not None
    assert "never saw their supplier" in sharp.features.words()
    assert sharp.features.to_json()["single"]["dimensions"] == 2 * net.INNER
    changed = {
        name for name, r in sharp.checks.items()
        if r.rows is not None and not np.array_equal(r.rows, plain.checks[name].rows)
    }  # fmt: skip
    # Whoever leaves out the rows that label-errors suspects sees other rows; nobody else is touched.
    assert "data/label-errors" in changed <= {"data/label-errors", "data/leave-one-supplier-out"}
    assert np.array_equal(sharp.seen.heads.features, plain.seen.heads.features)
    with pytest.raises(Unusable, match="features 'nets'"):
        screen(DATA.images, list(DATA.label), list(DATA.supplier), features="nets")


def test_without_torch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(MissingExtra) as missing:
        net.net_features(DATA.images, LABEL, SUPPLIER, 7)
    assert "countermark[torch]" in missing.value.mend


def module(channels: int = 3) -> object:
    torch.manual_seed(3)
    n = torch.nn
    return n.Sequential(
        n.Conv2d(channels, 4, 3), n.ReLU(), n.Conv2d(4, 6, 3), n.Dropout(0.5), n.AdaptiveAvgPool2d(2), n.Flatten(),
        n.Linear(24, 5), n.ReLU(), n.Linear(5, 3),
    )  # fmt: skip


def test_a_torch_module_gives_what_its_last_layers_are_given() -> None:
    net3 = module()
    images = DATA.images[:9]
    seen = encoder(net3)(images)
    net3.eval()  # type: ignore[attr-defined]
    x = torch.from_numpy(np.moveaxis(images, 3, 1).astype(np.float32) / 255)
    with torch.no_grad():
        maps, flat, inner = net3[:2](x), net3[:6](x), net3[:8](x)  # type: ignore[index]
    want = np.concatenate([maps.mean(dim=(2, 3)), flat, inner], axis=1)
    assert seen.shape == (9, 4 + 24 + 5) and np.allclose(seen, want, atol=1e-5)
    assert encoded(encoder(net3), images).std() == pytest.approx(1, rel=1e-4)


def test_a_module_is_left_as_it_was_and_may_be_grey() -> None:
    grey = module(1)
    grey.train()  # type: ignore[attr-defined]
    threads = torch.get_num_threads()
    assert encoder(grey)(DATA.images[:2]).shape == (2, 33)
    assert grey.training and all(m.training for m in grey.modules())  # type: ignore[attr-defined]
    assert not any(m._forward_pre_hooks for m in grey.modules())  # type: ignore[attr-defined]
    assert torch.get_num_threads() == threads


def test_modules_without_inner_layers_are_refused() -> None:
    for bad, why in (
        (torch.nn.ReLU(), "no linear layer"),
        (torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64 * 64 * 3, 2)), "no layer before"),
    ):
        with pytest.raises(Unusable, match=why):
            encoder(bad)(DATA.images[:2])


def test_features_may_be_handed_over() -> None:
    rows = DATA.images.reshape(len(LABEL), 16, 4, 16, 4, 3).mean(axis=(2, 4)).reshape(len(LABEL), -1)
    result = screen(DATA.images, list(DATA.label), list(DATA.supplier), model=rows)
    named = screen(DATA.images, list(DATA.label), list(DATA.supplier), model=Given(rows.astype(np.float32), "by hand"))
    assert result.features.dimensions == 768 and "handed over" in result.features.name
    assert named.features.name == "by hand" and (named.row_p == result.row_p).all()
    for bad in (rows[:-1], rows[:, 0], np.full_like(rows, np.nan)):
        with pytest.raises(Unusable):
            screen(DATA.images, list(DATA.label), list(DATA.supplier), model=bad)
