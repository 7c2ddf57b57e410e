import json

import numpy as np

from drujax.training.logging import MetricWriter


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_resumed_run_replaces_repeated_lines(tmp_path):
    writer = MetricWriter(tmp_path)
    for step in (1, 2, 3):
        writer.write(step, {"loss": float(step)})
    writer.close()
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "lo')  # killed while writing
    writer = MetricWriter(tmp_path, start_step=2)
    writer.write(3, {"loss": 30.0})
    writer.close()
    assert lines(tmp_path) == [{"step": 1, "loss": 1.0}, {"step": 2, "loss": 2.0}, {"step": 3, "loss": 30.0}]


def test_tensorboard_events(tmp_path):
    writer = MetricWriter(tmp_path, tensorboard=True)
    writer.write(1, {"loss": 1.0})
    writer.picture(1, "samples", np.zeros((4, 4, 3), np.uint8))
    writer.close()
    (events,) = tmp_path.glob("events.*")
    assert b"samples" in events.read_bytes()
    assert lines(tmp_path) == [{"step": 1, "loss": 1.0}]
