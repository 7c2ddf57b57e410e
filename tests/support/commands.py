"""Commands that run in the process of the tests."""

from drujax.console import command_line
from experiments import prepare


def run_prepare(*arguments: object) -> int:
    """Runs `experiments.prepare`; returns the exit code."""
    return command_line.run(lambda: prepare.main([str(argument) for argument in arguments]), "prepare")
