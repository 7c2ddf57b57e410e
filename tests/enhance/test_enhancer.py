"""Enhancer: any size and bit depth."""

import copy
import pickle
import subprocess
import sys
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import drujax
from drujax.data.qab import quartile_means
from drujax.enhance.application import apply
from drujax.enhance.composition import Gains, gains
from drujax.enhance.enhancer import Enhancer
from drujax.enhance.strength import check_strength
from drujax.enhance.working_scale import at_working_scale
from drujax.errors import UsageError
from drujax.models.generator import Generator, attention_map
from drujax.pictures import vips
from drujax.pictures.color import luma, to_float
from drujax.pictures.picture import Picture
from drujax.weights import safetensors_io
from tests.support.tiny_model import save_tiny_model

RANDOM = np.random.default_rng(1)


@pytest.fixture(scope="module")
def enhancer(model):
    return Enhancer(model)


def directly(model, rgb: np.ndarray) -> np.ndarray:
    """The unpadded picture through the module itself."""
    variables, metadata = safetensors_io.load_weights(model)

    @jax.jit
    def generate(x):
        return Generator(**metadata["options"]).apply(variables, x, attention_map(x), train=False)[0]

    x = rgb if rgb.dtype == np.float32 else to_float(rgb)
    return np.clip((np.asarray(generate(x[None] * 2 - 1)[0]) + 1) / 2, 0, 1)


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (16, 16), (15, 3)])
def test_images_of_any_size_are_brightened(enhancer, size):
    rgb = RANDOM.integers(0, 120, (*size, 3), dtype=np.uint8)
    result = enhancer(rgb, strength=1.0)
    assert result.dtype == np.uint8
    assert result.shape == rgb.shape
    assert result.mean() > rgb.mean() + 5


def test_the_result_equals_the_generator_and_is_rounded(model, enhancer):
    rgb = RANDOM.integers(0, 256, (11, 14, 3), dtype=np.uint8)
    result = Enhancer(model, margin=0, guided=False)(rgb, strength=1.0)
    assert np.abs(result - directly(model, rgb) * 255).max() <= 0.5 + 1e-3
    surrounded = np.pad(rgb, ((18, 19), (17, 17), (0, 0)), mode="reflect")  # 16 and what lacks to 48 x 48
    expected = directly(model, surrounded)[18:29, 17:31] * 255
    assert np.abs(Enhancer(model, guided=False)(rgb, strength=1.0) - expected).max() <= 0.5 + 1e-3


def test_by_default_the_gains_of_the_working_scale_are_applied(model, enhancer):
    rgb = RANDOM.integers(0, 256, (11, 14, 3), dtype=np.uint8)
    small = at_working_scale(vips.of_array(rgb))
    surrounded = np.pad(small, ((16, 16), (16, 16), (0, 0)), mode="reflect")
    enhanced = directly(model, surrounded)[16:-16, 16:-16]
    found = gains(jnp.asarray(small[None]), jnp.asarray(enhanced[None]))
    expected = vips.pixels(apply(vips.of_array(rgb), Gains(*(np.asarray(x[0]) for x in found)), 1.0))
    assert np.abs(enhancer(rgb, strength=1.0).astype(int) - expected).max() <= 1


def test_rounding_down(model, enhancer):
    """At most one level below rounding to nearest; floating-point images are unchanged."""
    rgb = RANDOM.integers(0, 120, (12, 9, 3), dtype=np.uint8)
    rgb[:6] = 255  # white stays white
    down = Enhancer(model, rounding="floor")
    nearest, floor = enhancer(rgb, strength=1.0).astype(int), down(rgb, strength=1.0).astype(int)
    assert set(np.unique(nearest - floor)) == {0, 1}
    values = down(to_float(rgb), strength=1.0)
    assert np.abs(np.floor(values * 255) - floor).max() == 0
    np.testing.assert_array_equal(values, enhancer(to_float(rgb), strength=1.0))


