"""One training step against the official one, in float64, and the options of the method."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from drujax.errors import UsageError
from drujax.losses import dru
from drujax.losses.self_feature_preserving import self_feature_preserving
from drujax.methods.enlightengan import EnlightenGAN, Features, GANState, Gradients, Outputs
from drujax.training.batch import Inputs, Weights, example_weights, prepare
from drujax.training.method import Method
from drujax.training.patches import cut, draw_offsets
from drujax.training.state import ModelState
from tests.support.official import by_name, float64, nhwc, seeded_networks, to_variables
from tests.support.tiny_batch import batch, in_float32, method, tables

PLAYERS = {"G": "model", "D_A": "d_global", "D_P": "d_local"}


@pytest.fixture(scope="module", params=[0, 1], ids=["ac0", "ac1"])
def official_step(request, shared, goldens):
    """(the official step's arrays, the results of ours for the same inputs), in float64."""
    arrays, prefix = goldens("enlightengan/train_step"), f"ac{request.param}_f64/"
    networks = seeded_networks(shared)
    vgg16 = {name: value for name, value in networks["VGG"].items() if not name.startswith(("conv5_2", "conv5_3"))}
    with float64():
        gan = EnlightenGAN(to_variables(vgg16, np.float64), align_corners=bool(request.param))
        states = (goldens("enlightengan/g_state"), networks["DA_ndf64"], networks["DP_ndf64"])
        players = {
            name: ModelState.create(to_variables(state, np.float64), gan.optimiser)
            for name, state in zip(PLAYERS.values(), states, strict=True)
        }
        state = GANState(step=jnp.asarray(0), key=jax.random.key_data(jax.random.key(0)), ema=None, **players)
        pictures = (jnp.asarray(nhwc(arrays[name], np.float64)) for name in ("A", "input_img", "A_gray", "B"))
        offsets = jnp.asarray(arrays["crop_offsets_h_w"], jnp.int32)
        run = jax.jit(everything_of_a_step, static_argnums=0)
        found = jax.device_get(run(gan, state, Inputs(*pictures), offsets, gan.frozen))
        found["before"] = jax.device_get(state)
    names = [str(name) for name in arrays[f"{prefix}loss_names"]]
    expected = {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}
    expected["losses"] = dict(zip(names, expected["loss_values"], strict=True))
    expected["batch_stats"] = {
        name.removeprefix(f"ac{request.param}_f32/G_after/"): value
        for name, value in arrays.items()
        if name.startswith(f"ac{request.param}_f32/G_after/")
    }
    return expected, found


def everything_of_a_step(gan, state, inputs, offsets, frozen):
    """The step under test, the inputs of its losses, and the generator's gradients term by term."""
    ones = Weights(*jnp.ones((2, len(inputs.dark))))
    gradients, batch_stats, metrics = gan.gradients(state, inputs, ones, offsets, frozen)

    def enhance(params):
        variables = {"params": params, "batch_stats": state.model.batch_stats}
        (enhanced, _), _ = gan.generator.apply(variables, *inputs[1:3], train=True, mutable=["batch_stats"])
        return enhanced

    def terms(enhanced):
        outputs = gan.outputs(enhanced, state.d_global.params, state.d_local.params, inputs, offsets, frozen)
        by_term = gan.generator_loss(outputs, original, ones)[1]
        return jnp.stack([by_term[name] for name in TERMS]), outputs

    original = gan.features(inputs.dark, offsets, frozen)
    enhanced, pull_generator = jax.vjp(enhance, state.model.params)
    _, pull_terms, outputs = jax.vjp(terms, enhanced, has_aux=True)
    (of_enhanced,) = jax.vmap(pull_terms)(jnp.eye(len(TERMS)))
    (of_params,) = jax.vmap(pull_generator)(of_enhanced)
    return {
        "gradients": gradients,
        "metrics": metrics,
        "after": gan.updated(state, gradients, batch_stats),
        "enhanced": enhanced,
        "outputs": outputs,
        "original": original,
        "term_of_enhanced": of_enhanced,
        "term_of_params": of_params,
    }


TERMS = {
    "loss_g_global": "G_global",
    "loss_g_local": "G_local",
    "sfp_global": "vgg_global",
    "sfp_local": "vgg_patch_mean",
}


def named_terms(outputs: Outputs, original: Features) -> dict[str, float]:
    """The 37 recorded terms of the official step."""
    ones = jnp.ones(2)
    real, fake = outputs.global_real, outputs.global_fake
    terms = {
        "G_global_real_minus_fake_vs0": dru.relativistic(real, fake, 0, ones),
        "G_global_fake_minus_real_vs1": dru.relativistic(fake, real, 1, ones),
        "G_global": dru.generator_global(real, fake, ones),
        "G_local": dru.generator_local(outputs.local_fake, ones),
        "vgg_global": self_feature_preserving(outputs.features.whole, original.whole),
        "vgg_patch_mean": self_feature_preserving(outputs.features.patches, original.patches),
        "D_A_real_minus_fake_vs1": dru.relativistic(real, fake, 1, ones),
        "D_A_fake_minus_real_vs0": dru.relativistic(fake, real, 0, ones),
        "loss_D_A": dru.discriminator_global(real, fake, ones),
        "loss_D_P": dru.discriminator_local(outputs.local_real, outputs.local_fake, ones, ones),
    }
    for i in range(6):
        terms[f"G_local_patch{i}"] = dru.least_squares(outputs.local_fake[:, i], 1, ones)
        terms[f"D_P_real_vs1_patch{i}"] = dru.least_squares(outputs.local_real[:, i], 1, ones)
        terms[f"D_P_fake_vs0_patch{i}"] = dru.least_squares(outputs.local_fake[:, i], 0, ones)
        terms[f"vgg_patch{i}"] = self_feature_preserving(outputs.features.patches[:, i], original.patches[:, i])
    terms["loss_G_A"] = terms["G_global"] + terms["G_local"]
    terms["loss_vgg_b"] = terms["vgg_global"] + terms["vgg_patch_mean"]
    terms["loss_G"] = terms["loss_G_A"] + terms["loss_vgg_b"]
    return {name: float(value) for name, value in terms.items()}


def test_all_37_loss_terms(official_step):
    expected, found = official_step
    with float64():
        terms = named_terms(*jax.tree.map(jnp.asarray, (found["outputs"], found["original"])))
    assert len(terms) == 37
    assert terms == pytest.approx(expected["losses"], rel=1e-8)


def test_metrics_are_the_official_losses(official_step):
    expected, found = official_step
    names = {**TERMS, "loss_g": "loss_G", "loss_d_global": "loss_D_A", "loss_d_local": "loss_D_P"}
    for ours, theirs in names.items():
        assert found["metrics"][ours] == pytest.approx(expected["losses"][theirs], rel=1e-8)
    assert found["metrics"]["finite"] == found["metrics"]["rp_dark"] == found["metrics"]["rp_bright"] == 1


@pytest.mark.parametrize("player", PLAYERS)
def test_gradient_of_each_parameter(official_step, player):
    expected, found = official_step
    ours = by_name(getattr(found["gradients"], PLAYERS[player]))
    names = [str(name).removeprefix("module.") for name in expected[f"{player}_grad_names"]]
    assert sorted(ours) == sorted(names)
    for name, norm, total in zip(names, expected[f"{player}_grad_l2"], expected[f"{player}_grad_sum"], strict=True):
        if (player, name) == ("D_A", "model.12.bias"):
            assert abs(ours[name]) < 1e-15  # cancels in the relativistic difference: rounding noise in both codes
            continue
        assert np.linalg.norm(ours[name]) == pytest.approx(norm, rel=1e-8), name
        assert ours[name].sum() == pytest.approx(total, abs=1e-8 * norm), name
    whole = {name: value for name, value in expected.items() if name.startswith(f"{player}_grad_full/")}
    assert whole
    for name, value in whole.items():
        gradient = ours[name.removeprefix(f"{player}_grad_full/module.")]
        np.testing.assert_allclose(gradient, value, rtol=0, atol=1e-8 * np.abs(value).max())


def test_gradient_of_each_generator_term(official_step):
    expected, found = official_step
    names = [str(name).removeprefix("module.") for name in expected["G_grad_names"]]
    for i, term in enumerate(TERMS.values()):
        ours = by_name(jax.tree.map(lambda leaf, i=i: leaf[i], found["term_of_params"]))
        norms = [np.linalg.norm(ours[name]) for name in names]
        np.testing.assert_allclose(norms, expected[f"G_grad_l2_of/{term}"], rtol=1e-8)
        of_enhanced = nhwc(expected[f"fake_B_grad_of/{term}"], np.float64)
        scale = np.abs(of_enhanced).max()
        np.testing.assert_allclose(found["term_of_enhanced"][i], of_enhanced, rtol=0, atol=1e-8 * scale)


@pytest.mark.parametrize("player", PLAYERS)
def test_first_adam_update(official_step, player):
    expected, found = official_step
    before, after = (by_name(getattr(found[when], PLAYERS[player]).params) for when in ("before", "after"))
    names = [str(name).removeprefix("module.") for name in expected[f"{player}_grad_names"]]
    for name, norm in zip(names, expected[f"{player}_adam_delta_l2"], strict=True):
        if (player, name) != ("D_A", "model.12.bias"):
            assert np.linalg.norm(after[name] - before[name]) == pytest.approx(norm, rel=1e-8), name


def test_enhanced_pictures_and_new_statistics(official_step):
    expected, found = official_step
    np.testing.assert_allclose(found["enhanced"], nhwc(expected["fake_B"], np.float64), rtol=0, atol=1e-9)
    stats = to_variables(expected["batch_stats"])["batch_stats"]  # stored in float32 only
    ours = found["after"].model.batch_stats
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), ours, stats)
    assert found["after"].step == 1


