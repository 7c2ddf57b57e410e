"""Frames as arrays of RGB."""

import math
from collections.abc import Iterable, Iterator
from functools import partial
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Shaped
from numpy.typing import ArrayLike

from drujax.enhance.film.temporal import SmoothLight
from drujax.enhance.light import lit
from drujax.enhance.working_scale import at_working_scale
from drujax.errors import UsageError
from drujax.films.shots import Thumbnail, thumbnail_of, with_cuts
from drujax.pictures import vips
from drujax.pictures.arrays import as_images, is_floating, native
from drujax.pictures.color import luma

if TYPE_CHECKING:
    from drujax.enhance.amount import Amount
    from drujax.enhance.engine import Rounding
    from drujax.enhance.enhancer import Enhancer

Frame = Shaped[np.ndarray, "h w 3"]


def check_guided(enhancer: "Enhancer", what: str = "frames") -> None:
    """Raises UsageError, beginning with `what`, for an enhancer whose result is the network's own output."""
    if not enhancer.guided:
        raise UsageError(
            f"{what}: a film needs a model that gives gains (exposure-slim, enlightengan, ... without --plain); the "
            "network's own output has no light to smooth over time"
        )


def enhanced_frames(
    enhancer: "Enhancer", frames: Iterable[ArrayLike], amount: "Amount", rate: float, rounding: "Rounding"
) -> Iterator[Frame]:
    """See `Enhancer.frames`."""
    check_guided(enhancer)
    if isinstance(rate, bool) or not isinstance(rate, Real) or not 0 < rate < math.inf:
        raise UsageError(f"rate: must be a number above 0, got {rate!r}")
    return _enhanced(enhancer, _checked(frames), amount, float(rate), rounding)


def _checked(frames: Iterable[ArrayLike]) -> Iterator[Frame]:
    first = None
    for given in frames:
        frame = as_images(given, "frames")
        kind = frame.shape, frame.dtype
        first = first or kind
        if frame.ndim != 3 or kind != first:
            raise UsageError(
                f"frames: must be (h, w, 3), all of one size and dtype; got {frame.shape} of {frame.dtype} after "
                f"{first[0]} of {first[1]}"
            )
        yield frame


def _enhanced(
    enhancer: "Enhancer", frames: Iterable[Frame], amount: "Amount", rate: float, rounding: "Rounding"
) -> Iterator[Frame]:
    smooth = SmoothLight()
    for number, (frame, cut) in enumerate(with_cuts((frame, _thumbnail(frame)) for frame in frames)):
        image = _lazy(frame)
        light = smooth.next(
            number / rate,
            cut=cut,
            look=partial(at_working_scale, image),
            find=partial(enhancer.light, amount=amount),
        )
        if light is None:
            yield frame.copy()
            continue
        yield vips.pixels(lit(image, light, amount, rounding)).astype(frame.dtype, copy=False)


def _lazy(frame: Frame):
    return vips.of_array(
        np.ascontiguousarray(native(frame), np.float32 if is_floating(frame.dtype) else native(frame).dtype)
    )


def _thumbnail(frame: Frame) -> Thumbnail:
    levels = frame if is_floating(frame.dtype) else frame / np.float32(np.iinfo(frame.dtype).max)
    return thumbnail_of(luma(levels))
