"""What each written format keeps, and what it reports: AVIF, GIF, TGA, JPEG 2000, JPEG XL, HEIC, and JPEG's quality."""

import dataclasses
import importlib.util
import io
import struct

import numpy as np
import pytest
from PIL import Image

from drujax.errors import UsageError
from drujax.pictures import codec, formats
from drujax.pictures.color_profile import PRIMARIES
from drujax.pictures.containers import plugins
from drujax.pictures.discovery import Skipped, find_pictures
from drujax.pictures.picture import Picture
from tests.support.icc import ADOBE_RGB, profile_of
from tests.support.picture_files import exif, png

EXIF = b"Exif\0\0" + exif({0x0131: (2, b"program\0")}, {0x9003: (2, b"2026:01:01 00:00:00\0")})
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">a night</x:xmpmeta>'
DISPLAY_P3 = profile_of(PRIMARIES[12])


def smooth(dtype=np.uint8, *, grey: bool = False) -> np.ndarray:
    """Gradients, which lossy formats keep well."""
    y, x = np.mgrid[:24, :32]
    levels = np.stack([0.1 + 0.6 * (x / 32 if channel % 2 else y / 24) for channel in range(3)], -1)
    samples = (levels * np.iinfo(dtype).max).astype(dtype)
    return np.repeat(samples[..., :1], 3, -1) if grey else samples


def picture(dtype=np.uint8, *, grey: bool = False, alpha: bool = False, **more) -> Picture:
    opacity = smooth(dtype)[..., 1] if alpha else None
    return Picture(smooth(dtype, grey=grey), alpha=opacity, grey=grey, **more)


def written(picture: Picture, format: str, **options) -> tuple[Picture, tuple[str, ...]]:
    """The picture that is read from what is written, and what is reported."""
    result = codec.encode_noting(picture, format, **options)
    return codec.decode(result.content), result.dropped


def error(one: Picture, other: Picture) -> float:
    """The largest difference of colours, in levels of 255."""
    a, b = (samples / np.iinfo(samples.dtype).max for samples in (one.rgb, other.rgb))
    return float(np.abs(a - b).max() * 255)


def between_eight_bits(samples: np.ndarray) -> bool:
    """Whether there are levels that 8 bits have not."""
    levels = samples / 257
    return bool(np.abs(levels - np.rint(levels)).max() > 0.2)


def installed(format: str) -> None:
    module = formats.PLUGINS.get(format)
    if module and importlib.util.find_spec(module) is None:
        pytest.skip(f"needs {module} (the extra of {format})")


# ----- AVIF


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0", "4:0:0"])
def test_avif_keeps_its_subsampling_and_metadata(subsampling):
    file, grey = io.BytesIO(), subsampling == "4:0:0"
    options = {"subsampling": subsampling, "quality": 95, "exif": EXIF, "xmp": XMP, "icc_profile": DISPLAY_P3}
    if grey:
        del options["icc_profile"]
    Image.fromarray(smooth(grey=grey)).save(file, "AVIF", **options)
    read = codec.decode(file.getvalue())
    assert read.grey == grey
    again, dropped = written(read, "AVIF")
    assert dropped == ()
    assert again.encoding == {"depth": 8, "subsampling": subsampling, "lossless": False}
    assert (again.exif, again.xmp, again.icc_profile) == (read.exif, XMP, options.get("icc_profile"))
    assert again.grey == grey
    assert error(again, read) < 10


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("depth", [10, 12])
def test_avif_keeps_ten_and_twelve_bits_and_metadata(depth, alpha):
    source = picture(np.uint16, alpha=alpha, exif=EXIF, xmp=XMP, icc_profile=DISPLAY_P3)
    encoding = {"depth": depth, "subsampling": "4:4:4"}
    read, dropped = written(dataclasses.replace(source, format="AVIF", encoding=encoding), "AVIF", quality=100)
    assert dropped == ()
    assert read.rgb.dtype == np.uint16
    assert read.encoding["depth"] == depth
    assert between_eight_bits(read.rgb)
    assert error(read, source) < 0.6
    assert (read.xmp, read.icc_profile, read.alpha is not None) == (XMP, DISPLAY_P3, alpha)
    assert b"program" in read.exif
    assert written(read, "AVIF")[0].encoding == read.encoding


