"""Files that viewers show are read; damaged and unsupported ones are refused with the reason."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from drujax.errors import UsageError
from drujax.pictures import codec
from drujax.pictures.formats import PLUGINS
from drujax.pictures.picture import Picture
from tests.support.picture_files import exif, jpeg, png, png_chunks, tiff

FORMATS = [name for name in codec.CONTAINERS if name not in PLUGINS]

RGB = np.random.default_rng(3).integers(0, 256, (24, 32, 3), dtype=np.uint8)
WORKFLOW = (b'{"nodes": [' + b'{"id": 1, "type": "KSampler"}, ' * 100_000 + b"]}")[: 3 << 20]


@pytest.mark.parametrize("name", [b"zTXt", b"iTXt", b"tEXt"])
@pytest.mark.parametrize("behind", [False, True])
def test_a_png_with_megabytes_of_text(name, behind):
    start = {b"zTXt": b"workflow\0\0", b"iTXt": b"workflow\0\1\0\0\0", b"tEXt": b"workflow\0"}[name]
    text = (name, start + (WORKFLOW if name == b"tEXt" else zlib.compress(WORKFLOW)))
    content = png(RGB, text)
    if behind:
        moved = png(RGB, text).replace(_packed(text), b"")
        content = moved[:-12] + _packed(text) + moved[-12:]
    picture = codec.decode(content)
    assert np.array_equal(picture.rgb, RGB)
    assert text in list(png_chunks(codec.encode(picture, "PNG")))


def _packed(chunk: tuple[bytes, bytes]) -> bytes:
    body = chunk[0] + chunk[1]
    return struct.pack(">I", len(chunk[1])) + body + struct.pack(">I", zlib.crc32(body))


@pytest.mark.parametrize("content", [png(RGB)[:-12], png(RGB)[:-5], png(RGB) + b"something behind it"])
def test_a_png_with_a_damaged_end(content):
    assert np.array_equal(codec.decode(content).rgb, RGB)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("chunk", "note"),
    [
        ((b"iCCP", b"name\0\0no zlib data"), "the colour profile, which is damaged"),
        ((b"eXIf", b"no directory"), "EXIF, which is damaged"),
        ((b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0no zlib data"), "XMP, which is damaged"),
        ((b"pHYs", b"short"), None),
        ((b"gAMA", b""), None),
        ((b"bKGD", b""), None),
        ((b"tRNS", b""), None),
    ],
)
def test_a_png_whose_metadata_are_damaged(chunk, note):
    picture = codec.decode(png(RGB, chunk))
    assert np.array_equal(picture.rgb, RGB)
    assert picture.notes == ((note,) if note else ())
    for format in ("PNG", "JPEG", "TIFF"):
        codec.encode(picture, format)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("missing", [1, 2])
def test_a_jpeg_without_its_end(progressive, missing):
    content = jpeg(RGB, progressive=progressive)
    picture = codec.decode(content[:-missing])
    assert np.array_equal(picture.rgb, np.asarray(Image.open(io.BytesIO(content))))


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("missing", [4, 40, 400])
def test_a_jpeg_without_some_of_its_picture_is_refused(progressive, missing):
    with pytest.raises(UsageError, match=r"^damaged picture \(image file is truncated"):
        codec.decode(jpeg(RGB, progressive=progressive)[:-missing])


@pytest.mark.parametrize("progressive", [True, False])
@pytest.mark.parametrize(
    ("rest", "notes"),
    [
        (b"a thing" * 9, ("63 bytes after the end of the picture",)),
        (b"\0\0\0\x18ftypmp42" + bytes(99), ("the video of a motion photo",)),
        (bytes(512), ()),  # padding
    ],
)
def test_a_jpeg_with_trailing_data(progressive, rest, notes):
    picture = codec.decode(jpeg(RGB, progressive=progressive, restart_marker_blocks=1) + rest)
    assert picture.rgb.shape == RGB.shape
    assert picture.notes == notes


REDUCED, MASK, OLD_REDUCED = {254: (4, (1,))}, {254: (4, (4,))}, {255: (3, (2,))}


@pytest.mark.parametrize("kind", [REDUCED, MASK, OLD_REDUCED])
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_tiff_with_reduced_copies(kind, order):
    small = RGB[::2, ::2].copy()
    assert np.array_equal(codec.decode(tiff((RGB, {}), (small, kind), order=order)).rgb, RGB)
    assert np.array_equal(codec.decode(tiff((small, kind), (RGB, {}), (small, kind), order=order)).rgb, RGB)
    assert np.array_equal(codec.decode(tiff((RGB, kind), order=order)).rgb, RGB)
    with pytest.raises(UsageError, match="^has 2 pages; only still pictures"):
        codec.decode(tiff((RGB, {}), (small, kind), (RGB, {}), order=order))


def test_an_unmarked_page_is_a_copy_only_if_it_shows_the_picture():
    scene = np.kron(RGB[:6, :8], np.ones((8, 8, 1), np.uint8))
    copy = scene.reshape(24, 2, 32, 2, 3).mean((1, 3)).astype(np.uint8)
    for samples, small in ((scene, copy), (scene.astype(np.uint16) * 257, copy.astype(np.uint16) * 257)):
        assert np.array_equal(codec.decode(tiff((samples, {}), (small, {}))).rgb, samples)
    for other in (255 - copy, copy[:12].copy(), scene):
        with pytest.raises(UsageError, match="^has 2 pages"):
            codec.decode(tiff((scene, {}), (other, {})))
    with pytest.raises(UsageError, match="^has 2 pages"):
        codec.decode(tiff((copy, {}), (scene, {})))


def test_a_tiff_with_a_dangling_link_to_the_next_page():
    content = bytearray(tiff((RGB, {})))
    (at,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, at)
    struct.pack_into("<I", content, at + 2 + 12 * count, 0x7FFFFFF0)
    assert np.array_equal(codec.decode(bytes(content)).rgb, RGB)


# ----- refused as what it is


def with_frame(change: dict[int, bytes]) -> bytes:
    """A JPEG with bytes of its frame header replaced by `change` (position -> byte)."""
    content = bytearray(jpeg(RGB))
    frame = content.index(b"\xff\xc0\0\x11") + 4
    for at, value in change.items():
        content[frame + at : frame + at + len(value)] = value
    return bytes(content)


FLOAT, SIGNED, LAB = {339: (3, (3, 3, 3))}, {339: (3, (2, 2, 2))}, {262: (3, (8,))}
UNSUPPORTED = {
    "Photoshop": (b"8BPS" + bytes(99), "a Photoshop document, which is not supported; convert it to PNG or JPEG"),
    "web page": (b"<!DOCTYPE html><html>", "a web page, which is not a picture; download the picture itself"),
    "12-bit JPEG": (with_frame({0: b"\x0c"}), "a JPEG of 12 bits a sample, which is not supported; convert it"),
    "float TIFF": (tiff((RGB.astype(np.float32), FLOAT)), "a TIFF of 32-bit floating-point samples, which are not"),
    "half TIFF": (tiff((RGB.astype(np.float16), FLOAT)), "a TIFF of 16-bit floating-point samples"),
    "signed TIFF": (tiff((RGB.astype(np.int16), SIGNED)), "a TIFF of 16-bit signed integer samples"),
    "32-bit TIFF": (tiff((RGB.astype(np.uint32), {})), "a TIFF of 32-bit integer samples"),
    "Lab TIFF": (tiff((RGB, LAB)), "a TIFF of CIE Lab colours, which are not supported; save it as RGB first"),
    "JPEG 2000 TIFF": (tiff((RGB, {259: (3, (34712,))})), "a TIFF compressed by JPEG 2000, which is not supported"),
    "unknown TIFF": (tiff((RGB, {259: (3, (9999,))})), r"damaged picture \(.*9999"),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_unsupported_kinds_are_named(name):
    content, message = UNSUPPORTED[name]
    with pytest.raises(UsageError, match=f"^{message}"):
        codec.decode(content)


WIDE = struct.pack("<HH", 20_000, 10_000)
LARGE = {
    "png": png(RGB)[:8] + _packed((b"IHDR", struct.pack(">IIBBBBB", 20_000, 10_000, 8, 2, 0, 0, 0))) + png(RGB)[33:],
    "jpeg": with_frame({1: struct.pack(">HH", 20_000, 10_000)}),
    "tiff": tiff((RGB, {256: (4, (20_000,)), 257: (4, (10_000,))})),
    "bmp": b"BM" + struct.pack("<IIIIiiHH", 54, 0, 54, 40, 20_000, 10_000, 1, 24) + bytes(24),
    "gif": b"GIF89a" + WIDE + b"\0\0\0,\0\0\0\0" + WIDE + b"\0\2\0;",
}


@pytest.mark.parametrize("name", LARGE)
def test_a_picture_that_is_too_large_names_the_option(name):
    with pytest.raises(UsageError, match=r"^too large \(200000000 pixels; the limit is 89\d*, raise it with --max-"):
        codec.decode(LARGE[name])


def test_a_raised_limit_applies_to_all_formats(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 24 * 32 - 1)
    for format in ("PNG", "JPEG", "TIFF", "WEBP", "BMP"):
        content = codec.encode(Picture(RGB), format)
        with pytest.raises(UsageError, match=r"^too large \(768 pixels; the limit is 767, raise it with --max-"):
            codec.decode(content)
        with monkeypatch.context() as raised:
            raised.setattr(Image, "MAX_IMAGE_PIXELS", 24 * 32)
            assert codec.decode(content).rgb.shape == RGB.shape


def whole_files() -> dict[str, bytes]:
    block = exif({0x0112: (3, (6,)), 0x0131: (2, b"a program\0")}, {0x9286: (7, b"ASCII\0\0\0words")})
    picture = Picture(
        RGB[:6, :8].copy(),
        exif=b"Exif\0\0" + block,
        xmp=b'<a tiff:Orientation="1"/>',
        icc_profile=bytes(200),
        photoshop=b"8BIM\x04\x04\0\0\0\0\0\4iptc",
        comments=(b"a comment",),
        dpi=(72.0, 72.0),
        chunks=((b"tEXt", b"a\0b"), (b"bKGD", bytes(6)), (b"gAMA", b"\0\0\xb1\x8f")),
    )
    return {format: codec.encode(picture, format) for format in FORMATS}


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::ResourceWarning")  # of Pillow, on damaged files
@pytest.mark.parametrize("format", FORMATS)
def test_any_damage_gives_a_picture_or_one_clear_line(format):
    content, random = whole_files()[format], np.random.default_rng(5)
    outcomes, lines = {"read": 0, "refused": 0}, []
    for trial in range(150):
        damaged = bytearray(content)
        for at in random.integers(0, len(content), trial % 4 + 1):
            damaged[at] = random.integers(0, 256)
        if trial % 5 == 0:
            damaged = damaged[: random.integers(1, len(content))]
        try:
            picture = codec.decode(bytes(damaged))
            for target in FORMATS:
                codec.encode(picture, target)
            outcomes["read"] += 1
        except UsageError as error:
            outcomes["refused"] += 1
            lines.append(str(error))
    assert min(outcomes.values()) > 5
    assert not any("\n" in line for line in lines)
