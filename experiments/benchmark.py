"""Speed and memory of training, enhancing, the data pipeline, the scene painter and the metrics.

    python -m experiments.benchmark train                                # the full step, batch 2 of 320x320
    python -m experiments.benchmark train --peer=torch                   # beside the official step in PyTorch
    python -m experiments.benchmark enhance --height=400 --width=608 --peer=torch
    python -m experiments.benchmark data --data=D --workers=2            # training batches a second
    python -m experiments.benchmark scenes
    python -m experiments.benchmark metrics --metric=niqe --peer=pyiqa   # beside IQA-PyTorch

Prints a table; --format=json prints JSON, --out=FILE writes it too. `--peer=torch` times PyTorch in the same run, in
turn, where it is installed. "slower" is a row's time over that of drujax, "GFLOP/s" counts useful FLOPs: those of the
networks' plain convolutions (XLA's count of each forward pass, a backward pass as two of them), whatever a contender
really computes. Compile times are without the persistent cache that training and enhancing use. A minute or two each on
two CPU cores.
"""

import contextlib
import dataclasses
import importlib.util
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from drujax import entry
from drujax.errors import UsageError, unknown

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


@dataclasses.dataclass(frozen=True)
class Train(Common):
    """The full training step of DRU-EnlightenGAN: three networks, VGG16, three Adams, pictures on the device."""

    # Who runs beside it.
    peer: Literal["torch"] | None = None
    batch_size: int = 2
    # Side of the square crops.
    size: int = 320
    # Patches per picture.
    patches: int = 6
    # Arithmetic of the networks (of PyTorch: autocast).
    dtype: Literal["float32", "bfloat16"] = "float32"
    # Channels of the first layers of generator, discriminators and VGG16.
    width: int = 32
    discriminator_features: int = 64
    perceptual_width: int = 64


@dataclasses.dataclass(frozen=True)
class Enhance(Common):
    """EnlightenGAN's generator on pictures, floating numbers in and out."""

    peer: Literal["torch"] | None = None
    batch_size: int = 1
    height: int = 400
    width: int = 608
    dtype: Literal["float32", "bfloat16"] = "float32"
    # Channels of the generator's first layer.
    features: int = 32


@dataclasses.dataclass(frozen=True)
class Data(Common):
    """Training batches: reading, decoding, cropping."""

    # Dataset made by experiments.prepare; by default one of 64 synthetic scenes of 400x400.
    data: Path | None = None
    batch_size: int = 8
    crop: int = 320
    # Processes that decode; 0 decodes in threads of this one.
    workers: int = 0
    # Batches of one unit of work.
    batches: int = 10


@dataclasses.dataclass(frozen=True)
class Scenes(Common):
    """The painter of synthetic scenes, on one core."""

    height: int = 256
    width: int = 256
    # Scenes of one unit of work.
    scenes: int = 20


@dataclasses.dataclass(frozen=True)
class Metrics(Common):
    """A quality metric on pictures in the host's memory; "compile s" is what the first call takes more than others."""

    peer: Literal["pyiqa"] | None = None
    # Name of the metric (drujax score). Of ma the 138 features are timed, without forests; nima has generated weights.
    metric: str = "brisque"
    batch_size: int = 1
    height: int = 384
    width: int = 512


def main(config: Any) -> int:
    """Measures what the configuration's class says, and reports."""
    from drujax.benchmarking import machine, race

    check(config)
    measure = MEASURES[type(config)]
    with contextlib.ExitStack() as resources:
        contenders, flops = measure.contenders(config, resources)
        rows, first = race(contenders, rounds=config.rounds, pictures=measure.pictures(config), flops=flops)
    result = {
        "benchmark": type(config).__name__.lower(),
        "configuration": dataclasses.asdict(config),
        "machine": machine(),
        "flops": flops,
        "rows": rows,
    }
    if measure.compare is not None:
        title, compare = measure.compare
        result[title] = {row["name"]: compare(first[0], one) for row, one in zip(rows, first, strict=True)}
    text = json.dumps(result, indent=2, default=str)
    print(text if config.format == "json" else as_table(result))
    if config.out is not None:
        from drujax.files import write_atomically

        write_atomically(config.out, (text + "\n").encode())
    return 0


