"""Calibration: how well a classifier's confidence matches its accuracy.

Guo et al. 2017, "On Calibration of Modern Neural Networks". A saturated softmax makes all relativistic probabilities
about 1 and the DRU losses those of Vanilla EnlightenGAN; these numbers show whether that has happened and what a
temperature would change. A temperature is fitted on one part of the held-out images and evaluated on the other.
"""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Float, Int

BINS = 15
TEMPERATURES = (0.05, 20.0)  # search range
AT_BOUND = 1e-3  # relative distance from a bound below which a fit counts as being at it


def probabilities(logits: Float[np.ndarray, "n k"], temperature: float = 1.0) -> Float[np.ndarray, "n k"]:
    """Computes softmax(logits / temperature), in float64."""
    scaled = logits.astype(np.float64) / temperature
    scaled = np.exp(scaled - scaled.max(1, keepdims=True))
    return scaled / scaled.sum(1, keepdims=True)


def negative_log_likelihood(
    logits: Float[np.ndarray, "n k"], labels: Int[np.ndarray, " n"], temperature: float = 1.0
) -> float:
    """Computes the mean of -log softmax(logits / temperature)[label], in nats."""
    scaled = logits.astype(np.float64) / temperature
    top = scaled.max(1)
    log_sum = top + np.log(np.exp(scaled - top[:, None]).sum(1))
    return float((log_sum - scaled[np.arange(len(labels)), labels]).mean())


def reliability(probability: Float[np.ndarray, "n k"], labels: Int[np.ndarray, " n"]) -> list[dict[str, float]]:
    """Lists bounds, count, mean confidence and accuracy of each of BINS equal bins of confidence that is not empty."""
    confidence, correct = probability.max(1), probability.argmax(1) == labels
    index = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)  # bins are open below, closed above
    return [
        {
            "lower": i / BINS,
            "upper": (i + 1) / BINS,
            "count": int((index == i).sum()),
            "confidence": float(confidence[index == i].mean()),
            "accuracy": float(correct[index == i].mean()),
        }
        for i in np.unique(index).tolist()
    ]


def expected_calibration_error(bins: list[dict[str, float]]) -> float:
    """Computes the mean over the examples of |accuracy - confidence| of their bin, 0..1."""
    gaps = [(bin_["count"], abs(bin_["accuracy"] - bin_["confidence"])) for bin_ in bins]
    return sum(count * gap for count, gap in gaps) / sum(count for count, _ in gaps)


@dataclasses.dataclass(frozen=True)
class Scaling:
    """The outcome of fitting a temperature.

    Attributes:
        fitted: the maximum-likelihood temperature; None if the images do not determine one.
        applied: the temperature to use; 1 if the fit is rejected.
        refused: the reason for rejecting the fit, or None.
    """

    fitted: float | None
    applied: float
    refused: str | None


def fit_scaling(logits: Float[np.ndarray, "n k"], labels: Int[np.ndarray, " n"], *, sharpen: bool) -> Scaling:
    """Fits a temperature; rejects one that would increase saturation, which it is meant to reduce.

    Args:
        logits: of images that were not trained on.
        labels: their classes.
        sharpen: accepts temperatures below 1, which push probabilities towards 0 and 1.
    """
    if len(np.unique(labels)) < 2:
        return Scaling(None, 1.0, f"{len(labels)} held-out images to fit on, and both classes are needed")
    fitted = fit_temperature(logits, labels)
    wrong = int((logits.argmax(1) != labels).sum())
    for bound in TEMPERATURES:
        if abs(np.log(fitted / bound)) < AT_BOUND:
            errors = f"{wrong} of {len(labels)} images wrong"
            return Scaling(None, 1.0, f"the likeliest temperature is at the bound {bound:g} of the search ({errors})")
    if fitted < 1 and not sharpen:
        return Scaling(fitted, 1.0, f"the likeliest temperature, {fitted:.3g}, is below 1 (sharpen allows it)")
    return Scaling(fitted, fitted, None)


def fit_temperature(logits: Float[np.ndarray, "n k"], labels: Int[np.ndarray, " n"]) -> float:
    """Finds the temperature in TEMPERATURES with the highest likelihood.

    If no example is misclassified, lower is always likelier, and the result is the lower bound.
    """
    # The log-likelihood is concave in 1 / temperature, so golden-section search finds its maximum.
    low, high = (1 / bound for bound in reversed(TEMPERATURES))
    ratio = (np.sqrt(5) - 1) / 2
    for _ in range(100):
        span = ratio * (high - low)
        left, right = high - span, low + span
        if negative_log_likelihood(logits, labels, 1 / left) < negative_log_likelihood(logits, labels, 1 / right):
            high = right
        else:
            low = left
    return float(2 / (low + high))


def assess(logits: Float[np.ndarray, "n 2"], labels: Int[np.ndarray, " n"], temperature: float) -> dict[str, Any]:
    """Measures accuracy, calibration and likelihood of `logits` at `temperature`; each is None without examples."""
    if len(labels) == 0:
        return {
            "accuracy": None,
            "expected_calibration_error": None,
            "negative_log_likelihood": None,
            "reliability": [],
        }
    probability = probabilities(logits, temperature)
    bins = reliability(probability, labels)
    return {
        "accuracy": float((probability.argmax(1) == labels).mean()),
        "expected_calibration_error": expected_calibration_error(bins),
        "negative_log_likelihood": negative_log_likelihood(logits, labels, temperature),
        "reliability": bins,
    }
