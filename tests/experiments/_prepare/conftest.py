"""Pictures to review, and a dataset of them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drujax.data.prepare import prepare
from tests.support.commands import run_prepare

# The classifier's probability of bright, by the pictures' names, which order them.
BRIGHT = {"a.png": 0.9, "b.png": 0.45, 'c & <i>, "d".png': 0.52, "e.png": 0.2}


@pytest.fixture
def command():
    """`command("review", "--all")` runs `experiments.prepare`; returns the exit code."""
    return run_prepare


@pytest.fixture(scope="session")
def frames(tmp_path_factory) -> Path:
    """4 dark, 3 bright and 4 uncertain pictures."""
    folder = tmp_path_factory.mktemp("review") / "frames"
    folder.mkdir()
    rng = np.random.default_rng(0)
    levels = {f"dark{i}.png": 30 - i for i in range(4)} | {f"light{i}.png": 220 + i for i in range(3)}
    for name, level in (levels | dict(zip(BRIGHT, (120, 100, 90, 110), strict=True))).items():
        picture = rng.integers(level - 10, level + 10, (40, 480, 3), dtype=np.uint8)
        Image.fromarray(picture).save(folder / name)
    return folder


@pytest.fixture(scope="session")
def dataset(frames) -> Path:
    """The dataset of `frames`, labelled by a classifier that answers BRIGHT."""

    def label_uncertain(confident, labels, groups, uncertain):
        del confident, labels, groups
        assert len(uncertain) == len(BRIGHT)
        return np.array([(1 - bright, bright) for bright in BRIGHT.values()])

    options = {"labels": "classifier", "label_uncertain": label_uncertain, "classifier": {"backbone": "none"}}
    prepare([frames], frames.parent / "data", crop=16, quiet=True, **options)
    return frames.parent / "data"
