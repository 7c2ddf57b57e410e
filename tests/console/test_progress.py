import io
import re
import sys

import pytest

from drujax.console import progress
from drujax.console.progress import Progress


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress.time, "monotonic", clock)
    return clock


def test_plain_lines_report_rate_and_remaining_time(clock, capsys):
    with Progress("training", total=100, done=20) as reported:
        clock.now = 10.0
        reported.to(25)  # too soon for a line
        clock.now = 20.0
        reported.to(40)
        clock.now = 3700.0
        reported.to(41)
        reported.log("loss 1")
    assert capsys.readouterr().err.splitlines() == [
        "training 40/100 steps, 1.50 steps/s, 0:40 left",
        "training 41/100 steps, 3680.0 s/step, 60:18:40 left",
        "training 41/100 steps, 3680.0 s/step, 60:18:40 left: loss 1",
    ]


def test_compiling_does_not_count_as_a_step(clock, capsys):
    """The first step takes ten minutes, the others a second each."""
    with Progress("training", total=1000) as reported:
        reported.log("at the start")
        for step in range(1, 12):
            clock.now = 600.0 + step
            reported.to(step)
            if step in (1, 2, 11):
                reported.log("loss 1")
    assert capsys.readouterr().err.splitlines() == [
        "training 0/1000 steps: at the start",
        "training 1/1000 steps",  # due after so long a time
        "training 1/1000 steps: loss 1",
        "training 2/1000 steps, 1.00 steps/s, 16:38 left: loss 1",
        "training 11/1000 steps, 1.00 steps/s, 16:29 left: loss 1",
    ]


def test_the_rate_is_that_of_the_last_minute(clock, capsys):
    with Progress("training", total=10_000) as reported:
        for step in range(1, 101):
            clock.now += 1.0
            reported.to(step)
        for step in range(101, 3101):
            clock.now += 0.1
            reported.to(step)
        assert len(reported._rate._samples) < 200
        capsys.readouterr()
        reported.log("")
    assert ", 10.00 steps/s, 11:30 left" in capsys.readouterr().err


def test_steps_longer_than_the_window_have_a_rate_too(clock, capsys):
    with Progress("training", total=4) as reported:
        for step in (1, 2, 3):
            clock.now += 1000.0
            reported.to(step)
    assert capsys.readouterr().err.splitlines()[-1] == "training 3/4 steps, 1000.0 s/step, 16:40 left"


def test_errors_are_printed_on_separate_lines(clock, capsys):
    with Progress("scoring", total=3, unit="picture") as reported:
        reported.say("left out a\n.png: not a picture")
        reported.to(1)
        reported.say("left out b.png: not a picture")
    assert capsys.readouterr().err.splitlines() == [
        r"left out a\n.png: not a picture",
        "left out b.png: not a picture",
    ]


def test_quiet(capsys):
    with Progress("training", total=2, quiet=True) as reported:
        reported.to(1)
        reported.say("a.png: skipped")
        reported.log("loss 1")
    assert capsys.readouterr().err == ""


def test_without_stderr_work_continues(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    with Progress("training", total=2) as reported:
        reported.to(1)
        reported.log("loss 1")


class Terminal(io.StringIO):
    def isatty(self):
        return True

    @property
    def text(self) -> str:
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.getvalue())


def open_terminal(monkeypatch, kind: str = "xterm") -> Terminal:
    """Must be called in the test itself: pytest sets stderr between the fixtures and the test."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", kind)
    monkeypatch.setenv("COLUMNS", "100")
    return terminal


def test_a_bar_on_a_terminal(clock, monkeypatch):
    terminal = open_terminal(monkeypatch)
    with Progress("enhancing", total=3, unit="picture") as reported:
        reported.to(1)
        clock.now = 2.0
        reported.to(2)
        reported.say("left out a\x1b[2J.png: not a picture")
        reported.log("loss 1")
    assert "enhancing" in terminal.text
    assert "2/3 0.50 pictures/s, 0:02 left" in terminal.text
    assert "left out a\\x1b[2J.png: not a picture\n" in terminal.text
    assert "2/3 loss 1\n" in terminal.text


def test_stdout_is_not_redirected(monkeypatch, capsys):
    """Redirected above the bar, it would go to stderr and be missing from the file or pipe."""
    terminal = open_terminal(monkeypatch)
    with Progress("enhancing", total=1):
        print("result")
    assert capsys.readouterr().out == "result\n"
    assert "result" not in terminal.text


def test_a_terminal_that_cannot_move_its_cursor_gets_plain_lines(monkeypatch):
    terminal = open_terminal(monkeypatch, "dumb")
    with Progress("enhancing", total=1, unit="picture") as reported:
        reported.log("start")
    assert terminal.getvalue() == "enhancing 0/1 pictures: start\n"
