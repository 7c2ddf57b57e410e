"""ICC profiles: their colour space, and profiles equivalent to the colour chunks of PNG."""

import struct
from collections.abc import Iterable

import numpy as np

D50 = np.array([0.9642, 1.0, 0.8249])
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
D65_WHITE = (0.3127, 0.3290)
# x and y of red, green and blue, by the codes of ITU-T H.273, which PNG's chunk cICP uses.
SRGB_PRIMARIES = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
PRIMARIES = {1: SRGB_PRIMARIES, 9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046))}
PRIMARIES[12] = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
# ICC's parametric curves by transfer characteristics: exponent, or exponent, a, b, c, d for sRGB.
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
TRANSFERS = {4: (2.2,), 5: (2.8,), 8: (1.0,), 13: SRGB_CURVE}

# Primaries and transfer that mean, or are treated as, sRGB.
UNDECLARED = {(1, 13), (2, 2), (1, 1), (1, 2), (2, 13)}

SRGB_GAMMA = 45455  # gAMA of pictures in sRGB
SRGB_CHROMATICITIES = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
SLACK = 500  # rounding tolerance of numbers in units of 1/100000


def color_space(profile: bytes) -> bytes:
    """Returns the colour space of a profile: b"RGB ", b"GRAY", b"CMYK", ..."""
    return profile[16:20]


def declared(primaries: int, transfer: int) -> tuple[tuple[bytes, bytes], ...]:
    """Returns the colours that AVIF or HEIC declares by codes of ITU-T H.273, as PNG's chunk cICP; none for sRGB's."""
    if (primaries, transfer) in UNDECLARED or max(primaries, transfer) > 255:
        return ()
    return ((b"cICP", bytes([primaries, transfer, 0, 1])),)


def has_profile(chunks: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether the colours of chunks are sRGB's or have an equivalent profile; of HDR (PQ, HLG) there is none."""
    chunks = tuple(chunks)
    return b"cICP" not in dict(chunks) or b"cICP" in of_png(chunks, grey=False)[1]


def of_png(chunks: Iterable[tuple[bytes, bytes]], *, grey: bool) -> tuple[bytes | None, frozenset[bytes]]:
    """Returns the profile equivalent to the chunks cICP, gAMA and cHRM, and the names of the chunks that it replaces.

    The profile is None if they mean sRGB, the default of a picture without profile, or cannot be expressed.
    """
    named = dict(chunks)
    declared = named.get(b"cICP", b"")
    about_color = frozenset({b"cICP", b"sRGB", b"gAMA", b"cHRM"})
    if len(declared) == 4:
        primaries, curve = PRIMARIES.get(declared[0]), TRANSFERS.get(declared[1])
        if declared[:2] == b"\1\r":
            return None, about_color
        if primaries and curve and declared[2] == 0 and declared[3] == 1:
            return display_profile((D65_WHITE, *primaries), curve, grey=grey), about_color
    replaced = about_color - {b"cICP"}
    gamma = int.from_bytes(named.get(b"gAMA", b""))
    if b"sRGB" in named or (not gamma and b"cHRM" not in named):
        return None, replaced
    chromaticities = named.get(b"cHRM", b"")
    values = struct.unpack(">8I", chromaticities) if len(chromaticities) == 32 else SRGB_CHROMATICITIES
    like_srgb = all(abs(a - b) <= SLACK for a, b in zip(values, SRGB_CHROMATICITIES, strict=True))
    if like_srgb and (not gamma or abs(gamma - SRGB_GAMMA) <= SLACK):
        return None, replaced
    points = tuple((x / 1e5, y / 1e5) for x, y in zip(values[::2], values[1::2], strict=True))
    if min(y for _, y in points) <= 0 or abs(np.linalg.det(_xyz(points[1:]))) < 1e-6:
        return None, frozenset({b"sRGB"})
    return display_profile(points, (1e5 / gamma,) if gamma else SRGB_CURVE, grey=grey), replaced


def display_profile(points: tuple[tuple[float, float], ...], curve: tuple[float, ...], *, grey: bool) -> bytes:
    """Builds the ICC profile (version 4) of a display with these white, red, green and blue points and this curve."""
    white = _xyz(points[:1])[:, 0]
    to_d50 = np.linalg.inv(BRADFORD) @ np.diag((BRADFORD @ D50) / (BRADFORD @ white)) @ BRADFORD
    primaries = _xyz(points[1:])
    columns = to_d50 @ (primaries * np.linalg.solve(primaries, white))
    function = b"para" + bytes(4) + struct.pack(">HH", 0 if len(curve) == 1 else 3, 0) + _fixed(curve)
    tags = {
        b"desc": _text("colours as the PNG declared them"),
        b"cprt": _text("CC0"),
        b"wtpt": b"XYZ " + bytes(4) + _fixed(D50),
        b"chad": b"sf32" + bytes(4) + _fixed(to_d50.ravel()),
    }
    if grey:
        tags[b"kTRC"] = function
    else:
        for index, name in enumerate((b"r", b"g", b"b")):
            tags[name + b"XYZ"] = b"XYZ " + bytes(4) + _fixed(columns[:, index])
            tags[name + b"TRC"] = function
    return _assembled(tags, b"GRAY" if grey else b"RGB ")


def _assembled(tags: dict[bytes, bytes], space: bytes) -> bytes:
    table, data, start = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += name + struct.pack(">II", start + len(data), len(content))
        data += content + bytes(-len(content) % 4)
    header = struct.pack(">I4sI", start + len(data), bytes(4), 0x04200000) + b"mntr" + space + b"XYZ "
    header += struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _fixed(D50)
    return header.ljust(128, b"\0") + table + data


def _xyz(points: Iterable[tuple[float, float]]) -> np.ndarray:
    """Returns columns X, Y, Z, with Y = 1, of chromaticities x, y."""
    return np.array([(x / y, 1.0, (1 - x - y) / y) for x, y in points]).T


def _fixed(values: Iterable[float]) -> bytes:
    return b"".join(struct.pack(">i", round(float(value) * 65536)) for value in values)


def _text(words: str) -> bytes:
    encoded = words.encode("utf-16-be")
    return b"mluc" + bytes(4) + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(encoded), 28) + encoded
