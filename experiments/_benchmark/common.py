"""What the benchmarks share: their common options, and the peers that run beside drujax."""

import dataclasses
import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any, Literal

Contenders = tuple[list[Any], float | None]  # and the useful FLOPs of one unit of work


@dataclasses.dataclass(frozen=True)
class Common:
    """What all benchmarks share."""

    # Timed units of work for each contender, after one to warm up.
    rounds: int = 5
    # What is printed.
    format: Literal["table", "json"] = "table"
    # File that gets the JSON.
    out: Path | None = None


def load_peer(name: Literal["torch", "pyiqa"] | None) -> Any:
    """The module of a peer; None, after one line that says so, where its package is not installed."""
    if name is None:
        return None
    if importlib.util.find_spec(name) is None:
        title = {"torch": "PyTorch", "pyiqa": "IQA-PyTorch"}[name]
        print(
            f"--peer={name}: {title} is not installed here, so drujax runs alone (pip install {name})", file=sys.stderr
        )
        return None
    return importlib.import_module(f"experiments._benchmark.{name}_peer")
