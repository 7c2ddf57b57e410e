"""The interface between the training loop and a method (EnlightenGAN and the methods that the paper compares)."""

from typing import Any, Protocol, runtime_checkable

from jaxtyping import Array, Float, Key, UInt8

from drujax.training.batch import Batch, Probabilities
from drujax.training.state import Variables

State = Any  # a pytree of arrays with an integer scalar `step`


@runtime_checkable
class Method(Protocol):
    """A network and its training step. All methods except `export` are pure and can be jitted.

    Attributes:
        frozen: a pytree of arrays that the losses use but no step changes (VGG16, CLIP). It is an argument of `step`,
            so that it is neither compiled in as a constant nor written to checkpoints.
    """

    @property
    def frozen(self) -> Any: ...

    def init(self, key: Key[Array, ""]) -> State:
        """Returns the state before the first step, including the key for all later randomness."""
        ...

    def step(
        self, state: State, batch: Batch, rp: Probabilities | None, frozen: Any
    ) -> tuple[State, dict[str, Float[Array, ""]]]:
        """Updates all networks once; returns the new state and metrics, which are means over the batch.

        `rp` are the tables of relativistic probabilities (RP), or None to train without data uncertainty.
        """
        ...

    def export(self, state: State) -> tuple[Variables, dict[str, Any]]:
        """Returns the variables of the enhancement network, and its metadata entries `network` and `options`."""
        ...

    def preview(self, state: State, images: UInt8[Array, "b h w 3"]) -> tuple[Float[Array, "b h w 3"], ...]:
        """Returns images in [0, 1] for the sample grid: the enhanced `images` first, then method-specific maps."""
        ...
