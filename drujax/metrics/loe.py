"""LOE: how much enhancing changes which of two places is the lighter one."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from drujax.metrics.kernels.validation import as_pair

SHORT_SIDE = 100  # pixels that are compared, as in the authors' code


def loe(
    enhanced: Shaped[Array | np.ndarray, "..."], original: Shaped[Array | np.ndarray, "..."]
) -> Float[np.ndarray, " b"]:
    """Lightness order error of each enhanced picture, in thousandths: 0 (order kept) to 1000; lower is better.

    Wang, Zheng, Hu and Li, "Naturalness preserved enhancement algorithm for non-uniform illumination images", IEEE TIP
    22(9), 2013. Lightness is the largest of R, G and B; both pictures are sampled at the same places, nearest pixels of
    a grid whose short side is 100 (every pixel of smaller pictures); for each pair of places it counts whether "at
    least as light" differs between the two. The mean is taken over pairs, so that the value does not grow with the
    grid: it is the authors' sum over its 100 x w places, divided by the number of places, times 1000.

    Args:
        enhanced: (b, h, w, 3) or (h, w, 3), uint8 or floating in [0, 1].
        original: of the same shape.

    Raises:
        UsageError: what pictures may not be, or two shapes.
    """
    light = [_sampled(of.max(axis=-1)) for of in as_pair(enhanced, original, "loe")]
    return np.array([1000 * np.float64(_changed(*pair)) / pair[0].size ** 2 for pair in zip(*light, strict=True)])


def _sampled(light: Shaped[np.ndarray, "b h w"]) -> Float[np.ndarray, "b p"]:
    h, w = light.shape[1:]
    factor = min(1.0, SHORT_SIDE / min(h, w))
    rows, columns = (
        ((np.arange(max(1, round(side * factor))) + 0.5) / factor).astype(int).clip(0, side - 1) for side in (h, w)
    )
    return light[:, rows][:, :, columns].reshape(len(light), -1).astype(np.float32)


@jax.jit
def _changed(enhanced: Float[Array, " p"], original: Float[Array, " p"]):
    """Pairs whose order differs; a place after the other, so that memory stays that of one row of pairs."""

    def count(place, total):
        differs = (enhanced[place] >= enhanced) != (original[place] >= original)
        return total + differs.sum(dtype=jnp.int32)

    return jax.lax.fori_loop(0, len(enhanced), count, jnp.zeros((), jnp.int32))
