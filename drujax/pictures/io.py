"""Pictures: files <-> arrays, with everything about the file that is to survive an enhancement.

Reading applies the EXIF orientation and turns palette and CMYK pictures into RGB; bit depth (8 or 16), alpha, ICC
profile, EXIF, resolution and PNG text are kept. drujax.pictures.codec says what each kind of file becomes.
"""

from pathlib import Path

from drujax.errors import UsageError
from drujax.pictures import codec
from drujax.pictures.formats import output_format
from drujax.pictures.picture import Picture
from drujax.runtime.atomic_write import write_atomically

__all__ = [
    "Picture",
    "output_format",
    "read_picture",
    "write_picture",
]


def read_picture(path: str | Path) -> Picture:
    """The picture in the file `path`.

    Raises UsageError, in one line that begins with the path, for what is no picture, damaged, an animation, or larger
    than Pillow's `Image.MAX_IMAGE_PIXELS` (which a program may raise); OSError where the file cannot be read at all.
    """
    content = Path(path).read_bytes()
    try:
        return codec.decode(content)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def write_picture(path: str | Path, picture: Picture, *, quality: int | None = None) -> tuple[str, ...]:
    """Writes `picture` to `path`, whole or not at all, in the format that the suffix names.

    Returns what of the picture's file is not in the new one, a phrase each (such as "EXIF"): what reading had to leave
    out, and what the format cannot hold.

    `quality` is that of JPEG and WebP, 1 to 100 (by default 95, and lossless for what was a lossless WebP).

    Raises UsageError for a suffix that is not written, and for an alpha channel that the format cannot hold; OSError
    where the file cannot be written.
    """
    try:
        written = codec.encode_noting(picture, output_format(path), quality)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    write_atomically(path, written.content)
    return picture.notes + written.dropped