def test_results_have_the_dtype_of_the_input_and_agree(enhancer):
    rgb = RANDOM.integers(0, 200, (9, 12, 3), dtype=np.uint8)
    results = {
        "uint8": enhancer(rgb) / 255,
        "uint16": enhancer(rgb.astype(np.uint16) * 257) / 65535,
        "float32": enhancer(to_float(rgb)),
        "float64": enhancer(rgb / 255),
        "float16": enhancer((rgb / 255).astype(np.float16)),
        "jax": enhancer(jnp.asarray(to_float(rgb))),
    }
    for name, result in results.items():
        tolerance = {"uint8": 0.51 / 255, "float16": 2e-3}.get(name, 2e-5)
        np.testing.assert_allclose(result, results["float64"], atol=tolerance, err_msg=name)
    assert enhancer(rgb.astype(np.uint16)).dtype == np.uint16
    assert enhancer((rgb / 255).astype(np.float16)).dtype == np.float16
    assert results["float64"].dtype == np.float64


@pytest.mark.parametrize("dtype", [">f2", ">f4", ">f8", np.longdouble, "bfloat16"])
def test_floats_of_any_byte_order_and_width(enhancer, dtype):
    values = (RANDOM.integers(0, 200, (9, 12, 3), dtype=np.uint8) / 255).astype(dtype)
    result = enhancer(values)
    assert result.dtype == values.dtype
    expected = enhancer(values.astype(np.float32))
    assert expected.mean() > values.astype(np.float32).mean() + 0.02
    tolerance = {">f2": 1e-3, "bfloat16": 4e-3}.get(dtype, 1e-6)
    np.testing.assert_allclose(result.astype(np.float64), expected, atol=tolerance)
    unchanged = enhancer(values, strength=0.0)
    assert unchanged.dtype == values.dtype
    assert np.array_equal(unchanged, values)


def test_integers_of_the_other_byte_order(enhancer):
    rgb = RANDOM.integers(0, 50_000, (9, 12, 3), dtype=np.uint16)
    result = enhancer(rgb.astype(">u2"))
    assert result.dtype == ">u2"
    assert np.array_equal(result, enhancer(rgb))


def test_any_memory_layout(enhancer):
    rgb = RANDOM.integers(0, 200, (9, 12, 3), dtype=np.uint8)
    expected = enhancer(rgb)
    backwards, columns, spread = rgb[::-1, :, ::-1].copy(), np.asfortranarray(rgb), np.zeros((18, 12, 6), np.uint8)
    spread[::2, :, ::2] = rgb
    fixed = rgb.copy()
    fixed.flags.writeable = False
    for same in (backwards[::-1, :, ::-1], columns, spread[::2, :, ::2], fixed, jnp.asarray(rgb)):
        result = enhancer(same)
        assert np.array_equal(result, expected)
        result[:] = 0  # the caller's own
    assert np.array_equal(enhancer((rgb / 255).tolist()), enhancer(rgb / 255))


def test_it_can_be_copied_and_pickled(model):
    enhancer = Enhancer(model, margin=3, guided=False, rounding="floor")
    rgb = RANDOM.integers(0, 200, (9, 12, 3), dtype=np.uint8)
    expected = enhancer(rgb)
    for same in (copy.copy(enhancer), copy.deepcopy(enhancer), pickle.loads(pickle.dumps(enhancer))):
        assert np.array_equal(same(rgb), expected)
        assert same.metadata == enhancer.metadata


def test_it_works_in_another_process(model, tmp_path):
    """Without the model's file, as on another machine."""
    rgb = RANDOM.integers(0, 200, (9, 12, 3), dtype=np.uint8)
    path = tmp_path / "model.safetensors"
    path.write_bytes(model.read_bytes())
    enhancer = Enhancer(path)
    path.unlink()
    (tmp_path / "pickle").write_bytes(pickle.dumps((enhancer, rgb, enhancer(rgb))))
    code = (
        "import pickle, sys, numpy; enhancer, rgb, expected = pickle.load(open(sys.argv[1], 'rb'))\n"
        "assert numpy.array_equal(enhancer(rgb), expected)"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "pickle"], check=True)


@pytest.mark.parametrize("half", [0.5, np.float32(0.5), np.array(0.5), jnp.array(0.5), Fraction(1, 2)])
def test_strength_may_be_any_kind_of_number(half):
    assert check_strength(half) == 0.5
    assert check_strength(1) == 1.0
    assert check_strength(np.str_("auto")) == "auto"


