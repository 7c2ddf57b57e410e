"""BRISQUE, NIQE and PIQE: validation, invariances and monotonicity. Needs no reference data."""

import json
import re

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from drujax import metrics
from drujax.errors import UsageError
from drujax.metrics.kernels import bucketing, nss_params, tiles
from drujax.metrics.niqe import features as niqe_features
from drujax.metrics.registry import find
from tests.support import devices

NAMES = ("brisque", "niqe", "piqe")
H, W = 100, 200
OWN = {name: getattr(metrics, name) for name in NAMES}


def scene(seed: int, shape: tuple[int, int] = (H, W)) -> np.ndarray:
    """Smooth shapes with edges and a little texture, uint8."""
    random = np.random.default_rng(seed)
    soft = gaussian_filter(random.normal(0, 1, (*shape, 3)), (9, 9, 0))
    edges = gaussian_filter(random.normal(0, 1, (*shape, 1)), (4, 4, 0)) > 0.02
    x = 120 + 900 * soft + 40 * edges + random.normal(0, 3, (*shape, 3))
    return x.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("reference", ["pyiqa", "matlab"])
@pytest.mark.parametrize("name", NAMES)
def test_score_does_not_depend_on_dtype_and_rank(name, reference):
    rgb, function = scene(0), OWN[name]
    (expected,) = function(rgb, reference=reference)
    assert np.isfinite(expected)
    for same in (rgb[None], rgb / 255, (rgb / np.float32(255)).astype(np.float32), rgb.astype(np.uint16) * 257):
        assert function(same, reference=reference).tolist() == [expected]
    assert function(jax.numpy.asarray(rgb), reference=reference).tolist() == [expected]


@pytest.mark.parametrize("name", NAMES)
def test_score_does_not_depend_on_the_batch_and_its_order(name):
    batch = np.stack([scene(seed) for seed in range(5)])
    alone = [float(OWN[name](rgb)[0]) for rgb in batch]
    assert OWN[name](batch).tolist() == alone
    assert OWN[name](batch[::-1]).tolist() == alone[::-1]


@pytest.mark.multiprocess
@pytest.mark.slow
def test_score_does_not_depend_on_the_number_of_devices():
    batch = np.stack([scene(seed) for seed in range(5)])
    (captured,) = devices.finish(devices.start(3, __file__))
    assert json.loads(captured) == {"devices": 3, **{name: OWN[name](batch).tolist() for name in NAMES}}


@pytest.mark.parametrize("name", NAMES)
def test_score_does_not_depend_on_the_batch_size_of_an_accelerator(name, monkeypatch):
    batch = np.stack([scene(seed) for seed in range(3)])
    alone = OWN[name](batch)
    monkeypatch.setattr(bucketing, "images_per_call", lambda: 2)
    in_chunks = OWN[name](batch)
    np.testing.assert_allclose(in_chunks, alone, rtol=1e-6)  # another program: rounding may differ
    assert OWN[name](batch[1:]).tolist() == in_chunks[1:].tolist()  # but not by the other images of the batch


