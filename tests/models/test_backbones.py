import contextlib
import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from drujax.errors import UsageError
from drujax.models.backbones import BACKBONES, IMAGENET_MEAN, IMAGENET_STD, normalise, vit
from drujax.models.layers.pool import adaptive_average_pool
from drujax.weights.pretrained.backbones import find, import_weights, initialise, load_pretrained
from drujax.weights.torch_names import flatten
from tests.support import official

# Published parameter counts with 1000 classes.
PARAMETERS = {
    "resnet18": 11_689_512,
    "resnet50": 25_557_032,
    "mobilenet_v2": 3_504_872,
    "vgg13_bn": 133_053_736,
    "vgg19": 143_667_240,
    "vit_b16": 86_567_656,
}
TORCHVISION = {name: name.replace("vit_b16", "vit_b_16") for name in BACKBONES}
NORMED = ["resnet18", "resnet50", "mobilenet_v2", "vgg13_bn"]
# The goldens hold two inputs, and for three backbones a second set of weights. ViT has one input size only.
PREFIXES = {
    "resnet18": ["eval224", "eval96x160"],
    "resnet50": ["eval224", "eval96x160"],
    "mobilenet_v2": ["eval224", "he224", "eval96x160"],
    "vgg13_bn": ["eval224", "he224", "eval96x160"],
    "vgg19": ["eval224", "he224", "eval96x160"],
    "vit_b16": ["eval224"],
}
# Suggested by the goldens' README: float32 error against float64, with a margin.
EVAL_TOLERANCE = dict.fromkeys(BACKBONES, 2e-5) | dict.fromkeys(["mobilenet_v2", "vgg13_bn", "vgg19"], 3e-6)
TRAIN_TOLERANCE = dict.fromkeys(NORMED, 2e-4) | {"resnet50": 5e-4}


class Reference:
    """A backbone with the goldens' weights (by formula), and torchvision's outputs with the same weights."""

    def __init__(self, name, goldens):
        self.name = name
        self.golden = goldens(f"backbones/{TORCHVISION[name]}")
        self.info = goldens("backbones/info.json")[TORCHVISION[name]]
        keys = goldens("backbones/keys.json")[TORCHVISION[name]]
        self.names = [key for key, _ in keys]
        self.variables, _ = import_weights(name, formula_weights(keys))
        options = {} if name.startswith(("resnet", "vit")) else {"dropout": 0.0}
        self.module = BACKBONES[name].build(1000, **options)

        self.outputs = jax.jit(self._outputs)

    def _outputs(self, variables, x):
        """Returns logits and features in inference mode."""
        logits = self.module.apply(variables, x, train=False)
        return logits, self.module.apply(variables, x, train=False, features=True)


def formula_weights(keys):
    """The goldens' formula for weights: random, seeded by the position in torchvision's order."""
    out, i = {}, 0
    for key, shape in keys:
        if key.endswith("num_batches_tracked"):
            out[key] = np.zeros((), np.int64)
            continue
        z = np.random.RandomState(1234 + i).standard_normal(shape).astype(np.float32)
        i += 1
        if key in ("class_token", "encoder.pos_embedding"):
            out[key] = np.float32(0.1) * z
        elif len(shape) >= 2:
            out[key] = z / np.float32(np.sqrt(np.prod(shape[1:])))
        elif key.endswith("running_var"):
            out[key] = np.float32(1) + np.float32(0.1) * np.abs(z)
        elif key.endswith(".weight"):
            out[key] = np.float32(1) + np.float32(0.1) * z
        else:
            out[key] = np.float32(0.1) * z
    return out


def pictures(seed, *shape):
    """Normal noise b h w 3, drawn in PyTorch's layout."""
    b, h, w, c = shape
    return np.random.RandomState(seed).standard_normal((b, c, h, w)).astype(np.float32).transpose(0, 2, 3, 1)


X224, X96 = pictures(7, 2, 224, 224, 3), pictures(8, 1, 96, 160, 3)


@pytest.fixture(scope="module")
def reference(request, goldens):
    return Reference(request.param, goldens)


