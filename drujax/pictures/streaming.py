"""Pictures that are too large to hold: libvips reads, changes and writes them in strips.

What is streamed are files of PNG, JPEG and TIFF whose pixels libvips gives as they are to be written again, in the
same format: all but rotated pictures, CMYK and other kinds that need a conversion, grey with alpha, and JPEGs with
4:2:2 chroma. Metadata are kept as `drujax.pictures.io` keeps them, by the same code.
"""

import contextlib
import dataclasses
import mmap
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from drujax.errors import UsageError
from drujax.pictures import codec, vips
from drujax.pictures.containers import jpeg, png, tiff
from drujax.pictures.formats import FORMATS
from drujax.pictures.holding import held
from drujax.pictures.picture import Metadata
from drujax.pictures.stored import Described, Several
from drujax.pictures.strips import Computed
from drujax.runtime.atomic_write import replacing

# Pixels from which a file is streamed; smaller ones are held, which is faster.
STREAMED = 16_000_000

# Each thread of libvips holds strips of the picture: how wide they may be in all.
WIDTH = 24_000

CONTAINERS: Mapping[str, ModuleType] = {"PNG": png, "JPEG": jpeg, "TIFF": tiff}
_ONE_PASS = threading.Lock()
KINDS = (("uchar", "b-w"), ("uchar", "srgb"), ("ushort", "grey16"), ("ushort", "rgb16"))


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Stream(Metadata):
    """A picture whose pixels stay in its file until it is written.

    Attributes:
        path: the file.
        format: Pillow's name of its format.
        encoding, notes: as in `Picture`.
        change: lazy image -> lazy image: what is done to the pixels when it is written; None for nothing.
        computed: the images that `change` returned and that Python computes while they are written.
    """

    path: Path
    format: str
    encoding: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()
    change: Callable[[Any], Any] | None = None
    computed: list[Computed] = dataclasses.field(default_factory=list)

    def pixels(self) -> Any:
        """Returns the pixels as a lazy image for one pass from top to bottom: grey, RGB or RGBA of 8 or 16 bits."""
        return vips.load(self.format.lower(), self.path, **CONTAINERS[self.format].LOADING)

    @contextlib.contextmanager
    def changed(self) -> Iterator[Any]:
        """Yields the pixels as they are to be written, for one pass. Raises what computing them raises."""
        with contextlib.ExitStack() as errors:
            image = self.pixels()
            image = image if self.change is None else self.change(image)
            for computed in self.computed:
                errors.enter_context(computed.errors())
            try:
                yield image
            finally:
                self.computed.clear()


def open_stream(path: Path, target: Path) -> Stream | None:
    """Returns the stream of a large picture; None for a file that is not streamed from `path` to `target`.

    Raises:
        UsageError: in one line that begins with the path, as for `read_picture`.
        OSError: the file cannot be read.
    """
    if not path.is_file():
        return None
    with path.open("rb") as file:
        format = codec.format_of(file.read(codec.BEGINNING))
    if format is None or format not in CONTAINERS or FORMATS.get(target.suffix.lower()) != format:
        return None
    stream = Stream(path=path, format=format)
    try:
        image = stream.pixels()
    except UsageError:
        return None  # small damages are mended, and others reported, where the picture is held
    if image.width * image.height < STREAMED:
        return None
    try:
        described = _described(path, format)
    except Several:
        return None
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    if described is None or image.bands == 2 or (image.format, image.interpretation) not in KINDS:
        return None
    described, orientation = codec.upright(described)
    if orientation != 1:
        return None
    encoding, notes = described.encoding, described.notes
    return dataclasses.replace(stream, encoding=encoding, notes=notes, **described.metadata.blocks)


def write_stream(target: Path, stream: Stream, *, quality: int | None = None) -> tuple[str, ...]:
    """Writes a stream atomically; returns what the new file lacks, as `write_picture`.

    Raises:
        UsageError: the pixels are damaged.
        OSError: the file cannot be written.
    """
    container = CONTAINERS[stream.format]
    try:
        with stream.changed() as image, bounded_memory(image.width), replacing(target) as path:
            kept, dropped = held(stream, container.HOLDS, grey=image.bands == 1)
            dropped += container.write_stream(image, path, kept, stream.encoding, quality)
    except UsageError as error:
        raise UsageError(f"{stream.path}: {error}") from error
    return stream.notes + dropped


@contextlib.contextmanager
def bounded_memory(width: int) -> Iterator[None]:
    """Runs one pass over a picture at a time, with as few threads as its width asks for."""
    pyvips = vips.library()
    with _ONE_PASS:
        usual = pyvips.concurrency_get()
        pyvips.concurrency_set(max(min(WIDTH // width, usual), 1))
        try:
            yield
        finally:
            pyvips.concurrency_set(usual)


def _described(path: Path, format: str) -> Described | None:
    """What the file holds beside its pixels; None for a kind that is not streamed."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        described = CONTAINERS[format].describe(content)
        if format == "JPEG":
            whole = content[-2:] == jpeg.EOI  # one without an end is repaired where it is held
            return described if whole and described.encoding["subsampling"] != jpeg.HALF_AS_WIDE else None
    return described
