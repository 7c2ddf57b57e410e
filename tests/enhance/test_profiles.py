"""What is seen of an enhanced picture does not depend on the colour profile that it is stored with."""

import numpy as np
import pytest
from PIL import Image

from drujax.data.scenes import pair
from drujax.enhance.enhancer import Enhancer
from drujax.enhance.files import enhance_files
from drujax.enhance.plan import Job
from drujax.pictures import streaming, vips
from drujax.pictures.color_profile import PRIMARIES, SRGB_CURVE
from drujax.pictures.io import read_picture, write_picture
from drujax.pictures.picture import Picture
from drujax.pictures.tone_curve import curve_of
from tests.support.icc import ADOBE_RGB, profile_of
from tests.support.textures import texture

SRGB = profile_of()
# Profiles, and the mean and 99th percentile of colour differences (CIE 1976) up to which the result is the same.
PROFILES = {
    "Display P3": (profile_of(PRIMARIES[12]), 1.5, 4.0),
    "Adobe RGB": (profile_of(ADOBE_RGB, (2.19921875,)), 1.5, 4.0),
    "gamma 1.8": (profile_of(PRIMARIES[12], (1.8,)), 1.5, 4.0),
    "linear": (profile_of(PRIMARIES[12], (1.0,)), 1.5, 4.0),
    "BT.2020": (profile_of(PRIMARIES[9], (2.4,)), 2.5, 7.0),
}


@pytest.fixture(scope="module")
def enhancer():
    return Enhancer()


def night() -> np.ndarray:
    """A dark picture of 16 bits, so that conversions do not round."""
    return pair(3, 5, (90, 160))[0].astype(np.uint16) * 257


def tagged(samples: np.ndarray, profile: bytes):
    image = vips.interpreted(vips.library().Image.new_from_array(samples))
    image.set_type(vips.library().GValue.blob_type, "icc-profile-data", profile)
    return image


def as_seen(samples: np.ndarray, profile: bytes) -> np.ndarray:
    """In CIE Lab."""
    return tagged(samples, profile).icc_import(embedded=True, intent="relative", pcs="lab").numpy()


def converted(samples: np.ndarray, profile: bytes, folder) -> np.ndarray:
    (folder / "other.icc").write_bytes(profile)
    image = tagged(samples, SRGB).icc_transform(str(folder / "other.icc"), embedded=True, intent="relative", depth=16)
    return np.ascontiguousarray(image.numpy())


@pytest.mark.parametrize("name", PROFILES)
def test_a_picture_with_another_profile_becomes_as_bright_and_keeps_its_profile(name, tmp_path, enhancer):
    profile, mean, most = PROFILES[name]
    wanted = as_seen(enhancer.picture(Picture(night(), icc_profile=SRGB)).rgb, SRGB)
    source = Picture(converted(night(), profile, tmp_path), icc_profile=profile)
    result = enhancer.picture(source)
    assert result.icc_profile == profile
    difference = np.sqrt(((as_seen(result.rgb, profile) - wanted) ** 2).sum(-1))
    change = np.sqrt(((as_seen(night(), SRGB) - wanted) ** 2).sum(-1))
    assert change.mean() > 10
    assert difference.mean() < mean
    assert np.percentile(difference, 99) < most


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("kind", ["colour", "alpha", "grey"])
def test_a_stream_with_another_profile_is_the_picture_held(tmp_path, enhancer, monkeypatch, suffix, dtype, kind):
    if kind == "alpha" and suffix == "tif":
        pytest.skip("TIFFs with alpha are not streamed")
    profile = profile_of(curve=(1.8,), grey=kind == "grey")
    rgb = (night() >> 8).astype(np.uint8) if dtype == np.uint8 else night()
    rgb = np.repeat(rgb[..., :1], 3, -1) if kind == "grey" else rgb
    alpha = np.full(rgb.shape[:2], np.iinfo(dtype).max, dtype) if kind == "alpha" else None
    path = tmp_path / f"a.{suffix}"
    write_picture(path, Picture(np.ascontiguousarray(rgb), alpha=alpha, grey=kind == "grey", icc_profile=profile))
    held = enhancer.picture(read_picture(path))
    monkeypatch.setattr(streaming, "STREAMED", 0)

    def enhance(stream):
        assert isinstance(stream, streaming.Stream)
        return enhancer.stream(stream)

    outcomes = list(enhance_files([Job(path, tmp_path / f"b.{suffix}")], enhance, streams=True))
    assert [outcome.status for outcome in outcomes] == ["enhanced"]
    result = read_picture(tmp_path / f"b.{suffix}")
    # Streams are resized in 16 bits, so their gains differ a little.
    largest = np.abs(result.rgb.astype(int) - held.rgb).max()
    assert largest <= (2 if dtype == np.uint8 else 400)
    assert result.icc_profile == profile


