"""Decoded frames as RGB pictures: colour matrix and range, bit depth, square pixels, upright.

libswscale takes an undeclared matrix to be BT.601 also in high definition, and grey to have full range; so YCbCr is
converted here, from the planes. Coefficients: ITU-T H.273, table 4 and equations 20 to 27. An undeclared matrix is
BT.709 from 720 lines or 1280 columns on, and BT.601 below, as in video players.
"""

import re
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, Shaped, UInt8
from PIL import Image

from drujax.errors import UsageError
from drujax.pictures.color import to_uint8

# K_R and K_B by matrix_coefficients of H.273.
BT709, BT601 = (0.2126, 0.0722), (0.299, 0.114)
MATRICES = {1: BT709, 4: (0.30, 0.11), 5: BT601, 6: BT601, 7: (0.212, 0.087), 9: (0.2627, 0.0593)}
UNDECLARED = (2, 3)  # unspecified, reserved
HIGH_DYNAMIC_RANGE = {16: "PQ", 18: "HLG"}  # transfer_characteristics of H.273
FULL = 2  # AVCOL_RANGE_JPEG
WIDEST = 4  # a sample aspect ratio beyond this is a mistake of the file
PLANAR = re.compile(r"(yuv|yuva|yuvj|gray)(4\d\dp)?\d*(le)?$")


def to_rgb(frame: Any, aspect: Fraction | None = None) -> UInt8[np.ndarray, "h w 3"]:
    """Converts a frame of PyAV to RGB as it is meant to be shown.

    Args:
        frame: YCbCr or grey of 8 to 16 bits, RGB, or palette.
        aspect: width of a sample over its height. The narrower direction is enlarged (bicubic).

    Raises:
        UsageError: its colours cannot be converted.
    """
    check_dynamic_range(frame)
    if frame.format.is_rgb or frame.format.has_palette:
        rgb = frame.to_ndarray(format="rgb24")
    elif PLANAR.match(frame.format.name):
        rgb = to_uint8(_from_planes(frame))
    else:
        raise UsageError(f"its pixel format {frame.format.name} is not supported")
    return np.ascontiguousarray(_upright(_square(rgb, aspect), frame))


def check_dynamic_range(frame: Any) -> None:
    """Raises UsageError for a frame, or a decoder, whose colours have a high dynamic range."""
    if kind := HIGH_DYNAMIC_RANGE.get(frame.color_trc):
        raise UsageError(f"its colours have a high dynamic range ({kind}); convert it to standard range first")


class Coding(NamedTuple):
    """How planes hold colours, by ITU-T H.273.

    Attributes:
        bits: of a sample.
        full: whether the range is full, not limited ("TV").
        k_r: share of red in luma.
        k_b: share of blue.
    """

    bits: int
    full: bool
    k_r: float
    k_b: float

    @property
    def luma_scale(self) -> tuple[float, float]:
        """Black's sample, and the distance to white's."""
        return (0.0, 2.0**self.bits - 1) if self.full else (16.0 * self._unit, 219.0 * self._unit)

    @property
    def chroma_scale(self) -> tuple[float, float]:
        """The sample of no colour, and the distance that is a colour difference of 1."""
        return 2.0 ** (self.bits - 1), 2.0**self.bits - 1 if self.full else 224.0 * self._unit

    @property
    def _unit(self) -> float:
        return 2.0 ** (self.bits - 8)


def coding(frame: Any) -> Coding:
    """Returns the coding of a frame of PyAV, YCbCr or grey.

    Raises:
        UsageError: its matrix is not supported.
    """
    full = frame.color_range == FULL or frame.format.name.startswith("yuvj")
    grey = frame.format.name.startswith("gray")  # without colours no matrix matters
    return Coding(frame.format.components[0].bits, full, *(BT709 if grey else _matrix(frame)))


def unscaled(samples: Shaped[np.ndarray, "h w"], scale: tuple[float, float]) -> Float32[np.ndarray, "h w"]:
    """Returns samples as luma in 0..1, or colour differences in -0.5..0.5."""
    return (samples.astype(np.float32) - np.float32(scale[0])) / np.float32(scale[1])


