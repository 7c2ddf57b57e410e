"""Scripts that complete commands and options in a shell, by tyro."""

import contextlib
import io
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Union

import tyro

Shell = Literal["bash", "zsh"]


def script(shell: Shell, program: str, commands: Mapping[str, type]) -> str:
    """Returns the script that completes `program`, whose commands have these options."""
    union: Any = Union[tuple(Annotated[of, tyro.conf.subcommand(name)] for name, of in commands.items())]  # noqa: UP007
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        tyro.cli(union, args=["--tyro-print-completion", shell], prog=program)
    # Where tyro has no suggestion, bash completes file names.
    return text.getvalue().replace("\ncomplete -F", "\ncomplete -o bashdefault -o default -F")