@pytest.mark.parametrize(
    ("strength", "shown"),
    [
        ("0.5", "'0.5'"),
        ("Auto", "'Auto'"),
        (None, "None"),
        (float("nan"), "nan"),
        (True, "True"),
        (np.array([True])[0], "True"),
        (-0.1, "-0.1"),
        (1.6, "1.6"),
        (10**400, r"1000\d+\.\.\.0+"),
        (1j, "1j"),
        ([0.5], r"\[0.5\]"),
        (np.array([0.5, 0.5]), r"array\(\[0.5, 0.5\]\)"),
    ],
)
def test_an_invalid_strength_is_reported(strength, shown):
    with pytest.raises(UsageError, match=rf"^strength: must be a number in 0\.\.1\.5 or 'auto', got {shown}$"):
        check_strength(strength)


def test_a_batch_equals_its_pictures(enhancer):
    batch = RANDOM.integers(0, 256, (3, 10, 7, 3), dtype=np.uint8)
    together = enhancer(batch)
    assert together.shape == batch.shape
    for one, result in zip(batch, together, strict=True):
        assert np.abs(enhancer(one).astype(int) - result).max() <= 1


def test_strength_interpolates_between_input_and_result(model, enhancer):
    rgb = RANDOM.integers(0, 65536, (8, 8, 3), dtype=np.uint16)
    assert np.array_equal(enhancer(rgb, strength=0.0), rgb)
    plain, dark = Enhancer(model, guided=False), to_float(rgb)
    full, half = (plain(dark, strength=strength) for strength in (1.0, 0.5))
    assert (full == 1).any()
    np.testing.assert_allclose(half, 0.5 * full + 0.5 * dark, atol=1e-6)  # also where the network's output is clipped
    with pytest.raises(UsageError, match=r"^strength: must be a number in 0..1.5 or 'auto', got 1.6$"):
        enhancer(rgb, strength=1.6)


def test_by_default_dark_pictures_become_bright_at_most_and_bright_ones_stay(enhancer):
    levels = (30, 135, 200)
    dark, between, bright = (RANDOM.integers(level - 5, level + 5, (8, 8, 3), dtype=np.uint8) for level in levels)
    dark[4:, 4:] = 220  # eq. 1: one dark quartile makes a dark picture
    batch = np.stack([dark, between, bright])
    whole, by_light = enhancer(batch, strength=1.0).astype(int), enhancer(batch).astype(int)
    assert np.array_equal(by_light[0], whole[0])
    assert np.array_equal(by_light[2], bright)
    assert between.mean() < by_light[1].mean() < whole[1].mean()
    assert 147 < quartile_means(by_light[1]).min() < 151
    np.testing.assert_allclose(enhancer(to_float(batch)) * 255, by_light, atol=0.51)  # floats are measured alike
    picture = Picture(bright)
    assert enhancer.picture(picture) is picture


def test_one_program_serves_all_sizes_and_dtypes_of_one_shape(model):
    enhancer = Enhancer(model, runtime="jax")
    for size in ((16, 16), (30, 29), (300, 310)):
        rgb = RANDOM.integers(0, 100, (*size, 3), dtype=np.uint8)
        assert np.array_equal(enhancer(rgb), enhancer(rgb))
        enhancer(to_float(rgb))
    assert enhancer._engine._gains._cache_size() == 1


def test_the_picture_under_transparency_does_not_matter(enhancer):
    rgb = RANDOM.integers(0, 60, (40, 50, 3), dtype=np.uint8)
    alpha = np.zeros((40, 50), np.uint8)
    alpha[10:30, 10:40] = 255
    results = []
    for below in (0, 255):
        sprite = rgb.copy()
        sprite[alpha == 0] = below
        results.append(enhancer.picture(Picture(sprite, alpha)).rgb[10:30, 10:40].astype(int))
    assert np.abs(results[0] - results[1]).max() <= 1
    assert results[0].mean() > 1.2 * rgb.mean()


