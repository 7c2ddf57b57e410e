"""The weights of the losses: RP, and the controls."""

from types import SimpleNamespace

import numpy as np
import pytest

from drujax.errors import UsageError
from drujax.uncertainty import weighting
from drujax.uncertainty.weighting import WEIGHTINGS, fit_sigmoid, weight_tables

RP = {"dark": np.array([1.0, 0.9, 0.3, 0.6], np.float32), "bright": np.array([0.2, 0.8], np.float32)}


class Dataset:
    """Rows of (mean luma, partition) for each class."""

    def __init__(self, dark, bright):
        self._rows = {"train_dark": dark, "train_bright": bright}

    def table(self, split):
        return [
            SimpleNamespace(id=f"{split}/{number}", quartile_means=(y,) * 4, partition=kind)
            for number, (y, kind) in enumerate(self._rows[split])
        ]


def tables(name, seed=0, rp=RP):
    return weight_tables(name, None, lambda: rp, seed)


def test_rp_is_the_papers():
    for name, table in tables("rp").items():
        np.testing.assert_array_equal(table, RP[name])


def test_the_mean_scales_each_term_as_rp_does_on_average():
    found = tables("mean")
    np.testing.assert_allclose(found["dark"], 0.7)
    np.testing.assert_allclose(found["bright"], 0.5)
    pairs = np.outer(RP["dark"], RP["bright"])
    np.testing.assert_allclose(np.outer(found["dark"], found["bright"]).mean(), pairs.mean())


def test_normalised_weights_have_mean_1_and_the_order_of_rp():
    for name, table in tables("normalised").items():
        np.testing.assert_allclose(table.mean(), 1, rtol=1e-6)
        np.testing.assert_allclose(table / table[0], RP[name] / RP[name][0], rtol=1e-6)


def test_shuffled_weights_are_those_of_other_images_of_the_class():
    many = {"dark": np.arange(50, dtype=np.float32) / 50, "bright": np.arange(50, dtype=np.float32) / 99}
    found, other = (tables("shuffled", seed, many) for seed in (0, 1))
    for name, table in found.items():
        np.testing.assert_array_equal(np.sort(table), many[name])
        assert not np.array_equal(table, many[name])
        assert not np.array_equal(table, other[name])
    assert not np.array_equal(np.argsort(found["dark"]), np.argsort(found["bright"]))


def test_inverted_and_threshold():
    np.testing.assert_allclose(tables("inverted")["dark"], [0, 0.1, 0.7, 0.4], atol=1e-6)
    np.testing.assert_array_equal(tables("threshold")["dark"], [1, 1, 0, 1])


def test_luma_needs_no_network():
    dataset = Dataset(
        dark=[(20, "dark"), (35, "dark"), (100, "uncertain")], bright=[(90, "uncertain"), (180, "bright")]
    )
    found = weight_tables("luma", dataset, lambda: pytest.fail("computed RP"), 0)
    assert found["dark"][0] > found["dark"][1] > found["dark"][2] > 1 - found["bright"][1]
    np.testing.assert_allclose(found["dark"][:2].mean(), 3 / 4, atol=0.01)  # Platt's targets for two and one image
    np.testing.assert_allclose(found["bright"][1], 2 / 3, atol=0.01)


def test_illumination_is_the_truth_whatever_the_luma(monkeypatch):
    truth = {"train_dark/0": 0.1, "train_dark/1": 0.5, "train_bright/0": 0.6, "train_bright/1": 0.9}
    monkeypatch.setattr(weighting, "illuminations", lambda dataset: truth)
    dataset = Dataset(dark=[(40, "dark"), (20, "uncertain")], bright=[(20, "uncertain"), (40, "bright")])
    found = weight_tables("illumination", dataset, lambda: pytest.fail("computed RP"), 0)
    np.testing.assert_allclose([found["dark"][0], found["bright"][1]], 2 / 3, atol=0.01)
    np.testing.assert_allclose(found["dark"][1], 0.5, atol=0.01)  # half-way between the confident ones
    assert 0.5 < found["bright"][0] < found["bright"][1]


def test_luma_needs_confident_images_of_both_classes():
    with pytest.raises(UsageError, match="^weighting: luma is fitted to confident images, but none is bright$"):
        weight_tables("luma", Dataset([(20, "dark")], [(90, "uncertain")]), lambda: RP, 0)


def test_the_sigmoid_meets_platts_targets_where_the_classes_are_two_points():
    slope, offset = fit_sigmoid(np.full(8, 40.0), np.full(3, 200.0))
    p = 1 / (1 + np.exp(-(slope * np.array([40.0, 200.0]) + offset)))
    np.testing.assert_allclose(p, [1 / 10, 4 / 5], atol=1e-5)


def test_normalised_needs_a_mean():
    with pytest.raises(UsageError, match="^weighting: normalised divides by the mean of RP, but all are 0$"):
        tables("normalised", rp={"dark": np.zeros(3, np.float32), "bright": np.ones(2, np.float32)})


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_every_weighting_gives_float32_of_the_same_length(name, monkeypatch):
    dataset = Dataset(dark=[(20, "dark")] * 4, bright=[(180, "bright")] * 2)
    truth = {
        row.id: row.quartile_means[0] / 255 for split in ("dark", "bright") for row in dataset.table(f"train_{split}")
    }
    monkeypatch.setattr(weighting, "illuminations", lambda dataset: truth)
    found = weight_tables(name, dataset, lambda: RP, 3)
    assert {name: (table.dtype, len(table)) for name, table in found.items()} == {
        "dark": (np.float32, 4),
        "bright": (np.float32, 2),
    }
