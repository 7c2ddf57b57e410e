"""Tiles give what the whole picture gives, without seams, and in bounded memory."""

import re
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from drujax import cli
from drujax.data.qab import mean_luma
from drujax.enhance import tiled_networks
from drujax.enhance import tiles as tiles_module
from drujax.enhance.engine import TooLittleMemory
from drujax.enhance.enhancer import Enhancer
from drujax.enhance.files import enhance_files
from drujax.enhance.loading import load_model
from drujax.enhance.plan import Job
from drujax.enhance.tiles import Axis, Pixels
from drujax.errors import UsageError
from drujax.methods.registry import find_network, networks
from drujax.pictures import streaming, strips, vips
from drujax.pictures.io import read_picture
from drujax.pictures.picture import Picture
from drujax.weights import safetensors_io
from tests.support.icc import profile_of
from tests.support.peak_memory import growth_while_streaming
from tests.support.random_network import random_network
from tests.support.textures import texture

SIZE = (205, 330)
# A network, its options, and the side of windows: several each way.
CASES = [
    ("sci", {}, 64),
    ("zero_dce", {"features": 4}, 64),
    ("zero_ig", {"features": 4, "denoise_features": 6}, 64),
    ("pairlie", {"features": 4}, 64),
    ("ruas", {}, 96),
    ("ruas", {"denoise": False, "illumination": "skip,conv1x1,conv3x3,dilconv3x3,resconv1x1,conv3x3,conv3x3"}, 96),
    ("clip_lit", {}, 96),
    ("clip_lit", {"padding": "zeros", "epsilon": 1e-9}, 96),
    ("zero_dce_pp", {"features": 4, "ratio": 5}, 100),
    ("zero_dce_pp", {"features": 4, "ratio": 4, "crop": True}, 80),
    ("zero_dce_pp", {"features": 4, "ratio": 1}, 64),
    ("enlightengan", {"width": 2}, 304),
    ("enlightengan", {"width": 2, "align_corners": True}, 304),
]
IDS = [" ".join([name, *(f"{option}={value}" for option, value in options.items())]) for name, options, _ in CASES]


def enhancer_of(name, options, folder, runtime="jax", **arguments):
    """An enhancer of a network's own output, with random weights."""
    path = folder / f"{name}.safetensors"
    _, _, variables = random_network(name, options)
    safetensors_io.save_weights(path, variables, {"network": name, "options": options})
    return Enhancer(path, guided=False, runtime=runtime, **arguments)


def night(name):
    """A dark picture that is larger for EnlightenGAN, whose windows are."""
    height, width = (330, 480) if name == "enlightengan" else SIZE
    noise = np.random.default_rng(4).uniform(0, 0.1, (height, width, 3))
    return np.clip(np.asarray(texture(3, (height, width), 90)) / 255 + noise, 0, 1).astype(np.float32)


def in_tiles(enhancer, image, side, share=1.0, exposure=None):
    tiles = enhancer._mode.tiles(Pixels.of_array(image))
    tiles._side = side
    return np.concatenate(list(tiles.enhanced(share, exposure, rounding="nearest")))


def starts(tiles, axis, side):
    """The first pixels of all tiles but the first, along an axis."""
    at, found = axis.before, []
    while (at := axis.span(at, side, tiles._tiling, last=axis.stop).last) < axis.stop:
        found.append(at - axis.before)
    return found


@pytest.mark.parametrize("runtime", ["jax", "onnxruntime"])
@pytest.mark.parametrize(("name", "options", "side"), CASES, ids=IDS)
def test_tiles_are_the_whole_picture_and_have_no_seams(tmp_path, name, options, side, runtime):
    enhancer, image = enhancer_of(name, options, tmp_path, runtime), night(name)
    whole, tiled = enhancer(image, 1.0), in_tiles(enhancer, image, side)
    assert tiled.shape == whole.shape
    difference = np.abs(tiled - whole)
    # CLIP-LIT's and RUAS's random illuminations are near 0, and enlarge the rounding by dividing.
    assert difference.max() < (3e-4 if name in ("clip_lit", "ruas") else 2e-6)
    assert np.abs(whole - image[: whole.shape[0], : whole.shape[1]]).max() > 0.01

    tiles = enhancer._mode.tiles(Pixels.of_array(image))
    assert side >= tiles._smallest_side
    for axis, along in enumerate((tiles._rows, tiles._columns)):
        borders = starts(tiles, along, side)
        assert borders
        steps = np.abs(np.diff(tiled - whole, axis=axis))
        at_borders = np.take(steps, np.array(borders) - 1, axis).mean()
        assert at_borders <= 3 * steps.mean() + 1e-7


