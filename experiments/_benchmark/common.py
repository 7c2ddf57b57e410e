"""Options common to all benchmarks, and loading of the peers that drujax is compared with."""

import dataclasses
import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any, Literal

Contenders = tuple[list[Any], float | None]  # contenders, and the useful FLOPs of one unit of work


@dataclasses.dataclass(frozen=True)
class Common:
    """Options of all benchmarks."""

    # Timed units of work per contender, after one warm-up.
    rounds: int = 5
    # Output format.
    format: Literal["table", "json"] = "table"
    # JSON file to write.
    out: Path | None = None


def load_peer(name: Literal["torch", "pyiqa"] | None) -> Any:
    """Imports the module of a peer; prints one line and returns None if its package is not installed."""
    if name is None:
        return None
    if importlib.util.find_spec(name) is None:
        title = {"torch": "PyTorch", "pyiqa": "IQA-PyTorch"}[name]
        print(f"--peer={name}: {title} is not installed; measuring drujax only (pip install {name})", file=sys.stderr)
        return None
    return importlib.import_module(peer_module(name))


def peer_module(name: str) -> str:
    """Returns the module of the peer `name`."""
    return f"{__package__}.{name}_peer"