@pytest.mark.parametrize("reference", BACKBONES, indirect=True)
def test_logits_and_features_equal_torchvision(reference):
    for prefix in PREFIXES[reference.name]:
        variables, tolerance = reference.variables, EVAL_TOLERANCE[reference.name]
        if prefix == "he224":  # the same formula with kernels times sqrt(2), so that the input reaches the logits
            tolerance = 2e-4
            variables = jax.tree.map(lambda leaf: leaf * np.sqrt(np.float32(2)) if leaf.ndim > 1 else leaf, variables)
        outputs = reference.outputs(variables, X96 if prefix == "eval96x160" else X224)
        for ours, name in zip(outputs, ("logits", "features"), strict=True):
            theirs = reference.golden[f"{prefix}_{name}"]
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance, err_msg=f"{prefix} {name}")
            assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()


@pytest.mark.parametrize("reference", NORMED, indirect=True)
def test_training_mode_and_running_statistics_equal_torchvision(reference):
    apply = jax.jit(lambda variables, x: reference.module.apply(variables, x, train=True, mutable=["batch_stats"]))
    logits, changed = apply(reference.variables, X224)
    tolerance = TRAIN_TOLERANCE[reference.name]
    np.testing.assert_allclose(logits, reference.golden["train224_logits"], rtol=0, atol=tolerance)
    stats = {name.rpartition("/")[0]: None for name in flatten(changed["batch_stats"])}
    stats = {name.replace("/", "."): _at(changed["batch_stats"], name) for name in stats}
    for which, atol in (("first", 1e-6), ("last", 1e-5)):
        ours = stats[reference.info[f"train224_{which}_bn"]]
        for kind in ("mean", "var"):
            golden = reference.golden[f"train224_{which}_bn_running_{kind}"]
            np.testing.assert_allclose(ours[kind], golden, rtol=0, atol=atol)
    means = reference.golden["train224_bn_after_mean_of_running_mean_and_var"]
    for name, (mean, var) in zip(reference.golden["train224_bn_names"], means, strict=True):
        np.testing.assert_allclose(stats[str(name)]["mean"].mean(), mean, atol=1e-4)
        np.testing.assert_allclose(stats[str(name)]["var"].mean(), var, atol=1e-4)


@pytest.fixture(scope="module")
def gradients(reference):
    """`gradients(dtype)`: a loss and its gradients by torchvision's names and "input", computed in this dtype."""
    direction = np.random.RandomState(9).standard_normal((2, 1000)).astype(np.float32)

    def loss(params, stats, x, direction):
        logits = reference.module.apply({"params": params, "batch_stats": stats}, x, train=False)
        return (logits * direction).sum()

    @functools.cache
    def compute(dtype):
        with official.float64() if dtype == np.float64 else contextlib.nullcontext():
            variables = jax.tree.map(lambda leaf: np.asarray(leaf, dtype), reference.variables)
            arguments = (variables["params"], variables["batch_stats"], X224.astype(dtype), direction.astype(dtype))
            value, (by_params, by_input) = jax.jit(jax.value_and_grad(loss, (0, 2)))(*arguments)
            found = {path.replace("/", "."): leaf for path, leaf in flatten(by_params).items()}
            found = {re.sub(r"\.kernel$|\.scale$", ".weight", name): leaf for name, leaf in found.items()}
            return float(value), {k: np.asarray(v, np.float64) for k, v in (found | {"input": by_input}).items()}

    return compute


GRADIENTS = pytest.mark.parametrize("reference", ["resnet18", "mobilenet_v2"], indirect=True)


@pytest.mark.slow
@GRADIENTS
def test_gradients_equal_torchvision(reference, gradients):
    """Computed in float64: the remaining difference is torchvision's float32 (5e-7). In float32, whether a ReLU passes
    a value near zero depends on the order of summation, and one unit that switches changes the gradient norms below it
    by up to 4e-4 (resnet18 with AVX2 against SSE4).
    """
    value, found = gradients(np.float64)
    golden = reference.golden
    # The loss itself is a sum of 2000 products of both signs, where torchvision's float32 leaves 3e-7.
    np.testing.assert_allclose(value, golden["eval224_loss"], rtol=2e-6)
    np.testing.assert_allclose(np.linalg.norm(found["input"]), golden["eval224_grad_input_norm"], rtol=2e-6)
    for name, norm in zip(golden["eval224_grad_names"], golden["eval224_grad_norms"], strict=True):
        np.testing.assert_allclose(np.linalg.norm(found[str(name)]), norm, rtol=2e-6, err_msg=str(name))


