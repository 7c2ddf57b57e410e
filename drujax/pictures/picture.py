"""What a picture file holds, decoded."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import UInt8, UInt16


@dataclasses.dataclass(frozen=True, eq=False)
class Picture:
    """A decoded picture, upright, with what its file said beside the pixels.

    `rgb` and `alpha` have one dtype: uint8, or uint16 for a 16-bit file. `format` is Pillow's name of the format.
    `grey` says that the file held a single colour channel (`rgb` then has three equal ones, and one is written back).
    `icc_profile`, `exif` (orientation 1, thumbnail cut off) and `xmp` are the raw blocks, `dpi` the two resolutions,
    `text` PNG's text chunks. `encoding` holds how the file was coded, as arguments of Pillow's writer of `format`.
    """

    rgb: UInt8[np.ndarray, "h w 3"] | UInt16[np.ndarray, "h w 3"]
    alpha: UInt8[np.ndarray, "h w"] | UInt16[np.ndarray, "h w"] | None = None
    format: str = "PNG"
    grey: bool = False
    icc_profile: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: Mapping[str, str] = dataclasses.field(default_factory=dict)
    encoding: Mapping[str, Any] = dataclasses.field(default_factory=dict)
