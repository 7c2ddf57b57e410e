"""ZERO-IG's networks: noise removal of the dark image, illumination estimation, noise removal of the enhanced one.

Shi et al., "ZERO-IG: Zero-Shot Illumination-Guided Joint Denoising and Adaptive Enhancement for Low-Light Images", CVPR
2024; official code Doyle59217/ZeroIG at 5af4b8ac, whose layer names are kept.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from drujax.models.layers.conv import Conv
from drujax.models.layers.norm import BatchNorm

DARKEST = 1e-4  # lower bound of the illumination and of the images

Images = Float[Array, "b h w 3"]
Halves = Float[Array, "b h2 w2 3"]


class Passes(NamedTuple):
    """What the losses compare: the outputs for an image, and for its two halves (`halves`)."""

    denoised: Images  # the dark image without noise, in [1e-4, 1]
    denoised_halves: tuple[Halves, Halves]  # not clipped
    illumination: Images  # in [1e-4, 1]
    illumination_halves: tuple[Halves, Halves]  # halves of the illumination
    enhanced: Images  # the noisy image over the illumination, in [1e-4, 1]
    enhanced_halves: tuple[Halves, Halves]
    enhanced_denoised: Images  # the dark image without noise over the illumination, in [0, 1]
    final: Images  # the enhanced image without noise: the result
    final_illumination: Images  # the illumination as the second noise removal returns it
    final_halves: tuple[Float[Array, "b h2 w2 6"], Float[Array, "b h2 w2 6"]]  # the same, of the halves


class Denoise(nn.Module):
    """Features b h w c -> their noise b h w c."""

    features: int = 48

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        y = nn.leaky_relu(Conv(self.features, 3, padding=1, name="conv1")(x), 0.2)
        y = nn.leaky_relu(Conv(self.features, 3, padding=1, name="conv2")(y), 0.2)
        return Conv(x.shape[-1], 1, name="conv3")(y)


class Enhance(nn.Module):
    """Image b h w 3 in [0, 1] -> illumination b h w 3 in [1e-4, 1]. The blocks share their weights."""

    features: int = 64
    blocks: int = 3

    @nn.compact
    def __call__(self, image: Images, *, train: bool) -> Images:
        x = nn.relu(Conv(self.features, 3, padding=1, name="in_conv.0")(image))
        convolve = Conv(self.features, 3, padding=1, name="conv.0")
        normalise = BatchNorm(name="conv.1")
        for _ in range(self.blocks):
            x = x + nn.relu(normalise(convolve(x), train=train))
        return jnp.clip(nn.sigmoid(Conv(3, 3, padding=1, name="out_conv.0")(x)), DARKEST, 1.0)


class ZeroIG(nn.Module):
    """image b h w 3 in [0, 1] -> (enhanced b h w 3 in [1e-4, 1], illumination b h w 3), any h, w >= 1.

    `passes` is the training network, with the same parameters.

    Attributes:
        denoise: remove the noise of the enhanced image; the official test writes it with and without.
        features: channels of the illumination estimation.
        denoise_features: channels of both noise removals.
    """

    denoise: bool = True
    features: int = 64
    denoise_features: int = 48

    def setup(self):
        self.denoise_1 = Denoise(self.denoise_features)
        self.denoise_2 = Denoise(self.denoise_features)
        self.enhance = Enhance(self.features)

    def __call__(self, image: Images) -> tuple[Images, Images]:
        image = image + DARKEST
        illumination = self.enhance(_bounded(image - self.denoise_1(image)), train=False)
        enhanced = _bounded(image / illumination)
        # Always called, so that the parameters match the checkpoints.
        final = self._without_noise(enhanced, illumination)[..., :3]
        return final if self.denoise else enhanced, illumination

    def passes(self, image: Float[Array, "b h w 3"], *, train: bool) -> Passes:
        """Runs the networks on an image and on its two halves; gradients stop where the official code detaches."""
        image = image + DARKEST
        noisy = halves(image)
        denoised = _bounded(image - self.denoise_1(image))
        illumination = self.enhance(jax.lax.stop_gradient(denoised), train=train)
        enhanced = _bounded(image / illumination)
        light = halves(illumination)
        enhanced_halves = tuple(_bounded(x / y) for x, y in zip(noisy, light, strict=True))
        final = self._without_noise(enhanced, illumination)
        return Passes(
            denoised=denoised,
            denoised_halves=_pair(x - self.denoise_1(x) for x in noisy),
            illumination=illumination,
            illumination_halves=light,
            enhanced=enhanced,
            enhanced_halves=_pair(enhanced_halves),
            enhanced_denoised=jnp.clip(denoised / illumination, 0, 1),
            final=final[..., :3],
            final_illumination=final[..., 3:],
            final_halves=_pair(self._without_noise(x, y) for x, y in zip(enhanced_halves, light, strict=True)),
        )

    def _without_noise(self, enhanced, illumination):
        """Both, b h w 6, without the noise that the network finds, whose gradient alone reaches the illumination."""
        both = jnp.concatenate([enhanced, illumination], -1)
        return _bounded(jax.lax.stop_gradient(both) - self.denoise_2(both))


def halves(x: Float[Array, "b h w c"]) -> tuple[Float[Array, "b h2 w2 c"], Float[Array, "b h2 w2 c"]]:
    """Returns two images of half the size: the means of each 2x2 square's anti-diagonal, and of its diagonal.

    Their noise is independent. An odd last row or column is dropped.
    """
    x = x[:, : x.shape[1] // 2 * 2, : x.shape[2] // 2 * 2]
    return (x[:, ::2, 1::2] + x[:, 1::2, ::2]) / 2, (x[:, ::2, ::2] + x[:, 1::2, 1::2]) / 2


def _bounded(x):
    return jnp.clip(x, DARKEST, 1.0)


def _pair(two):
    one, other = two
    return one, other
