"""All kinds of files are read correctly and written with their metadata."""

import io
import os
import struct
import zlib
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

from drujax.errors import UsageError
from drujax.pictures.color import luma, to_float, to_uint8, to_uint16
from drujax.pictures.io import output_format, read_picture, write_picture
from drujax.pictures.picture import Picture

RANDOM = np.random.default_rng(0)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def noise(*shape: int, dtype: type = np.uint8) -> np.ndarray:
    return RANDOM.integers(0, np.iinfo(dtype).max + 1, shape, dtype=dtype)


def test_luma_is_601_in_the_units_of_its_argument():
    rgb = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], np.uint8)
    expected = [[76.245, 149.685], [29.07, 255.0]]
    np.testing.assert_allclose(luma(rgb), expected, rtol=1e-12)
    np.testing.assert_allclose(luma(jnp.asarray(to_float(rgb)))[None] * 255, [expected], rtol=1e-5)


def test_floats_round_to_the_nearest_level_and_are_clipped():
    levels = np.arange(256, dtype=np.uint8)
    assert np.array_equal(to_uint8(to_float(levels)), levels)
    assert to_uint8(np.array([-1.0, 0.499 / 255, 0.501 / 255, 254.6 / 255, 7.0])).tolist() == [0, 0, 1, 255, 255]
    deep = np.arange(65536, dtype=np.uint16)
    assert np.array_equal(to_uint16(to_float(deep)), deep)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".webp", ".jpg"])
def test_colours_survive_each_format(tmp_path, suffix):
    smooth = np.linspace(0, 255, 32 * 32 * 3).reshape(32, 32, 3).astype(np.uint8)
    write_picture(tmp_path / f"a{suffix}", Picture(smooth))
    read = read_picture(tmp_path / f"a{suffix}")
    assert read.format == output_format(f"a{suffix}")
    difference = np.abs(read.rgb.astype(int) - smooth)
    assert difference.max() <= (0 if suffix in (".png", ".bmp", ".tif") else 12)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_orientation_is_applied_once(tmp_path, orientation, suffix):
    stored = Image.fromarray(np.kron(noise(2, 3, 3), np.ones((16, 16, 1), np.uint8)))
    tags = Image.Exif()
    tags[0x0112] = orientation
    tags[0x010F] = "Camera maker"
    lossless = {"lossless": True} if suffix == ".webp" else {}
    stored.save(tmp_path / f"in{suffix}", exif=tags.tobytes(), **lossless)
    with Image.open(tmp_path / f"in{suffix}") as image:
        upright = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))

    picture = read_picture(tmp_path / f"in{suffix}")
    assert np.array_equal(picture.rgb, upright)
    write_picture(tmp_path / f"out{suffix}", picture)
    with Image.open(tmp_path / f"out{suffix}") as image:
        assert image.getexif().get(0x0112, 1) == 1
        assert image.getexif()[0x010F] == "Camera maker"
        assert image.size == upright.shape[1::-1]
    assert read_picture(tmp_path / f"out{suffix}").rgb.shape == upright.shape


def test_the_embedded_thumbnail_is_removed(tmp_path):
    # A big-endian EXIF block made by hand: one entry (orientation 6), then a link to a second directory.
    body = b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 26) + struct.pack(">HI", 0, 0)
    Image.fromarray(noise(4, 6, 3)).save(tmp_path / "a.jpg", exif=b"Exif\0\0" + body)
    picture = read_picture(tmp_path / "a.jpg")
    assert picture.rgb.shape == (6, 4, 3)
    assert picture.exif == b"Exif\0\0MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, 1, 0, 0) + body[-6:]


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("damage", [b"Exif\0\0", b"Exif\0\0XX\0*\0\0\0\x08", b"Exif\0\0II*\0\xff\xff\xff\x7f"])
def test_damaged_exif_is_dropped_and_the_picture_read(tmp_path, damage):
    Image.fromarray(noise(4, 6, 3)).save(tmp_path / "a.jpg", exif=damage)
    picture = read_picture(tmp_path / "a.jpg")
    assert picture.rgb.shape == (4, 6, 3)
    assert picture.exif is None


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_profile_and_resolution_survive(tmp_path, suffix):
    Image.fromarray(noise(8, 8, 3)).save(tmp_path / f"in{suffix}", icc_profile=SRGB, dpi=(300, 150))
    write_picture(tmp_path / f"out{suffix}", read_picture(tmp_path / f"in{suffix}"))
    with Image.open(tmp_path / f"out{suffix}") as image:
        assert image.info["icc_profile"] == SRGB
        if suffix != ".webp":  # holds no resolution
            assert tuple(round(float(value)) for value in image.info["dpi"]) == (300, 150)


