"""The network's own output at full size: computed in one run, or in tiles where memory does not suffice for that."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float, Shaped

from drujax.enhance.amount import Amount
from drujax.enhance.engine import Engine, Rounding, TooLittleMemory
from drujax.enhance.mask import Mask, masked
from drujax.enhance.memory_errors import memory_errors
from drujax.enhance.strength import Strength, darkness, quartiles
from drujax.enhance.tiled_stream import in_tiles
from drujax.enhance.tiles import Pixels, Tiles
from drujax.enhance.whole import padding, whole_output
from drujax.errors import UsageError
from drujax.pictures import vips
from drujax.pictures.arrays import as_images, is_floating, native
from drujax.pictures.streaming import Stream
from drujax.pictures.tone_curve import curve_of
from drujax.runtime.memory import is_out_of_memory


@dataclass(frozen=True)
class OwnOutput:
    """What an `Enhancer` computes with `guided=False`.

    Attributes:
        engine: runs the network.
        rounding: of levels.
    """

    engine: Engine
    rounding: Rounding

    @property
    def streams(self) -> bool:
        """Whether `stream` takes pictures: not if the network needs the whole one."""
        return self.engine.tiling is not None

    def images(self, batch: Shaped[np.ndarray, "b h w 3"], amount: Amount) -> Shaped[np.ndarray, "b h2 w2 3"]:
        """Returns the enhanced images in their dtype: uint8, uint16, or floats in 0..1. The same object if nothing
        changes.
        """
        with memory_errors(self.engine, *batch.shape[1:3], at_once=not self.streams):
            share = _blend_weights(batch, amount.strength)
            if amount.exposure is None and not share.any():
                return batch
            enhanced = self._mixed(batch, share, amount)
            if amount.mask is None:
                return enhanced
            return np.stack([_masked(*pair, amount.mask) for pair in zip(batch, enhanced, strict=True)])

    def image(
        self, image: Shaped[np.ndarray, "h w 3"], alpha: Shaped[np.ndarray, "h w"] | None, amount: Amount
    ) -> Shaped[np.ndarray, "h2 w2 3"]:
        """Returns an enhanced image; its opacity makes no difference."""
        batch = native(as_images(image, "image"))[None]
        return self.images(batch, amount)[0].astype(image.dtype, copy=False)

    def stream(self, stream: Stream, amount: Amount) -> Stream:
        """Returns the stream with the output, which is computed when it is written; itself if nothing changes.

        Raises:
            UsageError: the pixels are damaged, or the network needs the whole picture.
        """
        if not self.streams:
            raise UsageError("stream: the network's own output needs the whole picture")
        curve = curve_of(stream, grey=stream.pixels().bands == 1)
        errors = partial(memory_errors, self.engine)
        return in_tiles(stream, amount, self.tiles, curve, rounding=self.rounding, memory_errors=errors)

    def tiles(self, pixels: Pixels) -> Tiles:
        """Returns the tiles of a picture, for a network that has them."""
        return Tiles(self.engine, pixels, partial(padding, self.engine))

    def _mixed(
        self, batch: Shaped[np.ndarray, "b h w 3"], share: Float[np.ndarray, "b 1 1 1"], amount: Amount
    ) -> Shaped[np.ndarray, "b h2 w2 3"]:
        """Returns the images mixed with the output; in tiles if memory asks for that."""
        try:
            return whole_output(self.engine, batch, share, amount.exposure, rounding=self.rounding)
        except Exception as error:
            if not (self.streams and (isinstance(error, TooLittleMemory) or is_out_of_memory(error))):
                raise
        of_images = [
            self.tiles(Pixels.of_array(image)).enhanced(part, amount.exposure, rounding=self.rounding)
            for image, part in zip(batch, share[:, 0, 0, 0].tolist(), strict=True)
        ]
        return np.stack([np.concatenate(list(strips)) for strips in of_images])


def _blend_weights(batch: Shaped[np.ndarray, "b h w 3"], strength: Strength) -> Float[np.ndarray, "b 1 1 1"]:
    """Returns the strength for each image."""
    shares = darkness(quartiles(batch)) if strength == "auto" else np.full(len(batch), strength)
    return shares.astype(np.float32)[:, None, None, None]


def _masked(before: Shaped[np.ndarray, "h w 3"], after: Shaped[np.ndarray, "h2 w2 3"], mask: Mask) -> np.ndarray:
    before = np.ascontiguousarray(before[: after.shape[0], : after.shape[1]])
    if is_floating(before.dtype):
        before, after = before.astype(np.float32), after.astype(np.float32)
    return vips.pixels(masked(vips.of_array(before), vips.of_array(np.ascontiguousarray(after)), mask))
