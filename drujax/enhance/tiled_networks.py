"""What a tile of a picture needs to have the output that the whole picture has; imports no JAX.

A pixel of a network's output depends on input pixels up to its *reach* away, its receptive field. In a window of the
picture, what is as far from the window's border is the whole picture's, but for what depends on the place in it, or on
all of it:

| network | reach in pixels | depends on the place | depends on the whole |
|---|---|---|---|
| SCI | 3: three 3x3 convolutions | | |
| Zero-DCE | 7: seven | | |
| ZERO-IG | 9: two of noise removal, five of illumination, two of noise removal | | |
| PairLIE | 10: five, and five | | |
| RUAS | 17, without noise removal 9; other cells: `_ruas` | | |
| CLIP-LIT | 17: seventeen | the bins of its pools | averages over 1, 4, 9 and 36 bins |
| Zero-DCE++ | 8.5 times its ratio: seven in the small copy, and the interpolation | the interpolation | |
| EnlightenGAN | 137: `_unet` | windows begin at multiples of 16; interpolation with `align_corners` | |

`tests/enhance/test_tiles.py` measures the reach. Padding at the picture's border is the same in a window that ends
there. A batch normalisation uses its running statistics, so it is local. Not in tiles: `curve` and `colie`, which
decide by the whole picture at full size, and EnlightenGAN's `wide_pool`, by its width.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from drujax.models.ruas_cells import PLACES, genotype

Options = Mapping[str, Any]
Inputs = Mapping[str, np.ndarray]


class Span(NamedTuple):
    """A window of a padded picture along one axis, and the part of it that is kept.

    Attributes:
        start, stop: of the window.
        first, last: of what is kept, start <= first < last <= stop.
        whole: pixels of the axis.
    """

    start: int
    stop: int
    first: int
    last: int
    whole: int


def nothing(options: Options, rows: Span, columns: Span) -> Inputs:
    """The inputs of a network that depends neither on the place nor on the whole."""
    return {}


@dataclass(frozen=True)
class TiledNetwork:
    """How a network is computed in tiles, by its options.

    Attributes:
        reach: pixels from which a pixel of the output depends, at most.
        memory: bytes that it needs for each pixel of its input, about.
        step: windows begin at multiples of this, and sides are padded to multiples by reflection.
        crops: whether sides are cropped to multiples of `step` instead, if they are as long.
        inputs: (options, rows, columns) -> arrays by name that tell a window its place.
        shares: as `inputs`, for a first pass in which windows give their shares of what the network takes from the
            whole; their sum over all windows is the further input "pooled" in the second. None without such a pass.
    """

    reach: Callable[[Options], int]
    memory: Callable[[Options], int]
    step: Callable[[Options], int] = lambda options: 1
    crops: Callable[[Options], bool] = lambda options: False
    inputs: Callable[[Options, Span, Span], Inputs] = nothing
    shares: Callable[[Options, Span, Span], Inputs] | None = None


def find(metadata: Mapping[str, Any], options: Options) -> "Tiling | None":
    """Returns how the network of weights with these metadata is computed in tiles; None for one that is not.

    Args:
        metadata: of the weights.
        options: all of the network, defaults included.
    """
    network = NETWORKS.get(metadata["network"])
    return None if network is None or options.get("wide_pool", False) else Tiling(network, options)


@dataclass(frozen=True)
class Tiling:
    """A network in tiles, with given options; see `TiledNetwork`."""

    network: TiledNetwork
    options: Options

    @property
    def reach(self) -> int:
        return self.network.reach(self.options)

    @property
    def memory(self) -> int:
        return self.network.memory(self.options)

    @property
    def step(self) -> int:
        return self.network.step(self.options)

    @property
    def crops(self) -> bool:
        return self.network.crops(self.options)

    @property
    def has_shares(self) -> bool:
        return self.network.shares is not None

    def inputs(self, rows: Span, columns: Span) -> Inputs:
        """Returns the arrays that tell a window its place."""
        return self.network.inputs(self.options, rows, columns)

    def shares(self, rows: Span, columns: Span) -> Inputs:
        """Returns the arrays with which a window gives its share of what is taken from the whole."""
        assert self.network.shares is not None
        return self.network.shares(self.options, rows, columns)


# ----- EnlightenGAN

LEVELS = 4  # at which the U-Net halves its maps


def _unet(options: Options) -> int:
    """The receptive field of a pixel, from the output back to the input, for each of its places in a cell of 16."""
    furthest = 0
    for pixel in range(2**LEVELS):
        first = last = pixel
        for _ in range(LEVELS):  # two convolutions and one after the upsampling, which takes two pixels of the coarser
            first, last = (first - 3 - 1) // 2, (last + 3 + 1) // 2
        first, last = first - 2, last + 2
        for _ in range(LEVELS):  # what was pooled, and two convolutions
            first, last = 2 * first - 2, 2 * last + 1 + 2
        furthest = max(furthest, pixel - first, last - pixel)
    return furthest


def _corners(options: Options, rows: Span, columns: Span) -> Inputs:
    if not options["align_corners"]:
        return {}
    extents = {"rows": rows, "columns": columns}
    return {name: np.array([span.start, span.whole], np.float32) for name, span in extents.items()}


# ----- RUAS


def _ruas(options: Options) -> int:
    """Three steps of the illumination, each with the brightest neighbour, then three cells between convolutions."""
    reach = 3 * (1 + _cell(genotype("illumination", options["illumination"])))
    return reach + (2 + 3 * _cell(genotype("noise", options["noise"])) if options["denoise"] else 0)


def _cell(kinds: tuple[str, ...]) -> int:
    of = {place: _operation(kind) for place, kind in zip(PLACES, kinds, strict=True)}
    path, furthest = 0, 0
    for level in (1, 2, 3):
        furthest = max(furthest, path + of[f"c{level}_d"])
        path += of[f"c{level}_r"]
    return max(furthest, path + of["c4"])


def _operation(kind: str) -> int:
    return 0 if kind == "skip" else int(kind[-1]) // 2 * (2 if "dil" in kind else 1)


# ----- Zero-DCE++


def _small_curve(options: Options) -> int:
    ratio = options["ratio"]
    # A pixel lies between two cells of its own and the next ones; the centre of a cell is in its middle.
    return 7 if ratio == 1 else 8 * ratio + ratio // 2


def _interpolation(options: Options, rows: Span, columns: Span) -> Inputs:
    ratio = options["ratio"]
    return {name: _between(span, ratio) for name, span in (("rows", rows), ("columns", columns))}


def _between(span: Span, ratio: int) -> Float[np.ndarray, "h h2"]:
    """The weights of a window's cells in its pixels: corners of the whole coincide."""
    cells = span.whole // ratio
    where = np.arange(span.start, span.stop) * ((cells - 1) / max(span.whole - 1, 1))
    own = np.arange(span.start // ratio, span.stop // ratio)
    return np.maximum(0, 1 - np.abs(where[:, None] - own)).astype(np.float32)


# ----- CLIP-LIT

BINS = (1, 2, 3, 6)


def _bin_shares(options: Options, rows: Span, columns: Span) -> Inputs:
    return {name: _in_bins(span) for name, span in (("rows", rows), ("columns", columns))}


def _in_bins(span: Span) -> Float[np.ndarray, "bins h"]:
    """The weights of the pixels that a window keeps in the bins of all pools (`drujax.models.layers.pool`)."""
    at = np.arange(span.start, span.stop)
    kept = (at >= span.first) & (at < span.last)
    weights = []
    for bins in BINS:
        for index in range(bins):
            start, stop = index * span.whole // bins, -(-(index + 1) * span.whole // bins)
            weights.append(kept * ((at >= start) & (at < stop)) / (stop - start))
    return np.array(weights, np.float32)


def _bins_at(options: Options, rows: Span, columns: Span) -> Inputs:
    return {name: _of_bins(span) for name, span in (("rows", rows), ("columns", columns))}


def _of_bins(span: Span) -> Float[np.ndarray, "h bins"]:
    """The weights of the bins of all pools in a window's pixels: corners of the whole coincide."""
    at = np.arange(span.start, span.stop)
    weights = []
    for bins in BINS:
        where = at * ((bins - 1) / max(span.whole - 1, 1))
        weights.append(np.maximum(0, 1 - np.abs(where[:, None] - np.arange(bins))))
    return np.concatenate(weights, 1).astype(np.float32)


# Memory: the larger of what JAX and ONNX Runtime were measured to need.
NETWORKS = {
    "enlightengan": TiledNetwork(
        _unet, lambda options: 60 + 35 * options["width"], step=lambda options: 16, inputs=_corners
    ),
    "sci": TiledNetwork(lambda options: 3, lambda options: 300),
    "zero_dce": TiledNetwork(lambda options: 7, lambda options: 60 + 30 * options["features"]),
    "zero_dce_pp": TiledNetwork(
        _small_curve,
        lambda options: 100 + 30 * options["features"] // options["ratio"] ** 2,
        step=lambda options: options["ratio"],
        crops=lambda options: options["crop"],
        inputs=_interpolation,
    ),
    "ruas": TiledNetwork(_ruas, lambda options: 450),
    "pairlie": TiledNetwork(lambda options: 10, lambda options: 60 + 18 * options["features"]),
    "zero_ig": TiledNetwork(lambda options: 9, lambda options: 60 + 17 * options["features"]),
    "clip_lit": TiledNetwork(lambda options: 17, lambda options: 1400, inputs=_bins_at, shares=_bin_shares),
}