def test_letterbox_bars_do_not_matter(enhancer):
    scene = np.repeat(np.repeat(RANDOM.integers(20, 80, (6, 10, 3), dtype=np.uint8), 30, 0), 32, 1)
    letterboxed = np.pad(scene, ((30, 30), (0, 0), (0, 0)))
    result = enhancer(letterboxed)
    assert not result[:30].any()
    assert result[30:-30].mean() == pytest.approx(enhancer(scene).mean(), rel=0.1)
    bright = np.pad(np.full((180, 320, 3), 200, np.uint8), ((30, 30), (0, 0), (0, 0)))
    assert np.array_equal(enhancer(bright), bright)


def test_almost_equal_pictures_get_almost_equal_results(enhancer):
    """A grey one, which stays grey, and one with a single pixel of colour."""
    grey = np.repeat(RANDOM.integers(10, 70, (30, 40, 1), dtype=np.uint8), 3, -1)
    almost = grey.copy()
    almost[5, 5] += np.array([0, 1, 0], np.uint8)
    results = [enhancer.picture(Picture(rgb)).rgb.astype(int) for rgb in (grey, almost)]
    assert np.ptp(results[0], axis=-1).max() == 0
    assert np.abs(results[0] - results[1]).max() <= 2


def test_nothing_visible_is_left_as_it_is(enhancer):
    black = np.zeros((20, 30, 3), np.uint8)
    assert not enhancer(black).any()
    picture = Picture(RANDOM.integers(0, 60, (20, 30, 3), dtype=np.uint8), np.zeros((20, 30), np.uint8))
    assert enhancer.picture(picture) is picture


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 4), np.uint8), r"image: shape must be .*, got \(4, 4\)"),
        (np.full((4, 4, 3), 200.0), r"image: floating values must be in 0..1, got 200..200"),
    ],
)
def test_images_are_checked(enhancer, image, message):
    """tests/pictures/test_arrays.py has all cases."""
    with pytest.raises(UsageError, match=message):
        enhancer(image)


def test_a_negative_margin_is_refused(model):
    with pytest.raises(UsageError, match=r"margin: must be an integer >= 0, got -1"):
        Enhancer(model, margin=-1)


def test_nan_and_infinity_are_never_returned(tmp_path, model):
    variables, metadata = safetensors_io.load_weights(model)
    variables["params"]["conv10"]["bias"][1] = np.nan
    safetensors_io.save_weights(tmp_path / "broken.safetensors", variables, metadata)
    message = r"the model's output contains NaN or infinity; its weights file may be corrupted"
    for guided in (True, False):
        broken = Enhancer(tmp_path / "broken.safetensors", guided=guided)
        with pytest.raises(UsageError, match=message):
            broken(np.full((4, 4, 3), 20, np.uint8))


@pytest.mark.parametrize(
    "error",
    [
        jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 123 bytes.\nmore\nlines"),
        jax.errors.JaxRuntimeError("INTERNAL: Failed to allocate 99 bytes: Out of memory"),
        MemoryError("Unable to allocate 9 GiB for an array"),
    ],
    ids=["exhausted", "internal", "python"],
)
@pytest.mark.parametrize("guided", [True, False])
def test_running_out_of_memory_is_one_line(model, monkeypatch, error, guided):
    def allocate(*_):
        raise error

    enhancer = Enhancer(model, runtime="jax", guided=guided)
    monkeypatch.setattr(enhancer._engine, "_program", lambda *_: allocate)
    monkeypatch.setattr(enhancer._engine, "_gains", allocate)
    with pytest.raises(
        UsageError,
        match=r"^out of memory while enhancing 30x20 pixels; try a smaller picture, a smaller model "
        r"\(--model=sci-medium\)$",
    ):
        enhancer(np.full((20, 30, 3), 20, np.uint8))


def test_other_runtime_errors_are_not_reported_as_out_of_memory(model, monkeypatch):
    def fail(*_):
        raise jax.errors.JaxRuntimeError("INTERNAL: something else")

    enhancer = Enhancer(model, runtime="jax")
    monkeypatch.setattr(enhancer._engine, "_gains", fail)
    with pytest.raises(jax.errors.JaxRuntimeError, match="something else"):
        enhancer(np.full((20, 30, 3), 20, np.uint8))


