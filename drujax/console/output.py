"""Lines on stdout and stderr, whatever these are: a terminal of another encoding, a closed pipe, a full disk.

Names of files may hold anything but a slash and a zero byte: line breaks, codes that a terminal obeys, bytes that are
not UTF-8. They are printed escaped, so that a name stays on its line and does nothing.
"""

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from io import TextIOBase, TextIOWrapper
from typing import TextIO

STDOUT = "standard output"  # as errors name it

# Control characters, line and paragraph separators, switches of the writing direction, lone surrogates.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""Returns `text` on one line, with what a terminal would obey or refuse escaped: \n, \x1b, \u202e.

    Bytes of a file name that are not UTF-8, which Python holds as surrogates, become \xe9 and the like.
    """
    return _UNSAFE.sub(_escaped, text)


def say(line: str) -> None:
    """Prints a line on stdout, escaped. Raises OSError where that fails (a closed pipe, a full disk)."""
    show(printable(line))


def show(text: str) -> None:
    """Prints text of many lines on stdout, as it is. Raises as `say` does."""
    with _named_stdout():
        print(text)


def flush() -> None:
    """Hands what was printed on stdout over to whoever reads it. Raises as `say` does."""
    with _named_stdout():
        sys.stdout.flush()


def complain(line: str) -> None:
    """Prints a line on stderr. Where nobody can read it the work continues without it: its results matter more."""
    if sys.stderr is None:
        return
    try:
        print(printable(line), file=sys.stderr, flush=True)
    except OSError:
        discard(sys.stderr)


def prepare() -> None:
    """Makes stdout and stderr safe to print to; for entry points.

    Streams that the caller has closed lead nowhere. Without that, print() to a closed stderr goes to stdout, among the
    JSON, and the next file that is opened gets the number 2 and with it what libraries print there. Characters that an
    encoding does not have are escaped.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)  # a notebook's streams have none, and take everything
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def discard(stream: TextIOBase | TextIO) -> None:
    """From now on `stream` leads nowhere, with what it still holds: Python would complain about that when it exits."""
    with contextlib.suppress(OSError, ValueError), _nowhere() as nowhere:  # some streams have no file, or are closed
        os.dup2(nowhere.fileno(), stream.fileno())


@contextlib.contextmanager
def _named_stdout() -> Iterator[None]:
    """Its errors name no file."""
    try:
        yield
    except OSError as error:
        raise type(error)(error.errno, error.strerror, STDOUT) from error


def _nowhere() -> TextIOWrapper:
    return open(os.devnull, "w", encoding="utf-8")


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else repr(match[0])[1:-1]
