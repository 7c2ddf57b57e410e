"""MS-SSIM against its definition in float64."""

import jax.numpy as jnp
import numpy as np
from scipy.ndimage import correlate, gaussian_filter

from drujax.metrics.ms_ssim import WEIGHTS, ms_ssim

RANDOM = np.random.default_rng(0)
TRUTH = gaussian_filter(RANDOM.uniform(size=(2, 179, 197, 3)), (0, 3, 3, 0))
TRUTH = (TRUTH - TRUTH.min()) / np.ptp(TRUTH)


def definition(x: np.ndarray, y: np.ndarray) -> float:
    """MS-SSIM of one channel, scale by scale, with two-dimensional windows."""
    grid = np.mgrid[-5:6, -5:6]
    window = np.exp(-(grid**2).sum(0) / (2 * 1.5**2))
    window /= window.sum()
    result = 1.0
    for scale, weight in enumerate(WEIGHTS):
        if scale:
            x, y = (v[: len(v) // 2 * 2, : v.shape[1] // 2 * 2] for v in (x, y))
            x, y = ((v[::2, ::2] + v[1::2, ::2] + v[::2, 1::2] + v[1::2, 1::2]) / 4 for v in (x, y))
        mx, my, xx, yy, xy = (correlate(v, window)[5:-5, 5:-5] for v in (x, y, x * x, y * y, x * y))
        term = (2 * (xy - mx * my) + 0.03**2) / (xx - mx**2 + yy - my**2 + 0.03**2)
        if scale == len(WEIGHTS) - 1:
            term = term * (2 * mx * my + 0.01**2) / (mx**2 + my**2 + 0.01**2)
        result *= max(term.mean(), 0) ** weight
    return result


def test_equals_its_definition():
    image = (0.6 * TRUTH + RANDOM.normal(0, 0.05, TRUTH.shape)).clip(0, 1)
    expected = [
        np.mean([definition(x[..., c], y[..., c]) for c in range(3)]) for x, y in zip(image, TRUTH, strict=True)
    ]
    np.testing.assert_allclose(ms_ssim(jnp.asarray(image), jnp.asarray(TRUTH)), expected, rtol=2e-5)


def test_identical_images_score_one_and_degraded_ones_less():
    truth = TRUTH
    np.testing.assert_allclose(ms_ssim(truth, truth), 1.0, rtol=1e-6)
    noisy = [ms_ssim((truth + RANDOM.normal(0, s, TRUTH.shape)).clip(0, 1), truth) for s in (0.02, 0.1, 0.4)]
    assert (np.diff(np.stack(noisy), axis=0) < 0).all()
    np.testing.assert_allclose(ms_ssim(1 - truth, truth), 0.0, atol=1e-6)  # negative similarity counts as 0
