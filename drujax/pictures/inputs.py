"""What all commands that take pictures share: INPUT, the options about it, and what is said about files passed by."""

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import tyro

from drujax.console.option_types import Flag
from drujax.console.output import complain
from drujax.console.progress import Progress
from drujax.errors import UsageError, describe
from drujax.pictures.discovery import Skipped, expand, pictures_of

# Pillow's own limit, from which on a small file that claims a huge picture is taken for an attack.
MAX_PIXELS = 89_478_485

Inputs = Annotated[
    tuple[Path, ...],
    tyro.conf.Positional,
    tyro.conf.arg(
        metavar="INPUT...",
        help="Pictures, folders of pictures, patterns such as '*.png'. Links are followed, hidden files are skipped.",
        help_behavior_hint="",
    ),
]
Recursive = Annotated[
    bool,
    tyro.conf.arg(
        aliases=["-r"],
        help="Take the pictures in subfolders, too. This is the default; --no-recursive leaves them out.",
        help_behavior_hint="",
    ),
]
MaxPixels = Annotated[
    int,
    tyro.conf.arg(
        metavar="N",
        help="Refuse pictures of more than N pixels, width times height: a small file can claim to be a huge picture.",
    ),
]
Quiet = Annotated[
    Flag,
    tyro.conf.arg(aliases=["-q"], help="Print no progress and no summaries, only errors.", help_behavior_hint=""),
]


def limit_pixels(max_pixels: int) -> None:
    """Sets Pillow's limit, which is drujax's, and keeps its warnings about odd files off the terminal.

    Raises:
        UsageError: a limit below 1.
    """
    from PIL import Image

    if max_pixels < 1:
        raise UsageError(f"--max-pixels: must be >= 1, got {max_pixels}")
    Image.MAX_IMAGE_PIXELS = max_pixels
    warnings.filterwarnings("ignore", module="PIL")


class Reports:
    """What a command says on stderr: progress, what failed, and at the end what was passed by.

    Attributes:
        failures: how many things that were asked for could not be done.
        skipped: what was passed by.
        say: prints a line; while progress is shown, above it.
    """

    def __init__(self, *, quiet: bool = False):
        self.quiet = quiet
        self.failures = 0
        self.skipped = Skipped()
        self.say: Callable[[str], None] = complain

    def fail(self, _what: object, error: Exception | str) -> None:
        """Counts and reports a failure."""
        self.failures += 1
        self.say(f"failed: {describe(error) if isinstance(error, Exception) else error}")

    def fail_folders(self) -> None:
        """Counts and reports the folders that gave no pictures."""
        for folder, error in self.skipped.failures.items():
            self.fail(folder, error)

    @contextlib.contextmanager
    def progress(self, label: str, total: int) -> Iterator[Progress]:
        """Shows the progress of work on `total` pictures."""
        with Progress(label, total=total, unit="picture", quiet=self.quiet) as progress:
            if not self.quiet:
                self.say = progress.say
            try:
                yield progress
                progress.to(total)  # the failures, too
            finally:
                self.say = complain

    def close(self) -> int:
        """Says what was passed by; returns the exit code: 1 where anything failed."""
        if len(self.skipped) and not self.quiet:
            self.say(str(self.skipped))
        return 1 if self.failures else 0


def located_pictures(
    inputs: Sequence[Path], reports: Reports, *, recursive: bool = True
) -> Iterator[tuple[Path, Path]]:
    """Finds the pictures of `inputs`, each once, with the input that each was found in.

    Among several inputs, one without pictures is a failure in `reports`.

    Raises:
        UsageError: an input that does not exist, or no picture in the only one.
    """
    if not inputs:
        raise UsageError("INPUT: give at least one picture or folder")
    paths, seen = expand(inputs), set()
    for given in paths:
        try:
            found = pictures_of(given, recursive=recursive, skipped=reports.skipped)
        except (UsageError, OSError) as error:
            if len(paths) == 1:
                raise
            reports.fail(given, error)
            continue
        for path in found:
            key = os.path.normcase(os.path.abspath(path))
            if key in seen:
                reports.skipped.add(path, "given twice")
            else:
                seen.add(key)
                yield path, given
    reports.fail_folders()