def test_a_lossless_avif_stays_lossless():
    for dtype, depth in ((np.uint8, 8), (np.uint16, 12)):
        encoding = {"depth": depth, "subsampling": "4:4:4", "lossless": True}
        read, _ = written(picture(dtype, format="AVIF", encoding=encoding), "AVIF")
        assert read.encoding == encoding
        again, dropped = written(read, "AVIF")
        np.testing.assert_array_equal(again.rgb, read.rgb)
        assert dropped == ()


def test_sixteen_bits_become_twelve_in_avif_and_that_is_reported():
    read, dropped = written(picture(np.uint16), "AVIF", quality=100)
    assert dropped == ("the lowest 4 of its 16 bits a channel",)
    assert read.encoding["depth"] == 12


def test_hdr_colours_are_not_written_as_avif():
    """Which would be shown as if they were sRGB."""
    hdr = picture(np.uint16, chunks=((b"cICP", bytes([9, 16, 0, 1])),))
    for format in ("AVIF", "HEIF"):
        with pytest.raises(
            UsageError, match=f"^has HDR colours .PQ or HLG., which are not written as {format}; choose"
        ):
            codec.encode(hdr, format)
    wide = picture(np.uint16, chunks=((b"cICP", bytes([12, 13, 0, 1])),))
    assert written(wide, "AVIF")[0].icc_profile is not None


# ----- GIF


def test_a_gif_stays_a_gif():
    colors = np.random.default_rng(0).integers(0, 256, (200, 3), dtype=np.uint8)
    samples = colors[np.arange(12 * 20).reshape(12, 20) % 200]
    read, dropped = written(Picture(samples, comments=(b"a night",), xmp=XMP, icc_profile=DISPLAY_P3), "GIF")
    np.testing.assert_array_equal(read.rgb, samples)
    assert dropped == ()
    assert (read.comments, read.xmp, read.icc_profile, read.alpha) == ((b"a night",), XMP, DISPLAY_P3, None)
    opaque = np.full((12, 20), 255, np.uint8)
    opaque[:4] = 0
    read, dropped = written(Picture(samples, alpha=opaque), "GIF")
    np.testing.assert_array_equal(read.alpha, opaque)
    np.testing.assert_array_equal(read.rgb[4:], samples[4:])
    assert dropped == ()


def test_what_a_gif_loses_is_reported():
    read, dropped = written(picture(alpha=True, exif=EXIF), "GIF")
    assert dropped == ("EXIF", "partial transparency", "colours beyond 256 a frame")
    assert set(np.unique(read.alpha)) == {0, 255}


# ----- TGA, JPEG 2000


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("format", ["TGA", "JPEG2000"])
def test_tga_and_jpeg_2000_are_lossless(format, grey, alpha):
    source = picture(grey=grey, alpha=alpha)
    read, dropped = written(source, format)
    np.testing.assert_array_equal(read.rgb, source.rgb)
    assert (read.grey, dropped) == (grey, ())
    if alpha:
        np.testing.assert_array_equal(read.alpha, source.alpha)
    else:
        assert read.alpha is None


@pytest.mark.parametrize("compressed", [False, True])
def test_a_tga_keeps_its_compression(compressed):
    file = io.BytesIO()
    Image.fromarray(smooth()).save(file, "TGA", compression="tga_rle" if compressed else None)
    read = codec.decode(file.getvalue())
    again, dropped = written(read, "TGA")
    assert again.encoding == read.encoding == {"rle": compressed}
    assert dropped == ()


def test_jpeg_2000_keeps_sixteen_bits_of_grey_and_refuses_those_of_colours():
    source = picture(np.uint16, grey=True)
    read, dropped = written(source, "JPEG2000")
    np.testing.assert_array_equal(read.rgb, source.rgb)
    assert (read.rgb.dtype, dropped) == (np.uint16, ())
    assert written(picture(np.uint16), "JPEG2000")[1] == ("the lower half of its 16 bits a channel",)
    content = bytearray(codec.encode(picture(), "JPEG2000"))
    at = content.index(b"\xff\x4f\xff\x51") + 42
    content[at], content[at + 3], content[at + 6] = 15, 15, 15  # bits a component, less 1
    with pytest.raises(UsageError, match=r"^a JPEG 2000 of 16 bits a channel, of which Pillow reads 8; save it as PNG"):
        codec.decode(bytes(content))


