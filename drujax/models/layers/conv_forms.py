"""Implementations ("forms") of the 2-D convolution, all equal up to rounding, and the rule that selects one on CPU.

XLA's convolution (`plain`) is the right choice on GPU and TPU. On CPU it is 10 to 1000 times too slow for some shapes,
in at least one of forward pass, input gradient and weight gradient. The forms for these shapes:

* `matmul`, one matrix product per kernel position: for feature maps smaller than the kernel of one of the passes. The
  weight gradient's kernel is the output map, so padding by more than half the kernel suffices, as in PatchGAN's 4x4
  kernels with padding 2 on maps of a few pixels. It also skips the padding's zeros, over half of the work on a 3x3 map.
  1x1 kernels use it too: their gradients are such products.
* `depthwise`, multiply-adds of shifted maps: for depthwise kernels (MobileNetV2). The weight gradient sums row by row;
  on large maps (Zero-DCE++) `tiles` sums tile by tile.
* `planes`, multiply-adds of whole planes, one per weight: for so few channels (SCI, RUAS) that a pixel does not fill a
  vector register. The weight gradient is one matrix product of shifted planes.
* `cut`, a size-preserving convolution whose output is cropped: for convolutions without padding, as they follow
  reflection padding (CLIP-LIT).
* `strips`, a weight gradient by strips of rows: for large maps. XLA's runs at a quarter of the processor's speed on
  some machines (Intel Sapphire Rapids) and at full speed on others (AMD Zen 4); this one is fast on both.

All forms keep the batch as the leading dimension, so a batch that is sharded over devices stays sharded.
"""

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
from jax.experimental.xla_metadata import set_xla_metadata
from jaxtyping import Array, Float

# Working set of one step: 4 MB of float32, which fits into the caches and is enough for an efficient matrix product.
CACHE_FLOATS = 2**20
# Pixels of an output map from which the row-by-row sums of `depthwise` no longer fit into the caches.
LARGE_MAP = 56 * 56
# Multiply-adds per image below which `plain` is used, see `select_implementation`.
SMALL_WORK = 2**18
# `planes` is used up to this number of weights per output, and per input.
FEW_WEIGHTS = 64


