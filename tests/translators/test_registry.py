"""Every translator: its weights by name, what it takes, the files it lists."""

import itertools

import numpy as np
import pytest

from drujax.enhance.listing import known_files, list_models
from drujax.errors import UsageError
from drujax.translators import registry
from drujax.translators.weights import load
from drujax.weights.torch_names import flatten
from tests.support.tiny_translator import MODULES, save_tiny_translator, tiny_checkpoint
from tests.support.torch_writer import tensor, write_zip

NAMES = tuple(registry.TRANSLATORS)


@pytest.mark.parametrize("name", NAMES)
def test_loads_a_checkpoint_of_any_width(name, tmp_path):
    loaded = load(name, save_tiny_translator(tmp_path / "a.npz", name))
    assert loaded.module == MODULES[name]
    stored = sum(value.size for key, value in tiny_checkpoint(name).items() if not key.endswith("filt"))
    assert sum(value.size for value in flatten(loaded.variables).values()) == stored


@pytest.mark.parametrize("name", NAMES)
def test_pytorch_files_and_folders_of_arrays_are_equal(name, tmp_path):
    state = tiny_checkpoint(name)
    folder = tmp_path / "arrays"
    folder.mkdir()
    for key, value in state.items():
        np.save(folder / f"{key}.npy", value)
    content = {f"module.{key}": tensor(key, value) for key, value in state.items()}
    pth = write_zip(tmp_path / "net_G.pth", content)
    expected = flatten(load(name, save_tiny_translator(tmp_path / "a.npz", name)).variables)
    for path in (folder, pth):
        for key, value in flatten(load(name, path).variables).items():
            np.testing.assert_array_equal(value, expected[key])


@pytest.mark.parametrize(("name", "other"), [*itertools.permutations(NAMES, 2)])
def test_weights_of_another_translator_are_refused(name, other, tmp_path):
    path = save_tiny_translator(tmp_path / "a.npz", other)
    with pytest.raises(UsageError, match=rf"a\.npz: not weights of {name}: does not match the network: missing"):
        load(name, path)


def test_other_filters_are_refused(tmp_path):
    state = tiny_checkpoint("scenimefy")
    state["model.7.filt"] = np.full((4, 1, 3, 3), 1 / 9, np.float32)
    np.savez(tmp_path / "a.npz", **state)  # pyright: ignore[reportArgumentType]
    with pytest.raises(UsageError, match=r"model\.7\.filt: the network resamples with other filters"):
        load("scenimefy", tmp_path / "a.npz")


def test_unknown_names(tmp_path):
    with pytest.raises(UsageError, match="translator: unknown value 'cartoon'. Did you mean cartoongan?"):
        load("cartoon")
    with pytest.raises(UsageError, match="weights: unknown value 'cartoongan-hayo'. Did you mean cartoongan-hayao?"):
        load("cartoongan", "cartoongan-hayo")
    with pytest.raises(UsageError, match="weights: unknown value .*or the path of a checkpoint"):
        load("cartoongan", tmp_path / "missing.pth")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"empty: not weights of cartoongan: a folder without \.npy files"):
        load("cartoongan", tmp_path / "empty")


@pytest.mark.parametrize("name", NAMES)
def test_files_are_listed_with_licence_and_size(name, cache, monkeypatch):
    monkeypatch.setenv("DRUJAX_CACHE", str(cache))
    rows = {row.name: row for row in list_models()}
    files = registry.find(name).files
    assert files
    for file in files:
        assert file in known_files()
        assert rows[file.name].source == file.url
        assert rows[file.name].size == file.size
        assert rows[file.name].licence == file.licence


def test_a_cached_file_is_used_by_name_and_by_default(tmp_path, monkeypatch):
    monkeypatch.setenv("DRUJAX_CACHE", str(tmp_path))
    (tmp_path / "weights").mkdir()
    file = registry.find("cartoongan").files[0]
    save_tiny_translator(tmp_path / "a.npz").rename(tmp_path / "weights" / file.filename)
    assert load("cartoongan").digest == load("cartoongan", file.name).digest
    assert load("cartoongan").licence == file.licence


def test_a_failed_download_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("DRUJAX_CACHE", str(tmp_path))
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: (_ for _ in ()).throw(OSError("unreachable")))
    with pytest.raises(UsageError) as refused:
        load("scenimefy")
    message = str(refused.value)
    assert "no connection: unreachable" in message
    assert "https://github.com/Yuxinn-J/Scenimefy/releases/download/v0.1.0/Shinkai_net_G.pth" in message
    assert str(tmp_path / "weights" / "Shinkai_net_G.pth") in message
    assert "--weights=FILE" in message
