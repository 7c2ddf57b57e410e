"""XMP packets: their orientation, which Adobe's programs write."""

import re

ORIENTATION = re.compile(rb"""(tiff:Orientation\s*(?:=\s*["']|>)\s*)([1-8])""")


def upright(xmp: bytes) -> tuple[int | None, bytes]:
    """Returns the orientation 1..8 in `xmp` (or None), and the packet with orientation 1."""
    found = ORIENTATION.search(xmp)
    return int(found[2]) if found else None, ORIENTATION.sub(rb"\g<1>1", xmp)
