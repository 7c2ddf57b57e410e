"""What a user reads where memory runs out: how much is needed, and what to try."""

import contextlib
from collections.abc import Iterator

from drujax.enhance.engine import Engine, TooLittleMemory
from drujax.errors import UsageError
from drujax.runtime.memory import is_out_of_memory


@contextlib.contextmanager
def memory_errors(engine: Engine, height: int, width: int, *, at_once: bool = False) -> Iterator[None]:
    """Raises UsageError if memory runs out.

    Args:
        engine: what computes.
        height, width: of the picture.
        at_once: whether the network computes the whole picture at once.
    """
    try:
        yield
    except TooLittleMemory as error:
        wide = f" with a margin of {engine.margin}" if engine.margin > max(width, height) else ""
        raise UsageError(
            f"enhancing {width}x{height} pixels{wide} needs {error.needed / 1e9:.1f} GB of memory and "
            f"{error.free / 1e9:.1f} GB are free; {_advice(engine, at_once=at_once)}"
        ) from error
    except Exception as error:  # each runtime has its own
        if not is_out_of_memory(error):
            raise
        advice = _advice(engine, at_once=at_once)
        raise UsageError(f"out of memory while enhancing {width}x{height} pixels; {advice}") from error


def _advice(engine: Engine, *, at_once: bool) -> str:
    whole = f"{engine.metadata['network']} computes the whole picture at once; " if at_once else ""
    elsewhere = "" if engine.on_cpu else ", or the CPU (--device=cpu)"
    return f"{whole}try a smaller picture, a smaller model (--model=sci-medium){elsewhere}"
