"""The report on an enhanced film; how the film is made, its streams, and processes that are killed."""

import shutil
import sys

import numpy as np
import pytest

from drujax.errors import UsageError
from experiments import films
from experiments._films import streams
from experiments._films.making import frame_times, make_film
from experiments._films.processes import Cost, run, run_until
from experiments._films.recoding import recode
from tests.support.films import numbered_film


@pytest.mark.slow
def test_the_report_of_the_command(tmp_path, model, command, capsys):
    arguments = ["--seconds=2", "--height=36", "--width=64", "--rounds=1", f"--model={model}"]
    assert films.from_arguments([*arguments, f"--folder={tmp_path / 'films'}", f"--out={tmp_path / 'report.md'}"]) == 0
    report = (tmp_path / "report.md").read_text()
    assert report == capsys.readouterr().out
    assert "48 frames" in report
    assert "the same bytes as undisturbed" in report
    assert "the times of their packets: the same" in report
    assert "| result: audio | aac | 95 |" in report
    assert (tmp_path / "films" / "whole.mkv").read_bytes() == (tmp_path / "films" / "resumed.mkv").read_bytes()


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--height=35", "height, width: must be even, got 35 and 1920"),
        ("--seconds=0.1", "seconds: must be at least 0.5, got 0.1"),
        ("--rounds=0", "rounds: must be >= 1, got 0"),
    ],
)
def test_options_that_are_refused(argument, message):
    with pytest.raises(UsageError, match=message):
        films.from_arguments([argument])


def test_the_film_has_a_variable_frame_rate():
    times = frame_times(3.0)
    assert len(times) == 24 + 24 + 12
    assert max(np.diff(times)) > 80


def test_streams_of_the_film(tmp_path):
    assert make_film(tmp_path / "a.mkv", seconds=2.0, height=36, width=64, seed=0) == 48
    found = streams.streams(tmp_path / "a.mkv")
    assert [(each.kind, each.codec, each.frames, each.language) for each in found] == [
        ("video", "h264", 48, "jpn"),
        ("audio", "aac", 95, "jpn"),
        ("audio", "aac", 95, "eng"),
        ("subtitle", "subrip", 1, "eng"),
    ]
    assert [len(times) for times in streams.packet_times(tmp_path / "a.mkv")] == [48, 95, 95, 1]
    if shutil.which("ffprobe"):
        assert streams._by_pyav(tmp_path / "a.mkv") == found


def test_streams_that_differ():
    one = streams.Stream("video", "h264", 48, 2.002, "1/1000", "jpn")
    assert streams.are_same([one], [one._replace(duration=2.001)])
    for other in ({"duration": 2.05}, {"frames": 47}, {"time_base": "1/24"}, {"language": ""}):
        assert not streams.are_same([one], [one._replace(**other)])
    assert not streams.are_same([one], [one, one])


def test_coding_alone(tmp_path):
    assert recode(numbered_film(tmp_path / "film.mkv", 8)) > 500


def test_what_a_process_costs():
    cost = run([sys.executable, "-c", "pass"])
    assert cost.cpu_seconds > 0
    assert cost.seconds > 0
    assert 3 < cost.peak_mb < 1e5
    with pytest.raises(UsageError, match="failed with exit code 3"):
        run([sys.executable, "-c", "raise SystemExit(3)"])


def test_a_process_is_killed(tmp_path):
    def begun() -> bool:
        return (tmp_path / "begun").exists()

    command = [sys.executable, "-c", f"import time; open({str(tmp_path / 'begun')!r}, 'w'); time.sleep(600)"]
    run_until(command, begun)
    with pytest.raises(UsageError, match="ended before it could be killed"):
        run_until([sys.executable, "-c", ""], lambda: False)


def test_costs_are_medians_of_rounds():
    costs = {"enhancing": [Cost(3.0, 6.0, 400.0)] * 2, "coding": [Cost(2.0, 3.0, 100.0), Cost(4.0, 5.0, 90.0)]}
    assert films._costs(costs, 10)[1:] == [
        ["enhancing", "3.0", "3.33", "600", "400", "1.00"],
        ["coding", "3.0", "3.33", "400", "100", "1.12"],
    ]
