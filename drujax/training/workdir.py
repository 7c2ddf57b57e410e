"""The folder of a run: what was asked, with which versions, and the refusal to mix two runs."""

import dataclasses
import importlib.metadata
import json
import platform
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

from drujax.errors import UsageError
from drujax.runtime.atomic_write import write_atomically
from drujax.runtime.version import __version__


def claim_workdir(workdir: Path, config: Any, *, free: Collection[str] = ()) -> None:
    """Makes `workdir` the folder of the run that the dataclass `config` describes, or checks that it is.

    Writes `config.json` (what was asked) and `environment.json` (command, versions, commit) on the first call.

    Args:
        workdir: created where it is missing.
        config: a dataclass of what JSON can hold, paths and nested dataclasses.
        free: top-level fields that may change between the starts of one run.

    Raises:
        UsageError: the folder holds a run with another configuration; the message is the difference.
    """
    asked = _plain(config)
    path = workdir / "config.json"
    begun = path.exists() and any(entry.name not in (path.name, "environment.json") for entry in workdir.iterdir())
    if not begun:  # or refused before it had anything to lose
        workdir.mkdir(parents=True, exist_ok=True)
        write_json(workdir / "environment.json", _environment())
        write_json(path, asked)
        return
    stored = json.loads(path.read_text(encoding="utf-8"))
    before, now = ({k: v for k, v in _flat(c).items() if k.split(".")[0] not in free} for c in (stored, asked))
    changes = [
        f"{k}: {before.get(k)!r} -> {now.get(k)!r}" for k in sorted({*before, *now}) if before.get(k) != now.get(k)
    ]
    if changes:
        raise UsageError(
            f"--workdir: {workdir} holds a run with another configuration ({'; '.join(changes)}). "
            "Give the same configuration to go on with it, or another folder."
        )


def write_json(path: Path, value: Any) -> None:
    """Writes `value` whole or not at all."""
    write_atomically(path, (json.dumps(value, indent=1) + "\n").encode())


def git_commit() -> str | None:
    """The commit of the checkout this code runs from, with `+` where it was changed since; None outside of one."""
    here = Path(__file__).parent
    try:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True)
        changed = subprocess.run(["git", "status", "--porcelain", "-uno"], cwd=here, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit.stdout.strip() + ("+" if changed.stdout.strip() else "")


def _environment() -> dict[str, Any]:
    versions = {}
    for name in ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "tensorflow-datasets", "numpy"):
        versions[name] = importlib.metadata.version(name)
    return {
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "drujax": __version__,
        "commit": git_commit(),
        "python": platform.python_version(),
        "versions": versions,
    }


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _flat(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat = {}
    for name, value in config.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat
