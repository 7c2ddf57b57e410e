"""The decoded content of a picture file."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import UInt8, UInt16


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Metadata:
    """The metadata of a file, mostly as raw blocks, so that unknown parts are preserved.

    Attributes:
        icc_profile: the ICC profile.
        exif: b"Exif\\0\\0" and the EXIF block.
        xmp: the XMP packet; `xmp_extension` holds further segments of a JPEG's XMP, as stored.
        photoshop: Photoshop's image resources ("8BIM"); IPTC is one of them.
        comments: the comments of JPEG and GIF.
        dpi: dots per inch across and down.
        chunks: other chunks of a PNG, as (name, data): texts, gamma, background and the like.
    """

    icc_profile: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    xmp_extension: tuple[bytes, ...] = ()
    photoshop: bytes | None = None
    comments: tuple[bytes, ...] = ()
    dpi: tuple[float, float] | None = None
    chunks: tuple[tuple[bytes, bytes], ...] = ()

    @property
    def blocks(self) -> dict[str, Any]:
        """The metadata by field, without what a subclass adds."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(Metadata)}


@dataclasses.dataclass(frozen=True, eq=False)
class Picture(Metadata):
    """A decoded picture, upright, with the metadata of its file.

    Attributes:
        rgb: the colours, uint8, or uint16 for more than 8 bits per channel.
        alpha: the opacity in the same dtype.
        format: Pillow's name of the file's format.
        grey: whether the file has a single colour channel; `rgb` then has three equal ones, and one is written.
        encoding: encoding parameters of the file, reused when the same format is written.
        notes: a phrase for each thing that reading dropped.
    """

    rgb: UInt8[np.ndarray, "h w 3"] | UInt16[np.ndarray, "h w 3"]
    alpha: UInt8[np.ndarray, "h w"] | UInt16[np.ndarray, "h w"] | None = None
    format: str = "PNG"
    grey: bool = False
    encoding: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()
