"""CLIP-LIT's losses, one value per image, so that relativistic probabilities can weight them.

Liang et al., ICCV 2023; official code ZhexinLiang/CLIP-LIT at 25ed5be6. `Features` b c are CLIP's image features,
`Prompts` 2 c the text features of the negative prompt (backlit) and the positive one (well lit). Features need not be
normalised to unit length.

The official code averages over the batch, except for the identity loss, which it sums. Its total for its batch size
of 8 is the mean of `enhancement`. There the ratio of the two losses depends on the batch size, here it does not.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

Features = Float[Array, "b c"]
Prompts = Float[Array, "2 c"]
Maps = Sequence[Float[Array, "b _ _ _"]]
PerImage = Float[Array, " b"]

BATCH = 8  # official batch size, over which the identity loss is summed
CLIP_WEIGHT = 16 * 20.0
IDENTITY_WEIGHT = 25 * 0.9
RECONSTRUCTION_WEIGHT = 25.0
RANKING_WEIGHT = 200.0
# Weights of the stem and the four stages of RN101.
IDENTITY_LAYERS = (1.0, 1.0, 1.0, 1.0, 0.5)
RECONSTRUCTION_LAYERS = (1.0, 1.0, 1.0, 1.0, 1.0)

# Ranking margins by the number of enhanced versions of an image: between the backlit image and the better ones, and
# between successive better ones. (The official code also has margins for none, but never uses them: images have been
# enhanced before it first refines the prompts.)
MARGINS = {1: (0.9, 0.2), 2: (0.9, 0.1)}


def similarities(pictures: Features, prompts: Prompts) -> Float[Array, "b 2"]:
    """Returns 100 times the cosine similarity of each image with each prompt."""
    return 100 * jnp.einsum("bc,pc->bp", _unit(pictures), _unit(prompts), precision="highest")


def backlit_probability(pictures: Features, prompts: Prompts) -> PerImage:
    """Probability that the negative prompt describes the image, not the positive one: L_clip and the ranking score."""
    return jax.nn.softmax(similarities(pictures, prompts))[:, 0]


def prompt_initialisation(pictures: Features, prompts: Prompts, labels: Int[Array, " b"]) -> PerImage:
    """Cross-entropy of classifying images by prompt; labels are 0 for backlit, 1 for well lit."""
    log_probabilities = jax.nn.log_softmax(similarities(pictures, prompts))
    return -jnp.take_along_axis(log_probabilities, labels[:, None], axis=1)[:, 0]


def identity(enhanced: Maps, image: Maps, *, weights: Sequence[float] = IDENTITY_LAYERS) -> PerImage:
    """Weighted sum of the mean squared differences of the feature maps of RN101's stem and stages."""
    layers = zip(weights, enhanced, image, strict=True)
    terms = (weight * ((new - old) ** 2).mean((1, 2, 3)) for weight, new, old in layers)
    return sum(terms, start=jnp.zeros(()))


def enhancement(
    features: Features, prompts: Prompts, enhanced: Maps, image: Maps
) -> tuple[PerImage, dict[str, PerImage]]:
    """Computes the loss of the enhancement network with learned prompts.

    Args:
        features: ViT-B/32's features of the enhanced images.
        prompts: text features of both prompts.
        enhanced: RN101's feature maps (`stages`) of the enhanced images.
        image: RN101's feature maps of the input images.

    Returns:
        The loss, and its two terms by name, unweighted.
    """
    terms = {"clip": backlit_probability(features, prompts), "identity": identity(enhanced, image)}
    return CLIP_WEIGHT * terms["clip"] + BATCH * IDENTITY_WEIGHT * terms["identity"], terms


def reconstruction(enhanced: Maps, image: Maps) -> PerImage:
    """Loss of the enhancement network's warm-up, before prompts are learned: it learns to reproduce its input."""
    return BATCH * RECONSTRUCTION_WEIGHT * identity(enhanced, image, weights=RECONSTRUCTION_LAYERS)


def ranking(worse: PerImage, better: PerImage, margin: float) -> PerImage:
    """Hinge loss: the `worse` image's backlit probability should exceed the better one's by `margin`."""
    return jnp.maximum(0.0, margin - (worse - better))


def prompt_refinement(backlit: PerImage, reference: PerImage, *enhanced: PerImage) -> PerImage:
    """Ranking loss of the prompts: backlit images rank worst, then enhanced ones in the given order, references best.

    Args:
        backlit: backlit probabilities of the dark images.
        reference: those of well-lit images, compared with the dark image at the same batch index.
        enhanced: those of the dark images enhanced by one or two networks.
    """
    far, near = MARGINS[len(enhanced)]
    better = [*enhanced, reference]
    loss = ranking(backlit, reference, far) + ranking(backlit, better[0], far)
    loss = sum((ranking(a, b, near) for a, b in zip(better, better[1:], strict=False)), start=loss)
    return RANKING_WEIGHT * loss


def _unit(features: Features) -> Features:
    return features / jnp.linalg.norm(features, axis=-1, keepdims=True)
