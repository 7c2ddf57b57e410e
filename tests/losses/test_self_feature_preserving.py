import jax.numpy as jnp
import numpy as np
import pytest

from drujax.losses.self_feature_preserving import self_feature_preserving
from tests.support.official import nhwc


@pytest.mark.parametrize("corners", ["ac0", "ac1"])
def test_equals_the_official_term(goldens, corners):
    arrays = goldens("enlightengan/train_step")
    prefix = f"{corners}_f32/"
    fake, original = (jnp.asarray(nhwc(arrays[f"{prefix}vgg_relu5_1_{name}_patch0"])) for name in ("fake", "input"))
    names = list(arrays[f"{prefix}loss_names"])
    expected = arrays[f"{prefix}loss_values"][names.index("vgg_patch0")]
    np.testing.assert_allclose(self_feature_preserving(fake, original), expected, rtol=1e-5)


def test_is_invariant_to_gain_and_offset_of_a_feature():
    features = jnp.asarray(np.random.default_rng(0).normal(size=(2, 6, 6, 5)), jnp.float32)
    gain = jnp.asarray([1.0, 2.0, 0.5, 10.0, 3.0])
    assert self_feature_preserving(gain * features + 7, features) < 1e-8
    assert self_feature_preserving(-features, features) > 1


def test_images_are_normalised_independently():
    """Patches can therefore be stacked into one batch."""
    a, b = (jnp.asarray(np.random.default_rng(i).normal(size=(2, 3, 4, 4, 5)), jnp.float32) for i in (0, 1))
    each = [self_feature_preserving(a[i, j], b[i, j]) for i in range(2) for j in range(3)]
    np.testing.assert_allclose(self_feature_preserving(a, b), np.mean(each), rtol=1e-6)