def test_network_passes_are_shared(tiny_run):
    """Counts the convolutions of these passes (a matrix product replaces two with 1x1 kernels): G 23 layers forward, 23
    weight gradients, 22 input gradients; D_A 7 and D_P 6 layers, each twice forward and back to the parameters and once
    back to the enhanced pictures; VGG16's 11 layers on two pictures and back for one, twice.
    """
    program = tiny_run.compiled.as_text()
    convolutions = sum(program.count(f" {operation}(") for operation in ("convolution", "dot"))
    d_global, d_local = (2 * n + 2 * (n + n - 1) + n for n in (7, 6))
    assert convolutions == 68 + d_global + d_local + 2 * 33


def test_satisfies_the_protocol(tiny_run):
    assert isinstance(tiny_run.method, Method)


def test_state_stays_float32_in_bfloat16_compute():
    gan = method(compute_dtype=jnp.dtype("bfloat16"))
    state = jax.eval_shape(gan.init, jax.random.key(0))
    after, metrics = jax.eval_shape(gan.step, state, batch(), tables(), gan.frozen)
    assert jax.tree.map(lambda leaf: leaf.dtype, after) == jax.tree.map(lambda leaf: leaf.dtype, state)
    assert {leaf.dtype for leaf in jax.tree.leaves(metrics)} == {np.dtype("float32")}