@pytest.mark.slow
@GRADIENTS
def test_float32_changes_gradients_only_by_single_units(gradients):
    """A unit that switches (see above) changes the gradient by about 1 / sqrt(n) for n units. The smallest maps, 2 x 7
    x 7 x 512, have 50176: 4.5e-3. Units contribute unequally, so a few times that is allowed; wrong arithmetic or
    bfloat16 (4e-3 in every product) would change every parameter's gradient.
    """
    exact, found = gradients(np.float64)[1], gradients(np.float32)[1]
    changes = [np.linalg.norm(found[name] - exact[name]) / np.linalg.norm(exact[name]) for name in exact]
    assert max(changes) < 4 / np.sqrt(2 * 7 * 7 * 512)


@pytest.mark.parametrize("name", BACKBONES)
def test_parameter_count(name):
    assert sum(np.prod(leaf.shape) for leaf in jax.tree.leaves(_shapes(name)["params"])) == PARAMETERS[name]


@pytest.mark.parametrize("name", BACKBONES)
def test_forward_is_finite_and_every_parameter_has_a_gradient(name):
    module, variables = BACKBONES[name].build(2), _drawn(_shapes(name, classes=2, resolution=32))
    x = jax.random.normal(jax.random.key(2), (2, 32, 32, 3))

    def loss(params):
        logits = module.apply({**variables, "params": params}, x, train=False)
        return logits[:, 0].sum(), logits

    gradient, logits = jax.jit(jax.grad(loss, has_aux=True))(variables["params"])
    assert logits.shape == (2, 2)
    assert np.isfinite(logits).all()
    assert not [path for path, leaf in flatten(gradient).items() if not np.any(np.asarray(leaf))]


@pytest.mark.parametrize("name", BACKBONES)
def test_features_are_the_input_of_the_last_layer(name):
    backbone = BACKBONES[name]
    module, variables = backbone.build(2), _shapes(name)
    picture = jax.ShapeDtypeStruct((3, 224, 224, 3), jnp.float32)
    features = jax.eval_shape(lambda v, x: module.apply(v, x, train=False, features=True), variables, picture)
    assert features.shape == (3, backbone.features)
    assert variables["params"][backbone.head]["kernel"].shape == (backbone.features, 1000)


def test_dropout_depends_on_the_key_in_training():
    module = BACKBONES["mobilenet_v2"].build(2)
    x = jax.random.normal(jax.random.key(2), (2, 32, 32, 3))
    variables = initialise("mobilenet_v2", "none", num_classes=2, resolution=32, key=jax.random.key(0)).variables
    trained = jax.jit(
        lambda key: module.apply(variables, x, train=True, mutable=["batch_stats"], rngs={"dropout": key})[0]
    )
    assert np.array_equal(trained(jax.random.key(1)), trained(jax.random.key(1)))
    assert not np.array_equal(trained(jax.random.key(1)), trained(jax.random.key(2)))


@pytest.mark.parametrize("name", BACKBONES)
def test_timm_layout_holds_the_same_tensors(name, goldens):
    """Compares names, shapes and identity of the tensors, each filled with its own number."""
    keys = goldens("backbones/keys.json")[TORCHVISION[name]]
    shapes = {key: tuple(shape) for key, shape in keys if not key.endswith("num_batches_tracked")}
    names = goldens("backbones/timm_keys.json")[TORCHVISION[name]]["map"]
    rename = BACKBONES[name].torchvision_names
    torchvision, timm = {}, {}
    for i, (key, timm_key, *timm_shape) in enumerate(entry for entry in names if entry[0] in shapes):
        torchvision[key] = np.broadcast_to(np.float32(i), shapes[key])
        timm[timm_key] = np.broadcast_to(np.float32(i), tuple(timm_shape[0]) if timm_shape else shapes[key])
    ours = rename(torchvision)
    theirs = rename(timm)
    assert len(ours) == len(shapes)
    assert {k: (v.shape, v.flat[0]) for k, v in ours.items()} == {k: (v.shape, v.flat[0]) for k, v in theirs.items()}


def test_old_torchvision_names_of_vit():
    flat = {
        "encoder.layers.encoder_layer_3.mlp.linear_1.weight": np.zeros(1),
        "encoder.layers.encoder_layer_3.mlp.linear_2.bias": np.ones(1),
    }
    renamed = vit.torchvision_names(flat)
    assert list(renamed) == ["encoder.layers.encoder_layer_3.mlp.0.weight", "encoder.layers.encoder_layer_3.mlp.3.bias"]


