"""EXIF blocks: orientation, and what else changes when a picture is turned upright."""

import struct

from drujax.pictures import directories
from drujax.pictures.directories import LONG, SHORT, Entry, Layout, Tree

ORIENTATION = 0x0112
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 0x011A, 0x011B, 0x0128
PIXEL_WIDTH, PIXEL_HEIGHT = 0xA002, 0xA003
PER_INCH = {2: 1.0, 3: 2.54}  # by ResolutionUnit
PREFIX = b"Exif\0\0"
WHOLE_NUMBERS = (1, 3, 4, 6, 8, 9, 13, 16)  # types


def upright(exif: bytes) -> tuple[int | None, bytes | None]:
    """Returns the orientation 1..8 in `exif` (or None), and the block of the upright picture.

    The block is patched rather than rebuilt, because makers' notes contain offsets into it: the orientation becomes 1,
    width and height are swapped for rotations by 90 degrees, and the link to the embedded thumbnail, which shows the
    old picture, is removed. Too large a count of entries is corrected. A block without a directory gives (None, None).
    """
    block = exif.removeprefix(PREFIX)
    try:
        layout, first = directories.layout_of(block)
        found = list(directories.entries(block, first, layout))
    except (ValueError, struct.error):
        return None, None
    body, orientation, exif_directory = bytearray(block), None, 0
    for tag, kind, at, size in found:
        value = directories.integer(Entry(kind, block[at : at + size]), layout.order)
        if tag == ORIENTATION and kind in WHOLE_NUMBERS and size >= directories.SIZES[kind]:
            orientation = value if 1 <= value <= 8 else 1
            struct.pack_into(layout.order + directories.NUMBERS[kind], body, at, 1)
        elif tag == directories.EXIF:
            exif_directory = value
    if exif_directory and (orientation or 1) >= 5:
        _swap_width_and_height(body, exif_directory, layout)
    _cut_link(body, first, found, layout)
    return orientation, PREFIX + bytes(body)


def resolution(tree: Tree, order: str) -> tuple[float, float] | None:
    """Returns the dots per inch in a directory; None if it has none, or only an aspect ratio."""
    across, down, unit = (tree.get(tag) for tag in (X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT))
    if not isinstance(across, Entry) or not isinstance(down, Entry):
        return None
    scale = PER_INCH.get(directories.integer(unit, order), 0) if isinstance(unit, Entry) else 1.0
    dpi = directories.number(across, order) * scale, directories.number(down, order) * scale
    return dpi if min(dpi) > 0 else None


def resolution_of(exif: bytes) -> tuple[float, float] | None:
    """Returns the dots per inch in an EXIF block, or None."""
    try:
        tree, layout = tree_of(exif)
    except (ValueError, struct.error):
        return None
    return resolution(tree, layout.order)


def tree_of(exif: bytes) -> tuple[Tree, Layout]:
    """Returns the directories of an EXIF block. Raises ValueError or struct.error, but not after `upright`."""
    body = exif.removeprefix(PREFIX)
    layout, first = directories.layout_of(body)
    return directories.read_tree(body, first, layout), layout


def block_of(tree: Tree, order: str) -> bytes:
    """Returns the EXIF block of directories whose values are in the byte order `order`."""
    header = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "I", 8)
    return PREFIX + header + directories.write_tree(tree, 8, Layout(order))


def _cut_link(body: bytearray, first: int, found: list[tuple[int, int, int, int]], layout: Layout) -> None:
    """Corrects the count of entries of the first directory, and removes its link to the next."""
    struct.pack_into(layout.count, body, first, len(found))
    size = struct.calcsize(layout.offset)
    link = first + struct.calcsize(layout.count) + len(found) * struct.calcsize(layout.entry)
    # Some writers omit the link, so that the values follow immediately.
    if link + size <= len(body) and not any(link <= at < link + size for _, _, at, _ in found):
        struct.pack_into(layout.offset, body, link, 0)


def _swap_width_and_height(body: bytearray, offset: int, layout: Layout) -> None:
    """Swaps width and height in the EXIF sub-directory at `offset`."""
    try:
        found = {tag: (kind, at, size) for tag, kind, at, size in directories.entries(bytes(body), offset, layout)}
    except struct.error:
        return
    width, height = found.get(PIXEL_WIDTH), found.get(PIXEL_HEIGHT)
    if width is None or height is None or width[::2] != height[::2] or width[::2] not in ((SHORT, 2), (LONG, 4)):
        return
    a, b, size = width[1], height[1], width[2]
    body[a : a + size], body[b : b + size] = body[b : b + size], body[a : a + size]
