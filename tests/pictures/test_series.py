"""Animations and files of several pages: frames as a viewer shows them, times, repetition, and what is written."""

import dataclasses
import struct
import weakref
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageDraw

from drujax.errors import UsageError
from drujax.pictures import codec
from drujax.pictures.color_profile import PRIMARIES
from drujax.pictures.containers import png
from drujax.pictures.containers.apng import CONTROL
from drujax.pictures.io import read_picture, write_picture
from drujax.pictures.series import Series, open_series, write_series
from tests.support.icc import profile_of
from tests.support.picture_files import exif, png_chunks, tiff

SIZE = (40, 30)
DURATIONS = [50, 100, 20, 0, 70]
ANIMATED = ("gif", "webp", "png", "avif")
LOSSY = ("webp", "avif")  # unless the file that is read is lossless
PROFILE = profile_of(PRIMARIES[12])
EXIF = exif({0x0131: (2, b"program\0")})
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">a night</x:xmpmeta>'


def frames(*, transparent: bool = False, count: int = 5) -> list[Image.Image]:
    """A disc that moves over something that stands still."""
    made = []
    for number in range(count):
        image = Image.new("RGBA", SIZE, (0, 0, 0, 0) if transparent else (20, 30, 60, 255))
        draw = ImageDraw.Draw(image)
        draw.ellipse((number * 4, 5, number * 4 + 12, 20), fill=(60, 20 + number * 9, 30, 255))
        draw.rectangle((2, 22, 30, 28), fill=(30, 60, 40, 255))
        made.append(image if transparent else image.convert("RGB"))
    return made


def save(path: Path, images: list[Image.Image], **options) -> Path:
    options = {"duration": DURATIONS[: len(images)], "loop": 0} | options
    options |= {"lossless": True, "exact": True} if path.suffix == ".webp" else {}
    options = ({"quality": 100, "subsampling": "4:4:4"} if path.suffix == ".avif" else {}) | options
    images[0].save(path, save_all=True, append_images=images[1:], **options)
    return path


def shown(path: Path) -> list[np.ndarray]:
    """The frames as Pillow composes them, (h, w, 4), black where nothing is visible."""
    with Image.open(path) as image:
        found = []
        for number in range(image.n_frames):
            image.seek(number)
            samples = np.asarray(image.convert("RGBA")).copy()
            samples[samples[..., 3] == 0] = 0
            found.append(samples)
        return found


def read(series: Series) -> list[np.ndarray]:
    found = []
    for picture in series.pictures():
        alpha = np.full(picture.rgb.shape[:2], 255, np.uint8) if picture.alpha is None else picture.alpha
        samples = np.dstack([picture.rgb, alpha])
        samples[alpha == 0] = 0
        found.append(samples)
    return found


def kept(durations: tuple[Fraction, ...], suffix: str) -> tuple[Fraction, ...]:
    """The durations that a format holds: GIF in hundredths of a second, AVIF none of 0."""
    if suffix == "gif":
        return tuple(Fraction(round(100 * duration), 100) for duration in durations)
    return tuple(duration or Fraction(1, 1000) for duration in durations) if suffix == "avif" else durations


def negative(series: Series) -> Series:
    return dataclasses.replace(series, change=lambda _, picture: dataclasses.replace(picture, rgb=~picture.rgb))


# ----- reading


@pytest.mark.parametrize("suffix", ANIMATED)
@pytest.mark.parametrize("transparent", [False, True])
@pytest.mark.parametrize("disposal", [0, 1, 2])
def test_frames_are_those_that_a_viewer_shows(tmp_path, suffix, transparent, disposal):
    options = {"disposal": disposal} if suffix in ("gif", "png") else {}
    path = save(tmp_path / f"a.{suffix}", frames(transparent=transparent), **options)
    for mine, theirs in zip(read(open_series(path, path)), shown(path), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])  # Pillow writes no repetition of an AVIF
@pytest.mark.parametrize("loop", [0, 3])
def test_durations_and_repetition_are_read(tmp_path, suffix, loop):
    series = open_series(save(tmp_path / f"a.{suffix}", frames(), loop=loop), tmp_path / "b.png")
    assert series.animation.durations == tuple(Fraction(ms, 1000) for ms in DURATIONS)
    # GIF counts how often it is shown again, the others how often it is shown.
    assert series.animation.plays == (loop + 1 if suffix == "gif" and loop else loop)
    assert (series.kind, series.count, series.animation.size) == ("frames", 5, SIZE)


