"""Measures speed and memory of training, enhancing, the data pipeline, the scene renderer, the metrics and the
runtimes.

    python -m experiments.benchmark train                                # EnlightenGAN's full step, batch 2 of 320x320
    python -m experiments.benchmark train --method=sci --peer=torch      # compared with the official step in PyTorch
    python -m experiments.benchmark train --gan.width=16 --size=128      # with options of experiments.train
    python -m experiments.benchmark enhance --network=sci --height=400 --width=608 --peer=torch
    python -m experiments.benchmark data --data=D --workers=2            # training batches
    python -m experiments.benchmark data --stage=sort --processes=2      # QAB of JPEG files, compared with a PIL loop
    python -m experiments.benchmark data --stage=build --processes=2     # building a dataset of them
    python -m experiments.benchmark scenes
    python -m experiments.benchmark metrics --metric=niqe --peer=pyiqa   # compared with IQA-PyTorch
    python -m experiments.benchmark runtimes --height=2160 --width=3840  # JAX, ONNX Runtime, OpenVINO, if installed
    python -m experiments.benchmark start                                # the command drujax enhance with each of them
    python -m experiments.benchmark int8                                 # quality and speed of 8-bit convolutions

Prints a table; --format=json prints JSON, and --out=FILE also writes JSON to a file. `--peer=torch` also times PyTorch,
if installed, in alternation with drujax. "slower" is a row's time divided by drujax's. "GFLOP/s" counts useful FLOPs:
those of the networks' plain convolutions (XLA's count of a forward pass, a backward pass as two of them), whatever a
contender really computes. Compile times exclude the persistent cache that training and enhancing use. Each takes a
minute or two on two CPU cores.
"""

import contextlib
import dataclasses
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from drujax.console import command_line
from drujax.errors import UsageError, unknown
from drujax.runtime.atomic_write import check_folder
from experiments._benchmark.common import Common, Contenders, load_peer
from experiments._benchmark.data import Data, data
from experiments._benchmark.networks import Enhance, Train, enhance, train
from experiments._benchmark.runtimes import (
    Int8,
    Runtimes,
    Start,
    int8,
    luma_error,
    psnr_to_first,
    psnr_to_truth,
    runtimes,
    start,
)


@dataclasses.dataclass(frozen=True)
class Scenes(Common):
    """Rendering of synthetic scenes, on one core."""

    # Height of the images.
    height: int = 256
    # Width of the images.
    width: int = 256
    # Scenes per unit of work.
    scenes: int = 20


@dataclasses.dataclass(frozen=True)
class Metrics(Common):
    """A quality metric on images in host memory; "compile s" is the extra time of the first call."""

    # Implementation to compare with.
    peer: Literal["pyiqa"] | None = None
    # Name of a metric of drujax score. For ma only the 138 features are timed; nima uses generated weights.
    metric: str = "brisque"
    # Images per call.
    batch_size: int = 1
    # Height of the images.
    height: int = 384
    # Width of the images.
    width: int = 512


def main(config: Any) -> int:
    """Runs the benchmark of the configuration's class and reports the result."""
    from drujax.runtime.benchmark import machine, race

    check(config)
    check_folder("--out", config.out)
    measure = MEASURES[type(config)]
    with contextlib.ExitStack() as resources:
        contenders, flops = measure.contenders(config, resources)
        rows, runs = race(contenders, rounds=config.rounds, pictures=measure.pictures(config), flops=flops)
    result = {
        "benchmark": type(config).__name__.lower(),
        "configuration": dataclasses.asdict(config),
        "machine": machine(),
        "flops": flops,
        "rows": rows,
    }
    for title, compare in measure.compare.items():
        result[title] = {row["name"]: compare(runs[0], one) for row, one in zip(rows, runs, strict=True)}
    text = json.dumps(result, indent=2, default=str)
    print(text if config.format == "json" else as_table(result))
    if config.out is not None:
        from drujax.runtime.atomic_write import write_atomically

        write_atomically(config.out, (text + "\n").encode())
    return 0


def scenes(config: Scenes, _: contextlib.ExitStack) -> Contenders:
    """Returns the scene renderer as the only contender; every round renders the same scenes."""
    from drujax.data.scenes import paint
    from drujax.runtime.benchmark import Contender

    def run():
        for index in range(config.scenes):
            paint(0, index, (config.height, config.width))

    return [Contender("drujax", run)], None


def metrics(config: Metrics, resources: contextlib.ExitStack) -> Contenders:
    """Returns drujax and IQA-PyTorch; they return scores (for Ma the features)."""
    import time

    import numpy as np

    from drujax.data.scenes import paint
    from drujax.runtime.benchmark import Contender
    from experiments._benchmark.metric_scorers import scorer

    folder = Path(resources.enter_context(tempfile.TemporaryDirectory()))
    images = np.stack([paint(0, index, (config.height, config.width)) for index in range(config.batch_size)])
    score = scorer(config.metric, images, folder)
    peer = load_peer(config.peer)
    times = [time.perf_counter()]
    for _call in range(2):
        score()
        times.append(time.perf_counter())
    seconds = np.diff(times)
    contenders = [Contender("drujax", score, float(seconds[0] - seconds[1]))]
    if peer is not None:
        contenders.append(Contender(f"IQA-PyTorch {peer.VERSION}", peer.scorer(config.metric, images, folder)))
    return contenders, None


