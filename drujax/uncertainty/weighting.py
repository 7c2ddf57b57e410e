"""What weights the losses: relativistic probabilities as the paper has them, or a control that tells where their effect
comes from.

RP is at most 1 and multiplies the adversarial terms (eqs. 5 to 8) but not the self-feature-preserving ones, so DRU
also scales the former against the latter. A control keeps one part of what RP does:

    rp           RP_d and RP_b (eq. 4): the paper's
    mean         the mean of each table: every term is scaled as much as by RP, and all images count alike. Dark and
                 bright images are paired at random, so the mean of RP_d * RP_b is the product of the means
    normalised   RP divided by its mean: images count as by RP, and no term is scaled
    shuffled     RP of another image of the same class: the distribution of RP without its meaning
    inverted     1 - RP: the uncertain images count
    threshold    1 above RP 1/2, where F_q agrees with the label, and 0 below
    luma         a sigmoid of the mean luma, fitted to the confident images: no probability network
    illumination a sigmoid of the true illumination of synthetic scenes, fitted alike: what RP should follow
"""

from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float

from drujax.data.truth import illuminations
from drujax.errors import UsageError

Weighting = Literal["rp", "mean", "normalised", "shuffled", "inverted", "threshold", "luma", "illumination"]
WEIGHTINGS: tuple[Weighting, ...] = get_args(Weighting)
Tables = dict[str, Any]  # dark: Float32 n, in the order of train_dark; bright: Float32 m, in that of train_bright


def weight_tables(weighting: Weighting, dataset: Any, probabilities: Callable[[], Tables], seed: int) -> Tables:
    """Returns the weights of the training images of a `drujax.data.dataset.Dataset`, in record order.

    Args:
        weighting: see the module.
        dataset: the training images.
        probabilities: computes the tables of RP; not called for "luma" and "illumination".
        seed: of "shuffled".

    Raises:
        UsageError: "normalised" of RP that are all 0, "luma" or "illumination" without confident images of both
            classes, or "illumination" of images that are not synthetic scenes.
    """
    if weighting == "luma":
        return sigmoid_probabilities(dataset, "luma", lambda row: float(np.mean(row.quartile_means)))
    if weighting == "illumination":
        truth = illuminations(dataset)
        return sigmoid_probabilities(dataset, "illumination", lambda row: truth[row.id])
    return {
        name: _changed(weighting, table, (seed, number)) for number, (name, table) in enumerate(probabilities().items())
    }


def sigmoid_probabilities(dataset: Any, name: str, measure: Callable[[Any], float]) -> Tables:
    """Computes P(dark) and P(bright) from one measured number of each image, as tables like those of RP.

    Logistic regression of the class on that number, of the confident training images. They can be separated, so the
    fit is to Platt's targets, (n + 1) / (n + 2) and 1 / (n + 2) for n images of the class (Platt 1999, sec. 2.2), which
    keep its slope finite.

    Args:
        dataset: the training images.
        name: of the number, for messages.
        measure: metadata of an image -> the number, which rises from dark to bright.

    Raises:
        UsageError: no confident image is dark, or none is bright.
    """
    from scipy.special import expit  # here, as below

    rows = {label: dataset.table(f"train_{label}") for label in ("dark", "bright")}
    values = {label: np.array([measure(row) for row in table]) for label, table in rows.items()}
    partitions = {label: np.array([row.partition for row in table]) for label, table in rows.items()}
    confident = {
        kind: np.concatenate([values[label][partitions[label] == kind] for label in rows])
        for kind in ("dark", "bright")
    }
    for kind, measured in confident.items():
        if not len(measured):
            raise UsageError(f"weighting: {name} is fitted to confident images, but none is {kind}")
    slope, offset = fit_sigmoid(confident["dark"], confident["bright"])
    return {
        label: expit((-1 if label == "dark" else 1) * (slope * measured + offset)).astype(np.float32)
        for label, measured in values.items()
    }


def fit_sigmoid(low: Float[np.ndarray, " n"], high: Float[np.ndarray, " m"]) -> tuple[float, float]:
    """Fits P(high | x) = sigmoid(slope * x + offset) to the values of two classes; returns slope and offset.

    Each class counts half, and the targets are Platt's.
    """
    from scipy.optimize import minimize  # here, because enhancing loads this module, too
    from scipy.special import expit

    x = np.concatenate([low, high])
    center, scale = x.mean(), x.std() or 1.0
    x = (x - center) / scale
    of_low, of_high = 1 / (len(low) + 2), (len(high) + 1) / (len(high) + 2)
    target = np.repeat([of_low, of_high], [len(low), len(high)])
    weight = np.repeat([0.5 / len(low), 0.5 / len(high)], [len(low), len(high)])

    def loss(parameters: Float[np.ndarray, "2"]) -> tuple[float, Float[np.ndarray, "2"]]:
        logit = parameters[0] * x + parameters[1]
        slope = weight * (expit(logit) - target)
        return float(weight @ (np.logaddexp(0, logit) - target * logit)), np.array([slope @ x, slope.sum()])

    slope, offset = minimize(loss, np.zeros(2), jac=True, method="BFGS", options={"gtol": 1e-9}).x
    return float(slope / scale), float(offset - slope * center / scale)


def _changed(weighting: Weighting, table: Float[np.ndarray, " n"], seed: tuple[int, int]) -> Float[np.ndarray, " n"]:
    table = np.asarray(table, np.float32)
    if weighting == "mean":
        return np.full_like(table, table.mean(dtype=np.float64) if len(table) else 0)
    if weighting == "normalised":
        if len(table) and not table.any():
            raise UsageError("weighting: normalised divides by the mean of RP, but all are 0")
        return table / np.float32(table.mean(dtype=np.float64)) if len(table) else table
    if weighting == "shuffled":
        return np.random.default_rng(seed).permutation(table)
    if weighting == "inverted":
        return 1 - table
    if weighting == "threshold":
        return (table > 0.5).astype(np.float32)
    return table
