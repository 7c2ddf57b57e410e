"""CLIP-LIT's losses, one value for each picture, so that relativistic probabilities can weight them.

Liang et al., ICCV 2023; official code ZhexinLiang/CLIP-LIT at 25ed5be6. Features b c are CLIP's of pictures, prompts
2 c those of the negative prompt (backlit) and of the positive one (well lit); no features need be of unit length.

The official code takes means over the batch, but sums the identity loss over it. So its total for a batch of 8, which
it trains with, is the mean of `enhancement`; with another batch size there the balance of the two losses would move,
here it does not.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

Features = Float[Array, "b c"]
Prompts = Float[Array, "2 c"]
Maps = Sequence[Float[Array, "b _ _ _"]]
PerPicture = Float[Array, " b"]

BATCH = 8  # pictures in the official batch, over which the identity loss is summed
CLIP_WEIGHT = 16 * 20.0
IDENTITY_WEIGHT = 25 * 0.9
RECONSTRUCTION_WEIGHT = 25.0
RANKING_WEIGHT = 200.0
# Of the stem and the four stages of RN101.
IDENTITY_LAYERS = (1.0, 1.0, 1.0, 1.0, 0.5)
RECONSTRUCTION_LAYERS = (1.0, 1.0, 1.0, 1.0, 1.0)

# Margins of the ranking, by how many enhanced versions of a picture there are: between the backlit picture and what is
# better, and between neighbours among the better ones. (The official code has margins for none, too, and never comes
# there: when it refines prompts for the first time, pictures have been enhanced.)
MARGINS = {1: (0.9, 0.2), 2: (0.9, 0.1)}


def similarities(pictures: Features, prompts: Prompts) -> Float[Array, "b 2"]:
    """A hundred times the cosines."""
    return 100 * jnp.einsum("bc,pc->bp", _unit(pictures), _unit(prompts), precision="highest")


def backlit_probability(pictures: Features, prompts: Prompts) -> PerPicture:
    """That the negative prompt describes the picture rather than the positive one: L_clip, and the score in ranking."""
    return jax.nn.softmax(similarities(pictures, prompts))[:, 0]


def prompt_initialisation(pictures: Features, prompts: Prompts, labels: Int[Array, " b"]) -> PerPicture:
    """Cross-entropy of which prompt describes the picture; labels are 0 for backlit, 1 for well lit."""
    log_probabilities = jax.nn.log_softmax(similarities(pictures, prompts))
    return -jnp.take_along_axis(log_probabilities, labels[:, None], axis=1)[:, 0]


def identity(enhanced: Maps, image: Maps, *, weights: Sequence[float] = IDENTITY_LAYERS) -> PerPicture:
    """Weighted sum over RN101's stem and stages of the mean squared change of their outputs."""
    layers = zip(weights, enhanced, image, strict=True)
    terms = (weight * ((new - old) ** 2).mean((1, 2, 3)) for weight, new, old in layers)
    return sum(terms, start=jnp.zeros(()))


def enhancement(
    features: Features, prompts: Prompts, enhanced: Maps, image: Maps
) -> tuple[PerPicture, dict[str, PerPicture]]:
    """The loss of the enhancement network with prompts, and its two losses by name, without their weights.

    Args:
        features: ViT-B/32's of the enhanced pictures.
        prompts: the features of both.
        enhanced: RN101's maps of the enhanced pictures, its `stages`.
        image: the same of the pictures before.
    """
    terms = {"clip": backlit_probability(features, prompts), "identity": identity(enhanced, image)}
    return CLIP_WEIGHT * terms["clip"] + BATCH * IDENTITY_WEIGHT * terms["identity"], terms


def reconstruction(enhanced: Maps, image: Maps) -> PerPicture:
    """The loss of the enhancement network before there are prompts: it learns to leave pictures as they are."""
    return BATCH * RECONSTRUCTION_WEIGHT * identity(enhanced, image, weights=RECONSTRUCTION_LAYERS)


def ranking(worse: PerPicture, better: PerPicture, margin: float) -> PerPicture:
    """By how much the `worse` picture's backlit probability fails to exceed the better one's by the margin."""
    return jnp.maximum(0.0, margin - (worse - better))


def prompt_refinement(backlit: PerPicture, reference: PerPicture, *enhanced: PerPicture) -> PerPicture:
    """The loss of the prompts: backlit pictures are worst, then enhanced ones in the order given, references are best.

    Args:
        backlit: backlit probabilities of pictures, with gradients to the prompts.
        reference: those of well-lit pictures, each of which is compared with the picture at the same place.
        enhanced: of the same pictures as one or two networks enhanced them.
    """
    far, near = MARGINS[len(enhanced)]
    better = [*enhanced, reference]
    loss = ranking(backlit, reference, far) + ranking(backlit, better[0], far)
    loss = sum((ranking(a, b, near) for a, b in zip(better, better[1:], strict=False)), start=loss)
    return RANKING_WEIGHT * loss


def _unit(features: Features) -> Features:
    return features / jnp.linalg.norm(features, axis=-1, keepdims=True)
