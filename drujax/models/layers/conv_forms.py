"""The forms in which a convolution can be computed, each equal to the plain one, and the rule that picks one on CPU.

XLA's convolution is the right one on GPU and TPU. On CPU some families of shapes fall off its fast paths, by factors
of 10 to 1000 in at least one of forward, input gradient and weight gradient:

* maps smaller than the kernel of one of these passes (the weight gradient's kernel is the output map, so a padding of
  more than half the kernel is enough), as PatchGAN's 4x4 kernels at padding 2 meet them on maps of a few pixels:
  one matrix product for each kernel position (`matmul`), which also never multiplies the padding's zeros: more than
  half of the work on a 3x3 map;
* 1x1 kernels, whose gradients are such products too;
* depthwise kernels (MobileNetV2): multiply-adds of shifted maps (`depthwise`), whose sums for the weight gradient are
  taken row by row, or on large maps (Zero-DCE++) tile by tile (`tiles`);
* hardly any channels in and out (SCI, RUAS), which fill no vector: multiply-adds of whole planes, one for each weight
  (`planes`), back to the input, too, and one product of moved planes back to the weights;
* maps that shrink, as those do that were padded by reflection (CLIP-LIT): the convolution that keeps the size, cut
  (`cut`).

Another, the weight gradient on large maps, runs at a quarter of the processor's speed on some machines (Intel's
Sapphire Rapids) and at full speed on others (AMD's Zen 4); by strips of rows (`strips`) it is fast on both.

All forms keep the batch as the leading dimension, so that a batch sharded over devices stays so.
"""

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
from jax.experimental.xla_metadata import set_xla_metadata
from jaxtyping import Array, Float

# Four megabytes of maps are worked on at once: little enough for the caches, and enough for one matrix product.
CACHE_FLOATS = 2**20
# Pixels of a map on which sums for every column of a row no longer stay in the caches.
LARGE = 56 * 56
# Multiply-adds in a picture.
LITTLE = 2**18
# Weights that make one output, and weights that one input meets.
FEW_WEIGHTS = 64


