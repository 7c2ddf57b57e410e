"""Enhances images in memory, with any network, at any size and bit depth."""

import contextlib
import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_args, overload

import numpy as np
from jaxtyping import Float, Shaped
from numpy.typing import ArrayLike

from drujax.data.qab import HIGH, quartile_means, quartile_means_of_image
from drujax.enhance.application import apply
from drujax.enhance.composition import Gains
from drujax.enhance.engine import NOT_FINITE, Engine, Rounding, Runtime, TooLittleMemory, build_engine, load_engine
from drujax.enhance.mask import Mask, check_mask, masked
from drujax.enhance.strength import (
    Exposure,
    Strength,
    check_exposure,
    check_strength,
    darkness,
    enough,
    share_for,
)
from drujax.enhance.tiled_stream import in_tiles
from drujax.enhance.tiles import Pixels, Tiles
from drujax.enhance.working_scale import at_working_scale
from drujax.enhance.zoo import DEFAULT_MODEL
from drujax.errors import UsageError, unknown
from drujax.pictures import vips
from drujax.pictures.arrays import as_images, is_floating, native
from drujax.pictures.color import luma
from drujax.pictures.picture import Picture
from drujax.pictures.pillow import image_of, is_pillow, picture_of
from drujax.pictures.series import Series
from drujax.pictures.streaming import Stream, bounded_memory
from drujax.pictures.tone_curve import curve_of
from drujax.runtime.memory import is_out_of_memory
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
        self.metadata: dict[str, Any] = engine.metadata
        self._guided = engine.guided if guided is None else guided

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
        h, w, _ = given.shape[-3:]
        batch = native(given).reshape(-1, h, w, 3)
        with self._memory_errors(h, w):
            if self._guided:
                enhanced = np.stack([self._composed(image, None, amount) for image in batch])
            else:
                enhanced = self._enhanced(batch, amount)
                if enhanced is None:
                    return given.copy()
                if amount.mask is not None:
                    enhanced = np.stack([_masked(*pair, amount.mask) for pair in zip(batch, enhanced, strict=True)])
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

    @contextlib.contextmanager
    def _memory_errors(self, height: int, width: int) -> Iterator[None]:
        """Raises UsageError if memory runs out."""
        try:
            yield
        except TooLittleMemory as error:
            margin = self._engine.margin
            wide = f" with a margin of {margin}" if margin > max(width, height) else ""
            raise UsageError(
                f"enhancing {width}x{height} pixels{wide} needs {error.needed / 1e9:.1f} GB of memory and "
                f"{error.free / 1e9:.1f} GB are free; {self._advice}"
            ) from error
        except Exception as error:  # each runtime has its own
            if not is_out_of_memory(error):
                raise
            raise UsageError(f"out of memory while enhancing {width}x{height} pixels; {self._advice}") from error

    def _composed(
        self, image: Shaped[np.ndarray, "h w 3"], alpha: Shaped[np.ndarray, "h w"] | None, amount: "Amount"
    ) -> Shaped[np.ndarray, "h w 3"]:
        """Returns the enhanced image in its dtype; the same object if nothing changes."""
        rgb = np.ascontiguousarray(image, np.float32 if is_floating(image.dtype) else image.dtype)
        found = self._found(vips.of_array(rgb, alpha), lambda: quartile_means(_levels(rgb)), amount)
        if found is None:
            return image
        before = vips.of_array(rgb)
        enhanced = apply(before, *found, rounding=self._rounding)
        if amount.mask is not None:
            enhanced = masked(before, enhanced, amount.mask)
        return vips.pixels(enhanced).astype(image.dtype, copy=False)

    def _found(
        self, image: Any, means: Callable[[], Float[np.ndarray, "4"]], amount: "Amount", *, compact: bool = False
    ) -> tuple[Gains, float] | None:
        """Returns the gains of a lazy image, RGB or RGBA, and their factor; None if nothing is to be changed.

        `means` are those of its quartiles at full size; `compact`: see `at_working_scale`.
        """
        small = at_working_scale(image, compact=compact)
        if small is None:
            return None
        # Eq. 1 is defined at full size, but there for what is visible only without opacity.
        by_default = amount.strength == "auto" and amount.exposure is None
        if by_default and image.bands == 3 and means().min() >= HIGH:
            return None
        return self.light(small, amount)

    def light(self, small: Float[np.ndarray, "h w 3"], amount: "Amount") -> tuple[Gains, float] | None:
        """Returns the gains of an image at working scale, in 0..1, and their factor; None if nothing is to be changed.

        Raises:
            UsageError: NaN or infinity from the model.
        """
        strength, exposure, _ = amount
        if strength == "auto" and exposure is None and _darkest(small) >= HIGH:
            return None
        if strength == 0 or (exposure is not None and _mean_luma(small) >= exposure):
            return None
        found, finite = self._engine.gains(small)
        if not finite:
            raise UsageError(NOT_FINITE)

        def enhanced(share: float) -> Float[np.ndarray, "h2 w2 3"]:
            return vips.pixels(apply(vips.of_array(small), found, share))

        if exposure is not None:
            strength = share_for(exposure, lambda share: _mean_luma(enhanced(share)))
        elif strength == "auto":
            strength = enough(lambda share: _darkest(enhanced(share)))
        return (found, strength) if strength else None

    def _enhanced(
        self, batch: Shaped[np.ndarray, "b h w 3"], amount: "Amount"
    ) -> Shaped[np.ndarray, "b h2 w2 3"] | None:
        """Returns the network's own output, as far as wanted; None if nothing is. In tiles if memory asks for that."""
        share = _blend_weights(batch, amount.strength)
        if amount.exposure is None and not share.any():
            return None
        try:
            return self._whole(batch, share, amount.exposure)
        except Exception as error:
            if self._engine.tiling is None or not (isinstance(error, TooLittleMemory) or is_out_of_memory(error)):
                raise
        shares = share[:, 0, 0, 0].tolist()
        of_images = [
            self._tiles(Pixels.of_array(image)).enhanced(share, amount.exposure, rounding=self._rounding)
            for image, share in zip(batch, shares, strict=True)
        ]
        return np.stack([np.concatenate(list(strips)) for strips in of_images])

    def _tiles(self, pixels: Pixels) -> Tiles:
        return Tiles(self._engine, pixels, self._padding)

    def _whole(
        self, batch: Shaped[np.ndarray, "b h w 3"], share: Float[np.ndarray, "b 1 1 1"], exposure: Exposure
    ) -> Shaped[np.ndarray, "b h2 w2 3"]:
        """Returns the network's own output, in one run."""
        _, h, w, _ = batch.shape
        rows, columns = self._padding(h), self._padding(w)
        self._engine.prepare((len(batch), sum(rows) + h, sum(columns) + w, 3))
        output = self._engine.network(np.pad(batch, ((0, 0), rows, columns, (0, 0)), mode="reflect"))
        top, left = rows[0], columns[0]
        seen = slice(top, top + h), slice(left, left + w)
        if exposure is not None:
            share = _shares_for(exposure, *(np.asarray(x)[:, *seen] for x in (output.image, output.enhanced)))
        enhanced, finite = self._engine.blended(output, share, dtype=batch.dtype, rounding=self._rounding)
        if not finite:
            raise UsageError(NOT_FINITE)
        return np.ascontiguousarray(enhanced[:, *seen])

    @property
    def _advice(self) -> str:
        elsewhere = "" if self._engine.on_cpu else ", or the CPU (--device=cpu)"
        at_once = not self._guided and self._engine.tiling is None
        whole = f"{self.metadata['network']} computes the whole picture at once; " if at_once else ""
        return f"{whole}try a smaller picture, a smaller model (--model=sci-medium){elsewhere}"

    def _padding(self, side: int) -> tuple[int, int]:
        """Returns the padding before and after an axis: the margin, and up to the size multiple as the generator
        pads.
        """
        margin = self._engine.margin
        rest = -(side + 2 * margin) % self._engine.size_multiple
        return margin + rest // 2, margin + rest - rest // 2

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
        amount = checked_amount(strength, exposure, mask)
        if not self.streams:
            raise UsageError("stream: the network's own output needs the whole picture")
        first = stream.pixels()
        curve = curve_of(stream, grey=first.bands == 1)

        def levels(image: Any) -> Any:  # on sRGB's curve
            return image if curve is None else curve.encoded_image(image)

        if not self._guided:
            how = {"rounding": self._rounding, "memory_errors": self._memory_errors}
            return in_tiles(stream, amount, self._tiles, curve, **how)
        seen = levels(vips.rgb(first, opacity=True))
        with bounded_memory(seen.width):
            found = self._found(
                seen,
                lambda: quartile_means_of_image(levels(vips.rgb(stream.pixels()))),
                amount,
                compact=seen.bands == 3,
            )
        if found is None:
            return stream

        def change(image: Any) -> Any:
            before = levels(vips.rgb(image))
            enhanced = apply(before, *found, rounding=self._rounding)
            if amount.mask is not None:
                enhanced = masked(before, enhanced, amount.mask)
            if curve is not None:
                enhanced = curve.decoded_image(enhanced, image.format)
            if image.bands == 1:  # three equal channels
                return enhanced[0]
            return enhanced.bandjoin(image[3]) if image.bands == 4 else enhanced

        return dataclasses.replace(stream, change=change)

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

    def fingerprint(self) -> str:
        """Returns a hexadecimal digest of the weights and arguments, on which the results depend."""
        state = self.__getstate__()
        leaves = flatten(state.pop("variables"))
        digest = hashlib.sha256(json.dumps(state, sort_keys=True, default=str).encode())
        for path, leaf in leaves.items():
            digest.update(f"{path} {leaf.dtype} {leaf.shape}".encode() + np.asarray(leaf).tobytes())
        return digest.hexdigest()

    @property
    def runtime(self) -> str:
        """What computes: "jax", "onnxruntime" or "openvino"."""
        return self._engine.name

    @property
    def streams(self) -> bool:
        """Whether `stream` takes pictures: not for the own output of a network that needs the whole one."""
        return self._guided or self._engine.tiling is not None

    @property
    def guided(self) -> bool:
        """Whether only exposure and colour are the network's."""
        return self._guided

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
        curve = curve_of(picture, grey=picture.grey)
        levels = picture.rgb if curve is None else curve.encoded(picture.rgb)
        if self._guided:
            alpha = picture.alpha if curve is None else curve.deep(picture.alpha)
            with self._memory_errors(*picture.rgb.shape[:2]):
                rgb = self._composed(levels, alpha, checked_amount(strength, exposure, mask))
        else:
            rgb = self(levels, strength, exposure=exposure, mask=mask)
        if (picture.rgb == picture.rgb[..., :1]).all():
            grey = np.rint(np.asarray(luma(rgb))).astype(rgb.dtype)
            rgb = np.repeat(grey[..., None], 3, axis=-1)
        if curve is not None:
            rgb = curve.decoded(rgb, picture.rgb.dtype)
        if np.array_equal(rgb, picture.rgb):
            return picture
        alpha = picture.alpha
        if alpha is not None and alpha.shape != rgb.shape[:2]:
            alpha = alpha[: rgb.shape[0], : rgb.shape[1]]
        return dataclasses.replace(picture, rgb=rgb, alpha=alpha)


