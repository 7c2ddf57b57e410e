"""Runs the programs of `drujax.enhance.enhancer.Enhancer` by JAX, on its default device."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Shaped

from drujax.enhance.composition import Gains, gains
from drujax.enhance.engine import NetworkOutput, Rounding, TooLittleMemory
from drujax.enhance.loading import Loaded
from drujax.enhance.tiled_networks import Inputs
from drujax.enhance.tiled_networks import find as find_tiling
from drujax.enhance.working_scale import SIDE
from drujax.runtime.devices import devices
from drujax.runtime.memory import free_memory


class JaxEngine:
    """See `drujax.enhance.engine.Engine`. Programs are compiled for each size."""

    name = "jax"

    def __init__(self, loaded: Loaded, margin: int | None):
        self._variables = jax.device_put(loaded.variables)
        self.metadata = loaded.metadata
        # With `wide_pool` the result depends on the exact width, which padding would change.
        exact = getattr(loaded.module, "wide_pool", False)
        self.size_multiple = 1 if exact else loaded.network.size_multiple
        self.guided = loaded.network.guided
        self.margin = margin if margin is not None else 0 if exact else loaded.network.margin

        options = {**loaded.network.options, **loaded.metadata.get("options", {})}
        self.tiling = find_tiling(loaded.metadata, options)

        def network(variables, x, fitted=None):
            y = loaded.network.enhance(loaded.module, variables, x, fitted)
            return y, jnp.isfinite(y).all()

        def working(variables, x):
            margin = min(self.margin, SIDE)  # as far as the network reaches
            padded = jnp.pad(x, ((0, 0), (margin, margin), (margin, margin), (0, 0)), mode="reflect")
            y, finite = network(variables, padded)
            return gains(x, y[:, margin : margin + x.shape[1], margin : margin + x.shape[2]]), finite

        def tile(variables, x, inputs):
            return loaded.network.enhance_tile(loaded.module, variables, x, inputs)

        # Apart from the network, so that what a size compiles again does not include the fit.
        self._fitted = partial(loaded.network.fitted, loaded.module)
        self._network = jax.jit(network)
        self._gains = jax.jit(working)
        self._tile = jax.jit(tile)
        self._programs: dict[tuple[Any, ...], jax.stages.Compiled] = {}

    @property
    def variables(self) -> Any:
        return jax.device_get(self._variables)

    @property
    def on_cpu(self) -> bool:
        return self._device.platform == "cpu"

    def gains(self, image: Float[np.ndarray, "h w 3"]) -> tuple[Gains, bool]:
        of_batch, finite = jax.device_get(self._gains(self._variables, image[None]))
        return Gains(*(x[0] for x in of_batch)), bool(finite)

    def prepare(self, shape: tuple[int, ...]) -> None:
        self._program(shape)

    def network(self, batch: Shaped[np.ndarray, "b h w 3"]) -> NetworkOutput:
        program = self._program(batch.shape)
        x = _to_float(batch)
        y, finite = program(self._variables, x, self._fitted(x))
        return NetworkOutput(x, y, finite)

    def in_tile(self, batch: Shaped[np.ndarray, "b h w 3"], inputs: Inputs) -> Float[np.ndarray, "b ..."]:
        with jax.default_device(self._device):  # in whichever thread
            return np.asarray(self._program(batch.shape, inputs)(self._variables, _to_float(batch), dict(inputs)))

    def blended(
        self,
        output: NetworkOutput,
        share: Float[np.ndarray, "b 1 1 1"],
        *,
        dtype: np.dtype,
        rounding: Rounding,
    ) -> tuple[Shaped[np.ndarray, "b h w 3"], bool]:
        blended = _blend(output.image, output.enhanced, share, dtype=dtype, rounding=rounding)
        enhanced, finite = jax.device_get((blended, output.finite))
        return enhanced, bool(finite)

    @property
    def _device(self) -> Any:
        leaves = jax.tree.leaves(self._variables)
        return next(iter(leaves[0].devices())) if leaves else devices()[0]

    def _program(self, shape: tuple[int, ...], inputs: Inputs | None = None) -> jax.stages.Compiled:
        """Returns the network compiled for float32 images of `shape`, or for tiles with such inputs.

        Raises:
            TooLittleMemory: it needs more memory than is free. Linux overcommits memory, and would kill the process
                instead of raising an error.
        """
        x = jax.ShapeDtypeStruct(shape, jnp.float32)
        picture, free = x.size * x.dtype.itemsize, free_memory(self._device)
        if free is not None and picture > free:  # for much too large shapes XLA aborts the process
            raise TooLittleMemory(picture, free)
        key = shape if inputs is None else (shape, *sorted((name, array.shape) for name, array in inputs.items()))
        if key not in self._programs:
            jitted = self._network if inputs is None else self._tile
            arrays = jax.eval_shape(self._fitted, x) if inputs is None else dict(inputs)
            self._programs[key] = jitted.lower(self._variables, x, arrays).compile()
        program = self._programs[key]
        analysis = program.memory_analysis()
        if analysis is None or free is None:
            return program
        blending = 3 * picture  # estimate of what is needed after the network
        needed = picture + analysis.output_size_in_bytes + max(analysis.temp_size_in_bytes, blending)
        if needed > free:
            raise TooLittleMemory(needed, free)
        return program


# Separate from the network, so that the network is compiled once for all dtypes.
@jax.jit
def _to_float(batch):
    if jnp.issubdtype(batch.dtype, jnp.floating):
        return batch.astype(jnp.float32)
    return batch.astype(jnp.float32) / jnp.iinfo(batch.dtype).max


@partial(jax.jit, static_argnames=("dtype", "rounding"))
def _blend(x, y, strength, *, dtype, rounding):
    x = x[:, : y.shape[1], : y.shape[2]]
    blended = jnp.clip((1 - strength) * x + strength * jnp.clip(y, 0, 1), 0, 1)  # exactly y at strength 1, for floor
    if jnp.issubdtype(dtype, jnp.floating):
        return blended
    levels = blended * jnp.iinfo(dtype).max
    return (jnp.round(levels) if rounding == "nearest" else jnp.floor(levels)).astype(dtype)
