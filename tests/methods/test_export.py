import json
from types import SimpleNamespace

import numpy as np
import pytest

from drujax.data.description import DESCRIPTION
from drujax.methods.export import weights_metadata
from drujax.weights.pretrained.backbones import CODEBOOK_LICENCE
from experiments import train


@pytest.fixture
def dataset(tmp_path):
    return SimpleNamespace(path=tmp_path, train_dark=[0], train_bright=[0, 0])


@pytest.fixture
def quantised(tmp_path):
    np.savez(tmp_path / "resnet18.npz", **{"fc.codebook": np.zeros((1, 4)), "fc.codes_matrix": np.zeros((1, 1), "u1")})
    return tmp_path / "resnet18.npz"


def metadata(dataset, *arguments):
    return weights_metadata(train.configuration(["--data=D", *map(str, arguments)]), dataset)


def test_licence_of_a_probability_network_that_covers_its_results(dataset, quantised):
    assert metadata(dataset, f"--pretrained={quantised}", "--backbone=resnet18")["licence"] == CODEBOOK_LICENCE
    assert "licence" not in metadata(dataset, f"--pretrained={quantised}", "--backbone=none")
    assert "licence" not in metadata(dataset, "--pretrained=imagenet", "--backbone=resnet18")


def test_licence_of_labels(dataset):
    def describe(**classifier):
        (dataset.path / DESCRIPTION).write_text(json.dumps({"settings": {"classifier": classifier}}))

    describe(backbone="resnet18", licence="theirs")
    assert metadata(dataset, "--backbone=none")["licence"] == "theirs"
    describe(backbone="resnet18")
    assert "licence" not in metadata(dataset, "--backbone=none")
