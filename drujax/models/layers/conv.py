"""Convolution, pooling and upsampling of all networks; the only place that selects an implementation by backend.

`conv_forms` holds the implementations. Layout NHWC, kernels HWIO. Padding is explicit and symmetric with zeros, as in
PyTorch ("SAME" pads asymmetrically at stride 2).
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.linen.dtypes import promote_dtype
from jaxtyping import Array, Float

from drujax.models.layers.conv_forms import Geometry, forward, gradients, plain, select_implementation


class Conv(nn.Module):
    """2-D convolution, b h w c -> b h' w' features; parameters `kernel` (k k c/groups features) and `bias`."""

    features: int
    kernel_size: int
    stride: int = 1
    padding: int = 0
    groups: int = 1
    dilation: int = 1
    use_bias: bool = True
    dtype: jnp.dtype | None = None
    kernel_init: Callable = nn.initializers.lecun_normal()
    bias_init: Callable = nn.initializers.zeros

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 k"]:
        k = self.kernel_size
        kernel = self.param("kernel", self.kernel_init, (k, k, x.shape[-1] // self.groups, self.features))
        bias = self.param("bias", self.bias_init, (self.features,)) if self.use_bias else None
        x, kernel, bias = promote_dtype(x, kernel, bias, dtype=self.dtype)
        stride, padding, groups, dilation = self.stride, self.padding, self.groups, self.dilation
        y = conv2d(x, kernel, stride=stride, padding=padding, groups=groups, dilation=dilation)
        return y if bias is None else y + bias


class DoublingConv(nn.Module):
    """Transposed convolution, b h w c -> b 2h 2w features; parameters `kernel` (3 3 c features) and `bias`.

    Equals PyTorch's `ConvTranspose2d(c, features, 3, stride=2, padding=1, output_padding=1)`: the pixels are spread two
    apart, with zeros between them, before the flipped kernel is applied.
    """

    features: int

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 k"]:
        kernel = self.param("kernel", nn.initializers.lecun_normal(), (3, 3, x.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        x, kernel, bias = promote_dtype(x, kernel, bias)
        layout = ("NHWC", "HWIO", "NHWC")
        return bias + jax.lax.conv_general_dilated(
            x, kernel[::-1, ::-1], (1, 1), ((1, 2), (1, 2)), lhs_dilation=(2, 2), dimension_numbers=layout
        )


class Kernel(NamedTuple):
    """The parameters of a convolution."""

    kernel: Float[Array, "k k i o"]
    bias: Float[Array, " o"]


class Parameters(nn.Module):
    """Declares the parameters of a `Conv` without applying it, for networks that combine kernels first."""

    shape: tuple[int, int, int, int]

    @nn.compact
    def __call__(self) -> Kernel:
        kernel = self.param("kernel", nn.initializers.lecun_normal(), self.shape)
        return Kernel(kernel, self.param("bias", nn.initializers.zeros, self.shape[-1:]))


def conv2d(
    x: Float[Array, "b h w c"],
    kernel: Float[Array, "k k i o"],
    *,
    stride: int = 1,
    padding: int = 0,
    groups: int = 1,
    dilation: int = 1,
    form: str | None = None,
) -> Float[Array, "b h2 w2 o"]:
    """Cross-correlation of `x` with the square `kernel`.

    `form` names one of `conv_forms.FORMS`, used on every platform. With None, GPU and TPU use XLA's convolution and CPU
    uses what `select_implementation` returns for these shapes; the choice is made when the program is lowered, by the
    target platform. All forms agree up to rounding, including their gradients. Maps of symbolic size (`jax.export`) use
    XLA's convolution, too: which form is fastest depends on the size.
    """
    if not is_known(*x.shape):
        form = form or "plain"
    geometry = Geometry(stride, padding, groups, dilation)
    on_cpu = form or select_implementation(x.shape, kernel.shape, geometry)
    elsewhere = form or "plain"
    if on_cpu == elsewhere == "plain":
        return plain(x, kernel, geometry)
    return _conv2d(x, kernel, geometry, on_cpu, elsewhere)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def _conv2d(x, kernel, geometry, on_cpu, elsewhere):
    """Convolves by the platform's form. The VJP is explicit: autodiff would save the residuals of all branches."""
    branches = {name: functools.partial(forward, name, geometry) for name in (on_cpu, elsewhere)}
    return jax.lax.platform_dependent(x, kernel, cpu=branches[on_cpu], default=branches[elsewhere])


def _conv2d_forward(x, kernel, geometry, on_cpu, elsewhere):
    return _conv2d(x, kernel, geometry, on_cpu, elsewhere), (x, kernel)


def _conv2d_backward(geometry, on_cpu, elsewhere, arrays, cotangent):
    branches = {name: functools.partial(gradients, name, geometry) for name in (on_cpu, elsewhere)}
    return jax.lax.platform_dependent(*arrays, cotangent, cpu=branches[on_cpu], default=branches[elsewhere])