class Geometry(NamedTuple):
    """Hyperparameters of a convolution."""

    stride: int
    padding: int
    groups: int
    dilation: int = 1

    def output_size(self, h: int, w: int, k: int) -> tuple[int, int]:
        """Returns the rows and columns of the output of a k x k kernel on an h x w map."""
        extent = self.dilation * (k - 1) + 1
        h_out, w_out = ((n + 2 * self.padding - extent) // self.stride + 1 for n in (h, w))
        return h_out, w_out


class Form(NamedTuple):
    """An implementation: `output(x, kernel, geometry)`, and gradients where autodiff's are slow."""

    output: Callable
    weight_gradient: Callable | None = None
    input_gradient: Callable | None = None
    # Whether XLA must not fuse it with the surrounding program, see `_call`.
    isolated: bool = True


def select_implementation(x_shape: tuple[int, ...], kernel_shape: tuple[int, ...], geometry: Geometry) -> str:
    """Returns the name in `FORMS` of the fastest form on CPU, as measured on AVX-512 machines of two vendors.

    On output maps of at most 7x7 pixels `matmul` is faster in all three passes. Up to 13x13 it is on par, but its many
    products take longer to compile. Below `SMALL_WORK` even XLA's slowest path takes less than a millisecond, which
    does not justify the compile time.
    """
    _, h, w, c = x_shape
    k, _, _, features = kernel_shape
    stride, _, groups, dilation = geometry
    h_out, w_out = geometry.output_size(h, w, k)
    if groups > 1:
        if not groups == c == features or dilation > 1:
            return "plain"
        return "tiles" if stride == 1 and h_out * w_out >= LARGE_MAP else "depthwise"
    if h_out * w_out * k**2 * c * features < SMALL_WORK:
        return "plain"
    few = stride == 1 and k**2 * max(c, features) <= FEW_WEIGHTS
    if dilation > 1:
        return "planes" if few else "plain"
    small = h_out * w_out <= 7 * 7
    overhangs = k > min(h, w) or (stride == 1 and (h_out > h or w_out > w))
    if k == 1 or small or overhangs:
        return "matmul"
    if few:
        return "planes"
    if stride > 1 or c < 16:
        return "plain"
    if (h_out, w_out) == (h, w):
        return "strips"
    return "cut" if k % 2 and h_out < h else "plain"


def forward(
    form: str, geometry: Geometry, x: Float[Array, "b h w c"], kernel: Float[Array, "k k i o"]
) -> Float[Array, "b h2 w2 o"]:
    """Convolves `x` with `kernel` by the given form."""
    return _call(_output, form, geometry, x, kernel)


def gradients(
    form: str,
    geometry: Geometry,
    x: Float[Array, "b h w c"],
    kernel: Float[Array, "k k i o"],
    dy: Float[Array, "b h2 w2 o"],
) -> tuple[Float[Array, "b h w c"], Float[Array, "k k i o"]]:
    """Pulls the cotangent `dy` of the output back to the input and to the kernel.

    The two are separate programs: callers often need only one, and XLA then drops the other.
    """
    dx = _call(_input_gradient, form, geometry, kernel, dy, size=x.shape[1:3])
    return dx, _call(_weight_gradient, form, geometry, x, dy, k=kernel.shape[0])


def _call(function: Callable[..., Array], form: str, geometry: Geometry, *arrays: Array, **static) -> Array:
    """Calls a function; for an isolated form, prevents XLA from fusing it with the surrounding program.

    Isolated forms read many overlapping slices of their input. XLA:CPU would recompute the input for each slice instead
    of storing it, even across an optimization_barrier.
    """
    y = function(*arrays, form=form, geometry=geometry, **static)
    return cast(Array, set_xla_metadata(y, inlineable="false")) if FORMS[form].isolated else y


@functools.partial(jax.jit, static_argnames=("form", "geometry"))
def _output(x, kernel, *, form: str, geometry: Geometry):
    return FORMS[form].output(x, kernel, geometry)


@functools.partial(jax.jit, static_argnames=("form", "geometry", "size"))
def _input_gradient(kernel, dy, *, form: str, geometry: Geometry, size: tuple[int, int]):
    if (gradient := FORMS[form].input_gradient) is not None:
        return gradient(kernel, dy, geometry)
    x = jnp.zeros((dy.shape[0], *size, kernel.shape[2] * geometry.groups), dy.dtype)
    return jax.vjp(lambda x: FORMS[form].output(x, kernel, geometry), x)[1](dy)[0]


@functools.partial(jax.jit, static_argnames=("form", "geometry", "k"))
def _weight_gradient(x, dy, *, form: str, geometry: Geometry, k: int):
    if (gradient := FORMS[form].weight_gradient) is not None:
        return gradient(x, dy, k, geometry).astype(dy.dtype)
    kernel = jnp.zeros((k, k, x.shape[-1] // geometry.groups, dy.shape[-1]), dy.dtype)
    return jax.vjp(lambda kernel: FORMS[form].output(x, kernel, geometry), kernel)[1](dy)[0]


def plain(x: Float[Array, "b h w c"], kernel: Float[Array, "k k i o"], geometry: Geometry) -> Float[Array, "b h2 w2 o"]:
    """XLA's convolution."""
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        (geometry.stride, geometry.stride),
        [(geometry.padding, geometry.padding)] * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        rhs_dilation=(geometry.dilation, geometry.dilation),
        feature_group_count=geometry.groups,
    )


def flipped_kernel_gradient(output: Callable) -> Callable:
    """Input gradient at stride 1 of the form with this `output`: convolves the cotangents with the flipped kernel.

    Autodiff of XLA's convolution gives the same up to the kernel's layout, which makes XLA:CPU 50 to 80 times slower
    inside a conditional (CLIP-LIT's phases).
    """

    def gradient(
        kernel: Float[Array, "k k i o"], dy: Float[Array, "b h2 w2 o"], geometry: Geometry
    ) -> Float[Array, "b h w c"]:
        padding = geometry.dilation * (kernel.shape[0] - 1) - geometry.padding
        flipped = kernel[::-1, ::-1]
        if geometry.groups == 1:  # depthwise kernels have no channels to swap
            flipped = jnp.swapaxes(flipped, 2, 3)
        return output(dy, flipped, geometry._replace(padding=padding))

    return gradient


def matmul(
    x: Float[Array, "b h w c"], kernel: Float[Array, "k k c o"], geometry: Geometry
) -> Float[Array, "b h2 w2 o"]:
    """Sums, over the kernel's positions, (pixels under the position) @ (its weights)."""
    k, _, _, features = kernel.shape
    h_out, w_out = geometry.output_size(x.shape[1], x.shape[2], k)
    products = []
    for i, j, outputs, inputs in _positions(x.shape[1:3], k, geometry):
        rows, columns = outputs
        beyond = ((rows.start, h_out - rows.stop), (columns.start, w_out - columns.stop))
        products.append(jnp.pad(x[:, *inputs] @ kernel[i, j], ((0, 0), *beyond, (0, 0))))
    return functools.reduce(jnp.add, products, jnp.zeros((x.shape[0], h_out, w_out, features), x.dtype))


def matmul_weight_gradient(
    x: Float[Array, "b h w c"], dy: Float[Array, "b h2 w2 o"], k: int, geometry: Geometry
) -> Float[Array, "k k c o"]:
    """For each position of the kernel: (pixels under it) transposed @ (cotangents of their outputs)."""
    products = {(i, j): jnp.zeros((x.shape[-1], dy.shape[-1]), x.dtype) for i in range(k) for j in range(k)}
    for i, j, outputs, inputs in _positions(x.shape[1:3], k, geometry):
        products[i, j] = jnp.tensordot(x[:, *inputs], dy[:, *outputs], ((0, 1, 2), (0, 1, 2)))
    return jnp.stack(list(products.values())).reshape(k, k, x.shape[-1], dy.shape[-1])


def strips_weight_gradient(
    x: Float[Array, "b h w c"], dy: Float[Array, "b h w o"], k: int, geometry: Geometry
) -> Float[Array, "k k c o"]:
    """Sums one matrix product per strip of rows; strips are sized to fit into the cache.

    Weight i, j sums pixel (r, q) times cotangent (r + p - i, q + p - j). With k x k shifted copies of the cotangents
    concatenated along the channels, pixels transposed @ cotangents gives all k x k weights at once. Copying the pixels
    instead would be slower, because the product also transposes them.
    """
    b, h, w, c = x.shape
    features, p = dy.shape[-1], geometry.padding
    fitting = max(1, CACHE_FLOATS // (b * w * (c + k**2 * features)))
    rows = max(n for n in range(1, h + 1) if h % n == 0 and n <= fitting)
    wide = jnp.promote_types(x.dtype, jnp.float32)
    dy = _padded(dy, p)

    def add_strip(n, total):
        pixels = jax.lax.dynamic_slice_in_dim(x, n * rows, rows, axis=1)
        near = jax.lax.dynamic_slice_in_dim(dy, n * rows, rows + 2 * p, axis=1)
        shifted = [near[:, 2 * p - i : 2 * p - i + rows, 2 * p - j : 2 * p - j + w] for i in range(k) for j in range(k)]
        cotangents = jnp.concatenate(shifted, -1)
        return total + jnp.tensordot(pixels, cotangents, ((0, 1, 2), (0, 1, 2)), preferred_element_type=wide)

    total = jax.lax.fori_loop(0, h // rows, add_strip, jnp.zeros((c, k**2 * features), wide))
    return total.reshape(c, k, k, features).transpose(1, 2, 0, 3)


def planes(
    x: Float[Array, "b h w c"], kernel: Float[Array, "k k c o"], geometry: Geometry
) -> Float[Array, "b h2 w2 o"]:
    """At stride 1: sums shifted input planes, each times one weight. Rows of a plane fill vector registers."""
    k, _, c, features = kernel.shape
    h_out, w_out = geometry.output_size(x.shape[1], x.shape[2], k)
    wide = jnp.promote_types(x.dtype, jnp.float32)
    inputs, weights = jnp.moveaxis(_padded(x, geometry.padding), -1, 1).astype(wide), kernel.astype(wide)
    y = jnp.zeros((x.shape[0], features, h_out, w_out), wide)
    for i, j, channel in itertools.product(range(k), range(k), range(c)):
        top, left = geometry.dilation * i, geometry.dilation * j
        plane = inputs[:, channel, None, top : top + h_out, left : left + w_out]
        y = y + plane * weights[i, j, channel][:, None, None]
    return jnp.moveaxis(y, 1, -1).astype(x.dtype)


def planes_weight_gradient(
    x: Float[Array, "b h w c"], dy: Float[Array, "b h2 w2 o"], k: int, geometry: Geometry
) -> Float[Array, "k k c o"]:
    """At stride 1: one matrix product of the k x k shifted input planes with the planes of the cotangents."""
    _, h_out, w_out, features = dy.shape
    wide = jnp.promote_types(x.dtype, jnp.float32)
    inputs = jnp.moveaxis(_padded(x, geometry.padding), -1, 0).astype(wide)
    starts = [geometry.dilation * i for i in range(k)]
    shifted = [inputs[:, :, top : top + h_out, left : left + w_out] for top in starts for left in starts]
    cotangents = jnp.moveaxis(dy, -1, 0).astype(wide).reshape(features, -1)
    return (jnp.stack(shifted).reshape(-1, cotangents.shape[1]) @ cotangents.T).reshape(k, k, -1, features)


def cut(x: Float[Array, "b h w c"], kernel: Float[Array, "k k c o"], geometry: Geometry) -> Float[Array, "b h2 w2 o"]:
    """Convolves with size-preserving padding, for which XLA is fast, and crops the output."""
    same, margin = _same_padding(kernel.shape[0], geometry)
    return plain(x, kernel, same)[:, margin:-margin, margin:-margin]


def cut_input_gradient(
    kernel: Float[Array, "k k c o"], dy: Float[Array, "b h2 w2 o"], geometry: Geometry
) -> Float[Array, "b h w c"]:
    same, margin = _same_padding(kernel.shape[0], geometry)
    return flipped_kernel_gradient(plain)(kernel, _padded(dy, margin), same)


def cut_weight_gradient(
    x: Float[Array, "b h w c"], dy: Float[Array, "b h2 w2 o"], k: int, geometry: Geometry
) -> Float[Array, "k k c o"]:
    same, margin = _same_padding(k, geometry)
    return strips_weight_gradient(x, _padded(dy, margin), k, same)


def _same_padding(k: int, geometry: Geometry) -> tuple[Geometry, int]:
    """Returns the geometry with size-preserving padding, and the margin to crop from its output."""
    return geometry._replace(padding=k // 2), k // 2 - geometry.padding


def depthwise(
    x: Float[Array, "b h w c"], kernel: Float[Array, "k k 1 c"], geometry: Geometry
) -> Float[Array, "b h2 w2 c"]:
    """One multiply-add of a shifted map for each tap of the kernel."""
    k = kernel.shape[0]
    products = [tap * weight for tap, weight in zip(_taps(x, k, geometry), kernel.reshape(k * k, -1), strict=True)]
    return functools.reduce(jnp.add, products)


def depthwise_weight_gradient(
    x: Float[Array, "b h w c"], dy: Float[Array, "b h2 w2 c"], k: int, geometry: Geometry
) -> Float[Array, "k k 1 c"]:
    """One elementwise multiply-add per output row and tap; XLA:CPU is slow at reductions over all pixels."""
    b, h_out, w_out, c = dy.shape
    wide = jnp.promote_types(x.dtype, jnp.float32)
    padded = _padded(x, geometry.padding)
    row = geometry._replace(padding=0)

    def add_row(r, sums):
        above = jax.lax.dynamic_slice_in_dim(padded, r * geometry.stride, k, axis=1).astype(wide)
        cotangent = jax.lax.dynamic_slice_in_dim(dy, r, 1, axis=1).astype(wide)
        return tuple(total + tap * cotangent for total, tap in zip(sums, _taps(above, k, row), strict=True))

    sums = jax.lax.fori_loop(0, h_out, add_row, (jnp.zeros((b, 1, w_out, c), wide),) * k**2)
    return jnp.stack([total.sum((0, 1, 2)) for total in sums]).reshape(k, k, 1, c)


def tiles_weight_gradient(
    x: Float[Array, "b h w c"], dy: Float[Array, "b h2 w2 c"], k: int, geometry: Geometry
) -> Float[Array, "k k 1 c"]:
    """At stride 1, tile by tile, so that both maps' tiles and the sums stay in the caches for all k x k taps.

    One step processes the same tile of all images of the batch.
    """
    b, h, w, c = dy.shape
    rows = min(h, 8)
    columns = _evenly(w, CACHE_FLOATS // (2 * b * rows * c))
    down, across = -(-h // rows), -(-w // columns)
    below, right = down * rows - h, across * columns - w
    p = geometry.padding
    x = jnp.pad(x, ((0, 0), (p, p + below), (p, p + right), (0, 0)))
    dy = jnp.pad(dy, ((0, 0), (0, below), (0, right), (0, 0)))
    wide = jnp.promote_types(x.dtype, jnp.float32)

    def add_tile(n, sums):
        top, left = n // across * rows, n % across * columns
        pixels = jax.lax.dynamic_slice(x, (0, top, left, 0), (b, rows + k - 1, columns + k - 1, c))
        cotangents = jax.lax.dynamic_slice(dy, (0, top, left, 0), (b, rows, columns, c))
        # Isolated, otherwise each tap would slice its tile from the whole maps again.
        return set_xla_metadata(_add_taps(pixels, cotangents, sums, k=k), inlineable="false")

    sums = jax.lax.fori_loop(0, down * across, add_tile, (jnp.zeros((b, columns, c), wide),) * k**2)
    return jnp.stack([total.sum((0, 1)) for total in sums]).reshape(k, k, 1, c)


@functools.partial(jax.jit, static_argnames="k")
def _add_taps(pixels, cotangents, sums, *, k: int):
    """Adds the rows of a tile to the sums, b w c for each tap."""
    totals = []
    for total, tap in zip(sums, _taps(pixels, k, Geometry(1, 0, 1)), strict=True):
        for row in range(cotangents.shape[1]):
            total = total + tap[:, row].astype(total.dtype) * cotangents[:, row].astype(total.dtype)
        totals.append(total)
    return tuple(totals)


def _evenly(n: int, limit: int) -> int:
    """Returns the size of equal parts of n (the last may be smaller), each at least 1 and at most `limit`."""
    return -(-n // max(1, -(-n // max(1, limit))))


def _padded(x: Float[Array, "b h w c"], padding: int) -> Float[Array, "b h2 w2 c"]:
    return jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))


def _taps(x: Float[Array, "b h w c"], k: int, geometry: Geometry) -> list[Float[Array, "b h2 w2 c"]]:
    """Returns, for each of the k x k kernel positions in row-major order, its input pixel for every output pixel."""
    stride = geometry.stride
    h_out, w_out = geometry.output_size(x.shape[1], x.shape[2], k)
    padded = _padded(x, geometry.padding)
    return [
        padded[:, i : i + (h_out - 1) * stride + 1 : stride, j : j + (w_out - 1) * stride + 1 : stride]
        for i in range(k)
        for j in range(k)
    ]


def _positions(
    size: tuple[int, ...], k: int, geometry: Geometry
) -> Iterator[tuple[int, int, tuple[slice, slice], tuple[slice, slice]]]:
    """Yields the kernel's positions i, j that overlap the map, each with the (rows, columns) of the outputs and of the
    inputs where they do.
    """
    overlaps = [[_overlap(n, at, k, geometry) for at in range(k)] for n in size]
    for i, (rows_out, rows_in) in enumerate(overlaps[0]):
        for j, (columns_out, columns_in) in enumerate(overlaps[1]):
            if rows_out.start < rows_out.stop and columns_out.start < columns_out.stop:
                yield i, j, (rows_out, columns_out), (rows_in, columns_in)


def _overlap(n: int, at: int, k: int, geometry: Geometry) -> tuple[slice, slice]:
    """Along one axis of n pixels: the outputs whose kernel position `at` lies on a pixel, and these pixels."""
    stride, padding = geometry.stride, geometry.padding
    n_out, _ = geometry.output_size(n, n, k)
    first = max(0, -((at - padding) // stride))
    last = min(n_out - 1, (n - 1 + padding - at) // stride)
    shift = at - padding
    return slice(first, last + 1), slice(first * stride + shift, last * stride + shift + 1, stride)


FORMS = {
    "plain": Form(plain, isolated=False),
    "strips": Form(plain, strips_weight_gradient, flipped_kernel_gradient(plain), isolated=False),
    "matmul": Form(matmul, matmul_weight_gradient),
    "depthwise": Form(depthwise, depthwise_weight_gradient),
    "tiles": Form(depthwise, tiles_weight_gradient, flipped_kernel_gradient(depthwise)),
    "planes": Form(planes, planes_weight_gradient, flipped_kernel_gradient(planes)),
    "cut": Form(cut, cut_weight_gradient, cut_input_gradient, isolated=False),
}
