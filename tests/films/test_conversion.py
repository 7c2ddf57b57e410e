"""Colours, bit depth, sample aspect ratio and orientation of frames."""

from fractions import Fraction

import av
import numpy as np
import pytest

from drujax.errors import UsageError
from drujax.films.conversion import to_rgb
from drujax.films.decoding import Film
from tests.support.films import encode

# Codes of primary colours as published in tables: matrix, full range, (R, G, B), (Y, Cb, Cr).
BT709, BT601 = 1, 6
COLOURS = [
    (BT709, False, (255, 0, 0), (63, 102, 240)),
    (BT709, False, (0, 255, 0), (173, 42, 26)),
    (BT709, False, (0, 0, 255), (32, 240, 118)),
    (BT601, False, (255, 0, 0), (81, 90, 240)),
    (BT601, False, (0, 255, 0), (145, 54, 34)),
    (BT601, False, (0, 0, 255), (41, 240, 110)),
    (BT601, True, (255, 0, 0), (76, 85, 255)),
    (BT709, False, (0, 0, 0), (16, 128, 128)),
    (BT709, False, (255, 255, 255), (235, 128, 128)),
    (BT709, True, (200, 200, 200), (200, 128, 128)),
]


def frame(planes, format="yuv420p", size=(8, 8)):
    """A frame with constant planes."""
    made = av.VideoFrame(size[1], size[0], format)
    for plane, value in zip(made.planes, planes, strict=True):
        kind = np.uint8 if made.format.components[0].bits == 8 else np.uint16
        plane.update(np.full(plane.buffer_size // np.dtype(kind).itemsize, value, kind).tobytes())
    return made


@pytest.mark.parametrize(("matrix", "full", "rgb", "ycc"), COLOURS)
@pytest.mark.parametrize(("format", "bits"), [("yuv420p", 8), ("yuv444p", 8), ("yuv422p10le", 10), ("yuv420p12le", 12)])
def test_colours(matrix, full, rgb, ycc, format, bits):
    if full and bits > 8:
        ycc = [round(code * (2**bits - 1) / 255) for code in ycc]
    else:
        ycc = [code << (bits - 8) for code in ycc]
    made = frame(ycc, format)
    made.colorspace, made.color_range = matrix, 2 if full else 1
    np.testing.assert_allclose(to_rgb(made)[2, 3], rgb, atol=2)  # the codes are rounded


@pytest.mark.parametrize(("size", "matrix"), [((480, 640), BT601), ((720, 960), BT709), ((544, 1280), BT709)])
def test_an_undeclared_matrix_follows_the_size(size, matrix):
    undeclared, declared = frame((63, 102, 240), size=size), frame((63, 102, 240), size=size)
    declared.colorspace = matrix
    np.testing.assert_array_equal(to_rgb(undeclared), to_rgb(declared))


def test_ten_bits_are_rounded_not_cut():
    ramp = frame((0, 512, 512), "yuv420p10le", (2, 1024))
    codes = np.arange(1024, dtype="<u2")
    ramp.planes[0].update(np.tile(np.pad(codes, (0, ramp.planes[0].line_size // 2 - 1024)), 2).tobytes())
    exact = ((codes.astype(float) - 64) / 876).clip(0, 1) * 255
    np.testing.assert_allclose(to_rgb(ramp)[0, :, 1], exact, rtol=0, atol=0.5 + 1e-4)


@pytest.mark.parametrize(("format", "white"), [("gray", 235), ("gray10le", 940)])
def test_grey_has_the_declared_range(format, white):
    made = frame((white,), format)
    made.color_range = 1
    assert (to_rgb(made) == 255).all()


def test_full_range_grey():
    made = frame((100,), "gray")
    made.color_range = 2
    assert (to_rgb(made) == 100).all()


def test_rgb_films():
    rgb = np.random.default_rng(0).integers(0, 256, (6, 10, 3), dtype=np.uint8)
    for format in ("rgb24", "gbrp"):
        np.testing.assert_array_equal(to_rgb(av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(format=format)), rgb)


def test_chroma_is_interpolated_between_its_places():
    """Of 4:2:0, chroma is on even columns, and between rows 0 and 1."""
    made = frame((128, 128, 128), size=(8, 8))
    made.color_range, made.colorspace = 2, BT601
    steps = np.zeros((4, made.planes[2].line_size), np.uint8)
    steps[:, :4] = 128 + np.array([0, 16, 32, 48])
    made.planes[2].update(steps.tobytes())
    red = to_rgb(made)[4, :, 0].astype(float)
    np.testing.assert_allclose(red, 128 + 1.402 * np.array([0, 8, 16, 24, 32, 40, 48, 48]), atol=0.51)
    made.planes[2].update(np.repeat(128 + np.arange(4, dtype=np.uint8) * 16, made.planes[2].line_size).tobytes())
    red = to_rgb(made)[:, 4, 0].astype(float)
    np.testing.assert_allclose(red, 128 + 1.402 * np.array([0, 4, 12, 20, 28, 36, 44, 48]), atol=0.51)


@pytest.mark.parametrize("size", [(1, 1), (7, 9), (2, 5)])
def test_odd_sizes(size):
    assert to_rgb(frame((16, 128, 128), size=size)).shape == (*size, 3)


@pytest.mark.parametrize(("aspect", "shape"), [("3/2", (40, 90)), ("2/3", (60, 60)), ("1", (40, 60)), ("99", (40, 60))])
def test_samples_become_square(aspect, shape):
    assert to_rgb(frame((16, 128, 128), size=(40, 60)), Fraction(aspect)).shape == (*shape, 3)


def test_the_film_tells_the_aspect(tmp_path):
    path = encode(tmp_path / "a.mkv", [np.zeros((32, 32, 3), np.uint8)] * 3, sample_aspect_ratio=Fraction(3, 2))
    with Film(path) as film:
        assert [found.shape for _, found in film.pictures([1])] == [(32, 48, 3)]


ONE = 1 << 16
TURNS = {
    "none": ((ONE, 0, 0, ONE), lambda rgb: rgb),
    "90 degrees clockwise": ((0, ONE, -ONE, 0), lambda rgb: np.rot90(rgb, -1)),
    "180 degrees": ((-ONE, 0, 0, -ONE), lambda rgb: np.rot90(rgb, 2)),
    "90 degrees anticlockwise": ((0, -ONE, ONE, 0), np.rot90),
    "mirrored": ((-ONE, 0, 0, ONE), np.fliplr),
}


@pytest.mark.parametrize("turn", TURNS)
def test_films_are_turned_upright(tmp_path, turn):
    """The display matrix of MP4 is (a, b, u, c, d, v, x, y, w), in the header of the track."""
    rgb = np.zeros((32, 48, 3), np.uint8)
    rgb[:16, :24], rgb[:16, 24:], rgb[16:, :24] = 220, 140, 70
    path = encode(tmp_path / "a.mp4", [rgb] * 3, codec="mpeg4")
    (a, b, c, d), turned = TURNS[turn]
    content = bytearray(path.read_bytes())
    header = content.index(b"tkhd")
    at = content.index(np.array([ONE, 0, 0, 0, ONE, 0, 0, 0, 1 << 30], ">i4").tobytes(), header)
    content[at : at + 36] = np.array([a, b, 0, c, d, 0, 0, 0, 1 << 30], ">i4").tobytes()
    path.write_bytes(content)
    with Film(path) as film:
        ((_, found),) = film.pictures([1])
    assert found.shape == turned(rgb).shape
    assert np.abs(found.astype(int) - turned(rgb)).mean() < 6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"color_trc": 16}, "a high dynamic range (PQ)"),
        ({"color_trc": 18}, "a high dynamic range (HLG)"),
        ({"colorspace": 8}, "its colour matrix (8 of ITU-T H.273) is not supported"),
    ],
)
def test_colours_that_cannot_be_converted(change, message):
    made = frame((16, 128, 128))
    for name, value in change.items():
        setattr(made, name, value)
    with pytest.raises(UsageError) as error:
        to_rgb(made)
    assert message in str(error.value)


def test_an_unusual_pixel_format():
    with pytest.raises(UsageError, match="its pixel format nv12 is not supported"):
        to_rgb(av.VideoFrame(8, 8, "nv12"))
