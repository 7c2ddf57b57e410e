import dataclasses
import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from drujax.uncertainty.probability import train_probability_network
from drujax.uncertainty.relativistic import (
    full_report,
    histogram,
    probabilities,
    relativistic_margins,
    relativistic_probabilities,
    spread,
    write_report,
)


class Split:
    """Pictures by position, like a split of a dataset."""

    def __init__(self, images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def image(self, index):
        return self.images[index]


@pytest.fixture
def dataset(pictures):
    """Dark and bright pictures; the last of each looks more like the other class."""
    dark, bright = ([e.image for e in pictures if e.label == label] for label in (0, 1))
    grey = [np.full((20, 20, 3), level, np.uint8) for level in (190, 70)]
    return SimpleNamespace(train_dark=Split([*dark, grey[0]]), train_bright=Split([*bright, grey[1]]))


def test_tables_are_the_softmax_of_the_own_class_in_record_order(network, dataset):
    tables = relativistic_probabilities(network, dataset)
    for own, name in enumerate(("dark", "bright")):
        images = getattr(dataset, f"train_{name}").images
        assert tables[name].dtype == np.float32
        np.testing.assert_allclose(tables[name], network.probabilities(images)[:, own], atol=1e-6)
        assert tables[name][-1] < tables[name][:-1].min()


def test_tables_depend_on_the_networks_temperature(network, dataset):
    warm = dataclasses.replace(network, temperature=5.0)
    margins = relativistic_margins(network, dataset)
    tables = relativistic_probabilities(warm, dataset)
    np.testing.assert_allclose(tables["dark"], 1 / (1 + np.exp(-margins["dark"] / 5)), rtol=1e-5)


def test_margins_far_apart_do_not_overflow():
    tables = probabilities({"dark": np.array([-1e4, 0, 1e4], np.float32)}, 1.0)
    np.testing.assert_array_equal(tables["dark"], np.array([0, 0.5, 1], np.float32))


def test_histogram_and_spread_by_hand():
    table = np.array([0.5, 0.96, 1.0, 1.0], np.float32)
    report = histogram(table)
    assert sum(report["counts"]) == 4
    assert (report["counts"][10], report["counts"][19]) == (1, 3)
    assert report["edges"][10:12] == [0.5, 0.55]
    assert report["mean"] == pytest.approx(0.865)
    assert report["std"] == pytest.approx(np.std([0.5, 0.96, 1, 1]))
    assert report["saturated"] == 0.5
    assert spread(np.zeros(0, np.float32))["mean"] is None


def test_report_files_hold_accuracy_calibration_and_histograms(network, dataset, tmp_path):
    report = full_report(network, relativistic_margins(network, dataset))
    write_report(tmp_path, report)
    written = json.loads((tmp_path / "probability.json").read_text())
    assert written["accuracy"] == 1.0
    assert written["expected_calibration_error"] == report["expected_calibration_error"]
    assert sum(written["rp_dark"]["counts"]) == 25
    assert sum(written["rp_bright"]["counts"]) == 17
    assert written["temperature"]["before"]["rp_dark"]["std"] == written["rp_dark"]["std"]
    assert "after" not in written["temperature"]  # nothing is misclassified, so no temperature was fitted
    assert {path.name for path in tmp_path.iterdir()} == {"probability.json", "probability.png"}


def test_report_shows_what_a_fitted_temperature_would_change(network, dataset):
    temperature = {**network.report["temperature"], "fitted": 3.0, "after": {"expected_calibration_error": 0.1}}
    fitted = dataclasses.replace(network, report={**network.report, "temperature": temperature})
    margins = relativistic_margins(network, dataset)
    report = full_report(fitted, margins)
    assert report["rp_dark"]["mean"] == pytest.approx(probabilities(margins, 1.0)["dark"].mean())
    assert report["temperature"]["after"]["expected_calibration_error"] == 0.1
    warm = probabilities(margins, 3.0)["dark"]
    assert report["temperature"]["after"]["rp_dark"]["mean"] == pytest.approx(warm.mean())


def test_chart_shows_the_bars(network, dataset, tmp_path):
    """The highest bar of the dark histogram reaches the top of its panel, and an empty bin is empty."""
    margins = relativistic_margins(network, dataset)
    report = full_report(network, margins)
    report["rp_dark"] = histogram(np.array([0.02, 0.98, 0.98], np.float32))
    write_report(tmp_path, report)
    from drujax.uncertainty import plots

    image = np.asarray(Image.open(io.BytesIO((tmp_path / "probability.png").read_bytes())).convert("RGB")).astype(int)
    left = plots.MARGIN + plots.SIDE + plots.GAP + plots.MARGIN
    panel = image[plots.MARGIN : plots.MARGIN + plots.SIDE, left : left + plots.SIDE]
    blue = np.all(panel == [0x3B, 0x6E, 0xA8], axis=-1)
    heights = blue.sum(0) / plots.SIDE
    assert heights[int(0.975 * plots.SIDE)] > 0.95
    assert heights[int(0.025 * plots.SIDE)] == pytest.approx(0.5, abs=0.03)
    assert heights[int(0.525 * plots.SIDE)] == 0


def test_a_report_without_held_out_pictures_is_drawn(tiny, pictures, dataset, recipe, lines, tmp_path):
    network = train_probability_network(
        pictures, tiny, "none", dataclasses.replace(recipe, held_out=0.0), log=lines.append
    )
    dataset.train_bright = Split([])
    write_report(tmp_path, full_report(network, relativistic_margins(network, dataset)))
    assert json.loads((tmp_path / "probability.json").read_text())["rp_bright"]["mean"] is None
    assert (tmp_path / "probability.png").stat().st_size > 1000