def test_a_picture_that_cannot_fit_and_has_no_tiles_is_refused_before_the_network_runs(model, monkeypatch):
    enhancer, dark = Enhancer(model, runtime="jax", guided=False), np.zeros((20, 30, 3), np.uint8)
    enhancer._engine.tiling = None
    enhancer(dark)
    ((shape, program),) = enhancer._engine._programs.items()
    analysis = program.memory_analysis()
    needed = 4 * int(np.prod(shape)) + analysis.output_size_in_bytes + analysis.temp_size_in_bytes
    monkeypatch.setattr("drujax.enhance.jax_engine.free_memory", lambda _: needed)
    enhancer(dark)
    monkeypatch.setattr("drujax.enhance.jax_engine.free_memory", lambda _: None)  # the system does not say
    enhancer(dark)
    monkeypatch.setattr("drujax.enhance.jax_engine.free_memory", lambda _: needed - 1)
    with pytest.raises(
        UsageError,
        match=r"^enhancing 30x20 pixels needs 0.\d GB of memory and 0.\d GB are free; enlightengan computes the whole "
        r"picture at once; try a smaller",
    ):
        enhancer(dark)


@pytest.mark.parametrize("runtime", ["jax", "onnxruntime"])
def test_a_margin_that_cannot_fit_is_refused_before_compiling(model, runtime):
    message = r"^enhancing 30x20 pixels with a margin of 1000000000 needs \d+.0 GB of memory"
    enhancer = Enhancer(model, margin=10**9, guided=False, runtime=runtime)
    enhancer._engine.tiling = None
    with pytest.raises(UsageError, match=message):
        enhancer(np.zeros((20, 30, 3), np.uint8))


def test_a_margin_that_cannot_fit_is_no_matter_in_tiles(model):
    dark = np.random.default_rng(8).integers(0, 60, (20, 30, 3), dtype=np.uint8)
    wide, enough = (Enhancer(model, margin=margin, guided=False)(dark, 1.0) for margin in (16 * 10**7, 160))
    assert np.abs(wide.astype(int) - enough).max() <= 1


def test_a_large_margin_is_limited_at_working_scale(model):
    dark = np.full((20, 30, 3), 20, np.uint8)
    assert Enhancer(model, margin=10**9)(dark).mean() > 25


def test_everything_except_the_colours_of_a_picture_is_kept(enhancer):
    rgb, alpha = RANDOM.integers(0, 256, (6, 5, 3), dtype=np.uint8), np.full((6, 5), 255, np.uint8)
    picture = Picture(rgb, alpha, icc_profile=b"profile", exif=b"exif", dpi=(72.0, 72.0), chunks=((b"tEXt", b"a\0b"),))
    result = enhancer.picture(picture, strength=0.7)
    assert np.array_equal(result.rgb, enhancer(rgb, strength=0.7))
    assert result.alpha is alpha
    assert (result.icc_profile, result.exif, result.dpi) == (b"profile", b"exif", (72.0, 72.0))
    assert result.chunks == picture.chunks


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_grey_picture_stays_grey(model, dtype):
    enhancer = Enhancer(model, guided=False)
    grey = np.repeat(RANDOM.integers(0, np.iinfo(dtype).max // 4, (6, 5, 1), dtype=dtype), 3, axis=-1)
    coloured = enhancer(grey)
    assert (coloured[..., 0] != coloured[..., 2]).any()
    result = enhancer.picture(Picture(grey, grey=True)).rgb
    assert result.dtype == dtype
    assert np.array_equal(result, np.rint(luma(coloured))[..., None].repeat(3, -1))


def test_wide_pictures_of_a_network_that_halves_them_are_not_padded_first(tmp_path, monkeypatch):
    monkeypatch.setattr("drujax.models.generator.WIDE", 20)
    path = save_tiny_model(tmp_path, wide_pool=True)
    rgb = RANDOM.integers(0, 100, (6, 19, 3), dtype=np.uint8)  # padded to 32 it would be wide
    assert np.abs(Enhancer(path, guided=False)(rgb, strength=1.0) - directly(path, rgb) * 255).max() <= 0.5 + 1e-3


def test_the_package_exports_it_without_importing_jax():
    assert drujax.Enhancer is Enhancer
    with pytest.raises(AttributeError, match=r"module 'drujax' has no attribute 'Enhancr'"):
        drujax.Enhancr  # noqa: B018
