import csv

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from drujax.errors import UsageError
from drujax.metrics.kernels.block_dct import block_dct_features
from drujax.metrics.kernels.ggd_shape import gaussian_shape
from drujax.metrics.kernels.ma_features import LEAST_SIDE, ma_features
from drujax.metrics.kernels.precision import float64
from drujax.metrics.kernels.steerable import build_pyramid, pyramid_masks
from drujax.metrics.ma import features

PICTURES = [
    *("I03_dist", "I03_ref", "I04_dist", "I04_ref", "I06_dist", "I06_ref", "I08_dist", "I08_ref", "I19_dist"),
    *("I19_ref", "peppers", "astronaut", "coffee", "chelsea", "rocket", "coffee_x4bicubic", "astronaut_x4bicubic"),
    *("photo_ava42041", "lowlight_zdce11", "lowlight_sci02154", "anime_shinkai0", "anime_shinkai10", "anime_kspark"),
    *("synth_flat", "synth_grad", "synth_dark_odd"),
]

# Largest relative difference of a feature. "matlab" is a float64 port that was verified against the official code.
# IQA-PyTorch rounds kernels and grids to float32, so that one block in thousands gets another grid point.
GOLDENS = {
    "matlab": (("ma_f1_official_np", "ma_f2_official_np", "ma_f3_official_np"), 1e-7),
    "pyiqa": (tuple(f"nrqm_f{group}_pi_ycbcr_crop4_pyiqa" for group in (1, 2, 3)), 3e-6),
}


# Only the remainder by 3 and odd halves of the size matter: these images cover all cases with four programs.
FOR_PYIQA = [name for name in PICTURES if name.startswith(("I", "anime", "synth", "peppers", "lowlight_z", "chelsea"))]
ROWS = [("matlab", name) for name in PICTURES] + [("pyiqa", name) for name in FOR_PYIQA]


@pytest.fixture(scope="module")
def golden_features(goldens):
    return goldens("iqa/features")


def picture(shared, name):
    return np.asarray(Image.open(shared / "goldens" / "iqa" / "images" / f"{name}.png").convert("RGB"))


@pytest.mark.parametrize(("reference", "name"), ROWS)
def test_goldens(shared, golden_features, reference, name):
    keys, tolerance = GOLDENS[reference]
    for key, group in zip(keys, features(picture(shared, name), reference=reference), strict=True):
        np.testing.assert_allclose(group[0], golden_features[f"{name}/{key}"], rtol=tolerance)


def test_every_golden_picture_is_tested(shared):
    with open(shared / "goldens" / "iqa" / "scores.csv", newline="") as file:
        assert {row["image"] for row in csv.DictReader(file)} == set(PICTURES)


def test_features_do_not_depend_on_the_batch_and_x64_stays_disabled():
    pictures = np.random.default_rng(0).integers(0, 256, (3, 60, 53, 3), np.uint8)
    together = features(pictures)
    assert jnp.zeros(()).dtype == np.float32
    assert [group.shape for group in together] == [(3, 18), (3, 45), (3, 75)]
    for i in (2, 0):
        for whole, alone in zip(together, features(pictures[i] / np.float32(255)), strict=True):
            np.testing.assert_array_equal(whole[i], alone[0])


@pytest.mark.parametrize("reference", GOLDENS)
def test_features_of_constant_images_are_finite(reference):
    for level in (0, 200):
        for group in features(np.full((64, 64, 3), level, np.uint8), reference=reference):
            assert np.isfinite(group).all()


def test_minimum_size():
    least = LEAST_SIDE + 8
    random = np.random.default_rng(1)
    assert np.isfinite(np.hstack(features(random.random((least, least, 3))))).all()
    with pytest.raises(UsageError, match=f"ma: each side must be >= {least} pixels, got {least - 1}x{least}"):
        features(random.random((least, least - 1, 3)))
    with pytest.raises(UsageError, match="45x45"):
        ma_features(np.zeros((1, 44, 80), np.uint8), "pyiqa")


def test_unknown_choices_are_refused():
    unchecked = features.__wrapped__  # without the tests' type checker, which would raise first
    with pytest.raises(UsageError, match="reference: unknown value 'octave'. .*pyiqa, matlab"):
        unchecked(np.zeros((64, 64, 3)), reference="octave")
    with pytest.raises(UsageError, match="protocol: unknown value 'pirm'"):
        unchecked(np.zeros((64, 64, 3)), protocol="pirm")


