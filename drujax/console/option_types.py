"""Option types that tyro's help would otherwise describe in Python terms, and positional arguments between options."""

import dataclasses
import typing
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

import tyro

from drujax.errors import UsageError

T = TypeVar("T")

Flag = Annotated[tyro.conf.FlagCreatePairsOff[bool], tyro.conf.arg(help_behavior_hint="")]


def optional(read: Callable[[str], T], metavar: str) -> tyro.constructors.PrimitiveConstructorSpec[T | None]:
    """Describes to tyro an option that defaults to None; `read` parses its value and may raise ValueError."""
    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar=metavar,
        instance_from_str=lambda words: read(words[0]),
        is_instance=lambda value: True,
        str_from_instance=lambda value: [str(value)],
    )


def positionals_together(arguments: Sequence[str], options: type) -> list[str]:
    """Moves the positional arguments of the dataclass `options` to the front, in their order.

    argparse accepts them only as one group, but users write `a.png -o out b.png`.

    Raises:
        UsageError: a positional argument is empty, as an unset variable of a shell script is (it would name the current
            folder), or a flag is given a value.
    """
    flags = {"-h", "--help"}
    hints = typing.get_type_hints(options, include_extras=True)
    for field in dataclasses.fields(options):
        if isinstance(field.default, bool):
            name = field.name.replace("_", "-")
            flags |= {f"--{name}", f"--no-{name}", *_aliases(hints[field.name])}
    others: list[str] = []
    positional: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            positional += rest
        elif not argument.startswith("-") or argument == "-":
            positional.append(argument)
        else:
            others.append(argument)
            short = not argument.startswith("--")
            name, equals, value = argument.partition("=")
            if equals and name.replace("_", "-") in flags:
                raise UsageError(f"{name}: takes no value, got {value!r}")
            if "=" in argument or argument.replace("_", "-") in flags or (short and len(argument) > 2):
                continue
            if (value := next(rest, None)) is not None:
                others.append(value)
    if "" in positional:
        raise UsageError("'': an empty argument names no file; the current folder is .")
    if any(argument.startswith("-") for argument in positional):  # given after "--"
        return [*others, "--", *positional]
    return [*positional, *others]


def _aliases(hint: Any) -> list[str]:
    metadata = getattr(hint, "__metadata__", ())
    return [alias for each in metadata for alias in getattr(each, "aliases", None) or ()]
