"""The network's own output of a picture that is too large to hold: read, computed in tiles and written in strips."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from jaxtyping import Shaped

from drujax.data.qab import quartile_means_of_image
from drujax.enhance.amount import Amount
from drujax.enhance.engine import Rounding
from drujax.enhance.mask import masked
from drujax.enhance.strength import darkness
from drujax.enhance.tiles import Pixels, Tiles
from drujax.pictures import vips
from drujax.pictures.color import luma
from drujax.pictures.streaming import Stream, bounded_memory
from drujax.pictures.strips import Computed, Rows
from drujax.pictures.tone_curve import ToneCurve


def in_tiles(
    stream: Stream,
    amount: Amount,
    tiles_of: Callable[[Pixels], Tiles],
    curve: ToneCurve | None = None,
    *,
    rounding: Rounding,
    memory_errors: Callable[[int, int], AbstractContextManager[None]],
) -> Stream:
    """Returns the stream with the network's output, which is computed when it is written; itself if nothing changes.

    Args:
        stream: the picture.
        amount: how much of the output, and where.
        tiles_of: a picture's pixels -> its tiles.
        curve: of the picture's levels; None if it is sRGB's.
        rounding: of levels.
        memory_errors: (height, width) -> a context that reports memory that runs out.

    Raises:
        UsageError: the pixels are damaged.
    """

    def levels(image: Any) -> Any:  # three channels, on sRGB's curve
        return vips.rgb(image) if curve is None else curve.encoded_image(vips.rgb(image))

    seen = stream.pixels()
    height, width, bands = seen.height, seen.width, seen.bands
    deep = curve is not None or seen.format == "ushort"
    share = 1.0
    with bounded_memory(width), vips.decoding():
        if amount.exposure is None:
            auto = amount.strength == "auto"
            share = float(darkness(quartile_means_of_image(levels(seen))) if auto else amount.strength)
            if share == 0:
                return stream
        grey = bands == 1 or _is_grey(stream.pixels())
    dtype = np.dtype(np.uint16 if deep else np.uint8)
    tiles = tiles_of(Pixels(height, width, dtype, lambda: Rows(levels(stream.pixels()))))
    height, width = tiles.shape

    def strips() -> Iterator[Shaped[np.ndarray, "h w c"]]:
        with memory_errors(height, width):
            for strip in tiles.enhanced(share, amount.exposure, rounding=rounding):
                yield np.rint(luma(strip))[..., None].astype(dtype) if grey else strip

    computed: list[Computed] = []

    def change(image: Any) -> Any:
        one = Computed(strips(), height=height, width=width, bands=1 if grey else 3, bits=16 if deep else 8)
        computed.append(one)
        before = image.crop(0, 0, width, height)
        colours = one.image if one.image.bands == min(bands, 3) else one.image.bandjoin([one.image, one.image])
        if amount.mask is not None:
            given = levels(before)
            colours = masked(given[: colours.bands] if colours.bands > 1 else given[0], colours, amount.mask)
        if curve is not None:
            colours = curve.decoded_image(colours, image.format)
        return colours.bandjoin(before[3]) if bands == 4 else colours

    return dataclasses.replace(stream, change=change, computed=computed)


def _is_grey(image: Any) -> bool:
    """Whether the colours of a lazy image have three equal channels."""
    return ((image[0] - image[1]).abs() + (image[0] - image[2]).abs()).max() == 0
