"""Arguments of `experiments.prepare` as what they stand for: sources, tables, a runner of Apache Beam."""

from collections.abc import Sequence
from pathlib import Path

from drujax.data.execution import BeamRunner
from drujax.data.sources import Scenes
from drujax.errors import UsageError


def sources(given: Sequence[str], made: Sequence[Path], *, count: int, size: str, seed: int) -> list[Path] | Scenes:
    """Returns the sources of --source: folders, with those that were made, or synthetic scenes.

    Args:
        given: folders, or the word "scenes" alone.
        made: folders of pictures that were made of films and photographs.
        count, size, seed: of synthetic scenes; the size is HEIGHTxWIDTH.
    """
    if "scenes" not in given:
        return [*map(Path, given), *made]
    if len(given) > 1 or made:
        raise UsageError(
            '--source: "scenes" (synthetic) cannot be combined with folders; a folder of that name is ./scenes'
        )
    try:
        height, width = (int(side) for side in size.split("x"))
    except ValueError:
        raise UsageError(f"--size: {size!r} is not HEIGHTxWIDTH, like 360x640.") from None
    return Scenes(count, (height, width), seed)


def existing(argument: str, file: Path) -> Path:
    """Returns the file. Raises UsageError, which names the argument, if there is none."""
    if not file.is_file():
        raise UsageError(f"{argument}: file not found: {file}")
    return file


def beam_runner(name: str | None, options: tuple[str, ...]) -> BeamRunner | None:
    """Returns the runner of --beam-runner with its options, if one is given."""
    if name is not None:
        return BeamRunner(name, options)
    if options:
        raise UsageError("--beam-options: needs --beam-runner")
    return None
