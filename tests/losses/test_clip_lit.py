"""CLIP-LIT's losses against NumPy written from the official code, and against values computed by hand."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from drujax.losses import clip_lit


def features(seed, count=3, width=8, spread=0.3):
    """Features of similar direction, as CLIP's are: softmax of 100 times their cosines does not saturate."""
    random = np.random.default_rng(seed)
    return jnp.asarray(3 + spread * random.standard_normal((count, width)), jnp.float32)


def maps(seed, count=3):
    """Small feature maps, like those of the stem and the four stages."""
    random = np.random.default_rng(seed)
    shapes = [(4, 6, 2), (4, 6, 8), (2, 3, 16), (1, 2, 32), (1, 1, 64)]
    return [jnp.asarray(random.standard_normal((count, *shape)), jnp.float32) for shape in shapes]


def scores(*values):
    return jnp.asarray(values, jnp.float32)


def cosines(pictures, prompts):
    pictures, prompts = (np.asarray(x, np.float64) for x in (pictures, prompts))
    dots = pictures @ prompts.T
    return dots / np.sqrt((pictures**2).sum(1))[:, None] / np.sqrt((prompts**2).sum(1))


def test_probability_and_cross_entropy():
    pictures, prompts = features(0), features(1, 2)
    exponentials = np.exp(100 * cosines(pictures, prompts))
    probabilities = exponentials / exponentials.sum(1, keepdims=True)
    assert np.ptp(probabilities[:, 0]) > 0.05
    np.testing.assert_allclose(clip_lit.backlit_probability(pictures, prompts), probabilities[:, 0], rtol=1e-4)
    labels = np.array([0, 1, 1])
    loss = clip_lit.prompt_initialisation(pictures, prompts, jnp.asarray(labels))
    np.testing.assert_allclose(loss, -np.log(probabilities[np.arange(3), labels]), rtol=1e-4)


def test_by_hand():
    """One image equal to the negative prompt, one between both: cosines 1, 0 and 0.6, 0.8."""
    prompts = jnp.array([[2.0, 0.0], [0.0, 0.5]])
    pictures = jnp.array([[5.0, 0.0], [3.0, 4.0]])
    np.testing.assert_allclose(clip_lit.similarities(pictures, prompts), [[100, 0], [60, 80]], rtol=1e-6)
    np.testing.assert_allclose(clip_lit.backlit_probability(pictures, prompts), [1, np.exp(-20)], rtol=1e-4)
    loss = clip_lit.prompt_initialisation(pictures, prompts, jnp.array([1, 0]))
    np.testing.assert_allclose(loss, [100, 20], rtol=1e-5)


def test_equal_prompts_do_not_discriminate():
    """Initially the prompts are equal: probability 1/2, cross-entropy log 2, ranking loss = margin."""
    prompts = jnp.tile(features(1, 1), (2, 1))
    half = clip_lit.backlit_probability(features(0), prompts)
    np.testing.assert_allclose(half, 0.5, rtol=1e-6)
    np.testing.assert_allclose(
        clip_lit.prompt_initialisation(features(0), prompts, jnp.array([0, 1, 0])), np.log(2), rtol=1e-6
    )


@pytest.mark.parametrize(
    ("name", "weights"), [("IDENTITY_LAYERS", (1, 1, 1, 1, 0.5)), ("RECONSTRUCTION_LAYERS", (1, 1, 1, 1, 1))]
)
def test_identity(name, weights):
    enhanced, image = maps(0), maps(1)
    expected = sum(
        weight * np.array([np.mean((np.asarray(a, np.float64) - b) ** 2) for a, b in zip(new, old, strict=True)])
        for weight, new, old in zip(weights, enhanced, image, strict=True)
    )
    identity = functools.partial(clip_lit.identity, weights=getattr(clip_lit, name))
    loss = jax.jit(identity)(enhanced, image)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    np.testing.assert_array_equal(jax.jit(identity)(image, image), np.zeros(3))


