"""Ma's second group of features: a Gaussian scale mixture on the steerable pyramid (Ma et al. 2017, section 3.2).

The bands are divided by the local amplitude of a Gaussian scale mixture (Portilla et al. 2003), as in the official
MATLAB code (chaoma99/sr-metric, `global_gsm.m` and `norm_sender_normalized.m`), whose last orientation has no parent
because of an off-by-one error.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from drujax.metrics.kernels.ggd_shape import gaussian_shape
from drujax.metrics.kernels.materialize import materialized
from drujax.metrics.kernels.resize import imresize, resize_axis, taps
from drujax.metrics.kernels.steerable import ORIENTATIONS, Masks, build_pyramid

GUARD = 16  # guard band: pixels ignored along the border of level 1; half of it on level 2
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
    """Computes the features of luma in 0..255.

    These are GGD shapes of the 12 normalised bands and of the 6 orientations with both levels joined, and similarities:
    12 of the bands with the high-pass residual, 15 between pairs of orientations. `masks` are `pyramid_masks(h, w)`.
    `reference` "pyiqa" differs from "matlab" in the orientations' parents and in clipping similarities at zero.
    """
    pyramid = build_pyramid(luma, masks)
    h, w = luma.shape
    enlarged = pyramid.level2
    for axis, size in ((-2, h), (-1, w)):
        enlarged = resize_axis(enlarged, axis, taps(enlarged.shape[axis], size, size / enlarged.shape[axis]))
    if reference == "pyiqa":
        parents, have_parent = enlarged, ORIENTATIONS
    else:  # the parent is resized to exactly twice the size; the last orientation has none (off by one)
        parents, have_parent = imresize(pyramid.level2, 2.0)[:, :h, :w], ORIENTATIONS - 1
    has_parent = np.arange(ORIENTATIONS) < have_parent
    normal1 = _normalised(pyramid.level1, parents * has_parent[:, None, None], 9.0 + has_parent, GUARD)
    normal2 = _normalised(pyramid.level2, jnp.zeros_like(pyramid.level2), np.full(ORIENTATIONS, 9.0), GUARD // 2)
    flat1, flat2 = (bands.reshape(ORIENTATIONS, -1) for bands in (normal1, normal2))
    shapes = [gaussian_shape(samples) for samples in (flat1, flat2, jnp.concatenate([flat1, flat2], axis=1))]
    bands = jnp.concatenate([pyramid.level1, enlarged, pyramid.high[None]])
    clip = reference == "pyiqa"
    similarities = [_similarity(bands, _WITH_HIGH_PASS, clip=clip), _similarity(normal1, _PAIRS, clip=clip)]
    return jnp.concatenate([*shapes, *similarities])


def _normalised(bands, parents, neighbours, guard: int):
    """Divides each pixel of the mean-free bands by the amplitude of its neighbourhood, and crops the guard band.

    The neighbourhood is the band's 3x3 window, the parent (zeros if there is none) and the other orientations;
    `neighbours` is the number of pixels in the first two.
    """

    def normalise(band):
        vectors = _neighbourhoods(bands, parents, band)
        flat = vectors.reshape(len(vectors), -1)
        whitening = _whitening(flat @ flat.T / flat.shape[1])
        inner = _divided(vectors, whitening, jnp.asarray(neighbours)[band])[guard:-guard, guard:-guard]
        return inner - inner.mean()

    return jax.lax.map(normalise, jnp.arange(ORIENTATIONS))


@materialized
def _neighbourhoods(bands: Float[Array, "o h w"], parents: Float[Array, "o h w"], band: Int[Array, ""]):
    """Returns the 15 neighbours of each pixel inside the border, the pixel itself first."""
    h, w = bands.shape[1] - 2, bands.shape[2] - 2
    window = [bands[band, i : i + h, j : j + w] for i, j in _WINDOW]
    others = [bands[other, 1:-1, 1:-1] for other in jnp.asarray(_OTHERS)[band]]
    return jnp.stack([*window, parents[band, 1:-1, 1:-1], *others])


def _whitening(covariance: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """Returns an upper triangular W such that W^T W is the pseudo-inverse of the covariance.

    Negative eigenvalues are first set to zero and the others rescaled to keep the trace.
    """
    values, vectors = jnp.linalg.eigh(covariance)
    positive = jnp.maximum(values, 0)
    values = positive * values.sum() / jnp.where(positive.sum() > 0, positive.sum(), 1)
    # MATLAB's pinv treats eigenvalues below size * eps(largest) as zero.
    kept = values > len(values) * jnp.finfo(values.dtype).eps * values.max()
    root = (vectors * jnp.where(kept, 1 / jnp.sqrt(jnp.where(kept, values, 1)), 0)).T
    return jnp.linalg.qr(root, mode="r")


@materialized
def _divided(vectors: Float[Array, "n h w"], whitening: Float[Array, "n n"], neighbours: Float[Array, ""]):
    """Divides the mean-free first component by the amplitude; the result is zero where the amplitude is (flat regions).

    The squared norm of the whitened vectors is written out, so that XLA fuses it into one pass.
    """
    n = len(vectors)
    whitened = [
        sum((whitening[i, j] * vectors[j] for j in range(1, n)), whitening[i, 0] * vectors[0]) for i in range(n)
    ]
    amplitude = jnp.sqrt(sum((jnp.square(x) for x in whitened), jnp.zeros(())) / neighbours)
    centred = vectors[0] - vectors[0].mean()
    return jnp.where(amplitude > 0, centred / jnp.where(amplitude > 0, amplitude, 1), 0)


def _similarity(maps: Float[Array, "n h w"], pairs: np.ndarray, *, clip: bool) -> Float[Array, " p"]:
    """Computes the mean structure term of SSIM of each of the `pairs`, clipped at 0 if `clip`."""
    every = jnp.arange(len(maps))
    means = _blur(maps)
    variances = _variance(_blur(_product(maps, every, every)), means)

    def similarity(pair):
        a, b = pair[0], pair[1]
        terms = _terms(_blur(_product(maps, a, b)), means, variances, a, b)
        return (jnp.maximum(terms, 0) if clip else terms).mean()

    return jax.lax.map(similarity, jnp.asarray(pairs))


@materialized
def _product(maps, a, b):
    return maps[a] * maps[b]


@materialized
def _variance(mean_square: Float[Array, "n h w"], mean: Float[Array, "n h w"]) -> Float[Array, "n h w"]:
    return mean_square - jnp.square(mean)


@materialized
def _terms(product: Float[Array, "h w"], means, variances, a, b) -> Float[Array, "h w"]:
    return (2 * (product - means[a] * means[b]) + C2) / (variances[a] + variances[b] + C2)


def _blur(maps: Float[Array, "*n h w"]) -> Float[Array, "*n h2 w2"]:
    """Gaussian blur without padding."""
    return _blur_rows(_blur_columns(maps))


@materialized
def _blur_columns(maps: Float[Array, "*n h w"]) -> Float[Array, "*n h2 w"]:
    h = maps.shape[-2] - WINDOW + 1
    return sum((weight * maps[..., i : i + h, :] for i, weight in enumerate(_WEIGHTS)), jnp.zeros((), maps.dtype))


@materialized
def _blur_rows(maps: Float[Array, "*n h w"]) -> Float[Array, "*n h w2"]:
    w = maps.shape[-1] - WINDOW + 1
    return sum((weight * maps[..., i : i + w] for i, weight in enumerate(_WEIGHTS)), jnp.zeros((), maps.dtype))