def test_png_text_and_colour_chunks_survive(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", "somebody")
    info.add_itxt("Title", "夜の町")
    info.add(b"gAMA", struct.pack(">I", 45455))
    Image.fromarray(noise(4, 4, 3)).save(tmp_path / "in.png", pnginfo=info)
    write_picture(tmp_path / "out.png", read_picture(tmp_path / "in.png"))
    with Image.open(tmp_path / "out.png") as image:
        assert image.text == {"Author": "somebody", "Title": "夜の町"}
        assert image.info["gamma"] == pytest.approx(0.45455)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_xmp_survives_upright(tmp_path, suffix):
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="6" rating="5"/></x:xmpmeta>'
    options = {"xmp": xmp}
    if suffix == ".png":
        options = {"pnginfo": PngImagePlugin.PngInfo()}
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp.decode())
    Image.fromarray(noise(8, 8, 3)).save(tmp_path / f"in{suffix}", **options)
    write_picture(tmp_path / f"out{suffix}", read_picture(tmp_path / f"in{suffix}"))
    with Image.open(tmp_path / f"out{suffix}") as image:
        assert image.info["xmp"] == xmp.replace(b'"6"', b'"1"')


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_jpeg_keeps_its_chroma_subsampling(tmp_path, subsampling):
    from PIL import JpegImagePlugin

    Image.fromarray(noise(32, 32, 3)).save(tmp_path / "in.jpg", subsampling=subsampling, progressive=True)
    write_picture(tmp_path / "out.jpg", read_picture(tmp_path / "in.jpg"))
    with Image.open(tmp_path / "out.jpg") as image:
        assert JpegImagePlugin.get_sampling(image) == subsampling
        assert image.info["progressive"]


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_alpha_and_the_colours_under_it_survive(tmp_path, suffix):
    rgba = noise(8, 9, 4)
    rgba[:4, :, 3] = 0
    lossless = {"lossless": True, "exact": True} if suffix == ".webp" else {}
    Image.fromarray(rgba).save(tmp_path / f"in{suffix}", **lossless)
    picture = read_picture(tmp_path / f"in{suffix}")
    assert np.array_equal(np.dstack([picture.rgb, picture.alpha]), rgba)
    write_picture(tmp_path / f"out{suffix}", picture)
    with Image.open(tmp_path / f"out{suffix}") as image:
        assert np.array_equal(np.asarray(image), rgba)


def test_palette_and_colour_keys_become_rgb_with_alpha(tmp_path):
    indices = Image.fromarray(noise(6, 6) % 4, mode=None).convert("P")
    indices.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90, 200, 100, 0])
    indices.save(tmp_path / "opaque.png")
    indices.save(tmp_path / "clear.png", transparency=2)
    opaque, clear = read_picture(tmp_path / "opaque.png"), read_picture(tmp_path / "clear.png")
    assert opaque.alpha is None
    assert np.array_equal(opaque.rgb, np.asarray(indices.convert("RGB")))
    assert np.array_equal(clear.rgb, opaque.rgb)
    assert np.array_equal(clear.alpha == 0, np.asarray(indices) == 2)

    key = noise(5, 5, 3)
    Image.fromarray(key).save(tmp_path / "key.png", transparency=tuple(int(value) for value in key[2, 3]))
    keyed = read_picture(tmp_path / "key.png")
    assert np.array_equal(keyed.rgb, key)
    assert keyed.alpha[2, 3] == 0
    assert (keyed.alpha == 0).sum() == 1


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I;16"])
def test_grey_stays_one_channel(tmp_path, mode):
    grey = (
        Image.fromarray(noise(6, 7, dtype=np.uint16)) if mode == "I;16" else Image.fromarray(noise(6, 7)).convert(mode)
    )
    grey.save(tmp_path / "in.png")
    picture = read_picture(tmp_path / "in.png")
    assert picture.grey
    assert picture.rgb.dtype == (np.uint16 if mode == "I;16" else np.uint8)
    assert np.array_equal(picture.rgb[..., 0], picture.rgb[..., 2])
    assert (picture.alpha is not None) == (mode == "LA")
    write_picture(tmp_path / "out.png", picture)
    with Image.open(tmp_path / "out.png") as image:
        assert image.mode == {"1": "L"}.get(mode, mode)
        assert np.array_equal(np.asarray(image), np.asarray(grey.convert("L") if mode == "1" else grey))


def test_a_grey_profile_is_not_put_on_a_coloured_picture(tmp_path):
    profile = SRGB[:16] + b"GRAY" + SRGB[20:]
    write_picture(tmp_path / "a.png", Picture(noise(4, 4, 3), grey=True, icc_profile=profile))
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "RGB"
        assert "icc_profile" not in image.info


