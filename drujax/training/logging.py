"""Metrics of a run: `metrics.jsonl` (one JSON object per line), and TensorBoard events on request."""

import json
import os
from pathlib import Path

from drujax.errors import UsageError
from drujax.runtime.atomic_write import write_atomically


class MetricWriter:
    """Appends metrics to `workdir/metrics.jsonl`; a resumed run first removes the lines after its starting step.

    Args:
        workdir: folder of the run.
        start_step: lines of later steps are removed, since the run repeats these steps.
        tensorboard: also write scalars and images as TensorBoard events (extra `tensorboard`).
    """

    def __init__(self, workdir: Path, *, start_step: int = 0, tensorboard: bool = False):
        self._path = workdir / "metrics.jsonl"
        if self._path.exists():
            self._drop_lines_after(start_step)
        self._file = self._path.open("a", encoding="utf-8")
        self._events = _tensorboard(workdir) if tensorboard else None

    def write(self, step: int, metrics: dict[str, float]) -> None:
        """Writes the line {"step": step, **metrics} and flushes it to disk."""
        self._file.write(json.dumps({"step": step, **metrics}) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        if self._events is not None:
            for name, value in metrics.items():
                self._events.add_scalar(name, value, step)

    def picture(self, step: int, name: str, rgb) -> None:
        """Adds `rgb` (UInt8 h w 3) to TensorBoard; writing image files is left to the caller."""
        if self._events is not None:
            self._events.add_image(name, rgb, step, dataformats="HWC")

    def close(self) -> None:
        self._file.close()
        if self._events is not None:
            self._events.close()

    def _drop_lines_after(self, step: int) -> None:
        # A run that was killed while writing may have left a partial last line; its step is repeated.
        kept = [
            line for line in self._path.read_text(encoding="utf-8").split("\n")[:-1] if json.loads(line)["step"] <= step
        ]
        write_atomically(self._path, "".join(line + "\n" for line in kept).encode())


def _tensorboard(workdir: Path):
    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        raise UsageError("tensorboard: tensorboardX is not installed: pip install 'drujax[tensorboard]'") from error
    return SummaryWriter(str(workdir))
