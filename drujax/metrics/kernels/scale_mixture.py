"""Ma's second features: a Gaussian scale mixture on the steerable pyramid (Ma et al. 2017, section 3.2).

The bands are divided by the local amplitude of a Gaussian scale mixture (Portilla et al. 2003), as in the official
MATLAB code (chaoma99/sr-metric, `global_gsm.m` and `norm_sender_normalized.m`), including the neighbourhood that its
last orientation lacks.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from drujax.metrics.kernels.ggd_shape import gaussian_shape
from drujax.metrics.kernels.materialize import apart
from drujax.metrics.kernels.resize import imresize, resize_axis, taps
from drujax.metrics.kernels.steerable import ORIENTATIONS, Masks, build_pyramid

GUARD = 16  # pixels left out along the border of level 1, half of it on level 2
WINDOW, SIGMA = 11, 1.5
C2 = (0.03 * 255) ** 2

_BANDS = range(ORIENTATIONS)
_WINDOW = [(1, 1), *((i, j) for i in range(3) for j in range(3) if (i, j) != (1, 1))]
_OTHERS = np.array([[b for b in _BANDS if b != band] for band in _BANDS])
_PAIRS = np.array(list(itertools.combinations(_BANDS, 2)))
_WITH_HIGH_PASS = np.array([(b, 2 * ORIENTATIONS) for b in range(2 * ORIENTATIONS)])
_GAUSSIAN = np.exp(-(((np.arange(WINDOW) - WINDOW // 2) / SIGMA) ** 2) / 2)
_WEIGHTS = [float(weight) for weight in _GAUSSIAN / _GAUSSIAN.sum()]


def scale_mixture_features(luma: Float[Array, "h w"], masks: Masks, *, reference: str) -> Float[Array, " 45"]:
    """Of luma 0..255: 12 shapes of normalised bands, 6 of both levels', 12 likenesses to the high pass, 15 of pairs.

    `masks` are `pyramid_masks(h, w)`. `reference` "pyiqa" differs from "matlab" in the parents of orientations and in
    cutting the likenesses at zero.
    """
    pyramid = build_pyramid(luma, masks)
    h, w = luma.shape
    enlarged = pyramid.level2
    for axis, size in ((-2, h), (-1, w)):
        enlarged = resize_axis(enlarged, axis, taps(enlarged.shape[axis], size, size / enlarged.shape[axis]))
    if reference == "pyiqa":
        parents, have_parent = enlarged, ORIENTATIONS
    else:  # the parent at exactly twice the size, which the last orientation misses by a count that is one off
        parents, have_parent = imresize(pyramid.level2, 2.0)[:, :h, :w], ORIENTATIONS - 1
    has_parent = np.arange(ORIENTATIONS) < have_parent
    normal1 = _normalised(pyramid.level1, parents * has_parent[:, None, None], 9.0 + has_parent, GUARD)
    normal2 = _normalised(pyramid.level2, jnp.zeros_like(pyramid.level2), np.full(ORIENTATIONS, 9.0), GUARD // 2)
    flat1, flat2 = (bands.reshape(ORIENTATIONS, -1) for bands in (normal1, normal2))
    shapes = [gaussian_shape(samples) for samples in (flat1, flat2, jnp.concatenate([flat1, flat2], axis=1))]
    bands = jnp.concatenate([pyramid.level1, enlarged, pyramid.high[None]])
    cut = reference == "pyiqa"
    return jnp.concatenate([*shapes, _likeness(bands, _WITH_HIGH_PASS, cut=cut), _likeness(normal1, _PAIRS, cut=cut)])


def _normalised(bands, parents, neighbours, guard: int):
    """The bands without their mean, each pixel divided by the amplitude of its neighbourhood; without the guard band.

    The neighbourhood is the band's 3x3 window, the parent (zeros where there is none), and the other orientations;
    `neighbours` counts the first two.
    """

    def normalise(band):
        vectors = _neighbourhoods(bands, parents, band)
        flat = vectors.reshape(len(vectors), -1)
        whitening = _whitening(flat @ flat.T / flat.shape[1])
        inner = _divided(vectors, whitening, jnp.asarray(neighbours)[band])[guard:-guard, guard:-guard]
        return inner - inner.mean()

    return jax.lax.map(normalise, jnp.arange(ORIENTATIONS))


@apart
def _neighbourhoods(bands: Float[Array, "o h w"], parents: Float[Array, "o h w"], band: Int[Array, ""]):
    """The 15 numbers of each pixel inside the border, the band's own first."""
    h, w = bands.shape[1] - 2, bands.shape[2] - 2
    window = [bands[band, i : i + h, j : j + w] for i, j in _WINDOW]
    others = [bands[other, 1:-1, 1:-1] for other in jnp.asarray(_OTHERS)[band]]
    return jnp.stack([*window, parents[band, 1:-1, 1:-1], *others])


