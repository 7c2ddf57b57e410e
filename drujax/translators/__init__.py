"""Translators: networks that turn photographs into anime pictures for the dataset (sec. 3.1 of the paper)."""

from typing import TYPE_CHECKING

from drujax.runtime.lazy import exports

if TYPE_CHECKING:
    from drujax.translators import registry
    from drujax.translators.spec import TranslatorSpec
    from drujax.translators.stage import Summary, translate_photos

__all__ = ["Summary", "TranslatorSpec", "registry", "translate_photos"]

__getattr__, __dir__ = exports(
    __name__,
    __all__,
    {"spec": ["TranslatorSpec"], "stage": ["Summary", "translate_photos"]},
)
