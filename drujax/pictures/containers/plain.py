"""Pixels that Pillow reads completely: of BMP, GIF, TGA and WebP, and of rare kinds of TIFF."""

import io
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from PIL import Image, ImageSequence, UnidentifiedImageError

from drujax.errors import UsageError
from drujax.pictures import exif
from drujax.pictures.picture import Metadata
from drujax.pictures.stored import Stored, check_single, check_size, damaged, too_large

FORMATS = ("BMP", "GIF", "TGA")  # TGA, which has no signature, comes last
DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, TypeError, IndexError, RuntimeError)


def read(
    content: bytes,
    formats: tuple[str, ...] = FORMATS,
    *,
    encoding: Mapping[str, Any] | None = None,
    animated: bool = False,
) -> Stored:
    """Returns the picture of a file of one of Pillow's `formats`; with `animated`, the first frame of several.

    Raises UsageError; Several for an animation without that.
    """
    with _damage_is_reported(), Image.open(io.BytesIO(content), formats=formats) as image:
        check_size(*image.size)
        if not animated:
            check_single(getattr(image, "n_frames", 1))
        comment = image.info.get("comment")
        block = image.info.get("exif")
        metadata = Metadata(
            icc_profile=image.info.get("icc_profile"),
            exif=exif.PREFIX + block.removeprefix(exif.PREFIX) if block else None,
            xmp=image.info.get("xmp"),
            comments=(comment,) if isinstance(comment, bytes) and comment else (),
            dpi=_resolution(image),
        )
        return Stored(pixels(image), metadata, encoding=encoding or {})


def frames_in(content: bytes, format: str) -> int:
    """Returns the number of frames of a file of one of Pillow's formats. Raises UsageError."""
    with _damage_is_reported(), Image.open(io.BytesIO(content), formats=(format,)) as image:
        return getattr(image, "n_frames", 1)


def frames(content: bytes, format: str) -> Iterator[np.ndarray]:
    """Yields the samples of the frames of a file of one of Pillow's formats. Raises UsageError."""
    with _damage_is_reported(), Image.open(io.BytesIO(content), formats=(format,)) as image:
        for frame in ImageSequence.Iterator(image):
            yield pixels(frame)


def format_of(content: bytes) -> str | None:
    """Returns the format of `content`, one of FORMATS, or None. Raises UsageError if the picture is too large."""
    with _damage_is_reported():
        try:
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                return image.format
        except UnidentifiedImageError:
            return None


def pixels(image: Image.Image) -> np.ndarray:
    """Returns the samples, (h, w) or (h, w, 2 | 3 | 4), of a picture that Pillow reads completely; CMYK is kept."""
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)  # converts any byte order
    if image.mode == "CMYK":
        return np.asarray(image)
    transparent = image.has_transparency_data
    if image.mode in ("1", "L", "LA", "La"):
        return np.asarray(image.convert("LA" if transparent else "L"))
    return np.asarray(image.convert("RGBA" if transparent else "RGB"))


def pixels_of_tiff(image: Image.Image, content: bytes) -> np.ndarray:
    """Returns all bits of a TIFF's samples, of which Pillow reads only 8 per colour channel.

    Pillow decodes the file twice, taking each sample's first byte as "high" once and the second byte the other time.
    """
    tiles = getattr(image, "tile", [])
    mode, _, order = str(_arguments(tiles[0])[0]).partition(";16") if tiles else ("", "", "")
    with _damage_is_reported():
        if mode not in ("RGB", "RGBA") or not order:
            return pixels(image)
        first, second = (_decoded_as(content, f"{mode};16{byte}") for byte in "BL")
        high, low = (first, second) if order == "B" else (second, first)
        return high.astype(np.uint16) << 8 | low


def _arguments(tile: Any) -> tuple:
    return tile.args if isinstance(tile.args, tuple) else (tile.args,)


def _decoded_as(content: bytes, raw_mode: str) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        image.tile = [tile._replace(args=(raw_mode, *_arguments(tile)[1:])) for tile in image.tile]
        return np.asarray(image)


@contextmanager
def _damage_is_reported() -> Iterator[None]:
    """Converts Pillow's exceptions for damaged and too large files to UsageError."""
    try:
        yield
    except UsageError:
        raise
    except UnidentifiedImageError as error:
        raise damaged("its header cannot be read") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        size = re.search(r"\d+", str(error))
        raise too_large(int(size[0]) if size else 0) from error
    except DAMAGE as error:
        raise damaged(error) from error


def _resolution(image: Image.Image) -> tuple[float, float] | None:
    across, down = (float(value) for value in image.info.get("dpi", (0, 0)))
    return (across, down) if across > 0 and down > 0 else None
