"""Every form of the convolution equals the plain one; upsampling equals an independent implementation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from drujax.models.layers import conv_forms
from drujax.models.layers.conv import conv2d, max_pool2, resize_aligned, upsample2
from drujax.models.layers.conv_forms import FORMS, Geometry, select_implementation
from tests.support import devices

# form, input shape, kernel shape, stride, padding, groups: each family of shapes used here, odd sizes, batch 1
CASES = [
    ("matmul", (2, 5, 5, 3), (4, 4, 3, 5), 2, 2, 1),  # PatchGAN: strided
    ("matmul", (1, 3, 3, 3), (4, 4, 3, 5), 1, 2, 1),  # kernel larger than the map
    ("matmul", (3, 4, 1, 3), (4, 4, 3, 1), 1, 2, 1),
    ("matmul", (1, 2, 2, 3), (3, 3, 3, 4), 1, 1, 1),  # the generator's bottleneck on a 32-pixel crop
    ("matmul", (2, 6, 9, 2), (3, 3, 2, 3), 2, 1, 1),
    ("matmul", (1, 5, 6, 3), (5, 5, 3, 2), 2, 2, 1),
    ("matmul", (1, 1, 1, 3), (3, 3, 3, 4), 1, 1, 1),  # most kernel positions overlap only padding
    ("matmul", (2, 5, 4, 6), (1, 1, 6, 3), 1, 0, 1),
    ("matmul", (1, 5, 7, 3), (1, 1, 3, 4), 2, 0, 1),
    ("strips", (2, 14, 15, 16), (3, 3, 16, 4), 1, 1, 1),
    ("strips", (1, 18, 12, 17), (5, 5, 17, 3), 1, 2, 1),
    ("planes", (2, 14, 15, 3), (3, 3, 3, 6), 1, 1, 1),
    ("planes", (1, 15, 14, 2), (5, 5, 2, 1), 1, 2, 1),
    ("cut", (2, 14, 15, 16), (3, 3, 16, 4), 1, 0, 1),  # padded by reflection before
    ("cut", (1, 14, 18, 17), (5, 5, 17, 3), 1, 1, 1),
    ("depthwise", (2, 6, 5, 4), (3, 3, 1, 4), 1, 1, 4),
    ("depthwise", (1, 7, 6, 3), (3, 3, 1, 3), 2, 1, 3),
    ("depthwise", (2, 1, 1, 3), (3, 3, 1, 3), 1, 1, 3),
    ("depthwise", (1, 2, 2, 3), (3, 3, 1, 3), 2, 1, 3),
    ("depthwise", (1, 114, 113, 2), (3, 3, 1, 2), 2, 1, 2),
    ("tiles", (2, 58, 61, 24), (3, 3, 1, 24), 1, 1, 24),  # two tiles across, and not quite eight down
    ("tiles", (1, 58, 60, 3), (3, 3, 1, 3), 1, 0, 3),  # padded before
]


def value_and_gradients(x_shape, kernel_shape, dtype, seed=0, **geometry):
    """Returns the output and both gradients for a random cotangent; float64 arrays need x64."""
    rng = np.random.default_rng(seed)
    x, kernel = (jnp.asarray(rng.normal(size=shape), dtype) for shape in (x_shape, kernel_shape))

    @jax.jit
    def pull_back(x, kernel):
        value, pull = jax.vjp(lambda x, kernel: conv2d(x, kernel, **geometry), x, kernel)
        return value, *pull(jnp.sin(value))

    return pull_back(x, kernel)


@pytest.mark.parametrize(("form", "x_shape", "kernel_shape", "stride", "padding", "groups"), CASES)
def test_forms_equal_the_plain_convolution(form, x_shape, kernel_shape, stride, padding, groups, monkeypatch):
    monkeypatch.setattr(conv_forms, "CACHE_FLOATS", 10_000)  # several strips on these maps too
    geometry = {"stride": stride, "padding": padding, "groups": groups}
    for dtype, tolerance in ((np.float64, 1e-13), (np.float32, 1e-5)):
        with jax.enable_x64(new_val=True):
            got = value_and_gradients(x_shape, kernel_shape, dtype, form=form, **geometry)
            expected = value_and_gradients(x_shape, kernel_shape, dtype, form="plain", **geometry)
            for ours, theirs in zip(got, expected, strict=True):
                assert ours.dtype == theirs.dtype == dtype
                scale = float(jnp.abs(theirs).max())
                np.testing.assert_allclose(
                    ours.astype(np.float64), theirs.astype(np.float64), rtol=0, atol=tolerance * scale
                )


@pytest.mark.parametrize(("form", "x_shape", "kernel_shape", "stride", "padding", "groups"), CASES)
def test_rule_selects_the_form_for_each_family(form, x_shape, kernel_shape, stride, padding, groups, monkeypatch):
    monkeypatch.setattr(conv_forms, "SMALL_WORK", 0)
    assert select_implementation(x_shape, kernel_shape, Geometry(stride, padding, groups)) == form


def test_small_work_uses_the_plain_form():
    assert select_implementation((1, 6, 6, 4), (4, 4, 4, 8), Geometry(2, 2, 1)) == "plain"


def test_dilation():
    """A dilated kernel equals the kernel with zeros between its weights."""
    rng = np.random.default_rng(0)
    x, kernel = (jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in ((2, 9, 8, 3), (3, 3, 3, 4)))
    spread = jnp.zeros((5, 5, 3, 4)).at[::2, ::2].set(kernel)
    dilated = conv2d(x, kernel, padding=2, dilation=2)
    assert dilated.shape == (2, 9, 8, 4)
    np.testing.assert_allclose(dilated, conv2d(x, spread, padding=2), atol=1e-5)
    assert select_implementation((1, 64, 64, 32), (3, 3, 32, 32), Geometry(1, 2, 1, 2)) == "plain"
    assert select_implementation((1, 64, 64, 6), (3, 3, 6, 6), Geometry(1, 2, 1, 2)) == "planes"
    got = value_and_gradients((2, 9, 8, 3), (3, 3, 3, 4), np.float32, padding=2, dilation=2, form="planes")
    expected = value_and_gradients((2, 9, 8, 3), (3, 3, 3, 4), np.float32, padding=2, dilation=2, form="plain")
    for ours, theirs in zip(got, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [(7, 10), (3, 1), (12, 12)])
def test_resize_aligned_samples_from_corner_to_corner(size):
    """A linear ramp stays linear, and corner values are kept."""
    rows, columns = np.mgrid[:5, :6]
    x = jnp.asarray((2.0 * rows + 3.0 * columns)[None, :, :, None], jnp.float32)
    y = np.asarray(resize_aligned(x, size))[0, :, :, 0]
    down, right = (np.arange(m) * ((n - 1) / max(m - 1, 1)) for n, m in zip((5, 6), size, strict=True))
    np.testing.assert_allclose(y, 2 * down[:, None] + 3 * right, atol=1e-4)


def test_rule_keeps_large_maps_plain_unless_a_gradient_would_overhang():
    assert select_implementation((2, 320, 320, 4), (3, 3, 4, 32), Geometry(1, 1, 1)) == "plain"
    assert select_implementation((2, 161, 161, 64), (4, 4, 64, 128), Geometry(2, 2, 1)) == "plain"
    assert select_implementation((2, 20, 20, 64), (4, 4, 64, 64), Geometry(1, 2, 1)) == "matmul"  # output 21 x 21
    assert select_implementation((2, 20, 2, 64), (3, 3, 64, 64), Geometry(1, 1, 1)) == "matmul"
    assert (
        select_implementation((2, 40, 40, 64), (3, 3, 16, 64), Geometry(1, 1, 4)) == "plain"
    )  # grouped, not depthwise


@pytest.mark.parametrize(("form", "x_shape", "kernel_shape", "stride", "padding", "groups"), CASES)
def test_program_for_another_platform_has_the_plain_convolution(
    form, x_shape, kernel_shape, stride, padding, groups, monkeypatch
):
    """Lowered for TPU, forward and both gradients have the plain program's convolutions; for CPU they do not."""
    monkeypatch.setattr(conv_forms, "SMALL_WORK", 0)

    def pull_ones(x, kernel, form=None):
        value, pull = jax.vjp(
            lambda x, kernel: conv2d(x, kernel, stride=stride, padding=padding, groups=groups, form=form), x, kernel
        )
        return value, pull(jnp.ones_like(value))

    def convolutions(platform, form=None):
        arrays = (jax.ShapeDtypeStruct(shape, np.float32) for shape in (x_shape, kernel_shape))
        traced = jax.jit(lambda x, kernel: pull_ones(x, kernel, form)).trace(*arrays)
        return traced.lower(lowering_platforms=(platform,)).as_text().count("stablehlo.convolution")

    assert convolutions("tpu") == convolutions("tpu", form="plain") >= 3
    assert convolutions("cpu") == {"strips": 2, "cut": 2}.get(form, 0)


