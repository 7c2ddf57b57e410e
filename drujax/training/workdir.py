"""The folder of a run: its configuration and environment, and a check that two runs are not mixed."""

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
from drujax.runtime.atomic_write import remove_leftovers, write_atomically
from drujax.runtime.fingerprint import fingerprint
from drujax.runtime.version import __version__

CONFIG, ENVIRONMENT = "config.json", "environment.json"
SAMPLES = "samples"  # folder of the grids that show the progress


def claim_workdir(
    workdir: Path, config: Any, *, default: Any = None, free: Collection[str] = (), ignored: Collection[str] = ()
) -> None:
    """Make `workdir` the folder of the run that the dataclass `config` describes, or check that it is.

    The first call writes `config.json` (the configuration, and under "contents" digests of the files and folders in it)
    and `environment.json` (command, versions, commit). Later calls compare with it: options newer than the run take
    their defaults, and options of other methods in an older file are ignored. They also remove the temporary files of
    killed processes.

    Args:
        workdir: created if missing.
        config: a dataclass of JSON values, paths and nested dataclasses.
        default: a configuration with the defaults; by default those of the class.
        free: top-level fields that may change when a run is resumed.
        ignored: names of files in folders of the configuration whose content may change.

    Raises:
        UsageError: the folder holds a run with another configuration, or a file that the configuration names has
            changed since; the message lists the differences.
    """
    asked = _plain(config)
    contents = {
        name: fingerprint(Path(value), ignored)
        for name, value in _flat(asked).items()
        if _root(name) not in free and isinstance(value, str) and Path(value).exists()
    }
    path = workdir / CONFIG
    begun = path.exists() and any(entry.name not in (CONFIG, ENVIRONMENT) for entry in workdir.iterdir())
    if not begun:  # or stopped before it wrote results
        workdir.mkdir(parents=True, exist_ok=True)
        write_json(workdir / ENVIRONMENT, _environment())
        write_json(path, {**asked, "contents": contents})
        return
    for folder in (workdir, workdir / SAMPLES):
        remove_leftovers(folder)
    stored = json.loads(path.read_text(encoding="utf-8"))
    changes = [
        *_changed_options(stored, asked, _plain(default or type(config)()), free),
        *_changed_contents(stored, contents),
    ]
    if changes:
        raise UsageError(
            f"workdir: {workdir} holds a run with another configuration ({'; '.join(changes)}). "
            "Give the same configuration to resume it, or another folder"
        )


def _changed_options(
    stored: dict[str, Any], asked: dict[str, Any], default: dict[str, Any], free: Collection[str]
) -> list[str]:
    before, now, default = _flat(stored), _flat(asked), _flat(default)
    before = {name: value for name, value in before.items() if _root(name) in asked}
    return [
        f"{name}: {before.get(name, default.get(name))!r} -> {now.get(name)!r}"
        for name in sorted({*before, *now})
        if _root(name) not in free and before.get(name, default.get(name)) != now.get(name)
    ]


def _changed_contents(stored: dict[str, Any], contents: dict[str, str]) -> list[str]:
    before = stored.get("contents", {})  # an older run has none
    return [
        f"the content of {name} has changed"
        for name in sorted(contents)
        if before.get(name, contents[name]) != contents[name]
    ]


def write_json(path: Path, value: Any) -> None:
    """Writes `value` whole or not at all."""
    write_atomically(path, (json.dumps(value, indent=1) + "\n").encode())


def git_commit() -> str | None:
    """The commit of the checkout that this code runs from, with `+` if it has changes; None outside of one."""
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


def _root(name: str) -> str:
    return name.partition(".")[0]


def _flat(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat = {}
    for name, value in config.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat
