"""The probability network F_q, its calibration, and relativistic probabilities."""

from typing import TYPE_CHECKING

from drujax.runtime.lazy import exports

if TYPE_CHECKING:
    from drujax.uncertainty import calibration, centroid
    from drujax.uncertainty.config import ProbabilityRecipe
    from drujax.uncertainty.network_io import load_network, save_network
    from drujax.uncertainty.probability import ProbabilityNetwork, train_probability_network
    from drujax.uncertainty.relativistic import relativistic_margins, relativistic_probabilities
    from drujax.uncertainty.rp_table import load_tables, save_tables

__all__ = [
    "ProbabilityNetwork",
    "ProbabilityRecipe",
    "calibration",
    "centroid",
    "load_network",
    "load_tables",
    "relativistic_margins",
    "relativistic_probabilities",
    "save_network",
    "save_tables",
    "train_probability_network",
]

__getattr__, __dir__ = exports(
    __name__,
    __all__,
    {
        "config": ["ProbabilityRecipe"],
        "network_io": ["load_network", "save_network"],
        "probability": ["ProbabilityNetwork", "train_probability_network"],
        "relativistic": ["relativistic_margins", "relativistic_probabilities"],
        "rp_table": ["load_tables", "save_tables"],
    },
)
