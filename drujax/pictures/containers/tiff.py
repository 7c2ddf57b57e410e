"""TIFF: pixels through libvips, metadata as tags of the picture's directory."""

import contextlib
import io
import mmap
import struct
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from drujax.errors import UsageError
from drujax.pictures import cmyk, directories, exif, photoshop, vips
from drujax.pictures.containers import plain, tiff_chain, tiff_pages
from drujax.pictures.directories import ASCII, BYTE, RATIONAL, SHORT, UNDEFINED, Entry, Layout, Tree
from drujax.pictures.picture import Metadata, Picture
from drujax.pictures.stored import Content, Described, Stored, Written, check_size

LOADING = {"unlimited": True}  # options of libvips
WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = tiff_pages.WIDTH, tiff_pages.HEIGHT, 258, 259, 262
SAMPLES_PER_PIXEL, EXTRA_SAMPLES, SAMPLE_FORMAT = 277, 338, 339
XMP, IPTC, PHOTOSHOP, ICC, LAYERS = 700, 33723, 34377, 34675, 37724
RESOLUTION = (exif.X_RESOLUTION, exif.Y_RESOLUTION, exif.RESOLUTION_UNIT)

CMYK, YCBCR = 5, 6
PLAIN_COLORS = (0, 1, 2)  # grey and RGB
COLORS = {0: 1, 1: 1, 2: 3, 3: 3, 5: 4, 6: 3}  # channels by photometric interpretation; a palette gives three
UNSUPPORTED_COLORS = {8: "CIE Lab", 9: "ICC Lab", 10: "ITU Lab", 32803: "camera raw", 32844: "LogL", 32845: "LogLuv"}
SAMPLE_FORMATS = {2: "signed integer", 3: "floating-point", 5: "complex integer", 6: "complex"}
DEPTHS = (1, 2, 4, 8, 16)
ASSOCIATED, UNASSOCIATED = 1, 2
KEPT_COMPRESSIONS = {1: "none", 5: "lzw", 8: "deflate", 32946: "deflate", 32773: "packbits"}
JPEG = (6, 7)  # old and new kind of compression
ONLY_IN_PILLOW = (34925, 50000)  # LZMA and Zstandard, which libvips's wheel lacks
UNSUPPORTED_COMPRESSIONS = {34712: "JPEG 2000", 34887: "LERC", 50001: "WebP", 50002: "JPEG XL", 52546: "JPEG XL"}

# Tags about the storage of pixels, which libvips writes for the new file. All others describe the picture.
STRUCTURE = {254, 255, *range(256, 267), 273, 274, *range(277, 282), 284, 288, 289, 290, 291, 292, 293}
STRUCTURE |= {297, 317, 320, 321, *range(322, 337), 338, 339, 340, 341, 342, 343, 344, 345, 346, 347, 351}
STRUCTURE |= {400, *range(512, 533), 559, 32995, 32996, 32997, 32998}
CARRIED = {XMP, IPTC, PHOTOSHOP, ICC, LAYERS, *RESOLUTION}
NOT_IN_EXIF = (13, 16, 17, 18)  # types: offsets of directories, and BigTIFF's
DESCRIPTION = 270
HOLDS = frozenset({"icc_profile", "exif", "xmp", "photoshop", "comments", "dpi"})
LARGE = 3 << 30  # bytes of samples for which 32-bit offsets may not suffice


def read(content: bytes) -> Stored:
    """Returns the picture of a TIFF file. Raises UsageError; Several for a file of several pages."""
    return _read(content, tiff_pages.main_page(content))


def pages(content: bytes) -> list[tiff_pages.Page]:
    """Returns the pages of a file, for `read_page`. Raises UsageError, which names the page that is not supported."""
    found = tiff_pages.pictures(content)
    for number, page in enumerate(found, start=1):
        with _naming(number):
            _values(page)
    return found