def test_profiles_with_srgbs_curve_change_nothing(enhancer):
    rgb = (night() >> 8).astype(np.uint8)
    plain = enhancer.picture(Picture(rgb)).rgb
    for profile in (SRGB, profile_of(PRIMARIES[12]), b"not a profile"):
        assert curve_of(Picture(rgb, icc_profile=profile), grey=False) is None
        np.testing.assert_array_equal(enhancer.picture(Picture(rgb, icc_profile=profile)).rgb, plain)


def test_a_gamma_that_png_declares_counts_as_a_profile(enhancer):
    rgb = (night() >> 8).astype(np.uint8)
    gamma = (b"gAMA", (100_000 * 10 // 18).to_bytes(4, "big"))
    with_chunk = enhancer.picture(Picture(rgb, chunks=(gamma,)))
    with_profile = enhancer.picture(Picture(rgb, icc_profile=profile_of(curve=(1.8,))))
    np.testing.assert_allclose(with_chunk.rgb.astype(int), with_profile.rgb, atol=1)  # 1.80002 and 1.8
    assert with_chunk.chunks == (gamma,)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("gamma", [1.0, 1.8, 2.2, 2.6])
def test_levels_come_back_through_a_curve(gamma, dtype):
    curve = curve_of(Picture(np.zeros((1, 1, 3), np.uint8), icc_profile=profile_of(curve=(gamma,))), grey=False)
    if curve is None:  # as good as sRGB's
        assert gamma == 2.2
        return
    levels = np.arange(np.iinfo(dtype).max + 1).astype(dtype)
    back = curve.decoded(curve.encoded(levels), dtype).astype(int)
    assert np.abs(back - levels)[len(levels) // 100 :].max() <= (0 if dtype == np.uint8 else 32)
    assert curve.encoded(levels)[[0, -1]].tolist() == [0, 65535]
    np.testing.assert_allclose(
        curve.encoded(levels)[len(levels) // 2] / 65535,
        _srgb((len(levels) // 2 / (len(levels) - 1)) ** gamma),
        atol=2e-3,
    )


def _srgb(linear: float) -> float:
    gamma, slope, offset, _, _ = SRGB_CURVE
    return (linear ** (1 / gamma) - offset) / slope


def test_colours_under_transparency_leave_no_fringe(tmp_path, enhancer):
    """Straight alpha: over any background, what is opaque and what is half so have one colour where the picture has."""
    scene = np.asarray(texture(6, (96, 128), 70))
    flat = scene.copy()
    flat[20:70, 20:100] = (40, 30, 60)
    alpha = np.zeros(flat.shape[:2], np.uint8)
    alpha[25:65, 25:95] = 255
    alpha[25:65, 60:95] = np.linspace(255, 0, 35).astype(np.uint8)
    flat[alpha == 0] = (255, 0, 255)  # a colour that shows if it is mixed in
    write_picture(tmp_path / "a.png", Picture(flat, alpha=alpha))
    result = enhancer.picture(read_picture(tmp_path / "a.png"))
    np.testing.assert_array_equal(result.alpha, alpha)
    inside = result.rgb[30:60, 30:90].astype(int)[alpha[30:60, 30:90] > 0]
    assert (inside.max(0) - inside.min(0)).max() < 30  # the gain varies smoothly
    assert (inside[:, 1] > 40).all()  # no magenta
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "RGBA"
