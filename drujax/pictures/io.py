"""Reads and writes picture files, with everything that should survive an enhancement.

Reading applies the EXIF orientation and turns palette and CMYK pictures into RGB; bit depth (8 or 16), alpha, ICC
profile, EXIF, resolution and PNG text are kept. See drujax.pictures.codec for each kind of file.
"""

import stat
from pathlib import Path

from drujax.errors import UsageError
from drujax.pictures import codec
from drujax.pictures.formats import output_format
from drujax.pictures.picture import Picture
from drujax.pictures.stored import Several
from drujax.runtime.atomic_write import write_atomically

__all__ = [
    "Picture",
    "output_format",
    "read_picture",
    "write_picture",
]


def read_picture(path: str | Path) -> Picture:
    """Reads the picture in the file `path`.

    Raises UsageError, in one line that begins with the path, if the file is not a picture, damaged, an animation, or
    larger than Pillow's `Image.MAX_IMAGE_PIXELS` (which a program may change), or is a pipe, device or socket; OSError
    if the file cannot be read.
    """
    try:
        _refuse_special(Path(path))
        return codec.decode(Path(path).read_bytes())
    except Several as error:
        raise Several(f"{path}: {error}") from error
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def write_picture(path: str | Path, picture: Picture, *, quality: int | None = None) -> tuple[str, ...]:
    """Writes `picture` to `path` atomically, in the format of its suffix.

    Returns a phrase (such as "EXIF") for each thing that the new file lacks: what reading dropped, and what the format
    cannot hold.

    `quality`, 1 to 100, applies to JPEG, WebP, AVIF, HEIC and JPEG XL. By default a JPEG has that of its JPEG, at least
    75, WebP, JPEG XL and other JPEGs 95, AVIF and HEIC 90; and lossless WebP and AVIF stay lossless.

    Raises UsageError if the suffix cannot be written, the arrays or `quality` are invalid, or the format cannot hold
    the alpha channel; OSError if the file cannot be written.
    """
    format = output_format(path)
    try:
        written = codec.encode_noting(picture, format, quality)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    write_atomically(path, written.content)
    return picture.notes + written.dropped


def _refuse_special(path: Path) -> None:
    """Raises UsageError for pipes, devices and sockets: reading them may wait forever, or never end."""
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # reading a folder raises an error
        raise UsageError("not a regular file (a pipe, device or socket)")
