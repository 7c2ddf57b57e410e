"""The command `drujax` and its subcommands. What a subcommand needs is imported when it runs."""

import dataclasses
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from drujax.console import command_line, completion, output, tables
from drujax.console.option_types import Flag, optional, positionals_together
from drujax.enhance import command as enhance
from drujax.enhance.export import command as export
from drujax.errors import UsageError, unknown
from drujax.pictures.inputs import (
    MAX_PIXELS,
    Inputs,
    MaxPixels,
    Quiet,
    Recursive,
    Reports,
    limit_pixels,
    located_pictures,
)
from drujax.runtime.version import __version__
from drujax.score import command as score
from drujax.serve import command as serve


@dataclasses.dataclass(frozen=True)
class Sort:
    """Classifies pictures as dark, bright or uncertain by the mean luma (0..255) of their four quarters (QAB)."""

    inputs: Inputs
    # A picture is dark if the mean of a quarter is below this.
    low: float = 50.0
    # A picture is bright if the means of all quarters are above this.
    high: float = 150.0
    # Processes that read pictures; 1: threads of one process.
    processes: int = 1
    # How the rows are printed.
    format: tables.Format = "table"
    recursive: Recursive = True
    max_pixels: MaxPixels = MAX_PIXELS
    quiet: Quiet = False


@dataclasses.dataclass(frozen=True)
class Convert:
    """Converts another program's checkpoint to a .safetensors file for --model, without running code in it."""

    # Checkpoint to convert: PyTorch's .pth or .pt of any version, .npz, or .safetensors.
    checkpoint: Annotated[Path, tyro.conf.Positional]
    # Network that the checkpoint belongs to, or a model of that network.
    model: str
    # The .safetensors file to write.
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    # Option of the network, NAME=VALUE, such as --option=crop=True (repeatable). By default the authors' setting.
    option: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    # Network to take from a checkpoint that holds several.
    part: Annotated[str | None, optional(str, "NAME"), tyro.conf.arg(help_behavior_hint="")] = None
    # Store half-precision numbers: half the file size.
    half: Flag = False


@dataclasses.dataclass(frozen=True)
class Models:
    """Lists the known models and weight files: size, licence, source, and whether they are on this machine."""

    # How the list is printed: a table, or JSON for programs.
    format: Literal["table", "json"] = "table"


@dataclasses.dataclass(frozen=True)
class Selfcheck:
    """Compares Ma and PI with published scores, given Ma's forests and some of the pictures that were scored."""

    # Folder with some of the pictures whose scores are known. If there are none, their names are printed.
    pictures: Path
    # Ma's forests: the authors' model.mat or IQA-PyTorch's NRQM_model.mat. By default they are downloaded.
    weights: Annotated[Path | None, optional(Path, "MAT"), tyro.conf.arg(help_behavior_hint="")] = None
    # How the rows are printed.
    format: tables.Format = "table"


@dataclasses.dataclass(frozen=True)
class Completion:
    """Prints the script that completes commands and options in a shell; docs/files.md says where to put it."""

    # The shell: bash or zsh.
    shell: Annotated[completion.Shell, tyro.conf.Positional]


@dataclasses.dataclass(frozen=True)
class Command:
    """A subcommand: its options, and the function that runs it and returns the exit code."""

    options: type
    run: Callable[[Any], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code: 0, 1 if some pictures failed, 2 for a user's mistake."""
    arguments = sys.argv[1:] if arguments is None else arguments
    return command_line.run(lambda: _run(list(arguments)), "drujax")


def _run(arguments: list[str]) -> int:
    if "--version" in arguments or arguments[:1] == ["-V"]:
        output.show(f"drujax {__version__}")
        return 0
    match arguments:
        case [] | ["-h" | "--help" | "help"]:
            output.show(_help())
        case ["-h" | "--help" | "help", name, *_]:
            return _command(name, ["--help"])
        case [name, *rest]:
            return _command(name, rest)
    return 0


def _command(name: str, arguments: list[str]) -> int:
    if name not in COMMANDS:
        if os.path.exists(name):
            raise UsageError(f"command: missing before {name}. Try: drujax enhance {name}")
        raise unknown("command", name, COMMANDS)
    command = COMMANDS[name]
    arguments = positionals_together(arguments, command.options)
    options = command_line.parse(command.options, arguments, program=f"drujax {name}")
    with command_line.flags_in_errors(command.options):
        return command.run(options)


def _help() -> str:
    width = max(map(len, COMMANDS))
    return "\n".join(
        [
            f"drujax {__version__}: brightens under-lit anime scenery.",
            "",
            "  drujax enhance frame.png                  # writes frame_enhanced.png",
            "  drujax enhance frames/ -o brighter/",
            "",
            "Commands (drujax COMMAND --help lists their options):",
            *(f"  {name:<{width}}  {_first_line(command.options)}" for name, command in COMMANDS.items()),
            "",
            "Training: python -m experiments.prepare --help, python -m experiments.train --help",
        ]
    )


def _first_line(options: type) -> str:
    return (options.__doc__ or "").partition("\n")[0]


def _sort(options: Sort) -> int:
    from drujax.data.sort_files import sort_pictures

    limit_pixels(options.max_pixels)
    reports = Reports(quiet=options.quiet)
    paths = [path for path, _ in located_pictures(options.inputs, reports, recursive=options.recursive)]
    rows = []
    with reports.progress("sorting", len(paths)) as progress:
        sorted_ = sort_pictures(paths, options.low, options.high, on_error=reports.fail, processes=options.processes)
        for row in sorted_:
            rows.append(row)
            progress.to(len(rows))
    output.show(tables.render(rows, options.format))
    return reports.close()


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
    reports, rows = Reports(), []
    for outcome in check(options.pictures, options.weights, reports.fail):
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
    return 1 if reports.close() or any(row["agrees"] == "NO" for row in rows) else 0


def _completion(options: Completion) -> int:
    output.show(
        completion.script(options.shell, "drujax", {name: command.options for name, command in COMMANDS.items()})
    )
    return 0


COMMANDS = {
    "enhance": Command(enhance.Enhance, enhance.run),
    "score": Command(score.Score, score.run),
    "sort": Command(Sort, _sort),
    "convert": Command(Convert, _convert),
    "export": Command(export.Export, export.run),
    "models": Command(Models, _models),
    "selfcheck": Command(Selfcheck, _selfcheck),
    "serve": Command(serve.Serve, serve.run),
    "completion": Command(Completion, _completion),
}

if __name__ == "__main__":
    sys.exit(main())
