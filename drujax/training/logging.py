"""Metrics of a run: `metrics.jsonl` (one JSON object per line), and TensorBoard events on request."""

import json
import os
from pathlib import Path

from drujax.errors import UsageError
from drujax.runtime.atomic_write import write_atomically


class MetricWriter:
    """Appends metrics to `workdir/metrics.jsonl`; a resumed run drops the lines after the step it starts from.

    Args:
        workdir: the run's folder.
        start_step: lines of a later step are removed, since the run makes them again.
        tensorboard: writes the scalars and pictures as TensorBoard events too (extra `tensorboard`).
    """

    def __init__(self, workdir: Path, *, start_step: int = 0, tensorboard: bool = False):
        self._path = workdir / "metrics.jsonl"
        if self._path.exists():
            self._drop_lines_after(start_step)
        self._file = self._path.open("a", encoding="utf-8")
        self._events = _tensorboard(workdir) if tensorboard else None

    def write(self, step: int, metrics: dict[str, float]) -> None:
        """Writes one line {"step": step, **metrics}; it is on disk when this returns."""
        self._file.write(json.dumps({"step": step, **metrics}) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        if self._events is not None:
            for name, value in metrics.items():
                self._events.add_scalar(name, value, step)

    def picture(self, step: int, name: str, rgb) -> None:
        """Shows `rgb` (UInt8 h w 3) in TensorBoard; the file on disk is the caller's."""
        if self._events is not None:
            self._events.add_image(name, rgb, step, dataformats="HWC")

    def close(self) -> None:
        self._file.close()
        if self._events is not None:
            self._events.close()

    def _drop_lines_after(self, step: int) -> None:
        # A run that was killed while writing may have left half a line at the end; it belongs to a step made again.
        kept = [
            line for line in self._path.read_text(encoding="utf-8").split("\n")[:-1] if json.loads(line)["step"] <= step
        ]
        write_atomically(self._path, "".join(line + "\n" for line in kept).encode())


def _tensorboard(workdir: Path):
    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        raise UsageError("--tensorboard needs the package tensorboardX: pip install 'drujax[tensorboard]'") from error
    return SummaryWriter(str(workdir))
