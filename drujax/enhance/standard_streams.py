"""`-`: a picture from standard input, or to standard output, through files in a temporary folder."""

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from drujax.console import output
from drujax.errors import UsageError
from drujax.pictures import codec
from drujax.pictures.formats import FORMATS

STANDARD = "-"
NAMES = {"input": "standard input", "output": output.STDOUT}  # of the temporary files, in messages


@contextlib.contextmanager
def through_files(inputs: Sequence[Path], target: str | None) -> Iterator[tuple[Sequence[Path], str | None]]:
    """Yields the inputs and the output with files in place of `-`; then copies the result to standard output.

    The only input `-` without an output is written to standard output, too.

    Raises:
        UsageError: `-` is one of several inputs, standard input holds no picture, standard output is a terminal; or as
            the block raises it, with the temporary files by their names.
        OSError: standard output cannot be written to.
    """
    reads = STANDARD in map(str, inputs)
    writes = target == STANDARD or (reads and target is None)
    if not (reads or writes):
        yield inputs, target
        return
    if len(inputs) != 1 or (writes and inputs[0].is_dir()):
        raise UsageError("-: standard input and output take one picture")
    if writes and sys.stdout.isatty():
        raise UsageError("-o -: standard output is a terminal; redirect it, or give -o FILE")
    with tempfile.TemporaryDirectory(prefix="drujax-") as folder:
        source = _stored(Path(folder)) if reads else inputs[0]
        results = Path(folder) / "output"
        results.mkdir()
        try:
            yield [source], f"{results}/" if writes else target
        except UsageError as error:
            raise UsageError(_named(str(error), source if reads else None, results)) from error
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


def _named(message: str, source: Path | None, results: Path) -> str:
    if source is not None:
        message = message.replace(str(source), NAMES["input"])
    return message.replace(f"{results}/{source.name if source else ''}", NAMES["output"])
