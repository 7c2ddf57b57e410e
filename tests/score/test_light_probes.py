"""Faults that need several enhanced pictures: each probe catches its own, and passes a steady enhancer."""

import numpy as np
import pytest

from drujax.data.qab import mean_luma
from drujax.data.scenes import situation
from drujax.metrics.exposure_faults import box_mean
from drujax.score.light_probes import blockiness, fade_fall, jpeg, probe
from tests.support.enhancers import lift

SIZE = (160, 256)


@pytest.fixture(scope="module")
def night():
    return situation("moon", 1, SIZE)[0]


def identity(batch):
    return batch


def sharpened(batch):
    x = batch.astype(np.float32)
    return np.clip(np.rint([3 * picture - 2 * box_mean(picture, 2) for picture in x]), 0, 255).astype(np.uint8)


def probed(enhance, dark):
    return probe(enhance, dark, enhance(dark[None])[0])


def test_no_enhancement_and_an_even_one(night):
    assert probed(identity, night) == pytest.approx({"noise_gain": 1, "block_gain": 1, "jump": 1}, abs=0.02)
    faults = probed(lift, night)
    assert 0.7 < faults["noise_gain"] < 1.25
    assert 0.6 < faults["block_gain"] < 1.25
    assert faults["jump"] < 5


def test_sharpening_lifts_noise_and_blocks(night):
    faults = probed(sharpened, night)
    assert faults["noise_gain"] > 2
    assert faults["block_gain"] > 1.5


def test_bands_lift_noise_in_an_almost_black_picture():
    dark, _ = situation("almost black", 0, SIZE)
    assert probed(lift, dark)["noise_gain"] < 1.3
    bands = np.clip(np.arange(256) // 4 * 16, 0, 255).astype(np.uint8)
    assert probed(lambda batch: bands[batch], dark)["noise_gain"] > 1.6


def test_grey_that_is_treated_specially_jumps(night):
    def special(batch):
        grey = (batch == batch[..., :1]).all()
        return np.clip(lift(batch).astype(int) + 14 * grey, 0, 255).astype(np.uint8)

    assert probed(special, night)["jump"] > probed(lift, night)["jump"] + 5


def test_a_threshold_of_darkness_jumps(night):
    level = mean_luma(night) + 0.5
    assert probed(lambda batch: lift(batch) if mean_luma(batch[0]) < level else batch, night)["jump"] > 20


def test_a_fade_in_keeps_its_order():
    _, bright = situation("lit town", 0, SIZE)
    assert fade_fall(identity, bright) == 0
    assert fade_fall(lift, bright) == 0

    def as_dark_as_it_is(batch):  # lifts the darkest most, and turns the order round
        share = np.clip((150 - mean_luma(batch[0])) / 100, 0, 1)
        return np.rint(batch + share * (lift(lift(batch)).astype(float) - batch)).astype(np.uint8)

    assert fade_fall(as_dark_as_it_is, bright) > 10


def test_blockiness_is_that_of_blocks(night):
    everywhere = np.ones(SIZE, bool)
    smooth = np.add.outer(np.arange(160.0), np.arange(256.0)) / 8
    assert blockiness(smooth, everywhere) == pytest.approx(0, abs=1e-5)
    blocks = np.add.outer(np.arange(160) // 8, np.arange(256) // 8) * 3.0
    assert blockiness(blocks, everywhere) == pytest.approx(3)
    assert blockiness(blocks, ~everywhere) == 0
    assert jpeg(night).shape == night.shape
