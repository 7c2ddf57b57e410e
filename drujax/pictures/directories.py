"""Reads and writes TIFF directories, which EXIF blocks also consist of, as trees of entries with raw values.

Values stay bytes, so that text in any encoding, unknown tags and numbers of any precision are preserved.
"""

import contextlib
import dataclasses
import struct
from collections.abc import Iterator
from typing import Any, TypeAlias

from drujax.pictures.stored import Content

EXIF, GPS, INTEROPERABILITY = 0x8769, 0x8825, 0xA005
SUB_DIRECTORIES = (EXIF, GPS, INTEROPERABILITY)
USER_COMMENT = 0x9286
UNICODE = b"UNICODE\0"

# Bytes of one value of a type, and of its numbers (the unit of byte swapping).
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
WORDS = SIZES | {5: 4, 10: 4}
NUMBERS = {1: "B", 3: "H", 4: "I", 5: "I", 6: "b", 8: "h", 9: "i", 10: "i", 11: "f", 12: "d", 13: "I", 16: "Q", 18: "Q"}
BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, LONG8 = 1, 2, 3, 4, 5, 7, 16


@dataclasses.dataclass(frozen=True)
class Entry:
    """One tag's value: TIFF's number of its type, and the bytes as stored."""

    kind: int
    data: bytes

    @property
    def count(self) -> int:
        return len(self.data) // SIZES[self.kind]


Tree: TypeAlias = dict[int, Any]  # by tag: an Entry, or the tree of a sub-directory


@dataclasses.dataclass(frozen=True)
class Layout:
    """The layout of a file's directories: byte order as in struct formats, and whether it is a BigTIFF."""

    order: str
    big: bool = False

    @property
    def offset(self) -> str:
        return self.order + ("Q" if self.big else "I")

    @property
    def count(self) -> str:
        return self.order + ("Q" if self.big else "H")

    @property
    def entry(self) -> str:
        return self.order + ("HHQ8s" if self.big else "HHI4s")


def layout_of(content: Content) -> tuple[Layout, int]:
    """Returns the layout of a TIFF file or EXIF block, and the offset of its first directory.

    Raises:
        ValueError, struct.error: it is neither.
    """
    order = {b"II": "<", b"MM": ">"}.get(bytes(content[:2]))
    if order is None:
        raise ValueError("the byte order is missing")
    big = struct.unpack_from(order + "H", content, 2)[0] == 43
    layout = Layout(order, big)
    first = struct.unpack_from(layout.offset, content, 8 if big else 4)[0]
    if first < 8:
        raise ValueError("the first directory lies in the header")
    return layout, first


def entries(content: Content, offset: int, layout: Layout) -> Iterator[tuple[int, int, int, int]]:
    """Yields (tag, type, position of the value, its size in bytes) of each entry of the directory at `offset`.

    Stops at the first invalid one, because some writers give too large a count.

    Raises:
        struct.error: `offset` is outside of `content`.
    """
    (count,) = struct.unpack_from(layout.count, content, offset)
    step, inline = struct.calcsize(layout.entry), struct.calcsize(layout.offset)
    position = offset + struct.calcsize(layout.count)
    for _ in range(count):
        if position + step > len(content):
            return
        tag, kind, length, field = struct.unpack_from(layout.entry, content, position)
        size = SIZES.get(kind, 0) * length
        at = position + step - inline if size <= inline else struct.unpack(layout.offset, field)[0]
        if kind not in SIZES or at + size > len(content):
            return
        yield tag, kind, at, size
        position += step


def read_directory(content: Content, offset: int, layout: Layout) -> tuple[dict[int, Entry], int]:
    """Returns the directory at `offset`, and the offset of the next one (0 for none). Raises struct.error."""
    found = {tag: Entry(kind, content[at : at + size]) for tag, kind, at, size in entries(content, offset, layout)}
    (count,) = struct.unpack_from(layout.count, content, offset)
    link = offset + struct.calcsize(layout.count) + count * struct.calcsize(layout.entry)
    if link + struct.calcsize(layout.offset) > len(content):
        return found, 0
    return found, struct.unpack_from(layout.offset, content, link)[0]


def read_tree(content: Content, offset: int, layout: Layout, depth: int = 2) -> Tree:
    """Returns the directory at `offset` with its sub-directories, `depth` deep. Raises struct.error."""
    return with_sub_directories(read_directory(content, offset, layout)[0], content, layout, depth)


def with_sub_directories(directory: dict[int, Entry], content: Content, layout: Layout, depth: int = 2) -> Tree:
    """Returns `directory` with its sub-directories in place of their offsets; damaged ones are dropped."""
    tree: Tree = {}
    for tag, entry in directory.items():
        if tag not in SUB_DIRECTORIES:
            tree[tag] = entry
        elif depth:
            with contextlib.suppress(struct.error):
                tree[tag] = read_tree(content, integer(entry, layout.order), layout, depth - 1)
    return tree


def write_tree(tree: Tree, offset: int, layout: Layout) -> bytes:
    """Returns the bytes of a directory to be placed at `offset`, followed by its values and sub-directories.

    The values must be in the byte order of `layout`.
    """
    inline = struct.calcsize(layout.offset)
    body = offset + struct.calcsize(layout.count) + len(tree) * struct.calcsize(layout.entry) + inline
    rows, behind = [], b""
    for tag, entry in sorted(tree.items()):
        if isinstance(entry, dict):
            start = body + len(behind)
            behind += _even(write_tree(entry, start, layout))
            entry = Entry(LONG8 if layout.big else LONG, struct.pack(layout.offset, start))
        field = entry.data.ljust(inline, b"\0")
        if len(entry.data) > inline:
            field = struct.pack(layout.offset, body + len(behind))
            behind += _even(entry.data)
        rows.append(struct.pack(layout.entry, tag, entry.kind, entry.count, field))
    return struct.pack(layout.count, len(rows)) + b"".join(rows) + bytes(inline) + behind


def reordered(tree: Tree, old: str, new: str) -> Tree:
    """Converts the values of `tree` from the byte order `old` to `new`."""
    if old == new:
        return tree
    return {
        tag: reordered(entry, old, new) if isinstance(entry, dict) else Entry(entry.kind, _swapped(tag, entry))
        for tag, entry in tree.items()
    }


def number(entry: Entry, order: str) -> int | float:
    """Returns the first number of an entry; 0 for a value without one."""
    form = NUMBERS.get(entry.kind)
    if form is None or len(entry.data) < SIZES[entry.kind]:
        return 0
    if SIZES[entry.kind] == WORDS[entry.kind]:
        return struct.unpack_from(order + form, entry.data)[0]
    numerator, denominator = struct.unpack_from(order + 2 * form, entry.data)
    return numerator / denominator if denominator else 0


def integer(entry: Entry, order: str) -> int:
    """Returns the first number of an entry of integers; 0 for any other."""
    value = number(entry, order)
    return value if isinstance(value, int) else 0


def _swapped(tag: int, entry: Entry) -> bytes:
    size, data = WORDS[entry.kind], entry.data
    if tag == USER_COMMENT and data.startswith(UNICODE):  # UTF-16 in the byte order of the block
        return UNICODE + _swap(data[len(UNICODE) :], 2)
    return _swap(data, size)


def _swap(data: bytes, size: int) -> bytes:
    whole = len(data) // size * size
    swapped = bytearray(data)
    for index in range(size):
        swapped[index:whole:size] = data[size - 1 - index : whole : size]
    return bytes(swapped)


def _even(data: bytes) -> bytes:
    return data + bytes(len(data) % 2)