def test_official_totals():
    """320 times the mean probability plus 22.5 times the summed identity loss, for the official batch size of 8."""
    assert (clip_lit.CLIP_WEIGHT, clip_lit.IDENTITY_WEIGHT) == (320, 22.5)
    assert (clip_lit.RECONSTRUCTION_WEIGHT, clip_lit.RANKING_WEIGHT) == (25, 200)
    pictures, prompts, enhanced, image = features(0, 8), features(1, 2), maps(0, 8), maps(1, 8)
    loss, terms = jax.jit(clip_lit.enhancement)(pictures, prompts, enhanced, image)
    official = 320 * terms["clip"].mean() + 25 * 0.9 * terms["identity"].sum()
    np.testing.assert_allclose(loss.mean(), official, rtol=1e-5)
    np.testing.assert_allclose(terms["clip"], clip_lit.backlit_probability(pictures, prompts), rtol=1e-4)
    official = 25 * clip_lit.identity(enhanced, image, weights=[1.0] * 5).sum()
    np.testing.assert_allclose(clip_lit.reconstruction(enhanced, image).mean(), official, rtol=1e-5)


def test_ranking():
    np.testing.assert_allclose(
        clip_lit.ranking(scores(1, 0.8, 0.5, 0), scores(0, 0.6, 0.5, 1), 0.3), [0, 0.1, 0.3, 1.3], rtol=1e-6
    )


@pytest.mark.parametrize(
    ("enhanced", "margins"),
    [
        # shortfall to the margins of (backlit, reference), (backlit, first), and successive images
        ((0.65,), (0.9 - 0.7, 0.9 - 0.25, 0.0)),
        ((0.25,), (0.9 - 0.7, 0.9 - 0.65, 0.2 - 0.05)),
        ((0.65, 0.28), (0.9 - 0.7, 0.9 - 0.25, 0.0, 0.1 - 0.08)),
        ((0.65, 0.7), (0.9 - 0.7, 0.9 - 0.25, 0.1 + 0.05, 0.0)),
    ],
)
def test_refinement_round_by_round(enhanced, margins):
    loss = clip_lit.prompt_refinement(scores(0.9), scores(0.2), *map(scores, enhanced))
    np.testing.assert_allclose(loss, [200 * sum(margins)], rtol=1e-4)


@jax.jit
def losses(pictures, prompts, enhanced, image):
    """Returns all losses by name."""
    better, best = (clip_lit.backlit_probability(pictures[:, ::step], prompts[:, ::step]) for step in (-1, 2))
    backlit = clip_lit.backlit_probability(pictures, prompts)
    return {
        "initialisation": clip_lit.prompt_initialisation(pictures, prompts, jnp.zeros(len(pictures), int)),
        "enhancement": clip_lit.enhancement(pictures, prompts, enhanced, image)[0],
        "reconstruction": clip_lit.reconstruction(enhanced, image),
        "refinement": clip_lit.prompt_refinement(backlit, best, better),
    }


def test_losses_are_per_image():
    pictures, prompts, enhanced, image = features(0), features(1, 2), maps(0), maps(1)
    together = losses(pictures, prompts, enhanced, image)
    for i in range(3):
        part = slice(i, i + 1)
        apart = losses(pictures[part], prompts, [x[part] for x in enhanced], [x[part] for x in image])
        for name, value in apart.items():
            assert value.shape == (1,)
            np.testing.assert_allclose(together[name][part], value, rtol=1e-5, err_msg=name)


def test_gradients():
    """Gradients of the enhancement loss reach the images' features and maps, those of the prompt losses the prompts."""

    def total(which, *arguments):
        return sum(losses(*arguments)[name].sum() for name in which)

    arguments = features(0), features(1, 2), maps(0), maps(1)
    of_pictures = jax.jit(jax.grad(lambda *x: total(("enhancement", "reconstruction"), *x), (0, 2)))
    of_prompts = jax.jit(jax.grad(lambda *x: total(("initialisation", "refinement"), *x), 1))
    gradients = jax.tree.leaves((of_pictures(*arguments), of_prompts(*arguments)))
    assert len(gradients) == 7
    for gradient in gradients:
        assert np.all(np.isfinite(gradient))
        assert np.any(gradient)