def train(config: Train, _: contextlib.ExitStack) -> Contenders:
    """drujax, and PyTorch in both layouts; they return the generator's loss."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from drujax.benchmarking import Contender, compiled
    from drujax.training import mesh as meshes
    from drujax.training.batch import prepare
    from drujax.training.enlightengan import EnlightenGAN
    from drujax.training.patches import draw_offsets
    from drujax.training.state import step_key
    from drujax.weights.perceptual import perceptual_variables

    torch_peer = load_peer(config.peer)
    mesh = meshes.data_mesh()
    meshes.local_batch_size(config.batch_size, mesh)
    method = EnlightenGAN(
        perceptual_variables("random", width=config.perceptual_width),
        width=config.width,
        discriminator_features=config.discriminator_features,
        patches=config.patches,
        compute_dtype=jnp.bfloat16 if config.dtype == "bfloat16" else None,
    )
    state = meshes.create(method, 0, mesh)
    batch = example_batch(config.batch_size, config.size)
    inputs = prepare(batch)
    offsets = np.asarray(draw_offsets(step_key(state), config.patches, inputs.dark.shape[1:3], method.patch_size))
    players = jax.tree.map(np.asarray, [p.variables for p in (state.generator, state.d_global, state.d_local)])

    frozen = meshes.put(method.frozen, meshes.replicated(mesh))
    arguments = (meshes.put(batch, meshes.split(mesh)), None, frozen)
    contender, program = compiled("drujax", meshes.compile_step(method, mesh), state, *arguments)
    carried = [state]

    def step():
        carried[0], metrics = program(carried[0], *arguments)
        return float(metrics["loss_g"])

    def peer(name: str, how: dict[str, Any]) -> Contender:
        trainer = torch_peer.Trainer(*players, method.frozen, **how)
        pictures = [trainer.put(np.asarray(x)) for x in (inputs.dark, inputs.darkened, inputs.attention, inputs.bright)]
        return Contender(name, lambda: trainer.step(*pictures, offsets, method.patch_size))

    return [contender._replace(run=step), *peers(torch_peer, config.dtype, peer)], training_flops(method, inputs)


def enhance(config: Enhance, _: contextlib.ExitStack) -> Contenders:
    """drujax, and PyTorch in both layouts; they return the enhanced picture."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from drujax.benchmarking import Contender, compiled, count_flops
    from drujax.models.generator import Generator, attention_map

    torch_peer = load_peer(config.peer)
    generator = Generator(width=config.features, dtype=jnp.bfloat16 if config.dtype == "bfloat16" else None)
    shape = (config.batch_size, config.height, config.width, 3)
    image = jnp.asarray(np.random.default_rng(0).uniform(-1, 0, shape), jnp.float32)
    small = image[:, :16, :16]
    variables = jax.jit(lambda x: generator.init(jax.random.key(0), x, attention_map(x), train=False))(small)

    def network(variables, image):
        return generator.apply(variables, image, attention_map(image), train=False)[0]

    contender, program = compiled("drujax", jax.jit(network), variables, image)

    def peer(name: str, how: dict[str, Any]) -> Contender:
        enhancer = torch_peer.Enhancer(jax.tree.map(np.asarray, variables), **how)
        arrays = enhancer.put(np.asarray(image)), enhancer.put(np.asarray(attention_map(image)))
        return Contender(name, lambda: enhancer(*arrays))

    contender = contender._replace(run=lambda: np.asarray(program(variables, image)))
    return [contender, *peers(torch_peer, config.dtype, peer)], count_flops(network, variables, image)


def data(config: Data, resources: contextlib.ExitStack) -> Contenders:
    """The pipeline that training uses, at work on the batches to come."""
    from drujax.benchmarking import Contender
    from drujax.data.dataset import Dataset
    from drujax.data.pipeline import train_batches

    folder = config.data
    if folder is None:
        from drujax.data.prepare import prepare
        from drujax.data.sources import Scenes as SceneSource

        folder = Path(resources.enter_context(tempfile.TemporaryDirectory())) / "dataset"
        side = max(400, config.crop)
        prepare(SceneSource(64, (side, side)), folder, crop=config.crop, quiet=True)
    batches = train_batches(
        Dataset.open(folder), size=config.crop, batch_size=config.batch_size, seed=0, workers=config.workers
    )
    resources.callback(batches.close)

    def read():
        for _ in range(config.batches):
            next(batches)

    return [Contender(f"drujax ({config.workers} workers)", read)], None


def scenes(config: Scenes, _: contextlib.ExitStack) -> Contenders:
    """The painter; the same scenes again and again."""
    from drujax.benchmarking import Contender
    from drujax.data.scenes import paint

    def run():
        for index in range(config.scenes):
            paint(0, index, (config.height, config.width))

    return [Contender("drujax", run)], None


def metrics(config: Metrics, resources: contextlib.ExitStack) -> Contenders:
    """drujax and IQA-PyTorch; they return the scores (of Ma the features)."""
    import time

    import numpy as np

    from drujax.benchmarking import Contender
    from drujax.data.scenes import paint
    from experiments.metric_scorers import scorer

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
    """A benchmark: its contenders, the pictures of one unit of work, and how results of contenders are compared."""

    contenders: Callable[[Any, contextlib.ExitStack], Contenders]
    pictures: Callable[[Any], int]
    compare: tuple[str, Callable[[Any, Any], float]] | None = None


