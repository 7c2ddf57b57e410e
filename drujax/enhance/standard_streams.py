"""`-`: a picture from standard input, or to standard output, through files in a temporary folder."""

import contextlib
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from drujax.console import output
from drujax.errors import UsageError
from drujax.pictures import codec
from drujax.pictures.formats import FORMATS

STANDARD = "-"
NAMES = {"input": "standard input", "output": output.STDOUT}  # of the temporary files, in messages


class Files(NamedTuple):
    """Inputs and output of a command, with files in place of `-`.

    Attributes:
        inputs: the pictures.
        target: as `-o` gives it.
        stdout_is_free: whether lines may be printed there, because the result does not go there.
        named: replaces the temporary files in a message by what they stand for.
    """

    inputs: Sequence[Path]
    target: str | None
    stdout_is_free: bool = True
    named: Callable[[str], str] = lambda message: message


@contextlib.contextmanager
def through_files(inputs: Sequence[Path], target: str | None) -> Iterator[Files]:
    """Yields the inputs and the output with files in place of `-`; then copies the result, if any, to standard output.

    The only input `-` without an output is written to standard output, too.

    Raises:
        UsageError: `-` is one of several inputs, standard input holds no picture, standard output is a terminal; or as
            the block raises it, with the temporary files by their names.
        OSError: standard output cannot be written to.
    """
    reads = STANDARD in map(str, inputs)
    writes = target == STANDARD or (reads and target is None)
    if not (reads or writes):
        yield Files(inputs, target)
        return
    if len(inputs) != 1 or (writes and inputs[0].is_dir()):
        raise UsageError("-: standard input and output take one picture")
    if writes and sys.stdout.isatty():
        raise UsageError("-o -: standard output is a terminal; redirect it, or give -o FILE")
    with tempfile.TemporaryDirectory(prefix="drujax-") as folder:
        source = _stored(Path(folder)) if reads else inputs[0]
        results = Path(folder) / "output"
        results.mkdir()

        def named(message: str) -> str:
            if reads:
                message = message.replace(str(source), NAMES["input"])
            of_result = re.escape(f"{results}/{source.stem}") + r"[^\s:,]*"  # with any suffix
            return re.sub(of_result, NAMES["output"], message)

        try:
            yield Files([source], f"{results}/" if writes else target, stdout_is_free=not writes, named=named)
        except UsageError as error:
            raise UsageError(named(str(error))) from error
        for result in results.iterdir():
            _to_stdout(result)


def _stored(folder: Path) -> Path:
    """Stores standard input in a file with the suffix of its format."""
    content = sys.stdin.buffer.read()
    if not content:
        raise UsageError(f"{NAMES['input']}: empty; give a picture: drujax enhance - < dark.png > bright.png")
    try:
        format = codec.kind_of(content)
    except UsageError as error:
        raise UsageError(f"{NAMES['input']}: {error}") from error
    suffix = next(suffix for suffix, name in FORMATS.items() if name == format)
    path = folder / f"input{suffix}"
    path.write_bytes(content)
    return path


def _to_stdout(path: Path) -> None:
    try:
        with path.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    except OSError as error:
        raise type(error)(error.errno, error.strerror, output.STDOUT) from error
