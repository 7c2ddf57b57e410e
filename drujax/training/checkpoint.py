"""Checkpoints of the training state; the only module that uses Orbax (its v0 API)."""

import logging
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp


class Checkpoints:
    """Keeps the newest `keep` training states under `folder/<step>`; each is written atomically.

    A context manager: leaving it waits for pending writes.
    """

    def __init__(self, folder: Path, *, keep: int = 3):
        logging.getLogger("absl").setLevel(logging.WARNING)  # Orbax logs every phase of every write at INFO
        self.folder = folder.resolve()
        self._manager = ocp.CheckpointManager(self.folder, options=ocp.CheckpointManagerOptions(max_to_keep=keep))

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_exception) -> None:
        self._manager.close()

    @property
    def latest_step(self) -> int | None:
        """The step of the newest complete checkpoint, or None."""
        return self._manager.latest_step()

    def save(self, step: int, state, *, wait: bool = False) -> None:
        """Writes `state` in the background, or before returning if `wait`; an existing step is not overwritten."""
        if step != self.latest_step:
            self._manager.save(step, args=ocp.args.StandardSave(state))
        if wait:
            self._manager.wait_until_finished()

    def restore(self, state: Any, *, step: int | None = None) -> Any:
        """Reads the newest (or given) checkpoint, with the shapes, dtypes and shardings of `state`."""
        abstract = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), state)
        return self._manager.restore(
            self.latest_step if step is None else step, args=ocp.args.StandardRestore(abstract)
        )