class Measure(NamedTuple):
    """A benchmark: its contenders, the number of images per unit of work, and comparisons of results (`Results`): by
    title, a number computed from the results of drujax and of a contender.
    """

    contenders: Callable[[Any, contextlib.ExitStack], Contenders]
    pictures: Callable[[Any], int]
    compare: Mapping[str, Callable[[Any, Any], float]] = {}


def _difference(ours: Any, theirs: Any) -> float:
    return float(abs(theirs.first - ours.first).max())


def _levels(ours: Any, theirs: Any) -> float:
    return float(abs(theirs.first.astype(int) - ours.first).max())


MEASURES = {
    Train: Measure(
        train,
        lambda config: config.shape[0],
        {"loss of the first step": lambda _, one: one.first, "loss of the last step": lambda _, one: one.last},
    ),
    Enhance: Measure(enhance, lambda config: config.batch_size, {"largest difference of a value": _difference}),
    Data: Measure(data, lambda config: config.units),
    Scenes: Measure(scenes, lambda config: config.scenes),
    Metrics: Measure(metrics, lambda config: config.batch_size, {"largest difference of a score": _difference}),
    Runtimes: Measure(runtimes, lambda config: config.pictures, {"largest difference of a level": _levels}),
    Start: Measure(start, lambda _: 1, {"peak MB of the command": lambda _, one: one.last}),
    Int8: Measure(
        int8,
        lambda config: config.scenes,
        {
            "PSNR to float32, dB": psnr_to_first,
            "PSNR to the bright scene, dB": psnr_to_truth,
            "error of mean luma": luma_error,
        },
    ),
}


def check(config: Any) -> None:
    """Raises UsageError for options that are out of range."""
    for field in dataclasses.fields(config):
        value, least = getattr(config, field.name), 0 if field.name == "workers" else 1
        if type(value) is int and value < least:
            raise UsageError(f"--{field.name.replace('_', '-')}: must be >= {least}, got {value}")
    if isinstance(config, Train | Enhance):
        config.check()


def as_table(result: dict[str, Any]) -> str:
    """Formats the result as a table."""
    from drujax.console.tables import table

    machine = result["machine"]
    ceilings = ", ".join(
        f"{speed / 1e9:.0f} GFLOP/s in {name}" for name, speed in machine["matmul_flops_per_s"].items()
    )
    head = (
        f"{result['benchmark']} on {machine['devices']} x {machine['device_kind']} ({machine['processor']}, "
        f"{machine['cores']} cores, load {machine['load_average']}); matrix products: {ceilings}"
    )
    rows = [
        {
            "": row["name"],
            "ms": 1e3 * row["seconds"],
            "ms (min)": 1e3 * row["seconds_min"],
            "CPU ms": 1e3 * row["cpu_seconds"],
            "pictures/s": row["pictures_per_s"],
            "GFLOP/s": _scaled(row["flops_per_s"], 1e9),
            "peak MB": _scaled(row["peak_bytes"], 1e6),
            "compile s": _scaled(row["compile_seconds"], 1),
            "slower": row["slower"],
        }
        for row in result["rows"]
    ]
    lines = [head, table(rows)]
    lines += [
        f"{title}: {_listed(result[title])}"
        for measure in MEASURES.values()
        for title in measure.compare
        if title in result
    ]
    return "\n".join(lines)


def _scaled(value: float | None, unit: float) -> float | str:
    return "-" if value is None else value / unit


def _listed(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.6g}" for name, value in values.items())


def configuration(arguments: Sequence[str]) -> Any:
    """Parses command-line arguments; the first is the name of the benchmark."""
    kinds = {kind.__name__.lower(): kind for kind in MEASURES}
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__)
        raise SystemExit(0 if arguments else 2)
    if arguments[0] not in kinds:
        raise unknown("benchmark", arguments[0], kinds)
    program = f"experiments.benchmark {arguments[0]}"
    kind, rest = kinds[arguments[0]], arguments[1:]
    if kind is not Train:
        return command_line.parse(kind, rest, program=program)
    # The method's own options have a dot, and a configuration of their own.
    own = [argument for argument in rest if "." in argument.partition("=")[0] and argument.startswith("--")]
    config = command_line.parse(kind, [argument for argument in rest if argument not in own], program=program)
    if not own:
        return config
    from drujax.methods.config import config_type, preset_config

    presets = {"benchmark": preset_config("benchmark", config.method)}
    own = ["--preset=benchmark", *own]
    training = command_line.parse(config_type(config.method), own, program=program, presets=presets)
    return dataclasses.replace(config, options=training.options)


if __name__ == "__main__":
    sys.exit(command_line.run(lambda: main(configuration(sys.argv[1:])), "experiments.benchmark"))
