"""The configuration of a training run: what all methods share, and the options of one."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from drujax.data.relabel import Subset
from drujax.errors import UsageError, check_at_least, unknown
from drujax.methods import registry
from drujax.methods.spec import MethodSpec, Preset
from drujax.models.backbones import BACKBONES
from drujax.training.recipe import LoopOptions, Recipe
from drujax.uncertainty.config import ProbabilityRecipe
from drujax.uncertainty.weighting import Weighting
from drujax.weights import shipped

PRESETS = ("paper", "laptop", "embedded", "debug")
# What may change when a run is resumed.
RESUME_MUTABLE = ("workdir", "loop", "workers", "preset", "coordinator", "processes", "process_index")


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """The options of a training run that do not depend on the method."""

    # Dataset written by experiments.prepare; by default synthetic scenes painted into the workdir.
    data: Path | None = None
    # Folder of the run; runs/<method>-<backbone>[-<preset>] by default.
    workdir: Path | None = None
    # Defaults of all options below: paper, laptop, embedded or debug; paper with --data, embedded without. released:
    # the stages that made the released weights, each a run.
    preset: str = "paper"
    # Method to train; --method=NAME --help lists its options.
    method: str = "enlightengan"
    # Probability network: resnet18, resnet50, mobilenet_v2, vgg13_bn, vgg19, vit_b16, centroid, or none (Vanilla).
    backbone: str = "vit_b16"
    # Weights the losses of a compared method by relativistic probabilities (EnlightenGAN's always are).
    dru: bool = False
    # Initial weights of the probability network: imagenet (downloaded), none (random), or a file.
    pretrained: str = "imagenet"
    # relativistic_probabilities.npz of another run, to take instead of training the probability network again. Labels
    # may differ, and images may be fewer.
    probabilities: Path | None = None
    # Weights of the losses: rp as in the paper, or a control: mean, normalised, shuffled, inverted, threshold, luma,
    # illumination (docs/controls.md).
    weighting: Weighting = "rp"
    # Weights to start the method's network from: a .safetensors file, or the name of a model that ships; random by
    # default.
    init: Path | None = None
    # Seed of weights, batches, augmentation and painted scenes.
    seed: int = 0
    # Processes that decode images; 0 decodes in the training process.
    workers: int = 0
    # Number of scenes to paint without --data.
    scenes: int = 600
    # Side of the painted scenes in pixels.
    scene_size: int = 96
    # Address host:port of the first of several processes that train together, or auto on a supported cluster.
    coordinator: str | None = None
    # Number of processes that train together.
    processes: int | None = None
    # Index of this process, from 0.
    process_index: int | None = None
    # Training pictures by QAB class: all, confident ones only, or uncertain ones only (the paper's Table 2). The test
    # pictures stay the same.
    partition: Subset = "all"
    # Share of the uncertain training pictures that is kept, the same ones for every seed.
    uncertain_share: float = 1.0
    # Relabels the training pictures (Table 3): unreliable, by ImageNet features that were never trained for the task,
    # under a random last layer; or none. docs/studies.md defines it.
    relabel: Literal["none", "unreliable"] = "none"
    # Backbone of --relabel=unreliable.
    relabel_backbone: str = "resnet18"
    # Its weights: imagenet (downloaded), none (random), or a file.
    relabel_pretrained: str = "imagenet"
    # Epochs for which its last layer is trained on the confident pictures; 0 leaves it random.
    relabel_epochs: int = 0
    # Probability with which the label of each training picture is flipped.
    label_noise: float = 0.0
    # Labels of the confident pictures that the probability network learns from: clean (their QAB class, in the whole
    # dataset), or noisy (as relabelled).
    probability_labels: Literal["clean", "noisy"] = "clean"
    # Training of the method: data, schedule, optimiser.
    recipe: Recipe = Recipe()
    # Training of the probability network.
    probability: ProbabilityRecipe = ProbabilityRecipe()
    # Logs, samples and checkpoints.
    loop: LoopOptions = LoopOptions()

    def __post_init__(self):
        if self.backbone not in (choices := (*BACKBONES, "centroid", "none")):
            raise unknown("backbone", self.backbone, choices)
        if self.recipe.size < self.spec.min_size:
            raise UsageError(
                f"size: must be >= {self.spec.min_size} for the losses of {self.method}, got {self.recipe.size}"
            )
        for argument, path in self.init_files.items():
            if path is not None and not path.is_file():
                raise UsageError(f"{argument}: file not found: {path}")
        if self.dru and self.backbone == "none":
            raise UsageError("dru: needs a probability network, but backbone is none")
        if self.weighting != "rp" and self.uncertainty == "none":
            raise UsageError(f"weighting: {self.weighting} has no effect without relativistic probabilities")
        if self.probabilities is not None and self.uncertainty == "none":
            raise UsageError("probabilities: have no effect on Vanilla, whose losses are not weighted")
        if self.probabilities is not None and not self.probabilities.is_file():
            raise UsageError(f"probabilities: file not found: {self.probabilities}")
        self._check_study()
        self.spec.check(self)

    def _check_study(self) -> None:
        for name in ("label_noise", "uncertain_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"{name}: must be between 0 and 1, got {getattr(self, name)}")
        if self.uncertain_share < 1 and self.partition == "confident":
            raise UsageError("uncertain_share: has no effect on confident pictures")
        if self.label_noise and self.relabel != "none":
            raise UsageError(f"label_noise: cannot be combined with relabel={self.relabel}")
        if self.probability_labels == "noisy" and self.probabilities is not None:
            raise UsageError("probability_labels: noisy has no effect on the probabilities of another run")
        if self.probability_labels == "noisy" and not self.label_noise and self.relabel == "none":
            raise UsageError("probability_labels: noisy has no effect without label_noise or relabel")
        if self.relabel_backbone not in BACKBONES:
            raise unknown("relabel_backbone", self.relabel_backbone, BACKBONES)
        check_at_least(0, relabel_epochs=self.relabel_epochs)

    @property
    def study(self) -> dict[str, Any]:
        """The options of sec. 4.3 that change the training sets, if any does."""
        options = {"partition": "all", "uncertain_share": 1.0, "relabel": "none", "label_noise": 0.0}
        changed = {name: getattr(self, name) for name, default in options.items() if getattr(self, name) != default}
        if self.relabel != "none":
            names = ("relabel_backbone", "relabel_pretrained", "relabel_epochs")
            changed |= {name: getattr(self, name) for name in names}
        if "relabel" in changed or "label_noise" in changed:
            changed["probability_labels"] = self.probability_labels
        return changed

    @property
    def spec(self) -> MethodSpec:
        """The method."""
        return registry.find(self.method)

    @property
    def options(self) -> Any:
        """The method's own options; None if it has none."""
        group = options_group(type(self))
        return getattr(self, group) if group else None

    @property
    def init_files(self) -> dict[str, Path | None]:
        """The weight files, by option name, that the trained weights descend from."""
        init = self.init and (shipped.find(str(self.init)) or self.init)
        return {"init": init, **self.spec.init_files(self.options)}

    @property
    def uncertainty(self) -> str:
        """The probability network that weights the losses; "none" for Vanilla."""
        return self.backbone if self.dru or self.spec.always_weighted else "none"


