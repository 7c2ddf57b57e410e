"""A network's own output of a picture that is too large for one run: computed in tiles, strip by strip.

Each tile is a window of the picture that exceeds what is kept of it by the network's reach
(`drujax.enhance.tiled_networks`). So the tiles give what the whole picture gives, up to the rounding of float32, and
have no seams. All windows of a picture have one size, which the free memory decides; if it runs out, the next are
smaller.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float, Int, Shaped

from drujax.enhance.blending import floats_of, levels_of, mixed
from drujax.enhance.engine import NOT_FINITE, Engine, Rounding, TooLittleMemory
from drujax.enhance.strength import STRONGEST, share_for
from drujax.enhance.tiled_networks import Span, Tiling
from drujax.errors import UsageError
from drujax.pictures.color import luma
from drujax.runtime.memory import free_memory, is_out_of_memory

# Windows of at least this side, and so many times the reach, where memory allows: more would save little.
SIDE, REACHES = 1024, 10
# The share of the free memory that the network may use.
MEMORY = 0.5
# Shares of the enhancement at which the mean luma is measured. Up to 1 it is linear.
SHARES = (0.0, *np.linspace(1.0, STRONGEST, 9).tolist())

Image = Float[np.ndarray, "h2 w2 3"]  # 0..1
Rows = Callable[[int, int], Shaped[np.ndarray, "h w 3"]]
T = TypeVar("T")


@dataclass(frozen=True)
class Pixels:
    """The pixels of a picture, which can be read again and again from top to bottom.

    Attributes:
        height, width, dtype: of the picture.
        rows: begins to read; what it returns gives the rows start to stop, each start after the one before.
    """

    height: int
    width: int
    dtype: np.dtype
    rows: Callable[[], Rows]

    @classmethod
    def of_array(cls, image: Shaped[np.ndarray, "h w 3"]) -> "Pixels":
        """The pixels of an array."""
        height, width, _ = image.shape
        return cls(height, width, image.dtype, lambda: lambda start, stop: image[start:stop])


class Axis(NamedTuple):
    """One axis of a picture as the network sees it, continued by its reflection.

    Attributes:
        size: pixels of the picture.
        before: pixels before the picture.
        padded: pixels with those before and after.
        whole: pixels of what the network pads or crops that to.
    """

    size: int
    before: int
    padded: int
    whole: int

    @classmethod
    def of(cls, size: int, padding: tuple[int, int], tiling: Tiling) -> "Axis":
        """The axis of a picture with that padding before and after."""
        padded = size + sum(padding)
        if tiling.crops and padded >= tiling.step:
            return cls(size, padding[0], padded, padded // tiling.step * tiling.step)
        return cls(size, padding[0], padded, padded + -padded % tiling.step)

    @property
    def stop(self) -> int:
        """Where the picture ends, or what is left of it."""
        return min(self.before + self.size, self.whole)

    def pixels(self, start: int, stop: int) -> Int[np.ndarray, " n"]:
        """Returns which pixels of the picture the places start to stop show."""
        return _reflected(_reflected(np.arange(start, stop), self.padded) - self.before, self.size)

    def span(self, at: int, side: int, tiling: Tiling, *, last: int) -> Span:
        """Returns the window of `side` pixels, or of all, that gives what is from `at` on, at most up to `last`."""
        start = max(min((at - tiling.reach) // tiling.step * tiling.step, self.whole - side), 0)
        stop = min(start + side, self.whole)
        end = stop if stop == self.whole else stop - tiling.reach
        return Span(start, stop, at, min(end, last), self.whole)


class Tiles:
    """One picture's network output, in tiles."""

    def __init__(self, engine: Engine, pixels: Pixels, padding: Callable[[int], tuple[int, int]]):
        """Prepares the tiles.

        Args:
            engine: runs the network, which has a `tiling`.
            pixels: of the picture.
            padding: side -> pixels before and after, by reflection.
        """
        assert engine.tiling is not None
        self._engine, self._tiling, self._pixels = engine, engine.tiling, pixels
        sides = (pixels.height, pixels.width)
        self._rows, self._columns = (Axis.of(side, padding(side), self._tiling) for side in sides)
        self._side = self._largest_side()
        self._pooled: Float[np.ndarray, "1 squares c"] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the output, smaller than the picture if an option of the network asks for that."""
        return self._rows.stop - self._rows.before, self._columns.stop - self._columns.before

    def enhanced(
        self, share: float, exposure: float | None, *, rounding: Rounding
    ) -> Iterator[Shaped[np.ndarray, "h w 3"]]:
        """Yields strips of the picture mixed with the network's output, from top to bottom.

        Args:
            share: of the network's output.
            exposure: mean luma of the result, 0..255, instead of that share.
            rounding: of levels.

        Raises:
            UsageError: NaN or infinity from the network.
            TooLittleMemory: even the smallest tiles do not fit; or the engine's own error.
        """
        if exposure is not None:
            means = self._mean_luma()
            share = share_for(exposure, lambda share: float(np.interp(share, SHARES, means)))
        part = np.full((1, 1, 1), share, np.float32)

        def mix(before: Image, after: Image) -> Shaped[np.ndarray, "h w 3"]:
            return levels_of(mixed(before, after, part), self._pixels.dtype, rounding)

        for parts in self._outputs(mix):
            yield np.concatenate(parts, 1)

    def _mean_luma(self) -> Float[np.ndarray, " shares"]:
        """The mean luma, 0..255, of the picture with each of SHARES."""
        parts = [np.full((1, 1, 1), share, np.float32) for share in SHARES]

        def sums(before: Image, after: Image) -> Float[np.ndarray, " shares"]:
            return np.array([luma(mixed(before, after, part)).sum(dtype=np.float64) for part in parts])

        total = sum(sum(strip) for strip in self._outputs(sums))
        return np.asarray(total) / math.prod(self.shape) * 255

    def _outputs(self, take: Callable[[Image, Image], T]) -> Iterator[list[T]]:
        """Yields, strip by strip, what is taken of each tile: of the picture and of the network's output."""
        if self._tiling.has_shares and self._pooled is None:
            self._pooled = self._shares()

        def compute(batch: np.ndarray, rows: Span, columns: Span) -> T:
            return take(*self._output(batch, rows, columns))

        kept = (slice(self._rows.before, self._rows.stop), slice(self._columns.before, self._columns.stop))
        yield from self._computed(compute, kept)

    def _shares(self) -> Float[np.ndarray, "1 squares c"]:
        """What the network takes from the whole: the sum of the windows' shares."""
        everything = (slice(0, self._rows.whole), slice(0, self._columns.whole))

        def share(batch: np.ndarray, rows: Span, columns: Span) -> Float[np.ndarray, "1 squares c"]:
            return self._engine.in_tile(batch, self._tiling.shares(rows, columns)).astype(np.float64)

        return np.asarray(sum(sum(strip) for strip in self._computed(share, everything)), np.float32)

    def _computed(self, compute: Callable[[np.ndarray, Span, Span], T], kept: tuple[slice, slice]) -> Iterator[list[T]]:
        """Yields, strip by strip, what is computed of each window; `kept` are the rows and columns wanted."""
        read = self._pixels.rows()
        rows, columns = kept
        at = rows.start
        while at < rows.stop:
            span = self._rows.span(at, self._side, self._tiling, last=rows.stop)
            picked = self._rows.pixels(span.start, span.stop)
            strip = read(int(picked.min()), int(picked.max()) + 1)[picked - picked.min()]
            try:
                computed = [compute(*window) for window in self._windows(strip, span, columns)]
            except Exception as error:
                if not (isinstance(error, TooLittleMemory) or is_out_of_memory(error)) or not self._shrink():
                    raise
                continue
            yield computed
            at = span.last

    def _windows(
        self, strip: Shaped[np.ndarray, "h w 3"], rows: Span, kept: slice
    ) -> Iterator[tuple[Shaped[np.ndarray, "1 h w2 3"], Span, Span]]:
        at = kept.start
        while at < kept.stop:
            columns = self._columns.span(at, self._side, self._tiling, last=kept.stop)
            window = strip[:, self._columns.pixels(columns.start, columns.stop)]
            yield np.ascontiguousarray(window)[None], rows, columns
            at = columns.last

    def _output(self, batch: Shaped[np.ndarray, "1 h w 3"], rows: Span, columns: Span) -> tuple[Image, Image]:
        """What is kept of a window: of the picture, and of the network's output."""
        inputs = dict(self._tiling.inputs(rows, columns))
        if self._pooled is not None:
            inputs["pooled"] = self._pooled
        enhanced = self._engine.in_tile(batch, inputs)
        seen = (0, *(slice(span.first - span.start, span.last - span.start) for span in (rows, columns)))
        before, after = batch[seen], enhanced[seen]
        if not np.isfinite(after).all():
            raise UsageError(NOT_FINITE)
        return floats_of(before), after

    def _largest_side(self) -> int:
        wanted = max(SIDE, REACHES * self._tiling.reach)
        free = free_memory()
        if free is not None:
            wanted = min(wanted, math.isqrt(int(MEMORY * free) // self._tiling.memory))
        return max(self._stepped(wanted), self._smallest_side)

    @property
    def _smallest_side(self) -> int:
        """The least side of a window of which something is kept, whatever is around it."""
        return self._stepped(2 * self._tiling.reach + 2 * self._tiling.step)

    def _shrink(self) -> bool:
        """Halves the side of the next windows; returns whether that was possible."""
        largest = min(self._side, max(self._rows.whole, self._columns.whole))
        smaller = max(self._stepped(largest // 2), self._smallest_side)
        if smaller >= largest:
            return False
        self._side = smaller
        return True

    def _stepped(self, side: int) -> int:
        return max(side // self._tiling.step, 1) * self._tiling.step


def _reflected(at: Int[np.ndarray, " n"], size: int) -> Int[np.ndarray, " n"]:
    """Places of an axis of `size` pixels that is continued by its reflection, over and over."""
    period = max(2 * size - 2, 1)
    at = np.abs(at) % period
    return np.minimum(at, period - at)
