"""Evaluates a trained network: full-reference metrics on synthetic scenes, luminance statistics on real images.

    python -m experiments.evaluate --workdir=runs/enlightengan-vit_b16 --data=D     # a run; D from experiments.prepare
    python -m experiments.evaluate --model=exposure-slim --data=D                  # a named model, or a weights file
    python -m experiments.evaluate --model=exposure-slim --pairs=variants.csv      # also real scenes in two exposures
    python -m experiments.evaluate light --data=D --pairs=pairs.csv                 # many models in one table

Prints tables and, for a run, writes WORKDIR/evaluation.json. After compilation, an image of 640x360 takes about 1.3
seconds of CPU time.
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from drujax.console import command_line
from drujax.errors import UsageError
from experiments._evaluate import light

# Column titles and the keys of their values.
FULL_REFERENCE = {"PSNR (dB)": "psnr", "SSIM": "ssim", "MS-SSIM": "ms_ssim", "LOE": "loe"}
LUMINANCE = {
    "mean luma": "mean_luma",
    "clipped share": "clipped",
    "crushed share": "crushed",
    "colourfulness": "colourfulness",
}


@dataclasses.dataclass(frozen=True)
class Config:
    """Evaluates a trained network."""

    # Folder of a run; evaluation.json is written there.
    workdir: Path | None = None
    # Name of a model (see drujax models) or .safetensors file, instead of --workdir.
    model: str | None = None
    # Dataset with real images; default: the run's own synthetic dataset, if any.
    data: Path | None = None
    # Maximum number of dark and of bright images, evenly spaced over the dataset; default: all.
    pictures: int | None = None
    # CSV (group,file) of images next to it; a group is one scene in several exposures. The darkest of each group is
    # enhanced and compared with the brightest.
    pairs: Path | None = None
    # Number of synthetic scenes with known ground truth.
    scenes: int = 64
    # Side of these scenes in pixels.
    scene_size: int = 256
    # Seed of these scenes; must differ from the seed of a run that was trained on synthetic scenes.
    scene_seed: int = 1_000_003
    # Strength of the enhancement: 0 none, 1 full, auto by each image's exposure, as in drujax enhance.
    strength: command_line.Strength = 1.0
    # Use the network's own output, as in drujax enhance --plain; for comparing networks.
    plain: bool = False


@command_line.flags_in_errors(Config)
def main(config: Config) -> int:
    """Evaluates as `config` says; prints the results and writes those of a run."""
    from drujax.console.progress import Progress
    from drujax.enhance.enhancer import Enhancer
    from drujax.enhance.strength import check_strength
    from drujax.runtime.compile_cache import enable_compilation_cache
    from drujax.score.evaluation import luminance_statistics, quasi_pairs, score_pairs, score_scenes, spread
    from drujax.training.workdir import write_json

    # Model and data.
    if (config.workdir is None) == (config.model is None):
        raise UsageError("give either --workdir=RUN or --model=NAME")
    if config.scenes < 1:
        raise UsageError(f"--scenes: must be >= 1, got {config.scenes}")
    dataset = open_dataset(config)
    skipped: list[str] = []
    pairs = quasi_pairs(config.pairs, skipped.append) if config.pairs is not None else []
    for why in skipped:
        print(f"skipped {why}", file=sys.stderr)
    enable_compilation_cache()
    check_strength(config.strength)
    enhancer = Enhancer(config.workdir or str(config.model), guided=False if config.plain else None, runtime="jax")

    def enhance(batch):
        return enhancer(batch, config.strength)

    # Synthetic scenes with known ground truth.
    result: dict[str, Any] = {
        "model": str(config.workdir or config.model),
        "strength": config.strength,
        "plain": config.plain,
    }
    with Progress("scenes", total=config.scenes, unit="scene") as progress:
        result["scenes"] = score_scenes(
            enhance, config.scenes, size=config.scene_size, seed=config.scene_seed, on_progress=progress.to
        )

    # Real scenes in two exposures.
    if pairs:
        with Progress("pairs", total=len(pairs), unit="pair") as progress:
            pictures = (pair.read() for pair in pairs)
            result["pairs"] = score_pairs(enhance, pictures, on_progress=progress.to)
        result["pairs"] |= {"table": str(config.pairs), "left_out": len(skipped)}

    # Real images: dark ones from the test split, and bright ones (by eq. 1), which should not change.
    if dataset is not None:
        bright = [i for i, row in enumerate(dataset.table("train_bright")) if row.partition == "bright"]
        for name, split, candidates in (
            ("dark", dataset.test_dark, range(len(dataset.test_dark))),
            ("bright", dataset.train_bright, bright),
        ):
            chosen = [candidates[position] for position in spread(len(candidates), config.pictures)]
            with Progress(f"{name} pictures", total=len(chosen), unit="picture") as progress:
                pictures = (split.image(position) for position in chosen)
                result[name] = luminance_statistics(enhance, pictures, on_progress=progress.to)

    # Report.
    print(tables(result))
    if config.workdir is not None:
        write_json(config.workdir / "evaluation.json", result)
        print(config.workdir / "evaluation.json")
    return 0


def open_dataset(config: Config) -> Any:
    """Opens the dataset of --data, or the synthetic dataset of the run; returns None if there is neither."""
    synthetic = config.workdir / "dataset" if config.workdir is not None else None
    path = config.data or (synthetic if synthetic is not None and synthetic.is_dir() else None)
    if path is None:
        return None
    from drujax.data.dataset import Dataset

    return Dataset.open(path)


def full_reference(scores: dict[str, float | None]) -> dict[str, float | None]:
    """Returns the table columns of a row of `score_pairs`."""
    return {title: scores[key] for title, key in FULL_REFERENCE.items()}


def tables(result: dict[str, Any]) -> str:
    """Formats the result as tables."""
    from drujax.console.tables import table

    states = ("input", "enhanced")
    scenes = result["scenes"]
    size = f"{scenes['size']}x{scenes['size']}"
    parts = [
        f"{scenes['count']} synthetic scenes of {size}, against their bright ground truth",
        table([{"": state} | full_reference(scenes[state]) for state in states], digits=4),
    ]
    if pairs := result.get("pairs"):
        parts += [
            f"\n{pairs['count']} pairs of real pictures, the darker against the brighter",
            table([{"": state} | full_reference(pairs[state]) for state in states], digits=4),
        ]
    for name in ("dark", "bright"):
        if not result.get(name, {}).get("count"):
            continue
        statistics = result[name]
        rows = [{"": state} | {title: statistics[key][state] for title, key in LUMINANCE.items()} for state in states]
        change = statistics["luma_change"]
        parts += [
            f"\n{statistics['count']} {name} pictures",
            table(rows, digits=4),
            f"mean luma changed by {change['mean']:.1%} (at most {change['max']:.1%}); "
            f"within 12 %: {change['unchanged']:.0%} of the pictures",
        ]
    return "\n".join(parts)


def run(arguments: Sequence[str]) -> int:
    """Runs what command-line `arguments` ask for: `light`, or the evaluation of one model."""
    if arguments[:1] == ["light"]:
        with command_line.flags_in_errors(light.Light):
            return light.main(command_line.parse(light.Light, arguments[1:], program="experiments.evaluate light"))
    return main(command_line.parse(Config, arguments, program="experiments.evaluate"))


if __name__ == "__main__":
    sys.exit(command_line.run(lambda: run(sys.argv[1:]), "experiments.evaluate"))