MEASURES = {
    Train: Measure(train, lambda config: config.batch_size, ("loss of the first step", lambda _, loss: loss)),
    Enhance: Measure(
        enhance,
        lambda config: config.batch_size,
        ("largest difference of a value", lambda ours, picture: float(abs(picture - ours).max())),
    ),
    Data: Measure(data, lambda config: config.batch_size * config.batches),
    Scenes: Measure(scenes, lambda config: config.scenes),
    Metrics: Measure(
        metrics,
        lambda config: config.batch_size,
        ("largest difference of a score", lambda ours, scores: float(abs(scores - ours).max())),
    ),
}


def check(config: Any) -> None:
    """Refuses numbers that make no sense."""
    for field in dataclasses.fields(config):
        value, least = getattr(config, field.name), 0 if field.name == "workers" else 1
        if isinstance(value, int) and value < least:
            raise UsageError(f"--{field.name.replace('_', '-')}: {value} is under {least}")
    if isinstance(config, Train) and config.size < 33:
        raise UsageError(f"--size: {config.size} is under 33, and the patches are 32x32")
    if getattr(config, "peer", None) is not None:
        for name in ("size", "height", "width") if isinstance(config, Enhance) else ("size",):
            if getattr(config, name, 16) % 16:
                raise UsageError(f"--{name}: {getattr(config, name)} is no multiple of 16, as the peer needs")


def peers(torch_peer: Any, dtype: str, peer: Callable[[str, dict[str, Any]], Any]) -> list[Any]:
    """PyTorch as the official code has it and with the layout that it prefers on CPU; none without PyTorch."""
    if torch_peer is None:
        return []
    import jax

    how = {"dtype": dtype, "device": "cuda" if jax.default_backend() == "gpu" else "cpu"}
    version = torch_peer.VERSION
    return [
        peer(f"torch {version} (official)", {**how, "channels_last": False}),
        peer(f"torch {version} (channels_last)", {**how, "channels_last": True}),
    ]


def training_flops(method: Any, inputs: Any) -> float:
    """Useful FLOPs of a step, in forward passes of each network.

    A discriminator has 7: forward on real and fake, back to the fake pictures for the generator's loss, back to weights
    and inputs through both for its own. The generator has 3. VGG16 has 3: forward on both pictures, back through one.
    The input gradients of first layers, which nobody needs, are included.
    """
    import jax
    import jax.numpy as jnp

    from drujax.benchmarking import count_flops
    from drujax.models.perceptual import VGG16Features

    b, patch = inputs.dark.shape[0], method.patch_size
    patches = jax.ShapeDtypeStruct((b * method.patches, patch, patch, 3), jnp.float32)

    def forward(network, *arrays, **options):
        shapes = [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in arrays]
        variables = jax.eval_shape(lambda *x: network.init(jax.random.key(0), *x, **options), *shapes)
        return count_flops(lambda variables, *x: network.apply(variables, *x, **options), variables, *shapes)

    vgg16 = VGG16Features(method.frozen["params"]["conv1_1"]["bias"].shape[0])
    return (
        3 * forward(method.generator, inputs.darkened, inputs.attention, train=False)
        + 7 * (forward(method.d_global, inputs.dark) + forward(method.d_local, patches))
        + 3 * (forward(vgg16, inputs.dark) + forward(vgg16, patches))
    )


def example_batch(batch_size: int, size: int) -> dict[str, Any]:
    """A batch as the data pipeline sends it."""
    import numpy as np

    rng = np.random.default_rng(0)
    positions = np.arange(batch_size, dtype=np.int32)
    return {
        "dark": rng.integers(0, 90, (batch_size, size, size, 3), dtype=np.uint8),
        "bright": rng.integers(0, 256, (batch_size, size, size, 3), dtype=np.uint8),
        "darkening": np.ones(batch_size, np.float32),
        "dark_index": positions,
        "bright_index": positions,
    }


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
    return importlib.import_module(f"experiments.{name}_peer")


def as_table(result: dict[str, Any]) -> str:
    """The result for people."""
    from drujax.report import table

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
        for title in (m.compare[0] for m in MEASURES.values() if m.compare)
        if title in result
    ]
    return "\n".join(lines)


def _scaled(value: float | None, unit: float) -> float | str:
    return "-" if value is None else value / unit


def _listed(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.6g}" for name, value in values.items())


def configuration(arguments: Sequence[str]) -> Any:
    """The configuration of command-line arguments, the first of which says what is measured."""
    kinds = {kind.__name__.lower(): kind for kind in MEASURES}
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__)
        raise SystemExit(0 if arguments else 2)
    if arguments[0] not in kinds:
        raise unknown("benchmark", arguments[0], kinds)
    program = f"experiments.benchmark {arguments[0]}"
    return entry.parse(kinds[arguments[0]], arguments[1:], program=program)


if __name__ == "__main__":
    sys.exit(entry.run(lambda: main(configuration(sys.argv[1:])), "experiments.benchmark"))
