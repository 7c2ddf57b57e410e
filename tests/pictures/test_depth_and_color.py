"""Files with 16 bits, other colour spaces and other channel layouts are read as viewers show them."""

import io
import lzma

import numpy as np
import pytest
import pyvips
from PIL import Image, ImageCms, ImageOps

from drujax.errors import UsageError
from drujax.pictures import codec
from tests.support.picture_files import jpeg, png, tiff

RANDOM = np.random.default_rng(2)
GREY = RANDOM.integers(0, 65536, (6, 8), dtype=np.uint16)
RGB = RANDOM.integers(0, 65536, (6, 8, 3), dtype=np.uint16)
CMYK = RANDOM.integers(0, 65536, (6, 8, 4), dtype=np.uint16)
ALPHA = RANDOM.integers(20_000, 65536, (6, 8), dtype=np.uint16)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

PHOTOMETRIC, EXTRA_SAMPLES, COMPRESSION, LZMA = 262, 338, 259, 34925
WHITE_IS_ZERO, SEPARATED = {PHOTOMETRIC: (3, (0,))}, {PHOTOMETRIC: (3, (5,))}
UNSPECIFIED, ASSOCIATED, UNASSOCIATED = 0, 1, 2


def extra(*kinds: int) -> dict:
    return {EXTRA_SAMPLES: (3, kinds)}


@pytest.fixture(scope="module")
def ink_profile() -> bytes:
    """A profile of CMYK inks, from libvips."""
    return bytes(pyvips.Image.profile_load("cmyk"))


@pytest.mark.parametrize("subsampled", [True, False])
def test_ycbcr_without_jpeg_compression(subsampled):
    colors = np.kron(RGB[:3, :4].astype(np.uint8), np.ones((2, 2, 1), np.uint8))
    stored = np.asarray(Image.fromarray(colors).convert("YCbCr"))
    tags = {PHOTOMETRIC: (3, (6,)), 530: (3, (2, 2) if subsampled else (1, 1))}
    tags[532] = (5, (0, 1, 255, 1, 128, 1, 255, 1, 128, 1, 255, 1))  # black and white

    def blocks(data: bytes) -> bytes:
        """Packs the four luma samples of each 2x2 block and its two chroma samples."""
        luma = stored[..., 0].reshape(3, 2, 4, 2).transpose(0, 2, 1, 3).reshape(3, 4, 4)
        return np.concatenate([luma, stored[::2, ::2, 1:]], axis=-1).tobytes() if subsampled else data

    picture = codec.decode(tiff((stored, tags), packed=blocks))
    assert picture.alpha is None
    assert picture.notes == ()
    np.testing.assert_allclose(picture.rgb.astype(int), colors, atol=4)


def test_ycbcr_of_sixteen_bits_is_refused():
    with pytest.raises(UsageError, match="^a TIFF of 16-bit YCbCr colours, which are not supported; save it as RGB"):
        codec.decode(tiff((RGB, {PHOTOMETRIC: (3, (6,)), 530: (3, (1, 1))})))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
