"""One table for any list of models: how well each gives dark pictures light, and what it spoils.

    python -m experiments.evaluate light --data=D --pairs=pairs.csv
    python -m experiments.evaluate light --pairs=pairs.csv --models=input,curve:plain,sci-easy:plain,mine=runs/mine
    python -m experiments.evaluate light --data=D --models=default,SCI=sci_easy.safetensors:plain

A model is a name, a weights file or the folder of a run, and is measured as `drujax enhance --model=NAME` applies it;
NAME:plain is the network alone, as `drujax enhance --plain --strength=1`; `input` is the picture as it is. LABEL=NAME
names the row. docs/light_table.md defines the columns.

Prints the means, and writes --out/light.md (the same tables), light.csv and light.json (a row a picture and model).
With 64 dark pictures, 22 pairs and 24 painted scenes, a model takes half a minute on two cores, and what its network
takes for 150 pictures.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from drujax.errors import UsageError

DEFAULT = "default"
INPUT = "input"
PLAIN = ":plain"


@dataclasses.dataclass(frozen=True)
class Light:
    """Models in one table: light, structure, colour and faults."""

    # Models, separated by commas: input, a name, a weights file or a run's folder; NAME:plain for the network alone;
    # LABEL=NAME sets the row's title. The word default stands for input, the default model, its network alone, the
    # released models that are on this machine, and curve.
    models: str = DEFAULT
    # Dataset made by experiments.prepare, whose dark pictures are measured without a reference.
    data: Path | None = None
    # Its split; test_dark is for the last comparison alone.
    split: Literal["val_dark", "test_dark"] = "val_dark"
    # Maximum number of dark pictures, evenly spaced over the split; default: all.
    pictures: int | None = None
    # CSV of pairs, with the columns dark and bright (files beside it), or group and file as in experiments.evaluate.
    pairs: Path | None = None
    # Number of painted scenes of each situation of light, with known truth; 0 for none.
    scenes: int = 2
    # Folder for light.md, light.csv and light.json; default: nothing is written.
    out: Path | None = None


def main(config: Light) -> int:
    from drujax.console.progress import Progress
    from drujax.data.scenes import SITUATIONS
    from drujax.runtime.atomic_write import check_folder
    from drujax.runtime.compile_cache import enable_compilation_cache
    from drujax.score.light_table import dark_rows, painted_rows, pair_rows

    if config.scenes < 0:
        raise UsageError(f"--scenes: must be >= 0, got {config.scenes}")
    check_folder("--out", config.out)
    dark, pairs = _dark(config), _pairs(config)
    painted = [(kind, number) for kind in SITUATIONS for number in range(config.scenes)]
    if not (dark or pairs or painted):
        raise UsageError("nothing to measure; give --data=D, --pairs=CSV or --scenes=N")
    chosen = models(config.models)
    enable_compilation_cache()
    rows: list[dict[str, Any]] = []
    for label, name in chosen.items():
        enhance = enhancer(name)
        for title, measured, count in (
            ("dark", dark_rows(enhance, dark), len(dark)),
            ("pairs", pair_rows(enhance, pairs), len(pairs)),
            ("painted", painted_rows(enhance, painted), len(painted)),
        ):
            if not count:
                continue
            with Progress(f"{label}, {title}", total=count, unit="picture") as progress:
                for done, row in enumerate(measured, start=1):
                    rows.append({"model": label, "set": title} | row)
                    progress.to(done)

    # Report.
    print("\n\n".join(f"{title}\n{text}" for title, text in report(rows, config).items()))
    if config.out is not None:
        write(config.out, rows, chosen, report(rows, config, by_kind=True))
        print(config.out / "light.md")
    return 0


def models(text: str) -> dict[str, str]:
    """Returns the models to measure by label; see the module's docstring."""
    from drujax.enhance.zoo import DEFAULT_MODEL, named_models

    chosen = named_models(text)
    if DEFAULT not in chosen.values():
        return chosen
    usual = {
        INPUT: INPUT,
        f"{DEFAULT_MODEL} (default)": DEFAULT_MODEL,
        f"{DEFAULT_MODEL}, network alone": DEFAULT_MODEL + PLAIN,
        **{name: name + PLAIN for name in released_here()},
        "curve": "curve" + PLAIN,
    }
    return usual | {label: name for label, name in chosen.items() if name != DEFAULT}


