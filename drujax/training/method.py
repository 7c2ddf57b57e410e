"""What the training loop knows of a method: EnlightenGAN and the methods that the paper compares it with."""

from typing import Any, Protocol, runtime_checkable

from jaxtyping import Array, Float, Key, UInt8

from drujax.training.batch import Batch, Probabilities
from drujax.training.state import Variables

State = Any  # a pytree of arrays with an integer scalar `step`


@runtime_checkable
class Method(Protocol):
    """A network and how it is trained. All functions but `export` are pure and can be jitted.

    Attributes:
        frozen: a pytree of arrays that the losses read and no step changes (VGG16, CLIP); an argument of `step`, so
            that it is neither compiled into it nor written to checkpoints.
    """

    @property
    def frozen(self) -> Any: ...

    def init(self, key: Key[Array, ""]) -> State:
        """The state before the first step. It keeps what it needs of `key` for all later randomness."""
        ...

    def step(
        self, state: State, batch: Batch, rp: Probabilities | None, frozen: Any
    ) -> tuple[State, dict[str, Float[Array, ""]]]:
        """One update of all networks; metrics are means over the batch.

        `rp` are the tables of relativistic probabilities, or None for the method without data uncertainty.
        """
        ...

    def export(self, state: State) -> tuple[Variables, dict[str, Any]]:
        """The variables of the network that enhances, and its entries of the metadata: `network` and `options`."""
        ...

    def preview(self, state: State, images: UInt8[Array, "b h w 3"]) -> tuple[Float[Array, "b h w 3"], ...]:
        """Pictures in [0, 1] that show what the network does to `images`: the enhanced ones first."""
        ...
