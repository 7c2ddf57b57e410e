"""Boxes, of which files of ISO/IEC 14496-12 (AVIF) and of JPEG 2000 consist: a size, a name and data."""

import struct
from collections.abc import Iterator


def boxes(content: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """Yields the name of each box between two offsets, and where its data begin and end; stops at a damaged one."""
    end = len(content) if end is None else min(end, len(content))
    while start + 8 <= end:
        size, name = struct.unpack_from(">I4s", content, start)
        head = 8
        if size == 1 and start + 16 <= end:
            (size,) = struct.unpack_from(">Q", content, start + 8)
            head = 16
        size = size or end - start
        if size < head:
            return
        yield name, start + head, min(start + size, end)
        start += size
