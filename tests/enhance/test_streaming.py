"""Large files are streamed: the result is that of the same picture held in memory."""

import contextlib
import dataclasses
import errno
import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from drujax.data.qab import quartile_means, quartile_means_of_image
from drujax.enhance.enhancer import Enhancer
from drujax.enhance.files import enhance_files
from drujax.enhance.plan import Job
from drujax.pictures import streaming, vips
from drujax.pictures.io import read_picture
from tests.support.peak_memory import growth_while_streaming
from tests.support.textures import texture
from tests.support.tiny_model import save_tiny_model

SIZE = (90, 130)


@pytest.fixture(scope="module")
def enhancer(tmp_path_factory):
    return Enhancer(save_tiny_model(tmp_path_factory.mktemp("model")))


@pytest.fixture
def all_streamed(monkeypatch):
    monkeypatch.setattr(streaming, "STREAMED", 0)


def dark() -> Image.Image:
    return texture(3, SIZE, 90)


def deep(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(np.uint16) * 257 + np.arange(SIZE[1], dtype=np.uint16)[:, None]


def save(path, kind):
    """Writes a dark picture of a kind; returns its path."""
    image, exif = dark(), Image.Exif()
    exif[0x010E], exif[0x0112] = "a night", 1
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    options = {
        "jpeg": {"quality": 90, "subsampling": 0, "exif": exif, "icc_profile": profile, "dpi": (72, 72)},
        "progressive": {"quality": 80, "subsampling": 2, "progressive": True, "comment": b"night"},
        "png": {"exif": exif, "icc_profile": profile, "dpi": (300, 300)},
        "tiff": {"compression": "tiff_lzw", "exif": exif, "icc_profile": profile},
        "uncompressed": {},
        "grey": {},
        "palette": {},
        "transparent": {},
    }
    suffix = {"jpeg": "jpg", "progressive": "jpg", "tiff": "tif", "uncompressed": "tif", "deep tiff": "tif"}
    path = path / f"{kind}.{suffix.get(kind, 'png')}"
    if kind in ("deep png", "deep tiff"):
        saver = "pngsave" if kind == "deep png" else "tiffsave"
        vips.interpreted(vips.of_array(deep(image))).__getattr__(saver)(str(path))
    elif kind == "transparent":
        image.putalpha(Image.linear_gradient("L").resize(SIZE[::-1]))
        image.save(path)
    else:
        image = {"grey": image.convert("L"), "palette": image.quantize(64)}.get(kind, image)
        image.save(path, **options[kind])
    return path


def enhanced(source, target, enhancer, strength="auto", *, streams, quality=None):
    """The outcome of one file, which is written to `target`."""
    job = Job(source, target)

    def enhance(picture):
        return (enhancer.stream if isinstance(picture, streaming.Stream) else enhancer.picture)(picture, strength)

    (outcome,) = enhance_files([job], enhance, streams=streams, quality=quality)
    return outcome


KINDS = [
    "jpeg",
    "progressive",
    "png",
    "tiff",
    "uncompressed",
    "grey",
    "palette",
    "transparent",
    "deep png",
    "deep tiff",
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_streamed_file_is_the_one_that_is_written_from_memory(tmp_path, enhancer, all_streamed, kind):
    source = save(tmp_path, kind)
    held, streamed = (tmp_path / f"{name}{source.suffix}" for name in ("held", "streamed"))
    assert streaming.open_stream(source, streamed) is not None
    first = enhanced(source, held, enhancer, streams=False)
    second = enhanced(source, streamed, enhancer, streams=True)
    assert first.status == second.status == "enhanced", second.error
    assert first.dropped == second.dropped
    one, other = read_picture(held), read_picture(streamed)
    # The gains are computed from 16 bits instead of floats, and interpolated in other strips; JPEG doubles that.
    assert np.abs(one.rgb.astype(int) - other.rgb).max() <= (3 if source.suffix == ".jpg" else 1)
    for field in dataclasses.fields(one):
        if field.name not in ("rgb", "alpha"):
            assert getattr(one, field.name) == getattr(other, field.name)
    assert (one.alpha is None) == (other.alpha is None) == (kind != "transparent")
    assert one.alpha is None or np.array_equal(one.alpha, other.alpha)
    assert np.abs(read_picture(streamed).rgb.astype(int) - read_picture(source).rgb).mean() > 1
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source.name, held.name, streamed.name])


def test_quality_and_strength_apply(tmp_path, enhancer, all_streamed):
    source = save(tmp_path, "jpeg")
    made = []
    for streams in (False, True):
        target = tmp_path / f"{streams}.jpg"
        assert enhanced(source, target, enhancer, 0.4, streams=streams, quality=60).status == "enhanced"
        made.append(target.stat().st_size)
    assert abs(made[0] - made[1]) < 20


