"""Enhances images in memory, with any network, at any size and bit depth."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, overload

import numpy as np
from jaxtyping import Float, Shaped
from numpy.typing import ArrayLike

from drujax.enhance.amount import Amount, checked_amount
from drujax.enhance.engine import Engine, Rounding, Runtime, build_engine, load_engine
from drujax.enhance.guided import Guided
from drujax.enhance.light import Light, find_light
from drujax.enhance.own_output import OwnOutput
from drujax.enhance.recolouring import recoloured
from drujax.enhance.strength import Exposure, Strength
from drujax.enhance.zoo import DEFAULT_MODEL
from drujax.errors import UsageError, unknown
from drujax.pictures.arrays import as_images, native
from drujax.pictures.picture import Picture
from drujax.pictures.pillow import image_of, is_pillow, picture_of
from drujax.pictures.series import Series
from drujax.pictures.streaming import Stream
from drujax.weights.torch_names import flatten

if TYPE_CHECKING:
    import PIL.Image


class Enhancer:
    """Brightens pictures with one model.

        enhancer = Enhancer()
        bright = enhancer(dark)                 # (h, w, 3) or (b, h, w, 3) -> the same shape and dtype
        half_way = enhancer(dark, strength=0.5)
        as_light_as_wanted = enhancer(dark, exposure=120)       # mean luma, 0..255

    The network runs on a small copy of the image (`drujax.enhance.working_scale`); its change of exposure and colour
    becomes smooth gains, which are applied at full size (`drujax.enhance.composition`). So an image of any size needs
    one of a few compiled programs, and keeps its own lines and texture. By default a bright image (eq. 1 of the paper)
    is unchanged, and the network decides how much the others need (`drujax.enhance.strength`).

    With `guided=False` the result is the network's own output at full size; the network is then compiled once for each
    size, rounded up to the network's multiple (16 for EnlightenGAN). Where memory does not suffice, it is computed in
    tiles (`drujax.enhance.tiles`).
    """

    def __init__(
        self,
        model: str | Path = DEFAULT_MODEL,
        *,
        margin: int | None = None,
        guided: bool | None = None,
        rounding: Rounding = "nearest",
        runtime: Runtime = "auto",
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
            runtime: what computes: "jax"; "onnxruntime" or "openvino", on the CPU and without importing JAX; "auto" is
                ONNX Runtime if it is installed and can run the network and JAX has no accelerator, else JAX.

        Raises:
            UsageError: an unknown model, rounding or runtime, a negative margin, a damaged model file; JAX cannot
                start; the runtime is not installed or cannot run the network.
        """
        if not isinstance(model, str | os.PathLike):
            raise UsageError(f"model: must be a name or a path, got {model!r}")
        if margin is not None and (isinstance(margin, bool) or not isinstance(margin, Integral) or margin < 0):
            raise UsageError(f"margin: must be an integer >= 0, got {margin!r}")
        if rounding not in get_args(Rounding):
            raise unknown("rounding", str(rounding), get_args(Rounding))
        engine = load_engine(model, runtime, None if margin is None else int(margin))
        self._set_up(engine, guided=guided, rounding=rounding)

    @overload
    def __call__(
        self,
        image: "PIL.Image.Image",
        strength: Strength = "auto",
        *,
        exposure: Exposure = None,
        mask: ArrayLike | None = None,
    ) -> "PIL.Image.Image": ...

    @overload
    def __call__(
        self,
        image: ArrayLike,
        strength: Strength = "auto",
        *,
        exposure: Exposure = None,
        mask: ArrayLike | None = None,
    ) -> Shaped[np.ndarray, "*b h w 3"]: ...

    def __call__(
        self,
        image: Any,
        strength: Strength = "auto",
        *,
        exposure: Exposure = None,
        mask: ArrayLike | None = None,
    ) -> Any:
        """Enhances an image or batch; the result is clipped and rounded, with the input's size and dtype.

        A model with the option `crop` (Zero-DCE++) drops the last rows and columns.

        Args:
            image: (h, w, 3) or (b, h, w, 3): uint8, uint16, or floating in 0..1; any size from 1 x 1; see
                `drujax.pictures.arrays.as_images`. Computed in float32. Or an image of Pillow, for which one of the
                same mode is returned (of a palette's colours RGB or RGBA), with its information.
            strength: fraction of the change, 0..1.5: of the gains in stops, or with `guided=False` of the levels;
                "auto": 1, or as much as makes the image bright; bright images are unchanged.
            exposure: mean luma of the result, 0..255, instead of a strength: of those from 0 to 1.5, the one that comes
                nearest. No image becomes darker.
            mask: (h, w) in 0..1, of any size and the image's aspect ratio: the share of the change at each place.

        Raises:
            UsageError: invalid shape, dtype, range, strength, exposure or mask; NaN or infinity from the model; too
                little memory.
        """
        if is_pillow(image):
            return image_of(self.picture(picture_of(image), strength, exposure=exposure, mask=mask), image)
        given = as_images(image, "image")
        amount = checked_amount(strength, exposure, mask)
        batch = native(given).reshape(-1, *given.shape[-3:])
        enhanced = self._mode.images(batch, amount)
        if enhanced is batch:
            return given.copy()
        return enhanced.astype(given.dtype, copy=False)[0 if given.ndim == 3 else slice(None)]

    def map(
        self,
        images: Iterable[Any],
        strength: Strength = "auto",
        *,
        exposure: Exposure = None,
        on_done: Callable[[int], None] = lambda done: None,
    ) -> Iterator[Any]:
        """Enhances images of any sizes and kinds, as they are asked for; each as if it were alone.

        Args:
            images: as for a call.
            strength, exposure: as for a call.
            on_done: called after each image with the number of those done.
        """
        for done, image in enumerate(images, start=1):
            enhanced = self(image, strength, exposure=exposure)
            on_done(done)
            yield enhanced

    def picture(
        self,
        picture: Picture,
        strength: Strength = "auto",
        *,
        exposure: Exposure = None,
        mask: ArrayLike | None = None,
    ) -> Picture:
        """Enhances the colours of a picture and keeps everything else; a grey picture stays grey.

        Returns the same object if nothing changes.
        """
        if not isinstance(picture, Picture):
            raise UsageError(f"picture: must be a drujax.Picture, got {type(picture).__name__}")
        amount = checked_amount(strength, exposure, mask)
        return recoloured(picture, lambda rgb, alpha: self._mode.image(rgb, alpha, amount))

    def stream(
        self,
        stream: Stream,
        strength: Strength = "auto",
        *,
        exposure: Exposure = None,
        mask: ArrayLike | None = None,
    ) -> Stream:
        """Enhances the colours of a picture that is too large to hold, when it is written; see `picture`.

        Raises:
            UsageError: the pixels are damaged, or the network's own output is asked for, and needs the whole picture.
        """
        return self._mode.stream(stream, checked_amount(strength, exposure, mask))

    def series(
        self,
        series: Series,
        strength: Strength = "auto",
        *,
        exposure: Exposure = None,
        mask: ArrayLike | None = None,
    ) -> Series:
        """Enhances the colours of an animation's frames, or of pages, when they are written; see `picture`.

        Pages are enhanced each for itself; the frames of a shot all get the same light (`drujax.enhance.series`).

        Raises:
            UsageError: a frame is damaged, or the network's own output is asked for of an animation.
        """
        from drujax.enhance.series import enhanced_series

        return enhanced_series(self, series, checked_amount(strength, exposure, mask), self._rounding)

    def frames(
        self,
        frames: Iterable[ArrayLike],
        strength: Strength = "auto",
        *,
        exposure: Exposure = None,
        mask: ArrayLike | None = None,
        rate: float = 24.0,
    ) -> Iterator[Shaped[np.ndarray, "h w 3"]]:
        """Enhances the frames of a film, whose light is smoothed over time, except at cuts (`drujax.enhance.film`).

            for bright in enhancer.frames(film, rate=23.976): ...

        A frame is yielded when the next four are known, which tell whether it is the first of a shot. Memory does not
        grow with the film.

        Args:
            frames: (h, w, 3) each, all of one size and dtype; see `__call__`.
            strength, exposure, mask: see `__call__`.
            rate: frames a second.

        Raises:
            UsageError: as `__call__`; a rate that is not above 0; the network's own output is asked for, which has no
                light to smooth.
        """
        from drujax.enhance.film.arrays import enhanced_frames

        return enhanced_frames(self, frames, checked_amount(strength, exposure, mask), rate, self._rounding)

    def light(self, small: Float[np.ndarray, "h w 3"], amount: Amount) -> Light | None:
        """Returns the light of an image at working scale, in 0..1; see `drujax.enhance.light.find_light`."""
        return find_light(self._engine, small, amount)

    @property
    def runtime(self) -> str:
        """What computes: "jax", "onnxruntime" or "openvino"."""
        return self._engine.name

    @property
    def guided(self) -> bool:
        """Whether only exposure and colour are the network's."""
        return self._guided

    @property
    def streams(self) -> bool:
        """Whether `stream` takes pictures: not for the own output of a network that needs the whole one."""
        return self._mode.streams

    def fingerprint(self) -> str:
        """Returns a hexadecimal digest of the weights and arguments, on which the results depend."""
        state = self.__getstate__()
        leaves = flatten(state.pop("variables"))
        digest = hashlib.sha256(json.dumps(state, sort_keys=True, default=str).encode())
        for path, leaf in leaves.items():
            digest.update(f"{path} {leaf.dtype} {leaf.shape}".encode() + np.asarray(leaf).tobytes())
        return digest.hexdigest()

    def __getstate__(self) -> dict[str, Any]:
        """Returns the weights and the arguments, without the compiled programs, for pickle and copy."""
        engine = self._engine
        weights = {"variables": engine.variables, "metadata": self.metadata}
        return {
            **weights,
            "runtime": engine.name,
            "margin": engine.margin,
            "guided": self._guided,
            "rounding": self._rounding,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        engine = build_engine(state["variables"], state["metadata"], state["runtime"], state["margin"])
        self._set_up(engine, guided=state["guided"], rounding=state["rounding"])

    def _set_up(self, engine: Engine, *, guided: bool | None, rounding: Rounding) -> None:
        self._engine = engine
        self._rounding: Rounding = rounding
        self._guided = engine.guided if guided is None else guided
        self._mode = Guided(engine, rounding) if self._guided else OwnOutput(engine, rounding)
        self.metadata: dict[str, Any] = engine.metadata
