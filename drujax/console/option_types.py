"""Types of options that tyro would describe in Python's words, and inputs among the options."""

import dataclasses
import typing
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

import tyro

T = TypeVar("T")

Flag = Annotated[tyro.conf.FlagCreatePairsOff[bool], tyro.conf.arg(help_behavior_hint="")]


def optional(read: Callable[[str], T], metavar: str) -> tyro.constructors.PrimitiveConstructorSpec[T | None]:
    """Returns how an option is read that has no value by default: by `read`, which raises ValueError."""
    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar=metavar,
        instance_from_str=lambda words: read(words[0]),
        is_instance=lambda value: True,
        str_from_instance=lambda value: [str(value)],
    )


def positionals_together(arguments: Sequence[str], options: type) -> list[str]:
    """Returns the `arguments` of the dataclass `options` with the positional ones before the others, in their order.

    Parsers take positional arguments in one piece only: `a.png -o out b.png` is what people write.
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
            if "=" in argument or argument.replace("_", "-") in flags or (short and len(argument) > 2):
                continue
            if (value := next(rest, None)) is not None:
                others.append(value)
    if any(argument.startswith("-") for argument in positional):  # given after "--"
        return [*others, "--", *positional]
    return [*positional, *others]


def _aliases(hint: Any) -> list[str]:
    metadata = getattr(hint, "__metadata__", ())
    return [alias for each in metadata for alias in getattr(each, "aliases", None) or ()]
