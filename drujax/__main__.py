"""The command `drujax`, also as `python -m drujax`."""

import contextlib
import signal
import sys
from collections.abc import Iterator


def main() -> int:
    """Runs the command; see `drujax.cli.main`."""
    with _interrupted_silently():
        from drujax import cli
    return cli.main()


@contextlib.contextmanager
def _interrupted_silently() -> Iterator[None]:
    """Lets Ctrl-C end the process as the system does: while modules are imported, Python would print a traceback."""
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:  # ignored by a background job
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


if __name__ == "__main__":
    sys.exit(main())
