"""CLIP-LIT's phases and what each trains, with encoders of a few channels."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from drujax.losses import clip_lit as losses
from drujax.methods import clip_lit
from drujax.methods.clip_lit import CLIPLIT, ENHANCEMENT, PROMPTS, RECONSTRUCTION, REFINEMENT, PhaseLengths
from drujax.models.clip import ModifiedResNet, TextTransformer, VisionTransformer
from drujax.models.clip.preprocessing import normalised
from drujax.models.clip.prompts import end_of, initial_prompt
from drujax.training import augment
from drujax.training.batch import example_weights, unit_images
from drujax.weights.pretrained import clip as clip_weights
from tests.support import tiny_batch

SIDE = 32
INFINITE = float("inf")


@pytest.fixture(scope="module")
def method():
    encoders = VisionTransformer(width=64, layers=1, embedding=8), TextTransformer(64, 1, 8)
    clip = clip_weights.random_clip(*encoders, resolution=SIDE)
    resnet = clip_weights.random_encoder(ModifiedResNet((1, 1, 1, 1), 4, 2, 8), clip_weights.image_shape(SIDE))
    random = np.random.default_rng(0)
    start = initial_prompt(clip.words)
    prompts = np.stack([start, start]) + random.normal(0, 0.01, (2, *start.shape)).astype(np.float32)
    phases = PhaseLengths(2, 1, 1, 1, enhancement_bound=INFINITE, prompts_bound=INFINITE)
    return CLIPLIT(
        learning_rate=1e-3,
        prompt_rate=1e-3,
        clip=clip,
        resnet=resnet,
        initial_prompts=prompts,
        phases=phases,
        resolution=SIDE,
    )


@pytest.fixture(scope="module")
def start(method):
    return jax.jit(method.init)(jax.random.key(1))


@pytest.fixture(scope="module")
def step(method):
    return jax.jit(method.step)


@pytest.fixture(scope="module")
def run(method, start, step):
    """The states and metrics of ten steps."""
    states, metrics = [start], []
    for _ in range(10):
        state, of_step = step(states[-1], tiny_batch.batch(), tiny_batch.tables(), method.frozen)
        states.append(state)
        metrics.append(jax.device_get(of_step))
    return jax.device_get(states), metrics


@pytest.fixture(scope="module")
def other(method, run):
    """The paper's form, whose enhancement goes on until the unweighted loss is half of that of the run."""
    phases = dataclasses.replace(method.phases, enhancement_bound=float(run[1][3]["loss"]) * 0.5)
    return dataclasses.replace(method, form="paper", phases=phases)


@pytest.fixture(scope="module")
def step_of_other(other):
    return jax.jit(other.step)


def differs(a, b):
    return any(jax.tree.leaves(jax.tree.map(lambda x, y: bool((x != y).any()), a, b)))


def test_phases_are_in_order(run):
    states, metrics = run
    rounds = [ENHANCEMENT, REFINEMENT] * 4
    assert [int(row["phase"]) for row in metrics] == [PROMPTS, PROMPTS, RECONSTRUCTION, *rounds][:10]
    assert all(row["finite"] for row in metrics)
    assert [int(state.rounds) for state in states] == [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4]


def test_each_phase_updates_either_network_or_prompts(run):
    states, metrics = run
    for before, after, row in zip(states, states[1:], metrics, strict=False):
        of_prompts = row["phase"] in (PROMPTS, REFINEMENT)
        assert differs(before.prompts.params, after.prompts.params) == of_prompts
        assert differs(before.model.params, after.model.params) != of_prompts
        assert differs(before.earlier, after.earlier) == (row["phase"] == ENHANCEMENT)


def test_the_last_two_rounds_are_kept(run):
    states, _ = run
    assert not differs(states[6].earlier[0], states[6].model.params)
    assert not differs(states[8].earlier[1], states[6].model.params)


def test_prompts_rank_the_outputs_of_the_last_networks(method, run, step, other, step_of_other):
    """The newest network's outputs alone in the first round, then those of the last two; the official `train.py` passes
    the newest first, where the loss expects the worse. The paper's form passes it last.
    """
    for of, of_step, at, networks in (
        (method, step, 4, (0,)),
        (method, step, 6, (0, 1)),
        (other, step_of_other, 6, (1, 0)),
    ):
        state = jax.tree.map(jnp.asarray, run[0][at])
        assert int(state.phase) == REFINEMENT
        assert differs(*state.earlier)
        dark, bright = of.augmented(state, tiny_batch.batch())
        weights = example_weights(tiny_batch.batch(), jax.tree.map(jnp.asarray, tiny_batch.tables()))
        phases = clip_lit._Phases(of, state, weights, dark, bright, of.frozen)
        _, _, expected = jax.jit(phases.refine)(*(state.earlier[network] for network in networks))
        _, metrics = of_step(state, tiny_batch.batch(), tiny_batch.tables(), of.frozen)
        np.testing.assert_allclose(metrics["loss"], expected.loss, rtol=1e-4)


