"""Networks of the compared methods against official outputs (goldens/compared_methods)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from drujax.models.clip_lit import CLIPLIT
from drujax.models.pairlie import PairLIE
from drujax.models.ruas import RUAS, brightest_neighbour
from drujax.models.sci import SCI
from drujax.models.zero_dce import ZeroDCE
from drujax.models.zero_dce_pp import ZeroDCEpp
from drujax.weights.formats.readers import read_checkpoint
from drujax.weights.torch_names import from_torch
from tests.support import numpy_networks
from tests.support.official import nhwc

TOLERANCE = {"rtol": 0, "atol": 1e-5}
PICTURES = ("a", "b")


def shapes(module, **how):
    image = jax.ShapeDtypeStruct((1, 24, 24, 3), np.float32)
    return jax.eval_shape(lambda image: module.init(jax.random.key(0), image, **how), image)


def run(module, variables, image, **how):
    return jax.device_get(jax.jit(lambda v, x: module.apply(v, x, **how))(variables, jnp.asarray(image)))


@pytest.fixture
def load(goldens):
    return lambda name: goldens(f"compared_methods/{name}")


@pytest.mark.parametrize("ratio", [1, 12])
@pytest.mark.parametrize("picture", PICTURES)
def test_zero_dce_pp(load, picture, ratio):
    outputs = load("zero_dce_pp")
    module = ZeroDCEpp(ratio)
    variables = from_torch(load("weights_zero_dce_pp"), shapes(module))
    enhanced, curve = run(module, variables, nhwc(outputs[f"{picture}_s{ratio}_in"]))
    np.testing.assert_allclose(curve, nhwc(outputs[f"{picture}_s{ratio}_curve"]), **TOLERANCE)
    np.testing.assert_allclose(enhanced, nhwc(outputs[f"{picture}_s{ratio}_out"]), **TOLERANCE)


def test_zero_dce_pp_takes_any_size(load):
    """Rows and columns that the official test crops are enhanced too; the others change only slightly."""
    image = nhwc(load("inputs")["b"])  # 120 x 88
    module = ZeroDCEpp()
    variables = from_torch(load("weights_zero_dce_pp"), shapes(module))
    enhanced, _ = run(module, variables, image)
    assert enhanced.shape == image.shape
    official = nhwc(load("zero_dce_pp")["b_s12_out"])  # 120 x 84
    assert np.abs(enhanced[:, :, :84] - official).mean() < 0.02
    for size in ((1, 1), (5, 30)):
        assert run(module, variables, image[:, : size[0], : size[1]])[0].shape == (1, *size, 3)
    for size, kept in (((5, 30), (5, 24)), ((24, 35), (24, 24))):
        assert run(ZeroDCEpp(crop=True), variables, image[:, : size[0], : size[1]])[0].shape == (1, *kept, 3)


@pytest.mark.parametrize("picture", PICTURES)
def test_zero_dce(shared, load, picture):
    """Its released weights, against the network written in NumPy."""
    state = read_checkpoint(shared / "weights" / "llie" / "zero_dce_Epoch99.pth")
    image = nhwc(load("inputs")[picture])
    enhanced, curves = run(ZeroDCE(), from_torch(state, shapes(ZeroDCE())), image)
    assert curves.shape == (*image.shape[:3], 24)
    np.testing.assert_allclose(enhanced[0], numpy_networks.zero_dce(state, image[0]), **TOLERANCE)
    assert enhanced.mean() > 1.5 * image.mean()


@pytest.mark.parametrize("module", [ZeroDCE(features=2), PairLIE(features=2)], ids=["zero_dce", "pairlie"])
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (9, 2)])
def test_any_size(module, size):
    image = np.full((2, *size, 3), 0.2, np.float32)
    enhanced, _ = run(module, module.init(jax.random.key(0), jnp.asarray(image)), image)
    assert enhanced.shape == image.shape
    assert np.isfinite(enhanced).all()


def test_exponent_of_pairlie():
    """It is that of the illumination: 0 leaves the reflectance, 1 the product."""
    image = np.random.default_rng(0).uniform(0, 0.4, (1, 8, 8, 3)).astype(np.float32)
    variables = PairLIE(features=2).init(jax.random.key(0), jnp.asarray(image))
    for exponent in (0.0, 0.2, 1.0):
        enhanced, parts = run(PairLIE(exponent, 2), variables, image)
        np.testing.assert_allclose(enhanced, parts.illumination**exponent * parts.reflectance, rtol=1e-6)


def sci(load, level):
    """The module and its variables, including those only used by `stages`."""
    state = {name: value for name, value in load(f"weights_sci_{level}").items() if ".blocks." not in name}
    return SCI(), from_torch(state, shapes(SCI(), train=False, method="stages"))


@pytest.mark.parametrize("level", ["easy", "medium", "difficult"])
@pytest.mark.parametrize("picture", PICTURES)
def test_sci(load, level, picture):
    outputs = load("sci")
    enhanced, illumination = run(*sci(load, level), nhwc(load("inputs")[picture]))
    np.testing.assert_allclose(illumination, nhwc(outputs[f"{level}_{picture}_illu"]), **TOLERANCE)
    np.testing.assert_allclose(enhanced, nhwc(outputs[f"{level}_{picture}_out"]), **TOLERANCE)


def test_stages_of_sci(load):
    outputs = load("sci")
    stages = run(*sci(load, "medium"), nhwc(load("inputs")["a"]), train=False, method="stages")
    for number, stage in enumerate(stages):
        expected = {name: nhwc(outputs[f"medium_a_stage{number}_{name}"]) for name in ("illu", "in", "absatt")}
        np.testing.assert_allclose(stage.illumination, expected["illu"], **TOLERANCE)
        np.testing.assert_allclose(stage.input, expected["in"], **TOLERANCE)
        np.testing.assert_allclose(np.abs(stage.attention), expected["absatt"], **TOLERANCE)
    assert len(stages) == 3


def test_sci_inference_needs_only_the_enhancer(load):
    variables = shapes(SCI())
    assert list(variables["params"]) == ["enhance"]
    assert sum(np.prod(leaf.shape) for leaf in jax.tree.leaves(variables["params"])) == 258


@pytest.mark.parametrize("weights", ["upe", "lol", "dark"])
@pytest.mark.parametrize("picture", PICTURES)
def test_ruas(load, weights, picture):
    outputs = {
        name.removeprefix(f"{weights}_{picture}_"): nhwc(value)
        for name, value in load("ruas").items()
        if name.startswith(f"{weights}_{picture}_")
    }
    variables = from_torch(load(f"weights_ruas_{weights}"), shapes(RUAS()))
    denoised, steps = run(RUAS(), variables, nhwc(load("inputs")[picture]))
    np.testing.assert_allclose(denoised, outputs.pop("u3"), **TOLERANCE)
    for name, expected in outputs.items():
        step = steps[int(name[1])]
        np.testing.assert_allclose(step.illumination if name[0] == "t" else step.enhanced, expected, **TOLERANCE)


def test_brightest_neighbour(load):
    ours = brightest_neighbour(jnp.asarray(nhwc(load("inputs")["b"])))
    np.testing.assert_array_equal(ours, nhwc(load("ruas_losses")["b_max_operation"]))


@pytest.mark.parametrize(
    ("weights", "padding"), [("released", "reflect"), ("released", "zeros"), ("init", "zeros")], ids=str
)
@pytest.mark.parametrize("picture", PICTURES)
def test_clip_lit(load, weights, padding, picture):
    outputs = load("clip_lit")
    name = f"{weights}_{'reflect' if padding == 'reflect' else 'noreflect'}_{picture}"
    module = CLIPLIT(padding)
    variables = from_torch(load(f"weights_clip_lit_{weights}"), shapes(module))
    enhanced, light = run(module, variables, nhwc(load("inputs")[picture]))
    np.testing.assert_allclose(light, nhwc(outputs[f"{name}_lightmap"]), **TOLERANCE)
    np.testing.assert_allclose(enhanced, nhwc(outputs[f"{name}_out"]), **TOLERANCE)


def test_clip_lit_is_finite_for_zero_illumination(load):
    variables = from_torch(load("weights_clip_lit_released"), shapes(CLIPLIT()))
    variables["params"]["cond_add1"]["bias"] -= 100  # illumination 0 everywhere
    image = np.zeros((1, 8, 8, 3), np.float32)
    image[:, :4] = 0.5
    enhanced, light = run(CLIPLIT(), variables, image)
    assert not light.any()
    assert np.all(enhanced[:, :4] == 1)
    assert np.all(enhanced[:, 4:] == 0)