@pytest.mark.parametrize("size", [(40, 48), (41, 47), (44, 45), (46, 51)])
def test_pyramid_by_half_spectra_equals_the_full_transform(size):
    """The definition: complex transforms with centred masks, and the real part of the result."""
    from drujax.metrics.kernels import steerable

    image = np.random.default_rng(2).random(size)
    with float64():
        pyramid = jax.jit(build_pyramid)(jnp.asarray(image), pyramid_masks(*size))
    spectrum = np.fft.fftshift(np.fft.fft2(image))
    log_radius, angle = steerable._polar(*size)
    high, low = steerable._radial_tables()

    def real(centred):
        return np.fft.ifft2(np.fft.ifftshift(centred)).real

    np.testing.assert_allclose(pyramid.high, real(spectrum * high(log_radius, 0)), atol=1e-14)
    spectrum = spectrum * low(log_radius, 0)
    for level, bands in enumerate((pyramid.level1, pyramid.level2), start=1):
        for b in range(6):
            expected = real(-1j * spectrum * high(log_radius, level) * steerable._angular(angle, b))
            np.testing.assert_allclose(bands[b], expected, atol=1e-14)
        halves = [-(-(2 * n - 1) // 4) for n in spectrum.shape]  # ceil((n - 0.5) / 2)
        cut = tuple(slice(n // 2 - half // 2, n // 2 - half // 2 + half) for n, half in zip(size, halves, strict=True))
        spectrum, log_radius, angle = spectrum[cut], log_radius[cut], angle[cut]
        spectrum = spectrum * low(log_radius, 1)


@pytest.mark.parametrize("reference", GOLDENS)
def test_block_features_equal_a_loop_over_blocks(reference):
    from scipy.fft import dctn

    image = np.random.default_rng(3).random((31, 26)) ** 2
    pads = [(2, 7) if reference == "matlab" else (-(-n // 3) * 3 - 3 + 7 - n) // 2 for n in image.shape]
    before = [pad if isinstance(pad, int) else pad[0] for pad in pads]
    padded = np.pad(image, [(pad, 8) for pad in before])
    shapes, spreads, between = [], [], []
    for i in range(0, image.shape[0], 3):
        for j in range(0, image.shape[1], 3):
            dct = np.asarray(dctn(padded[i : i + 7, j : j + 7], norm="ortho"))
            with float64():
                shapes.append(float(gaussian_shape(jnp.asarray(dct.ravel()[1:]))))
            spreads.append(_spread(dct.ravel()[1:], 1e-7))
            rows = [*dct[0, 1:], *dct[1, 2:], *dct[2, 4:], *dct[3, 5:]]
            columns = [*dct[1:, 0], *dct[2:, 1], *dct[4:, 2], *dct[5:, 3]]
            middle = [dct[1, 1], *dct[2, 2:4], *dct[3, 2:5], *dct[4, 3:], *dct[5, 4:], *dct[6, 4:]]
            between.append(np.var([_spread(np.array(x), 1e-8) for x in (rows, middle, columns)], ddof=1))
    n, extra = len(shapes), 1 if reference == "pyiqa" else 0
    assert n == 99
    low, high = sorted(shapes)[: 10 + extra], int(0.9 * n) - 1 + extra
    expected = [np.mean(low), np.mean(shapes)]
    for values in (spreads, between):
        expected += [np.mean(sorted(values)[high:]), np.mean(values)]
    with float64():
        result = jax.jit(block_dct_features, static_argnames="reference")(jnp.asarray(image), reference=reference)
    np.testing.assert_allclose(result, expected, rtol=1e-12)


def _spread(coefficients, epsilon):
    return np.std(np.abs(coefficients), ddof=1) / (np.abs(coefficients).mean() + epsilon)


def test_shapes_of_samples():
    random = np.random.default_rng(4)
    with float64():
        gauss, laplace, equal = gaussian_shape(
            jnp.asarray(np.stack([random.normal(size=200_000), random.laplace(size=200_000), np.ones(200_000)]))
        )
    assert (float(gauss), float(laplace)) == pytest.approx((2, 1), abs=0.03)
    assert float(equal) == pytest.approx(10)