def test_ranked_pictures_share_their_augmentation(method, run):
    same = {**tiny_batch.batch(), "bright": tiny_batch.batch()["dark"]}
    for state, alike in ((run[0][3], False), (run[0][4], True)):
        dark, bright = method.augmented(state, same)
        assert bool((dark == bright).all()) == alike


def test_uncertain_pictures_do_not_end_a_phase_earlier(run, other, step_of_other):
    """The threshold applies to the unweighted loss."""
    state = run[0][3]
    tables = {name: np.full_like(table, 0.01) for name, table in tiny_batch.tables().items()}
    after, metrics = step_of_other(state, tiny_batch.batch(), tables, other.frozen)
    assert metrics["loss"] < other.phases.enhancement_bound
    assert int(after.phase) == ENHANCEMENT


def test_a_high_loss_extends_its_phase(method, run):
    states, _ = run
    bounded = dataclasses.replace(method, phases=dataclasses.replace(method.phases, enhancement_bound=5.0))
    state = states[3]  # before the first step of an enhancement
    assert int(bounded._advanced(state, jnp.float32(4)).phase) == REFINEMENT
    more = bounded._advanced(state, jnp.float32(6))
    assert (int(more.phase), int(more.since), int(more.until), int(more.rounds)) == (ENHANCEMENT, 1, 61, 0)


def test_a_failed_reconstruction_restarts(method, run):
    state = run[0][2]
    assert int(state.phase) == RECONSTRUCTION
    late = state.replace(since=jnp.int32(clip_lit.PSNR_AFTER), psnr=jnp.full(clip_lit.PSNR_STEPS, 7.0))
    key = jax.random.key(9)
    again = method._restarted(late, jnp.float32(7), key)
    assert int(again.since) == -1
    fresh = method.initial(key)["params"]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), again.model.params, fresh)
    for other in (late.replace(since=jnp.int32(50)), late.replace(psnr=jnp.full(clip_lit.PSNR_STEPS, 9.0))):
        assert not differs(method._restarted(other, jnp.float32(7), key).model, state.model)


def test_rp_of_one_equals_training_without_weights(method, start, step, run):
    ones = {name: np.ones_like(table) for name, table in tiny_batch.tables().items()}
    for state in (start, run[0][3]):  # prompts, and enhancement
        plain, weighted = (step(state, tiny_batch.batch(), rp, method.frozen)[0] for rp in (None, ones))
        assert not differs(plain, weighted)


def test_weights_of_the_losses(method, run):
    """RP_d and RP_b weight the per-image losses, computed here one by one."""
    state = run[0][0]
    weights = example_weights(tiny_batch.batch(), jax.tree.map(jnp.asarray, tiny_batch.tables()))
    phases = clip_lit._Phases(method, state, weights, *unit_images(tiny_batch.batch()), method.frozen)
    _, _, report = jax.jit(phases.initialise)()
    texts = method.clip.text.module.apply(method.frozen["text"], jnp.asarray(state.prompts.params), end=end_of())
    rp = {name: tiny_batch.tables()[name][tiny_batch.batch()[f"{name}_index"]] for name in ("dark", "bright")}
    expected = []
    for label, (name, images) in enumerate(zip(("dark", "bright"), unit_images(tiny_batch.batch()), strict=True)):
        features = method.clip.image.module.apply(method.frozen["image"], normalised(images, resolution=SIDE))
        entropy = losses.prompt_initialisation(features, texts, jnp.full(tiny_batch.BATCH, label))
        expected.append(rp[name] * np.asarray(entropy))
    np.testing.assert_allclose(report.loss, np.mean(expected), rtol=1e-4)


def test_exported_weights(method, run):
    variables, metadata = method.export(run[0][-1])
    assert metadata == {"network": "clip_lit", "options": {"padding": "reflect", "epsilon": 0.0}}
    assert variables.keys() == {"params"}
    (shown,) = method.preview(run[0][-1], tiny_batch.batch()["dark"])
    assert shown.shape == tiny_batch.batch()["dark"].shape


def test_warps():
    images = jnp.asarray(np.random.default_rng(0).uniform(size=(64, 9, 9, 3)), jnp.float32)
    made = np.asarray(augment.warped(images, jax.random.key(0)))
    same = [np.allclose(a, b, atol=1e-5) for a, b in zip(images, made, strict=True)]
    turned = [np.allclose(a.swapaxes(0, 1), b, atol=1e-5) for a, b in zip(images, made, strict=True)]
    assert 8 < sum(same) < 25  # a half of 0.7 * 0.7
    assert 8 < sum(turned) < 25
    assert made.min() >= images.min()
    assert made.max() <= images.max() + 1e-6
    np.testing.assert_allclose(made[:, 4, 4], images[:, 4, 4], atol=1e-5)  # the centre stays