def config_type(method: str) -> type[TrainConfig]:
    """Return the configuration class of the method called `method`.

    Raises:
        UsageError: it is unknown, or has nothing to train.
    """
    return registry.find_trained(method).config or TrainConfig


def options_group(config: type[TrainConfig]) -> str | None:
    """Return the field of a configuration class that holds the method's own options; None if there is none."""
    shared = {field.name for field in dataclasses.fields(TrainConfig)}
    return next((field.name for field in dataclasses.fields(config) if field.name not in shared), None)


def preset_config(name: str, method: str) -> TrainConfig:
    """Return the configuration that `--preset=name --method=method` stands for.

    Raises:
        UsageError: unknown method or preset, or the method has nothing to train.
    """
    spec = registry.find_trained(method)
    if name not in (*PRESETS, "benchmark"):
        raise unknown("preset", name, PRESETS)
    changes = spec.presets.get(name, Preset())
    recipe = dataclasses.replace(spec.recipe, **{**SHARED_RECIPE.get(name, {}), **changes.recipe})
    config = config_type(method)
    group = options_group(config)
    own = {}
    if group is not None:
        default: Any = next(field.default for field in dataclasses.fields(config) if field.name == group)
        own[group] = dataclasses.replace(default, **changes.options)
    init = None if changes.init is None else Path(changes.init)
    return config(preset=name, method=method, recipe=recipe, init=init, **SHARED.get(name, {}), **own)


# What the small presets change for all methods.
SHARED: Mapping[str, Mapping[str, Any]] = {
    "laptop": {
        "probability": ProbabilityRecipe(epochs=200, balanced=True, freeze_features=True),
        "loop": LoopOptions(log_every=20, sample_every=200, save_every=100),
    },
    "embedded": {
        "pretrained": "none",
        "probability": ProbabilityRecipe(
            epochs=6,
            batch_size=32,
            optimiser="adam",
            learning_rate=1e-4,
            resolution=32,
            mixup=1.0,
            balanced=True,
        ),
        "loop": LoopOptions(log_every=20, sample_every=120, save_every=60),
    },
    "debug": {
        "pretrained": "none",
        "scenes": 40,
        "scene_size": 48,
        "probability": ProbabilityRecipe(epochs=1, batch_size=8, optimiser="adam", resolution=32),
        "loop": LoopOptions(log_every=1, sample_every=2, save_every=2),
    },
}
SHARED_RECIPE: Mapping[str, Mapping[str, Any]] = {"debug": {"size": 40, "batch_size": 4, "steps": 4}}
