"""Nights made from bright images, whose truth is known: what teaches a generator how much to brighten, and where.

Three sources of (night, day) pairs: a bright image darkened at random (`Darkening`), scenes painted under two lightings
(`painted_pairs`), and scenes that artists drew in several lightings (`drujax.training.variants`). A global curve undoes
the first kind's exposure; only a network that recognises what it sees undoes the rest: a sky that is as dark as the
ground by night and brighter than it by day, a blue cast, lamps that are as bright by night as by day.
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, UInt8

from drujax.console.progress import Progress
from drujax.models.layers.guided_filter import fit
from drujax.pictures.color import DARKEST, luma

# Log gains of R, G, B at full strength: moonlight, and the light of lamps.
MOONLIGHT, LAMPLIGHT = (-0.7, -0.3, 0.0), (0.0, -0.25, -0.8)
LAMPS = 3  # an image, at most
# Windows, as shares of the shorter side, and variance of log luma below which they are even: of the guided filter that
# tells the light of a surface from its texture.
SURFACE, EVEN = 0.06, 0.05
# Of pairs, some are given darker nights than theirs: log of the largest darkening, and their share.
DEEPER, DEEPENED = 1.0, 0.5


@dataclasses.dataclass(frozen=True)
class Darkening:
    """Random darkening, sampled per image; probabilities and ranges of its parts.

    An image x in [0, 1] becomes x^gamma / t, rounded to 8 bits as in a file. gamma is uniform over [1, max_gamma] and
    log t over [0, log max_darkening], plus a smooth field and a vertical gradient: without them the network learns that
    a bright region means a bright image, and leaves dark discs around lights. Flattened images lose, too, what tells
    their surfaces apart. Nothing becomes brighter than it was.
    """

    max_darkening: float = 12.0
    max_gamma: float = 1.5
    # Largest amplitude of the field, and of the gradient from top to bottom, in log t; an image's are uniform from 0.
    max_unevenness: float = 0.8
    # Largest share of the differences in luma between surfaces that an image loses; beyond 1 they turn round, as a day
    # sky becomes darker than the ground. Texture and edges keep their contrast.
    max_flattening: float = 1.2
    # Share of the images that are flattened.
    flattened: float = 0.5
    # Largest strength of a colour cast, and least saturation; both uniform.
    max_cast: float = 0.8
    min_saturation: float = 0.5
    # Share of the images with lamps and lit windows, which keep their brightness and light their surroundings.
    lamps: float = 0.4
    # Share of the images with noise, and its largest standard deviation, in levels of 255.
    noisy: float = 0.3
    max_noise: float = 3.0
    # Share of the images that are not darkened.
    unchanged: float = 0.2

    def __call__(self, images: Float[Array, "b h w 3"], key: Key[Array, ""]) -> Float[Array, "b h w 3"]:
        """Darkens images b h w 3 in [-1, 1]."""
        b, h, w, _ = images.shape
        keys = jax.random.split(key, 12)
        day = (images + 1) / 2

        def per_image(key, low, high):
            return jax.random.uniform(key, (b, 1, 1, 1), minval=low, maxval=high)

        limit = jnp.log(self.max_darkening)
        knots = jax.random.uniform(keys[0], (b, 4, 4, 1), minval=-1.0)
        field = per_image(keys[1], 0.0, self.max_unevenness) * jax.image.resize(knots, (b, h, w, 1), "cubic")
        gradient = jnp.linspace(-1.0, 1.0, h)[:, None, None] * per_image(
            keys[2], -self.max_unevenness, self.max_unevenness
        )
        flattening = per_image(keys[10], 0.0, self.max_flattening) * (per_image(keys[11], 0.0, 1.0) < self.flattened)
        log_t = per_image(keys[3], 0.0, limit) + field + gradient + flattening * _light_of_surfaces(day)[..., None]
        log_t = jnp.clip(log_t, 0, limit)
        lit, halo = self._lamps(keys[4], b, h, w)
        log_t = log_t * (1 - halo)
        night = day ** per_image(keys[5], 1.0, self.max_gamma) * jnp.exp(-log_t)
        night = self._graded(night, keys[6])
        night = night + lit * (day - night)
        night = jnp.minimum(night, day)
        deviation = per_image(keys[7], 0.0, self.max_noise) * (per_image(keys[8], 0.0, 1.0) < self.noisy)
        levels = 255 * night + deviation * jax.random.normal(jax.random.fold_in(key, 1), night.shape)
        night = jnp.round(jnp.clip(levels, 0, 255)) / 127.5 - 1
        return jnp.where(per_image(keys[9], 0.0, 1.0) < self.unchanged, images, night)

    def _graded(self, night: Float[Array, "b h w 3"], key: Key[Array, ""]) -> Float[Array, "b h w 3"]:
        """A moonlit or lamplit cast, and less saturation."""
        which, strength, saturation = (jax.random.uniform(k, (len(night), 1, 1, 1)) for k in jax.random.split(key, 3))
        cast = jnp.where(which < 0.65, jnp.array(MOONLIGHT), jnp.array(LAMPLIGHT))
        grey = luma(night)[..., None]
        night = grey + (night - grey) * (self.min_saturation + (1 - self.min_saturation) * saturation)
        return night * jnp.exp(self.max_cast * strength * cast)

    def _lamps(self, key: Key[Array, ""], b: int, h: int, w: int) -> tuple[Float[Array, "b h w 1"], ...]:
        """How far each pixel is lit, 0..1: within a lamp (a soft-edged rectangle), and around it."""
        where, size, present = jax.random.split(key, 3)
        y, x = (jax.random.uniform(k, (b, LAMPS, 1, 1)) for k in jax.random.split(where))
        half_h, half_w = (
            jnp.exp(jax.random.uniform(k, (b, LAMPS, 1, 1), minval=jnp.log(0.008), maxval=jnp.log(0.12)))
            for k in jax.random.split(size)
        )
        down = (jnp.arange(h)[:, None] + 0.5) / h - y
        across = ((jnp.arange(w) + 0.5) / w - x) * (w / h)
        outside = jnp.maximum(jnp.abs(down) - half_h, jnp.abs(across) - half_w)  # in heights; negative inside
        shown = jax.random.uniform(present, (b, LAMPS, 1, 1)) < self.lamps / 2
        lit = jax.nn.sigmoid(-outside * 3 * h / 4) * shown
        reach = 0.1 + 2 * (half_h + half_w)
        halo = 0.7 * jnp.exp(-((jnp.maximum(outside, 0) / reach) ** 2)) * shown
        return lit.max(1)[..., None], halo.max(1)[..., None]


def _light_of_surfaces(images: Float[Array, "b h w 3"]) -> Float[Array, "b h w"]:
    """Log luma without texture, of images in [0, 1], beside the mean of each image."""
    y = jnp.log(luma(images) + DARKEST)
    slope, offset = (
        jax.image.resize(x[..., 0], y.shape, "linear")
        for x in fit(y, y[..., None], radius=SURFACE, regularisation=EVEN)
    )
    surfaces = slope * y + offset
    return surfaces - surfaces.mean((1, 2), keepdims=True)


class Pairs(NamedTuple):
    """Scenes by night and by day, pixel-aligned."""

    night: UInt8[np.ndarray, "n h w 3"]
    day: UInt8[np.ndarray, "n h w 3"]


def painted_pairs(count: int, size: tuple[int, int], seed: int) -> Pairs:
    """Paints `count` scenes of a size (height, width), three quarters of them dark by night, the others uncertain."""
    from drujax.data.scenes.scene import draw_lighting, paint

    night, day = [], []
    with Progress("painting", total=count, unit="scene") as progress:
        for index in range(count):
            kind = "uncertain" if index % 4 == 3 else "dark"
            night.append(paint(seed, index, size, draw_lighting(seed, index, kind)))
            day.append(paint(seed, index, size, draw_lighting(seed, index, "bright")))
            progress.to(index + 1)
    return Pairs(np.stack(night), np.stack(day))


def random_pairs(
    pairs: Pairs, n: int, side: int, key: Key[Array, ""]
) -> tuple[Float[Array, "n side side 3"], Float[Array, "n side side 3"]]:
    """Draws `n` square crops of pairs, half of them mirrored, half of the nights darkened: night, day in [-1, 1]."""
    count, h, w, _ = pairs.night.shape
    which, top, left, flip, deeper, deepened = jax.random.split(key, 6)
    which = jax.random.randint(which, (n,), 0, count)
    top = jax.random.randint(top, (n,), 0, h - side + 1)
    left = jax.random.randint(left, (n,), 0, w - side + 1)
    flip = jax.random.bernoulli(flip, shape=(n, 1, 1, 1))

    def crops(images):
        def crop(i, y, x):
            return jax.lax.dynamic_slice(images, (i, y, x, 0), (1, side, side, 3))[0]

        cut = jax.vmap(crop)(which, top, left).astype(float) / 127.5 - 1
        return jnp.where(flip, cut[:, :, ::-1], cut)

    log_t = jax.random.uniform(deeper, (n, 1, 1, 1), maxval=DEEPER)
    log_t *= jax.random.bernoulli(deepened, DEEPENED, (n, 1, 1, 1))
    night = jnp.round((crops(pairs.night) + 1) * 127.5 * jnp.exp(-log_t)) / 127.5 - 1
    return night, crops(pairs.day)
