"""The table of methods is complete; a new method needs one file and one line."""

import dataclasses

import jax
import numpy as np
import pytest

from drujax.enhance import zoo
from drujax.enhance.enhancer import Enhancer
from drujax.enhance.listing import list_models
from drujax.errors import UsageError
from drujax.methods import registry
from drujax.methods.config import PRESETS, config_type, options_group, preset_config
from drujax.models.backbones import BACKBONES
from experiments import train
from experiments._benchmark import networks


@pytest.fixture
def toy(monkeypatch):
    """Registers tests/support/toy_method.py in the table."""
    monkeypatch.setitem(registry.METHODS, "toy", "tests.support.toy_method")
    zoo.models.cache_clear()
    yield
    zoo.models.cache_clear()


def test_a_toy_method_takes_one_file(toy, tmp_path, capsys):
    """It trains, weighted or not, resumes, enhances, has its options and is listed."""
    arguments = ["--preset=debug", "--method=toy", f"--workdir={tmp_path / 'run'}"]
    assert train.run([*arguments, "--recipe.steps=3"]) == 0
    assert train.configuration(arguments).options.target == 0.6
    dark = np.full((8, 9, 3), 40, np.uint8)
    assert Enhancer(tmp_path / "run")(dark, strength=1.0).mean() > 1.9 * 40
    start = f"--init={tmp_path / 'run' / 'weights.safetensors'}"
    weighted = ["--dru", "--backbone=centroid", f"--data={tmp_path / 'run' / 'dataset'}", start]
    assert train.run(["--preset=debug", "--method=toy", f"--workdir={tmp_path / 'dru'}", *weighted]) == 0
    assert "toy" in {row.name for row in list_models() if row.kind == "model"}
    with pytest.raises(SystemExit):
        train.configuration(["--method=toy", "--help"])
    assert "--toy.target" in capsys.readouterr().out
    with pytest.raises(UsageError, match="--toy.target=1. It is an option of --method=toy"):
        train.configuration(["--method=sci", "--toy.target=1"])


@pytest.mark.parametrize("name", registry.trained())
def test_each_method_is_complete(name):
    """It has all presets, with its own options, and a schedule; its network has the documented input."""
    spec = registry.find(name)
    assert spec.summary
    for preset in PRESETS:
        config = preset_config(preset, name)
        assert (config.preset, config.method) == (preset, name)
        assert config.recipe.size >= spec.min_size
    assert set(spec.presets) <= {*PRESETS, "benchmark"}
    assert {"laptop", "embedded"} <= set(spec.presets)
    config = config_type(name)
    assert len(dataclasses.fields(config)) - (options_group(config) is not None) == len(
        dataclasses.fields(train.TrainConfig)
    )
    if spec.network is not None:
        shapes = spec.network.shapes(spec.network.module({}))
        assert jax.tree.leaves(shapes)
        for model in spec.models:
            spec.network.module({**spec.network.official, **model.options})
    else:
        assert spec.models == ()


def test_benchmarked_methods_are_in_the_registry():
    assert set(networks.SUBJECTS) <= set(registry.METHODS)


def test_unknown_names_get_the_nearest():
    with pytest.raises(UsageError, match="method: unknown value 'sic'. Did you mean sci?"):
        registry.find("sic")
    with pytest.raises(UsageError, match="network: unknown value 'exposure'"):  # a method, but no network of its own
        registry.find_network("exposure")


@pytest.mark.parametrize("name", BACKBONES)
def test_each_backbone_is_complete(name):
    backbone = BACKBONES[name]
    assert backbone.name == name
    assert backbone.weights is not None
    assert backbone.weights.name == name
