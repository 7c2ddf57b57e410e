"""Datasets: brightness classes (QAB), labels, splits by group, records, the input pipeline."""

from typing import TYPE_CHECKING

from drujax.runtime.lazy import exports

if TYPE_CHECKING:
    from drujax.data import scenes
    from drujax.data.builder import AnimeScenery
    from drujax.data.dataset import Dataset
    from drujax.data.pipeline import Batches, train_batches
    from drujax.data.qab import classify, mean_luma, quartile_means
    from drujax.data.sort_files import sort_pictures

__all__ = [
    "AnimeScenery",
    "Batches",
    "Dataset",
    "classify",
    "mean_luma",
    "quartile_means",
    "scenes",
    "sort_pictures",
    "train_batches",
]

__getattr__, __dir__ = exports(
    __name__,
    __all__,
    {
        "builder": ["AnimeScenery"],
        "dataset": ["Dataset"],
        "pipeline": ["Batches", "train_batches"],
        "qab": ["classify", "mean_luma", "quartile_means"],
        "sort_files": ["sort_pictures"],
    },
)