@pytest.mark.parametrize(
    ("reason", "target", "save_options"),
    [
        ("another format", "a.png", {}),
        ("rotated", "a.jpg", {"exif": {0x0112: 6}}),
        ("4:2:2", "a.jpg", {"subsampling": 1}),
        ("no end marker", "a.jpg", {}),
    ],
)
def test_what_needs_a_conversion_is_held(tmp_path, all_streamed, reason, target, save_options):
    exif = Image.Exif()
    for tag, value in save_options.pop("exif", {}).items():
        exif[tag] = value
    file = io.BytesIO()
    dark().save(file, "JPEG", exif=exif, **save_options)
    content = file.getvalue()
    (tmp_path / "source.jpg").write_bytes(content[:-2] if reason == "no end marker" else content)
    assert streaming.open_stream(tmp_path / "source.jpg", tmp_path / target) is None
    assert read_picture(tmp_path / "source.jpg").rgb.size


def test_small_files_and_other_formats_are_held(tmp_path):
    assert streaming.open_stream(save(tmp_path, "png"), tmp_path / "a.png") is None
    dark().save(tmp_path / "a.webp")
    assert streaming.open_stream(tmp_path / "a.webp", tmp_path / "b.webp") is None


def test_a_bright_picture_is_copied(tmp_path, enhancer, all_streamed):
    source = tmp_path / "bright.tif"
    Image.new("RGB", SIZE[::-1], (220, 210, 200)).save(source)
    assert enhanced(source, tmp_path / "copy.tif", enhancer, streams=True).status == "unchanged"
    assert (tmp_path / "copy.tif").read_bytes() == source.read_bytes()


@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_damaged_pixels_are_reported_as_in_memory_and_leave_nothing(tmp_path, enhancer, all_streamed, kind):
    source = save(tmp_path, kind)
    content = source.read_bytes()
    # The end of a TIFF holds its directory.
    cut = content[: len(content) * 2 // 3] if kind == "png" else content[:600] + bytes(400) + content[1000:]
    source.write_bytes(cut)
    first, second = (enhanced(source, tmp_path / f"a{source.suffix}", enhancer, streams=s) for s in (False, True))
    assert first.status == second.status == "failed"
    assert second.error == first.error
    assert [path.name for path in tmp_path.iterdir()] == [source.name]


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is a device of Linux")
def test_a_full_disk_stops_the_run(tmp_path, enhancer, all_streamed, monkeypatch):
    source = save(tmp_path, "tiff")
    monkeypatch.setattr(streaming, "replacing", lambda target: contextlib.nullcontext(Path("/dev/full")))
    with pytest.raises(OSError, match="No space left on device") as raised:
        enhanced(source, tmp_path / "a.tif", enhancer, streams=True)
    assert raised.value.errno == errno.ENOSPC


def test_the_pixel_limit_applies(tmp_path, all_streamed, monkeypatch, enhancer):
    source = save(tmp_path, "png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    outcome = enhanced(source, tmp_path / "a.png", enhancer, streams=True)
    assert outcome.error == f"{source}: too large (11700 pixels; the limit is 100, raise it with --max-pixels)"


@pytest.mark.parametrize("size", [(2, 2), (37, 52), (90, 131)])
@pytest.mark.parametrize("top", [255, 65535])
def test_quartile_means_are_those_of_arrays(size, top):
    rgb = np.random.default_rng(1).integers(0, top + 1, (*size, 3)).astype(np.uint8 if top == 255 else np.uint16)
    np.testing.assert_allclose(quartile_means_of_image(vips.of_array(rgb)), quartile_means(rgb), rtol=1e-12)


@pytest.mark.skipif(sys.platform == "darwin", reason="the peak of memory is in other units")
def test_memory_does_not_grow_with_the_picture(tmp_path):
    """108 megabytes of pixels become as many in less memory than that."""
    setup = """
import jax
from drujax.enhance.enhancer import Enhancer
from drujax.runtime.malloc import return_freed_memory
from tests.support.tiny_model import save_tiny_model
return_freed_memory()
enhancer = Enhancer(save_tiny_model(folder))
"""
    assert growth_while_streaming(tmp_path, setup) < 100


@pytest.mark.parametrize("kind", ["png", "grey", "transparent", "deep tiff"])
def test_a_mask_and_an_exposure_of_a_stream(enhancer, tmp_path, kind, all_streamed):
    source = save(tmp_path, kind)
    mask = np.zeros(SIZE, np.float32)
    mask[:, 65:] = np.linspace(0, 1, 65)
    amount = {"exposure": 120.0, "mask": mask}
    held = enhancer.picture(read_picture(source), **amount).rgb
    stream = enhancer.stream(streaming.open_stream(source, source), **amount)
    target = tmp_path / f"out{source.suffix}"
    streaming.write_stream(target, stream)
    streamed, before = read_picture(target).rgb, read_picture(source).rgb
    np.testing.assert_array_equal(streamed[:, :64], before[:, :64])
    top = 257 if before.dtype == np.uint16 else 1
    np.testing.assert_allclose(streamed.astype(int), held.astype(int), atol=top)
    assert (streamed[:, 100:].mean() - before[:, 100:].mean()) > 5 * top
