"""The training loop of all methods: steps, metrics, samples, checkpoints, resuming.

The data and randomness of step k depend only on the seed and k, so a resumed run equals an uninterrupted one (bit for
bit on CPU).
"""

import contextlib
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from drujax.console.progress import Progress
from drujax.pictures.io import write_picture
from drujax.pictures.picture import Picture
from drujax.training.checkpoint import Checkpoints
from drujax.training.logging import MetricWriter
from drujax.training.recipe import LoopOptions
from drujax.training.workdir import SAMPLES

State = Any
Step = Callable[[State, dict[str, jax.Array]], tuple[State, dict[str, jax.Array]]]


class NotFinite(ArithmeticError):
    """A metric became NaN or infinite."""


class Stopped(Exception):
    """The run was stopped by a signal (SIGTERM, Ctrl-C) and has saved its state."""

    def __init__(self, signal_number: int, step: int):
        super().__init__(f"stopped at step {step} by {signal.Signals(signal_number).name}; its state is saved")
        self.exit_code = 128 + signal_number


def train(
    state: State,
    step_function: Step,
    batches_from: Callable[[int], Iterator[dict[str, jax.Array]]],
    *,
    steps: int,
    workdir: Path,
    options: LoopOptions,
    sample: Callable[[State], np.ndarray] | None = None,
    on_step: Callable[[int], None] | None = None,
) -> State:
    """Trains from the newest checkpoint in `workdir`, or from `state`, up to step `steps`; returns the final state.

    Args:
        state: initial state, with its shardings; its attribute `step` counts completed steps.
        step_function: (state, batch) -> (state, metrics), jitted; it may donate the state.
        batches_from: from a step to an iterator of the batches from that step on, on the devices.
        steps: step at which the run ends.
        workdir: folder for `checkpoints/`, `metrics.jsonl` and `samples/`.
        options: intervals of logging, sampling and saving.
        sample: state -> UInt8 h w 3, the sample grid.
        on_step: called with the number of each dispatched step, before it is logged or saved.

    Raises:
        NotFinite: a metric is NaN or infinite, or the metric "finite" is below 1; the message names the steps and the
            last good checkpoint.
        Stopped: SIGTERM or SIGINT was received; the state is saved.
    """
    with Checkpoints(workdir / "checkpoints", keep=options.keep_checkpoints) as checkpoints, _stop_signal() as stopped:
        if checkpoints.latest_step is not None:
            state = checkpoints.restore(state)
        first = int(state.step)
        if first >= steps:
            return state
        batches = batches_from(first)
        record = RunLogger(workdir, first, steps, options, sample)
        try:
            for step in range(first + 1, steps + 1):
                batch = next(batches)
                state, metrics = step_function(state, batch)
                record.add(step, metrics, batch_size=len(next(iter(batch.values()))))
                if on_step is not None:
                    on_step(step)
                last = step == steps or stopped
                if last or step % options.log_every == 0:
                    record.log(step, last_good=checkpoints.latest_step)
                if last or step % options.save_every == 0:
                    # Log first: it raises on metrics that are not finite, so that every checkpoint is good.
                    record.log(step, last_good=checkpoints.latest_step)
                    checkpoints.save(step, state, wait=bool(last))
                if last or step % options.sample_every == 0:
                    record.sample(step, state)
                if stopped:
                    raise Stopped(stopped[0], step)
        finally:
            record.close()
            close = getattr(batches, "close", None)
            if close is not None:
                close()
    return state


class RunLogger:
    """Logs progress, metrics.jsonl and sample grids of a run. Only the first process writes."""

    def __init__(self, workdir: Path, first: int, steps: int, options: LoopOptions, sample):
        self._writes = jax.process_index() == 0
        self._workdir = workdir
        self._sample = sample
        self._pending: list[dict[str, jax.Array]] = []
        self._before: dict[str, jax.Array] = {}
        self._logged = first
        self._pictures = 0
        self._start = time.monotonic()
        self._writer = None
        if self._writes:
            self._writer = MetricWriter(workdir, start_step=first, tensorboard=options.tensorboard)
        self._progress = Progress("training", total=steps, done=first, unit="step", quiet=not self._writes)

    def add(self, step: int, metrics: dict[str, jax.Array], *, batch_size: int) -> None:
        self._pending.append(metrics)  # not fetched yet, so that the device computes this step in the background
        self._pictures += batch_size
        # Dispatch at most one step ahead; a stopped run would have to finish all dispatched steps first.
        jax.block_until_ready(self._before)
        self._before = metrics
        self._progress.to(step)

    def log(self, step: int, *, last_good: int | None) -> None:
        if not self._pending:
            return
        rows = jax.device_get(self._pending)
        means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
        bad = [name for name, value in means.items() if not math.isfinite(value)]
        if not bad and means.get("finite", 1.0) < 1:  # the losses are finite, but their gradients are not
            bad = ["gradients"]
        if bad:
            good = f"the last good checkpoint is step {last_good}" if last_good else "no checkpoint has been written"
            raise NotFinite(
                f"{', '.join(bad)} not finite between steps {self._logged + 1} and {step}; {good} "
                f"({self._workdir / 'checkpoints'}). A lower learning rate or float32 may help."
            )
        seconds = time.monotonic() - self._start
        means["pictures_per_second"] = self._pictures / seconds
        if self._writer is not None:
            self._writer.write(step, means)
        self._progress.log(" ".join(f"{name} {value:.4g}" for name, value in means.items()))
        self._pending, self._logged, self._pictures, self._start = [], step, 0, time.monotonic()

    def sample(self, step: int, state: State) -> None:
        if self._sample is None:
            return
        start = time.monotonic()
        grid = self._sample(state)
        if self._writer is not None:
            folder = self._workdir / SAMPLES
            folder.mkdir(exist_ok=True)
            write_picture(folder / f"{step:07d}.png", Picture(rgb=grid, alpha=None, format="PNG"))
            self._writer.picture(step, "samples", grid)
        self._start += time.monotonic() - start  # exclude sampling from the training rate

    def close(self) -> None:
        self._progress.close()
        if self._writer is not None:
            self._writer.close()


@contextlib.contextmanager
def _stop_signal():
    """Yields a list that receives the number of the first SIGTERM or SIGINT; a second one has its usual effect."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received  # only the main thread may set handlers
        return
    before = {}

    def remember(number, _frame):
        received.append(number)
        signal.signal(number, before[number])

    for number in (signal.SIGTERM, signal.SIGINT):
        before[number] = signal.signal(number, remember)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