def test_cmyk_jpeg_becomes_rgb_without_its_profile(tmp_path):
    flat = np.broadcast_to(np.uint8([255, 0, 255, 0]), (16, 16, 4))  # cyan and yellow ink: green
    Image.fromarray(flat, mode="CMYK").save(tmp_path / "in.jpg", quality=100)
    picture = read_picture(tmp_path / "in.jpg")
    assert np.abs(picture.rgb.astype(int) - [0, 255, 0]).max() <= 3
    write_picture(tmp_path / "out.jpg", picture)
    with Image.open(tmp_path / "out.jpg") as image:
        assert image.mode == "RGB"
    Image.fromarray(flat, mode="CMYK").save(tmp_path / "odd.jpg", icc_profile=b"no profile at all")
    with pytest.raises(UsageError, match=r"odd.jpg: its CMYK colour profile cannot be used"):
        read_picture(tmp_path / "odd.jpg")


def plain_png(samples: np.ndarray, row_filter: int) -> bytes:
    """A 16-bit PNG written byte by byte according to the standard."""
    height, width, channels = samples.shape
    rows, step = samples.astype(">u2").view(np.uint8).reshape(height, -1).astype(int), 2 * channels
    body = bytearray()
    for y in range(height):
        body.append(row_filter)
        for x in range(rows.shape[1]):
            left = rows[y, x - step] if x >= step else 0
            up = rows[y - 1, x] if y else 0
            corner = rows[y - 1, x - step] if y and x >= step else 0
            estimate = left + up - corner
            paeth = min((left, up, corner), key=lambda value: abs(estimate - value))
            body.append((rows[y, x] - (0, left, up, (left + up) // 2, paeth)[row_filter]) % 256)
    header = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    file = b"\x89PNG\r\n\x1a\n"
    for name, data in ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(body))), (b"IEND", b"")):
        file += struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return file


@pytest.mark.parametrize("row_filter", range(5))
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bit_png(tmp_path, channels, row_filter):
    samples = noise(5, 7, channels, dtype=np.uint16)
    (tmp_path / "in.png").write_bytes(plain_png(samples, row_filter))
    picture = read_picture(tmp_path / "in.png")
    assert picture.rgb.dtype == np.uint16
    assert np.array_equal(picture.rgb, np.broadcast_to(samples[..., : 1 if channels < 3 else 3], (5, 7, 3)))
    assert (picture.alpha is None) == (channels in (1, 3))

    write_picture(tmp_path / "out.png", picture)
    again = read_picture(tmp_path / "out.png")
    assert np.array_equal(again.rgb, picture.rgb)
    assert np.array_equal(again.alpha, picture.alpha)
    content = (tmp_path / "out.png").read_bytes()
    assert content[24:26] == bytes([16, {1: 0, 2: 4, 3: 2, 4: 6}[channels]])


def test_sixteen_bit_colour_is_what_other_programs_see(tmp_path):
    samples = noise(9, 4, 3, dtype=np.uint16)
    exif = Image.Exif()
    exif[0x0131] = "a program"
    exif.get_ifd(0x8769)[0x9003] = "2024:01:01 00:00:00"
    for name in ("a.png", "a.tif"):
        write_picture(tmp_path / name, Picture(samples, icc_profile=SRGB, dpi=(72.0, 72.0), exif=exif.tobytes()))
        with Image.open(tmp_path / name) as image:  # Pillow gives the high bytes of such files
            assert np.array_equal(np.asarray(image), samples >> 8)
            assert image.info["icc_profile"] == SRGB
            assert image.getexif()[0x0131] == "a program"
            assert image.getexif().get_ifd(0x8769)[0x9003] == "2024:01:01 00:00:00"
        assert np.array_equal(read_picture(tmp_path / name).rgb, samples)


def test_sixteen_bits_are_rounded_for_formats_of_eight(tmp_path):
    samples = np.uint16([[[0, 128, 129], [65535, 65406, 32896]]])
    write_picture(tmp_path / "a.bmp", Picture(samples))
    assert read_picture(tmp_path / "a.bmp").rgb.tolist() == [[[0, 0, 1], [255, 254, 128]]]