def test_a_gif_that_says_nothing_is_shown_once(tmp_path):
    images = frames()
    images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:], duration=50)
    assert open_series(tmp_path / "a.gif", tmp_path / "a.gif").animation.plays == 1


# ----- writing


@pytest.mark.parametrize("transparent", [False, True])
@pytest.mark.parametrize("target", ANIMATED)
@pytest.mark.parametrize("source", ANIMATED)
def test_an_animation_is_written_frame_by_frame_in_any_animated_format(tmp_path, source, target, transparent):
    path = save(tmp_path / f"a.{source}", frames(transparent=transparent), loop=2)
    target_path = tmp_path / f"b.{target}"
    series = open_series(path, target_path)
    dropped, changed = write_series(target_path, negative(series))
    assert (dropped, changed) == ((), True)
    for mine, theirs in zip(shown(path), shown(target_path), strict=True):
        visible = mine[..., 3] > 0
        np.testing.assert_array_equal(theirs[..., 3], mine[..., 3])
        error = np.abs(theirs[visible][:, :3].astype(int) - ~mine[visible][:, :3]).max()
        assert error <= (0 if target not in LOSSY or (source, target) == ("webp", "webp") else 40)
    again = open_series(target_path, target_path)
    assert again.animation == series.animation._replace(durations=kept(series.animation.durations, target))


def test_a_frame_that_repeats_keeps_its_time(tmp_path):
    images = frames(count=3)
    for target in ANIMATED:
        path = save(tmp_path / "a.png", [images[0], images[1]], duration=50)
        series = open_series(path, path)
        still = dataclasses.replace(series, change=lambda _, picture: dataclasses.replace(picture, rgb=picture.rgb * 0))
        write_series(tmp_path / f"b.{target}", still)
        assert open_series(tmp_path / f"b.{target}", path).animation.durations == (Fraction(1, 20),) * 2


def test_sixteen_bits_of_an_animated_png_survive(tmp_path):
    """Pillow writes no such file; a PNG of one frame is made one of two by its chunks."""
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 65536, (7, 9, 3), dtype=np.uint16) for _ in range(2)]
    one = [dict(png_chunks(codec.encode(codec.Picture(picture), "PNG"))) for picture in pictures]
    control = [CONTROL.pack(number, 9, 7, 0, 0, 1, 10, 0, 0) for number in (0, 1)]
    chunks = [
        (b"IHDR", one[0][b"IHDR"]),
        (b"acTL", struct.pack(">II", 2, 0)),
        (b"fcTL", control[0]),
        (b"IDAT", one[0][b"IDAT"]),
        (b"fcTL", control[1]),
        (b"fdAT", struct.pack(">I", 2) + one[1][b"IDAT"]),
        (b"IEND", b""),
    ]
    (tmp_path / "a.png").write_bytes(png.SIGNATURE + b"".join(map(png.packed, chunks)))
    series = open_series(tmp_path / "a.png", tmp_path / "b.png")
    write_series(tmp_path / "b.png", negative(series))
    again = [picture.rgb for picture in open_series(tmp_path / "b.png", tmp_path / "b.png").pictures()]
    for mine, theirs in zip(pictures, again, strict=True):
        np.testing.assert_array_equal(theirs, ~mine)
    assert write_series(tmp_path / "c.webp", negative(series))[0] == ("the lower half of its 16 bits a channel",)


@pytest.mark.parametrize("suffix", ["webp", "png", "avif"])
def test_metadata_of_an_animation_survive(tmp_path, suffix):
    more = {"icc_profile": PROFILE, "exif": EXIF} | ({} if suffix == "png" else {"xmp": XMP})
    path = save(tmp_path / f"a.{suffix}", frames(), **more)
    assert write_series(tmp_path / f"b.{suffix}", negative(open_series(path, path)))[0] == ()
    with Image.open(tmp_path / f"b.{suffix}") as image:
        assert image.info["icc_profile"] == PROFILE
        assert image.getexif()[0x0131] == "program"
        assert image.info.get("xmp") == more.get("xmp")