class TestTiff:
    def test_zero_is_white(self, order, dtype):
        stored = GREY.astype(dtype)
        picture = codec.decode(tiff((stored, WHITE_IS_ZERO), order=order))
        assert picture.grey
        assert np.array_equal(picture.rgb[..., 1], np.iinfo(dtype).max - stored)

    def test_planar_channels(self, order, dtype):
        samples = np.dstack([RGB, ALPHA]).astype(dtype)
        picture = codec.decode(tiff((samples[..., :3].copy(), {}), order=order, planar=True))
        assert np.array_equal(picture.rgb, samples[..., :3])
        picture = codec.decode(tiff((samples, extra(UNASSOCIATED)), order=order, planar=True))
        assert np.array_equal(picture.rgb, samples[..., :3])
        assert np.array_equal(picture.alpha, samples[..., 3])

    def test_premultiplied_colours_are_divided(self, order, dtype):
        full = np.iinfo(dtype).max
        alpha = (ALPHA // (65536 // (full + 1))).astype(dtype)
        stored = (RGB / 65535 * alpha[..., None]).round().astype(dtype)
        picture = codec.decode(tiff((np.dstack([stored, alpha]), extra(ASSOCIATED)), order=order))
        assert np.array_equal(picture.alpha, alpha)
        np.testing.assert_allclose(picture.rgb, np.minimum(stored / alpha[..., None] * full, full), atol=1.01)

    def test_inks_without_profile(self, order, dtype):
        inks, full = CMYK.astype(dtype), np.iinfo(dtype).max
        picture = codec.decode(tiff((inks, SEPARATED), order=order))
        assert picture.rgb.dtype == dtype
        ideal = (full - inks[..., :3].astype(float)) * (full - inks[..., 3:].astype(float)) / full
        np.testing.assert_allclose(picture.rgb, ideal, atol=0.51)

    def test_inks_through_their_profile(self, order, dtype, ink_profile):
        inks = CMYK.astype(dtype)
        content = tiff((inks, SEPARATED | {34675: (7, ink_profile)}), order=order)
        picture = codec.decode(content)
        assert picture.rgb.dtype == dtype
        assert picture.icc_profile is None
        eight = Image.fromarray((CMYK >> 8).astype(np.uint8) if dtype == np.uint16 else inks, mode="CMYK")
        source = ImageCms.ImageCmsProfile(io.BytesIO(ink_profile))
        expected = np.asarray(
            ImageCms.profileToProfile(eight, source, ImageCms.createProfile("sRGB"), outputMode="RGB"), float
        )
        scale = np.iinfo(dtype).max / 255
        np.testing.assert_allclose(picture.rgb / scale, expected, atol=4)

    def test_inks_with_opacity(self, order, dtype):
        samples = np.dstack([CMYK, ALPHA]).astype(dtype)
        picture = codec.decode(tiff((samples, SEPARATED | extra(UNASSOCIATED)), order=order))
        assert np.array_equal(picture.alpha, samples[..., 4])
        assert np.array_equal(picture.rgb, codec.decode(tiff((samples[..., :4].copy(), SEPARATED))).rgb)

    def test_extra_channels_are_not_alpha(self, order, dtype):
        samples = np.dstack([RGB, ALPHA, GREY]).astype(dtype)
        picture = codec.decode(tiff((samples, extra(UNSPECIFIED, UNASSOCIATED)), order=order))
        assert np.array_equal(picture.rgb, samples[..., :3])
        assert np.array_equal(picture.alpha, samples[..., 4])
        assert picture.notes == ("an extra channel (a mask or a spot colour)",)
        masked = codec.decode(tiff((samples[..., :4].copy(), extra(UNSPECIFIED)), order=order))
        assert masked.alpha is None
        grey = codec.decode(tiff((samples[..., :2].copy(), extra(UNSPECIFIED)), order=order))
        assert grey.alpha is None
        assert grey.grey

    def test_a_compression_that_libvips_lacks(self, order, dtype):
        for samples in (GREY.astype(dtype), RGB.astype(dtype), np.dstack([RGB, ALPHA]).astype(dtype)):
            tags = {COMPRESSION: (3, (LZMA,))} | (extra(UNASSOCIATED) if samples.shape[2:] == (4,) else {})
            picture = codec.decode(tiff((samples, tags), order=order, packed=lzma.compress))
            colours = samples[..., None] if samples.ndim == 2 else samples[..., :3]
            assert np.array_equal(picture.rgb, np.broadcast_to(colours, picture.rgb.shape))


@pytest.mark.parametrize("compression", ["none", "lzw", "deflate", "packbits"])
def test_a_tiff_keeps_its_compression(compression):
    numbers = {"none": 1, "lzw": 5, "deflate": 8, "packbits": 32773}
    picture = codec.decode(tiff((RGB, {})))
    packed = codec.encode(picture.__class__(RGB, format="TIFF", encoding={"compression": compression}), "TIFF")
    written = codec.encode(codec.decode(packed), "TIFF")
    with Image.open(io.BytesIO(written)) as image:
        assert image.tag_v2[COMPRESSION] == numbers[compression]
    assert np.array_equal(codec.decode(written).rgb, RGB)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_libvips_reads_the_same_sixteen_bits(channels, format):
    samples = np.dstack([RGB, ALPHA])[..., {1: [0], 2: [0, 3], 3: [0, 1, 2], 4: [0, 1, 2, 3]}[channels]]
    picture = codec.decode(png(samples))
    image = pyvips.Image.new_from_buffer(codec.encode(picture, format), "")
    read = image.numpy().reshape(6, 8, -1)
    assert read.dtype == np.uint16
    assert np.array_equal(read[..., 0], samples[..., 0])
    assert np.array_equal(read[..., -1], samples[..., -1])


@pytest.mark.parametrize("further", [{}, {"icc_profile": SRGB}, {"exif": b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"}])
@pytest.mark.parametrize("channels", [3, 4])
def test_a_lossless_webp_stays_lossless(further, channels):
    samples, file = np.dstack([RGB, ALPHA]).astype(np.uint8)[..., :channels], io.BytesIO()
    Image.fromarray(samples).save(file, "WEBP", lossless=True, exact=True, **further)
    written = codec.encode(codec.decode(file.getvalue()), "WEBP")
    with Image.open(io.BytesIO(written)) as image:
        assert np.array_equal(np.asarray(image), samples)
        assert image.info.get("icc_profile") == further.get("icc_profile")


def test_a_lossy_webp_stays_lossy():
    file = io.BytesIO()
    Image.fromarray(RGB.astype(np.uint8)).save(file, "WEBP", icc_profile=SRGB)
    assert b"VP8L" not in codec.encode(codec.decode(file.getvalue()), "WEBP")


def test_a_cmyk_jpeg_with_a_profile_of_rgb_is_read_without_it():
    inks = np.broadcast_to(np.uint8([255, 0, 255, 0]), (16, 16, 4))  # cyan and yellow: green
    file = io.BytesIO()
    Image.fromarray(inks, mode="CMYK").save(file, "JPEG", quality=100, icc_profile=SRGB)
    picture = codec.decode(file.getvalue())
    np.testing.assert_allclose(picture.rgb[3, 3], [0, 255, 0], atol=3)
    assert picture.icc_profile is None
    assert picture.notes == ("the colour profile, which describes RGB and not CMYK",)


def test_cmyk_jpeg_through_its_profile(ink_profile):
    inks = np.repeat(np.repeat((CMYK >> 8).astype(np.uint8), 8, 0), 8, 1)
    file = io.BytesIO()
    Image.fromarray(inks, mode="CMYK").save(file, "JPEG", quality=100, icc_profile=ink_profile)
    with Image.open(file) as image:
        source = ImageCms.ImageCmsProfile(io.BytesIO(ink_profile))
        expected = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    np.testing.assert_allclose(codec.decode(file.getvalue()).rgb.astype(int), np.asarray(expected, int), atol=4)


def test_a_profile_of_other_colours_is_not_put_on_rgb(ink_profile):
    written = codec.encode_noting(codec.decode(jpeg(RGB.astype(np.uint8), icc_profile=ink_profile)), "PNG")
    assert written.dropped == ("the colour profile, which describes other kinds of pixels",)
    with Image.open(io.BytesIO(written.content)) as image:
        assert "icc_profile" not in image.info


@pytest.mark.parametrize("depth", [8, 10, 12])
def test_avif_keeps_its_depth(depth):
    levels = np.linspace(0, 2**depth - 1, 64 * 64).astype(np.uint16).reshape(64, 64)
    samples = np.dstack([levels, levels.T, levels[::-1]])
    full = samples.astype(np.uint16) << (16 - depth) if depth > 8 else samples.astype(np.uint8)
    image = pyvips.Image.new_from_array(full).copy(interpretation="rgb16" if depth > 8 else "srgb")
    content = image.heifsave_buffer(compression="av1", lossless=True, bitdepth=depth)
    picture = codec.decode(content)
    assert picture.format == "AVIF"
    assert picture.rgb.dtype == (np.uint16 if depth > 8 else np.uint8)
    np.testing.assert_allclose(picture.rgb, samples / (2**depth - 1) * np.iinfo(picture.rgb.dtype).max, atol=16)
    assert picture.rgb.max() == np.iinfo(picture.rgb.dtype).max
    with Image.open(io.BytesIO(content)) as image:
        np.testing.assert_allclose(picture.rgb / np.iinfo(picture.rgb.dtype).max * 255, np.asarray(image), atol=1)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_avif_is_turned_once_and_keeps_its_metadata(orientation):
    tags = Image.Exif()
    tags[0x0112], tags[0x010F] = orientation, "Camera maker"
    samples, file = np.kron(RGB[:2, :3] >> 8, np.ones((16, 16, 1))).astype(np.uint8), io.BytesIO()
    Image.fromarray(samples).save(file, "AVIF", exif=tags.tobytes(), xmp=b"<x/>", icc_profile=SRGB, quality=100)
    with Image.open(file) as image:
        upright = np.asarray(ImageOps.exif_transpose(image), int)
    picture = codec.decode(file.getvalue())
    np.testing.assert_allclose(picture.rgb, upright, atol=2)
    with Image.open(io.BytesIO(codec.encode(picture, "PNG"))) as image:
        assert image.getexif()[0x010F] == "Camera maker"
        assert image.getexif().get(0x0112, 1) == 1
        assert image.info["xmp"] == b"<x/>"
        assert image.info["icc_profile"] == SRGB
