"""The types that readers and writers exchange with the codec, and the errors that all readers share."""

import dataclasses
import mmap
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from drujax.errors import UsageError
from drujax.pictures.picture import Metadata

Content = bytes | mmap.mmap  # of a file


@dataclasses.dataclass(frozen=True, eq=False)
class Stored:
    """A picture as its file stores it.

    Attributes:
        samples: (h, w) for grey, (h, w, 2) grey with alpha, (h, w, 3) or (h, w, 4); uint8 or uint16.
        metadata: of the file; EXIF and XMP as stored.
        orientation: 1..8, by which `samples` are to be turned; None if EXIF or XMP decide.
        encoding, notes: as in `Picture`.
    """

    samples: np.ndarray
    metadata: Metadata
    orientation: int | None = None
    encoding: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Described(NamedTuple):
    """What a file holds beside its pixels, as in `Stored`."""

    metadata: Metadata
    notes: tuple[str, ...] = ()
    orientation: int | None = None
    encoding: Mapping[str, Any] = MappingProxyType({})

    def with_samples(self, samples: np.ndarray, notes: tuple[str, ...] = ()) -> Stored:
        """Returns the stored picture of these pixels, with further notes."""
        return Stored(samples, self.metadata, self.orientation, encoding=self.encoding, notes=self.notes + notes)


class Written(NamedTuple):
    """The bytes of a file, and a phrase for each thing that it lacks."""

    content: bytes
    dropped: tuple[str, ...] = ()


def check_size(width: int, height: int) -> None:
    """Raises UsageError if a picture has no pixels, or more than Pillow's `Image.MAX_IMAGE_PIXELS`."""
    if width < 1 or height < 1:
        raise UsageError(f"not a picture of a known kind (its size is {width} x {height})")
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and width * height > limit:
        raise too_large(width * height)


def too_large(pixels: int) -> UsageError:
    """Returns the error for a picture with too many pixels."""
    limit = Image.MAX_IMAGE_PIXELS
    return UsageError(f"too large ({pixels} pixels; the limit is {limit}, raise it with --max-pixels)")


class Several(UsageError):
    """A file of several pictures, where one is expected; `drujax.pictures.series` reads it."""


def check_single(frames: int, kind: str = "frames of an animation") -> None:
    """Raises Several for a file of several pictures, which are of `kind`."""
    if frames > 1:
        raise Several(f"has {frames} {kind}; only still pictures are taken here (extract them first)")


def damaged(why: object) -> UsageError:
    """Returns the error for a file that cannot be decoded."""
    return UsageError(f"damaged picture ({why})")
