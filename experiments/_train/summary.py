"""The first line that a run prints."""

from drujax.methods.config import TrainConfig


def run_summary(config: TrainConfig) -> str:
    """Returns the first line that a run prints: what it trains, on what, and how."""
    recipe, probability = config.recipe, config.probability
    weighted_by = {
        "none": "without data uncertainty (Vanilla)",
        "centroid": f"with centroids of {probability.centroid_features}'s features",
    }.get(config.uncertainty, f"with the probability network {config.uncertainty}")
    if config.weighting != "rp":
        weighted_by += f", whose relativistic probabilities are replaced by a control ({config.weighting})"
    images = "crops of" if recipe.view == "crop" else "pictures resized to"
    length = f"{recipe.steps} steps" if recipe.steps else f"{recipe.constant_epochs + recipe.decay_epochs} epochs"
    how = f"{config.method} {weighted_by}, {images} {recipe.size}x{recipe.size}, batch {recipe.batch_size}, {length}"
    start = "" if config.init is None else f", starting from {config.init}"
    start += "".join(f", {name}={value}" for name, value in config.study.items())
    if config.data is not None:
        return f"Training on {config.data}, preset {config.preset}: {how}{start}."
    untrained = list(config.spec.untrained(config.options))
    if config.uncertainty not in ("none", "centroid") and config.pretrained == "none":
        untrained.append(
            f"the probability network ({probability.resolution}x{probability.resolution}, {probability.optimiser})"
        )
    downloads = " and ".join(config.spec.downloads(config.options))
    return (
        f"Training on {config.scenes} embedded synthetic scenes of {config.scene_size}x{config.scene_size}, preset "
        f"{config.preset}: {how}{start}. {f'{downloads} are downloaded' if downloads else 'Nothing is downloaded'}"
        f"{'; random initial weights: ' * bool(untrained)}{', '.join(untrained)}. The paper's recipe on your "
        "pictures: python -m experiments.prepare --source=PICTURES --out=D, then "
        f"python -m experiments.train --data=D {_method_flags(config)}"
    )


def _method_flags(config: TrainConfig) -> str:
    """Returns the arguments that select the method and its probability network."""
    if config.method == "enlightengan":
        return f"--backbone={config.backbone}"
    return f"--method={config.method}" + (f" --dru --backbone={config.backbone}" if config.dru else "")
