"""Joins TIFF files of one page each to one file of several pages."""

import io
import struct
from collections.abc import Iterable

from drujax.pictures import directories
from drujax.pictures.directories import LONG, LONG8, SHORT, Entry, Layout, Tree

# Tags that hold offsets of data: strips and tiles.
OFFSETS = (273, 324)


def chain(file: io.BufferedRandom, pages: Iterable[bytes]) -> None:
    """Writes the pages, files of one layout, one after the other, each linked to the next."""
    link = None
    for content in pages:
        layout, first = directories.layout_of(content)
        base = file.seek(0, io.SEEK_END)
        base += base % 2
        file.seek(base)
        file.write(content)
        if link is None:
            at = first
        else:
            tree = _moved(directories.read_tree(content, first, layout), base, layout)
            at = file.seek(0, io.SEEK_END)
            at += at % 2
            file.seek(at)
            file.write(directories.write_tree(tree, at, layout))
            _write_offset(file, link, at, layout)
        count = struct.unpack(layout.count, _read(file, at, struct.calcsize(layout.count)))[0]
        link = at + struct.calcsize(layout.count) + count * struct.calcsize(layout.entry)


def _moved(tree: Tree, base: int, layout: Layout) -> Tree:
    """Returns a directory whose strips and tiles lie `base` bytes further on."""
    moved = dict(tree)
    for tag in OFFSETS:
        if tag in tree:
            form = {SHORT: "H", LONG: "I", LONG8: "Q"}[tree[tag].kind]
            offsets = struct.unpack(f"{layout.order}{tree[tag].count}{form}", tree[tag].data)
            wide = "Q" if layout.big else "I"
            data = struct.pack(f"{layout.order}{len(offsets)}{wide}", *(offset + base for offset in offsets))
            moved[tag] = Entry(LONG8 if layout.big else LONG, data)
    return moved


def _read(file: io.BufferedRandom, at: int, size: int) -> bytes:
    file.seek(at)
    return file.read(size)


def _write_offset(file: io.BufferedRandom, at: int, value: int, layout: Layout) -> None:
    file.seek(at)
    file.write(struct.pack(layout.offset, value))
