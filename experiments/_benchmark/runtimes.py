"""The benchmarks `runtimes`, `start` and `int8` of `experiments.benchmark`: JAX, ONNX Runtime and OpenVINO compared."""

import contextlib
import dataclasses
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from drujax.console.option_types import Flag
from drujax.errors import UsageError
from experiments._benchmark.common import Common, Contenders

RUNTIMES = ("jax", "onnxruntime", "openvino")


@dataclasses.dataclass(frozen=True)
class Runtimes(Common):
    """Enhancing pictures in memory by each runtime that is installed; "compile s" is the extra time of the first."""

    # Model to run: a name or a file.
    model: str = "exposure-slim"
    # Pictures per unit of work.
    pictures: int = 1
    # Height of the pictures.
    height: int = 1080
    # Width of the pictures.
    width: int = 1920
    # Use the network's own output, at full size.
    plain: Flag = False


@dataclasses.dataclass(frozen=True)
class Start(Common):
    """The command drujax enhance for one painted PNG, start included, by each runtime that is installed."""

    # Model to run: a name or a file.
    model: str = "exposure-slim"
    # Height of the picture.
    height: int = 1080
    # Width of the picture.
    width: int = 1920


@dataclasses.dataclass(frozen=True)
class Int8(Common):
    """The program at working scale with convolutions of 8 bits, calibrated on painted scenes, by ONNX Runtime."""

    # Model to quantise: a name or a file.
    model: str = "exposure-slim"
    # Painted scenes to calibrate on.
    calibration: int = 24
    # Other painted scenes, to compare on.
    scenes: int = 12
    # Shorter and longer side of the scenes.
    height: int = 360
    # Width of the scenes.
    width: int = 640


def installed() -> list[str]:
    """Returns the runtimes that can be measured here."""
    return [name for name in RUNTIMES if importlib.util.find_spec(name) and importlib.util.find_spec("onnx")]


def runtimes(config: Runtimes, _: contextlib.ExitStack) -> Contenders:
    """Returns the runtimes; they return the enhanced pictures."""
    import numpy as np

    from drujax.data.scenes import pair
    from drujax.enhance.enhancer import Enhancer
    from drujax.runtime.benchmark import Contender

    # Scenes are painted small and enlarged: painting 4K takes seconds.
    small = [pair(0, index, (270, 480))[0] for index in range(min(config.pictures, 8))]
    pictures = [_enlarged(small[i % len(small)], config.height, config.width) for i in range(config.pictures)]

    def contender(runtime: str) -> Contender:
        enhancer = Enhancer(config.model, guided=False if config.plain else None, runtime=runtime)  # pyright: ignore[reportArgumentType]

        def run() -> Any:
            return np.stack([enhancer(picture, 1.0) for picture in pictures])

        return Contender(runtime, run, _first_call_more(lambda: enhancer(pictures[0], 1.0)))

    return [contender(name) for name in installed()], None


def start(config: Start, resources: contextlib.ExitStack) -> Contenders:
    """Returns the command with each runtime; it returns the peak memory of its process in MB.

    The first run of JAX compiles, and the others find the program in the cache.
    """
    from PIL import Image

    from drujax.data.scenes import pair
    from drujax.runtime.benchmark import Contender

    folder = Path(resources.enter_context(tempfile.TemporaryDirectory()))
    dark = _enlarged(pair(0, 0, (270, 480))[0], config.height, config.width)
    Image.fromarray(dark).save(folder / "dark.png")
    environment = {**os.environ, "DRUJAX_CACHE": str(folder / "cache")}

    def contender(runtime: str) -> Contender:
        command = [sys.executable, "-m", "drujax", "enhance", "dark.png", "--overwrite", "--quiet"]
        command += [f"--model={config.model}", f"--runtime={runtime}"]

        def run() -> float:
            process = subprocess.Popen(command, cwd=folder, env=environment)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                raise UsageError(f"drujax enhance --runtime={runtime} failed")
            return usage.ru_maxrss / 1e3

        return Contender(runtime, run, _first_call_more(run))

    return [contender(name) for name in installed()], None


