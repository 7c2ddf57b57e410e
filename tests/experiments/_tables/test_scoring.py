"""Scores of enhanced pictures: resumable, and at a common mean luma."""

import json

import numpy as np
import pytest

from drujax.data.qab import mean_luma
from drujax.data.scenes import paint
from experiments._tables.dark_pictures import DarkPicture, at_short_side
from experiments._tables.scoring import SCORES, at_mean_luma, read_scores, score, shown_pictures

METRICS = {
    "spread": lambda rgb, truth: rgb.std(),
    "none": lambda rgb, truth: np.nan,
    "apart": lambda rgb, truth: 0.0 if truth is None else abs(mean_luma(rgb) - mean_luma(truth)),
}


def pictures(count=4, truth=None):
    return [DarkPicture(f"s/{i}.png", str(i), lambda i=i: (paint(0, i, (24, 32)), truth)) for i in range(count)]


def enhance(batch):
    return 255 - batch


def test_each_picture_has_a_line(tmp_path):
    score(tmp_path, lambda: enhance, pictures(), METRICS)
    rows = read_scores(tmp_path)
    assert [row["picture"] for row in rows] == [picture.name for picture in pictures()]
    enhanced = 255 - paint(0, 1, (24, 32))
    assert rows[1]["spread"] == pytest.approx(enhanced.std())
    assert rows[1]["luma"] == pytest.approx(mean_luma(enhanced))
    assert rows[1]["matched_spread"] == pytest.approx(at_mean_luma(enhanced).std())
    assert rows[1]["none"] is None
    np.testing.assert_array_equal(shown_pictures(tmp_path)[1], enhanced)


def test_beside_the_truth_a_picture_is_matched_to_its_luma(tmp_path):
    truth = np.full((24, 32, 3), 90, np.uint8)
    score(tmp_path, lambda: enhance, pictures(2, truth), METRICS)
    enhanced = 255 - paint(0, 1, (24, 32))
    row = read_scores(tmp_path)[1]
    assert row["apart"] == pytest.approx(abs(mean_luma(enhanced) - 90))
    assert row["matched_apart"] == pytest.approx(0, abs=1.5)
    assert row["apart"] > 5


def test_pictures_are_resized_together_with_their_truth():
    (wide,) = pictures(1, truth=paint(0, 9, (24, 32)))
    dark, truth = at_short_side(wide, 16).read()
    assert dark.shape == truth.shape == (16, 21, 3)
    assert at_short_side(pictures(1)[0], 16).read()[1] is None
    assert mean_luma(dark) == pytest.approx(mean_luma(wide.read()[0]), abs=2)


def test_a_killed_run_goes_on_after_its_last_whole_line(tmp_path):
    score(tmp_path / "whole", lambda: enhance, pictures(), METRICS)
    whole = (tmp_path / "whole" / SCORES).read_bytes()
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / SCORES).write_bytes(whole[: whole.index(b"\n") + 20])
    asked = []

    def counted(batch):
        asked.append(len(batch))
        return enhance(batch)

    score(tmp_path / "cut", lambda: counted, pictures(), METRICS)
    assert len(asked) == 3
    assert (tmp_path / "cut" / SCORES).read_bytes() == whole
    score(tmp_path / "cut", lambda: pytest.fail("loaded the model of a finished job"), pictures(), METRICS)
    assert [json.loads(line) for line in whole.splitlines()] == read_scores(tmp_path / "cut")


def test_the_common_mean_luma_is_met_in_between_black_and_white(tmp_path):
    dark = (paint(0, 3, (40, 40)) // 4).astype(np.uint8)
    for target in (60.0, 110.0, 180.0):
        assert mean_luma(at_mean_luma(dark, target)) == pytest.approx(target, abs=1.5)
    np.testing.assert_array_equal(at_mean_luma(np.zeros((4, 4, 3), np.uint8)), 0)
    np.testing.assert_array_equal(at_mean_luma(np.full((4, 4, 3), 255, np.uint8)), 255)