def read_page(content: bytes, page: tiff_pages.Page, number: int) -> Stored:
    """Returns the picture of a page, number 1 and so on. Raises UsageError."""
    with _naming(number):
        return _read(content, page)


def write_pages(path: Path, pictures: Iterable[tuple[np.ndarray, Picture]], *, big: bool) -> tuple[str, ...]:
    """Writes a page for each array of samples, with the metadata of its picture; returns what is dropped.

    With `big`, as a BigTIFF, which may exceed 4 GB. Raises UsageError.
    """
    dropped: list[str] = []

    def files() -> Iterator[bytes]:
        for samples, picture in pictures:
            written = _written(samples, picture, big=big)
            dropped.extend(written.dropped)
            yield written.content

    with path.open("r+b") as file:
        tiff_chain.chain(file, files())
    return tuple(dropped)


@contextlib.contextmanager
def _naming(number: int) -> Iterator[None]:
    try:
        yield
    except UsageError as error:
        raise UsageError(f"page {number}: {error}") from error


def _read(content: bytes, page: tiff_pages.Page) -> Stored:
    value = _values(page)
    described = _described(content, page, value)
    samples = _pixels(tiff_pages.single_page(content, page), value)
    if value.get(PHOTOMETRIC) == YCBCR:
        samples = _rgb_of_ycbcr(samples, value)
    samples, notes = _without_extra_channels(samples, value, page.tags, page.layout)
    stored = described.with_samples(samples, notes)
    return cmyk.to_rgb(stored) if value.get(PHOTOMETRIC) == CMYK else stored


def describe(content: Content) -> Described | None:
    """Returns what a TIFF file holds beside its pixels; None if libvips would not read those as they are meant.

    Raises UsageError.
    """
    page = tiff_pages.main_page(content)
    value = _values(page)
    plain = value.get(PHOTOMETRIC) in PLAIN_COLORS and value.get(COMPRESSION) not in ONLY_IN_PILLOW
    extra = value.get(SAMPLES_PER_PIXEL, 1) not in (1, 3)
    first = directories.layout_of(content)[1]
    return _described(content, page, value) if plain and not extra and page.offset == first else None


def write(samples: np.ndarray, picture: Picture, quality: int | None = None) -> Written:
    """Returns the TIFF file of `samples` with the metadata of `picture`. Raises UsageError."""
    return _written(samples, picture, big=samples.nbytes > LARGE)


def _written(samples: np.ndarray, picture: Picture, *, big: bool) -> Written:
    own = picture.encoding if picture.format == "TIFF" else {}
    content = vips.save("tiff", samples, bigtiff=big, **_options(own))
    file = io.BytesIO(content)
    additions, dropped = _metadata_additions(content, picture)
    _write_at(file, additions)
    return Written(file.getvalue(), dropped)


def write_stream(
    image: Any, path: Path, described: Metadata, encoding: Mapping[str, Any], quality: int | None = None
) -> tuple[str, ...]:
    """Writes a lazy image to a TIFF file; returns what is dropped. Raises UsageError."""
    size = image.width * image.height * image.bands * (2 if image.format == "ushort" else 1)
    vips.save_file("tiff", image, path, bigtiff=size > LARGE, **_options(encoding))
    with path.open("r+b") as file:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            additions, dropped = _metadata_additions(content, described)
        _write_at(file, additions)
    return dropped


# ----- reading


def _values(page: tiff_pages.Page) -> dict[int, int]:
    """The tags that are integers. Raises UsageError for a picture of a kind that is not supported."""
    value = {tag: directories.integer(entry, page.layout.order) for tag, entry in page.tags.items()}
    check_size(value.get(WIDTH, 0), value.get(HEIGHT, 0))
    _refuse_unsupported(value)
    return value


