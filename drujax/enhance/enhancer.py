"""Enhances images in memory, with any network, at any size and bit depth."""

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator
from functools import partial
from numbers import Integral
from pathlib import Path
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Shaped
from numpy.typing import ArrayLike

from drujax.data.qab import HIGH, quartile_means, quartile_means_of_image
from drujax.enhance.application import apply
from drujax.enhance.composition import Gains, gains
from drujax.enhance.loading import Loaded, build_model, load_model
from drujax.enhance.strength import Strength, check_strength, darkness, enough
from drujax.enhance.working_scale import SIDE, at_working_scale
from drujax.enhance.zoo import DEFAULT_MODEL
from drujax.errors import UsageError, unknown
from drujax.pictures import vips
from drujax.pictures.arrays import as_images, is_floating, native
from drujax.pictures.color import luma
from drujax.pictures.picture import Picture
from drujax.pictures.streaming import Stream, bounded_memory
from drujax.runtime.devices import devices
from drujax.runtime.memory import free_memory, is_out_of_memory

Rounding = Literal["nearest", "floor"]

NOT_FINITE = "the model's output contains NaN or infinity; its weights file may be corrupted"


class Enhancer:
    """Brightens pictures with one model.

        enhancer = Enhancer()
        bright = enhancer(dark)                 # (h, w, 3) or (b, h, w, 3) -> the same shape and dtype
        half_way = enhancer(dark, strength=0.5)

    The network runs on a small copy of the image (`drujax.enhance.working_scale`); its change of exposure and colour
    becomes smooth gains, which are applied at full size (`drujax.enhance.composition`). So an image of any size needs
    one of a few compiled programs, and keeps its own lines and texture. By default a bright image (eq. 1 of the paper)
    is unchanged, and the network decides how much the others need (`drujax.enhance.strength`).

    With `guided=False` the result is the network's own output at full size; the network is then compiled once for each
    size, rounded up to the network's multiple (16 for EnlightenGAN).
    """

    def __init__(
        self,
        model: str | Path = DEFAULT_MODEL,
        *,
        margin: int | None = None,
        guided: bool | None = None,
        rounding: Rounding = "nearest",
    ):
        """Loads `model`: a name (`drujax models`), a .safetensors file, or the folder of a training run.

        Args:
            model: the network and its weights.
            margin: width in pixels of the reflection padding. By default wide enough to keep the image's border free of
                the effects of the network's zero padding; 0 gives the official code's result, border included.
            guided: take exposure and colour from the network, and everything else from the image
                (`drujax.enhance.composition`); False returns the network's own output. By default True for
                EnlightenGAN only.
            rounding: of levels: to nearest, or down ("floor") as in SCI's and RUAS's official scripts.

        Raises:
            UsageError: an unknown model or rounding, a negative margin, a damaged model file; JAX cannot start.
        """
        if not isinstance(model, str | os.PathLike):
            raise UsageError(f"model: must be a name or a path, got {model!r}")
        if margin is not None and (isinstance(margin, bool) or not isinstance(margin, Integral) or margin < 0):
            raise UsageError(f"margin: must be an integer >= 0, got {margin!r}")
        if rounding not in get_args(Rounding):
            raise unknown("rounding", str(rounding), get_args(Rounding))
        devices()
        self._set_up(load_model(model), margin=margin, guided=guided, rounding=rounding)

    def __getstate__(self) -> dict[str, Any]:
        """Returns the weights and the arguments, without the compiled programs, for pickle and copy."""
        arguments = {"margin": self._margin, "guided": self._guided, "rounding": self._rounding}
        return {"variables": jax.device_get(self._variables), "metadata": self.metadata, "arguments": arguments}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._set_up(build_model(state["variables"], state["metadata"]), **state["arguments"])

    def _set_up(self, loaded: Loaded, *, margin: int | None, guided: bool | None, rounding: Rounding) -> None:
        self._rounding: Rounding = rounding
        self.metadata: dict[str, Any] = loaded.metadata
        self._variables = jax.device_put(loaded.variables)
        # With `wide_pool` the result depends on the exact width, which padding would change.
        exact = getattr(loaded.module, "wide_pool", False)
        self._multiple = 1 if exact else loaded.network.size_multiple
        self._guided = loaded.network.guided if guided is None else guided
        self._margin = margin if margin is not None else 0 if exact else loaded.network.margin

        def network(variables, x, fitted=None):
            y = loaded.network.enhance(loaded.module, variables, x, fitted)
            return y, jnp.isfinite(y).all()

        def working(variables, x):
            margin = min(self._margin, SIDE)  # as far as the network reaches
            padded = jnp.pad(x, ((0, 0), (margin, margin), (margin, margin), (0, 0)), mode="reflect")
            y, finite = network(variables, padded)
            return gains(x, y[:, margin : margin + x.shape[1], margin : margin + x.shape[2]]), finite

        # Apart from the network, so that what a size compiles again does not include the fit.
        self._fitted = partial(loaded.network.fitted, loaded.module)
        self._network = jax.jit(network)
        self._gains = jax.jit(working)
        self._programs: dict[tuple[int, ...], jax.stages.Compiled] = {}

    def __call__(self, image: ArrayLike, strength: Strength = "auto") -> Shaped[np.ndarray, "*b h w 3"]:
        """Enhances an image or batch; the result is clipped and rounded, with the input's size and dtype.

        A model with the option `crop` (Zero-DCE++) drops the last rows and columns.

        Args:
            image: (h, w, 3) or (b, h, w, 3): uint8, uint16, or floating in 0..1; any size from 1 x 1; see
                `drujax.pictures.arrays.as_images`. Computed in float32.
            strength: fraction of the change, 0..1: of the gains in stops, or with `guided=False` of the levels;
                "auto": 1, or as much as makes the image bright; bright images are unchanged.

        Raises:
            UsageError: invalid shape, dtype, range or strength; NaN or infinity from the model; too little memory.
        """
        given = as_images(image, "image")
        strength = check_strength(strength)
        h, w, _ = given.shape[-3:]
        batch = native(given).reshape(-1, h, w, 3)
        with self._memory_errors(h, w):
            if self._guided:
                enhanced = np.stack([self._composed(image, None, strength) for image in batch])
            else:
                share = _blend_weights(batch, strength)
                if not share.any():
                    return given.copy()
                enhanced = self._enhanced(batch, share)
        return enhanced.astype(given.dtype, copy=False)[0 if given.ndim == 3 else slice(None)]

    @contextlib.contextmanager
    def _memory_errors(self, height: int, width: int) -> Iterator[None]:
        """Raises UsageError if memory runs out."""
        try:
            yield
        except (jax.errors.JaxRuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise UsageError(
                f"out of memory while enhancing {width}x{height} pixels; {_advice(self._device)}"
            ) from error

    def _composed(
        self, image: Shaped[np.ndarray, "h w 3"], alpha: Shaped[np.ndarray, "h w"] | None, strength: Strength
    ) -> Shaped[np.ndarray, "h w 3"]:
        """Returns the enhanced image in its dtype; the same object if nothing changes."""
        rgb = np.ascontiguousarray(image, np.float32 if is_floating(image.dtype) else image.dtype)
        found = self._found(vips.of_array(rgb, alpha), lambda: quartile_means(_levels(rgb)), strength)
        if found is None:
            return image
        enhanced = apply(vips.of_array(rgb), *found, rounding=self._rounding)
        return vips.pixels(enhanced).astype(image.dtype, copy=False)

    def _found(
        self, image: Any, means: Callable[[], Float[np.ndarray, "4"]], strength: Strength, *, compact: bool = False
    ) -> tuple[Gains, float] | None:
        """Returns the gains of a lazy image, RGB or RGBA, and their factor; None if nothing is to be changed.

        `means` are those of its quartiles at full size; `compact`: see `at_working_scale`.
        """
        small = at_working_scale(image, compact=compact)
        if small is None:
            return None
        # Eq. 1 is defined at full size, but there for what is visible only without opacity.
        if strength == "auto" and (_darkest(small) >= HIGH or (image.bands == 3 and means().min() >= HIGH)):
            return None
        if strength == 0:
            return None
        of_batch, finite = jax.device_get(self._gains(self._variables, small[None]))
        if not finite:
            raise UsageError(NOT_FINITE)
        found = Gains(*(x[0] for x in of_batch))
        if strength == "auto":
            strength = enough(lambda share: _darkest(vips.pixels(apply(vips.of_array(small), found, share))))
        return (found, strength) if strength else None

    def _enhanced(
        self, batch: Shaped[np.ndarray, "b h w 3"], share: Float[np.ndarray, "b 1 1 1"]
    ) -> Shaped[np.ndarray, "b h2 w2 3"]:
        _, h, w, _ = batch.shape
        rows, columns = self._padding(h), self._padding(w)
        program = self._program((len(batch), sum(rows) + h, sum(columns) + w, 3), (w, h))
        x = _to_float(np.pad(batch, ((0, 0), rows, columns, (0, 0)), mode="reflect"))
        y, finite = program(self._variables, x, self._fitted(x))
        blended = _blend(x, y, share, dtype=batch.dtype, rounding=self._rounding)
        enhanced, finite = jax.device_get((blended, finite))
        if not finite:
            raise UsageError(NOT_FINITE)
        top, left = rows[0], columns[0]
        return np.ascontiguousarray(enhanced[:, top : top + h, left : left + w])

    @property
    def _device(self) -> Any:
        leaves = jax.tree.leaves(self._variables)
        return next(iter(leaves[0].devices())) if leaves else devices()[0]

    def _program(self, shape: tuple[int, ...], size: tuple[int, int]) -> jax.stages.Compiled:
        """Returns the network compiled for float32 images of `shape`, padded from `size` (width, height).

        Raises:
            UsageError: it needs more memory than is free. Linux overcommits memory, and would kill the process instead
                of raising an error.
        """
        x = jax.ShapeDtypeStruct(shape, jnp.float32)
        picture, free = x.size * x.dtype.itemsize, free_memory(self._device)
        if free is not None and picture > free:  # for much too large shapes XLA aborts the process
            raise self._too_large(size, picture, free)
        if shape not in self._programs:
            self._programs[shape] = self._network.lower(self._variables, x, jax.eval_shape(self._fitted, x)).compile()
        program = self._programs[shape]
        analysis = program.memory_analysis()
        if analysis is None or free is None:
            return program
        blending = 3 * picture  # estimate of what is needed after the network
        needed = picture + analysis.output_size_in_bytes + max(analysis.temp_size_in_bytes, blending)
        if needed > free:
            raise self._too_large(size, needed, free)
        return program

    def _too_large(self, size: tuple[int, int], needed: int, free: int) -> UsageError:
        margin = f" with a margin of {self._margin}" if self._margin > max(size) else ""
        return UsageError(
            f"enhancing {size[0]}x{size[1]} pixels{margin} needs {needed / 1e9:.1f} GB of memory and "
            f"{free / 1e9:.1f} GB are free; {_advice(self._device)}"
        )

    def _padding(self, side: int) -> tuple[int, int]:
        """Returns the padding before and after an axis: the margin, and up to the size multiple as the generator
        pads.
        """
        rest = -(side + 2 * self._margin) % self._multiple
        return self._margin + rest // 2, self._margin + rest - rest // 2

    def stream(self, stream: Stream, strength: Strength = "auto") -> Stream:
        """Enhances the colours of a picture that is too large to hold, when it is written; see `picture`.

        Raises:
            UsageError: the pixels are damaged, or the network alone is asked for, which needs the whole picture.
        """
        if not self._guided:
            raise UsageError("stream: the network's own output needs the whole picture")
        strength = check_strength(strength)
        seen = _rgb(stream.pixels(), opacity=True)
        with bounded_memory(seen.width):
            found = self._found(
                seen, lambda: quartile_means_of_image(_rgb(stream.pixels())), strength, compact=seen.bands == 3
            )
        if found is None:
            return stream

        def change(image: Any) -> Any:
            enhanced = apply(_rgb(image), *found, rounding=self._rounding)
            if image.bands == 1:  # three equal channels
                return enhanced[0]
            return enhanced.bandjoin(image[3]) if image.bands == 4 else enhanced

        return dataclasses.replace(stream, change=change)

    @property
    def guided(self) -> bool:
        """Whether only exposure and colour are the network's."""
        return self._guided

    def picture(self, picture: Picture, strength: Strength = "auto") -> Picture:
        """Enhances the colours of a picture and keeps everything else; a grey picture stays grey.

        Returns the same object if nothing changes.
        """
        if not isinstance(picture, Picture):
            raise UsageError(f"picture: must be a drujax.Picture, got {type(picture).__name__}")
        if self._guided:
            with self._memory_errors(*picture.rgb.shape[:2]):
                rgb = self._composed(picture.rgb, picture.alpha, check_strength(strength))
        else:
            rgb = self(picture.rgb, strength)
        if np.array_equal(rgb, picture.rgb):
            return picture
        if (picture.rgb == picture.rgb[..., :1]).all():
            grey = np.rint(np.asarray(luma(rgb))).astype(rgb.dtype)
            rgb = np.repeat(grey[..., None], 3, axis=-1)
        alpha = picture.alpha
        if alpha is not None and alpha.shape != rgb.shape[:2]:
            alpha = alpha[: rgb.shape[0], : rgb.shape[1]]
        return dataclasses.replace(picture, rgb=rgb, alpha=alpha)


def _darkest(image: Float[np.ndarray, "h w 3"]) -> float:
    """Mean luma, 0..255, of the darkest quartile of an image in 0..1."""
    return float(quartile_means(image * 255).min())


def _rgb(image: Any, *, opacity: bool = False) -> Any:
    """The colours of a lazy image, grey or RGB, with its alpha if it has one and that is wanted."""
    if image.bands == 1:
        return vips.interpreted(image.bandjoin([image, image]))
    return image[:3] if image.bands == 4 and not opacity else image


def _advice(device: Any) -> str:
    elsewhere = "" if device.platform == "cpu" else ", or the CPU (--device=cpu)"
    return f"try a smaller picture, a smaller model (--model=sci-medium){elsewhere}"


def _blend_weights(batch: Shaped[np.ndarray, "b h w 3"], strength: Strength) -> Float[np.ndarray, "b 1 1 1"]:
    """Returns the strength for each image."""
    shares = darkness(quartile_means(_levels(batch))) if strength == "auto" else np.full(len(batch), strength)
    return shares.astype(np.float32)[:, None, None, None]


def _levels(images: Shaped[np.ndarray, "*b h w 3"]) -> Shaped[np.ndarray, "*b h w 3"]:
    """Returns floating images in 0..255, and others as they are."""
    return images.astype(np.float32) * 255 if is_floating(images.dtype) else images


# Separate from the network, so that the network is compiled once for all dtypes.
@jax.jit
def _to_float(batch):
    if jnp.issubdtype(batch.dtype, jnp.floating):
        return batch.astype(jnp.float32)
    return batch.astype(jnp.float32) / jnp.iinfo(batch.dtype).max


@partial(jax.jit, static_argnames=("dtype", "rounding"))
def _blend(x, y, strength, *, dtype, rounding):
    x = x[:, : y.shape[1], : y.shape[2]]
    blended = (1 - strength) * x + strength * jnp.clip(y, 0, 1)  # exactly y at strength 1, for floor
    if jnp.issubdtype(dtype, jnp.floating):
        return blended
    levels = blended * jnp.iinfo(dtype).max
    return (jnp.round(levels) if rounding == "nearest" else jnp.floor(levels)).astype(dtype)
