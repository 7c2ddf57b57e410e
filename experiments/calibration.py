"""Does a relativistic probability mean what it says? Against painted scenes, whose true illumination is known.

    python -m experiments.prepare --source=scenes --count=800 --size=96x144 --crop=96 --labels=classifier --out=P
    python -m experiments.calibration --data=P --backbones mobilenet_v2 resnet18
    python -m experiments.calibration --data=P --networks Mine=runs/mine/probability.safetensors

For each backbone: a head on its fixed ImageNet features, as it is, with its temperature scaled, with mixup, and the
centroid alternative; besides, a sigmoid of the mean luma. Reports accuracy and calibration against the true class, rank
correlation with the true illumination, the order of several lightings of one scene, and saturation
(docs/results/calibration.md). Writes --out/calibration.md, .csv, .svg and .png, and pictures.csv with the probability
of each picture. Features are kept in --out/jobs. On two cores MobileNetV2's take one minute, ResNet50's four, VGG19's
twenty.
"""

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from drujax.console import command_line
from drujax.errors import UsageError, check_at_least, unknown
from drujax.methods.config import SHARED
from drujax.models.backbones import BACKBONES
from drujax.uncertainty.config import ProbabilityRecipe

if TYPE_CHECKING:
    from experiments._calibration.networks import Margins, Pictures

    Rows = dict[tuple[str, str], Sequence[Margins]]  # network and variant ("" without one) -> seeds

LUMA = "luma"
LAPTOP: ProbabilityRecipe = SHARED["laptop"]["probability"]


@dataclasses.dataclass(frozen=True)
class Config:
    """Calibration of relativistic probabilities, against the truth of painted scenes."""

    # Dataset of painted scenes, made by experiments.prepare --source=scenes.
    data: Path
    # Folder of the results.
    out: Path = Path("runs/calibration")
    # Backbones whose features heads are trained on.
    backbones: tuple[str, ...] = ("resnet18",)
    # Weights, BACKBONE=FILE, or BACKBONE=none for random ones (the same for all seeds); others are downloaded.
    weights: tuple[str, ...] = ()
    # Heads: plain, temperature, mixup, centroid.
    variants: tuple[str, ...] = ("plain", "temperature", "mixup", "centroid")
    # Networks of runs on the same dataset, LABEL=FILE (probability.safetensors).
    networks: tuple[str, ...] = ()
    # Seeds of every head, 0 to N-1; each also holds out other pictures.
    seeds: int = 3
    # Scenes that are painted under lightings of every kind and several levels.
    scenes: int = 16
    # Levels of each kind of light.
    levels: int = 5
    # Width of the figure.
    width: Literal["column", "page"] = "page"
    # Training of the heads; the laptop preset's by default.
    probability: ProbabilityRecipe = LAPTOP


@command_line.flags_in_errors(Config)
def main(config: Config) -> int:
    """Measures the networks; returns 1 if one has no result."""
    weights, networks = checked(config)
    from drujax.data.dataset import Dataset
    from drujax.runtime.compile_cache import enable_compilation_cache
    from experiments._calibration import figure, pictures
    from experiments._calibration.networks import Pictures

    # Pictures.
    enable_compilation_cache()
    dataset = Dataset.open(config.data)
    training = pictures.training_pictures(dataset)
    given = Pictures(dataset, training, pictures.ladders(dataset, config.scenes, config.levels))

    # Networks.
    found, reasons = all_margins(config, given, weights, networks)

    # Report.
    config.out.mkdir(parents=True, exist_ok=True)
    write(config, found, reasons, given)
    compared = compared_rows(config, found)
    first = next(iter(compared))
    variants = {variant or name: seeds for (name, variant), seeds in found.items() if name == first}
    for path in figure.draw(config.out / "calibration.svg", compared, variants, given, config.width):
        print(path)
    return 1 if reasons else 0


def checked(config: Config) -> tuple[dict[str, str], dict[str, Path]]:
    """Returns the weight files by backbone, and the networks by label. Raises UsageError for an invalid option."""
    from experiments._calibration.networks import VARIANTS, checked_recipe

    checked_recipe(config.probability)
    for argument, names, choices in (
        ("backbones", config.backbones, BACKBONES),
        ("variants", config.variants, VARIANTS),
    ):
        for name in names:
            if name not in choices:
                raise unknown(argument, name, choices)
        if len(set(names)) < len(names):
            raise UsageError(f"{argument}: {', '.join(names)}: each once")
    if config.backbones and not config.variants:
        raise UsageError(f"variants: give at least one of {', '.join(VARIANTS)}")
    check_at_least(1, seeds=config.seeds, scenes=config.scenes)
    check_at_least(2, levels=config.levels)
    weights, networks = (
        command_line.name_value_pairs(given, argument)
        for given, argument in ((config.weights, "weights"), (config.networks, "networks"))
    )
    for name, file in weights:
        if name not in config.backbones:
            raise unknown("weights", name, config.backbones)
        if file not in ("imagenet", "none") and not Path(file).is_file():
            raise UsageError(f"weights: file not found: {file}")
    for label, file in networks:
        if not Path(file).is_file():
            raise UsageError(f"networks: file not found: {file}")
        if label in (*BACKBONES, LUMA):
            raise UsageError(f"networks: {label} is the name of another row")
    return dict(weights), {label: Path(file) for label, file in networks}