def test_too_narrow_a_halo_is_seen(tmp_path, monkeypatch):
    """What the test before measures is there without the halo."""
    monkeypatch.setitem(
        tiled_networks.NETWORKS, "sci", tiled_networks.TiledNetwork(lambda options: 0, lambda options: 80)
    )
    enhancer, image = enhancer_of("sci", {}, tmp_path), night("sci")
    assert np.abs(in_tiles(enhancer, image, 64) - enhancer(image, 1.0)).max() > 1e-3


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("sci", {}),
        ("zero_dce", {"features": 2}),
        ("zero_ig", {"features": 2, "denoise_features": 2}),
        ("pairlie", {"features": 2}),
        ("ruas", {}),
        ("ruas", {"denoise": False}),
        ("ruas", {"noise": "dilconv3x3,dilconv3x3,conv3x3,conv3x3,conv1x1,resdilconv3x3,skip"}),
        ("enlightengan", {"width": 2}),
        ("enlightengan", {"width": 2, "align_corners": True}),
    ],
)
def test_the_reach_is_the_receptive_field(name, options):
    """Infinity at one pixel makes NaN or infinity of all that depends on it, and nothing else."""
    network = find_network(name)
    module = network.module(options)
    # All positive, so that infinity is not lost in a ReLU or a maximum.
    variables = jax.tree.map(lambda leaf: np.full(leaf.shape, 0.01, np.float32), network.shapes(module))
    unet = name == "enlightengan"
    height, middle = (640, 320) if unet else (101, 50)

    @jax.jit
    def output(image):
        if unet:  # with an even attention, whose infinity would be negative
            return module.apply(variables, image, jnp.ones_like(image[..., :1]), train=False)[0]
        return network.enhance(module, variables, image)

    furthest = 0
    for at in range(middle, middle + (16 if unet else 1)):  # of each place in a cell of 16
        image = np.full((1, height, 16, 3), 0.3, np.float32)
        image[0, at, 8] = np.inf if unet else np.nan
        touched = np.flatnonzero(~np.isfinite(output(image)).all((0, 2, 3)))
        furthest = max(furthest, at - touched[0], touched[-1] - at)
    assert furthest == tiled_networks.NETWORKS[name].reach({**network.options, **options})


@pytest.mark.parametrize("ratio", [1, 3, 12])
def test_the_reach_of_a_small_curve_is_enough_and_not_much_more(ratio):
    """A pixel changes what is near it; the interpolation's weights are largest there."""
    network = find_network("zero_dce_pp")
    options = {**network.options, "features": 2, "ratio": ratio}
    module = network.module(options)
    variables = jax.tree.map(lambda leaf: np.full(leaf.shape, 0.2, np.float32), network.shapes(module))
    output = jax.jit(lambda image: network.enhance(module, variables, image))
    image = np.full((1, 40 * ratio, 4 * ratio, 3), 0.3, np.float32)
    furthest = 0
    for at in range(20 * ratio, 21 * ratio):
        changed = image.copy()
        changed[0, at, :] = 0.9
        touched = np.flatnonzero((np.asarray(output(changed)) != np.asarray(output(image))).any((0, 2, 3)))
        if touched.size:  # only the centre of a cell is in the small copy
            furthest = max(furthest, at - touched[0], touched[-1] - at)
    reach = tiled_networks.NETWORKS["zero_dce_pp"].reach(options)
    assert reach - 2 * ratio <= furthest <= reach