class _Compared(NamedTuple):
    """Enhanced scenes, n h w 3 uint8, and the same scenes painted in bright light."""

    enhanced: Any
    truth: Any


def int8(config: Int8, resources: contextlib.ExitStack) -> Contenders:
    """Returns float32 and int8; they return the enhanced scenes and their truth."""
    if "onnxruntime" not in installed():
        raise UsageError("int8: needs onnxruntime; pip install 'drujax[onnx]' adds it")
    import numpy as np

    from drujax.data.scenes import pair
    from drujax.enhance.enhancer import Enhancer
    from drujax.runtime.benchmark import Contender

    folder = Path(resources.enter_context(tempfile.TemporaryDirectory()))
    size = config.height, config.width
    pairs = [pair(1, index, size) for index in range(config.scenes)]
    truth = np.stack([bright for _, bright in pairs])
    floating, quantised = (Enhancer(config.model, runtime="onnxruntime") for _ in range(2))
    quantised._engine._gains = _quantised(  # pyright: ignore[reportAttributeAccessIssue]
        quantised._engine, [pair(0, index, size)[0] for index in range(config.calibration)], folder
    )

    def contender(name: str, enhancer: Enhancer) -> Contender:
        return Contender(name, lambda: _Compared(np.stack([enhancer(dark, 1.0) for dark, _ in pairs]), truth))

    return [contender("float32", floating), contender("int8", quantised)], None


def psnr_to_first(ours: Any, theirs: Any) -> float:
    """PSNR in dB of a contender's pictures to those of the first; infinite where they are equal."""
    return _psnr(theirs.first.enhanced, ours.first.enhanced)


def psnr_to_truth(_: Any, theirs: Any) -> float:
    """PSNR in dB of a contender's pictures to the same scenes in bright light."""
    return _psnr(theirs.first.enhanced, theirs.first.truth)


def luma_error(_: Any, theirs: Any) -> float:
    """Mean over the scenes of the absolute difference of mean luma, 0..255, to the truth."""
    from drujax.pictures.color import luma

    means = [luma(x.astype(float)).mean((1, 2)) for x in theirs.first]
    return float(abs(means[0] - means[1]).mean())


def _psnr(x: Any, y: Any) -> float:
    import numpy as np

    error = np.square(x.astype(float) - y).mean()
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


def _quantised(engine: Any, scenes: list[Any], folder: Path) -> Callable[[Any], list[Any]]:
    """Returns a session of the program "gains" with 8-bit convolutions, but for those of luma and of the last layer."""
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    from drujax.enhance.export.onnx_file import onnx_model
    from drujax.enhance.onnx_engine import SESSIONS
    from drujax.enhance.working_scale import at_working_scale
    from drujax.pictures import vips

    model = onnx_model(engine.variables, engine.metadata, program="gains")
    onnx.save(model, folder / "float.onnx")
    kernels = {entry.name: entry.dims for entry in model.graph.initializer}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    precise = [node.name for node in convolutions if kernels[node.input[1]][0] in (1, 3)]

    class Reader(CalibrationDataReader):
        def __init__(self):
            self._inputs = (at_working_scale(vips.of_array(scene)) for scene in scenes)

        def get_next(self) -> Any:
            image = next(self._inputs, None)
            return None if image is None else {"image": image.transpose(2, 0, 1)[None]}

    quantize_static(
        folder / "float.onnx",
        folder / "int8.onnx",
        Reader(),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["Conv"],
        nodes_to_exclude=precise,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    return SESSIONS["onnxruntime"](onnx.load(folder / "int8.onnx"))


def _first_call_more(run: Callable[[], Any]) -> float:
    """Returns how many seconds the first of two calls takes longer."""
    times = [time.perf_counter()]
    for _ in range(2):
        run()
        times.append(time.perf_counter())
    return max(0.0, 2 * times[1] - times[0] - times[2])


def _enlarged(picture: Any, height: int, width: int) -> Any:
    import numpy as np
    from PIL import Image

    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC))
