"""What a picture file holds, decoded."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import UInt8, UInt16


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Metadata:
    """What a file says about its pixels, mostly as raw blocks: what is not understood survives, too.

    Attributes:
        icc_profile: the ICC profile.
        exif: b"Exif\\0\\0" and the EXIF block.
        xmp: the XMP packet; `xmp_extension` a JPEG's further segments of it, each as stored.
        photoshop: Photoshop's image resources ("8BIM"); IPTC is one of them.
        comments: the comments of JPEG and GIF.
        dpi: dots per inch across and down.
        chunks: PNG's other chunks, name and data: texts, gamma, background and the like.
    """

    icc_profile: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    xmp_extension: tuple[bytes, ...] = ()
    photoshop: bytes | None = None
    comments: tuple[bytes, ...] = ()
    dpi: tuple[float, float] | None = None
    chunks: tuple[tuple[bytes, bytes], ...] = ()


@dataclasses.dataclass(frozen=True, eq=False)
class Picture(Metadata):
    """A decoded picture, upright, with the metadata of its file.

    Attributes:
        rgb: the colours, uint8, or uint16 for a file of more than 8 bits a channel.
        alpha: the opacity in the same dtype.
        format: Pillow's name of the file's format.
        grey: the file held a single colour channel: `rgb` has three equal ones, and one is written back.
        encoding: how the file was coded, as far as it is to be coded alike.
        notes: what reading had to leave out of the picture, a phrase each.
    """

    rgb: UInt8[np.ndarray, "h w 3"] | UInt16[np.ndarray, "h w 3"]
    alpha: UInt8[np.ndarray, "h w"] | UInt16[np.ndarray, "h w"] | None = None
    format: str = "PNG"
    grey: bool = False
    encoding: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()
