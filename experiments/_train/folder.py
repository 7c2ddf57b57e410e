"""The folder of a run: its default name, and the check that it holds no other run."""

from pathlib import Path

from drujax.data import card
from drujax.methods.config import RESUME_MUTABLE, TrainConfig, preset_config
from drujax.training.workdir import claim_workdir


def claimed_workdir(config: TrainConfig) -> Path:
    """Makes the folder of a run, or checks that it is; returns its path.

    Raises:
        UsageError: as `claim_workdir`.
    """
    workdir = config.workdir or default_workdir(config)
    default = preset_config(config.preset, config.method)
    claim_workdir(workdir, config, default=default, free=RESUME_MUTABLE, ignored=card.FILES)
    return workdir


def default_workdir(config: TrainConfig) -> Path:
    """Returns runs/<method>-<backbone>[-<preset>][-<study>]; the paper's preset is not named."""
    name = "" if config.preset == "paper" else f"-{config.preset}"
    names = {
        "partition": config.partition,
        "uncertain_share": f"uncertain{config.uncertain_share:g}",
        "relabel": config.relabel,
        "label_noise": f"noise{config.label_noise:g}",
    }
    name += "".join(f"-{names[option]}" for option in config.study if option in names)
    name += "-noisy" * (config.probability_labels == "noisy")
    return Path("runs") / f"{config.method}-{config.uncertainty}{name}"
