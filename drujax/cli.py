"""The command `drujax`: a word says what to do. What a command needs is imported when it runs."""

import dataclasses
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from drujax.console import command_line, output, tables
from drujax.console.progress import Progress
from drujax.errors import UsageError, unknown
from drujax.runtime.version import __version__

Inputs = Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="INPUT...", help_behavior_hint="")]
Flag = tyro.conf.FlagCreatePairsOff[bool]

# Pillow's own limit, from which on a small file that claims a huge picture is taken for an attack.
MAX_PIXELS = 89_478_485


@dataclasses.dataclass(frozen=True)
class Enhance:
    """Brightens dark pictures; size, bit depth, alpha, colour profile and metadata stay."""

    # Pictures, and folders of pictures (with their subfolders).
    inputs: Inputs
    # File, or folder where there are several pictures; <name>_enhanced beside the input by default.
    output: Annotated[str | None, tyro.conf.arg(aliases=["-o"])] = None
    # Name of a model (drujax models tells them), .safetensors file, or folder of a training run.
    model: str = "dru-mobilenet-v2"
    # How much of the change is made: 0 none, 1 all, auto what each picture's light asks for (all for a dark one, none
    # for a bright one).
    strength: command_line.Strength = "auto"
    # The network's own picture: EnlightenGAN otherwise gives a picture its light alone, along the picture's own edges.
    plain: Flag = False
    # How levels are rounded; down is how the official scripts of SCI and RUAS save pictures.
    rounding: Literal["nearest", "floor"] = "nearest"
    # Leave out pictures whose result is there already.
    skip_existing: Flag = False
    # Largest picture that is read, in pixels.
    max_pixels: int = MAX_PIXELS


@dataclasses.dataclass(frozen=True)
class Score:
    """Measures the quality of pictures without a reference: scores of each, their means, and how sure these are."""

    # Pictures, and folders of pictures (with their subfolders).
    inputs: Inputs
    # Names of metrics with commas between: brisque, niqe, piqe, ma, pi, nima.
    metrics: str = "brisque,niqe,piqe"
    # Whose arithmetic they follow: pyiqa (IQA-PyTorch's, as the paper), matlab (the authors' releases), of nima pyiqa,
    # idealo or idealo-technical.
    reference: str = "pyiqa"
    # Folder of other versions of the same pictures, by the same names: what differs, picture by picture.
    against: Path | None = None
    # CSV (file,group) of pictures that are variants of one scene: intervals and the sign test then resample and count
    # groups. Without it they take all pictures as independent, and are too sure of themselves where that is wrong.
    groups: Path | None = None
    # How the rows are printed.
    format: tables.Format = "table"
    # Largest picture that is read, in pixels.
    max_pixels: int = MAX_PIXELS


@dataclasses.dataclass(frozen=True)
class Sort:
    """Tells dark, bright and uncertain pictures by the mean luma (0..255) of their quartiles."""

    # Pictures, and folders of pictures (with their subfolders).
    inputs: Inputs
    # A picture with a quartile under this is dark.
    low: float = 50.0
    # A picture with all quartiles over this is bright.
    high: float = 150.0
    # How the rows are printed.
    format: tables.Format = "table"
    # Largest picture that is read, in pixels.
    max_pixels: int = MAX_PIXELS


@dataclasses.dataclass(frozen=True)
class Convert:
    """Turns another program's checkpoint into a .safetensors file for --model, without running code in it."""

    # PyTorch's .pth or .pt (any age), .npz, or .safetensors.
    checkpoint: Annotated[Path, tyro.conf.Positional]
    # Network, or model of it, that the checkpoint is of.
    model: str
    # The .safetensors file to write.
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    # Options of the network, NAME=VALUE (repeatable), by default as in its authors' checkpoint: --option=crop=True.
    option: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    # Which network of a checkpoint that holds several.
    part: str | None = None
    # Writes half-precision numbers: half the size.
    half: Flag = False


@dataclasses.dataclass(frozen=True)
class Models:
    """Tells every model and weight file known: size, licence, source, and whether it is on this machine."""

    # A table for people, or JSON for programs.
    format: Literal["table", "json"] = "table"


@dataclasses.dataclass(frozen=True)
class Selfcheck:
    """Compares Ma and PI with scores that the references gave, once you have Ma's forests and some of the pictures."""

    # Folder with some of the pictures whose scores are known (without any of them, their names are told).
    pictures: Path
    # The authors' model.mat or IQA-PyTorch's NRQM_model.mat; by default it is downloaded.
    weights: Path | None = None
    # How the rows are printed.
    format: tables.Format = "table"


