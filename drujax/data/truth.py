"""The true illumination of the pictures of a dataset of synthetic scenes, from the seed and index of each.

truth = illuminations(Dataset.open("runs/study/dataset"))       # {"scenes/000012.png": 0.18, ...}
"""

from pathlib import PurePosixPath

from drujax.data.dataset import Dataset
from drujax.data.description import read_description
from drujax.data.records import SPLITS
from drujax.data.scenes import illumination
from drujax.errors import UsageError


def illuminations(dataset: Dataset) -> dict[str, float]:
    """Measures `drujax.data.scenes.illumination` (1 at full daylight) of each picture, by id.

    Paints each scene twice, in a small size.

    Raises:
        UsageError: the pictures are not synthetic scenes, so nobody knows their illumination.
    """
    source = read_description(dataset.path)["settings"]["source"]
    if not isinstance(source, dict) or "seed" not in source:
        raise UsageError(f"{dataset.path}: its pictures are not synthetic scenes, whose illumination is known")
    rows = [row for split in SPLITS for row in dataset.table(split)]
    return {row.id: illumination(source["seed"], int(PurePosixPath(row.id).stem)) for row in rows}
