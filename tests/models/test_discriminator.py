import jax
import jax.numpy as jnp
import numpy as np
import pytest

from drujax.models.discriminator import PatchDiscriminator
from tests.support.official import nhwc, seeded_networks, to_variables

NETWORKS = {
    "DA_ndf64": (PatchDiscriminator(5, 64), 11_154_369),
    "DP_ndf64": (PatchDiscriminator(4, 64), 6_959_553),
    "DA_ndf16": (PatchDiscriminator(5, 16), 699_633),
    "DP_ndf16": (PatchDiscriminator(4, 16), 437_361),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_equals_the_official_scores(shared, goldens, name):
    network, parameters = NETWORKS[name]
    arrays = goldens("enlightengan/d_forward")
    variables = {"params": to_variables(seeded_networks(shared)[name])["params"]}
    assert sum(leaf.size for leaf in jax.tree.leaves(variables)) == parameters
    cases = ("in_96x80", "in_patch32") if name.endswith("64") else ("in_64", "in_patch32")
    for case in cases:
        scores = jax.jit(network.apply)(variables, jnp.asarray(nhwc(arrays[case])))
        np.testing.assert_allclose(scores, nhwc(arrays[f"{name}/{case}"]), rtol=1e-5, atol=1e-6)


def test_stored_weights_are_the_seeded_ones(shared, goldens):
    arrays, seeded = goldens("enlightengan/d_forward"), seeded_networks(shared)
    for name in ("DA_ndf16", "DP_ndf16"):
        for key, value in seeded[name].items():
            np.testing.assert_array_equal(value, arrays[f"{name}/state/module.{key}"])


@pytest.mark.parametrize(("strided_layers", "size"), [(5, 13), (4, 23)])
def test_score_map_of_a_training_crop(strided_layers, size):
    network = PatchDiscriminator(strided_layers)
    image = jax.ShapeDtypeStruct((2, 320, 320, 3), jnp.float32)
    scores, _ = jax.eval_shape(network.init_with_output, jax.random.key(0), image)
    assert scores.shape == (2, size, size, 1)


def test_bfloat16_computation_returns_float32(shared):
    variables = {"params": to_variables(seeded_networks(shared)["DP_ndf16"])["params"]}
    image = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3)), jnp.float32)
    expected = PatchDiscriminator(4, 16).apply(variables, image)
    scores = PatchDiscriminator(4, 16, jnp.dtype("bfloat16")).apply(variables, image)
    assert scores.dtype == jnp.float32
    assert 0 < np.abs(scores - expected).max() < 0.05 * np.abs(expected).max()
