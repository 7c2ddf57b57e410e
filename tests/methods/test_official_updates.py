"""Zero-DCE and PairLIE against the official codes, with weights by formula: networks, losses, three updates.

data/zero_dce_pairlie.npz was computed with torch 2.13.0 in float64, by the models and losses of Li-Chongyi/Zero-DCE at
e0f4adc5 and zhenqifu/PairLIE at 3fd5c158, and the optimisers of their training scripts. With their released weights in
float32, outputs for two pictures agree to 3e-7 (Zero-DCE) and 7e-7 (PairLIE).
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from drujax.losses import pairlie, zero_dce_pp
from drujax.methods.pairlie import PairLIE
from drujax.methods.zero_dce import ZeroDCE
from drujax.training.state import ModelState
from drujax.weights.torch_names import flatten, nest, swap_kernel_layout, to_torch, torch_name
from tests.support.official import float64, nhwc

EVERY = {"curves": 8}  # of rows and columns in the archive; 5 of other arrays
TOLERANCE = 1e-9  # of numbers of order 1, in float64


@pytest.fixture(scope="module")
def golden():
    with np.load(Path(__file__).parent / "data" / "zero_dce_pairlie.npz") as archive:
        return dict(archive)


@pytest.fixture(autouse=True)
def in_float64():
    with float64():
        yield


def images():
    """Two images b h w 3 of flat squares, drawn in PyTorch's layout."""
    squares = np.kron(np.random.RandomState(9).uniform(0, 0.4, (2, 3, 4, 6)), np.ones((8, 8)))
    return jnp.asarray(nhwc(squares, np.float64))


def formula_weights(network):
    """Normal noise, seeded by the position of a tensor's official name among the others."""
    shapes = flatten(jax.eval_shape(network.init, jax.random.key(0), images()))
    variables = {}
    for i, (path, leaf) in enumerate(sorted(shapes.items(), key=lambda item: torch_name(item[0]))):
        shape = np.moveaxis(np.empty(leaf.shape), (-1, -2), (0, 1)).shape if path.endswith("/kernel") else leaf.shape
        z = np.random.RandomState(1234 + i).standard_normal(shape)
        kernel = path.endswith("/kernel")
        variables[path] = swap_kernel_layout(1.4 * z / np.sqrt(np.prod(shape[1:]))) if kernel else 0.1 * z
    return nest(variables)


def assert_equal(ours, theirs, name):
    step = EVERY.get(name, 5)
    np.testing.assert_allclose(ours[:, ::step, ::step], nhwc(theirs, np.float64), rtol=0, atol=TOLERANCE, err_msg=name)


def test_networks(golden):
    network = ZeroDCE().network
    enhanced, curves = network.apply(formula_weights(network), images())
    assert_equal(enhanced, golden["zero_dce_enhanced"], "enhanced")
    assert_equal(curves, golden["zero_dce_curves"], "curves")
    network = PairLIE().network
    enhanced, parts = network.apply(formula_weights(network), images())
    assert_equal(enhanced, golden["pairlie_enhanced"], "enhanced")
    for name, part in parts._asdict().items():
        assert_equal(part, golden[f"pairlie_{name}"], name)


def loss_of_zero_dce(method, variables):
    x = images()
    enhanced, curves = method.network.apply(variables, x)
    return zero_dce_pp.total(x, enhanced, curves, smoothness_weight=method.smoothness_weight)


def loss_of_pairlie(method, variables):
    """The second exposure of the archive is 0.6 times the first."""
    x = images()
    (_, one), (_, other) = (method.network.apply(variables, each) for each in (x, 0.6 * x))
    return pairlie.total(x, one, other.reflectance)


@pytest.mark.parametrize(
    ("name", "method", "loss_of"),
    [("zero_dce", ZeroDCE(), loss_of_zero_dce), ("pairlie", PairLIE(), loss_of_pairlie)],
    ids=["zero_dce", "pairlie"],
)
def test_losses_and_updates(golden, name, method, loss_of):
    start = formula_weights(method.network)
    state, losses = ModelState.create(start, method.optimiser), []

    @jax.jit
    def step(state):
        def mean(params):
            total, terms = loss_of(method, {"params": params})
            return total.mean(), [term.mean() for term in terms.values()]

        (loss, terms), gradients = jax.value_and_grad(mean, has_aux=True)(state.params)
        return state.updated(gradients, method.optimiser), loss, terms

    for k in range(3):
        state, loss, terms = step(state)
        losses.append(loss)
        if k == 0:
            np.testing.assert_allclose(terms, golden[f"{name}_terms"], rtol=1e-8)
    np.testing.assert_allclose(losses, golden[f"{name}_losses"], rtol=1e-8)
    before, after = to_torch(start), to_torch({"params": state.params})
    updates = [(after[key] - before[key]).ravel() for key in sorted(before)]
    sampled = np.concatenate([update[:: max(1, update.size // 4)] for update in updates])
    assert np.abs(golden[f"{name}_updates"]).max() > 2.9e-4  # three steps of Adam at 1e-4
    np.testing.assert_allclose(sampled, golden[f"{name}_updates"], rtol=0, atol=1e-9)