def rgb_of(
    y: Float32[np.ndarray, "h w"], cb: Float32[np.ndarray, "h w"], cr: Float32[np.ndarray, "h w"], coding: Coding
) -> Float32[np.ndarray, "h w 3"]:
    """Converts luma and colour differences to RGB, nominally in 0..1."""
    k_r, k_b = coding.k_r, coding.k_b
    red, blue = y + np.float32(2 - 2 * k_r) * cr, y + np.float32(2 - 2 * k_b) * cb
    green = (y - np.float32(k_r) * red - np.float32(k_b) * blue) / np.float32(1 - k_r - k_b)
    return np.stack([red, green, blue], axis=-1)


def _from_planes(frame: Any) -> Float32[np.ndarray, "h w 3"]:
    """Converts the planes to RGB; 0..1 is black to white."""
    of = coding(frame)
    y = unscaled(samples(frame, 0), of.luma_scale)
    if frame.format.name.startswith("gray"):
        return np.repeat(y[..., None], 3, axis=-1)
    sited = not frame.format.name.startswith("yuvj")  # JPEG has chroma in the middle of its luma
    cb, cr = (_enlarged(unscaled(samples(frame, plane), of.chroma_scale), y.shape, sited=sited) for plane in (1, 2))
    return rgb_of(y, cb, cr, of)


def _matrix(frame: Any) -> tuple[float, float]:
    if frame.colorspace in UNDECLARED:
        return BT709 if frame.height >= 720 or frame.width >= 1280 else BT601
    if frame.colorspace not in MATRICES:
        raise UsageError(f"its colour matrix ({frame.colorspace} of ITU-T H.273) is not supported")
    return MATRICES[frame.colorspace]


def samples(frame: Any, number: int) -> Shaped[np.ndarray, "h w"]:
    """Returns a view of the samples, uint8 or uint16, of one of the frame's planes."""
    plane = frame.planes[number]
    kind = np.dtype("<u2" if frame.format.components[0].bits > 8 else "u1")
    rows = np.frombuffer(plane, kind).reshape(-1, plane.line_size // kind.itemsize)
    return rows[: plane.height, : plane.width]


def _enlarged(
    chroma: Float32[np.ndarray, "h2 w2"], shape: tuple[int, ...], *, sited: bool
) -> Float32[np.ndarray, "h w"]:
    """Interpolates chroma linearly. Its samples lie between the rows and, if `sited`, on columns of the luma, as is the
    default of MPEG-2, H.264 and HEVC.
    """
    for axis, length in enumerate(shape):
        if (n := chroma.shape[axis]) == length:
            continue
        ratio = round(length / n)
        at = np.arange(length) / ratio if axis == 1 and sited else (np.arange(length) + 0.5) / ratio - 0.5
        first = np.floor(at).astype(int)
        weight = np.expand_dims((at - first).astype(np.float32), 1 - axis)
        before, after = (chroma.take(first.clip(0, n - 1), axis), chroma.take((first + 1).clip(0, n - 1), axis))
        chroma = before + weight * (after - before)
    return chroma


def _square(rgb: UInt8[np.ndarray, "h w 3"], aspect: Fraction | None) -> UInt8[np.ndarray, "h2 w2 3"]:
    """Enlarges the picture in one direction so that its samples are square."""
    if not aspect or aspect == 1 or not 1 / WIDEST <= aspect <= WIDEST:
        return rgb
    height, width = rgb.shape[:2]
    size = (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))
    return np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BICUBIC))


def _upright(rgb: Shaped[np.ndarray, "h w 3"], frame: Any) -> Shaped[np.ndarray, "h2 w2 3"]:
    """Turns and mirrors the picture as the display matrix of its file says, by quarter turns."""
    from av.sidedata.sidedata import Type

    matrix = frame.side_data.get(Type.DISPLAYMATRIX)
    if matrix is None:
        return rgb
    (a, b), (c, d) = np.frombuffer(bytes(matrix), np.int32).reshape(3, 3)[:2, :2].tolist()  # (x, y) -> (ax+cy, bx+dy)
    if abs(b) > abs(a):
        rgb, a, d = rgb.swapaxes(0, 1), c, b
    return rgb[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