def test_comments_of_an_animated_gif_survive(tmp_path):
    path = save(tmp_path / "a.gif", frames(), comment=b"a night" * 50)
    assert write_series(tmp_path / "b.gif", negative(open_series(path, path)))[0] == ()
    with Image.open(tmp_path / "b.gif") as image:
        assert image.info["comment"] == b"a night" * 50


def test_what_an_animated_format_lacks_is_reported(tmp_path):
    path = save(tmp_path / "a.webp", frames(transparent=True), icc_profile=PROFILE, exif=EXIF)
    series = open_series(path, tmp_path / "b.gif")

    def faded(_, picture):
        noise = np.random.default_rng(0).integers(0, 256, picture.rgb.shape, dtype=np.uint8)
        return dataclasses.replace(picture, rgb=noise, alpha=picture.alpha // 2 + 90)

    dropped = write_series(tmp_path / "b.gif", dataclasses.replace(series, change=faded))[0]
    assert set(dropped) == {"EXIF", "colours beyond 256 a frame", "partial transparency"}


def test_the_still_picture_of_an_animated_png_is_reported(tmp_path):
    images = frames()
    images[0].save(tmp_path / "a.png", save_all=True, append_images=images[1:], default_image=True, duration=50)
    series = open_series(tmp_path / "a.png", tmp_path / "b.png")
    assert series.count == 4
    assert write_series(tmp_path / "b.png", series)[0] == ("the still picture for viewers without animation",)


@pytest.mark.parametrize(
    ("suffix", "target"), [("gif", "a.jpg"), ("png", "a.tif"), ("webp", "a.bmp"), ("avif", "a.jp2")]
)
def test_formats_without_animation_are_refused(tmp_path, suffix, target):
    path = save(tmp_path / f"a.{suffix}", frames())
    with pytest.raises(
        UsageError, match=r"^.*a\.\w+: is an animation, which \w+ cannot hold; choose .png, .webp, .avif or"
    ):
        open_series(path, tmp_path / target)


@pytest.mark.parametrize("suffix", ANIMATED)
def test_a_damaged_animation_is_one_clear_line(tmp_path, suffix):
    whole, random = save(tmp_path / f"a.{suffix}", frames()).read_bytes(), np.random.default_rng(1)
    path, lines = tmp_path / f"b.{suffix}", []
    for trial in range(40):
        content = bytearray(whole[: random.integers(60, len(whole))] if trial % 2 else whole)
        content[random.integers(20, len(content))] = random.integers(0, 256)
        path.write_bytes(content)
        try:
            write_series(tmp_path / f"c.{suffix}", open_series(path, path))
        except UsageError as error:
            lines.append(str(error))
    assert len(lines) > 5
    assert all(line.startswith(f"{path}: ") and "\n" not in line for line in lines)
    assert not list(tmp_path.glob(".drujax*"))


def test_an_animation_is_turned_upright(tmp_path):
    turned = exif({0x0112: (3, (6,)), 0x0131: (2, b"program\0")})
    path = save(tmp_path / "a.webp", frames(), exif=turned)
    for suffix in ANIMATED:
        target = tmp_path / f"b.{suffix}"
        write_series(target, negative(open_series(path, target)))
        for mine, theirs in zip(shown(path), shown(target), strict=True):
            assert theirs.shape == (SIZE[0], SIZE[1], 4)
            error = np.abs(theirs[..., :3].astype(int) - ~np.rot90(mine, -1)[..., :3]).max()
            assert error <= (40 if suffix == "avif" else 0)


def test_the_limit_on_pixels_is_of_one_frame(tmp_path, monkeypatch):
    paths = [save(tmp_path / f"a.{suffix}", frames()) for suffix in ANIMATED]
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", SIZE[0] * SIZE[1])
    for path in paths:
        assert len(read(open_series(path, path))) == 5
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", SIZE[0] * SIZE[1] - 1)
    for path in paths:
        with pytest.raises(UsageError, match="too large .1200 pixels; the limit is 1199"):
            read(open_series(path, path))


# ----- AVIF


def test_an_avif_of_another_encoder(tmp_path):
    """Ten bits, frames of a film's rate, and FFmpeg's number for endless repetition."""
    path, size, rate = tmp_path / "a.avif", (64, 64), Fraction(24000, 1001)
    with av.open(str(path), "w", format="avif") as file:
        stream = file.add_stream("libsvtav1", rate=rate, options={"preset": "10"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p10le"
        stream.codec_context.time_base = 1 / rate
        for number in range(3):
            frame = av.VideoFrame.from_ndarray(np.full((*size, 3), 20 + 30 * number, np.uint8), format="rgb24")
            frame.pts, frame.time_base = number, 1 / rate
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    with pytest.raises(UsageError, match=r"a.avif: has 3 frames of an animation"):
        read_picture(path)
    series = open_series(path, path)
    assert series.animation == (size, (1 / rate,) * 3, 0)
    assert [round(samples[..., :3].mean()) for samples in read(series)] == pytest.approx([20, 50, 80], abs=2)
    assert write_series(tmp_path / "b.avif", negative(series))[0] == ("the lowest 2 of its 10 bits a channel",)
    assert open_series(tmp_path / "b.avif", path).animation == series.animation  # to the unit, which Pillow has not


def test_an_avif_is_written_with_its_subsampling_and_grey_as_grey(tmp_path):
    path = save(tmp_path / "a.avif", [image.convert("L") for image in frames()], subsampling="4:0:0")
    write_series(tmp_path / "b.avif", negative(open_series(path, path)))
    with Image.open(tmp_path / "b.avif") as image:
        assert image.mode == "L"
    save(path, frames(), subsampling="4:2:0")
    write_series(tmp_path / "b.avif", negative(open_series(path, path)))
    assert next(open_series(tmp_path / "b.avif", path).pictures()).encoding["subsampling"] == "4:2:0"


def test_what_an_animated_avif_lacks_is_reported(tmp_path):
    path = save(tmp_path / "a.avif", frames())
    content = path.read_bytes()
    matrix = content.rindex(b"colrnclx") + 12
    path.write_bytes(content[:matrix] + bytes(2) + content[matrix + 2 :])  # of RGB, as in lossless files
    assert write_series(tmp_path / "b.avif", negative(open_series(path, path)))[0] == ("lossless coding",)


def test_hdr_colours_of_an_animation_are_not_written_as_avif(tmp_path):
    content = save(tmp_path / "a.png", frames()).read_bytes()
    after_header = 33
    hdr = png.packed((b"cICP", bytes([9, 16, 0, 1])))
    (tmp_path / "a.png").write_bytes(content[:after_header] + hdr + content[after_header:])
    with pytest.raises(UsageError, match=r"a.png: has HDR colours .PQ or HLG., which are not written as AVIF"):
        write_series(tmp_path / "b.avif", open_series(tmp_path / "a.png", tmp_path / "b.avif"))


def test_a_sequence_beside_a_still_avif_is_reported(tmp_path):
    path = save(tmp_path / "a.avif", frames())
    path.write_bytes(path.read_bytes().replace(b"ftypavis", b"ftypavif", 1))
    assert write_picture(tmp_path / "b.png", read_picture(path)) == ("the image sequence beside the still picture",)


def test_frames_of_an_avif_are_written_one_after_the_other(tmp_path):
    """Pillow takes a list of images, which would all be in memory."""
    path, alive = save(tmp_path / "a.png", frames()), weakref.WeakSet()

    def watched(_, picture):
        alive.add(changed := dataclasses.replace(picture, rgb=~picture.rgb))
        assert len(alive) <= 3  # the first, the one before and this one
        return changed

    write_series(tmp_path / "b.avif", dataclasses.replace(open_series(path, path), change=watched))
    assert open_series(tmp_path / "b.avif", path).count == 5


def test_a_frame_that_cannot_be_changed_is_reported_as_it_is(tmp_path):
    path = save(tmp_path / "a.png", frames())

    def refused(number, picture):
        if number == 3:
            raise UsageError("mask: of another shape")
        return picture

    series = dataclasses.replace(open_series(path, path), change=refused)
    with pytest.raises(UsageError, match=r"a.png: mask: of another shape$"):
        write_series(tmp_path / "b.avif", series)
    assert not (tmp_path / "b.avif").exists()


# ----- pages


def pages(path: Path) -> list[np.ndarray]:
    """Writes pages of different sizes, kinds and metadata; returns their samples."""
    random = np.random.default_rng(0)
    samples = [
        random.integers(0, 256, (12, 17, 3), dtype=np.uint8),
        random.integers(0, 65536, (9, 7, 3), dtype=np.uint16),
        random.integers(0, 256, (20, 8), dtype=np.uint8),
        random.integers(0, 256, (5, 6, 4), dtype=np.uint8),
    ]
    more = [{270: (2, f"page {number}\0".encode()), 34675: (7, PROFILE)} for number in range(len(samples))]
    more[3] |= {338: (3, (2,)), 262: (3, (2,))}
    del more[2][34675]
    path.write_bytes(tiff(*zip(samples, more, strict=True)))
    return samples


def test_pages_of_a_tiff_are_written_one_by_one_with_their_metadata(tmp_path):
    samples = pages(tmp_path / "a.tif")
    series = open_series(tmp_path / "a.tif", tmp_path / "b.tif")
    assert (series.kind, series.count, series.animation) == ("pages", 4, None)
    assert write_series(tmp_path / "b.tif", negative(series)) == ((), True)
    with Image.open(tmp_path / "b.tif") as image:
        assert image.n_frames == 4
        for number, own in enumerate(samples):
            image.seek(number)
            assert image.size == own.shape[1::-1]
            assert image.tag_v2[270] == f"page {number}"
            assert image.tag_v2.get(34675) == (None if number == 2 else PROFILE)
    again = list(open_series(tmp_path / "b.tif", tmp_path / "b.tif").pictures())
    for picture, own in zip(again, samples, strict=True):
        rgb = np.dstack([own] * 3) if own.ndim == 2 else own[..., :3]
        np.testing.assert_array_equal(picture.rgb, ~rgb)
        assert picture.grey == (own.ndim == 2)
        assert (picture.alpha is None) == (own.ndim == 2 or own.shape[2] == 3)


@pytest.mark.parametrize("big", [False, True])
def test_pages_are_what_other_programs_read(tmp_path, monkeypatch, big):
    from drujax.pictures.containers import tiff as container

    monkeypatch.setattr(container, "LARGE", 0 if big else 1 << 30)
    images = [Image.new("RGB", (30 + number, 20), (number, 50, 99)) for number in range(5)]
    images[0].save(tmp_path / "a.tif", save_all=True, append_images=images[1:], compression="tiff_lzw")
    write_series(tmp_path / "b.tif", negative(open_series(tmp_path / "a.tif", tmp_path / "b.tif")))
    assert (tmp_path / "b.tif").read_bytes()[2] == (43 if big else 42)
    with Image.open(tmp_path / "b.tif") as image:
        assert image.n_frames == 5
        for number in range(5):
            image.seek(number)
            assert image.size == (30 + number, 20)
            assert image.getpixel((3, 3)) == (255 - number, 205, 156)
            assert image.tag_v2[259] == 5  # LZW, as it was


def test_a_page_that_is_not_supported_is_named(tmp_path):
    samples = np.zeros((4, 5, 3), np.uint8)
    (tmp_path / "a.tif").write_bytes(tiff((samples, {}), (samples.astype(np.float32), {339: (3, (3, 3, 3))})))
    with pytest.raises(UsageError, match=r"a.tif: page 2: a TIFF of 32-bit floating-point samples"):
        open_series(tmp_path / "a.tif", tmp_path / "b.tif")
    pages(tmp_path / "c.tif")
    with pytest.raises(UsageError, match=r"c.tif: has 4 pages, which PNG cannot hold; choose .tif$"):
        open_series(tmp_path / "c.tif", tmp_path / "c.png")


@pytest.mark.parametrize("suffix", ANIMATED)
def test_a_still_picture_is_expected_elsewhere(tmp_path, suffix):
    path = save(tmp_path / f"a.{suffix}", frames())
    with pytest.raises(
        UsageError, match=rf"a.{suffix}: has 5 frames of an animation; only still pictures are taken here"
    ):
        read_picture(path)
