"""File suffixes: those that are read, written, or recognised only."""

from pathlib import Path

from drujax.errors import UsageError

# Formats that are read: Pillow's names by suffix.
FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
    ".gif": "GIF",
    ".avif": "AVIF",
    ".tga": "TGA",
    ".apng": "PNG",
    ".dib": "BMP",
    ".jfif": "JPEG",
    ".jpe": "JPEG",
}
# Read only; their results are PNG. Writing GIF would quantise the colours to a palette, writing AVIF would lose bits of
# 10-bit pictures, and TGA cannot hold metadata.
READ_ONLY = ("GIF", "TGA", "AVIF")
WRITTEN = tuple(suffix for suffix, name in FORMATS.items() if name not in READ_ONLY)

# Recognised, so that messages can give advice.
OTHER_PICTURES = frozenset(
    f".{name}"
    for name in (
        *("heic", "heif", "jxl", "jp2", "j2k", "exr", "hdr", "dds", "ico", "pcx", "ppm", "pgm", "pnm", "pbm", "qoi"),
        *("psd", "psb", "xcf", "kra", "ora", "clip", "sai", "sai2", "svg", "pdf"),
        *("raw", "dng", "cr2", "cr3", "nef", "arw", "orf", "rw2", "raf"),
    )
)
VIDEOS = frozenset(
    f".{name}" for name in ("mp4", "mkv", "webm", "mov", "avi", "m4v", "mpg", "mpeg", "wmv", "flv", "m2ts", "ogv")
)
# Films that are written; the results of others are Matroska files.
FILMS_WRITTEN = (".mkv", ".mp4", ".m4v", ".mov", ".webm")


def is_film(path: str | Path) -> bool:
    """Whether a file is a film, by its suffix."""
    return Path(path).suffix.lower() in VIDEOS


def film_suffix(source: str | Path) -> str:
    """Returns the default suffix of the result of a film: its own, or .mkv."""
    suffix = Path(source).suffix
    return suffix if suffix.lower() in FILMS_WRITTEN else ".mkv"


def output_format(path: str | Path) -> str:
    """Returns Pillow's name of the format that the suffix of `path` stands for.

    Raises:
        UsageError: pictures with that suffix cannot be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in WRITTEN:
        raise UsageError(f"{path}: cannot write a picture with suffix {suffix!r}. Choices: {', '.join(WRITTEN)}.")
    return FORMATS[suffix]


def output_suffix(source: str | Path) -> str:
    """Returns the default suffix of the result of `source`: its own, or .png for read-only formats."""
    suffix = Path(source).suffix
    return suffix if suffix.lower() in WRITTEN else ".png"
