"""A translator on all devices of this machine, for batches of photographs of similar sizes.

A photograph is padded by reflection at the bottom and right to one of few sizes (`drujax.translators.sizes.padded`),
and the result is cropped back. The official programs resize it to a multiple of 4 or 32 instead. Neither is neutral:
the norms take their statistics from the whole image, and the strided convolutions see other pixels after resizing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, UInt8

from drujax.errors import UsageError
from drujax.runtime.memory import free_memory
from drujax.runtime.mesh import data_mesh, put, replicated, split
from drujax.translators.sizes import padded
from drujax.translators.weights import Loaded

# Pixels that a device translates in one call; more bring no speed. A pixel takes about a kilobyte.
PIXELS = {"cpu": 2**18}
PIXELS_OF_ACCELERATORS = 2**22

Size = tuple[int, int]  # height, width
Levels = UInt8[np.ndarray, "_ _ 3"]  # a picture, RGB


@dataclass(frozen=True, eq=False)
class Running:
    """A batch that the devices are translating."""

    levels: UInt8[Array, "b h w 3"]
    finite: Array
    sizes: list[Size]

    def result(self) -> list[Levels]:
        """Waits for the translated pictures. Raises UsageError for NaN or infinity."""
        levels, finite = jax.device_get((self.levels, self.finite))
        if not finite[: len(self.sizes)].all():
            raise UsageError("weights: the network's output contains NaN or infinity; the file may be damaged")
        return [np.ascontiguousarray(image[:h, :w]) for image, (h, w) in zip(levels, self.sizes, strict=False)]


class Translator:
    """A network with its weights, replicated on every device; batches are split over the devices."""

    def __init__(self, loaded: Loaded):
        """Raises UsageError if JAX cannot start."""
        self._spec, self._module = loaded.spec, loaded.module
        self._mesh = data_mesh()
        self._variables = put(loaded.variables, replicated(self._mesh))
        self._programs: dict[tuple[int, ...], jax.stages.Compiled] = {}

    def working_size(self, size: Size) -> Size:
        """Returns the size to which photographs of a size are padded; those with the same can be in one batch."""
        return padded(size, self._spec.multiple, self._spec.least)

    def per_call(self, working: Size) -> int:
        """Returns the number of photographs of a working size that are best translated together."""
        pixels = PIXELS.get(self._mesh.devices.flat[0].platform, PIXELS_OF_ACCELERATORS)
        return self._mesh.size * max(1, pixels // (working[0] * working[1]))

    def start(self, photos: Sequence[Levels]) -> Running:
        """Starts to translate photographs of one working size; returns before it is done.

        Raises:
            UsageError: there is not enough memory.
        """
        sizes: list[Size] = [(photo.shape[0], photo.shape[1]) for photo in photos]
        (working,) = {self.working_size(size) for size in sizes}
        batch = np.zeros((self._rows(len(photos)), *working, 3), np.uint8)
        for row, photo in zip(batch, photos, strict=False):
            row[:] = _extended(photo, working)
        levels, finite = self._program(batch.shape)(self._variables, put(batch, split(self._mesh)))
        return Running(levels, finite, sizes)

    def _rows(self, photos: int) -> int:
        """Rounds up to a power of two for each device, so that few programs are needed."""
        return self._mesh.size << (-(-photos // self._mesh.size) - 1).bit_length()

    def _program(self, shape: tuple[int, ...]) -> jax.stages.Compiled:
        if shape not in self._programs:
            everywhere, divided = replicated(self._mesh), split(self._mesh)
            function = jax.jit(self._translated, in_shardings=(everywhere, divided), out_shardings=divided)
            program = function.lower(self._variables, jax.ShapeDtypeStruct(shape, jnp.uint8)).compile()
            self._check_memory(program, shape)
            self._programs[shape] = program
        return self._programs[shape]

    def _check_memory(self, program: jax.stages.Compiled, shape: tuple[int, ...]) -> None:
        """Raises UsageError if the program needs more memory than is free: Linux would kill the process instead."""
        device = self._mesh.devices.flat[0]
        analysis, free = program.memory_analysis(), free_memory(device)
        if analysis is None or free is None:
            return
        sharers = self._mesh.size if device.platform == "cpu" else 1  # devices that share this memory
        needed = sharers * (analysis.temp_size_in_bytes + analysis.output_size_in_bytes)
        if needed > free:
            raise UsageError(
                f"limit_size: {shape[2]}x{shape[1]} pixels need {needed / 1e9:.1f} GB of memory, and "
                f"{free / 1e9:.1f} GB are free; choose a lower limit"
            )

    def _translated(self, variables, levels):
        low, high = self._spec.value_range
        photo = levels.astype(jnp.float32) * ((high - low) / 255) + low
        if self._spec.channels == "bgr":
            photo = photo[..., ::-1]
        picture = self._module.apply(variables, photo)
        assert isinstance(picture, jax.Array)
        if self._spec.channels == "bgr":
            picture = picture[..., ::-1]
        shown = jnp.round(jnp.clip((picture - low) * (255 / (high - low)), 0, 255)).astype(jnp.uint8)
        return shown, jnp.isfinite(picture).all((1, 2, 3))


def _extended(photo: Levels, working: Size) -> Levels:
    """Pads at the bottom and right by reflection: the strided convolutions start at the photograph's first pixel."""
    below, beside = (n - m for n, m in zip(working, photo.shape[:2], strict=True))
    return np.pad(photo, ((0, below), (0, beside), (0, 0)), mode="reflect")