def _described(content: Content, page: tiff_pages.Page, value: dict[int, int]) -> Described:
    metadata, notes = _metadata(content, page.tags, page.layout)
    orientation = value.get(exif.ORIENTATION, 1)
    encoding = {"compression": KEPT_COMPRESSIONS.get(value.get(COMPRESSION, 1), "deflate")}
    return Described(metadata, notes, orientation if 1 <= orientation <= 8 else 1, encoding)


def _refuse_unsupported(value: dict[int, int]) -> None:
    depth, kind = value.get(BITS, 1), SAMPLE_FORMATS.get(value.get(SAMPLE_FORMAT, 1))
    if kind or depth not in DEPTHS:
        samples = f"{depth}-bit {kind or 'integer'} samples"
        raise UsageError(f"a TIFF of {samples}, which are not supported; save it with 8 or 16 bits a channel first")
    if name := UNSUPPORTED_COMPRESSIONS.get(value.get(COMPRESSION, 1)):
        raise UsageError(f"a TIFF compressed by {name}, which is not supported; save it with Deflate or LZW first")
    color = value.get(PHOTOMETRIC, 1)
    if color not in COLORS:
        name = UNSUPPORTED_COLORS.get(color, "unknown")
        raise UsageError(f"a TIFF of {name} colours, which are not supported; save it as RGB first")


def _pixels(content: bytes, value: dict[int, int]) -> np.ndarray:
    if value.get(COMPRESSION) not in ONLY_IN_PILLOW:
        return vips.pixels(vips.load("tiff", content, **LOADING))
    with Image.open(io.BytesIO(content), formats=("TIFF",)) as image:
        return plain.pixels_of_tiff(image, content)


def _rgb_of_ycbcr(samples: np.ndarray, value: dict[int, int]) -> np.ndarray:
    """Returns RGB. libvips converts JPEG's samples, and subsampled ones, to which it adds an opaque alpha channel."""
    if value.get(COMPRESSION) in JPEG or samples.ndim == 2:
        return samples
    if samples.dtype != np.uint8:
        raise UsageError("a TIFF of 16-bit YCbCr colours, which are not supported; save it as RGB first")
    if samples.shape[2] > value.get(SAMPLES_PER_PIXEL, 3):
        return samples[..., :3]
    rgb = np.asarray(Image.fromarray(np.ascontiguousarray(samples[..., :3]), "YCbCr").convert("RGB"))
    return np.concatenate([rgb, samples[..., 3:]], axis=-1)