def test_moving_average_of_the_generator(tiny_run):
    """Its decay is at most 0.9, and (1 + k) / (10 + k) after step k: the initial weights are forgotten at once."""
    average = tiny_run.states[0].model.variables
    for k, state in enumerate(tiny_run.states[1:]):
        decay = min(0.9, (1 + k) / (10 + k))
        average = jax.tree.map(lambda old, new, d=decay: d * old + (1 - d) * new, average, state.model.variables)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-9), state.ema, average)


def test_weights_are_those_of_the_moving_average(tiny_run):
    variables, entries = tiny_run.method.export(tiny_run.states[-1])
    assert variables is tiny_run.states[-1].ema
    assert entries == {
        "network": "enlightengan",
        "options": {"align_corners": False, "wide_pool": False, "width": 2},
    }


def test_metrics_of_the_batch(tiny_run):
    probabilities, pictures, metrics = tables(), batch(), tiny_run.metrics[0]
    for name in ("dark", "bright"):
        expected = probabilities[name][pictures[f"{name}_index"]].mean()
        assert metrics[f"rp_{name}"] == pytest.approx(expected, rel=1e-6)
    luma = (pictures["dark"] @ [0.299, 0.587, 0.114]).mean((1, 2)) / pictures["darkening"]
    assert metrics["luma_input"] == pytest.approx(luma.mean(), rel=1e-6)
    assert metrics["loss_g"] == pytest.approx(sum(metrics[name] for name in TERMS), rel=1e-6)


def test_every_parameter_is_trained(tiny_run):
    start, end = tiny_run.states[0], tiny_run.states[-1]
    for player in PLAYERS.values():
        moved = jax.tree.map(
            lambda a, b: np.abs(a - b).max(), getattr(start, player).params, getattr(end, player).params
        )
        assert min(jax.tree.leaves(moved)) > 0


def test_preview(tiny_run):
    pictures = batch()["dark"][:2, :19, :21]
    enhanced, attention = jax.jit(tiny_run.method.preview)(in_float32(tiny_run.states[-1]), pictures)
    assert enhanced.shape == attention.shape == pictures.shape
    assert 0 <= enhanced.min() < enhanced.max() <= 1
    expected = 1 - (pictures @ [0.299, 0.587, 0.114]) / 255
    np.testing.assert_allclose(attention[..., 0], expected, atol=1e-6)