def test_every_network_is_in_the_table_or_needs_the_whole_picture():
    whole = {name for name in networks() if name not in tiled_networks.NETWORKS}
    assert whole == {"curve", "colie"}
    assert tiled_networks.find({"network": "enlightengan"}, {"wide_pool": True}) is None
    for name, tiled in tiled_networks.NETWORKS.items():
        network = find_network(name)
        assert tiled.step(network.options) % network.size_multiple == 0
        places = {"zero_dce_pp", "clip_lit", "enlightengan"}
        assert (network.run_tile is not None) == (name in places)


@pytest.mark.parametrize("margin", [0, 3, 40, 500])
def test_the_margin_and_the_padding_are_those_of_the_whole_picture(tmp_path, margin):
    for name, options, side in CASES[8:12]:
        enhancer = enhancer_of(name, options, tmp_path, "onnxruntime", margin=margin)
        image = night(name)[:150, :210]
        np.testing.assert_allclose(in_tiles(enhancer, image, side), enhancer(image, 1.0), atol=2e-6)


@pytest.mark.parametrize("size", [1, 2, 7, 30])
@pytest.mark.parametrize("before", [0, 3, 50])
def test_an_axis_is_padded_as_numpy_pads(size, before):
    tiling = tiled_networks.find({"network": "enlightengan"}, {"align_corners": False, "width": 2})
    axis = Axis.of(size, (before, -(size + before) % 16), tiling)
    padded = np.pad(np.arange(size), (before, axis.padded - size - before), mode="reflect")
    np.testing.assert_array_equal(axis.pixels(0, axis.whole), padded)


def test_a_picture_that_does_not_fit_is_computed_in_tiles(tmp_path, monkeypatch):
    enhancer, images = enhancer_of("sci", {}, tmp_path), np.stack([night("sci"), night("sci")[::-1] / 2])
    whole = enhancer(images, 1.0), enhancer(images), enhancer(images, exposure=90.0)
    prepared = []

    def too_little(shape):
        prepared.append(shape)
        raise TooLittleMemory(10**12, 10**9)

    monkeypatch.setattr(enhancer._engine, "prepare", too_little)
    tiled = enhancer(images, 1.0), enhancer(images), enhancer(images, exposure=90.0)
    assert len(prepared) == 3
    for one, other in zip(whole[:2], tiled[:2], strict=True):
        np.testing.assert_allclose(other, one, atol=1e-6)
    # Between the strengths at which the mean luma is measured it is interpolated.
    assert np.abs(mean_luma(tiled[2] * 255) - mean_luma(whole[2] * 255)).max() < 0.5


def test_the_free_memory_decides_the_tiles(tmp_path, monkeypatch):
    enhancer, image = enhancer_of("sci", {}, tmp_path), night("sci")
    sides = {}
    for free in (None, 10**12, 10**7, 1):
        monkeypatch.setattr(tiles_module, "free_memory", lambda free=free: free)
        tiles = enhancer._mode.tiles(Pixels.of_array(image))
        sides[free] = tiles._side
    assert sides[None] == sides[10**12] == 1024
    assert sides[10**7] ** 2 * tiles._tiling.memory <= 0.5 * 10**7
    assert sides[1] == tiles._smallest_side == 8


def test_tiles_become_smaller_when_memory_runs_out(tmp_path, monkeypatch):
    enhancer, image = enhancer_of("sci", {}, tmp_path), night("sci")
    whole, computed, in_tile = enhancer(image, 1.0), [], enhancer._engine.in_tile

    def limited(batch, inputs):
        if batch.size > 3 * 60 * 60 or len(computed) == 8 and batch.size > 3 * 40 * 40:
            raise MemoryError("Unable to allocate 9 GiB")
        computed.append(batch.shape)
        return in_tile(batch, inputs)

    monkeypatch.setattr(enhancer._engine, "in_tile", limited)
    np.testing.assert_allclose(in_tiles(enhancer, image, 330), whole, atol=1e-6)
    assert len({shape[1] for shape in computed}) >= 2
    monkeypatch.setattr(enhancer._engine, "in_tile", lambda batch, inputs: limited(np.zeros((1, 90, 90, 3)), inputs))
    with pytest.raises(MemoryError):
        in_tiles(enhancer, image, 330)