def _without_extra_channels(
    samples: np.ndarray, value: dict[int, int], tags: dict[int, Entry], layout: Layout
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Drops channels other than colours and alpha, such as masks and spot colours; returns notes of them, too."""
    notes = ()
    if samples.ndim == 2:
        return samples, notes
    colors = 3 if samples.shape[2] >= 3 and value.get(PHOTOMETRIC) == 3 else COLORS[value.get(PHOTOMETRIC, 1)]
    extra = samples.shape[2] - colors
    entry = tags.get(EXTRA_SAMPLES)
    kinds = struct.unpack(f"{layout.order}{entry.count}H", entry.data) if entry and entry.kind == SHORT else ()
    alpha = next((index for index, kind in enumerate(kinds[:extra]) if kind in (ASSOCIATED, UNASSOCIATED)), None)
    chosen = [*range(colors), *([colors + alpha] if alpha is not None else [])]
    if len(chosen) < samples.shape[2]:
        count = samples.shape[2] - len(chosen)
        notes = ("an extra channel (a mask or a spot colour)" if count == 1 else f"{count} extra channels",)
        samples = samples[..., chosen]
    return (samples[..., 0] if samples.shape[2] == 1 else samples), notes


def _metadata(content: Content, tags: dict[int, Entry], layout: Layout) -> tuple[Metadata, tuple[str, ...]]:
    own = {tag: entry for tag, entry in tags.items() if tag not in STRUCTURE | CARRIED}
    described = directories.with_sub_directories(own, content, layout)
    described = {tag: entry for tag, entry in described.items() if not _only_in_tiff(entry)}
    if described:
        described |= {tag: tags[tag] for tag in RESOLUTION if tag in tags}
    raw = {tag: tags[tag].data for tag in (XMP, IPTC, PHOTOSHOP, ICC) if tag in tags and tags[tag].data}
    resources = photoshop.without_thumbnails(raw.get(PHOTOSHOP, b"")) or b""
    if IPTC in raw and photoshop.iptc_of(resources) is None:
        resources += photoshop.of_iptc(raw[IPTC])
    metadata = Metadata(
        icc_profile=raw.get(ICC),
        exif=exif.block_of(described, layout.order) if described else None,
        xmp=raw.get(XMP),
        photoshop=resources or None,
        dpi=exif.resolution(tags, layout.order),
    )
    return metadata, ("Photoshop's layers",) if LAYERS in tags else ()


def _only_in_tiff(entry: Any) -> bool:
    return isinstance(entry, Entry) and entry.kind in NOT_IN_EXIF


# ----- writing


def _metadata_tags(picture: Metadata, layout: Layout) -> Tree:
    """Returns the tags of the metadata."""
    tree: Tree = {}
    if picture.exif:
        own, old = exif.tree_of(picture.exif)
        kept = {tag: entry for tag, entry in own.items() if tag not in STRUCTURE | CARRIED}
        tree |= directories.reordered(kept, old.order, layout.order)
    if picture.dpi:
        for tag, value in zip(RESOLUTION, picture.dpi, strict=False):
            tree[tag] = Entry(RATIONAL, struct.pack(layout.order + "II", *_ratio(value)))
        tree[exif.RESOLUTION_UNIT] = Entry(SHORT, struct.pack(layout.order + "H", 2))
    if picture.xmp:
        tree[XMP] = Entry(BYTE, picture.xmp)
    if picture.icc_profile:
        tree[ICC] = Entry(UNDEFINED, picture.icc_profile)
    if picture.photoshop:
        tree[PHOTOSHOP] = Entry(UNDEFINED, picture.photoshop)
        if record := photoshop.iptc_of(picture.photoshop):
            tree[IPTC] = Entry(UNDEFINED, record)
    return tree


def _ratio(value: float) -> tuple[int, int]:
    """Converts `value` to a fraction of two 32-bit numbers, which suffice for any resolution."""
    fraction = Fraction(value).limit_denominator(10_000)
    return min(fraction.numerator, 2**32 - 1), fraction.denominator


def _options(encoding: Mapping[str, Any]) -> dict[str, Any]:
    options = {"compression": "deflate"} | dict(encoding)
    return options | ({"predictor": "horizontal"} if options["compression"] in ("deflate", "lzw") else {})


def _metadata_additions(content: Content, picture: Metadata) -> tuple[dict[int, bytes], tuple[str, ...]]:
    """Returns what makes a file one with metadata, bytes by their position, and what is dropped.

    It is a directory behind the file, and the link to it.
    """
    layout, first = directories.layout_of(content)
    tree: Tree = {tag: entry for tag, entry in directories.read_directory(content, first, layout)[0].items()}
    for tag in RESOLUTION:
        tree.pop(tag, None)
    described = _metadata_tags(picture, layout)
    dropped = ()
    if picture.comments and DESCRIPTION not in described:
        described[DESCRIPTION] = Entry(ASCII, b"\n".join(picture.comments).rstrip(b"\0") + b"\0")
    elif picture.comments:
        dropped = ("the comment, where TIFF already has a description",)
    end = len(content) + len(content) % 2
    directory = directories.write_tree(tree | described, end, layout)
    link = struct.pack(layout.offset, end)
    return {len(content): bytes(end - len(content)) + directory, 8 if layout.big else 4: link}, dropped


def _write_at(file: io.BufferedIOBase, additions: dict[int, bytes]) -> None:
    for position, data in additions.items():
        file.seek(position)
        file.write(data)
