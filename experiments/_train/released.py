"""The recipe of the released weights: a few runs, each of which starts from the weights of the one before.

    python -m experiments.train --preset=released --data=D                   # exposure-slim, and then dru-slim
    python -m experiments.train --preset=released --data=D --backbone=none   # the same without relativistic probability

Each stage is a run in a folder of its own in --workdir. The same command resumes what was stopped, and other options
(--seed, --pretrained, --gan.perceptual, ...) apply to all stages that have them.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from drujax.console import command_line
from drujax.errors import UsageError
from drujax.methods.config import config_type

PRESET = "released"

SHARED = ("--preset=laptop", "--backbone=mobilenet_v2")
STAGES: Mapping[str, tuple[str, ...]] = {
    # Known truth: bright pictures darkened into nights, and painted scenes.
    "1-exposure": ("--method=exposure",),
    # And nights that artists drew.
    "2-drawn": (
        "--method=exposure",
        "--gan.painted-per-step=2",
        "--gan.variants-per-step=3",
        "--recipe.batch-size=6",
        "--recipe.steps=4000",
        "--recipe.learning-rate=6e-4",
    ),
    # The paper's losses on real nights, beside the known truth, which keeps the generator from forgetting it.
    "3-dru": (
        "--method=enlightengan",
        "--gan.width=8",
        "--gan.frozen-batch-norm",
        "--gan.generator-rests=100",
        "--gan.reconstruction=10",
        "--gan.painted=300",
        "--gan.painted-per-step=1",
        "--gan.variants-per-step=2",
        "--gan.discriminator-features=32",
        "--gan.patches=2",
        "--recipe.size=80",
        "--recipe.short-side=192",
        "--recipe.steps=4000",
        "--recipe.learning-rate=1e-4",
        "--recipe.ema-decay=0.998",
    ),
}


def run_stages(arguments: Sequence[str], run: Callable[[list[str]], int]) -> int:
    """Runs the stages with a user's arguments over theirs; returns the first exit code that is not 0.

    Args:
        arguments: of the command, with --preset=released.
        run: trains as arguments say (`experiments.train.run`).

    Raises:
        UsageError: an option that the stages set themselves, or no dataset.
    """
    given = _options(arguments)
    if {"-h", "--help"} & set(arguments):
        return run(["--help"])
    for flag in ("--method", "--init", "--dru"):
        if flag in given:
            raise UsageError(f"{flag}: the stages of --preset={PRESET} set it")
    if "--data" not in given:
        raise UsageError(f"--data: needed by --preset={PRESET}; python -m experiments.prepare writes a dataset")
    del given["--preset"]
    vanilla = given.get("--backbone") == "--backbone=none"
    default = f"--workdir=runs/{PRESET}{'-vanilla' * vanilla}"
    workdir = Path(given.pop("--workdir", default).partition("=")[2])
    start: list[str] = []
    for number, (name, stage) in enumerate(STAGES.items(), start=1):
        print(f"Stage {number} of {len(STAGES)}: {workdir / name}", flush=True)
        chosen = _options([*SHARED, *stage]) | {flag: option for flag, option in given.items() if _applies(flag, stage)}
        if code := run([*chosen.values(), *start, f"--workdir={workdir / name}"]):
            return code
        start = [f"--init={workdir / name / 'weights.safetensors'}"]
    return 0


def _options(arguments: Sequence[str]) -> dict[str, str]:
    """Returns the arguments by their flags, each as --flag=value, or --flag."""
    options, flag = {}, ""
    for argument in arguments:
        if argument.startswith("--"):
            flag = argument.partition("=")[0]
            options[flag] = argument
        else:
            options[flag] = f"{flag}={argument}"
    return options


def _applies(flag: str, stage: Sequence[str]) -> bool:
    """Whether a stage has the option; one that no stage has is left to the parser to refuse."""

    def has(of: Sequence[str]) -> bool:
        method = _options(of)["--method"].partition("=")[2]
        return command_line.has_flag(config_type(method), flag)

    return has(stage) or not any(map(has, STAGES.values()))
