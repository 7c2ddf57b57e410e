"""Options in the words of users."""

import dataclasses
from typing import Annotated

import pytest
import tyro

from drujax.console import command_line
from drujax.console.option_types import Flag, optional, positionals_together
from drujax.errors import UsageError


def _even(word: str) -> int:
    if int(word) % 2:
        raise ValueError(f"must be even, got {word}")
    return int(word)


@dataclasses.dataclass(frozen=True)
class Options:
    """Does something."""

    inputs: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    # Where to write.
    output: Annotated[str | None, optional(str, "PATH"), tyro.conf.arg(aliases=["-o"])] = None
    # An even number.
    number: Annotated[int | None, optional(_even, "EVEN")] = None
    # Says nothing.
    quiet: Annotated[Flag, tyro.conf.arg(aliases=["-q"])] = False
    # Also subfolders.
    recursive: Annotated[bool, tyro.conf.arg(aliases=["-r"])] = True


def parse(*arguments: str) -> Options:
    return command_line.parse(Options, positionals_together(arguments, Options), program="test")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["a", "-o", "out", "b"], Options(("a", "b"), "out")),
        (["-q", "a", "-r", "b", "--no-recursive", "c"], Options(("a", "b", "c"), quiet=True, recursive=False)),
        (["-oout", "a", "--number=4", "b"], Options(("a", "b"), "out", 4)),
        (["--number", "4", "a", "-o=x", "--", "-q", "--output"], Options(("a", "-q", "--output"), "x", 4)),
        (["-o", "None", "a"], Options(("a",), "None")),
        ([], Options()),
    ],
)
def test_inputs_may_be_anywhere(arguments, expected):
    assert parse(*arguments) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a", "--number=3"], "--number: must be even, got 3$"),
        (["a", "--number=3.5"], "^--number: .*3.5'"),
        (["a", "--quiet=yes"], "^--quiet: takes no value, got 'yes'$"),
        (["a", "", "--output=b"], "^'': an empty argument names no file; the current folder is .$"),
        (["a", "-o"], "Missing value for argument '-o/--output'"),
        (["a", "--nmber=3", "b"], r"^unknown option: --nmber=3. Did you mean --number\?$"),
    ],
)
def test_mistakes(arguments, message):
    with pytest.raises(UsageError, match=message):
        parse(*arguments)


def test_help_avoids_python_terms(capsys):
    with pytest.raises(SystemExit):
        parse("--help")
    printed = capsys.readouterr().out
    assert "--output PATH" in printed
    assert "--number EVEN" in printed
    assert "None}" not in printed
