"""Quality of picture files, and evaluation of an enhancer."""

from typing import TYPE_CHECKING

from drujax.runtime.lazy import exports

if TYPE_CHECKING:
    from drujax.score import selfcheck
    from drujax.score.evaluation import score_pairs, score_scenes
    from drujax.score.files import score_files

__all__ = [
    "score_files",
    "score_pairs",
    "score_scenes",
    "selfcheck",
]

__getattr__, __dir__ = exports(
    __name__, __all__, {"evaluation": ["score_pairs", "score_scenes"], "files": ["score_files"]}
)
