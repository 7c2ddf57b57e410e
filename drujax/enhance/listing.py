"""Lists the known weights, and which of them are on this machine (`drujax models`)."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from drujax.enhance.zoo import models
from drujax.methods import registry
from drujax.metrics.registry import METRICS
from drujax.metrics.registry import find as find_metric
from drujax.models.backbones import BACKBONES
from drujax.runtime.cache import cached
from drujax.runtime.remote_file import File
from drujax.translators import registry as translators
from drujax.weights.download import megabytes
from drujax.weights.shipped import RELEASED, find

CODE = Path(registry.__file__).parent  # where a model without weights is


@dataclass(frozen=True)
class Row:
    """A line of `drujax models`.

    Attributes:
        name: for `--model` (kind "model"), or a file that training or converting uses (kind "file").
        kind: "model" or "file".
        network: the network that the weights are for; None for files.
        what: description of the weights.
        size: in bytes, on disk or as published; None if unknown.
        licence: of the weights.
        source: the URL, or how to get them.
        path: on this machine (for a model without weights, of its code); None if they are missing.
    """

    name: str
    kind: str
    network: str | None
    what: str
    size: int | None
    licence: str
    source: str
    path: str | None


def list_models() -> list[Row]:
    """Return all models, then all files."""
    rows = []
    for name, named in models().items():
        path = find(name) if named.model.has_weights else CODE / f"{named.network}.py"
        size = path.stat().st_size if path and named.model.has_weights else None
        source = "drujax" if path and path.parent in (RELEASED, CODE) else named.obtain
        here = str(path) if path else None
        rows.append(Row(name, "model", named.network, named.model.summary, size, named.licence, source, here))
    for file in known_files():
        path = cached(file.filename)
        size = path.stat().st_size if path else file.size
        here = str(path) if path else None
        rows.append(Row(file.name, "file", None, file.what, size, file.licence, file.url, here))
    return rows


def known_files() -> list[File]:
    """Return all files that drujax does not ship: of backbones, methods, metrics and translators; no duplicates."""
    files = [backbone.weights for backbone in BACKBONES.values() if backbone.weights is not None]
    for spec in map(registry.find, registry.METHODS):
        files += [*spec.files, *(model.file for model in spec.models if model.file is not None)]
    for metric in map(find_metric, METRICS):
        files += [file for needed in metric.references.values() for file in needed]
    files += [file for name in translators.TRANSLATORS for file in translators.find(name).files]
    return list({file.name: file for file in files}.values())


def as_json(rows: list[Row]) -> dict[str, Any]:
    """`{"networks": [{"name", "what", "licence", "options"}], "models": [fields of `Row`], "files": [the same]}`."""
    networks = [
        {"name": name, "what": network.summary, "licence": network.licence, "options": dict(network.options)}
        for name, network in registry.networks().items()
    ]
    kinds = {f"{kind}s": [asdict(row) for row in rows if row.kind == kind] for kind in ("model", "file")}
    return {"networks": networks, **kinds}


def as_table(rows: list[Row]) -> str:
    """Format the rows as two aligned tables, of models and files, and a list of how to get what is missing."""
    cells = [["NAME", "HERE", "SIZE", "LICENCE", "NETWORK", "WHAT"]]
    for row in rows:
        size = "" if row.size is None else megabytes(row.size)
        cells.append([row.name, "yes" if row.path else "no", size, row.licence, row.network or "", row.what])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in cells]
    models = 1 + sum(row.kind == "model" for row in rows)
    sources = [f"  {row.name}: {row.source}" for row in rows if not row.path]
    return "\n".join(
        [
            *("Models (drujax enhance --model NAME):", *lines[:models]),
            *("", "Files for training and converting:", *lines[models:]),
            *("", "How to get what is missing:", *sources),
        ]
    )
