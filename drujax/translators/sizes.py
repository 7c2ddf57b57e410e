"""The size at which a photograph is translated: reduced where it is too large, padded to one of few shapes."""

from drujax.errors import UsageError

LIMIT = 1024  # pixels, of the short side
LONGEST = 2  # largest area, in squares of the short side's limit
STEPS = 32  # padded sides between a power of two and the next


def reduced(size: tuple[int, int], limit: int) -> tuple[int, int]:
    """Returns the size (h, w) with a short side of at most `limit` and at most LONGEST * limit^2 pixels.

    Both sides shrink by the same factor. Memory grows with the area, hence the second bound, for panoramas. Raises
    UsageError for a strip that would become thinner than a pixel.
    """
    h, w = size
    scale = min(1.0, limit / min(h, w), (LONGEST * limit**2 / (h * w)) ** 0.5)
    small = (round(h * scale), round(w * scale))
    if min(small) < 1:
        raise UsageError(f"{w}x{h} pixels, reduced to {LONGEST * limit**2} pixels, would be thinner than a pixel")
    return small


def padded(size: tuple[int, int], multiple: int, least: int) -> tuple[int, int]:
    """Returns the size (h, w) with sides rounded up to one of STEPS values per power of two.

    So any collection of photographs needs few compiled programs. With a multiple of 4, a side of up to 256 pixels grows
    by at most 3 pixels, and a longer one by less than 1/32.

    Args:
        size: of the photograph.
        multiple: that the network requires of both sides.
        least: that it requires of both sides.
    """
    h, w = (_padded(max(side, least), multiple) for side in size)
    return h, w


def _padded(side: int, multiple: int) -> int:
    power = (side - 1).bit_length()  # 2^(power - 1) < side <= 2^power
    step = -(-max(multiple, 2**power // (2 * STEPS)) // multiple) * multiple
    return -(-side // step) * step