def test_nan_is_never_returned(tmp_path):
    enhancer, image = enhancer_of("sci", {}, tmp_path), night("sci")
    enhancer._engine.in_tile = lambda batch, inputs: np.full(batch.shape, np.nan, np.float32)
    with pytest.raises(UsageError, match="the model's output contains NaN or infinity"):
        in_tiles(enhancer, image, 64)


# ----- files


def saved(folder, kind):
    """Writes a dark picture of a kind; returns its path."""
    image = texture(3, SIZE, 90)
    path = folder / {"jpeg": "a.jpg", "deep tiff": "a.tif"}.get(kind, "a.png")
    if kind == "transparent":
        image.putalpha(Image.linear_gradient("L").resize(SIZE[::-1]))
    if kind == "grey in colour":
        image = image.convert("L").convert("RGB")
    if kind == "deep tiff":
        deep = np.asarray(image).astype(np.uint16) * 257 + np.arange(SIZE[0], dtype=np.uint16)[:, None, None]
        vips.interpreted(vips.of_array(deep)).tiffsave(str(path))
    else:
        profile = profile_of(curve=(1.8,), grey=kind == "grey profile") if "profile" in kind else None
        image = image.convert("L") if kind in ("grey", "grey profile") else image
        image.save(path, quality=95, subsampling=0, icc_profile=profile)
    return path


def small_tiles(monkeypatch):
    """All files are streamed, in several tiles, and libvips gets several pieces."""
    monkeypatch.setattr(streaming, "STREAMED", 0)
    monkeypatch.setattr(tiles_module, "SIDE", 64)
    monkeypatch.setattr(tiles_module, "REACHES", 0)
    monkeypatch.setattr(strips, "PIECE", 4000)


def written(source, target, enhancer, *, streams, **amount):
    def enhance(picture):
        assert isinstance(picture, Picture) != streams
        return (enhancer.stream if streams else enhancer.picture)(picture, **amount)

    (outcome,) = enhance_files([Job(source, target)], enhance, streams=streams)
    return outcome


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(("sci", kind) for kind in ("png", "jpeg", "grey", "grey in colour", "transparent", "deep tiff")),
        *(("sci", kind) for kind in ("profile", "grey profile")),
        ("clip_lit", "png"),
        ("zero_dce_pp", "transparent"),
    ],
)
def test_a_streamed_file_is_the_one_that_is_written_from_memory(tmp_path, monkeypatch, name, kind):
    options = {"features": 4, "ratio": 4, "crop": True} if name == "zero_dce_pp" else {}
    enhancer, source = enhancer_of(name, options, tmp_path, "onnxruntime"), saved(tmp_path, kind)
    held, streamed = (tmp_path / f"{made}{source.suffix}" for made in ("held", "streamed"))
    assert written(source, held, enhancer, streams=False).status == "enhanced"
    small_tiles(monkeypatch)
    outcome = written(source, streamed, enhancer, streams=True)
    assert outcome.status == "enhanced", outcome.error
    one, other = read_picture(held), read_picture(streamed)
    assert one.rgb.shape == other.rgb.shape
    assert one.grey == other.grey == (kind in ("grey", "grey profile"))
    level = 257 if kind == "deep tiff" else 1
    apart = np.abs(one.rgb.astype(int) - other.rgb)
    assert apart.max() <= (8 if kind == "jpeg" else level)  # JPEG spreads what is rounded differently over its blocks
    assert apart.mean() < 0.01 * level
    assert (one.alpha is None) == (other.alpha is None) == (kind != "transparent")
    assert one.alpha is None or np.array_equal(one.alpha, other.alpha)
    before = read_picture(source).rgb[: other.rgb.shape[0], : other.rgb.shape[1]]
    assert np.abs(other.rgb.astype(int) - before).mean() > level
    if kind == "grey in colour":
        assert (other.rgb == other.rgb[..., :1]).all()


