"""Where the long parts of a build run: threads, processes, or Apache Beam (extra `beam`)."""

import dataclasses
import functools
import importlib
import pickle
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from drujax.errors import check_at_least


@dataclasses.dataclass(frozen=True)
class BeamRunner:
    """A runner of Apache Beam, for collections beyond one machine.

    The workers read the sources and write the dataset by the paths that were given, so both must lie on a file system
    that all machines share.

    Attributes:
        name: such as DirectRunner, FlinkRunner, SparkRunner or DataflowRunner.
        options: of the pipeline, each NAME=VALUE or NAME.
    """

    name: str
    options: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Execution:
    """How a dataset is built; its bytes do not depend on it.

    Attributes:
        processes: that read and encode pictures; 1: threads of this one (see `drujax.runtime.parallel`).
        beam: reads and encodes the pictures instead.
        quiet: shows no progress.
    """

    processes: int = 1
    beam: BeamRunner | None = None
    quiet: bool = False

    def __post_init__(self):
        check_at_least(1, processes=self.processes)
        if self.beam is not None:
            importlib.import_module("apache_beam")  # a missing extra is reported before the long work


def run_on_beam(function: Callable[[Any], object], tasks: Iterable[Any], folder: Path, runner: BeamRunner) -> None:
    """Calls `function(task)` for each task on Apache Beam, in any order; some may be repeated.

    Tasks are handed over as files, because runners limit the size of a pipeline's description.

    Args:
        function: a module's function, or a partial of one.
        tasks: what can be pickled.
        folder: for the files of the tasks; removed at the end.
        runner: where they run.
    """
    import apache_beam  # pyright: ignore[reportMissingImports]
    from apache_beam.options.pipeline_options import PipelineOptions  # pyright: ignore[reportMissingImports]

    shutil.rmtree(folder, ignore_errors=True)  # of an interrupted build
    folder.mkdir()
    files = []
    for number, task in enumerate(tasks):
        file = folder / f"{number:06}"
        file.write_bytes(pickle.dumps(task))
        files.append(str(file))
    options = PipelineOptions([f"--runner={runner.name}", *(f"--{option}" for option in runner.options)])
    with apache_beam.Pipeline(options=options) as pipeline:
        _ = (
            pipeline
            | apache_beam.Create(files)
            | apache_beam.Reshuffle()  # gives each worker its share
            | apache_beam.Map(functools.partial(_run, function))
        )
    shutil.rmtree(folder)


def _run(function: Callable[[Any], object], file: str) -> None:
    function(pickle.loads(Path(file).read_bytes()))
