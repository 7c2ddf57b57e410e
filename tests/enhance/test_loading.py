"""Models load by name and path; converted official checkpoints equal the official networks."""

import functools
from urllib.parse import urlparse

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from drujax.enhance import listing, loading
from drujax.enhance.conversion import convert_checkpoint
from drujax.enhance.enhancer import Enhancer
from drujax.enhance.listing import as_json, as_table, known_files, list_models
from drujax.enhance.zoo import DEFAULT_MODEL, models
from drujax.errors import UsageError
from drujax.methods.registry import find_network, networks
from drujax.weights import shipped
from drujax.weights.formats.readers import read_checkpoint
from drujax.weights.safetensors_io import load_weights, save_weights
from drujax.weights.torch_names import flatten, nest, to_torch
from tests.support import numpy_networks


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache and no shipped weights."""
    monkeypatch.setenv("DRUJAX_CACHE", str(tmp_path / "cache"))
    for module in (shipped, listing):
        monkeypatch.setattr(module, "RELEASED", tmp_path / "released")
    return tmp_path / "cache" / "weights"


OPTIONS = {"width": 2}
METADATA = {"network": "enlightengan", "options": OPTIONS}


def tiny_variables(options=None):
    network = find_network("enlightengan")
    shapes = flatten(network.shapes(network.module({**OPTIONS, **(options or {})})))
    random = np.random.default_rng(3)
    return nest({path: random.uniform(0.1, 0.5, leaf.shape).astype(np.float32) for path, leaf in shapes.items()})


def test_the_official_generator(goldens, tmp_path):
    """The converted and reloaded release gives the official output."""
    np.savez(tmp_path / "200_net_G_A.npz", **goldens("enlightengan/g_state"))
    output = tmp_path / "official.safetensors"
    metadata = convert_checkpoint(tmp_path / "200_net_G_A.npz", model="enlightengan", output=output)
    assert metadata["options"]["align_corners"] is True
    assert metadata["source"]["file"] == "200_net_G_A.npz"
    golden = goldens("enlightengan/g_eval")
    images = jnp.asarray((golden["x50x70/input"].transpose(0, 2, 3, 1) + 1) / 2)
    model = loading.load_model(output)
    enhanced = jax.jit(functools.partial(model.network.enhance, model.module))(model.variables, images)
    wanted = (golden["x50x70/enhanced_ac1"].transpose(0, 2, 3, 1) + 1) / 2
    np.testing.assert_allclose(enhanced, wanted, atol=1e-4)
    assert np.abs(wanted - golden["x50x70/enhanced_ac0"].transpose(0, 2, 3, 1) / 2 - 0.5).max() > 1e-3  # not the other


def test_given_options_override_the_authors(tmp_path):
    state = {f"module.{name}": value for name, value in to_torch(tiny_variables()).items()}
    np.savez(tmp_path / "g.npz", **state)
    metadata = convert_checkpoint(
        tmp_path / "g.npz",
        model="dru-vit-b16",  # a model stands for its network
        output=tmp_path / "g.safetensors",
        options={"align_corners": False, "width": 2},
        dtype="float16",
    )
    assert metadata["network"] == "enlightengan"
    assert metadata["options"] == {"align_corners": False, "ghost_batches": 1, "wide_pool": False, "width": 2}
    model = loading.load_model(tmp_path / "g.safetensors")
    assert (model.module.align_corners, model.module.width) == (False, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "enlightengann"}, "model: unknown value 'enlightengann'. Did you mean enlightengan?"),
        ({"model": "sci-medium"}, r"g\.npz: does not match the network: missing 10 arrays"),
        ({"options": {"align_corner": True}}, "option: unknown value 'align_corner'. Did you mean align_corners?"),
        ({"options": {"align_corners": "yes"}}, "option align_corners: must be of type bool, got 'yes'"),
        ({"output": "g.pth"}, r"output: must end in \.safetensors, got g\.pth"),
        ({}, r"g\.npz: does not match the network: wrong shape of 113 arrays"),  # of width 2, read as 32
        ({"part": "x"}, r"g\.npz: part 'x': only PyTorch checkpoints have parts"),
    ],
)
def test_invalid_conversions_are_refused(change, message, tmp_path):
    np.savez(tmp_path / "g.npz", **to_torch(tiny_variables()))
    arguments = {"model": "enlightengan", "output": tmp_path / "g.safetensors", **change}
    with pytest.raises(UsageError, match=message):
        convert_checkpoint(tmp_path / "g.npz", **arguments)
    assert not (tmp_path / "g.safetensors").exists()


# Model, file in shared/weights/llie, and the goldens with its pictures.
RELEASED = [
    ("sci-easy", "sci_easy.pt", "sci", "easy_b_out"),
    ("sci-medium", "sci_medium.pt", "sci", "medium_b_out"),
    ("sci-difficult", "sci_difficult.pt", "sci", "difficult_b_out"),
    ("ruas-lol", "ruas_lol.pt", "ruas", "lol_b_u3"),
    ("ruas-upe", "ruas_upe.pt", "ruas", "upe_b_u2"),
    ("ruas-dark", "ruas_dark.pt", "ruas", "dark_b_u2"),
    ("clip-lit", "clip_lit_enhancement_model.pth", "clip_lit", "released_reflect_b_out"),
    ("zero-dce-pp", "zero_dce_pp_Epoch99.pth", "zero_dce_pp", "b_s12_out"),
]


@pytest.mark.parametrize(("name", "file", "golden", "output"), RELEASED)
def test_released_checkpoints_are_loaded_by_name(shared, goldens, cache, name, file, golden, output):
    """The official file in the download cache gives the picture that the official script saves."""
    checkpoint = shared / "weights" / "llie" / file
    cache.mkdir(parents=True)
    (cache / models()[name].model.file.filename).write_bytes(checkpoint.read_bytes())
    wanted = goldens(f"compared_methods/{golden}")[output].transpose(0, 2, 3, 1)
    picture = goldens("compared_methods/inputs")["b_u8"][:, : wanted.shape[2]]
    levels = np.clip(wanted[0], 0, 1) * 255
    assert np.abs(Enhancer(name)(picture, strength=1.0) - levels).max() <= 0.5 + 1e-3
    assert (cache / f"{name}.safetensors").is_file()  # converted once


def test_the_released_checkpoint_of_zero_dce(shared, goldens, cache):
    """As above; the expected picture is that of the network written in NumPy."""
    checkpoint = shared / "weights" / "llie" / "zero_dce_Epoch99.pth"
    cache.mkdir(parents=True)
    (cache / models()["zero-dce"].model.file.filename).write_bytes(checkpoint.read_bytes())
    picture = goldens("compared_methods/inputs")["b_u8"]
    levels = 255 * np.clip(numpy_networks.zero_dce(read_checkpoint(checkpoint), picture / 255), 0, 1)
    assert np.abs(Enhancer("zero-dce")(picture, strength=1.0) - levels).max() <= 0.5 + 1e-3


def test_an_unavailable_released_checkpoint(monkeypatch):
    def offline(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr("urllib.request.urlopen", offline)
    with pytest.raises(
        UsageError, match=r"SCI's released easy.pt: no connection.*licence MIT.*put it at .*sci_easy.pt"
    ):
        loading.load_model("sci-easy")


def test_models_by_path(tmp_path):
    save_weights(tmp_path / "weights.safetensors", tiny_variables(), METADATA)
    for given in (tmp_path / "weights.safetensors", tmp_path):
        model = loading.load_model(given)
        images = jnp.zeros((2, 5, 7, 3))
        enhanced = jax.eval_shape(functools.partial(model.network.enhance, model.module), model.variables, images)
        assert enhanced.shape == (2, 5, 7, 3)
        assert model.metadata["options"] == OPTIONS


def test_models_by_name(cache, monkeypatch, tmp_path):
    with pytest.raises(UsageError, match="dru-resnet18 is not on this machine. Train it: .*--backbone=resnet18"):
        loading.resolve("dru-resnet18")
    cache.mkdir(parents=True)
    save_weights(cache / "dru-resnet18.safetensors", tiny_variables(), METADATA)
    assert loading.resolve("dru-resnet18") == cache / "dru-resnet18.safetensors"
    (tmp_path / "released").mkdir()
    save_weights(tmp_path / "released/dru-resnet18.safetensors", tiny_variables(), METADATA)
    assert loading.resolve("dru-resnet18") == tmp_path / "released/dru-resnet18.safetensors"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dru-resnet18").mkdir()  # the name means the model; the folder is ./dru-resnet18
    assert loading.resolve("dru-resnet18").parent.name == "released"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("dru-resnet81", "model: unknown value 'dru-resnet81'. Did you mean dru-resnet18"),
        ("dru-vgg19", "dru-vgg19 is not on this machine. Train it"),
        ("none.safetensors", r"model: file not found: none\.safetensors"),
        ("runs/none", "model: file not found: runs/none"),
        ("", r"model: must be a name or a path, got ''$"),
        (".", r"model: no weights\.safetensors in folder \.; a training run writes it at its end"),
        (
            "net.pth",
            r"model: must be a \.safetensors file, got net\.pth\. .*drujax convert net\.pth --model NETWORK -o net",
        ),
    ],
)
def test_invalid_model_names_are_refused(given, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.pth").touch()
    with pytest.raises(UsageError, match=message):
        loading.load_model(given)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"network": "enlightengam"}, "network: unknown value 'enlightengam'. Did you mean enlightengan"),
        ({"network": "enlightengan", "options": {"depth": 3}}, "option: unknown value 'depth'"),
        ({"network": "enlightengan", "options": {"width": 3}}, "does not match the network: wrong shape of"),
    ],
)
def test_files_of_other_networks_are_refused(metadata, message, tmp_path):
    save_weights(tmp_path / "a.safetensors", tiny_variables(), metadata)
    with pytest.raises(UsageError, match=f"a.safetensors: {message}") as caught:
        loading.load_model(tmp_path / "a.safetensors")
    assert "\n" not in str(caught.value)


def test_every_model_belongs_to_a_network():
    assert DEFAULT_MODEL in models()
    for network in networks().values():
        assert network.official.keys() <= network.options.keys()
    for named in models().values():
        assert named.model.options.keys() <= find_network(named.network).options.keys()
        assert named.licence
        assert named.obtain


@pytest.mark.parametrize("file", known_files(), ids=lambda file: file.name)
def test_known_files(file):
    address = urlparse(file.url)
    assert address.scheme == "https" or file.manual
    hosts = {"huggingface.co", "drive.google.com", "raw.githubusercontent.com", "github.com"}
    assert address.netloc in hosts or file.manual
    assert file.sha256 is None or (len(file.sha256) == 64 and int(file.sha256, 16) >= 0)
    assert file.size is None or file.size > 1e4  # bytes, not megabytes
    assert file.licence
    assert [other.name for other in known_files() if other.filename == file.filename] == [file.name]


def test_listing(cache):
    cache.mkdir(parents=True)
    save_weights(cache / "enlightengan.safetensors", tiny_variables(), METADATA)
    rows = {row.name: row for row in list_models()}
    assert rows["enlightengan"].path == str(cache / "enlightengan.safetensors")
    assert rows["enlightengan"].size == (cache / "enlightengan.safetensors").stat().st_size
    assert rows["dru-vit-b16"].path is None
    assert (rows["resnet18"].size, rows["resnet18"].licence) == (46_800_000, "BSD-3-Clause")
    listed = as_json(list(rows.values()))
    assert [row["name"] for row in listed["models"]] == list(models())
    assert {row["name"] for row in listed["files"]} >= {"resnet18", "vgg16", "enlightengan-official"}
    assert listed["networks"][0]["options"]["align_corners"] is False
    lines = as_table(list(rows.values())).splitlines()
    (line,) = [line for line in lines if line.startswith("enlightengan  ")]
    assert line.split()[1] == "yes"
    assert "  dru-vit-b16: Train it: python -m experiments.train --data=DIR --backbone=vit_b16" in "\n".join(lines)


def test_a_converted_file_holds_the_variables(tmp_path):
    np.savez(tmp_path / "g.npz", **to_torch(tiny_variables()))
    output = tmp_path / "g.safetensors"
    convert_checkpoint(tmp_path / "g.npz", model="enlightengan", output=output, options={"width": 2})
    variables, _ = load_weights(output)
    for path, value in flatten(tiny_variables()).items():
        np.testing.assert_array_equal(flatten(variables)[path], value, strict=True)
