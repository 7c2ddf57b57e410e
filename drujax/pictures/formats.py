"""File suffixes: those that are read, written, or recognised only."""

import importlib.util
from pathlib import Path

from drujax.errors import UsageError
from drujax.runtime.extras import extra_with

# Formats that are read and written: Pillow's names by suffix.
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
    ".jp2": "JPEG2000",
    ".j2k": "JPEG2000",
    ".jxl": "JXL",
    ".heic": "HEIF",
    ".heif": "HEIF",
}
# Those of which `--quality` is; the others are lossless.
LOSSY = frozenset({"JPEG", "WEBP", "AVIF", "JXL", "HEIF"})
# Formats of Pillow's plugins: modules by Pillow's names.
PLUGINS = {"JXL": "pillow_jxl", "HEIF": "pillow_heif"}

# Recognised, so that messages can give advice.
OTHER_PICTURES = frozenset(
    f".{name}"
    for name in (
        *("exr", "hdr", "dds", "ico", "pcx", "ppm", "pgm", "pnm", "pbm", "qoi"),
        *("psd", "psb", "xcf", "kra", "ora", "clip", "sai", "sai2", "svg", "pdf"),
        *("raw", "dng", "cr2", "cr3", "nef", "arw", "orf", "rw2", "raf"),
    )
)
VIDEOS = frozenset(
    f".{name}" for name in ("mp4", "mkv", "webm", "mov", "avi", "m4v", "mpg", "mpeg", "wmv", "flv", "m2ts", "ogv")
)
# Films that are written; the results of others are Matroska files.
FILMS_WRITTEN = (".mkv", ".mp4", ".m4v", ".mov", ".webm")


def missing_extra(suffix: str) -> str | None:
    """Returns the extra that reads files with `suffix`, which is not installed; None if nothing is missing."""
    module = PLUGINS.get(FORMATS.get(suffix.lower(), ""))
    return extra_with(module) if module and importlib.util.find_spec(module) is None else None


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
    if suffix not in FORMATS:
        raise UsageError(f"{path}: cannot write a picture with suffix {suffix!r}. Choices: {', '.join(FORMATS)}.")
    return FORMATS[suffix]


def output_suffix(source: str | Path) -> str:
    """Returns the default suffix of the result of `source`: its own, or .png for one that is unknown."""
    suffix = Path(source).suffix
    return suffix if suffix.lower() in FORMATS else ".png"
