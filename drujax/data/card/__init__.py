"""The card of a dataset: DATASET.md and dataset.html in its folder, written from the stored records."""

from typing import TYPE_CHECKING

from drujax.runtime.lazy import exports

if TYPE_CHECKING:
    from drujax.data.card.write import FILES, write_card

__all__ = ["FILES", "write_card"]

__getattr__, __dir__ = exports(__name__, __all__, {"write": ["FILES", "write_card"]})