_conv2d.defvjp(_conv2d_forward, _conv2d_backward)


def is_known(*sizes: Any) -> bool:
    """Whether all sizes are numbers, not symbols (`jax.export.symbolic_shape`)."""
    return all(isinstance(size, int) for size in sizes)


def reflect(x: Float[Array, "b h w c"], *margins: int) -> Float[Array, "b h2 w2 c"]:
    """Pads rows and columns by reflection: `margin` on every side, or (before, after)."""
    before, after = margins[0], margins[-1]
    return jnp.pad(x, ((0, 0), (before, after), (before, after), (0, 0)), mode="reflect")


def max_pool2(x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c"]:
    """Maximum over 2x2 windows at stride 2; an odd last row or column is dropped, as in PyTorch."""
    b, h, w, c = x.shape
    x = x[:, : h // 2 * 2, : w // 2 * 2]
    return x.reshape(b, h // 2, 2, w // 2, 2, c).max((2, 4))


class Extent(NamedTuple):
    """Where a tile lies in a picture along one axis, in pixels of the picture or of a smaller map of it."""

    start: Any
    whole: Any

    def over(self, scale: int) -> "Extent":
        """The extent in a map that is `scale` times as small."""
        return Extent(self.start / scale, self.whole / scale)


Place = tuple[Extent, Extent]  # of rows, and of columns


def upsample2(
    x: Float[Array, "b h w c"], *, align_corners: bool, place: Place | None = None
) -> Float[Array, "b h2 w2 c"]:
    """Bilinear upsampling by a factor of 2, equal to PyTorch's `upsample(scale_factor=2, mode="bilinear")`.

    `align_corners` has PyTorch's meaning: with True the corner pixels of input and output coincide (the official
    EnlightenGAN was trained so, with torch 0.3.1); with False pixels are areas, and the border is replicated.
    Uses slices and interpolation, no gather, so that the gradient is cheap as well. Computes in float32 or wider.

    With aligned corners the weights depend on the place in the picture; `place` is that of a tile of it.
    """
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    for axis in (1, 2):
        wide = _double(wide, axis, align_corners=align_corners, extent=None if place is None else place[axis - 1])
    return wide.astype(x.dtype)


def resize_aligned(x: Float[Array, "b h w c"], size: tuple[Any, ...]) -> Float[Array, "b h2 w2 c"]:
    """Bilinear resizing to `size` (rows, columns) with coinciding corner pixels of input and output.

    Equals PyTorch's `interpolate(mode="bilinear", align_corners=True)`: output j of m samples the n inputs at
    j (n - 1) / (m - 1). Computed as two matrix products, in float32 or wider.
    """
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    rows, columns = (_aligned(n, m).astype(wide.dtype) for n, m in zip(x.shape[1:3], size, strict=True))
    wide = jnp.einsum("ih,bhwc,jw->bijc", rows, wide, columns, precision=jax.lax.Precision.HIGHEST)
    return wide.astype(x.dtype)


def _aligned(n: Any, m: Any) -> Float[Any, "m n"]:
    """Interpolation matrix of `resize_aligned` from n inputs to m outputs, in NumPy's precision if both are known."""
    xp = np if is_known(n, m) else jnp
    where = xp.arange(m) * ((n - 1) / max(m - 1, 1))
    return xp.maximum(0, 1 - xp.abs(where[:, None] - xp.arange(n)))


def _double(
    x: Float[Array, "b h w c"], axis: int, *, align_corners: bool, extent: Extent | None = None
) -> Float[Array, "b h2 w2 c"]:
    """Upsamples one axis: output 2i lies between inputs i - 1 and i, output 2i + 1 between i and i + 1."""
    n = x.shape[axis]
    before = jnp.concatenate(
        [jax.lax.slice_in_dim(x, 0, 1, axis=axis), jax.lax.slice_in_dim(x, 0, n - 1, axis=axis)], axis
    )
    after = jnp.concatenate(
        [jax.lax.slice_in_dim(x, 1, n, axis=axis), jax.lax.slice_in_dim(x, n - 1, n, axis=axis)], axis
    )
    if align_corners:  # output j samples the input at j (n - 1) / (2n - 1)
        i, whole = np.arange(n) if is_known(n) else jnp.arange(n), n
        if extent is not None:
            i, whole = i + extent.start, extent.whole
        shape = [n if d == axis else 1 for d in range(x.ndim)]
        even, odd = (
            jnp.asarray(weight.reshape(shape), x.dtype)
            for weight in (i / (2 * whole - 1), (whole - 1 - i) / (2 * whole - 1))
        )
    else:  # at j / 2 - 1 / 4
        even = odd = 0.25
    pair = jnp.stack([x + even * (before - x), x + odd * (after - x)], axis + 1)
    return pair.reshape(*x.shape[:axis], 2 * n, *x.shape[axis + 1 :])
