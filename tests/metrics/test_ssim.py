"""PSNR and SSIM against independent computations in float64."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import correlate
from scipy.signal import fftconvolve

from drujax.errors import UsageError
from drujax.metrics import loe, ms_ssim, psnr, ssim


def pictures(seed: int, *, flat: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Smooth images with edges (or flat ones), and degraded copies."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:40, :53] / 40
    truth = 0.5 + 0.3 * np.sin(np.stack([6 * x + y, 3 * y, 9 * x * y], -1)) + 0.2 * (x > 0.6)[..., None]
    truth = np.stack([truth, truth[::-1] ** 2]).clip(0, 1)
    if flat:
        truth = np.full_like(truth, 0.8)
    return (truth * 0.7 + random.normal(0, 0.03, truth.shape)).clip(0, 1), truth


def reference_ssim(x: np.ndarray, y: np.ndarray) -> float:
    """SSIM of one channel in float64, by two-dimensional correlation with the paper's window."""
    grid = np.mgrid[-5:6, -5:6]
    window = np.exp(-(grid**2).sum(0) / (2 * 1.5**2))
    window /= window.sum()
    inside = (slice(5, -5), slice(5, -5))
    mean_x, mean_y = (correlate(v, window)[inside] for v in (x, y))
    xx, yy, xy = (correlate(v, window)[inside] for v in (x * x, y * y, x * y))
    numerator = (2 * mean_x * mean_y + 0.01**2) * (2 * (xy - mean_x * mean_y) + 0.03**2)
    denominator = (mean_x**2 + mean_y**2 + 0.01**2) * (xx - mean_x**2 + yy - mean_y**2 + 0.03**2)
    return float((numerator / denominator).mean())


def test_psnr_equals_its_definition():
    image, truth = pictures(0)
    expected = [10 * np.log10(1 / np.square(x - y).mean()) for x, y in zip(image, truth, strict=True)]
    np.testing.assert_allclose(psnr(jnp.asarray(image), jnp.asarray(truth)), expected, rtol=1e-5)
    assert np.isposinf(psnr(jnp.asarray(truth), jnp.asarray(truth))).all()
    tenth = jnp.full((1, 2, 2, 3), 0.1)
    np.testing.assert_allclose(psnr(tenth, jnp.zeros_like(tenth)), 20.0, rtol=1e-6)


@pytest.mark.parametrize("flat", [False, True])
def test_ssim_equals_the_published_formula(flat):
    image, truth = pictures(1, flat=flat)
    expected = [
        np.mean([reference_ssim(x[..., c], y[..., c]) for c in range(3)]) for x, y in zip(image, truth, strict=True)
    ]
    np.testing.assert_allclose(ssim(jnp.asarray(image), jnp.asarray(truth)), expected, rtol=2e-5)


def test_ssim_of_identical_images_is_one_and_falls_with_noise_and_blur():
    _, truth = pictures(2)
    random = np.random.default_rng(3)
    np.testing.assert_allclose(ssim(jnp.asarray(truth), jnp.asarray(truth)), 1.0, rtol=1e-6)
    noisy = [ssim((truth + random.normal(0, s, truth.shape)).clip(0, 1), truth) for s in (0.01, 0.05, 0.2)]
    assert (np.diff(np.stack(noisy), axis=0) < 0).all()
    blurred = [
        ssim(jnp.asarray(fftconvolve(truth, np.ones((1, n, n, 1)) / n**2, mode="same")), jnp.asarray(truth))
        for n in (3, 5, 9)
    ]
    assert (np.diff(np.stack(blurred), axis=0) < 0).all()


@pytest.mark.parametrize("metric", [psnr, ssim, loe, ms_ssim])
def test_score_does_not_depend_on_dtype_and_rank(metric):
    random = np.random.default_rng(4)
    image, truth = random.integers(0, 256, (2, 178, 177, 3), np.uint8)
    (expected,) = metric(image, truth)
    assert isinstance(metric(image, truth), np.ndarray)
    for same in (image[None] / 255, (image / np.float32(255)).astype(np.float32), image.astype(np.uint16) * 257):
        np.testing.assert_allclose(metric(same, truth[None]), [expected], rtol=1e-6)


@pytest.mark.parametrize(("metric", "smallest"), [(psnr, 1), (ssim, 11), (ms_ssim, 176), (loe, 1)])
def test_invalid_pairs_are_refused_in_one_line(metric, smallest):
    name, whole = metric.__name__, np.zeros((1, 200, 180, 3), np.float32)
    for images, message in (
        (np.full_like(whole, np.nan), "floating values must be in 0..1, got nan..nan"),
        (255 * np.ones_like(whole), "floating values must be in 0..1, got 255..255"),
        (whole[..., :1], r"shape must .* got \(1, 200, 180, 1\)"),
        (np.zeros((1, 200, 180, 4), np.uint8), r"shape must .* got \(1, 200, 180, 4\)"),
        (whole[:, :190], r"must have equal shapes, got \(1, 190, 180, 3\) and \(1, 200, 180, 3\)"),
        (whole[:, : smallest - 1], "each side must be >=" if smallest > 1 else "shape must be"),
    ):
        with pytest.raises(UsageError, match=f"{name}: .*{message}") as error:
            metric(images, whole)
        assert "\n" not in str(error.value)
