"""Kills programs (SIGKILL) at a chosen point, for tests of what they leave behind."""

import dataclasses
import functools
import importlib
import os
import runpy
import signal
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclasses.dataclass(frozen=True)
class Point:
    """The moment before the n-th call of `function` with arguments that contain a text. `Point("os:replace",
    "weights.safetensors")` is the moment before a file of this name appears.
    """

    function: str  # module:name, module:Class.name
    containing: str = ""
    call: int = 1

    def __str__(self) -> str:
        return " ".join([self.function, self.containing, str(self.call)])


def run_until(point: Point, module: str, *arguments: object, **environment: str) -> None:
    """`python -m module arguments` in a separate process, which must reach the point and is killed there."""
    words = [point.function, point.containing, point.call, module, *arguments]
    killed = subprocess.run(
        [sys.executable, __file__, *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert killed.returncode == -signal.SIGKILL, f"it never came to {point}: {killed.stdout}{killed.stderr}"


def _lay(point: Point) -> None:
    module, _, name = point.function.partition(":")
    *parents, last = name.split(".")
    holder = functools.reduce(getattr, parents, importlib.import_module(module))
    genuine = getattr(holder, last)
    left = point.call

    def die_or_call(*arguments, **options):
        nonlocal left
        left -= any(point.containing in str(argument) for argument in (*arguments, *options.values()))
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return genuine(*arguments, **options)

    setattr(holder, last, die_or_call)


if __name__ == "__main__":
    function, containing, call, module, *arguments = sys.argv[1:]
    _lay(Point(function, containing, int(call)))
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