def test_transparency_is_not_dropped_silently(tmp_path):
    picture = Picture(noise(4, 4, 3), alpha=np.full((4, 4), 7, np.uint8))
    with pytest.raises(UsageError, match=r"a.jpg: JPEG cannot hold the picture's transparency; choose .png"):
        write_picture(tmp_path / "a.jpg", picture)
    assert not list(tmp_path.iterdir())
    write_picture(tmp_path / "a.jpg", Picture(picture.rgb, alpha=np.full((4, 4), 255, np.uint8)))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".jp2", ".avif", ".bmp", ".tga", ".gif", ".webp"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_picture_of_one_grey_pixel(tmp_path, suffix, dtype):
    path = tmp_path / f"a{suffix}"
    write_picture(path, Picture(np.full((1, 1, 3), np.iinfo(dtype).max, dtype), grey=True))
    read = read_picture(path)
    assert read.rgb.shape == (1, 1, 3)
    assert (read.rgb / np.iinfo(read.rgb.dtype).max > 0.98).all()


def test_the_suffix_must_be_one_that_is_written(tmp_path):
    for name in ("a.psd", "a.xyz", "a"):
        with pytest.raises(
            UsageError, match=rf"^{tmp_path}/{name}: cannot write a picture with suffix .*Choices: .png, .jpg"
        ):
            write_picture(tmp_path / name, Picture(noise(2, 2, 3)))
    with pytest.raises(UsageError, match=r"a.webp: cannot be written as WEBP"):
        write_picture(tmp_path / "a.webp", Picture(np.zeros((1, 16400, 3), np.uint8)))


@pytest.mark.parametrize(
    ("rgb", "alpha", "message"),
    [
        (noise(2, 2, 3) / 255, None, r"rgb: must be uint8 or uint16 of shape \(h, w, 3\), got float64 of \(2, 2, 3\)"),
        (noise(2, 2, 3).astype(">u2"), None, r"rgb: must be uint8 or uint16 .*, got >u2 of"),
        (noise(2, 2), None, r"rgb: .*, got uint8 of \(2, 2\)"),
        (noise(0, 2, 3), None, r"rgb: .*, got uint8 of \(0, 2, 3\)"),
        (noise(2, 2, 3), noise(2, 3), r"alpha: must be uint8 of shape \(2, 2\), got uint8 of \(2, 3\)"),
        (noise(2, 2, 3), noise(2, 2).astype(np.uint16), r"alpha: must be uint8 .*, got uint16 of \(2, 2\)"),
    ],
)
def test_invalid_arrays_are_not_written(tmp_path, rgb, alpha, message):
    picture = Picture(noise(2, 2, 3))
    object.__setattr__(picture, "rgb", rgb)  # past the check of types, which only tests make
    object.__setattr__(picture, "alpha", alpha)
    with pytest.raises(UsageError, match=f"a.png: {message}"):
        write_picture(tmp_path / "a.png", picture)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("quality", [0, 101, -1])
def test_an_invalid_quality_is_refused(tmp_path, quality):
    for suffix in (".jpg", ".webp"):
        with pytest.raises(UsageError, match=f"quality: must be a whole number from 1 to 100, got {quality}"):
            write_picture(tmp_path / f"a{suffix}", Picture(noise(2, 2, 3)), quality=quality)


def test_pipes_and_devices_are_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")  # nothing writes to it
    for path in (tmp_path / "pipe.png", Path("/dev/zero")):
        with pytest.raises(UsageError, match=rf"^{path}: not a regular file \(a pipe, device or socket\)$"):
            read_picture(path)


def test_a_still_gif_and_a_camera_file_with_previews_are_read(tmp_path):
    Image.fromarray(noise(5, 5)).save(tmp_path / "a.gif")
    assert read_picture(tmp_path / "a.gif").format == "GIF"
    photo, preview = Image.fromarray(noise(8, 8, 3)), Image.fromarray(noise(4, 4, 3))
    photo.save(tmp_path / "b.jpg", format="MPO", save_all=True, append_images=[preview])
    read = read_picture(tmp_path / "b.jpg")
    assert (read.format, read.rgb.shape) == ("JPEG", (8, 8, 3))


def test_writing_through_a_link_keeps_the_link(tmp_path):
    (tmp_path / "real.png").write_bytes(b"old")
    (tmp_path / "link.png").symlink_to("real.png")
    write_picture(tmp_path / "link.png", Picture(noise(2, 2, 3)))
    assert (tmp_path / "link.png").is_symlink()
    assert read_picture(tmp_path / "real.png").rgb.shape == (2, 2, 3)


def test_bytes_that_pillow_wrote_in_memory_equal_the_file(tmp_path):
    rgb, buffer = noise(4, 4, 3), io.BytesIO()
    Image.fromarray(rgb).save(buffer, "PNG")
    (tmp_path / "a.png").write_bytes(buffer.getvalue())
    assert np.array_equal(read_picture(tmp_path / "a.png").rgb, rgb)
