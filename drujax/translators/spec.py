"""The description of a translator: the stage that translates photographs reads only the `SPEC` in its file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import flax.linen as nn
import jax
import numpy as np

from drujax.runtime.remote_file import File
from drujax.weights.torch_names import Variables, from_torch, unwrapped

State = Mapping[str, np.ndarray]  # arrays of a checkpoint, by its names


@dataclass(frozen=True)
class TranslatorSpec:
    """A translator: its network, what the network takes and gives, and its weights.

    Attributes:
        summary: one line for `--help`.
        build: checkpoint -> flax module, images b h w 3 -> b h w 3, of the checkpoint's width.
        files: the authors' weights, for `drujax models`; the first are the default.
        obtain: how else to get weights, for a user whose download fails.
        names: checkpoint -> the same with PyTorch's names and layouts of the module's arrays. Raises UsageError for
            weights of another network.
        channels: order of the channels that the network takes and gives.
        value_range: of black and white in the network's images.
        multiple: heights and widths must be multiples of this,
        least: and at least this.
    """

    summary: str
    build: Callable[[State], nn.Module]
    files: tuple[File, ...]
    obtain: str
    names: Callable[[State], State] = lambda state: state
    channels: Literal["rgb", "bgr"] = "rgb"
    value_range: tuple[float, float] = (-1.0, 1.0)
    multiple: int = 4
    least: int = 8

    def load(self, checkpoint: State) -> tuple[nn.Module, Variables]:
        """Returns the module and its variables. Raises UsageError unless the checkpoint is one of this network."""
        state = unwrapped(checkpoint)
        module = self.build(state)
        image = jax.ShapeDtypeStruct((1, self.least, self.least, 3), np.float32)
        return module, from_torch(self.names(state), jax.eval_shape(module.init, jax.random.key(0), image))


def width(state: State, layer: str, official: int) -> int:
    """Returns the number of channels that a `layer` of a checkpoint gives; `official` if it has no such layer."""
    kernel = state.get(f"{layer}.weight")
    return official if kernel is None or not kernel.ndim else len(kernel)
