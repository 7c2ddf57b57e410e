"""Pictures: files <-> arrays, with everything about the file that is to survive an enhancement.

Reading applies the EXIF orientation and turns palette and CMYK pictures into RGB; bit depth (8 or 16), alpha, ICC
profile, EXIF, resolution and PNG text are kept. drujax.pictures.codec says what each kind of file becomes.
"""

from pathlib import Path

from drujax.errors import UsageError
from drujax.pictures import codec
from drujax.pictures.picture import Picture
from drujax.runtime.atomic_write import write_atomically

__all__ = [
    "Picture",
    "find_pictures",
    "output_format",
    "pictures_of",
    "read_picture",
    "write_picture",
]

# What is read and written, by suffix. GIF is only read: writing it would squeeze the colours into a palette again.
FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
    ".gif": "GIF",
}
WRITTEN = tuple(suffix for suffix, name in FORMATS.items() if name != "GIF")


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


def write_picture(path: str | Path, picture: Picture) -> None:
    """Writes `picture` to `path`, whole or not at all, in the format that the suffix names.

    Raises UsageError for a suffix that is not written, and for an alpha channel that the format cannot hold; OSError
    where the file cannot be written.
    """
    try:
        content = codec.encode(picture, output_format(path))
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    write_atomically(path, content)


def output_format(path: str | Path) -> str:
    """Pillow's name of the format that the suffix of `path` stands for. Raises UsageError where none is written."""
    suffix = Path(path).suffix.lower()
    if suffix not in WRITTEN:
        raise UsageError(f"{path}: cannot write a picture with suffix {suffix!r}. Choices: {', '.join(WRITTEN)}.")
    return FORMATS[suffix]


def find_pictures(folder: str | Path) -> list[Path]:
    """The picture files (by suffix) under `folder`, recursively, sorted; hidden files and folders are left out."""
    folder = Path(folder)
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in FORMATS
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    )


def pictures_of(path: str | Path) -> list[Path]:
    """The picture files that a user means by `path`: itself, or those of a folder. Raises UsageError for none."""
    path = Path(path)
    if not path.exists():
        raise UsageError(f"{path}: no such file or folder.")
    found = find_pictures(path) if path.is_dir() else [path]
    if not found:
        raise UsageError(f"{path}: no pictures in this folder ({', '.join(FORMATS)}).")
    return found
