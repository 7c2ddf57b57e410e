"""Shared by all commands that take pictures: INPUT and its options, and reports of failed and skipped files."""

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import tyro

from drujax.console.option_types import Flag
from drujax.console.output import complain
from drujax.console.output import say as say_on_stdout
from drujax.console.progress import Progress
from drujax.errors import UsageError, describe
from drujax.pictures.discovery import Skipped, expand, pictures_of

# Pillow's limit, above which a picture is considered a decompression bomb.
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
        help="Include pictures in subfolders. This is the default; --no-recursive excludes them.",
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
    """Sets the limit on pixels, which is Pillow's, and silences Pillow's warnings about odd files.

    Raises:
        UsageError: a limit below 1.
    """
    from PIL import Image

    if max_pixels < 1:
        raise UsageError(f"max_pixels: must be >= 1, got {max_pixels}")
    Image.MAX_IMAGE_PIXELS = max_pixels
    warnings.filterwarnings("ignore", module="PIL")


class Reports:
    """The reports of a command: progress, failures, and finally what was skipped on stderr, results on stdout.

    Attributes:
        failures: number of failures.
        skipped: skipped files and folders.
    """

    def __init__(self, *, quiet: bool = False, stdout: bool = True, named: Callable[[str], str] = lambda line: line):
        """`quiet`: no progress and no skipped files; `stdout`: whether it is free for lines; `named`: edits lines."""
        self.quiet = quiet
        self.failures = 0
        self.skipped = Skipped()
        self._named = named
        self._print: Callable[[str], None] = complain
        self._stdout = stdout

    def say(self, line: str) -> None:
        """Prints a line on stderr, above the progress if it is shown."""
        self._print(self._named(line))

    def result(self, line: str) -> None:
        """Prints a line on stdout; on stderr if stdout is not free. Raises OSError as `output.say`."""
        if self._stdout:
            say_on_stdout(self._named(line))
        else:
            self.say(line)

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
                self._print = progress.say
            try:
                yield progress
                progress.to(total)  # including failures
            finally:
                self._print = complain

    def close(self) -> int:
        """Reports what was skipped; returns the exit code, 1 if anything failed."""
        if len(self.skipped) and not self.quiet:
            self.say(str(self.skipped))
        return 1 if self.failures else 0


def located_pictures(
    inputs: Sequence[Path], reports: Reports, *, recursive: bool = True
) -> Iterator[tuple[Path, Path]]:
    """Finds the pictures of `inputs`, without duplicates; yields each with the input it was found in.

    If there are several inputs, one without pictures is reported as a failure.

    Raises:
        UsageError: an input does not exist, or the only one has no pictures.
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
