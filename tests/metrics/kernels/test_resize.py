"""imresize against MATLAB's results, and its defining properties."""

import jax.numpy as jnp
import numpy as np
import pytest

from drujax.metrics.kernels.resize import imresize, mirrored, taps


def test_equals_matlab(goldens):
    features = goldens("iqa/features")
    names = [key.removesuffix("/gray_imresize_half_f64") for key in features if key.endswith("/gray_imresize_half_f64")]
    assert len(names) == 2
    for name in names:
        grey = features[f"{name}/gray_matlab_u8"].astype(float)
        np.testing.assert_allclose(imresize(grey, 0.5), features[f"{name}/gray_imresize_half_f64"], atol=1e-12)


def test_half_size_uses_the_same_eight_taps_everywhere():
    weight = taps(40, 20, 0.5).weight
    assert weight.shape == (20, 8)
    np.testing.assert_allclose(weight, np.tile([-3, -9, 29, 111, 111, 29, -9, -3], (20, 1)) / 256, atol=1e-15)


@pytest.mark.parametrize(("scale", "expected"), [(0.5, (6, 4)), (2.0, (22, 14)), (1.3, (15, 10))])
def test_sizes_and_constants(scale, expected):
    flat = np.full((2, 11, 7), 201.3)
    result = imresize(flat, scale)
    assert result.shape == (2, *expected)
    assert (result == 201.3).all()  # exactly


def test_ramps_are_preserved_inside():
    ramp = np.arange(40.0)[:, None] * np.ones(3)
    np.testing.assert_allclose(imresize(ramp, 0.5, (20, 3))[3:-3, 0], 2 * np.arange(20)[3:-3] + 0.5)
    np.testing.assert_allclose(imresize(ramp, 2.0)[6:-6, 0], np.arange(80)[6:-6] / 2 - 0.25)


def test_jax_arrays_and_transposes():
    picture = np.random.default_rng(0).uniform(0, 255, (9, 14))
    expected = imresize(picture, 0.5)
    np.testing.assert_allclose(imresize(jnp.asarray(picture, jnp.float32), 0.5), expected, atol=1e-4)
    np.testing.assert_allclose(imresize(picture.T, 0.5).T, expected, atol=1e-12)


def test_mirrored_repeats_the_reflection():
    np.testing.assert_array_equal(mirrored(np.arange(-4, 7), 2), [0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1])
    np.testing.assert_array_equal(mirrored(np.arange(-3, 6), 4), [2, 1, 0, 0, 1, 2, 3, 3, 2])
