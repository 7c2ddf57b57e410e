"""Shared by all entry points: parsing the command line, and reporting a user's mistake in one line."""

import contextlib
import dataclasses
import difflib
import io
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Literal, TypeVar

import tyro

from drujax.console import output
from drujax.errors import UsageError, describe, unknown
from drujax.runtime.devices import start_up_failure
from drujax.runtime.extras import extra_with
from drujax.runtime.memory import is_out_of_memory

Config = TypeVar("Config")

# What tyro prints before the help of an option: `-o PATH, --output PATH`, `--model STR`, `{bash,zsh}`, `PATH`.
_LABEL = r"(?:-\w \S+, )?--[\w.-]+(?: [A-Z]\S*| \{.*?\})?|\{.*?\}|[A-Z]+"


def _strength(words: list[str]) -> float | Literal["auto"]:
    if words == ["auto"]:
        return "auto"
    try:
        return float(words[0])
    except ValueError:
        raise ValueError(f"{words[0]!r} is neither a number nor auto") from None


# The strength of `drujax.enhance.enhancer.Enhancer` as a command-line option.
Strength = Annotated[
    float | Literal["auto"],
    tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="0..1.5|auto",
        instance_from_str=_strength,
        is_instance=lambda value: value == "auto" or isinstance(value, float),
        str_from_instance=lambda value: [str(value)],
    ),
]


def _exposure(word: str) -> float | None:
    try:
        return None if word == "auto" else float(word)
    except ValueError:
        raise ValueError(f"{word!r} is neither a number nor auto") from None


# The exposure of `drujax.enhance.enhancer.Enhancer` as a command-line option; auto is None.
Exposure = Annotated[
    float | None,
    tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="auto|LUMA",
        instance_from_str=lambda words: _exposure(words[0]),
        is_instance=lambda value: value is None or isinstance(value, float),
        str_from_instance=lambda value: ["auto" if value is None else str(value)],
    ),
]


def run(main: Callable[[], int | None], program: str) -> int:
    """Calls `main`; returns its exit code, 2 after one line on stderr for a user's mistake, 130 when interrupted.

    JAX failing to start, a missing extra and running out of memory are reported in the same way. If the reader of
    stdout closes the pipe, the exit code is 141, as for SIGPIPE.
    """
    output.prepare()
    try:
        try:
            return main() or 0
        finally:
            output.flush()  # here, because an error while Python exits prints a traceback
    except BrokenPipeError:
        output.discard(sys.stdout)
        return 141
    except KeyboardInterrupt:
        output.complain(f"{program}: interrupted")
        return 130
    except Exception as error:
        mistake = _mistake(error)
        if mistake is None:
            raise
        if isinstance(error, OSError) and error.filename == output.STDOUT:
            output.discard(sys.stdout)
        output.complain(f"{program}: error: {mistake}")
        return 2


def parse(
    config: type[Config],
    arguments: Sequence[str],
    *,
    program: str,
    presets: Mapping[str, Config] | None = None,
    owner_of: Callable[[str], str] = lambda flag: "",
) -> Config:
    """Parses command-line `arguments` to a `config` (a frozen dataclass); `--help` prints and exits.

    With `presets`, `--preset=NAME` chooses the defaults which the other arguments override. `owner_of` returns a hint
    for the error about an unrecognised flag.

    Raises:
        UsageError: an argument is unknown, lacks its value, or has an invalid one.
    """
    default = tyro.MISSING_NONPROP
    if presets:
        name = value_of("--preset", arguments)
        if name is not None:
            if name not in presets:
                raise unknown("--preset", name, presets)
            default = presets[name]
    stderr = io.StringIO()
    try:
        with contextlib.redirect_stderr(stderr):
            return tyro.cli(
                config, args=list(arguments), prog=program, default=default, config=(tyro.conf.AvoidSubcommands,)
            )
    except SystemExit as stop:
        if stop.code in (0, None):
            raise
        raise UsageError(with_flag(_one_line(stderr.getvalue(), config, owner_of), config)) from None


@contextlib.contextmanager
def flags_in_errors(config: type) -> Iterator[None]:
    """Name arguments by their flags in the library's errors, which begin with `argument: `; see `with_flag`."""
    try:
        yield
    except UsageError as error:
        raise UsageError(with_flag(str(error), config)) from error


