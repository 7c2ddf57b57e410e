"""Saves and loads a trained probability network, to compute relativistic probabilities of any image later.

    network = load_network(WORKDIR / "probability.safetensors") dark, bright = network.probabilities([image])[0]

Images are uint8 h w 3 of any size; the two numbers sum to 1.
"""

from pathlib import Path

from drujax.errors import UsageError
from drujax.models.backbones import BACKBONES
from drujax.uncertainty.probability import CENTROID, ProbabilityNetwork, scoring
from drujax.weights.safetensors_io import load_weights, save_weights

NAME = "probability.safetensors"


def save_network(path: Path, network: ProbabilityNetwork) -> None:
    """Writes the network's variables with what `load_network` needs, atomically."""
    metadata = {
        "network": network.report["backbone"],
        "options": network.report["options"],
        "licence": network.report["licence"],
        "features": network.report["recipe"]["centroid_features"],
        "temperature": network.temperature,
        "resolution": network.resolution,
        "report": network.report,
    }
    save_weights(path, network.variables, metadata)


def load_network(path: Path) -> ProbabilityNetwork:
    """Loads a network that `save_network` wrote.

    Raises:
        UsageError: not such a file, or damaged.
        OSError: the file cannot be read.
    """
    variables, metadata = load_weights(path)
    name = metadata["network"]
    if name not in BACKBONES and name != CENTROID:
        raise UsageError(f"{path}: holds the network {name}, not a probability network")
    return ProbabilityNetwork(
        variables,
        metadata["temperature"],
        metadata["resolution"],
        metadata["report"],
        scoring(name, metadata["features"], metadata.get("options", {})),
    )
