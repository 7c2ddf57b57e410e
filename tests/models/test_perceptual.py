import jax
import jax.numpy as jnp
import numpy as np
import pytest

from drujax.models.perceptual import VGG16Features
from tests.support.official import nhwc, seeded_networks, to_variables


@pytest.mark.parametrize("picture", ["fake", "input"])
def test_equals_the_official_relu5_1(shared, goldens, picture):
    arrays = goldens("enlightengan/train_step")
    vgg16 = seeded_networks(shared)["VGG"]
    used = {name: value for name, value in vgg16.items() if not name.startswith(("conv5_2", "conv5_3"))}
    y, x = arrays["crop_offsets_h_w"][0]
    image = nhwc(arrays["ac1_f32/fake_B" if picture == "fake" else "A"])[:, y : y + 32, x : x + 32]
    features = jax.jit(VGG16Features().apply)({"params": to_variables(used)["params"]}, jnp.asarray(image))
    expected = nhwc(arrays[f"ac1_f32/vgg_relu5_1_{picture}_patch0"])
    assert features.shape == (2, 4, 4, 512)
    np.testing.assert_allclose(features, expected, rtol=0, atol=1e-5 * expected.max())


def test_has_no_more_layers_than_relu5_1_needs():
    image = jax.ShapeDtypeStruct((1, 64, 40, 3), jnp.float32)
    features, variables = jax.eval_shape(VGG16Features(width=4).init_with_output, jax.random.key(0), image)
    assert features.shape == (1, 8, 5, 32)
    assert len(variables["params"]) == 11
