"""Prints to stdout and stderr, and copes with other encodings, closed pipes and full disks.

File names may contain line breaks, terminal control codes, and bytes that are not UTF-8. They are escaped, so that a
name stays on one line and cannot control the terminal.
"""

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from io import TextIOBase, TextIOWrapper
from typing import TextIO

STDOUT = "standard output"  # its name in errors

# Control characters, line and paragraph separators, switches of the writing direction, lone surrogates.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""Escapes line breaks, control characters, and what cannot be encoded: \n, \x1b, \u202e.

    Bytes that are not UTF-8, which Python stores in file names as surrogates, become \xe9 and the like.
    """
    return _UNSAFE.sub(_escaped, text)


def say(line: str) -> None:
    """Prints a line on stdout, escaped. Raises OSError if that fails (closed pipe, full disk)."""
    show(printable(line))


def show(text: str) -> None:
    """Prints text on stdout without escaping it. Raises as `say` does."""
    with _named_stdout():
        print(text)


def flush() -> None:
    """Flushes stdout. Raises as `say` does."""
    with _named_stdout():
        sys.stdout.flush()


def complain(line: str) -> None:
    """Prints a line on stderr, escaped; does nothing if stderr cannot be written to."""
    if sys.stderr is None:
        return
    try:
        print(printable(line), file=sys.stderr, flush=True)
    except OSError:
        discard(sys.stderr)


def prepare() -> None:
    """Makes stdout and stderr safe to print to; for entry points.

    Closed streams are redirected to the null device. Otherwise print() to a closed stderr would go to stdout, among the
    JSON, and the next file to be opened would get descriptor 2 and receive what libraries print there. Characters that
    the encoding lacks are escaped.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free descriptor: this one
    sys.stdout = sys.stdout or _null_device()
    sys.stderr = sys.stderr or _null_device()
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)  # a notebook's streams lack it and accept all characters
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def discard(stream: TextIOBase | TextIO) -> None:
    """Redirects `stream` and its buffered text, which Python would fail to flush at exit, to the null device."""
    with (
        contextlib.suppress(OSError, ValueError),
        _null_device() as nowhere,
    ):  # streams without a file, or closed
        os.dup2(nowhere.fileno(), stream.fileno())


@contextlib.contextmanager
def _named_stdout() -> Iterator[None]:
    """Adds a file name to errors of writing to stdout, which have none."""
    try:
        yield
    except OSError as error:
        raise type(error)(error.errno, error.strerror, STDOUT) from error


def _null_device() -> TextIOWrapper:
    return open(os.devnull, "w", encoding="utf-8")


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else repr(match[0])[1:-1]
