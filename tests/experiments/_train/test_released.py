"""The stages of --preset=released: what each runs, and where it starts."""

import pytest

from drujax.errors import UsageError
from experiments import train
from experiments._train.released import STAGES, run_stages

GIVEN = ["--preset=released", "--data=D", "--workdir", "W"]


def stages(*arguments, code=0):
    """The arguments of each stage that is run."""
    ran = []

    def run(options):
        ran.append(options)
        return code

    assert run_stages([*GIVEN, *arguments], run) == code
    return ran


def test_each_stage_is_a_valid_run_that_starts_where_the_last_one_ended(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in STAGES:
        (tmp_path / "W" / name).mkdir(parents=True)
        (tmp_path / "W" / name / "weights.safetensors").touch()
    configs = [train.configuration(options) for options in stages("--gan.perceptual=random")]
    assert [config.method for config in configs] == ["exposure", "exposure", "enlightengan"]
    assert [config.workdir.as_posix() for config in configs] == [f"W/{name}" for name in STAGES]
    assert [config.init and config.init.as_posix() for config in configs] == [
        None,
        "W/1-exposure/weights.safetensors",
        "W/2-drawn/weights.safetensors",
    ]
    assert all(config.backbone == "mobilenet_v2" for config in configs)


def test_options_apply_to_the_stages_that_have_them():
    first, second, last = stages("--seed=3", "--gan.patches", "4", "--recipe.steps=5")
    assert all("--seed=3" in stage and "--recipe.steps=5" in stage for stage in (first, second, last))
    assert "--gan.patches=4" in last
    assert "--gan.patches=2" not in last
    assert not any("patches" in option for option in (*first, *second))


def test_an_option_of_no_stage_reaches_the_parser():
    with pytest.raises(UsageError, match=r"unknown option: --gan\.foo=3"):
        train.run([*GIVEN, "--gan.foo=3"])


def test_a_stage_that_stops_is_the_last():
    assert len(stages(code=130)) == 1


def test_help_prints_the_options(capsys):
    with pytest.raises(SystemExit) as end:
        train.run(["--preset=released", "--help"])
    assert end.value.code == 0
    assert "--recipe.short-side" in capsys.readouterr().out


@pytest.mark.parametrize("argument", ["--method=sci", "--init=weights.safetensors", "--dru"])
def test_what_the_stages_set_is_refused(argument):
    with pytest.raises(UsageError, match=f"^{argument.partition('=')[0]}: the stages of --preset=released set it"):
        train.run([*GIVEN, argument])


def test_a_dataset_is_needed():
    with pytest.raises(UsageError, match="^--data: needed by --preset=released"):
        train.run(["--preset=released"])
