"""A user's mistake, reported in one line."""

import difflib
import os
from collections.abc import Iterable


class UsageError(ValueError):
    """A mistake of the user. Entry points print its message as one line and exit with code 2."""


def unknown(argument: str, value: str, choices: Iterable[str]) -> UsageError:
    """Returns the error for a `value` of `argument` that is not among `choices`, with the nearest match."""
    choices = list(dict.fromkeys(choices))
    lower = {choice.lower(): choice for choice in choices}
    nearest = difflib.get_close_matches(value.lower(), lower, n=1)
    hint = f"Did you mean {lower[nearest[0]]}? " if nearest else ""
    return UsageError(f"{argument}: unknown value {value!r}. {hint}Choices: {', '.join(choices)}.")


def describe(error: BaseException) -> str:
    """Returns the message of `error`; for an OSError the file and the reason, without the number."""
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    reason = error.strerror[:1].lower() + error.strerror[1:]
    return reason if error.filename is None else f"{os.fsdecode(error.filename)}: {reason}"


def check_at_least(least: int | float, **values: int | float | None) -> None:
    """Raise UsageError for the first of the named `values` that is given and below `least`."""
    for name, value in values.items():
        if value is not None and not value >= least:  # false for NaN, too
            raise UsageError(f"{name}: must be >= {least}, got {value}")