@pytest.fixture(scope="module")
def torch_resnet18():
    """A state dict of torchvision's resnet18, as DataParallel saves it."""
    random, state = np.random.RandomState(0), {}
    for path, leaf in flatten(_shapes("resnet18")).items():
        _, *modules, last = path.split("/")
        shape = leaf.shape
        if last == "kernel":
            shape = (shape[3], shape[2], shape[0], shape[1]) if len(shape) == 4 else shape[::-1]
        last = {"kernel": "weight", "scale": "weight", "mean": "running_mean", "var": "running_var"}.get(last, last)
        state[".".join(["module", *modules, last])] = random.standard_normal(shape).astype(np.float32)
    state["module.bn1.num_batches_tracked"] = np.array(7)
    return state


def test_import_transposes_and_unwraps(torch_resnet18):
    variables, _ = import_weights("resnet18", torch_resnet18)
    conv = torch_resnet18["module.layer2.0.downsample.0.weight"]
    np.testing.assert_array_equal(variables["params"]["layer2.0"]["downsample.0"]["kernel"], conv.transpose(2, 3, 1, 0))
    np.testing.assert_array_equal(variables["params"]["fc"]["kernel"], torch_resnet18["module.fc.weight"].T)
    np.testing.assert_array_equal(variables["batch_stats"]["bn1"]["var"], torch_resnet18["module.bn1.running_var"])


def test_import_without_last_layer_and_in_half_precision(torch_resnet18):
    state = {key: value.astype(np.float16) for key, value in torch_resnet18.items() if ".fc." not in key}
    variables, _ = import_weights("resnet18", state)
    assert "fc" not in variables["params"]
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {np.dtype("float32")}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("module.conv1.weight"), "missing 1 array .*conv1/kernel"),
        (lambda state: state.update({"module.conv9.weight": np.zeros(3)}), "unexpected 1 array .*conv9.weight"),
        (lambda state: state.update({"module.bn1.bias": np.zeros(3)}), "wrong shape of 1 array .*bn1/bias"),
    ],
)
def test_import_names_mismatched_arrays(torch_resnet18, change, message):
    state = dict(torch_resnet18)
    change(state)
    with pytest.raises(UsageError, match=message):
        import_weights("resnet18", state)


def test_initialise_from_a_file_keeps_features_and_replaces_the_last_layer(torch_resnet18, tmp_path):
    path = tmp_path / "resnet18.npz"
    np.savez(path, **torch_resnet18)
    variables = initialise("resnet18", str(path), num_classes=2, resolution=64, key=jax.random.key(0)).variables
    conv = torch_resnet18["module.conv1.weight"]
    np.testing.assert_array_equal(variables["params"]["conv1"]["kernel"], conv.transpose(2, 3, 1, 0))
    assert variables["params"]["fc"]["kernel"].shape == (512, 2)


def test_a_file_of_another_network_is_reported_with_its_path(tmp_path):
    path = tmp_path / "other.npz"
    np.savez(path, weight=np.zeros(3))
    with pytest.raises(UsageError, match=r"other\.npz: not a checkpoint of vit_b16: .*missing"):
        load_pretrained("vit_b16", str(path))


def test_unknown_backbone_gets_the_nearest_name():
    with pytest.raises(UsageError, match=r"backbone: unknown value 'resnet19'. Did you mean resnet18\?"):
        find("resnet19")


@pytest.mark.parametrize(("name", "resolution"), [("vgg19", 16), ("vit_b16", 40)])
def test_unsupported_resolutions_are_refused(name, resolution):
    with pytest.raises(UsageError, match=f"resolution: must be at least .* for {name}, got {resolution}"):
        initialise(name, "none", num_classes=2, resolution=resolution, key=jax.random.key(0))


