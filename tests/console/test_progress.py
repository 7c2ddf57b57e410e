import io
import sys

from drujax.console import progress
from drujax.console.progress import Progress


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_plain_lines_tell_rate_and_remaining_time(monkeypatch, capsys):
    clock = Clock()
    monkeypatch.setattr(progress.time, "monotonic", clock)
    with Progress("training", total=100, done=20) as told:
        clock.now = 10.0
        told.to(25)  # too soon for a line
        clock.now = 20.0
        told.to(40)
        clock.now = 3700.0
        told.to(41)
        told.say("loss 1")
    assert capsys.readouterr().err.splitlines() == [
        "training 40/100 steps, 1.00 steps/s, 1:00 left",
        "training 41/100 steps, 0.01 steps/s, 2:53:15 left",
        "training 41/100 steps, 0.01 steps/s, 2:53:15 left: loss 1",
    ]


def test_quiet(capsys):
    with Progress("training", total=2, quiet=True) as told:
        told.to(1)
        told.say("loss 1")
    assert capsys.readouterr().err == ""


def test_a_bar_on_a_terminal(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with Progress("enhancing", total=2, unit="picture") as told:
        told.to(2)
        told.say("a.png: skipped")
    assert "enhancing" in terminal.getvalue()
    assert "2/2" in terminal.getvalue()
    assert "a.png: skipped" in terminal.getvalue()
