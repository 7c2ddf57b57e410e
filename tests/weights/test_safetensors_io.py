"""Weight files preserve arrays and metadata; damaged ones are reported in one line."""

import json
import struct
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from drujax.errors import UsageError
from drujax.runtime.version import __version__
from drujax.weights.safetensors_io import load_weights, read_metadata, save_weights

METADATA = {
    "network": "enlightengan",
    "options": {"align_corners": True},
    "licence": "Apache-2.0",
    "training_data": "scènes\n“synthetic”",
    "scores": {"psnr": 21.5, "none": None},
}


def variables():
    random = np.random.default_rng(1)
    return {
        "params": {
            "layer1.0.conv1": {"kernel": random.normal(size=(3, 3, 2, 4)).astype(np.float32).transpose(0, 1, 3, 2)},
            "token": np.float32(0.1),
        },
        "batch_stats": {"bn": {"mean": random.normal(size=4).astype(np.float32), "var": np.float32([1e-9, 1, 1e9, 0])}},
    }


def test_round_trip(tmp_path):
    saved = variables()
    save_weights(tmp_path / "w.safetensors", saved, METADATA)
    loaded, metadata = load_weights(tmp_path / "w.safetensors")
    assert metadata == {**METADATA, "drujax_version": __version__}
    assert read_metadata(tmp_path / "w.safetensors") == metadata
    kernel = loaded["params"]["layer1.0.conv1"]["kernel"]
    np.testing.assert_array_equal(kernel, saved["params"]["layer1.0.conv1"]["kernel"], strict=True)
    np.testing.assert_array_equal(loaded["params"]["token"], np.array(0.1, np.float32), strict=True)
    np.testing.assert_array_equal(loaded["batch_stats"]["bn"]["var"], saved["batch_stats"]["bn"]["var"], strict=True)


def test_the_header_is_as_documented(tmp_path):
    """Read without drujax, the file has paths and JSON texts."""
    save_weights(tmp_path / "w.safetensors", variables(), METADATA)
    content = (tmp_path / "w.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    assert set(header) == {
        "__metadata__",
        *("params/layer1.0.conv1/kernel", "params/token", "batch_stats/bn/mean", "batch_stats/bn/var"),
    }
    assert json.loads(header["__metadata__"]["options"]) == {"align_corners": True}


def test_equal_weights_give_equal_files(tmp_path):
    entries = list({**METADATA, **{f"more{i}": i for i in range(9)}}.items())
    for name, order in (("a", entries), ("b", entries[::-1])):
        save_weights(tmp_path / name, variables(), dict(order))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_half_precision_for_kernels_only(tmp_path):
    saved = variables()
    save_weights(tmp_path / "w.safetensors", saved, METADATA, dtype="float16")
    loaded, _ = load_weights(tmp_path / "w.safetensors")
    kernel = saved["params"]["layer1.0.conv1"]["kernel"]
    got = loaded["params"]["layer1.0.conv1"]["kernel"]
    np.testing.assert_array_equal(got, kernel.astype(np.float16).astype(np.float32), strict=True)
    np.testing.assert_array_equal(loaded["batch_stats"]["bn"]["var"], saved["batch_stats"]["bn"]["var"], strict=True)


def test_float16_refuses_values_out_of_range(tmp_path):
    big = {"params": {"a": {"kernel": np.full((2, 2), 1e5, np.float32)}}}
    with pytest.raises(UsageError, match=r"dtype: values of params/a/kernel exceed float16 \(65504\)"):
        save_weights(tmp_path / "w.safetensors", big, METADATA, dtype="float16")
    assert not list(tmp_path.iterdir())


def test_device_arrays_are_saved(tmp_path):
    save_weights(tmp_path / "w.safetensors", {"params": {"a": jnp.arange(3.0)}}, METADATA)
    loaded, _ = load_weights(tmp_path / "w.safetensors")
    np.testing.assert_array_equal(loaded["params"]["a"], np.float32([0, 1, 2]), strict=True)


def test_an_existing_file_is_replaced(tmp_path):
    path = tmp_path / "w.safetensors"
    save_weights(path, variables(), METADATA)
    save_weights(path, {"params": {"a": np.zeros(2, np.float32)}}, METADATA)
    assert list(load_weights(path)[0]["params"]) == ["a"]
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b[:40], lambda b: b"", lambda b: b"text, not weights"])
def test_damaged_files(damage, tmp_path):
    path = tmp_path / "w.safetensors"
    save_weights(path, variables(), METADATA)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UsageError, match="not a valid safetensors file") as caught:
        load_weights(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    "metadata", [None, {"format": "pt"}, {"network": "enlightengan"}, {"network": '"a"', "options": "[1]"}]
)
def test_files_of_other_programs(metadata, tmp_path):
    path = tmp_path / "w.safetensors"
    save_file({"a": np.zeros(2, np.float32)}, path, metadata)
    with pytest.raises(UsageError, match="the header has no drujax network name. .*drujax convert"):
        load_weights(path)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.safetensors"):
        load_weights(tmp_path / "none.safetensors")


@pytest.mark.parametrize(
    "module",
    ["weights.safetensors_io", "weights.formats.readers", "weights.torch_names", "weights.download", "cli"],
)
def test_modules_are_cheap_to_import(module):
    """`drujax --help` must not import JAX."""
    check = f"import sys, drujax.{module}; print([m for m in ('jax', 'flax', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