@pytest.mark.parametrize("name", NAMES)
def test_score_does_not_depend_on_the_bucket(name, monkeypatch):
    rgb = scene(1)
    expected = OWN[name](rgb)
    monkeypatch.setattr(bucketing, "bucket", lambda length, step, factor: (-(-length // step) + 1) * step)
    np.testing.assert_allclose(OWN[name](rgb), expected, rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_score_does_not_depend_on_the_tile_size(name, monkeypatch):
    """Covers edges, neighbours and blocks at the borders of tiles; (240, 330) has several of each."""
    rgb = scene(6, (240, 330))
    expected = [OWN[name](rgb, reference=reference)[0] for reference in ("pyiqa", "matlab")]
    bucketing._compiled.cache_clear()
    monkeypatch.setattr(tiles, "LEAST", (256, 384))
    whole = [OWN[name](rgb, reference=reference)[0] for reference in ("pyiqa", "matlab")]
    bucketing._compiled.cache_clear()
    np.testing.assert_allclose(expected, whole, rtol=1e-6)


def test_buckets_are_few_and_shared():
    heights = {bucketing.bucket(length, 64, 4) for length in range(1, 10_000)}
    assert sorted(heights) == [64, 256, 1024, 4096, 16384]
    assert [bucketing.bucket(length, 128, 2) for length in (1, 128, 129, 640, 1920)] == [128, 128, 256, 1024, 2048]
    sizes = {
        bucketing.pad_to_bucket(np.zeros((h, w), np.uint8), 0, "edge").array.shape
        for h in (200, 500)
        for w in (400, 500)
    }
    assert sizes == {(1, 256, 512), (1, 1024, 512)}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((1, 1, 3), np.uint8), r"each side must be >= \d+ pixels, got 1x1"),
        (np.zeros((12, 300, 3), np.uint8), r"each side must be >= \d+ pixels, got 300x12"),
        (np.zeros((H, W), np.uint8), r"shape must be \(h, w, 3\) or \(b, h, w, 3\), all >= 1, got \(100, 200\)"),
        (np.zeros((H, W, 1), np.uint8), r"shape must .* got \(100, 200, 1\)"),
        (np.zeros((H, W, 4), np.uint8), r"shape must .* got \(100, 200, 4\)"),
        (np.zeros((0, H, W, 3), np.uint8), r"shape must .* got \(0, 100, 200, 3\)"),
        ([], r"shape must .* got \(0,\)"),
        (np.full((H, W, 3), np.nan), "floating values must be in 0..1, got nan..nan"),
        (np.full((H, W, 3), 2.0), "floating values must be in 0..1, got 2..2"),
        (np.zeros((H, W, 3), np.int64), "dtype must be uint8, uint16, or floating in 0..1, got int64"),
    ],
    ids=lambda value: None if isinstance(value, str) else "x".join(map(str, np.shape(value))),
)
def test_invalid_images_are_refused_in_one_line(name, images, message):
    with pytest.raises(UsageError, match=f"{name}: {message}") as error:
        OWN[name](np.asarray(images))
    assert "\n" not in str(error.value)


def test_unknown_metric_and_a_single_block_are_refused():
    with pytest.raises(UsageError, match=r"metric: unknown value 'nique'. Did you mean niqe\?"):
        find("nique")
    with pytest.raises(UsageError, match=r"niqe: images must hold at least two blocks of 96x96 pixels"):
        metrics.niqe(scene(0)[:, :150])


@pytest.mark.parametrize("level", [0, 90])
def test_constant_image(level):
    flat = np.full((H, W, 3), level, np.uint8)
    assert metrics.piqe(flat) == 100
    assert np.isnan(metrics.niqe(flat))
    assert np.isnan(metrics.brisque(flat)) == (level == 0)  # others have contrast with the zero padding


def test_flat_regions_do_not_depend_on_their_level():
    """Cel shading and clipping give flat areas, where summation noise, which depends on the level, would decide.

    NIQE's coefficients depend only on differences of levels, so adding 40 levels everywhere keeps its features.
    """
    rgb = scene(2) // 48 * 48
    rgb[:, : W // 2] = rgb[:, : W // 2].clip(96, 144)
    rgb = np.minimum(rgb, 192)
    darker, brighter = (niqe_features(picture, reference="matlab") for picture in (rgb, rgb + 40))
    np.testing.assert_allclose(darker, brighter, rtol=1e-6)
    assert np.isfinite(darker).all()
    # IQA-PyTorch's window makes them slightly negative: shapes may change by at most one step of the grid.
    other = [niqe_features(picture) for picture in (rgb, rgb + 40)]
    np.testing.assert_allclose(*other, atol=1.1e-3)


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 1000))
def test_flips(seed):
    """An image rotated by 180 degrees has the same blocks and pairs of neighbours, in another order."""
    rgb = scene(seed, (96, 192))
    original, rotated = niqe_features(rgb)[0], niqe_features(rgb[::-1, ::-1])[0]
    np.testing.assert_allclose(original[::-1, :18], rotated[:, :18], rtol=1e-5, atol=1.1e-3)
    for name in ("brisque", "niqe"):
        np.testing.assert_allclose(OWN[name](rgb[::-1, ::-1]), OWN[name](rgb), rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("name", NAMES)
def test_noise_and_blur_worsen_the_score(name):
    clean = scene(3, (192, 192)).astype(float)
    random = np.random.default_rng(4)
    noisy = [clean + random.normal(0, sigma, clean.shape) for sigma in (12, 35, 80)]
    blurred = [gaussian_filter(clean, (sigma, sigma, 0)) for sigma in (2.0, 4.0, 8.0)]
    for series in (noisy, blurred):
        scores = [float(OWN[name](x.clip(0, 255).astype(np.uint8))[0]) for x in series]
        assert scores == sorted(scores), scores


def test_the_registry_agrees_with_the_functions():
    for name in NAMES:
        assert find(name).function is OWN[name]
        smallest = find(name).smallest
        with pytest.raises(UsageError, match=f"each side must be >= {smallest} pixels"):
            OWN[name](scene(0, (smallest - 1, 200)))
        assert np.isfinite(OWN[name](scene(0, (smallest, 200)))).all()


def test_parameters_are_the_released_ones(shared):
    ours, folder = nss_params.parameters(), shared / "weights/iqa"
    text = (folder / "brisque_live_allmodel.txt").read_text()
    header, _, vectors = text.partition("\nSV\n")
    rows = [line.split() for line in vectors.splitlines()]
    assert np.array_equal(ours["brisque_weights"], [float(row[0]) for row in rows])
    dense = np.zeros((len(rows), 36))
    for place, row in enumerate(rows):
        for index, value in (entry.split(":") for entry in row[1:]):
            dense[place, int(index) - 1] = float(value)
    assert np.array_equal(ours["brisque_vectors"], dense)
    assert (ours["brisque_rho"], ours["brisque_gamma"]) == tuple(
        float(re.search(rf"^{name} (.*)$", header, re.M)[1]) for name in ("rho", "gamma")
    )
    ranges = [line.split() for line in (folder / "brisque_live_allrange.txt").read_text().splitlines()[2:]]
    assert np.array_equal(ours["brisque_low"], [float(row[1]) for row in ranges])
    assert np.array_equal(ours["brisque_high"], [float(row[2]) for row in ranges])
    with np.load(folder / "niqe_pris_params_basicsr.npz") as theirs:
        assert np.array_equal(ours["niqe_mean"], theirs["mu_pris_param"].ravel())
        assert np.array_equal(ours["niqe_covariance"], theirs["cov_pris_param"])


if __name__ == "__main__":  # in a process with other devices
    pictures = np.stack([scene(seed) for seed in range(5)])
    print(json.dumps({"devices": jax.device_count(), **{name: OWN[name](pictures).tolist() for name in NAMES}}))