def test_prepare_darkens_only_the_generators_input():
    inputs = prepare({name: jnp.asarray(value) for name, value in batch().items()})
    pictures = batch()
    np.testing.assert_allclose((inputs.dark + 1) * 127.5, pictures["dark"], atol=1e-4)
    np.testing.assert_allclose((inputs.bright + 1) * 127.5, pictures["bright"], atol=1e-4)
    darkened = pictures["dark"] / pictures["darkening"][:, None, None, None]
    np.testing.assert_allclose((inputs.darkened + 1) * 127.5, darkened, atol=1e-4)
    np.testing.assert_allclose(inputs.attention[..., 0], 1 - darkened @ [0.299, 0.587, 0.114] / 255, atol=1e-6)


def test_example_weights():
    indices = {"dark_index": jnp.asarray([3, 0]), "bright_index": jnp.asarray([1, 1])}
    probabilities = {"dark": jnp.asarray([0.1, 0.2, 0.3, 0.4]), "bright": jnp.asarray([0.5, 0.6])}
    dark, bright = example_weights(indices, probabilities)
    np.testing.assert_array_equal(dark, np.float32([0.4, 0.1]))
    np.testing.assert_array_equal(bright, np.float32([0.6, 0.6]))
    assert example_weights(indices, None).dark.tolist() == [1, 1]
    for stray in (-1, 2):
        strayed = example_weights({**indices, "bright_index": jnp.asarray([0, stray])}, probabilities)
        assert np.isnan(strayed.bright).tolist() == [False, True]


def test_offsets_are_those_of_the_official_code():
    """0 .. height - size - 1, without the last possible one; 0 where the picture is as large as a patch."""
    offsets = draw_offsets(jax.random.key(0), 4000, (40, 36), 32)
    assert sorted(set(np.asarray(offsets)[:, 0].tolist())) == list(range(8))
    assert sorted(set(np.asarray(offsets)[:, 1].tolist())) == list(range(4))
    assert not draw_offsets(jax.random.key(0), 6, (32, 32), 32).any()
    with pytest.raises(UsageError, match=r"size: images must be at least as large as the patches \(32x32\), got 31x40"):
        draw_offsets(jax.random.key(0), 6, (31, 40), 32)


def test_patches_are_cut_at_the_same_place_of_every_picture():
    images = jnp.asarray(np.random.default_rng(0).normal(size=(3, 9, 8, 2)), jnp.float32)
    patches = cut(images, jnp.asarray([[0, 0], [4, 2]]), 4)
    assert patches.shape == (3, 2, 4, 4, 2)
    np.testing.assert_array_equal(patches[:, 1], images[:, 4:8, 2:6])


def test_learning_rate_may_be_a_schedule():
    gan = method(learning_rate=lambda step: 0.1 * (step < 1))
    assert isinstance(gan.optimiser, optax.GradientTransformation)
    params = {"w": jnp.ones(2)}
    player = ModelState.create({"params": params}, gan.optimiser)
    player = player.updated({"w": jnp.ones(2)}, gan.optimiser)
    np.testing.assert_allclose(player.params["w"], 0.9, rtol=1e-6)
    player = player.updated({"w": jnp.ones(2)}, gan.optimiser)
    np.testing.assert_allclose(player.params["w"], 0.9, rtol=1e-6)


def test_the_generator_rests_while_the_discriminators_learn():
    gan = method(generator_rests=2, learning_rate=lambda step: 0.1)
    state = gan.init(jax.random.key(0))
    ones = Gradients(*(jax.tree.map(jnp.ones_like, getattr(state, player).params) for player in Gradients._fields))
    update = jax.jit(gan.updated)
    for step in range(3):
        after = update(state, ones, state.model.batch_stats)
        moved = {
            player: any(
                bool((a != b).any())
                for a, b in zip(
                    jax.tree.leaves(getattr(state, player).params),
                    jax.tree.leaves(getattr(after, player).params),
                    strict=True,
                )
            )
            for player in Gradients._fields
        }
        assert moved == {"model": step == 2, "d_global": True, "d_local": True}
        state = after


def test_reconstruction_is_weighted_by_the_bright_pictures():
    gan = method(reconstruction=1.0)
    state, inputs = gan.init(jax.random.key(0)), prepare(batch())
    reconstruct, losses = jax.jit(gan.reconstruct), []
    for bright in ([1.0, 0, 0, 0], [0, 1.0, 0, 0], [1.0, 1, 0, 0], [0.0, 0, 0, 0]):
        loss, gradient = reconstruct(state, inputs, Weights(jnp.ones(4), jnp.array(bright)), gan.frozen)
        losses.append(float(loss))
        assert any(bool(leaf.any()) for leaf in jax.tree.leaves(gradient)) == any(bright)
    assert losses[0] != losses[1]
    assert losses[0] + losses[1] == pytest.approx(losses[2], rel=1e-6)
    assert losses[3] == 0
