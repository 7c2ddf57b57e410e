"""The configuration of a run from command-line arguments."""

from drujax.console import command_line
from drujax.methods import registry
from drujax.methods.config import PRESETS, TrainConfig, config_type, preset_config


def configuration(arguments: list[str]) -> TrainConfig:
    """Parses command-line arguments. The default preset is `embedded` without --data, else `paper`."""
    given = {argument.split("=")[0] for argument in arguments}
    if not given & {"--preset", "--data"}:
        arguments = ["--preset=embedded", *arguments]
    method = command_line.value_of("--method", arguments) or "enlightengan"
    presets = {name: preset_config(name, method) for name in PRESETS}
    return command_line.parse(
        config_type(method), arguments, program="experiments.train", presets=presets, owner_of=_owner_of
    )


def _owner_of(flag: str) -> str:
    """Returns a sentence that names the methods whose option `flag` is; empty where there is none."""
    owners = [name for name in registry.trained() if command_line.has_flag(config_type(name), flag)]
    return f". It is an option of {', '.join(f'--method={name}' for name in owners)}" if owners else ""
