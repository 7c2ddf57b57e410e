"""Files of several pictures: animations, read as whole frames with their times, and TIFFs of several pages.

Frames and pages are read, changed and written one after the other, so that memory does not grow with their number.
Frames are composed as a viewer shows them (disposal, blending, parts of the canvas); what is written is what changes
from frame to frame.
"""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Literal

import numpy as np

from drujax.errors import UsageError
from drujax.pictures import codec
from drujax.pictures.containers import apng, avif, gif, tiff, webp
from drujax.pictures.containers.frames import Animation
from drujax.pictures.formats import output_format
from drujax.pictures.holding import held
from drujax.pictures.picture import Picture
from drujax.pictures.stored import Stored
from drujax.runtime.atomic_write import replacing

Kind = Literal["frames", "pages"]

ANIMATED: dict[str, ModuleType] = {"GIF": gif, "WEBP": webp, "PNG": apng, "AVIF": avif}

BYTES = 8  # of a pixel, at most


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Series:
    """The pictures of a file, which stay in it until they are asked for.

    Attributes:
        format: Pillow's name of its format.
        kind: frames of an animation, or pages.
        count: their number.
        pixels: of all of them together.
        stored: yields them as the file stores them.
        animation: times and repetition of frames; None for pages.
        change: (number from 0, picture) -> picture: what is done to each when it is written; the same object if
            nothing; None for nothing at all.
        path: the file, which errors in writing name; None for one that has no name.
    """

    format: str
    kind: Kind
    count: int
    pixels: int
    stored: Callable[[], Iterator[Stored]]
    animation: Animation | None = None
    change: Callable[[int, Picture], Picture] | None = None
    path: Path | None = None

    def pictures(self) -> Iterator[Picture]:
        """Yields the pictures of the file, upright. Raises UsageError."""
        for stored in self.stored():
            yield codec.as_picture(stored, self.format)

    def changed(self, number: int, picture: Picture) -> Picture:
        """Returns what becomes of a picture when it is written. Raises UsageError."""
        return picture if self.change is None else self.change(number, picture)


def open_series(path: Path, target: Path) -> Series:
    """Opens the frames or pages of a file, to be written to `target`.

    Raises:
        UsageError: in one line that begins with the path: damaged, or the target's format cannot hold several pictures.
        OSError: the file cannot be read.
    """
    content, wanted = path.read_bytes(), output_format(target)
    try:
        return dataclasses.replace(series_of(content, wanted), path=path)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def series_of(content: bytes, wanted: str) -> Series:
    """Returns the frames or pages in the content of a file, to be written in a format (Pillow's name).

    Raises:
        UsageError: damaged, or that format cannot hold several pictures.
    """
    format = codec.kind_of(content)
    if format == "TIFF":
        pages = tiff.pages(content)
        kind, count, animation = "pages", len(pages), None
        pixels = sum(page.integer(tiff.WIDTH) * page.integer(tiff.HEIGHT) for page in pages)

        def stored() -> Iterator[Stored]:
            for number, page in enumerate(pages, start=1):
                yield tiff.read_page(content, page, number)

    elif format in ANIMATED:
        animation, stored = ANIMATED[format].read_animation(content)
        kind, count = "frames", len(animation.durations)
        pixels = count * animation.size[0] * animation.size[1]
    else:
        raise UsageError(f"an animation of {format}, which is not supported; convert it to .webp or .png first")
    if kind == "pages" and wanted != "TIFF":
        raise UsageError(f"has {count} pages, which {wanted} cannot hold; choose .tif")
    if kind == "frames" and wanted not in ANIMATED:
        raise UsageError(f"is an animation, which {wanted} cannot hold; choose .png, .webp, .avif or .gif")
    return Series(format=format, kind=kind, count=count, pixels=pixels, stored=stored, animation=animation)


def write_series(target: Path, series: Series, *, quality: int | None = None) -> tuple[tuple[str, ...], bool]:
    """Writes a series atomically; returns what the new file lacks, as `write_picture`, and whether a picture changed.

    Raises:
        UsageError: in one line that begins with the path of the series, if it has one: a picture is damaged, cannot be
            changed, or cannot be written in that format.
        OSError: the file cannot be written.
    """
    pictures = _Changed(series)
    try:
        with replacing(target) as path:
            if series.animation is None:
                dropped = _write_pages(path, pictures, big=series.pixels * BYTES > tiff.LARGE)
            else:
                dropped = _write_frames(path, output_format(target), pictures, series.animation, quality)
    except UsageError as error:
        raise error if series.path is None else UsageError(f"{series.path}: {error}") from error
    return tuple(dict.fromkeys((*pictures.notes, *dropped))), pictures.differ


class _Changed:
    """The pictures of a series as they are to be written, once; and whether one differs from the file's."""

    def __init__(self, series: Series):
        self._series = series
        self.differ = False
        self.notes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Picture]:
        for number, before in enumerate(self._series.pictures()):
            after = self._series.changed(number, before)
            self.differ |= after is not before
            self.notes = tuple(dict.fromkeys((*self.notes, *after.notes)))
            yield after


def _write_pages(path: Path, pictures: _Changed, *, big: bool) -> tuple[str, ...]:
    dropped: list[str] = []

    def pages() -> Iterator[tuple[np.ndarray, Picture]]:
        for picture in pictures:
            samples = codec.samples_of(picture, "TIFF")
            kept, unheld = held(picture, tiff.HOLDS, grey=samples.ndim == 2 or samples.shape[2] == 2)
            dropped.extend(unheld)
            yield samples, kept

    written = tiff.write_pages(path, pages(), big=big)
    return (*dropped, *written)


def _write_frames(
    path: Path, format: str, pictures: _Changed, animation: Animation, quality: int | None
) -> tuple[str, ...]:
    container, dropped = ANIMATED[format], []
    frames = iter(pictures)
    first = next(frames)
    codec.check_colors(first, format)
    kept, unheld = held(first, container.HOLDS, grey=first.grey and format not in codec.COLORED)
    animation = animation._replace(size=first.rgb.shape[1::-1])  # turned upright

    def samples() -> Iterator[np.ndarray]:
        for picture in _all(first, frames):
            array = codec.samples_of(picture, format)
            if array.dtype != picture.rgb.dtype:
                dropped.append(codec.LOWER_HALF)
            yield array

    written = container.write_animation(path, samples(), kept, animation, quality)
    return (*dropped, *unheld, *written)


def _all(first: Picture, others: Iterator[Picture]) -> Iterator[Picture]:
    yield first
    yield from others