@pytest.mark.multiprocess
@pytest.mark.slow
def test_sharded_batch_stays_sharded():
    devices.finish(devices.start(4, __file__))


def check_sharded(case):
    """Four devices give the result of one; the only communication is the sum of the kernel's gradient."""
    _, (_, *pixels), kernel_shape, stride, padding, groups = case
    mesh = jax.make_mesh((4,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    rng = np.random.default_rng(0)
    x, kernel = (rng.normal(size=shape).astype(np.float32) for shape in ((4, *pixels), kernel_shape))

    def pull_back(x, kernel):
        value, pull = jax.vjp(
            lambda x, kernel: conv2d(x, kernel, stride=stride, padding=padding, groups=groups), x, kernel
        )
        return value, *pull(jnp.sin(value))

    expected = jax.jit(pull_back)(x, kernel)
    sharded = NamedSharding(mesh, PartitionSpec("data"))
    arrays = jax.device_put(x, sharded), jax.device_put(kernel, NamedSharding(mesh, PartitionSpec()))
    compiled = jax.jit(pull_back).lower(*arrays).compile()
    assert "all-gather" not in str(compiled.as_text()), case
    got = compiled(*arrays)
    assert got[0].sharding.is_equivalent_to(sharded, 4), case
    for ours, theirs in zip(got, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4, err_msg=str(case))


@pytest.mark.parametrize(("form", "x_shape", "kernel_shape", "stride", "padding", "groups"), CASES[::4])
def test_forms_keep_bfloat16(form, x_shape, kernel_shape, stride, padding, groups):
    geometry = {"stride": stride, "padding": padding, "groups": groups}
    got = value_and_gradients(x_shape, kernel_shape, jnp.bfloat16, form=form, **geometry)
    expected = value_and_gradients(x_shape, kernel_shape, jnp.float32, form="plain", **geometry)
    for ours, theirs in zip(got, expected, strict=True):
        assert ours.dtype == jnp.bfloat16
        np.testing.assert_allclose(ours.astype(jnp.float32), theirs, rtol=0, atol=0.1 * float(jnp.abs(theirs).max()))


def test_every_form_has_cases():
    assert {case[0] for case in CASES} | {"plain"} == set(FORMS)


def test_max_pool2_drops_an_odd_last_row_and_column():
    x = jnp.asarray(np.random.default_rng(2).normal(size=(2, 5, 4, 3)))
    expected = [[x[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].max((1, 2)) for j in range(2)] for i in range(2)]
    np.testing.assert_array_equal(max_pool2(x), jnp.stack([jnp.stack(row, 1) for row in expected], 1))


def interpolated(x: np.ndarray, axis: int, *, align_corners: bool) -> np.ndarray:
    """PyTorch's definition: interpolates linearly at the source coordinate of each output pixel."""
    n = x.shape[axis]
    j = np.arange(2 * n)
    at = j * (n - 1) / (2 * n - 1) if align_corners else np.clip((j + 0.5) / 2 - 0.5, 0, n - 1)
    return np.apply_along_axis(lambda line: np.interp(at, np.arange(n), line), axis, x)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (1, 4), (5, 2), (6, 7)])
