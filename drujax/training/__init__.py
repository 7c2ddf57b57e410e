"""Training infrastructure of all methods: state, step, loop, checkpoints, run folder."""

from typing import TYPE_CHECKING

from drujax.runtime.lazy import exports

if TYPE_CHECKING:
    from drujax.training.checkpoint import Checkpoints
    from drujax.training.export import export_weights
    from drujax.training.loop import LoopOptions, train
    from drujax.training.method import Method
    from drujax.training.schedule import linear_decay
    from drujax.training.state import ModelState, TrainState
    from drujax.training.step import compile_step, create

__all__ = [
    "Checkpoints",
    "LoopOptions",
    "Method",
    "ModelState",
    "TrainState",
    "compile_step",
    "create",
    "export_weights",
    "linear_decay",
    "train",
]

__getattr__, __dir__ = exports(
    __name__,
    __all__,
    {
        "checkpoint": ["Checkpoints"],
        "export": ["export_weights"],
        "loop": ["LoopOptions", "train"],
        "method": ["Method"],
        "schedule": ["linear_decay"],
        "state": ["ModelState", "TrainState"],
        "step": ["compile_step", "create"],
    },
)