def with_flag(message: str, config: type) -> str:
    """Return `message` with the flag of `config` in place of the argument at its beginning.

    `batch_size: must be ...` becomes `--recipe.batch-size: must be ...`, the first flag of that name. Messages that do
    not begin with an argument of `config`, or begin with an existing file of that name, are returned unchanged.
    """
    if match := re.match(r"Error parsing [\w.-]+: (?=[\w.]+: )", message):  # of a dataclass
        message = message.removeprefix(match[0])
    argument, colon, rest = message.partition(": ")
    name = argument.replace("_", "-")
    flags = [flag for flag in _flags(config) if flag == f"--{name}" or flag.endswith(f".{name}")]
    return f"{flags[0]}{colon}{rest}" if colon and flags and not os.path.lexists(argument) else message


def value_of(flag: str, arguments: Sequence[str]) -> str | None:
    """Returns the value of `flag` in unparsed `arguments`, or None."""
    for position, argument in enumerate(arguments):
        if argument.startswith(flag + "="):
            return argument.removeprefix(flag + "=")
        if argument == flag and position + 1 < len(arguments):
            return arguments[position + 1]
    return None


def name_value_pairs(given: Sequence[str], argument: str) -> list[tuple[str, str]]:
    """Splits each NAME=VALUE of `argument`. Raises UsageError for one without =."""
    for text in given:
        if "=" not in text:
            raise UsageError(f"{argument}: {text!r} is not NAME=VALUE")
    return [(name, value) for name, _, value in (text.partition("=") for text in given)]


def _mistake(error: Exception) -> str | None:
    """Returns the message for an error that the user can fix; None for a bug."""
    if isinstance(error, UsageError | OSError):
        return describe(error)
    if isinstance(error, ModuleNotFoundError) and (extra := extra_with(error.name)) is not None:
        return f"{error.name} is not installed: pip install 'drujax[{extra}]'"
    if is_out_of_memory(error):
        reason = str(error).strip().partition("\n")[0]
        return f"out of memory; smaller pictures or batches need less{f' ({reason})' if reason else ''}"
    # What JAX raises when it is imported or started (AssertionError: CUDA is missing).
    if isinstance(error, RuntimeError | ValueError | ImportError | AssertionError):
        return start_up_failure(error)
    return None


def _one_line(box: str, config: type, owner_of: Callable[[str], str]) -> str:
    """Reduces tyro's boxed error to its message, and adds the nearest argument."""
    lines = [line.strip("│ ").strip() for line in re.sub(r"\x1b\[[0-9;]*m", "", box).splitlines()]
    parts: list[list[str]] = [[]]  # between rules: title (empty if it is in the frame), message, help
    for line in lines:
        if line.startswith(("╭", "╰", "─", "---")):  # "---" on ASCII terminals
            parts.append([])
        elif line:
            parts[-1].append(line)
    text = " ".join(parts[1])
    text = re.sub(r"Error parsing (--[\w.-]+): ", r"\1: ", text)
    text = text.replace("invalid literal for int() with base 10: ", "must be a whole number, got ")
    text = text.replace("could not convert string to float: ", "must be a number, got ")
    if match := re.search(r"invalid choice '(.*)' for argument '(.*?)'. Expected one of \((.*?),?\)", text):
        argument = match[2] if match[2].startswith("-") else match[2].upper()  # positional
        return str(unknown(argument, match[1], re.findall(r"'([^']*)'", match[3])))
    if match := re.search(r"Missing from [^:]*: (.*)", text):
        return "missing: " + re.sub(rf"({_LABEL}) (.*?) \(required\)", r"\1 (\2)", match[1])
    if match := re.search(r"Unrecognized options: ((\S+).*)", text):
        return _unrecognised(match[1], match[2], config, owner_of)
    return text


def _unrecognised(words: str, first: str, config: type, owner_of: Callable[[str], str]) -> str:
    if not first.startswith("-"):
        return f"unexpected argument: {words}. See --help."
    if not first.startswith("--"):
        hint = f" The file of this name is ./{first}" if os.path.lexists(first) else " See --help."
        return f"unknown option: {words}.{hint}"
    flag = first.partition("=")[0].replace("_", "-")
    nearest = difflib.get_close_matches(flag, _flags(config), n=1)
    hint = f". Did you mean {nearest[0]}?" if nearest else ". See --help."
    return f"unknown option: {words}{owner_of(flag) or hint}"


def has_flag(config: type, flag: str) -> bool:
    """Whether `--flag` is an option of the dataclass `config`."""
    return flag in _flags(config)


def _flags(config: type, prefix: str = "--") -> list[str]:
    flags = []
    for field in dataclasses.fields(config):
        name = prefix + field.name.replace("_", "-")
        if isinstance(field.type, type) and dataclasses.is_dataclass(field.type):
            flags += _flags(field.type, name + ".")
        else:
            flags.append(name)
    return flags
