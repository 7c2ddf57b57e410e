"""The metric benchmark's substitutes for missing weights, and agreement with IQA-PyTorch."""

import importlib

import numpy as np
import pytest

from drujax.data.scenes import paint
from drujax.errors import UsageError
from drujax.metrics import piqe
from drujax.metrics.kernels.ma_features import Features
from drujax.metrics.nima import load_variables
from drujax.weights.torch_names import flatten
from experiments._benchmark.metric_scorers import scorer


def test_a_metric_without_weights_is_timed_itself(tmp_path):
    images = paint(0, 0, (32, 48))[None]
    np.testing.assert_array_equal(scorer("piqe", images, tmp_path)(), piqe(images))


def test_ma_times_the_features(tmp_path, monkeypatch):
    groups = Features(*(np.full((2, count), value) for count, value in ((18, 1.0), (45, 2.0), (75, 3.0))))
    module = importlib.import_module("drujax.metrics.ma")  # drujax.metrics.ma is the function
    monkeypatch.setattr(module, "features", lambda images: groups)
    features = scorer("ma", np.zeros((2, 60, 60, 3), np.uint8), tmp_path)()
    np.testing.assert_array_equal(features, np.repeat([[1.0, 2.0, 3.0]] * 2, (18, 45, 75), axis=1))


def test_generated_weights_match_the_network(tmp_path):
    scorer("nima", np.zeros((1, 8, 8, 3), np.uint8), tmp_path)
    variables = flatten(load_variables("pyiqa", tmp_path / "nima.npz"))
    kernel = variables["params/classifier.2/kernel"]
    assert kernel.std() == pytest.approx(1536**-0.5, rel=0.05)
    assert {float(value.min()) for path, value in variables.items() if path.endswith(("/scale", "/var"))} == {1.0}


def test_pi_is_refused(tmp_path):
    with pytest.raises(
        UsageError, match="--metric=pi: not supported; measure its parts, --metric=ma and --metric=niqe"
    ):
        scorer("pi", np.zeros((1, 8, 8, 3), np.uint8), tmp_path)


@pytest.mark.filterwarnings("ignore")  # from IQA-PyTorch and its dependencies
@pytest.mark.parametrize(("metric", "tolerance"), [("ma", 1e-5), ("nima", 1e-5)])
def test_iqa_pytorch_computes_the_same(tmp_path, metric, tolerance):
    pytest.importorskip("pyiqa", reason="IQA-PyTorch is no dependency of drujax")
    from experiments._benchmark import pyiqa_peer

    images = paint(0, 0, (96, 112))[None]
    ours, theirs = (module(metric, images, tmp_path)() for module in (scorer, pyiqa_peer.scorer))
    np.testing.assert_allclose(theirs, ours, atol=tolerance)
