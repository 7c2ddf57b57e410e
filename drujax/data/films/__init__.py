"""Frames of films as pictures: those that a frame list names, or a sample of every shot."""

from typing import TYPE_CHECKING

from drujax.runtime.lazy import exports

if TYPE_CHECKING:
    from drujax.data.films.extract import Extraction, extract_films

__all__ = ["Extraction", "extract_films"]

__getattr__, __dir__ = exports(__name__, __all__, {"extract": ["Extraction", "extract_films"]})