def test_vit_position_embeddings_fit_another_resolution():
    random = np.random.RandomState(0)
    smooth = np.linspace(0, 1, 14)[:, None, None] * np.ones((1, 14, vit.WIDTH))  # rises from top to bottom
    token = random.standard_normal((1, 1, vit.WIDTH))
    positions = jnp.asarray(np.concatenate([token, smooth.reshape(1, 196, -1)], 1), jnp.float32)
    fitted = vit.fit_resolution({vit.POSITIONS: positions}, 64)[vit.POSITIONS]
    assert fitted.shape == (1, 17, vit.WIDTH)
    np.testing.assert_allclose(fitted[:, :1], token, rtol=1e-6)
    rows = np.asarray(fitted[0, 1:]).reshape(4, 4, -1)
    np.testing.assert_allclose(rows, np.broadcast_to(rows[:, :1, :1], rows.shape), atol=1e-5)
    assert np.all(np.diff(rows[:, 0, 0]) > 0.2)
    assert vit.fit_resolution({vit.POSITIONS: positions}, 224)[vit.POSITIONS] is positions


@pytest.mark.parametrize("size", [(3, 5), (1, 9), (14, 20)])
def test_adaptive_pooling_is_the_mean_over_pytorchs_areas(size):
    x = np.random.RandomState(0).standard_normal((2, *size, 3)).astype(np.float32)
    pooled = adaptive_average_pool(jnp.asarray(x), 7)
    bounds = [[(int(np.floor(i * n / 7)), int(np.ceil((i + 1) * n / 7))) for i in range(7)] for n in size]
    for i, (top, bottom) in enumerate(bounds[0]):
        for j, (left, right) in enumerate(bounds[1]):
            np.testing.assert_allclose(pooled[:, i, j], x[:, top:bottom, left:right].mean((1, 2)), atol=1e-6)


def test_pretrained_mobilenet_features_distinguish_images(shared):
    """An image's mirror image is its nearest neighbour in feature space, and close."""
    from PIL import Image

    path = shared / "weights/backbones/mobilenetv2_torch_imagenet_features_fp32.npz"
    variables = load_pretrained("mobilenet_v2", str(path)).variables
    assert "classifier.1" not in variables["params"]
    files = sorted((shared / "images/anime").glob("*.jpg"))[::90]
    images = np.stack([np.asarray(Image.open(file).convert("RGB").resize((224, 224))) for file in files])
    module = BACKBONES["mobilenet_v2"].build(2)
    features = jax.jit(lambda x: module.apply(variables, normalise(x), train=False, features=True))
    directions = [np.array(features(x)) for x in (images, images[:, :, ::-1])]
    directions = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in directions]
    similarity = directions[0] @ directions[1].T
    assert np.array_equal(similarity.argmax(1), np.arange(len(images)))
    assert np.diag(similarity).mean() > 0.9
    assert similarity[~np.eye(len(images), dtype=bool)].mean() < 0.7


def _shapes(name, classes=1000, resolution=224):
    module = BACKBONES[name].build(classes)
    picture = jax.ShapeDtypeStruct((1, resolution, resolution, 3), jnp.float32)
    return jax.eval_shape(lambda key, x: module.init(key, x, train=False), jax.random.key(0), picture)


def _drawn(shapes):
    """Random variables for which no activation vanishes; faster than compiling `init`."""
    random = np.random.default_rng(0)

    def draw(path, leaf):
        if path[-1].key in ("scale", "var"):
            return np.ones(leaf.shape, np.float32)
        fan_in = np.prod(leaf.shape[:-1]) if leaf.ndim > 1 else 100
        return random.standard_normal(leaf.shape, np.float32) * np.float32(np.sqrt(2 / fan_in))

    return jax.tree_util.tree_map_with_path(draw, shapes)


def _at(tree, path):
    for name in path.split("/"):
        tree = tree[name]
    return tree


def test_weights_converted_to_another_input_range():
    """An image in ImageNet normalisation gives the same tokens as the original weights give for it in [-1, 1]."""
    random = np.random.default_rng(0)
    variables = {"kernel": random.normal(size=(16, 16, 3, 8)), "bias": random.normal(size=8)}
    picture = jnp.asarray(random.uniform(size=(1, 32, 32, 3)), jnp.float32)
    project = vit.PatchProjection(8)
    adapted = vit.from_half_range({"params": {"conv_proj": variables}}, mean=IMAGENET_MEAN, std=IMAGENET_STD)
    normalised = (picture - jnp.array(IMAGENET_MEAN)) / jnp.array(IMAGENET_STD)
    np.testing.assert_allclose(
        project.apply({"params": adapted["params"]["conv_proj"]}, normalised),
        project.apply({"params": variables}, 2 * picture - 1),
        rtol=1e-3,
        atol=1e-3,
    )