def test_upsample2_is_pytorchs_bilinear(size, align_corners):
    x = np.random.default_rng(0).normal(size=(2, *size, 3))
    expected = interpolated(interpolated(x, 1, align_corners=align_corners), 2, align_corners=align_corners)
    with jax.enable_x64(new_val=True):
        got = upsample2(jnp.asarray(x), align_corners=align_corners)
    np.testing.assert_allclose(got, expected, atol=1e-12)


@pytest.mark.parametrize("align_corners", [False, True])
def test_gradient_of_upsample2_is_its_transpose(align_corners):
    rng = np.random.default_rng(1)
    x, cotangent = rng.normal(size=(1, 3, 4, 2)), rng.normal(size=(1, 6, 8, 2))
    with jax.enable_x64(new_val=True):
        value, pull = jax.vjp(lambda x: upsample2(x, align_corners=align_corners), jnp.asarray(x))
        (gradient,) = pull(jnp.asarray(cotangent))
        np.testing.assert_allclose(jnp.vdot(gradient, x), jnp.vdot(cotangent, value), rtol=1e-12)


def test_upsample2_keeps_bfloat16():
    x = jnp.linspace(-1, 1, 24).reshape(1, 4, 6, 1)
    half = upsample2(x.astype(jnp.bfloat16), align_corners=True)
    assert half.dtype == jnp.bfloat16
    np.testing.assert_allclose(half.astype(jnp.float32), upsample2(x, align_corners=True), atol=0.02)


if __name__ == "__main__":  # in a process with four devices
    for case in (("plain", (4, 16, 16, 4), (3, 3, 4, 4), 1, 1, 1), *(c for c in CASES if c[1][0] == 2)):
        check_sharded(case)
