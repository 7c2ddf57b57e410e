import dataclasses
from typing import Literal

import pytest

from drujax.console import command_line
from drujax.errors import UsageError, unknown


@dataclasses.dataclass(frozen=True)
class Optimiser:
    # Of all networks.
    learning_rate: float = 1e-4


@dataclasses.dataclass(frozen=True)
class Config:
    """A run."""

    preset: str = "paper"
    backbone: Literal["resnet18", "vit_b16"] = "vit_b16"
    optimiser: Optimiser = Optimiser()


PRESETS = {"paper": Config(), "debug": Config(preset="debug", optimiser=Optimiser(1.0))}


def parse(*arguments):
    return command_line.parse(Config, arguments, program="train", presets=PRESETS)


def test_arguments_override_the_preset():
    assert parse() == Config()
    assert parse("--preset=debug").optimiser.learning_rate == 1.0
    config = parse("--preset", "debug", "--backbone=resnet18")
    assert (config.preset, config.backbone, config.optimiser.learning_rate) == ("debug", "resnet18", 1.0)
    assert parse("--optimiser.learning_rate=2").optimiser.learning_rate == 2


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--preset=debgu", r"--preset: unknown value 'debgu'. Did you mean debug\? Choices: paper, debug."),
        ("--backbone=vit", r"^--backbone: unknown value 'vit'. Did you mean vit_b16\? Choices: resnet18, vit_b16.$"),
        ("--backbone=VIT_B16", r"^--backbone: unknown value 'VIT_B16'. Did you mean vit_b16\?"),
        ("more", r"^unexpected argument: more. See --help.$"),
        ("--bakbone=vit_b16", r"unknown option: --bakbone=vit_b16. Did you mean --backbone\?"),
        ("--optimiser.learning-rte=1", r"Did you mean --optimiser.learning-rate\?"),
        ("--optimiser.learning-rate=a", r"--optimiser.learning-rate: must be a number, got 'a'"),
    ],
)
def test_mistakes_are_reported_in_one_line(argument, message):
    with pytest.raises(UsageError, match=message) as error:
        parse(argument)
    assert "\n" not in str(error.value)


def test_help_prints_and_exits(capsys):
    with pytest.raises(SystemExit) as stop:
        parse("--help")
    assert stop.value.code == 0
    assert "Of all networks." in capsys.readouterr().out


def test_run_turns_mistakes_into_one_line_and_exit_code_2(capsys):
    def main():
        raise unknown("--model", "dru", ["dru-vgg19"])

    assert command_line.run(main, "drujax") == 2
    assert capsys.readouterr().err == ("drujax: error: --model: unknown value 'dru'. Choices: dru-vgg19.\n")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (UsageError("a\nb.png: damaged picture"), r"a\nb.png: damaged picture"),
        (FileNotFoundError(2, "No such file or directory", "a  b.png"), "a  b.png: no such file or directory"),
        (OSError(28, "No space left on device"), "no space left on device"),
        (OSError("no socket"), "no socket"),
        (ModuleNotFoundError("No module", name="grain.python"), "pip install 'drujax[train]'"),
        (ModuleNotFoundError("No module", name="h5py"), "h5py is not installed: pip install 'drujax[keras]'"),
        (MemoryError(), "out of memory; smaller pictures or batches need less"),
        (
            RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes.\nmore"),
            "need less (RESOURCE_EXHAUSTED: Out",
        ),
    ],
)
def test_a_mistake_is_one_line_with_advice(error, line, capsys):
    def main():
        raise error

    assert command_line.run(main, "drujax") == 2
    captured = capsys.readouterr().err
    assert line in captured
    assert captured.count("\n") == 1


def test_run_reraises_bugs():
    with pytest.raises(ZeroDivisionError):
        command_line.run(lambda: 1 // 0, "drujax")

    def fail(error):
        raise error

    for error in (RuntimeError("a defect"), ModuleNotFoundError("No module named 'x'", name="x"), AssertionError()):
        with pytest.raises(type(error)):
            command_line.run(lambda error=error: fail(error), "drujax")
    assert command_line.run(lambda: None, "drujax") == 0


def test_arguments_in_errors_are_named_by_their_flags_unless_they_are_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command_line.with_flag("backbone: unknown value", Config) == "--backbone: unknown value"
    (tmp_path / "backbone").mkdir()
    assert command_line.with_flag("backbone: no pictures", Config) == "backbone: no pictures"
