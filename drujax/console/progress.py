"""How far long work has come: a bar with rate and remaining time on a terminal, plain lines otherwise."""

import sys
import time

_LINE_EVERY = 15.0  # seconds between plain lines where nothing else is said


class Progress:
    """Progress of `total` units of work, told on stderr; a context manager.

    Args:
        label: what is being done ("training").
        total: units of work in all.
        done: units done before (a resumed run); they do not count for the rate.
        unit: name of one unit ("step", "picture"); an s is added.
        quiet: tells nothing.
    """

    def __init__(self, label: str, *, total: int, done: int = 0, unit: str = "step", quiet: bool = False):
        self._label, self._total, self._unit, self._quiet = label, total, unit, quiet
        self._first = self._done = done
        self._start = self._told = time.monotonic()
        self._bar = None
        if not quiet and sys.stderr.isatty():
            self._bar, self._task = _bar(label, total, done, unit)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_exception) -> None:
        self.close()

    def to(self, done: int) -> None:
        """`done` units are done."""
        self._done = done
        if self._bar is not None:
            self._bar.update(self._task, completed=done)
        elif time.monotonic() - self._told > _LINE_EVERY:
            self.say("")

    def say(self, text: str) -> None:
        """A line of its own, with the state of the work before it."""
        if self._quiet:
            return
        self._told = time.monotonic()
        if self._bar is not None:
            if text:
                self._bar.console.print(f"{self._done}/{self._total} {text}", markup=False, highlight=False)
            return
        rate = (self._done - self._first) / max(time.monotonic() - self._start, 1e-9)
        left = _clock((self._total - self._done) / rate) if rate > 0 else "?"
        line = f"{self._label} {self._done}/{self._total} {self._unit}s, {rate:.2f} {self._unit}s/s, {left} left"
        print(f"{line}: {text}" if text else line, file=sys.stderr, flush=True)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()


def _bar(label: str, total: int, done: int, unit: str):
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task) -> Text:
            return Text(f"{task.speed:.2f} {unit}s/s" if task.speed else "")

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn())
    bar = Bar(*columns, console=Console(stderr=True))
    task = bar.add_task(label, total=total, completed=done)
    bar.start()
    return bar, task


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
