"""XMP packets: the orientation that Adobe's programs write into them."""

import re

ORIENTATION = re.compile(rb"""(tiff:Orientation\s*(?:=\s*["']|>)\s*)([1-8])""")


def upright(xmp: bytes) -> tuple[int | None, bytes]:
    """Returns the orientation 1..8 that `xmp` gives (None where it gives none), and the packet with orientation 1."""
    found = ORIENTATION.search(xmp)
    return int(found[2]) if found else None, ORIENTATION.sub(rb"\g<1>1", xmp)
