"""Every number catches the fault that it is for, planted alone, and passes an even and natural lift."""

import numpy as np
import pytest

from drujax.data.scenes import situation
from drujax.metrics.exposure import pair_columns
from drujax.metrics.exposure_faults import box_mean, oklab, picture_faults
from drujax.pictures.color import luma
from tests.support.enhancers import halos, lift

SIZE = (160, 256)


@pytest.fixture(scope="module", params=["lit town", "lamp", "snow", "letterboxed"])
def dark(request):
    return situation(request.param, 0, SIZE)[0]


def uint8(x):
    return np.clip(np.rint(x), 0, 255).astype(np.uint8)


def smooth_noise(amplitude):
    noise = np.random.default_rng(3).normal(size=SIZE).astype(np.float32)
    for _ in range(3):
        noise = box_mean(noise, 8)
    return np.exp(amplitude * noise / noise.std())[..., None]


def measured(enhanced, dark, name):
    value = picture_faults(enhanced, dark)[name]
    assert value is not None
    return value


def test_the_picture_itself_has_no_fault(dark):
    faults = picture_faults(dark, dark)
    assert faults["unevenness"] == faults["hue_shift"] == 0
    assert faults["contrast_kept"] == faults["chroma_growth"] == 1
    assert faults["lights_dimmed"] in (0, None)
    assert faults["lights_clipped"] in (0, None)


def test_blots_are_uneven(dark):
    clean = measured(lift(dark), dark, "unevenness")
    assert clean < 0.02
    assert measured(uint8(lift(dark) * smooth_noise(0.1)), dark, "unevenness") > 3 * clean


def test_a_seam_is_uneven(dark):
    gain = np.where(np.arange(SIZE[1]) < SIZE[1] // 2, 1.0, 1.2)[None, :, None]
    clean = measured(lift(dark), dark, "unevenness")
    assert measured(uint8(lift(dark) * gain), dark, "unevenness") > 1.5 * clean + 0.005


@pytest.mark.parametrize("name", ["lit town", "neon", "moon", "snow", "fog"])
def test_halos_are_uneven_and_break_the_structure(name):
    """What PIQE and NIQE prefer to released methods must fail here."""
    dark, bright = situation(name, 0, SIZE)
    clean, haloed = (
        picture_faults(enhanced, dark, bright) | pair_columns(enhanced, dark, bright)
        for enhanced in (lift(dark), halos(dark[None])[0])
    )
    assert haloed["unevenness"] > 3 * clean["unevenness"]
    assert haloed["luma_correlation"] < clean["luma_correlation"] - 0.15
    # Outlines of lamps hide what happens between them; they are what there is of gradients in a lit town.
    assert haloed["gradient_correlation"] < clean["gradient_correlation"] or name == "lit town"


def test_milky_darks_lose_contrast(dark):
    assert measured(uint8(2.0 * dark), dark, "contrast_kept") == pytest.approx(1, abs=0.06)
    assert measured(uint8(0.8 * dark + 50), dark, "contrast_kept") < 0.6


def test_black_is_lifted():
    dark, bright = situation("letterboxed", 0, SIZE)
    assert measured(lift(dark), dark, "black_lift") < 1
    assert measured(uint8(lift(dark) + 12.0), dark, "black_lift") > 11
    assert picture_faults(lift(dark), dark, bright)["black_lift"] < 1


def test_black_that_is_not_black_by_day_is_not_meant():
    dark, bright = situation("back-light", 0, SIZE)
    dark = uint8(dark.astype(int) - 12)  # the ground is black now
    assert measured(uint8(lift(dark) + 12.0), dark, "black_lift") > 11
    assert picture_faults(lift(dark), dark, bright)["black_lift"] is None


def test_another_hue(dark):
    assert measured(lift(dark), dark, "hue_shift") < 6
    assert measured(lift(dark)[..., [1, 2, 0]], dark, "hue_shift") > 40


def test_electric_colours(dark):
    clean = lift(dark).astype(float)
    grey = luma(clean)[..., None]
    growth = measured(lift(dark), dark, "chroma_growth")
    assert measured(uint8(grey + 1.6 * (clean - grey)), dark, "chroma_growth") > 1.3 * growth
    assert measured(uint8(grey + 0.3 * (clean - grey)), dark, "chroma_growth") < 0.6 * growth


def test_lights_are_dimmed_or_burnt():
    dark, _ = situation("lit town", 0, SIZE)
    clean = picture_faults(lift(dark), dark)
    assert clean["lights_dimmed"] == 0
    assert clean["lights_clipped"] < 0.35  # the brightest windows are at the brim
    assert measured(np.minimum(lift(dark), 110), dark, "lights_dimmed") > 0.9
    assert measured(uint8(2.5 * dark.astype(float)), dark, "lights_clipped") > 0.9


def test_where_there_is_nothing_to_look_at():
    faults = picture_faults(np.zeros((32, 32, 3), np.uint8), np.zeros((32, 32, 3), np.uint8))
    assert faults["black_lift"] == 0
    assert faults["hue_shift"] is None
    assert faults["lights_dimmed"] is None
    assert faults["contrast_kept"] is None


def test_oklab_by_its_authors_examples():
    """White, and the published values of the primaries."""
    colours = np.array([[255, 255, 255], [255, 0, 0], [0, 0, 255]], np.float32)
    expected = [[1, 0, 0], [0.6280, 0.2249, 0.1258], [0.4520, -0.0324, -0.3115]]
    np.testing.assert_allclose(oklab(colours), expected, atol=2e-4)