def _whitening(covariance: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """Upper triangular W with W^T W the pseudo-inverse of the covariance, whose negative eigenvalues were cut and trace
    restored.
    """
    values, vectors = jnp.linalg.eigh(covariance)
    positive = jnp.maximum(values, 0)
    values = positive * values.sum() / jnp.where(positive.sum() > 0, positive.sum(), 1)
    # MATLAB's pinv takes for zero what is below size * eps(largest).
    kept = values > len(values) * jnp.finfo(values.dtype).eps * values.max()
    root = (vectors * jnp.where(kept, 1 / jnp.sqrt(jnp.where(kept, values, 1)), 0)).T
    return jnp.linalg.qr(root, mode="r")


@apart
def _divided(vectors: Float[Array, "n h w"], whitening: Float[Array, "n n"], neighbours: Float[Array, ""]):
    """The first of the vectors' numbers, without its mean, over the amplitude; zero where that is (an even picture).

    The squares of the whitened vectors are written out: so it is one pass, without storing them.
    """
    n = len(vectors)
    whitened = [
        sum((whitening[i, j] * vectors[j] for j in range(1, n)), whitening[i, 0] * vectors[0]) for i in range(n)
    ]
    amplitude = jnp.sqrt(sum((jnp.square(x) for x in whitened), jnp.zeros(())) / neighbours)
    centred = vectors[0] - vectors[0].mean()
    return jnp.where(amplitude > 0, centred / jnp.where(amplitude > 0, amplitude, 1), 0)


def _likeness(maps: Float[Array, "n h w"], pairs: np.ndarray, *, cut: bool) -> Float[Array, " p"]:
    """The mean structure term of SSIM, covariance over variances, of each of the `pairs`; cut at zero or not."""
    every = jnp.arange(len(maps))
    means = _blur(maps)
    variances = _variance(_blur(_product(maps, every, every)), means)

    def likeness(pair):
        a, b = pair[0], pair[1]
        terms = _terms(_blur(_product(maps, a, b)), means, variances, a, b)
        return (jnp.maximum(terms, 0) if cut else terms).mean()

    return jax.lax.map(likeness, jnp.asarray(pairs))


@apart
def _product(maps, a, b):
    return maps[a] * maps[b]


@apart
def _variance(mean_square: Float[Array, "n h w"], mean: Float[Array, "n h w"]) -> Float[Array, "n h w"]:
    return mean_square - jnp.square(mean)


@apart
def _terms(product: Float[Array, "h w"], means, variances, a, b) -> Float[Array, "h w"]:
    return (2 * (product - means[a] * means[b]) + C2) / (variances[a] + variances[b] + C2)


def _blur(maps: Float[Array, "*n h w"]) -> Float[Array, "*n h2 w2"]:
    """Gaussian means over the windows that lie wholly inside."""
    return _blur_rows(_blur_columns(maps))


@apart
def _blur_columns(maps: Float[Array, "*n h w"]) -> Float[Array, "*n h2 w"]:
    h = maps.shape[-2] - WINDOW + 1
    return sum((weight * maps[..., i : i + h, :] for i, weight in enumerate(_WEIGHTS)), jnp.zeros((), maps.dtype))


@apart
def _blur_rows(maps: Float[Array, "*n h w"]) -> Float[Array, "*n h w2"]:
    w = maps.shape[-1] - WINDOW + 1
    return sum((weight * maps[..., i : i + w] for i, weight in enumerate(_WEIGHTS)), jnp.zeros((), maps.dtype))
