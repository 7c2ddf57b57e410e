"""Progress of long work: a bar with rate and remaining time on a terminal, plain lines otherwise."""

import collections
import os
import sys
import time

from drujax.console.output import complain, printable

_LINE_EVERY = 15.0  # seconds between plain lines without other output
_WINDOW = 60.0  # seconds over which the rate is measured


class Progress:
    """Progress of `total` units of work, reported on stderr; a context manager.

    Args:
        label: what is being done ("training").
        total: number of units.
        done: units done earlier (by a resumed run); not counted in the rate.
        unit: name of one unit ("step", "picture"); an s is added.
        quiet: reports nothing.
    """

    def __init__(self, label: str, *, total: int, done: int = 0, unit: str = "step", quiet: bool = False):
        self._label, self._total, self._unit, self._quiet = label, total, unit, quiet
        self._done = done
        self._rate = _Rate(done)
        self._reported = time.monotonic()
        self._bar = None
        if not quiet and _can_draw():
            self._bar, self._task = _bar(label, total, done)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_exception) -> None:
        self.close()

    def to(self, done: int) -> None:
        """Updates the number of units done."""
        self._done = done
        self._rate.add(done)
        if self._bar is not None:
            self._bar.update(self._task, completed=done, pace=", ".join(self._pace()))
        elif time.monotonic() - self._reported > _LINE_EVERY:
            self._line(self._state())

    def advance(self) -> None:
        """Counts one more unit as done."""
        self.to(self._done + 1)

    def say(self, text: str) -> None:
        """Prints a line about a single unit, such as an error."""
        if self._quiet:
            return
        if self._bar is not None:
            self._bar.console.print(printable(text), markup=False, highlight=False, soft_wrap=True)
        else:
            self._line(text)

    def log(self, text: str) -> None:
        """Prints measurements of the work so far, after its progress."""
        if self._bar is not None:
            self.say(f"{self._done}/{self._total} {text}")
        else:
            self.say(f"{self._state()}: {text}")

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()

    def _line(self, text: str) -> None:
        if self._quiet:
            return
        self._reported = time.monotonic()
        complain(text)

    def _state(self) -> str:
        return ", ".join([f"{self._label} {self._done}/{self._total} {self._unit}s", *self._pace()])

    def _pace(self) -> list[str]:
        """Formats rate and remaining time; empty until they are known."""
        rate = self._rate.per_second()
        if not rate:
            return []
        speed = f"{rate:.2f} {self._unit}s/s" if rate >= 0.1 else f"{1 / rate:.1f} s/{self._unit}"
        return [speed, f"{_clock((self._total - self._done) / rate)} left"]


class _Rate:
    """Units per second over the last `_WINDOW` seconds, or over the last unit if it took longer.

    Excludes the first unit, whose time includes compilation and opening files.
    """

    def __init__(self, done: int):
        self._before = done
        self._samples: collections.deque[tuple[float, int]] = collections.deque()

    def add(self, done: int) -> None:
        if done <= self._before:
            return
        self._before = done
        now = time.monotonic()
        if len(self._samples) > 1 and now - self._samples[-2][0] < _WINDOW / 100:
            self._samples.pop()  # bounds the number of samples
        self._samples.append((now, done))
        while len(self._samples) > 2 and now - self._samples[1][0] > _WINDOW:
            self._samples.popleft()

    def per_second(self) -> float | None:
        """Returns None until two units are done."""
        if len(self._samples) < 2:
            return None
        (start, first), (end, last) = self._samples[0], self._samples[-1]
        return (last - first) / max(end - start, 1e-9)


def _can_draw() -> bool:
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")


def _bar(label: str, total: int, done: int):
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[pace]}"))
    # If stdout is a file or pipe, rich must not redirect it to stderr.
    bar = Bar(*columns, console=Console(stderr=True), redirect_stdout=sys.stdout is not None and sys.stdout.isatty())
    task = bar.add_task(label, total=total, completed=done, pace="")
    bar.start()
    return bar, task


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
