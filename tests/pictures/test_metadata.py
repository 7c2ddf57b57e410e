"""Metadata survives every conversion between formats, or is reported as dropped."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps, IptcImagePlugin, PngImagePlugin, TiffImagePlugin

from drujax.errors import UsageError
from drujax.pictures import codec
from drujax.pictures.io import read_picture, write_picture
from drujax.pictures.picture import Picture
from tests.support.picture_files import exif, jpeg, jpeg_segments, png, png_chunks, tiff

SUFFIXES = (".jpg", ".png", ".webp", ".tif")
RGB = np.random.default_rng(1).integers(0, 256, (6, 8, 3), dtype=np.uint8)
DESCRIPTION = "夜の町".encode()
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a rating="5"/></x:xmpmeta>'
IPTC = b"\x1c\x02\x78\x00\x05night" + b"\x1c\x02\x50\x00\x06artist"
ORIENTATION, EXIF, GPS, DATE = 0x0112, 0x8769, 0x8825, 0x9003


def resource(number: int, data: bytes) -> bytes:
    """A Photoshop image resource."""
    return b"8BIM" + struct.pack(">H2xI", number, len(data)) + data + bytes(len(data) % 2)


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def converted(content: bytes, format: str) -> tuple[bytes, tuple[str, ...]]:
    """`content` read and written as `format`, and the metadata reported as dropped."""
    picture = codec.decode(content)
    written = codec.encode_noting(picture, format)
    return written.content, picture.notes + written.dropped


# ----- EXIF, XMP


@pytest.mark.parametrize("target", SUFFIXES)
@pytest.mark.parametrize("source", SUFFIXES)
def test_exif_with_xmp_survives(tmp_path, source, target):
    tags = Image.Exif()
    tags[0x010E] = DESCRIPTION
    tags[0x013B] = "the artist"
    tags.get_ifd(EXIF)[DATE] = "2024:01:01 00:00:00"
    tags.get_ifd(EXIF)[0x829A] = TiffImagePlugin.IFDRational(1, 30)
    tags.get_ifd(GPS)[1] = "N"
    options = {"exif": tags.tobytes(), "xmp": XMP}
    if source == ".tif":
        tags[700] = XMP
        tags[0x010E] = "#" * len(DESCRIPTION)  # of which Pillow makes ASCII here
        options = {"exif": tags.tobytes()}
    elif source == ".png":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", XMP.decode())
        del options["xmp"]
    Image.fromarray(RGB).save(tmp_path / f"in{source}", **options)
    if source == ".tif":
        content = (tmp_path / "in.tif").read_bytes()
        (tmp_path / "in.tif").write_bytes(content.replace(b"#" * len(DESCRIPTION), DESCRIPTION))
    assert write_picture(tmp_path / f"out{target}", read_picture(tmp_path / f"in{source}")) == ()
    assert DESCRIPTION in (tmp_path / f"out{target}").read_bytes()
    with Image.open(tmp_path / f"out{target}") as image:
        assert image.info["xmp"] == XMP
        read = image.getexif()
        assert read[0x013B] == "the artist"
        assert read.get_ifd(EXIF)[DATE] == "2024:01:01 00:00:00"
        assert read.get_ifd(EXIF)[0x829A] == pytest.approx(1 / 30)
        assert read.get_ifd(GPS)[1] == "N"


@pytest.mark.parametrize("order", ["<", ">"])
def test_values_of_every_size_survive_in_another_byte_order(order):
    utf_16 = {"<": "utf-16-le", ">": "utf-16-be"}[order]
    sub = {DATE: (2, b"2024:01:01 00:00:00\0"), 0x9286: (7, b"UNICODE\0" + "夜".encode(utf_16))}
    tags = {0x010F: (2, b"maker\0"), 0x013E: (5, (3127, 10_000, 329, 1000)), 0x4746: (3, (4,))}
    tags[0xC000] = (4, (7, 70_000))
    content, dropped = converted(jpeg(RGB, (0xE1, b"Exif\0\0" + exif(tags, sub, order=order))), "TIFF")
    assert dropped == ()
    read = opened(content).getexif()
    assert read[0x013E] == pytest.approx((0.3127, 0.329))
    assert read[0x4746] == 4
    assert read[0xC000] == (7, 70_000)
    assert read.get_ifd(EXIF)[0x9286] == b"UNICODE\0" + "夜".encode("utf-16-le")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [1, 3, 4])
def test_orientation_of_every_integer_type(kind, order):
    block = exif({ORIENTATION: (kind, (6,)), 0x0131: (2, b"program\0")}, order=order)
    picture = codec.decode(jpeg(RGB, (0xE1, b"Exif\0\0" + block)))
    assert picture.rgb.shape == (8, 6, 3)
    read = opened(codec.encode(picture, "PNG")).getexif()
    assert read[ORIENTATION] in (1, b"\1")
    assert read[0x0131] == "program"
    stored = codec.decode(tiff((RGB, {ORIENTATION: (kind, (6,))}), order=order))
    assert np.array_equal(stored.rgb, np.asarray(Image.fromarray(RGB).transpose(Image.Transpose.ROTATE_270)))


@pytest.mark.filterwarnings("ignore:Metadata Warning")
@pytest.mark.parametrize("order", ["<", ">"])
def test_the_first_of_two_orientations_counts(order):
    """Pillow, which turns what it writes as AVIF by it, takes that one, too."""
    block = exif({ORIENTATION: (3, (6, 6)), 0x0131: (2, b"program\0")}, order=order)
    picture = codec.decode(jpeg(RGB, (0xE1, b"Exif\0\0" + block)))
    assert picture.rgb.shape == (8, 6, 3)
    assert codec.decode(codec.encode(picture, "AVIF")).rgb.shape == (8, 6, 3)


@pytest.mark.parametrize("value", [(1, (6,)), (2, b"6\0"), (5, (6, 1))])
def test_exif_whose_orientation_pillow_does_not_take_is_dropped_and_reported(value):
    picture = codec.decode(jpeg(RGB, (0xE1, b"Exif\0\0" + exif({ORIENTATION: value, 0x0131: (2, b"program\0")}))))
    assert codec.encode_noting(picture, "AVIF").dropped == ("EXIF, which is damaged",)


@pytest.mark.parametrize("claimed", [5, 60_000])
@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_with_too_large_a_count_of_entries_is_repaired(order, claimed):
    block = exif({ORIENTATION: (3, (6,)), 0x0131: (2, b"a program\0")}, order=order)
    block = block[:8] + struct.pack(order + "H", claimed) + block[10:]
    picture = codec.decode(jpeg(RGB, (0xE1, b"Exif\0\0" + block)))
    assert picture.rgb.shape == (8, 6, 3)
    assert picture.exif == b"Exif\0\0" + exif({ORIENTATION: (3, (1,)), 0x0131: (2, b"a program\0")}, order=order)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    "spelling", ['<a tiff:Orientation="%d"/>', "<a tiff:Orientation = '%d'/>", "<tiff:Orientation>%d</"]
)
def test_orientation_only_in_xmp_is_applied(orientation, spelling):
    xmp = (spelling % orientation).encode()
    content = jpeg(RGB, (0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp))
    with opened(jpeg(RGB, exif=b"Exif\0\0" + exif({ORIENTATION: (3, (orientation,))}))) as image:
        upright = np.asarray(ImageOps.exif_transpose(image))
    picture = codec.decode(content)
    assert np.array_equal(picture.rgb, upright)
    assert picture.xmp == (spelling % 1).encode()


def test_orientation_in_exif_takes_precedence_over_xmp():
    xmp = b'<a tiff:Orientation="3"/>'
    block = exif({ORIENTATION: (3, (1,))})
    content = jpeg(RGB, (0xE1, b"Exif\0\0" + block), (0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp))
    picture = codec.decode(content)
    assert np.array_equal(picture.rgb, np.asarray(opened(content)))
    assert picture.xmp == xmp.replace(b"3", b"1")


def test_width_height_and_resolution_are_swapped_by_rotation():
    block = exif({ORIENTATION: (3, (6,))}, {0xA002: (4, (8,)), 0xA003: (4, (6,))})
    picture = codec.decode(jpeg(RGB, (0xE1, b"Exif\0\0" + block), dpi=(300, 150)))
    assert picture.dpi == (150, 300)
    read = opened(codec.encode(picture, "JPEG"))
    assert read.info["dpi"] == (150, 300)
    assert (read.getexif().get_ifd(EXIF)[0xA002], read.getexif().get_ifd(EXIF)[0xA003]) == (6, 8)


def test_exif_too_large_for_jpeg_is_dropped_and_reported(tmp_path):
    block = exif({0x0131: (2, b"program\0")}, {0x9286: (7, bytes(200_000))})
    (tmp_path / "a.png").write_bytes(png(RGB, (b"eXIf", block)))
    captured = write_picture(tmp_path / "a.jpg", read_picture(tmp_path / "a.png"))
    assert captured == (f"EXIF, whose {len(block) + 6} bytes are more than JPEG can hold",)
    assert not opened((tmp_path / "a.jpg").read_bytes()).getexif()
    assert write_picture(tmp_path / "b.tif", read_picture(tmp_path / "a.png")) == ()
    assert opened((tmp_path / "b.tif").read_bytes()).getexif().get_ifd(EXIF)[0x9286] == bytes(200_000)


def test_a_large_xmp_packet_is_kept_where_it_fits(tmp_path):
    large = XMP + b" " * 70_000
    (tmp_path / "a.png").write_bytes(png(RGB, (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(large))))
    picture = read_picture(tmp_path / "a.png")
    assert picture.xmp == large
    assert write_picture(tmp_path / "a.webp", picture) == ()
    assert write_picture(tmp_path / "a.jpg", picture) == (f"XMP, whose {len(large)} bytes are more than JPEG can hold",)


def test_the_extended_part_of_xmp_stays_in_jpeg():
    part = b"http://ns.adobe.com/xmp/extension/\0" + b"0123456789ABCDEF" * 2 + struct.pack(">II", 5, 0) + b"depth"
    content = jpeg(RGB, (0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP), (0xE1, part))
    same, dropped = converted(content, "JPEG")
    assert dropped == ()
    assert (0xE1, part) in list(jpeg_segments(same))
    assert converted(content, "PNG")[1] == ("the extended part of XMP",)


# ----- JPEG's and Photoshop's


def test_iptc_and_comments_survive(tmp_path):
    resources = b"Photoshop 3.0\0" + resource(0x0404, IPTC) + resource(0x040C, b"a thumbnail of the dark picture")
    content = jpeg(RGB, (0xED, resources), (0xFE, "夜".encode()), (0xFE, b"second"))
    for format in ("JPEG", "TIFF"):
        written, dropped = converted(content, format)
        assert dropped == ()
        assert IptcImagePlugin.getiptcinfo(opened(written)) == {(2, 120): b"night", (2, 80): b"artist"}
        assert b"thumbnail" not in written
        again, dropped = converted(written, "JPEG")
        assert dropped == ()
        assert IptcImagePlugin.getiptcinfo(opened(again))[(2, 80)] == b"artist"
    comments = [data for marker, data in jpeg_segments(converted(content, "JPEG")[0]) if marker == 0xFE]
    assert comments == ["夜".encode(), b"second"]
    assert opened(converted(content, "TIFF")[0]).getexif()[270].encode("latin-1") == "夜\nsecond".encode()
    written, dropped = converted(content, "PNG")
    assert dropped == ("IPTC",)
    assert opened(written).text["Comment"] in ("夜", "second")
    assert converted(content, "WEBP")[1] == ("IPTC", "the comment")


def test_iptc_outside_of_photoshop_resources_survives():
    words = IPTC + bytes(-len(IPTC) % 4)
    written, dropped = converted(tiff((RGB, {33723: (4, words)}), order=">"), "JPEG")
    assert dropped == ()
    assert IptcImagePlugin.getiptcinfo(opened(written))[(2, 120)] == b"night"


def test_further_content_of_a_jpeg_is_reported():
    credentials = (0xEB, b"JP\0\1\0\0\0\1content credentials")
    of_coding = (0xEE, b"Adobe\0d\0\0\0\0\1")
    content = jpeg(RGB, (0xE2, b"MPF\0previews"), credentials, (0xE5, b"Samsung something\0"), of_coding)
    assert converted(content, "JPEG")[1] == (
        "the further pictures in the file (previews, depth or gain map)",
        "content credentials, which an edited picture invalidates",
        "JPEG segment APP5 (Samsung something)",
    )


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_exif_with_a_profile_of_many_segments_survives(progressive, subsampling):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile.ljust(150_000, b"\0")
    block = exif({0x0131: (2, b"program\0")}, {0x9286: (7, bytes(60_000))})
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    encoding = {"subsampling": subsampling, "progressive": progressive}
    metadata = {"icc_profile": profile, "exif": b"Exif\0\0" + block, "xmp": XMP}
    picture = Picture(noise, format="JPEG", encoding=encoding, **metadata)
    written = codec.encode_noting(picture, "JPEG")
    assert written.dropped == ()
    read = opened(written.content)
    assert read.info["icc_profile"] == profile
    assert read.getexif()[0x0131] == "program"
    again = codec.decode(written.content)
    assert (again.icc_profile, again.exif, again.xmp) == (profile, picture.exif, XMP)
    assert again.encoding == encoding | {"quality": 95}


# ----- PNG's chunks


def test_chunks_of_png_survive():
    chunks = [
        (b"cICP", bytes([9, 16, 0, 1])),
        (b"sBIT", bytes([5, 6, 5])),
        (b"bKGD", struct.pack(">3H", 1, 2, 3)),
        (b"tIME", struct.pack(">HBBBBB", 2024, 1, 2, 3, 4, 5)),
        (b"tEXt", b"Comment\0one"),
        (b"tEXt", b"Comment\0two"),
        (b"zTXt", b"Note\0\0" + zlib.compress(b"packed")),
        (b"iTXt", b"Title\0\0\0ja\0\xe9\xa1\x8c\0" + DESCRIPTION),
        (b"pHYs", struct.pack(">IIB", 2, 1, 0)),
        (b"prVt", b"a program's own, safe to copy"),
    ]
    written, dropped = converted(png(RGB, *chunks), "PNG")
    assert dropped == ()
    kept = [chunk for chunk in png_chunks(written) if chunk[0] not in (b"IHDR", b"IDAT", b"IEND")]
    assert sorted(kept) == sorted(chunks)
    assert np.array_equal(np.asarray(opened(written)), RGB)
    assert converted(png(RGB, (b"prVT", b"unsafe")), "PNG")[1] == ("PNG chunk prVT",)
    assert converted(png(RGB, *chunks), "JPEG")[1] == (
        "PNG text (Comment, Note, Title)",
        "PNG chunks cICP, sBIT, tIME, pHYs, prVt, bKGD",
    )


@pytest.mark.parametrize(
    ("samples", "palette", "before", "after"),
    [
        (
            RGB[..., 0] % 2,
            bytes([9, 8, 7, 30, 20, 10]),
            [(b"sBIT", b"\5\6\5"), (b"bKGD", b"\1")],
            [b"\5\6\5", struct.pack(">3H", 30, 20, 10)],
        ),
        (RGB[..., 0], b"", [(b"sBIT", b"\7"), (b"bKGD", b"\0\x11")], [b"\7", b"\0\x11"]),
    ],
)
def test_background_and_significant_bits_fit_the_pixels(samples, palette, before, after):
    written, dropped = converted(png(samples, *before, palette=palette), "PNG")
    assert dropped == ()
    assert [data for name, data in png_chunks(written) if name in (b"sBIT", b"bKGD")] == after


def test_background_and_significant_bits_fit_a_grey_picture_that_became_coloured():
    chunks = ((b"sBIT", b"\7"), (b"bKGD", b"\0\x11"))
    written = codec.encode(Picture(RGB, alpha=RGB[..., 0], grey=True, chunks=chunks), "PNG")
    found = dict(png_chunks(written))
    assert (found[b"sBIT"], found[b"bKGD"]) == (b"\7\7\7\x08", b"\0\x11" * 3)


# ----- how the colours look


def look(content: bytes) -> np.ndarray:
    """The pixels in sRGB, by the embedded profile."""
    image = opened(content)
    if "icc_profile" not in image.info:
        return np.asarray(image.convert("RGB"))
    profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
    exact = ImageCms.Flags.NOOPTIMIZE
    srgb = ImageCms.createProfile("sRGB")
    return np.asarray(ImageCms.profileToProfile(image, profile, srgb, outputMode="RGB", flags=exact))


SRGB_PRIMARIES = struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
GREY_LEVELS = np.arange(0, 256, 5, dtype=np.uint8)[None].repeat(4, 0)


@pytest.mark.parametrize("format", ["TIFF", "WEBP", "JPEG"])
@pytest.mark.parametrize("grey", [False, True])
def test_linear_png_looks_the_same_in_other_formats(format, grey):
    samples = GREY_LEVELS if grey else np.repeat(GREY_LEVELS[..., None], 3, axis=-1)
    content = png(samples, (b"gAMA", struct.pack(">I", 100_000)))
    written, dropped = converted(content, format)
    assert dropped == ()
    x = GREY_LEVELS / 255
    srgb = 255 * np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)
    np.testing.assert_allclose(look(written)[..., 0], srgb, atol=2 if format != "WEBP" else 12)
    assert not {b"iCCP"} & {name for name, _ in png_chunks(converted(content, "PNG")[0])}


def test_primaries_of_png_become_a_profile():
    adobe = struct.pack(">8I", 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)
    samples = np.full((4, 4, 3), (60, 200, 90), np.uint8)
    content = png(samples, (b"gAMA", struct.pack(">I", 45455)), (b"cHRM", adobe))
    x = (np.array([60, 200, 90]) / 255) ** 2.2
    to_srgb = np.array([[1.3984, -0.3984, 0], [0, 1, 0], [0, -0.0429, 1.0429]])  # of linear Adobe RGB
    linear = np.clip(to_srgb @ x, 0, 1)
    expected = 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    np.testing.assert_allclose(look(converted(content, "TIFF")[0])[0, 0], expected, atol=3)


@pytest.mark.parametrize(
    "chunks",
    [
        [(b"gAMA", struct.pack(">I", 45455))],
        [(b"sRGB", b"\0"), (b"gAMA", struct.pack(">I", 100_000))],
        [(b"cICP", bytes([1, 13, 0, 1])), (b"gAMA", struct.pack(">I", 100_000))],
        [(b"gAMA", bytes(4))],
        [
            (b"gAMA", struct.pack(">I", 45455)),
            (b"cHRM", SRGB_PRIMARIES),
        ],
    ],
)
def test_srgb_needs_no_profile(chunks):
    written, dropped = converted(png(RGB, *chunks), "TIFF")
    assert dropped == ()
    assert np.array_equal(look(written), RGB)


def test_display_p3_of_png_becomes_a_profile_and_hdr_is_reported():
    green = np.full((4, 4, 3), (0, 255, 0), np.uint8)
    written, dropped = converted(png(green, (b"cICP", bytes([12, 13, 0, 1]))), "TIFF")
    assert dropped == ()
    profile = ImageCms.ImageCmsProfile(io.BytesIO(opened(written).info["icc_profile"]))
    np.testing.assert_allclose(profile.profile.green_primary[1][:2], (0.265, 0.690), atol=0.03)  # adapted to D50
    assert converted(png(RGB, (b"cICP", bytes([9, 16, 0, 1]))), "TIFF")[1] == ("PNG chunk cICP",)


# ----- resolution, and formats that hold little


@pytest.mark.parametrize("format", ["TIFF", "JPEG", "PNG"])
def test_no_resolution_is_invented(format):
    written, _ = converted(tiff((RGB, {})), format)
    assert "dpi" not in opened(written).info or format == "TIFF"
    assert codec.decode(written).dpi is None
    if format == "TIFF":
        assert not {282, 283, 296} & set(opened(written).tag_v2)


@pytest.mark.parametrize(
    ("unit", "value", "dpi"), [(2, (300, 1), 300), (3, (100, 1), 254), (1, (1, 1), None), (2, (0, 1), None)]
)
def test_units_of_resolution(unit, value, dpi):
    picture = codec.decode(tiff((RGB, {282: (5, value), 283: (5, value), 296: (3, (unit,))})))
    assert picture.dpi == (None if dpi is None else pytest.approx((dpi, dpi)))
    assert codec.decode(codec.encode(picture, "JPEG")).dpi == picture.dpi


def test_bmp_reports_all_that_it_cannot_hold():
    resources = b"Photoshop 3.0\0" + resource(0x0404, IPTC)
    segments = [(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP), (0xED, resources), (0xFE, b"a comment")]
    block = exif({0x0131: (2, b"program\0")})
    content = jpeg(RGB, (0xE1, b"Exif\0\0" + block), *segments, icc_profile=b"a profile")
    assert converted(content, "BMP")[1] == ("the colour profile", "EXIF", "XMP", "IPTC", "the comment")
    deep = codec.encode_noting(Picture(RGB.astype(np.uint16), dpi=(72.0, 72.0)), "WEBP")
    assert deep.dropped == ("the lower half of its 16 bits a channel", "the resolution")


def test_what_reading_dropped_is_reported_when_writing(tmp_path):
    (tmp_path / "a.jpg").write_bytes(jpeg(RGB, (0xE1, b"Exif\0\0no directory")))
    assert write_picture(tmp_path / "b.jpg", read_picture(tmp_path / "a.jpg")) == ("EXIF, which is damaged",)


def test_a_comment_of_gif_becomes_text_of_png(tmp_path):
    Image.fromarray(RGB[..., 0]).save(tmp_path / "a.gif", comment=b"drawn by hand")
    assert write_picture(tmp_path / "a.png", read_picture(tmp_path / "a.gif")) == ()
    assert opened((tmp_path / "a.png").read_bytes()).text["Comment"] == "drawn by hand"


def test_descriptive_tags_of_a_tiff_survive_and_layers_are_reported():
    tags = {269: (2, b"document\0"), 33550: (5, (1, 2, 3, 4)), 65000: (7, b"private"), 37724: (7, b"layers")}
    written, dropped = converted(tiff((RGB, tags)), "TIFF")
    assert dropped == ("Photoshop's layers",)
    read = opened(written).tag_v2
    assert (read[269], read[65000]) == ("document", b"private")
    assert 37724 not in read


# ----- what few programs write


def gif(*extensions: bytes) -> bytes:
    """A GIF by Pillow with further extensions before its picture."""
    file = io.BytesIO()
    Image.fromarray(RGB[..., 0]).save(file, "GIF")
    content = file.getvalue()
    start = 13 + 3 * 2 ** ((content[10] & 7) + 1)
    return content[:start] + b"".join(extensions) + content[start:]


def application(name: bytes, data: bytes) -> bytes:
    parts = (data[start : start + 255] for start in range(0, len(data), 255))
    return b"\x21\xff\x0b" + name + b"".join(bytes([len(part)]) + part for part in parts) + b"\0"


def test_xmp_and_profile_of_a_gif_survive_and_other_extensions_are_reported():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    packet = b"\x21\xff\x0bXMP DataXMP" + XMP + b"\1" + bytes(range(255, -1, -1)) + b"\0"
    loop = application(b"NETSCAPE2.0", b"\1\0\0")
    content = gif(packet, loop, application(b"ICCRGBG1012", profile), application(b"SOMEPROG1.0", b"?"))
    written, dropped = converted(content, "PNG")
    assert dropped == ("GIF extension SOMEPROG1.0",)
    assert opened(written).info["xmp"] == XMP
    assert opened(written).info["icc_profile"] == profile
    assert codec.decode(gif(application(b"XMP DataXMP", XMP))).xmp == XMP  # as some programs write it
    for end in range(len(content) - 40, 20, -7):  # truncated
        try:
            codec.decode(content[:end])
        except UsageError:
            continue


def bmp(kind: bytes, profile: bytes, size: int) -> bytes:
    """A BMP with a header of version 5."""
    pixels = np.ascontiguousarray(RGB[..., ::-1]).tobytes()
    height, width, _ = RGB.shape
    header = struct.pack("<IiiHHIIiiII", 124, width, -height, 1, 24, 0, len(pixels), 0, 0, 0, 0)
    header += struct.pack("<4I4s", 0, 0, 0, 0, kind) + bytes(48) + struct.pack("<4I", 4, 124 + len(pixels), size, 0)
    return b"BM" + struct.pack("<IHHI", 138 + len(pixels), 0, 0, 138) + header + pixels + profile


def test_the_profile_of_a_bmp_survives_or_is_reported():
    written, dropped = converted(bmp(b"DEBM", b"a profile", 9), "PNG")
    assert dropped == ()
    assert np.array_equal(codec.decode(written).rgb, RGB)
    assert codec.decode(written).icc_profile == b"a profile"
    assert converted(bmp(b"DEBM", b"a profile", 9), "BMP")[1] == ("the colour profile",)
    assert converted(bmp(b"DEBM", b"a profile", 99), "PNG")[1] == ("the colour profile, which is damaged",)
    assert converted(bmp(b"KNIL", b"C:\\a.icc", 8), "PNG")[1] == ("the colour profile, which is in another file",)
    assert converted(bmp(b"BGRs", b"", 0), "PNG")[1] == ()


@pytest.mark.parametrize(
    ("name", "phrase"),
    [
        (b"C2PA", ("content credentials, which an edited picture invalidates",)),
        (b"abcd", ("WebP chunk abcd",)),
        (b"XMP ", ()),
    ],
)
def test_unknown_chunks_of_a_webp_are_reported(name, phrase):
    file = io.BytesIO()
    Image.fromarray(RGB).save(file, "WEBP", exif=exif({0x010F: (2, b"maker\0")}))
    content = file.getvalue() + name + struct.pack("<I", len(XMP)) + XMP + bytes(len(XMP) % 2)
    content = content[:4] + struct.pack("<I", len(content) - 8) + content[8:]
    assert converted(content + b"and what is behind the file", "WEBP")[1] == phrase


@pytest.mark.parametrize(
    ("identification", "author", "phrase"),
    [(b"", b"", ()), (b"night", b"", ("the texts of TGA",)), (b"", b"artist", ("the texts of TGA",))],
)
def test_texts_of_a_tga_are_reported(identification, author, phrase):
    file = io.BytesIO()
    Image.fromarray(RGB).save(file, "TGA", id_section=identification)
    content = file.getvalue()[: 18 + len(identification) + RGB.size]
    area = struct.pack("<H", 495) + author.ljust(493, b"\0")
    content += area + struct.pack("<II", len(content), 0) + b"TRUEVISION-XFILE.\0"
    assert converted(content, "PNG")[1] == phrase