class Amount(NamedTuple):
    """How much a picture is enhanced: by a strength, or to an exposure; and where."""

    strength: Strength
    exposure: Exposure
    mask: Mask | None


def checked_amount(strength: Any, exposure: Any, mask: Any) -> Amount:
    """Raises UsageError for invalid ones, or both a strength and an exposure."""
    strength = check_strength(strength)
    return Amount(strength, check_exposure(exposure, strength), check_mask(mask))


def _masked(before: Shaped[np.ndarray, "h w 3"], after: Shaped[np.ndarray, "h2 w2 3"], mask: Mask) -> np.ndarray:
    before = np.ascontiguousarray(before[: after.shape[0], : after.shape[1]])
    if is_floating(before.dtype):
        before, after = before.astype(np.float32), after.astype(np.float32)
    return vips.pixels(masked(vips.of_array(before), vips.of_array(np.ascontiguousarray(after)), mask))


def _mean_luma(image: Float[np.ndarray, "h w 3"]) -> float:
    """Mean luma, 0..255, of an image in 0..1."""
    return float(luma(image).mean() * 255)


def _darkest(image: Float[np.ndarray, "h w 3"]) -> float:
    """Mean luma, 0..255, of the darkest quartile of an image in 0..1."""
    return float(quartile_means(image * 255).min())


