"""Rows of lazy images in order, as arrays, and lazy images of rows that Python computes in order."""

import contextlib
import functools
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Shaped

from drujax.pictures import vips
from drujax.pictures.containers import png

KINDS = {1: 0, 3: 2}  # of a PNG, by its channels
SLACK = 64
PIECE = 4 << 20  # bytes that libvips gets at a time, about


class Rows:
    """The rows of a lazy image, read once from top to bottom: `rows(start, stop)`.

    A start may be before the last one by `SLACK` rows.
    """

    def __init__(self, image: Any):
        self._image = image
        self._region = vips.library().Region.new(image)
        self._kept = np.empty((0, image.width, image.bands), np.uint8 if image.format == "uchar" else np.uint16)
        self._first = 0

    def __call__(self, start: int, stop: int) -> Shaped[np.ndarray, "h w c"]:
        """Returns rows. Raises UsageError if they cannot be decoded."""
        assert start >= self._first
        first = max(start - SLACK, self._first)
        kept = self._kept[first - self._first :]
        missing = stop - first - len(kept)
        if missing > 0:
            kept = np.concatenate([kept, self._read(stop - missing, missing)])
        self._kept, self._first = kept, first
        return kept[start - first : stop - first]

    def _read(self, first: int, count: int) -> Shaped[np.ndarray, "h w c"]:
        with vips.decoding():
            content = self._region.fetch(0, first, self._image.width, count)
        return np.frombuffer(content, self._kept.dtype).reshape(count, *self._kept.shape[1:])


class Computed:
    """A lazy image of strips that are computed when libvips reads it, in its threads, one after the other.

    It must be kept until the image has been read.
    """

    def __init__(
        self, strips: Iterator[Shaped[np.ndarray, "h w c"]], *, height: int, width: int, bands: int, bits: int
    ):
        self._error: Exception | None = None
        self._content = self._png(strips, height, width, bands, bits)
        self._left = memoryview(b"")
        self._source = vips.library().SourceCustom()
        self._source.on_read(self._read)

    @functools.cached_property
    def image(self) -> Any:
        """A lazy image for one pass from top to bottom: grey or RGB, of 8 or 16 bits. Raises what a strip raises."""
        library = vips.library()
        # A PNG whose pixels are not compressed: of what libvips reads from memory piece by piece, the simplest.
        options = {"access": "sequential", "fail_on": "error", "unlimited": True}
        with self.errors():
            return library.Image.pngload_source(self._source, **options)

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Raises what computing a strip raised instead of libvips's error: to it the image is truncated then."""
        try:
            yield
        except Exception:
            if self._error is None:
                raise
            raise self._error from None

    def _read(self, size: int) -> bytes:
        try:
            while not self._left:
                piece = next(self._content, None)
                if piece is None:
                    return b""
                self._left = memoryview(piece)
        except Exception as error:  # libvips would print it
            self._error = error
            return b""
        read, self._left = self._left[:size], self._left[size:]
        return bytes(read)

    @staticmethod
    def _png(strips: Iterator[np.ndarray], height: int, width: int, bands: int, bits: int) -> Iterator[bytes]:
        header = struct.pack(">IIBBBBB", width, height, bits, KINDS[bands], 0, 0, 0)
        yield png.SIGNATURE + png.packed((b"IHDR", header))
        stored = zlib.compressobj(0)
        for strip in strips:
            levels = np.ascontiguousarray(strip, ">u2" if bits == 16 else np.uint8)
            rows = levels.reshape(len(strip), -1).view(np.uint8)
            step = max(1, PIECE // rows.shape[1])
            for first in range(0, len(rows), step):
                filtered = np.pad(rows[first : first + step], ((0, 0), (1, 0)))  # by filter 0, which changes nothing
                yield png.packed((b"IDAT", stored.compress(filtered.data)))
        yield png.packed((b"IDAT", stored.flush())) + png.packed((b"IEND", b""))
