"""The pages of a TIFF file: which one is the picture, and which are reduced copies of it."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from drujax.errors import UsageError
from drujax.pictures import directories, vips
from drujax.pictures.directories import Entry, Layout
from drujax.pictures.stored import Content, check_single, damaged

SUBFILE_TYPE, OLD_SUBFILE_TYPE, WIDTH, HEIGHT = 254, 255, 256, 257
REDUCED = 1 | 4  # bits of the subfile type: a reduced copy, a mask
OLD_REDUCED = 2
COPY_DIFFERENCE = 8  # largest mean difference, in levels of 255, between a copy and the resized picture


class Page(NamedTuple):
    """A directory of a file, with its offset."""

    offset: int
    tags: dict[int, Entry]
    layout: Layout

    def integer(self, tag: int, default: int = 0) -> int:
        """Returns the integer value of a tag."""
        return directories.integer(self.tags[tag], self.layout.order) if tag in self.tags else default


def main_page(content: Content) -> Page:
    """Returns the picture among the pages of a file; the others must be reduced copies or masks of it.

    Raises:
        UsageError: the file is damaged; Several: it has several pictures.
    """
    found = pictures(content)
    check_single(1 + sum(not _is_copy(content, page, found[0]) for page in found[1:]), "pages")
    return found[0]


def pictures(content: Content) -> list[Page]:
    """Returns the pages of a file that are not marked as reduced copies or masks. Raises UsageError."""
    try:
        pages = list(_pages(content))
    except (ValueError, struct.error):
        pages = []
    if not pages:
        raise damaged("image file is truncated")
    return [page for page in pages if not _is_marked(page)] or pages[:1]


def single_page(content: Content, page: Page) -> bytes:
    """Returns the file with `page` as its only page, so that damage in the others has no effect."""
    offset = page.layout.offset
    (count,) = struct.unpack_from(page.layout.count, content, page.offset)
    link = page.offset + struct.calcsize(page.layout.count) + count * struct.calcsize(page.layout.entry)
    first = 8 if page.layout.big else 4
    changed = {first: page.offset} | ({link: 0} if link + struct.calcsize(offset) <= len(content) else {})
    if all(struct.unpack_from(offset, content, at)[0] == value for at, value in changed.items()):
        return bytes(content)
    file = bytearray(content)
    for at, value in changed.items():
        struct.pack_into(offset, file, at, value)
    return bytes(file)


def _pages(content: Content) -> Iterator[Page]:
    layout, offset = directories.layout_of(content)
    visited = set()
    while offset and offset not in visited:
        visited.add(offset)
        try:
            tags, next_offset = directories.read_directory(content, offset, layout)
        except struct.error:  # a dangling link
            return
        yield Page(offset, tags, layout)
        offset = next_offset


def _is_marked(page: Page) -> bool:
    """Whether a page is marked as a reduced copy or mask."""
    return bool(page.integer(SUBFILE_TYPE) & REDUCED) or page.integer(OLD_SUBFILE_TYPE) == OLD_REDUCED


def _is_copy(content: Content, page: Page, picture: Page) -> bool:
    """Whether an unmarked page shows `picture` at a smaller size."""
    (width, height), (full_width, full_height) = ((p.integer(WIDTH), p.integer(HEIGHT)) for p in (page, picture))
    if not (0 < width < full_width and 0 < height < full_height):
        return False
    if abs(width * full_height - height * full_width) > max(full_width, full_height):  # another shape
        return False
    try:
        small = vips.load("tiff", single_page(content, page)).colourspace("b-w")
        full = vips.load("tiff", single_page(content, picture)).colourspace("b-w")
        shrunk = full.resize(width / full_width, vscale=height / full_height)
        return (small.extract_band(0) - shrunk.extract_band(0)).abs().avg() < COPY_DIFFERENCE
    except (UsageError, vips.library().Error):
        return False