def released_here() -> list[str]:
    """Returns the released models of compared methods, trained on photographs, whose weights are on this machine."""
    from drujax.enhance.zoo import models
    from drujax.weights.shipped import find

    return [name for name, named in models().items() if named.model.file is not None and find(name) is not None]


def enhancer(name: str) -> Any:
    """Returns uint8 b h w 3 -> the same, for a model as --models names it.

    By JAX, so that figures do not depend on what else is installed.
    """
    from drujax.enhance.enhancer import Enhancer

    if name == INPUT:
        return lambda batch: batch
    if name.endswith(PLAIN):
        plain = Enhancer(name.removesuffix(PLAIN), guided=False, runtime="jax")
        return lambda batch: plain(batch, 1.0)
    return Enhancer(name, runtime="jax")


def _dark(config: Light) -> Any:
    """The dark pictures, decoded when they are asked for, again for each model."""
    if config.data is None:
        return []
    from drujax.data.dataset import Dataset
    from drujax.score.evaluation import spread

    if config.pictures is not None and config.pictures < 1:
        raise UsageError(f"--pictures: must be >= 1, got {config.pictures}")
    split = Dataset.open(config.data).split(config.split)
    if not len(split):
        raise UsageError(f"--data: {config.data} has no pictures in {config.split}")
    return _Lazy([(split, position) for position in spread(len(split), config.pictures)])


class _Lazy(Sequence):
    """(name, pixels) of the records at some positions of a split."""

    def __init__(self, records: Sequence[tuple[Any, int]]):
        self._records = records

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index):
        split, position = self._records[index]
        return split.table[position].id, split.image(position)


def _pairs(config: Light) -> list[Any]:
    if config.pairs is None:
        return []
    from drujax.console.output import complain
    from drujax.score.evaluation import quasi_pairs

    found = quasi_pairs(config.pairs, lambda why: complain(f"skipped {why}"))
    return [(pair.name, *pair.read()) for pair in found]


def report(rows: Sequence[dict[str, Any]], config: Light, *, by_kind: bool = False) -> dict[str, str]:
    """Formats the means as tables by title: sets of pictures, faults, and (`by_kind`) each painted situation."""
    from drujax.console.tables import table
    from drujax.score.light_table import FAULTS, NO_REFERENCE, TRUTH, shown, summary

    def of(name: str) -> list[dict[str, Any]]:
        return [row for row in rows if row["set"] == name]

    wanted = [
        (f"dark pictures of {config.split}, no reference", of("dark"), (*NO_REFERENCE, "luma")),
        ("pairs, against the day", of("pairs"), TRUTH),
        ("painted scenes, against the day", [row for row in of("painted") if "luma" in row], TRUTH),
        ("painted scenes, faults", of("painted"), FAULTS),
        ("real pictures, faults", of("dark") + of("pairs"), FAULTS),
    ]
    if by_kind:
        kinds = dict.fromkeys(row["kind"] for row in of("painted"))
        wanted += [(kind, [row for row in of("painted") if row["kind"] == kind], (*TRUTH, *FAULTS)) for kind in kinds]
    tables = {}
    for title, chosen, columns in wanted:
        if chosen:
            found = summary(chosen, columns)
            tables[f"{found[0]['count']} {title}"] = table([shown(row) for row in found])
    return tables


def write(folder: Path, rows: Sequence[dict[str, Any]], chosen: Mapping[str, str], tables: Mapping[str, str]) -> None:
    """Writes light.md, light.csv and light.json."""
    from drujax.console.tables import as_csv
    from drujax.runtime.atomic_write import write_atomically

    folder.mkdir(parents=True, exist_ok=True)
    keys = list(dict.fromkeys(key for row in rows for key in row))
    full = [{key: row.get(key) for key in keys} for row in rows]
    contents = {
        "light.md": "\n\n".join(f"{title}\n\n```\n{text}\n```" for title, text in tables.items()),
        "light.csv": as_csv(full),
        "light.json": json.dumps({"models": dict(chosen), "rows": full}, indent=1),
    }
    for name, content in contents.items():
        write_atomically(folder / name, (content + "\n").encode())
