import functools
import json
import os
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct

from drujax.errors import UsageError
from drujax.training.loop import LoopOptions, NotFinite, Stopped, train


@struct.dataclass
class State:
    step: jax.Array
    weights: jax.Array


@functools.partial(jax.jit, donate_argnums=0)
def step_function(state, batch):
    noise = jax.random.normal(jax.random.fold_in(jax.random.key(0), state.step), state.weights.shape)
    weights = state.weights * 0.9 + batch["x"].mean() + 0.1 * noise
    return State(state.step + 1, weights), {"loss": jnp.square(weights).mean(), "x": batch["x"].mean()}


def initial():
    return State(jnp.int32(0), jnp.zeros(5))


def batches_from(start, bad_step=None):
    step = start
    while True:
        yield {"x": jnp.full((4,), np.nan if step == bad_step else float(step))}
        step += 1


def run(workdir, steps, batches=batches_from, **options):
    workdir.mkdir(exist_ok=True)
    options = LoopOptions(**{"log_every": 2, "save_every": 3, "sample_every": 4} | options)
    return train(
        initial(),
        step_function,
        batches,
        steps=steps,
        workdir=workdir,
        options=options,
        sample=lambda state: np.full((2, 3, 3), int(state.step), np.uint8),
    )


def test_resumed_run_equals_the_uninterrupted_one(tmp_path):
    whole = run(tmp_path / "whole", 10)
    run(tmp_path / "parts", 4)
    parts = run(tmp_path / "parts", 10)
    assert int(parts.step) == 10
    np.testing.assert_array_equal(whole.weights, parts.weights)
    rows = [json.loads(line) for line in (tmp_path / "parts" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 3, 4, 6, 8, 9, 10]
    assert rows[0]["x"] == 0.5
    assert sorted(p.name for p in (tmp_path / "parts" / "samples").iterdir()) == [
        "0000004.png",
        "0000008.png",
        "0000010.png",
    ]


def test_a_finished_run_is_not_changed(tmp_path):
    run(tmp_path / "a", 4)
    before = (tmp_path / "a" / "metrics.jsonl").read_bytes()
    assert int(run(tmp_path / "a", 4).step) == 4
    assert (tmp_path / "a" / "metrics.jsonl").read_bytes() == before


def test_keeps_the_newest_checkpoints(tmp_path):
    run(tmp_path / "a", 8, save_every=1, keep_checkpoints=2)
    steps = [p.name for p in (tmp_path / "a" / "checkpoints").iterdir() if p.name.isdigit()]
    assert sorted(map(int, steps)) == [7, 8]


def test_non_finite_metric_stops_the_run_and_names_the_last_good_checkpoint(tmp_path):
    with pytest.raises(
        NotFinite, match=r"loss, x not finite between steps 7 and 8; the last good checkpoint is step 6"
    ):
        run(tmp_path / "a", 20, batches=functools.partial(batches_from, bad_step=7))
    # The next regular checkpoint would be step 9.
    assert int(run(tmp_path / "a", 6).step) == 6


def test_at_most_one_step_is_dispatched_ahead(tmp_path, monkeypatch):
    """A stopped run would have to finish all dispatched steps first."""
    made, waited_for = [], []
    monkeypatch.setattr(jax, "block_until_ready", waited_for.append)

    def ahead(state, batch):
        assert all(any(metrics is seen for seen in waited_for) for metrics in made[:-1])
        state, metrics = step_function(state, batch)
        made.append(metrics)
        return state, metrics

    options = LoopOptions(log_every=50, save_every=50, sample_every=50)
    train(initial(), ahead, batches_from, steps=6, workdir=tmp_path, options=options)
    assert len(made) == 6


def test_non_finite_gradients_stop_the_run(tmp_path):
    """The loss is finite, but the method's metric "finite" reports the gradients."""

    def step(state, batch):
        state, metrics = step_function(state, batch)
        return state, {"loss": metrics["loss"], "finite": jnp.float32(batch["x"][0] != 7)}

    options = LoopOptions(log_every=2, save_every=3, sample_every=4)
    with pytest.raises(
        NotFinite, match="gradients not finite between steps 7 and 8; the last good checkpoint is step 6"
    ):
        train(initial(), step, batches_from, steps=20, workdir=tmp_path, options=options)


def test_intervals_must_be_positive():
    with pytest.raises(UsageError, match="log_every: must be >= 1, got 0"):
        LoopOptions(log_every=0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_saves_the_state_and_the_run_can_be_resumed(tmp_path, number):
    def interrupting(start):
        for i, batch in enumerate(batches_from(start)):
            if i == 4:
                os.kill(os.getpid(), number)
            yield batch

    with pytest.raises(Stopped, match="stopped at step 5") as stopped:
        run(tmp_path / "a", 10, batches=interrupting)
    assert stopped.value.exit_code == 128 + number
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    resumed = run(tmp_path / "a", 10)
    np.testing.assert_array_equal(resumed.weights, run(tmp_path / "b", 10).weights)


def test_on_step_sees_every_step_before_it_is_saved(tmp_path):
    seen = []

    def on_step(step):
        seen.append((step, (tmp_path / "checkpoints" / str(step)).exists()))

    options = LoopOptions(log_every=1, save_every=1, sample_every=9)
    train(initial(), step_function, batches_from, steps=3, workdir=tmp_path, options=options, on_step=on_step)
    assert seen == [(1, False), (2, False), (3, False)]
