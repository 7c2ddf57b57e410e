"""Guided enhancement: exposure and colour are the network's, and everything else is the picture's own.

The network runs on a small copy of the picture (`drujax.enhance.working_scale`), which gives its light
(`drujax.enhance.light`); that is applied at full size.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float, Shaped

from drujax.data.qab import HIGH, quartile_means_of_image
from drujax.enhance.amount import Amount
from drujax.enhance.engine import Engine, Rounding
from drujax.enhance.light import Light, find_light, lit
from drujax.enhance.memory_errors import memory_errors
from drujax.enhance.strength import quartiles
from drujax.enhance.working_scale import at_working_scale
from drujax.pictures import vips
from drujax.pictures.arrays import is_floating
from drujax.pictures.streaming import Stream, bounded_memory
from drujax.pictures.tone_curve import curve_of


@dataclasses.dataclass(frozen=True)
class Guided:
    """What an `Enhancer` computes with `guided=True`.

    Attributes:
        engine: runs the network.
        rounding: of levels.
        streams: whether `stream` takes pictures.
    """

    engine: Engine
    rounding: Rounding
    streams: ClassVar[bool] = True

    def images(self, batch: Shaped[np.ndarray, "b h w 3"], amount: Amount) -> Shaped[np.ndarray, "b h w 3"]:
        """Returns the enhanced images in their dtype: uint8, uint16, or floats in 0..1."""
        with memory_errors(self.engine, *batch.shape[1:3]):
            return np.stack([self._image(image, None, amount) for image in batch])

    def image(
        self, image: Shaped[np.ndarray, "h w 3"], alpha: Shaped[np.ndarray, "h w"] | None, amount: Amount
    ) -> Shaped[np.ndarray, "h w 3"]:
        """Returns an enhanced image, of which the network sees what is opaque."""
        with memory_errors(self.engine, *image.shape[:2]):
            return self._image(image, alpha, amount)

    def stream(self, stream: Stream, amount: Amount) -> Stream:
        """Returns the stream with its light, which is applied when it is written; itself if nothing changes.

        Raises:
            UsageError: the pixels are damaged.
        """
        first = stream.pixels()
        curve = curve_of(stream, grey=first.bands == 1)

        def levels(image: Any) -> Any:  # on sRGB's curve
            return image if curve is None else curve.encoded_image(image)

        def means() -> Float[np.ndarray, "4"]:
            return quartile_means_of_image(levels(vips.rgb(stream.pixels())))

        seen = levels(vips.rgb(first, opacity=True))
        with bounded_memory(seen.width):
            light = self._light(seen, means, amount, compact=seen.bands == 3)
        if light is None:
            return stream

        def change(image: Any) -> Any:
            enhanced = lit(levels(vips.rgb(image)), light, amount, self.rounding)
            if curve is not None:
                enhanced = curve.decoded_image(enhanced, image.format)
            if image.bands == 1:  # three equal channels
                return enhanced[0]
            return enhanced.bandjoin(image[3]) if image.bands == 4 else enhanced

        return dataclasses.replace(stream, change=change)

    def _image(
        self, image: Shaped[np.ndarray, "h w 3"], alpha: Shaped[np.ndarray, "h w"] | None, amount: Amount
    ) -> Shaped[np.ndarray, "h w 3"]:
        """Returns the enhanced image; the same object if nothing changes."""
        rgb = np.ascontiguousarray(image, np.float32 if is_floating(image.dtype) else image.dtype)
        light = self._light(vips.of_array(rgb, alpha), lambda: quartiles(rgb), amount)
        if light is None:
            return image
        enhanced = lit(vips.of_array(rgb), light, amount, self.rounding)
        return vips.pixels(enhanced).astype(image.dtype, copy=False)

    def _light(
        self, image: Any, means: Callable[[], Float[np.ndarray, "4"]], amount: Amount, *, compact: bool = False
    ) -> Light | None:
        """Returns the light of a lazy image, RGB or RGBA; None if nothing is to be changed.

        `means` are those of its quartiles at full size; `compact`: see `at_working_scale`.
        """
        small = at_working_scale(image, compact=compact)
        if small is None:
            return None
        # Eq. 1 is defined at full size, but there for what is visible only without opacity.
        if amount.by_default and image.bands == 3 and means().min() >= HIGH:
            return None
        return find_light(self.engine, small, amount)
