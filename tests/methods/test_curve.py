"""The baseline without a network: what its constants promise."""

import jax.numpy as jnp
import numpy as np
import pytest

from drujax.data.scenes import Lighting, paint
from drujax.enhance.enhancer import Enhancer
from drujax.enhance.listing import list_models
from drujax.enhance.loading import load_model, resolve
from drujax.errors import UsageError
from drujax.methods import registry
from drujax.methods.config import config_type
from drujax.methods.curve import Curve, box_mean
from drujax.pictures.color import luma


@pytest.fixture(scope="module")
def night():
    return paint(3, 1, (64, 96), Lighting("night", 0.5))


@pytest.fixture(scope="module")
def curve():
    return Enhancer("curve")


def test_a_night_becomes_as_light_as_the_target(curve, night):
    enhanced = curve(night, strength=1.0)
    assert luma(night).mean() < 70
    assert luma(enhanced).mean() == pytest.approx(0.42 * 255, abs=12)


def test_a_bright_picture_keeps_its_exposure(curve):
    day = paint(3, 1, (64, 96), Lighting("day", 1.0))
    assert np.abs(luma(curve(day, strength=1.0)).mean() - luma(day).mean()) < 3


def test_black_and_white_stay_and_the_gain_is_bounded(curve):
    black = np.zeros((16, 16, 3), np.uint8)
    np.testing.assert_array_equal(curve(black, strength=1.0), black)
    white = np.full((16, 16, 3), 255, np.uint8)
    np.testing.assert_allclose(curve(white, strength=1.0).astype(int), 255, atol=1)
    almost = np.full((16, 16, 3), 2, np.uint8)
    assert curve(almost, strength=1.0).max() <= 2 * 30 / np.log(31) + 1


def test_detail_grows_as_asked():
    """Stripes of one pixel, weaker than what counts as an edge: all of them is detail."""
    stripes = np.repeat(np.where(np.arange(64) % 2, 0.10, 0.11)[None, None, :, None], 32, 1).repeat(3, -1)
    stripes = jnp.asarray(stripes, jnp.float32)
    contrast = [
        np.ptp(np.log(np.asarray(Curve(detail=detail).apply({}, stripes))[0, 16, 20:40, 0])) for detail in (1.0, 1.2)
    ]
    assert contrast[1] == pytest.approx(1.2 * contrast[0], rel=0.03)


def test_box_mean_is_the_mean_of_the_window(night):
    x = jnp.asarray(luma(night[None]), jnp.float32)
    mean = np.asarray(box_mean(x, 2))
    np.testing.assert_allclose(mean[0, 10, 20], x[0, 8:13, 18:23].mean(), rtol=1e-5)
    np.testing.assert_allclose(mean[0, 0, 0], x[0, :3, :3].mean(), rtol=1e-5)


def test_it_is_a_model_without_weights():
    loaded = load_model("curve")
    assert loaded.variables == {}
    assert loaded.metadata["network"] == "curve"
    (row,) = [row for row in list_models() if row.name == "curve"]
    assert row.path is not None
    assert row.size is None
    with pytest.raises(UsageError, match="model: curve has no weights"):
        resolve("curve")
    with pytest.raises(UsageError, match="method: curve has nothing to train; choose one of enlightengan, "):
        config_type("curve")
    assert registry.find_network("curve").options == {
        name: field.default for name, field in Curve.__dataclass_fields__.items() if name not in ("parent", "name")
    }