@dataclasses.dataclass(frozen=True)
class Command:
    """A word after `drujax`: its options and what it does with them (-> exit code)."""

    options: type
    run: Callable[[Any], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code: 0, 1 where some pictures were left out, 2 for a user's mistake."""
    arguments = sys.argv[1:] if arguments is None else arguments
    return command_line.run(lambda: _run(list(arguments)), "drujax")


def _run(arguments: list[str]) -> int:
    match arguments:
        case [] | ["-h" | "--help", *_]:
            output.show(_help())
        case ["--version", *_]:
            output.show(f"drujax {__version__}")
        case [name, *rest]:
            if name not in COMMANDS:
                raise unknown("command", name, COMMANDS)
            command = COMMANDS[name]
            return command.run(command_line.parse(command.options, rest, program=f"drujax {name}"))
    return 0


def _help() -> str:
    width = max(map(len, COMMANDS))
    return "\n".join(
        [
            f"drujax {__version__}: brightens under-lit anime scenery.",
            "",
            "  drujax enhance frame.png                  # writes frame_enhanced.png",
            "  drujax enhance frames/ -o brighter/",
            "",
            "Commands (drujax COMMAND --help tells their options):",
            *(f"  {name:<{width}}  {command.options.__doc__}" for name, command in COMMANDS.items()),
            "",
            "Training: python -m experiments.prepare --help, python -m experiments.train --help",
        ]
    )


def _enhance(options: Enhance) -> int:
    from drujax.enhance.files import enhance_files, plan

    _limit_pictures(options.max_pixels)
    jobs = plan(_given(options.inputs), options.output)
    alone = len(options.inputs) == 1 and not options.inputs[0].is_dir()

    from drujax.enhance.enhancer import Enhancer, check_strength
    from drujax.runtime.compile_cache import enable_compilation_cache

    check_strength(options.strength)
    enable_compilation_cache()
    enhancer = Enhancer(options.model, guided=False if options.plain else None, rounding=options.rounding)

    unchanged = 0

    def enhance(picture):
        nonlocal unchanged
        enhanced = enhancer.picture(picture, options.strength)
        unchanged += enhanced is picture
        return enhanced

    outcomes = []
    with Progress("enhancing", total=len(jobs), unit="picture") as progress:
        for outcome in enhance_files(jobs, enhance, skip_existing=options.skip_existing):
            if outcome.error is not None and alone:
                raise UsageError(outcome.error)
            outcomes.append(outcome)
            progress.to(len(outcomes))
            if outcome.error is not None:
                progress.say(f"left out {outcome.error}")
            if outcome.dropped:
                progress.say(f"{outcome.job.target}: written without {', '.join(outcome.dropped)}")
    bad = sum(outcome.error is not None for outcome in outcomes)
    there = sum(outcome.skipped for outcome in outcomes)
    where = jobs[0].target if len(jobs) == 1 else options.output or "beside the inputs"
    counts = {
        "enhanced": len(jobs) - unchanged - bad - there,
        "bright already (--strength=1 changes them, too)" if options.strength == "auto" else "unchanged": unchanged,
        "there already": there,
        "left out": bad,
    }
    output.say(f"{where}: {', '.join(f'{count} {what}' for what, count in counts.items() if count)}")
    return 1 if bad else 0


def _score(options: Score) -> int:
    from drujax.pictures.discovery import pictures_of

    _limit_pictures(options.max_pixels)
    inputs = _given(options.inputs)
    paths = [path for given in inputs for path in pictures_of(given)]

    from drujax.runtime.compile_cache import enable_compilation_cache
    from drujax.score import files as scoring
    from drujax.score import report
    from drujax.score.groups import read_groups

    enable_compilation_cache()
    bad = []
    groups = None if options.groups is None else read_groups(options.groups, paths, inputs, output.complain)

    leave_out = _leaving_out(bad, output.complain)
    names = [name.strip() for name in options.metrics.split(",") if name.strip()]
    measures = scoring.measures(names, options.reference, leave_out)
    if options.against is None:
        rows = _scored("scoring", paths, measures, bad)
        output.show(report.render(list(rows.values()), options.format, groups))
    else:
        pairs = scoring.pairs(inputs, options.against, leave_out)
        ours = _scored("scoring", [pair.picture for pair in pairs], measures, bad)
        theirs = _scored("scoring the others", [pair.other for pair in pairs], measures, bad)
        whole = [pair for pair in pairs if pair.picture in ours and pair.other in theirs]
        output.show(report.render_pairs([(ours[p.picture], theirs[p.other]) for p in whole], options.format, groups))
    return 1 if bad else 0


def _scored(label: str, paths: list[Path], measures: Sequence[Any], bad: list[Exception]) -> dict[Path, dict[str, Any]]:
    """Rows of scores by path, with progress; what goes wrong with a picture is told and added to `bad`."""
    from drujax.score.files import score_files

    rows = {}
    with Progress(label, total=len(paths), unit="picture") as progress:
        for row in score_files(paths, measures, _leaving_out(bad, progress.say)):
            rows[Path(row["image"])] = row
            progress.to(len(rows))
    return rows


def _sort(options: Sort) -> int:
    from drujax.data.sort_files import sort_pictures
    from drujax.pictures.discovery import pictures_of

    _limit_pictures(options.max_pixels)
    paths = [path for given in _given(options.inputs) for path in pictures_of(given)]
    rows, bad = [], []
    with Progress("sorting", total=len(paths), unit="picture") as progress:
        for row in sort_pictures(paths, options.low, options.high, on_error=_leaving_out(bad, progress.say)):
            rows.append(row)
            progress.to(len(rows) + len(bad))
    output.show(tables.render(rows, options.format))
    return 1 if bad else 0


def _convert(options: Convert) -> int:
    from drujax.enhance.conversion import convert_checkpoint, parsed_options

    metadata = convert_checkpoint(
        options.checkpoint,
        model=options.model,
        output=options.output,
        options=parsed_options(options.model, options.option),
        part=options.part,
        dtype="float16" if options.half else None,
    )
    settings = ", ".join(f"{name} {value}" for name, value in metadata["options"].items())
    output.say(f"{options.output}: {metadata['network']} ({settings})")
    return 0


def _models(options: Models) -> int:
    from drujax.enhance import listing

    rows = listing.list_models()
    output.show(json.dumps(listing.as_json(rows), indent=2) if options.format == "json" else listing.as_table(rows))
    return 0


def _selfcheck(options: Selfcheck) -> int:
    from drujax.runtime.compile_cache import enable_compilation_cache
    from drujax.score.selfcheck import check

    enable_compilation_cache()
    bad, rows = [], []

    leave_out = _leaving_out(bad, output.complain)
    for outcome in check(options.pictures, options.weights, leave_out):
        part = f"forest {outcome.row.forest}" if outcome.row.forest else ""
        rows.append(
            {
                "picture": outcome.picture,
                "metric": " ".join(filter(None, [outcome.row.metric, part])),
                **outcome.row.arguments,
                "expected": outcome.row.expected,
                "score": outcome.score,
                "difference": abs(outcome.score - outcome.row.expected),
                "tolerance": outcome.row.tolerance,
                "agrees": "yes" if outcome.agrees else "NO",
                "source": outcome.row.source,
            }
        )
    output.show(tables.table(rows, digits=9) if options.format == "table" else tables.render(rows, options.format))
    return 1 if bad or any(row["agrees"] == "NO" for row in rows) else 0


def _leaving_out(bad: list[Exception], say: Callable[[str], None]) -> Callable[[Any, Exception], None]:
    """Says what is left out and why, and adds the error to `bad`."""

    def leave_out(_what: Any, error: Exception) -> None:
        bad.append(error)
        say(f"left out {error}")

    return leave_out


def _given(inputs: tuple[Path, ...]) -> tuple[Path, ...]:
    if not inputs:
        raise UsageError("INPUT: give at least one picture or folder")
    return inputs


def _limit_pictures(max_pixels: int) -> None:
    """Sets Pillow's limit, which is drujax's, and keeps its warnings about odd files off the terminal."""
    import warnings

    from PIL import Image

    if max_pixels < 1:
        raise UsageError(f"--max-pixels: {max_pixels} is under 1")
    Image.MAX_IMAGE_PIXELS = max_pixels
    warnings.filterwarnings("ignore", module="PIL")


COMMANDS = {
    "enhance": Command(Enhance, _enhance),
    "score": Command(Score, _score),
    "sort": Command(Sort, _sort),
    "convert": Command(Convert, _convert),
    "models": Command(Models, _models),
    "selfcheck": Command(Selfcheck, _selfcheck),
}

if __name__ == "__main__":
    sys.exit(main())
