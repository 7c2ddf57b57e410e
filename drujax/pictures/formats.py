"""File suffixes: what is read, what is written, and what is recognised without being read."""

from pathlib import Path

from drujax.errors import UsageError

# Read, by suffix: Pillow's name of the format.
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
# Read only: their results are PNG. Writing GIF would squeeze the colours into a palette again, writing AVIF would lose
# what a picture of 10 bits has, and TGA has no place for metadata.
READ_ONLY = ("GIF", "TGA", "AVIF")
WRITTEN = tuple(suffix for suffix, name in FORMATS.items() if name not in READ_ONLY)

# Recognised, so that a message can say what helps.
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


def output_format(path: str | Path) -> str:
    """Returns Pillow's name of the format that the suffix of `path` stands for.

    Raises:
        UsageError: no picture is written with that suffix.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in WRITTEN:
        raise UsageError(f"{path}: cannot write a picture with suffix {suffix!r}. Choices: {', '.join(WRITTEN)}.")
    return FORMATS[suffix]


def output_suffix(source: str | Path) -> str:
    """Returns the suffix that the result of the picture `source` has unless another is chosen: its own, or .png."""
    suffix = Path(source).suffix
    return suffix if suffix.lower() in WRITTEN else ".png"
