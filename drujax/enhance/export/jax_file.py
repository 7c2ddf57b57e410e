"""Networks as artefacts of `jax.export`: compiled where they are loaded, for CPU, CUDA and TPU, without drujax.

Input: float32, N x H x W x 3, RGB in 0..1; N is any number, H and W are multiples of `size_multiple`. Output: the
enhanced images, not clipped.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import export

from drujax.enhance.loading import Loaded
from drujax.errors import UsageError

PLATFORMS = ("cpu", "cuda", "tpu")


def size_multiple(loaded: Loaded) -> int:
    """Returns what heights and widths must be multiples of: 16, and Zero-DCE++'s `ratio`."""
    ratio = getattr(loaded.module, "ratio", 1)
    return math.lcm(16, loaded.network.size_multiple, ratio if isinstance(ratio, int) else 1)


def exported_network(loaded: Loaded) -> export.Exported:
    """Exports a network for any batch size, height and width.

    Raises:
        UsageError: the network or one of its options needs sizes that are known.
    """
    step = size_multiple(loaded)
    shape = export.symbolic_shape(f"n, {step}*h, {step}*w, 3")

    def enhance(image: Any) -> Any:
        return loaded.network.enhance(loaded.module, loaded.variables, image)

    try:
        return export.export(jax.jit(enhance), platforms=PLATFORMS)(jax.ShapeDtypeStruct(shape, jnp.float32))
    except (TypeError, ValueError, NotImplementedError, jax.errors.InconclusiveDimensionOperation) as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(f"{loaded.metadata['network']}: cannot be exported for any size: {reason}") from error
