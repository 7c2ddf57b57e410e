"""The terminal: options from dataclasses, progress, tables."""

from typing import TYPE_CHECKING

from drujax.runtime.lazy import exports

if TYPE_CHECKING:
    from drujax.console.command_line import parse, run
    from drujax.console.output import complain, printable, say
    from drujax.console.progress import Progress
    from drujax.console.tables import render, table

__all__ = [
    "Progress",
    "complain",
    "parse",
    "printable",
    "render",
    "run",
    "say",
    "table",
]

__getattr__, __dir__ = exports(
    __name__,
    __all__,
    {
        "command_line": ["parse", "run"],
        "output": ["complain", "printable", "say"],
        "progress": ["Progress"],
        "tables": ["render", "table"],
    },
)
