"""A network's own output of whole pictures, in one run: they are padded by reflection, and the output is cropped."""

from functools import partial

import numpy as np
from jaxtyping import Float, Shaped

from drujax.enhance.engine import NOT_FINITE, Engine, Rounding
from drujax.enhance.strength import Exposure, share_for
from drujax.errors import UsageError
from drujax.pictures.color import luma


def whole_output(
    engine: Engine,
    batch: Shaped[np.ndarray, "b h w 3"],
    share: Float[np.ndarray, "b 1 1 1"],
    exposure: Exposure,
    *,
    rounding: Rounding,
) -> Shaped[np.ndarray, "b h2 w2 3"]:
    """Returns images mixed with the network's output.

    Args:
        engine: runs the network.
        batch: uint8, uint16, or floats in 0..1.
        share: of the output.
        exposure: mean luma of the results, 0..255, instead of that share.
        rounding: of levels.

    Raises:
        UsageError: NaN or infinity from the network.
        TooLittleMemory: it does not fit; or the engine's own error.
    """
    _, h, w, _ = batch.shape
    rows, columns = padding(engine, h), padding(engine, w)
    engine.prepare((len(batch), sum(rows) + h, sum(columns) + w, 3))
    output = engine.network(np.pad(batch, ((0, 0), rows, columns, (0, 0)), mode="reflect"))
    top, left = rows[0], columns[0]
    seen = slice(top, top + h), slice(left, left + w)
    if exposure is not None:
        share = _shares_for(exposure, *(np.asarray(x)[:, *seen] for x in (output.image, output.enhanced)))
    enhanced, finite = engine.blended(output, share, dtype=batch.dtype, rounding=rounding)
    if not finite:
        raise UsageError(NOT_FINITE)
    return np.ascontiguousarray(enhanced[:, *seen])


def padding(engine: Engine, side: int) -> tuple[int, int]:
    """Returns the padding before and after an axis: the margin, and up to the size multiple as the generator pads."""
    rest = -(side + 2 * engine.margin) % engine.size_multiple
    return engine.margin + rest // 2, engine.margin + rest - rest // 2


def _shares_for(
    exposure: float, x: Float[np.ndarray, "b h w 3"], y: Float[np.ndarray, "b h2 w2 3"]
) -> Float[np.ndarray, "b 1 1 1"]:
    """Returns the strength for each image that gives its blend with the network's output a mean luma."""
    x, y = x[:, : y.shape[1], : y.shape[2]], y.clip(0, 1)

    def mean_luma(image: int, share: float) -> float:
        return float(luma(((1 - share) * x[image] + share * y[image]).clip(0, 1)).mean() * 255)

    shares = [share_for(exposure, partial(mean_luma, image)) for image in range(len(x))]
    return np.array(shares, np.float32)[:, None, None, None]
