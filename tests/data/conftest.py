"""Tiny pictures and a tiny dataset."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drujax.data.dataset import Dataset
from drujax.data.prepare import prepare

LEVELS = {"dark": 25, "uncertain": 100, "bright": 220}


@pytest.fixture(scope="session")
def save_picture():
    """`save_picture(path, level, size)` writes noise around a grey level, different for each path."""

    def save(path: Path, level: int, size: tuple[int, int] = (20, 24)) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(list(path.name.encode()))
        Image.fromarray(rng.integers(level - 20, level + 20, (*size, 3), dtype=np.uint8)).save(path)
        return path

    return save


@pytest.fixture(scope="session")
def save_pictures(save_picture):
    """`save_pictures(folder, dark=3)` writes dark0.png ... dark2.png."""

    def save(folder: Path, **counts: int) -> Path:
        for kind, count in counts.items():
            for number in range(count):
                save_picture(folder / f"{kind}{number}.png", LEVELS[kind])
        return folder

    return save


@pytest.fixture(scope="session")
def tiny(tmp_path_factory, save_pictures) -> Dataset:
    """7 dark pictures for training, 1 for validation, 2 for testing; 5 bright ones."""
    folder = tmp_path_factory.mktemp("tiny")
    prepare([save_pictures(folder / "pictures", dark=10, bright=5)], folder / "data", crop=16, quiet=True)
    return Dataset.open(folder / "data")