class Geometry(NamedTuple):
    """What a convolution is, beside its arrays."""

    stride: int
    padding: int
    groups: int
    dilation: int = 1

    def output_size(self, h: int, w: int, k: int) -> tuple[int, int]:
        """Rows and columns that a k x k kernel makes of an h x w map."""
        reach = self.dilation * (k - 1) + 1
        h_out, w_out = ((n + 2 * self.padding - reach) // self.stride + 1 for n in (h, w))
        return h_out, w_out


class Form(NamedTuple):
    """A way to convolve: `output(x, kernel, geometry)`, and gradients where autodiff's are not the best."""

    output: Callable
    weight_gradient: Callable | None = None
    input_gradient: Callable | None = None
    # Whether XLA is kept from fusing it with what is around it, see `_perhaps_apart`.
    apart: bool = True


def select_implementation(x_shape: tuple[int, ...], kernel_shape: tuple[int, ...], geometry: Geometry) -> str:
    """The name of the form in `FORMS` that is fastest on CPU, as measured on AVX-512 machines of two makers.

    A small map has at most 7x7 output pixels: there `matmul` is faster in all three passes. Up to 13x13 it would still
    be as fast, but its many products take the compiler time. For so little work that XLA's slowest path takes no
    millisecond, that time is not worth it.
    """
    _, h, w, c = x_shape
    k, _, _, features = kernel_shape
    stride, _, groups, dilation = geometry
    h_out, w_out = geometry.output_size(h, w, k)
    if groups > 1:
        if not groups == c == features or dilation > 1:
            return "plain"
        return "tiles" if stride == 1 and h_out * w_out >= LARGE else "depthwise"
    if h_out * w_out * k**2 * c * features < LITTLE:
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
    """The convolution."""
    return _perhaps_apart(_output, form, geometry, x, kernel)


def gradients(
    form: str,
    geometry: Geometry,
    x: Float[Array, "b h w c"],
    kernel: Float[Array, "k k i o"],
    dy: Float[Array, "b h2 w2 o"],
) -> tuple[Float[Array, "b h w c"], Float[Array, "k k i o"]]:
    """Pulls the cotangent `dy` of the output back to the input and to the kernel.

    They are apart from each other, too: a caller often needs only one of them, and XLA then drops the other.
    """
    dx = _perhaps_apart(_input_gradient, form, geometry, kernel, dy, size=x.shape[1:3])
    return dx, _perhaps_apart(_weight_gradient, form, geometry, x, dy, k=kernel.shape[0])


def _perhaps_apart(function: Callable[..., Array], form: str, geometry: Geometry, *arrays: Array, **static) -> Array:
    """Calls a function such that, where the form asks for it, XLA fuses nothing of it with anything outside.

    Such a form uses its input many times, each time another part. XLA for CPU would rather compute what the input is
    made of anew for each of them than store it, and does not stop at an optimization_barrier.
    """
    y = function(*arrays, form=form, geometry=geometry, **static)
    return cast(Array, set_xla_metadata(y, inlineable="false")) if FORMS[form].apart else y


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


def turned_round(output: Callable) -> Callable:
    """The input gradient at stride 1 of the form with this `output`: the convolution of the cotangents with the kernel
    turned round.

    For XLA's convolution autodiff says the same but for the order of the kernel's dimensions, with which XLA:CPU takes
    50 to 80 times as long inside a conditional (CLIP-LIT's phases).
    """

    def gradient(
        kernel: Float[Array, "k k i o"], dy: Float[Array, "b h2 w2 o"], geometry: Geometry
    ) -> Float[Array, "b h w c"]:
        beyond = geometry.dilation * (kernel.shape[0] - 1) - geometry.padding
        turned = kernel[::-1, ::-1]
        back = turned if geometry.groups > 1 else jnp.swapaxes(turned, 2, 3)  # a depthwise kernel leads nowhere else
        return output(dy, back, geometry._replace(padding=beyond))

    return gradient


def matmul(
    x: Float[Array, "b h w c"], kernel: Float[Array, "k k c o"], geometry: Geometry
) -> Float[Array, "b h2 w2 o"]:
    """The sum, over the kernel's positions, of (pixels under this position) @ (its weights)."""
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
    """For each position of the kernel: (pixels under it) transposed @ (cotangents of the outputs they went to)."""
    products = {(i, j): jnp.zeros((x.shape[-1], dy.shape[-1]), x.dtype) for i in range(k) for j in range(k)}
    for i, j, outputs, inputs in _positions(x.shape[1:3], k, geometry):
        products[i, j] = jnp.tensordot(x[:, *inputs], dy[:, *outputs], ((0, 1, 2), (0, 1, 2)))
    return jnp.stack(list(products.values())).reshape(k, k, x.shape[-1], dy.shape[-1])


def strips_weight_gradient(
    x: Float[Array, "b h w c"], dy: Float[Array, "b h w o"], k: int, geometry: Geometry
) -> Float[Array, "k k c o"]:
    """The sum, over strips of rows that fit into the cache, of one matrix product each.

    Weight i, j gathers pixel (r, q) times cotangent (r + p - i, q + p - j). So k x k copies of the cotangents, each
    shifted its way, stand beside each other, and pixels transposed @ cotangents has all k x k weights at once. Copying
    the pixels instead would be slower: the product transposes them, too.
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
    """At stride 1: for each weight, a plane of the input, moved, times it. Rows of planes fill vectors."""
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
    """At stride 1: the planes of the input, each moved k x k ways, times those of the cotangents, as one product."""
    _, h_out, w_out, features = dy.shape
    wide = jnp.promote_types(x.dtype, jnp.float32)
    inputs = jnp.moveaxis(_padded(x, geometry.padding), -1, 0).astype(wide)
    starts = [geometry.dilation * i for i in range(k)]
    moved = [inputs[:, :, top : top + h_out, left : left + w_out] for top in starts for left in starts]
    cotangents = jnp.moveaxis(dy, -1, 0).astype(wide).reshape(features, -1)
    return (jnp.stack(moved).reshape(-1, cotangents.shape[1]) @ cotangents.T).reshape(k, k, -1, features)


def cut(x: Float[Array, "b h w c"], kernel: Float[Array, "k k c o"], geometry: Geometry) -> Float[Array, "b h2 w2 o"]:
    """Padded so that the size stays, for which XLA is fast, and then cut to the pixels asked for."""
    keeping, beyond = _keeping_size(kernel.shape[0], geometry)
    return plain(x, kernel, keeping)[:, beyond:-beyond, beyond:-beyond]


def cut_input_gradient(
    kernel: Float[Array, "k k c o"], dy: Float[Array, "b h2 w2 o"], geometry: Geometry
) -> Float[Array, "b h w c"]:
    keeping, beyond = _keeping_size(kernel.shape[0], geometry)
    return turned_round(plain)(kernel, _padded(dy, beyond), keeping)


def cut_weight_gradient(
    x: Float[Array, "b h w c"], dy: Float[Array, "b h2 w2 o"], k: int, geometry: Geometry
) -> Float[Array, "k k c o"]:
    keeping, beyond = _keeping_size(k, geometry)
    return strips_weight_gradient(x, _padded(dy, beyond), k, keeping)


def _keeping_size(k: int, geometry: Geometry) -> tuple[Geometry, int]:
    """With the padding that keeps the size, and the pixels at each border that are more than were asked for."""
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
    """Row by row of the output: one elementwise multiply-add a tap, where a reduction over all pixels would crawl."""
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
    """At stride 1, tile by tile: what the k x k taps read again and again of both maps stays in the caches, and so do
    the sums. The tiles of all pictures are one step.
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
        # Apart, or each tap would fetch its tile from the whole maps.
        return set_xla_metadata(_add_taps(pixels, cotangents, sums, k=k), inlineable="false")

    sums = jax.lax.fori_loop(0, down * across, add_tile, (jnp.zeros((b, columns, c), wide),) * k**2)
    return jnp.stack([total.sum((0, 1)) for total in sums]).reshape(k, k, 1, c)


@functools.partial(jax.jit, static_argnames="k")
def _add_taps(pixels, cotangents, sums, *, k: int):
    """Adds to the sums, b w c for each tap, what the rows of a tile have of it."""
    totals = []
    for total, tap in zip(sums, _taps(pixels, k, Geometry(1, 0, 1)), strict=True):
        for row in range(cotangents.shape[1]):
            total = total + tap[:, row].astype(total.dtype) * cotangents[:, row].astype(total.dtype)
        totals.append(total)
    return tuple(totals)


def _evenly(n: int, fitting: int) -> int:
    """The size of equal parts of n, the last perhaps smaller, of at most `fitting` and at least one each."""
    return -(-n // max(1, -(-n // max(1, fitting))))


def _padded(x: Float[Array, "b h w c"], padding: int) -> Float[Array, "b h2 w2 c"]:
    return jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))


