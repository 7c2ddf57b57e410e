"""The training sets of the studies in sec. 4.3: applies `--partition`, `--uncertain-share`, `--relabel` and
`--label-noise`."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from drujax.data.dataset import Dataset
from drujax.data.relabel import (
    LABELS_FILE,
    flipped_labels,
    label_changes,
    read_labels,
    relabelled,
    restricted,
    write_labels,
)
from drujax.methods.config import TrainConfig
from drujax.uncertainty.confident_set import Example, confident_examples, examples_of_sets


class Study(NamedTuple):
    """What a run trains on.

    Attributes:
        dataset: for the method: the training sets relabelled, then restricted.
        confident: for the probability network: confident pictures of the whole training sets, read when iterated.
    """

    dataset: Dataset
    confident: Iterator[Example]


def study(config: TrainConfig, dataset: Dataset, workdir: Path) -> Study:
    """Returns the training sets of a run; writes the changed labels to `workdir`, or reads those written before.

    Raises:
        UsageError: a training set would be empty, or the weights of the classifier are unavailable.
    """
    restricted(dataset, config.partition, config.uncertain_share)  # refuses before the long work
    if config.relabel == "none" and not config.label_noise:
        return Study(restricted(dataset, config.partition, config.uncertain_share), confident_examples(dataset))
    changed = _relabelled(config, dataset, workdir)
    print(f"Labels of the training sets: {summary(changed)}", flush=True)
    noisy = config.probability_labels == "noisy"
    confident = examples_of_sets(changed) if noisy else confident_examples(dataset)
    return Study(restricted(changed, config.partition, config.uncertain_share), confident)


def summary(dataset: Dataset) -> str:
    """Describes in words how the labels of the training sets differ from the dataset's."""
    counts = label_changes(dataset)
    flipped = counts["dark_to_bright"] + counts["bright_to_dark"]
    return (
        f"{flipped} of {counts['pictures']} differ from the dataset's ({flipped / counts['pictures']:.1%}; "
        f"{counts['dark_to_bright']} dark pictures called bright, {counts['bright_to_dark']} bright ones called dark); "
        f"{counts['confident_wrong']} of {counts['confident']} confident pictures contradict QAB"
    )


def _relabelled(config: TrainConfig, dataset: Dataset, workdir: Path) -> Dataset:
    """Relabels in the first process, which writes the table that all processes read."""
    import jax

    from drujax.runtime import mesh as meshes

    path = workdir / LABELS_FILE
    if jax.process_index() == 0 and not path.exists():
        write_labels(path, relabelled(dataset, _labels(config, dataset)))
    meshes.barrier("labels")
    return relabelled(dataset, read_labels(path))


def _labels(config: TrainConfig, dataset: Dataset):
    if config.relabel == "none":
        return flipped_labels(dataset, config.label_noise, config.seed)
    from drujax.uncertainty.unreliable import unreliable_labels

    return unreliable_labels(
        dataset,
        config.relabel_backbone,
        config.relabel_pretrained,
        epochs=config.relabel_epochs,
        resolution=config.probability.resolution,
        seed=config.seed,
        log=print,
    )