def _blend_weights(batch: Shaped[np.ndarray, "b h w 3"], strength: Strength) -> Float[np.ndarray, "b 1 1 1"]:
    """Returns the strength for each image."""
    shares = darkness(quartile_means(_levels(batch))) if strength == "auto" else np.full(len(batch), strength)
    return shares.astype(np.float32)[:, None, None, None]


def _shares_for(
    exposure: float, x: Float[np.ndarray, "b h w 3"], y: Float[np.ndarray, "b h2 w2 3"]
) -> Float[np.ndarray, "b 1 1 1"]:
    """Returns the strength for each image that gives its blend with the network's output a mean luma."""
    x, y = x[:, : y.shape[1], : y.shape[2]], y.clip(0, 1)

    def luma_of(image: int, share: float) -> float:
        return _mean_luma(((1 - share) * x[image] + share * y[image]).clip(0, 1))

    shares = [share_for(exposure, partial(luma_of, image)) for image in range(len(x))]
    return np.array(shares, np.float32)[:, None, None, None]


def _levels(images: Shaped[np.ndarray, "*b h w 3"]) -> Shaped[np.ndarray, "*b h w 3"]:
    """Returns floating images in 0..255, and others as they are."""
    return images.astype(np.float32) * 255 if is_floating(images.dtype) else images
