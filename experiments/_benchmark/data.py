"""Benchmarks of the data: QAB of picture files, building a dataset, training batches."""

import contextlib
import dataclasses
import functools
import itertools
import tempfile
from pathlib import Path
from typing import Literal

from experiments._benchmark.common import Common, Contenders


@dataclasses.dataclass(frozen=True)
class Data(Common):
    """Training batches, building a dataset, or QAB; "peak MB" is without worker processes."""

    # load: reading, decoding and cropping training batches. build: writing the dataset. sort: QAB of picture files.
    stage: Literal["load", "build", "sort"] = "load"
    # load: dataset written by experiments.prepare; default: 64 synthetic scenes of 400x400.
    data: Path | None = None
    # load: dark images per batch, and as many bright ones.
    batch_size: int = 8
    # load, build: side of the crops.
    crop: int = 320
    # load: decoding processes; 0 decodes in threads of the main process.
    workers: int = 0
    # load: batches per unit of work.
    batches: int = 10
    # build, sort: folder of pictures; default: JPEG files of synthetic scenes.
    source: Path | None = None
    # build, sort: number of synthetic scenes.
    pictures: int = 1024
    # build, sort: height of the synthetic scenes.
    height: int = 180
    # build, sort: width of the synthetic scenes.
    width: int = 320
    # build, sort: processes, compared with a single one (from 512 pictures on).
    processes: int = 2

    @property
    def units(self) -> int:
        """Pictures per unit of work."""
        if self.stage == "load":
            return self.batch_size * self.batches
        return self.pictures if self.source is None else len(_files(self.source))


def data(config: Data, resources: contextlib.ExitStack) -> Contenders:
    """Returns the contenders of the stage."""
    folder = Path(resources.enter_context(tempfile.TemporaryDirectory()))
    if config.stage == "load":
        return _load(config, folder, resources)
    source = config.source or _scenes(config, folder / "scenes")
    return _sort(config, source) if config.stage == "sort" else _build(config, source, folder)


def _load(config: Data, folder: Path, resources: contextlib.ExitStack) -> Contenders:
    """Returns the training pipeline as the only contender; it prefetches the next batches while it is timed."""
    from drujax.data.dataset import Dataset
    from drujax.data.pipeline import train_batches
    from drujax.runtime.benchmark import Contender

    if config.data is None:
        from drujax.data.prepare import prepare
        from drujax.data.sources import Scenes

        side = max(400, config.crop)
        prepare(Scenes(64, (side, side)), folder / "dataset", crop=config.crop, quiet=True)
    batches = train_batches(
        Dataset.open(config.data or folder / "dataset"),
        size=config.crop,
        batch_size=config.batch_size,
        seed=0,
        workers=config.workers,
    )
    resources.callback(batches.close)

    def read():
        for _ in range(config.batches):
            next(batches)

    return [Contender(f"drujax ({config.workers} workers)", read)], None


def _sort(config: Data, source: Path) -> Contenders:
    """Returns QAB in one process, in several, and as a loop over Pillow and NumPy."""
    from drujax.data.sort_files import sort_pictures
    from drujax.runtime.benchmark import Contender

    files = _files(source)

    def sort(processes: int) -> list:
        return list(sort_pictures(files, processes=processes, on_error=lambda *_: None))

    contenders = [
        Contender(f"drujax ({_counted(processes)})", functools.partial(sort, processes))
        for processes in _processes(config)
    ]
    return [*contenders, Contender("Pillow, in a loop", lambda: [_plain_quartile_means(file) for file in files])], None


def _plain_quartile_means(file: Path) -> list[float] | None:
    """Computes eq. 2 as one writes it down; None for a file that is not a picture."""
    import numpy as np
    from PIL import Image

    try:
        with Image.open(file) as image:
            luma = np.asarray(image.convert("RGB"), np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    except OSError:
        return None
    row, column = luma.shape[0] // 2, luma.shape[1] // 2
    return [
        float(luma[y, x].mean()) for y in (slice(row), slice(row, None)) for x in (slice(column), slice(column, None))
    ]


def _build(config: Data, source: Path, folder: Path) -> Contenders:
    """Returns building the dataset in one process, and in several."""
    from drujax.data.prepare import prepare
    from drujax.runtime.benchmark import Contender

    outs = (folder / f"dataset-{number}" for number in itertools.count())

    def build(processes: int) -> None:
        prepare([source], next(outs), crop=config.crop, processes=processes, quiet=True)

    return [
        Contender(f"drujax ({_counted(processes)})", functools.partial(build, processes))
        for processes in _processes(config)
    ], None


def _scenes(config: Data, folder: Path) -> Path:
    from PIL import Image

    from drujax.data.scenes import paint

    folder.mkdir()
    for index in range(config.pictures):
        Image.fromarray(paint(0, index, (config.height, config.width))).save(folder / f"{index:06}.jpg", quality=90)
    return folder


def _files(source: Path) -> list[Path]:
    from drujax.pictures.discovery import pictures_of

    return pictures_of(source)


def _processes(config: Data) -> list[int]:
    """Returns 1, and the processes of the configuration if so many are started for its pictures."""
    from drujax.runtime.parallel import worthwhile

    return list(dict.fromkeys((1, worthwhile(config.processes, config.units))))


def _counted(processes: int) -> str:
    return "1 process, threads" if processes == 1 else f"{processes} processes"