def test_a_mask_and_an_exposure_of_a_stream(tmp_path, monkeypatch):
    enhancer, source = enhancer_of("sci", {}, tmp_path, "onnxruntime"), saved(tmp_path, "transparent")
    mask = np.zeros(SIZE, np.float32)
    mask[:, 165:] = np.linspace(0, 1, 165)
    held = enhancer.picture(read_picture(source), exposure=60.0, mask=mask).rgb
    small_tiles(monkeypatch)
    assert written(source, tmp_path / "b.png", enhancer, streams=True, exposure=60.0, mask=mask).error is None
    streamed = read_picture(tmp_path / "b.png").rgb
    np.testing.assert_array_equal(streamed[:, :160], read_picture(source).rgb[:, :160])
    assert np.abs(streamed.astype(int) - held).max() <= 1


def test_a_bright_file_is_copied(tmp_path, monkeypatch):
    source = tmp_path / "bright.png"
    Image.new("RGB", SIZE[::-1], (220, 210, 200)).save(source)
    small_tiles(monkeypatch)
    assert written(source, tmp_path / "b.png", enhancer_of("sci", {}, tmp_path), streams=True).status == "unchanged"
    assert (tmp_path / "b.png").read_bytes() == source.read_bytes()


def test_what_fails_while_a_file_is_written_is_reported_and_leaves_nothing(tmp_path, monkeypatch):
    enhancer, source = enhancer_of("sci", {}, tmp_path), saved(tmp_path, "png")
    small_tiles(monkeypatch)
    errors = {
        "NaN or infinity": lambda batch, inputs: np.full(batch.shape, np.nan, np.float32),
        "out of memory while enhancing 330x205 pixels": _no_memory,
        "needs 1000.0 GB of memory and 1.0 GB are free": _too_little,
    }
    for message, in_tile in errors.items():
        monkeypatch.setattr(enhancer._engine, "in_tile", in_tile)
        outcome = written(source, tmp_path / "b.png", enhancer, streams=True)
        assert outcome.status == "failed"
        assert message in outcome.error
        assert outcome.error.startswith(f"{source}: ")
    content = source.read_bytes()
    source.write_bytes(content[: len(content) // 2])
    assert written(source, tmp_path / "b.png", enhancer, streams=True).error.endswith(
        "damaged picture (image file is truncated)"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "sci.safetensors"]


def _no_memory(batch, inputs):
    raise MemoryError("Unable to allocate 9 GiB")


def _too_little(batch, inputs):
    raise TooLittleMemory(10**12, 10**9)


def test_the_command_streams_plain_pictures(tmp_path, monkeypatch, command, model, capsys):
    source = saved(tmp_path, "png")
    held = Enhancer(model, guided=False, runtime="onnxruntime").picture(read_picture(source)).rgb
    monkeypatch.setattr(streaming, "STREAMED", 0)
    arguments = ["enhance", str(source), f"--model={model}", "--plain", f"--contact-sheet={tmp_path / 'sheet.png'}"]
    assert cli.main([*arguments, "-o", str(tmp_path / "b.png")]) == 0, capsys.readouterr().err
    assert np.abs(read_picture(tmp_path / "b.png").rgb.astype(int) - held).max() <= 1
    assert (tmp_path / "sheet.png").exists()


def test_a_network_that_needs_the_whole_picture_says_so(tmp_path, monkeypatch):
    enhancer = Enhancer("curve")
    assert not enhancer.streams
    monkeypatch.setattr(enhancer._engine, "prepare", lambda shape: _too_little(None, None))
    message = re.escape("GB are free; curve computes the whole picture at once; try a smaller picture")
    with pytest.raises(UsageError, match=message):
        enhancer(night("curve"), 1.0)
    assert load_model("curve").metadata["network"] == "curve"


@pytest.mark.skipif(sys.platform == "darwin", reason="the peak of memory is in other units")
def test_memory_does_not_grow_with_the_picture(tmp_path):
    """A picture of 108 megabytes, whose network needs 1.3 gigabytes at once, is written with less than 200."""
    setup = """
from drujax.enhance import tiles
from tests.enhance.test_tiles import enhancer_of
tiles.SIDE = 256
enhancer = enhancer_of("sci", {}, folder, "onnxruntime")
"""
    assert growth_while_streaming(tmp_path, setup) < 200
