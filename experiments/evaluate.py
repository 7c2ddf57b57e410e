"""Scores of a trained network: closeness to a known truth on synthetic scenes, and the light of real pictures.

    python -m experiments.evaluate --workdir=runs/enlightengan-vit_b16 --data=D     # of a run; D by experiments.prepare
    python -m experiments.evaluate --model=dru-mobilenet-v2 --data=D                # of a named model, or a file
    python -m experiments.evaluate --model=dru-mobilenet-v2 --pairs=variants.csv    # scenes drawn in two lights, too

Prints tables and, for a run, writes WORKDIR/evaluation.json. After the network is compiled, a picture of 640x360 takes
about 1.3 seconds of CPU time.
"""

import dataclasses
import sys
from pathlib import Path
from typing import Any

from drujax.console import command_line
from drujax.errors import UsageError

# Titles of columns, and what they show.
CLOSENESS = {"PSNR (dB)": "psnr", "SSIM": "ssim", "MS-SSIM": "ms_ssim", "LOE": "loe"}
LIGHT = {
    "mean luma": "mean_luma",
    "clipped share": "clipped",
    "crushed share": "crushed",
    "colourfulness": "colourfulness",
}


@dataclasses.dataclass(frozen=True)
class Config:
    """Scores a trained network."""

    # Folder of a run, which gets evaluation.json.
    workdir: Path | None = None
    # Instead: name of a model (drujax models tells them), or .safetensors file.
    model: str | None = None
    # Dataset with the pictures; by default the run's own synthetic one, if it has one.
    data: Path | None = None
    # At most so many dark and so many bright pictures, spread over the dataset; by default all.
    pictures: int | None = None
    # CSV (group,file) of pictures in its folder, those of a group being one scene in several lights: the darkest of
    # each group is enhanced and compared with the brightest.
    pairs: Path | None = None
    # Scenes with known truth, and their side.
    scenes: int = 64
    scene_size: int = 256
    # Seed of these scenes; a run's own seed would paint scenes that it was trained on.
    scene_seed: int = 1_000_003
    # How much of the change is made: 0 none, 1 all, auto what each picture's light asks for, as drujax enhance does.
    strength: command_line.Strength = 1.0
    # The network's own picture, as in drujax enhance --plain: for comparing networks.
    plain: bool = False


def main(config: Config) -> int:
    from drujax.console.progress import Progress
    from drujax.enhance.enhancer import Enhancer, check_strength
    from drujax.runtime.compile_cache import enable_compilation_cache
    from drujax.score.evaluation import light_statistics, quasi_pairs, score_pairs, score_scenes, spread
    from drujax.training.workdir import write_json

    # What is evaluated, and on what.
    if (config.workdir is None) == (config.model is None):
        raise UsageError("give either --workdir=RUN or --model=NAME")
    if config.scenes < 1:
        raise UsageError(f"--scenes: {config.scenes} is under 1")
    dataset = open_dataset(config)
    left_out: list[str] = []
    pairs = quasi_pairs(config.pairs, left_out.append) if config.pairs is not None else []
    for why in left_out:
        print(f"left out {why}", file=sys.stderr)
    enable_compilation_cache()
    check_strength(config.strength)
    enhancer = Enhancer(config.workdir or str(config.model), guided=False if config.plain else None)

    def enhance(batch):
        return enhancer(batch, config.strength)

    # Scenes whose bright truth is known.
    result: dict[str, Any] = {
        "model": str(config.workdir or config.model),
        "strength": config.strength,
        "plain": config.plain,
    }
    with Progress("scenes", total=config.scenes, unit="scene") as progress:
        result["scenes"] = score_scenes(
            enhance, config.scenes, size=config.scene_size, seed=config.scene_seed, on_progress=progress.to
        )

    # Pictures of one scene in two lights, if there are any.
    if pairs:
        with Progress("pairs", total=len(pairs), unit="pair") as progress:
            pictures = (pair.read() for pair in pairs)
            result["pairs"] = score_pairs(enhance, pictures, on_progress=progress.to)
        result["pairs"] |= {"table": str(config.pairs), "left_out": len(left_out)}

    # Real pictures: dark ones it never saw, and bright ones (by eq. 1), which are to stay as they are.
    if dataset is not None:
        bright = [i for i, row in enumerate(dataset.table("train_bright")) if row.partition == "bright"]
        for name, split, candidates in (
            ("dark", dataset.test_dark, range(len(dataset.test_dark))),
            ("bright", dataset.train_bright, bright),
        ):
            chosen = [candidates[position] for position in spread(len(candidates), config.pictures)]
            with Progress(f"{name} pictures", total=len(chosen), unit="picture") as progress:
                pictures = (split.image(position) for position in chosen)
                result[name] = light_statistics(enhance, pictures, on_progress=progress.to)

    # Report.
    print(tables(result))
    if config.workdir is not None:
        write_json(config.workdir / "evaluation.json", result)
        print(config.workdir / "evaluation.json")
    return 0


def open_dataset(config: Config) -> Any:
    """The dataset of --data, or the one that a run on synthetic scenes painted; None where there is neither."""
    painted = config.workdir / "dataset" if config.workdir is not None else None
    path = config.data or (painted if painted is not None and painted.is_dir() else None)
    if path is None:
        return None
    from drujax.data.dataset import Dataset

    return Dataset.open(path)


def closeness(scores: dict[str, float | None]) -> dict[str, float | None]:
    """The columns of a row of `score_pairs`."""
    return {title: scores[key] for title, key in CLOSENESS.items()}


def tables(result: dict[str, Any]) -> str:
    """The result for people."""
    from drujax.console.tables import table

    states = ("input", "enhanced")
    scenes = result["scenes"]
    size = f"{scenes['size']}x{scenes['size']}"
    parts = [
        f"{scenes['count']} synthetic scenes of {size}, against the same in bright light",
        table([{"": state} | closeness(scenes[state]) for state in states], digits=4),
    ]
    if pairs := result.get("pairs"):
        parts += [
            f"\n{pairs['count']} pairs of real pictures, the darker against the brighter one",
            table([{"": state} | closeness(pairs[state]) for state in states], digits=4),
        ]
    for name in ("dark", "bright"):
        if not result.get(name, {}).get("count"):
            continue
        light = result[name]
        rows = [{"": state} | {title: light[key][state] for title, key in LIGHT.items()} for state in states]
        change = light["luma_change"]
        parts += [
            f"\n{light['count']} {name} pictures",
            table(rows, digits=4),
            f"mean luma changed by {change['mean']:.1%} (at most {change['max']:.1%}); "
            f"within 12 %: {change['unchanged']:.0%} of the pictures",
        ]
    return "\n".join(parts)


if __name__ == "__main__":
    sys.exit(
        command_line.run(
            lambda: main(command_line.parse(Config, sys.argv[1:], program="experiments.evaluate")),
            "experiments.evaluate",
        )
    )