def _taps(x: Float[Array, "b h w c"], k: int, geometry: Geometry) -> list[Float[Array, "b h2 w2 c"]]:
    """For each of the k x k kernel positions, row by row: the input pixels that it meets, one for each output pixel."""
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
    """The kernel's positions i, j that meet any pixel of a map; and where they do: rows and columns of the output, and
    of the input.
    """
    where = [[_meeting(n, at, k, geometry) for at in range(k)] for n in size]
    for i, (rows_out, rows_in) in enumerate(where[0]):
        for j, (columns_out, columns_in) in enumerate(where[1]):
            if rows_out.start < rows_out.stop and columns_out.start < columns_out.stop:
                yield i, j, (rows_out, columns_out), (rows_in, columns_in)


def _meeting(n: int, at: int, k: int, geometry: Geometry) -> tuple[slice, slice]:
    """Along one side of n pixels: the outputs for which position `at` of the kernel is on a pixel, and these pixels."""
    stride, padding = geometry.stride, geometry.padding
    n_out, _ = geometry.output_size(n, n, k)
    first = max(0, -((at - padding) // stride))
    last = min(n_out - 1, (n - 1 + padding - at) // stride)
    shift = at - padding
    return slice(first, last + 1), slice(first * stride + shift, last * stride + shift + 1, stride)


FORMS = {
    "plain": Form(plain, apart=False),
    "strips": Form(plain, strips_weight_gradient, turned_round(plain), apart=False),
    "matmul": Form(matmul, matmul_weight_gradient),
    "depthwise": Form(depthwise, depthwise_weight_gradient),
    "tiles": Form(depthwise, tiles_weight_gradient, turned_round(depthwise)),
    "planes": Form(planes, planes_weight_gradient, turned_round(planes)),
    "cut": Form(cut, cut_weight_gradient, cut_input_gradient, apart=False),
}