def all_margins(
    config: Config, given: "Pictures", weights: Mapping[str, str], files: Mapping[str, Path]
) -> "tuple[Rows, dict[str, str]]":
    """Returns the margins of every network and variant, each seed's, and why a backbone has none."""
    import numpy as np

    from experiments._calibration import networks
    from experiments._tables import jobs

    recipe = config.probability
    pretrained = {name: weights.get(name, "imagenet") for name in config.backbones}
    of_backbones = {
        name: networks.feature_job(name, file, recipe.resolution, given) for name, file in pretrained.items()
    }
    of_files = {label: networks.network_job(file, given) for label, file in files.items()}
    todo = [*of_backbones.values(), *of_files.values()]
    impossible = jobs.do_all(todo, config.out, lambda line: print(line, flush=True))
    reasons = {name: impossible[job.key] for name, job in (of_backbones | of_files).items() if job.key in impossible}

    def outputs(job: jobs.Job) -> np.ndarray:
        return np.load(job.folder(config.out) / networks.OUTPUTS)

    recipes = [dataclasses.replace(recipe, seed=recipe.seed + seed) for seed in range(config.seeds)]
    found: Rows = {}
    for name, job in of_backbones.items():
        if name not in reasons:
            print(f"{name}: heads", flush=True)
            inputs = outputs(job)
            of_seeds = [networks.heads(name, pretrained[name], inputs, given, of, config.variants) for of in recipes]
            found |= {(name, variant): [of[variant] for of in of_seeds] for variant in config.variants}
    for label, job in of_files.items():
        if label not in reasons:
            found[label, ""] = [networks.of_network(files[label], outputs(job), given)]
    found[LUMA, ""] = [networks.of_luma(given, of) for of in recipes]
    return found, reasons


def compared_rows(config: Config, found: "Rows") -> "dict[str, Sequence[Margins]]":
    """Returns one row of each network: the first variant of backbones."""
    return {name: seeds for (name, variant), seeds in found.items() if variant in ("", config.variants[0])}


def write(config: Config, found: "Rows", reasons: Mapping[str, str], given: "Pictures") -> None:
    """Measures, writes the tables and prints them."""
    from scipy.special import expit

    from drujax.metrics.seeds import rank_correlation
    from drujax.runtime.atomic_write import write_atomically
    from experiments._calibration import measures, report

    rows = {", ".join(filter(None, key)): measures.measures(seeds, given) for key, seeds in found.items()}
    uncertain = given.training.partition("uncertain")
    compared = {name: seeds[0].training[uncertain].tolist() for name, seeds in compared_rows(config, found).items()}
    agreement = {
        name: {other: rank_correlation(of, values) for other, values in compared.items()}
        for name, of in compared.items()
    }
    text = report.as_markdown(rows, reasons, agreement, about(config, found, reasons, given))
    write_atomically(config.out / "calibration.md", text.encode())
    write_atomically(config.out / "calibration.csv", report.csv_of(rows, reasons).encode())
    probabilities = {", ".join(filter(None, key)): expit(seeds[0].training) for key, seeds in found.items()}
    write_atomically(config.out / "pictures.csv", report.csv_of_pictures(given.training, probabilities).encode())
    print(f"{text}\n{config.out / 'calibration'}.md, .csv\n{config.out / 'pictures.csv'}")


def about(config: Config, found: "Rows", reasons: Mapping[str, str], given: "Pictures") -> list[str]:
    """Returns what is said below the tables."""
    training, ladders = given.training, given.ladders
    counts = {name: int(training.partition(name).sum()) for name in ("dark", "bright", "uncertain")}
    held = found[LUMA, ""][0].held_out.sum()
    refused: dict[str, dict[str, None]] = {}  # reason -> networks
    for (name, _), seeds in found.items():
        for of in seeds:
            if of.note:
                refused.setdefault(of.note, {})[name] = None
    return [
        f"{', '.join(f'{count} {name}' for name, count in counts.items())} training pictures of {config.data.name}; "
        f"the confident columns are of those that no head has seen ({held} with the first seed).",
        f"A picture is truly bright above {training.boundary:.2f} of full daylight, where a sigmoid of illumination, "
        "fitted to the confident pictures, is 1/2.",
        "ρ given luma: what is left of ρ when the mean luma is known (partial rank correlation).",
        f"Order: {len(ladders)} pictures of {config.scenes} further scenes, {config.levels} levels of each light.",
        "Saturated: RP above 0.99 or below 0.01. T wanted: the likeliest one for the uncertain pictures' true class.",
        f"Mean of {config.seeds} seeds; ± is half of the 95 % interval (bootstrap over seeds and scenes; of ρ, over "
        "pictures).",
        *(f"{', '.join(names)}: the temperature stays 1: {why}." for why, names in refused.items()),
        *(f"No result for {name}: {why}" for name, why in reasons.items()),
    ]


def run(arguments: Sequence[str]) -> int:
    """Measures as command-line arguments say."""
    return main(command_line.parse(Config, arguments, program="experiments.calibration"))


if __name__ == "__main__":
    sys.exit(command_line.run(lambda: run(sys.argv[1:]), "experiments.calibration"))