def test_jpeg_2000_keeps_its_metadata():
    source = picture(exif=EXIF, xmp=XMP, icc_profile=DISPLAY_P3, dpi=(300.0, 150.0))
    read, dropped = written(source, "JPEG2000")
    assert dropped == ()
    assert (read.exif, read.xmp, read.icc_profile) == (EXIF, XMP, DISPLAY_P3)
    np.testing.assert_allclose(read.dpi, source.dpi, rtol=1e-3)
    content = codec.encode(source, "JPEG2000")
    with Image.open(io.BytesIO(content)) as image:
        np.testing.assert_array_equal(np.asarray(image), source.rgb)
    boxes = struct.pack(">I4s", 12, b"xml ") + b"<a/>"
    start = content.index(b"jp2c") - 4
    assert codec.decode(content[:start] + boxes + content[start:]).notes == ("JPEG 2000 box xml",)


# ----- plugins


@pytest.mark.parametrize(
    ("format", "content", "line"),
    [
        ("HEIF", b"\0\0\0\x18ftypheic" + bytes(99), r"HEIC needs pillow_heif: pip install 'drujax\[heif\]'"),
        ("JXL", b"\xff\x0a" + bytes(99), r"JPEG XL needs pillow_jxl: pip install 'drujax\[jxl\]'"),
    ],
)
def test_a_missing_plugin_is_one_line_that_names_its_extra(monkeypatch, tmp_path, format, content, line):
    def missing(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(plugins.importlib, "import_module", missing)
    with pytest.raises(UsageError, match=f"^{line}$"):
        codec.decode(content)
    with pytest.raises(UsageError, match=f"^{line}$"):
        codec.encode(picture(), format)
    # In folders such files are summarised, as others that are not read.
    monkeypatch.setattr(formats.importlib.util, "find_spec", lambda name: None)
    suffix = next(suffix for suffix, name in formats.FORMATS.items() if name == format)
    (tmp_path / f"a{suffix}").write_bytes(content)
    skipped = Skipped()
    assert find_pictures(tmp_path, skipped=skipped) == []
    assert str(skipped) == f"1 file skipped: 1 {suffix} (need pip install 'drujax[{formats.missing_extra(suffix)}]')"


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("format", ["HEIF", "JXL"])
def test_plugins_keep_pixels_and_metadata(format, grey, alpha):
    installed(format)
    source = picture(grey=grey, alpha=alpha, exif=EXIF, xmp=XMP)
    read, dropped = written(source, format)
    assert dropped == ()
    assert (read.exif, read.xmp, read.icc_profile, read.dpi) == (EXIF, XMP, None, None)
    assert read.grey == (grey and not (format == "HEIF" and alpha))
    assert np.abs(read.rgb.astype(int) - source.rgb).mean() < 1
    assert (read.alpha is not None) == alpha
    again, dropped = written(read, format)
    assert (again.encoding, dropped) == (read.encoding, ())


@pytest.mark.parametrize("depth", [10, 12])
def test_heic_keeps_ten_and_twelve_bits(depth):
    installed("HEIF")
    source = picture(np.uint16, format="HEIF", encoding={"depth": depth, "chroma": 444}, icc_profile=DISPLAY_P3)
    read, dropped = written(source, "HEIF")
    assert (read.rgb.dtype, read.encoding, dropped) == (np.uint16, {"depth": depth, "chroma": 444}, ())
    assert read.icc_profile == DISPLAY_P3
    assert between_eight_bits(read.rgb)
    assert error(read, source) < 2
    assert written(picture(np.uint16), "HEIF")[1] == ("the lowest 4 of its 16 bits a channel",)


def test_jpeg_xl_of_best_quality_is_lossless_and_converts_what_it_cannot_tag():
    installed("JXL")
    source = picture()
    np.testing.assert_array_equal(written(source, "JXL", quality=100)[0].rgb, source.rgb)
    dropped = written(dataclasses.replace(source, icc_profile=DISPLAY_P3), "JXL")[1]
    assert dropped == ("the colour profile, whose colours are converted to sRGB",)
    assert written(picture(np.uint16), "JXL")[1] == ("the lower half of its 16 bits a channel",)


@pytest.mark.parametrize("format", ["HEIF", "JXL"])
def test_damaged_files_of_plugins_are_one_line(format):
    installed(format)
    whole, random, refused = codec.encode(picture(), format), np.random.default_rng(2), []
    for trial in range(30):
        content = bytearray(whole[: random.integers(20, len(whole))] if trial % 2 else whole)
        content[random.integers(12, len(content))] = random.integers(0, 256)
        try:
            codec.decode(bytes(content))
        except UsageError as error:
            refused.append(str(error))
    assert len(refused) > 5
    assert not any("\n" in line for line in refused)


# ----- JPEG's quality


@pytest.mark.parametrize("quality", [100, 97, 88, 75, 74, 50, 20, 1])
@pytest.mark.parametrize("grey", [False, True])
def test_the_quality_of_a_jpeg_is_that_of_its_tables(quality, grey):
    file = io.BytesIO()
    Image.fromarray(smooth()[..., 0] if grey else smooth()).save(file, "JPEG", quality=quality)
    read = codec.decode(file.getvalue())
    assert read.encoding["quality"] == quality
    again = codec.decode(codec.encode(read, "JPEG"))
    assert again.encoding["quality"] == max(quality, 75)
    assert codec.decode(codec.encode(read, "JPEG", quality=33)).encoding["quality"] == 33
    assert codec.decode(codec.encode(picture(), "JPEG")).encoding["quality"] == 95


def test_the_quality_of_other_tables_is_the_nearest():
    """As Photoshop's, and other programs' own."""
    file = io.BytesIO()
    Image.fromarray(smooth()).save(file, "JPEG", qtables=[[3] * 64, [3] * 64])
    assert 90 <= codec.decode(file.getvalue()).encoding["quality"] <= 98


# ----- colours that a format cannot tag


@pytest.mark.parametrize("format", ["BMP", "TGA"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_colours_whose_profile_a_format_cannot_hold_are_converted(format, dtype):
    """What is seen stays the same: compared with a conversion of the same numbers by Pillow."""
    from PIL import ImageCms

    source = picture(dtype, icc_profile=profile_of(ADOBE_RGB, (2.2,)))
    read, dropped = written(source, format)
    assert dropped[0] == "the colour profile, whose colours are converted to sRGB"
    assert read.icc_profile is None
    own = ImageCms.ImageCmsProfile(io.BytesIO(source.icc_profile))
    eight = Image.fromarray(picture().rgb)
    expected = ImageCms.profileToProfile(eight, own, ImageCms.createProfile("sRGB"), renderingIntent=1)
    assert np.percentile(np.abs(read.rgb.astype(int) - np.asarray(expected)), 95) <= 2
    assert np.abs(read.rgb.astype(int) - picture().rgb).max() > 10


def test_grey_whose_profile_a_format_cannot_hold_is_converted():
    source = picture(grey=True, icc_profile=profile_of(curve=(1.0,), grey=True))
    read, dropped = written(source, "TGA")
    assert read.grey
    assert read.rgb.mean() > source.rgb.mean() + 30
    assert dropped == ("the colour profile, whose colours are converted to sRGB",)


def test_a_profile_that_cannot_be_used_is_reported_as_dropped():
    read, dropped = written(picture(icc_profile=b"a profile"), "BMP")
    np.testing.assert_array_equal(read.rgb, smooth())
    assert dropped == ("the colour profile",)


def test_a_palette_with_transparency_keeps_both():
    palette = bytes([10, 20, 30, 200, 100, 50])
    content = png(np.array([[0, 1], [1, 0]], np.uint8), (b"tRNS", b"\x80"), palette=palette)
    read = codec.decode(content)
    np.testing.assert_array_equal(read.rgb[0], [[10, 20, 30], [200, 100, 50]])
    np.testing.assert_array_equal(read.alpha, [[128, 255], [255, 128]])
