"""How well P(bright) fits the true class and the true illumination of pictures."""

import dataclasses
import functools
import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import expit
from scipy.stats import rankdata

from drujax.metrics.seeds import rank_correlation, seed_interval
from drujax.metrics.summary import LEVEL
from drujax.uncertainty import calibration
from drujax.uncertainty.relativistic import SATURATED
from experiments._calibration.networks import Margins, Pictures, as_logits

RESAMPLES = 2000  # of rank correlations, which take longer than means
APART = 0.02  # least difference of two illuminations that have an order


@dataclasses.dataclass(frozen=True)
class Value:
    """A mean over seeds, and its 95 % interval over seeds and scenes; NaN where nothing determines it."""

    mean: float
    low: float = math.nan
    high: float = math.nan


def measures(seeds: Sequence[Margins], pictures: Pictures) -> dict[str, Value]:
    """Measures one network, trained with several seeds, against the truth.

    Returns:
        temperature: that was applied.
        accuracy, ece, nll: of the held-out confident pictures, against their class of QAB.
        uncertain_accuracy, _ece, _nll, _brier: of the uncertain pictures, against their true class.
        wanted: the temperature that would be likeliest for these.
        rho_dark, rho_uncertain, rho_bright: rank correlation of P(bright) with the true illumination, within a class of
            QAB.
        rho_given_luma: that of the uncertain pictures, beyond what their mean luma tells (partial correlation).
        order_kind, order_any: share of two lightings of one scene, of one kind or of any, which P(bright) puts in the
            order of their illumination.
        saturated, uncertain_saturated: share of RP outside 0.01..0.99, of all training pictures and of uncertain ones.
    """
    training = pictures.training
    uncertain = training.partition("uncertain")
    bright = training.bright.astype(np.int32)
    found = {"temperature": Value(float(np.mean([of.temperature for of in seeds])))}
    held = [_assessed(of.training[: training.confident][of.held_out], training.classes[of.held_out]) for of in seeds]
    for name, key in _ASSESSED.items():
        found[name] = Value(float(np.mean([of[key] for of in held])))

    margins = np.stack([of.training for of in seeds])
    asked = [_assessed(of.training[uncertain], bright[uncertain]) for of in seeds]
    found["uncertain_ece"] = Value(float(np.mean([of[_ASSESSED["ece"]] for of in asked])))
    signed = np.where(bright, margins, -margins)[:, uncertain]
    found["uncertain_accuracy"] = _mean(signed > 0)
    found["uncertain_nll"] = _mean(np.logaddexp(0, -signed))
    found["uncertain_brier"] = _mean(expit(-signed) ** 2)
    wanted = [_wanted(of, bright, uncertain) for of in seeds]
    found["wanted"] = Value(float(np.mean(wanted)))
    for name in ("dark", "uncertain", "bright"):
        chosen = training.partition(name)
        found[f"rho_{name}"] = correlation(margins[:, chosen], training.illumination[chosen])
    found["rho_given_luma"] = correlation_given(
        margins[:, uncertain], training.illumination[uncertain], training.luma[uncertain]
    )
    found |= _order(np.stack([of.ladders for of in seeds]), pictures)
    saturated = np.abs(margins) > math.log(SATURATED / (1 - SATURATED))
    found["saturated"] = _mean(saturated)
    found["uncertain_saturated"] = _mean(saturated[:, uncertain])
    return found


def correlation(margins: Float[np.ndarray, "s n"], truth: Float[np.ndarray, " n"]) -> Value:
    """Returns the rank correlation with the truth, the mean over seeds, with the interval over pictures."""
    means = np.mean([rank_correlation(of.tolist(), truth.tolist()) for of in margins])
    if math.isnan(means):
        return Value(math.nan)
    drawn = _drawn(len(truth))
    true_ranks = rankdata(truth[drawn], axis=1)
    resampled = np.mean([_pearson(rankdata(of[drawn], axis=1), true_ranks) for of in margins], axis=0)
    low, high = np.nanquantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Value(float(means), float(low), float(high))


def correlation_given(
    margins: Float[np.ndarray, "s n"], truth: Float[np.ndarray, " n"], known: Float[np.ndarray, " n"]
) -> Value:
    """Returns the partial rank correlation with the truth, given `known`, as `correlation` does. NaN where `known`
    determines the margins."""
    drawn = np.concatenate([np.arange(len(truth))[None], _drawn(len(truth))])
    true_ranks, known_ranks = (rankdata(values[drawn], axis=1) for values in (truth, known))
    of_truth = _pearson(true_ranks, known_ranks)
    partial = []
    for of in margins:
        ranks = rankdata(of[drawn], axis=1)
        of_known, both = _pearson(ranks, known_ranks), _pearson(ranks, true_ranks)
        rest = (1 - of_known**2) * (1 - of_truth**2)
        partial.append(np.where(rest > 1e-9, (both - of_known * of_truth) / np.sqrt(np.maximum(rest, 1e-9)), np.nan))
    means = np.mean(partial, axis=0)
    if np.isnan(means[0]):
        return Value(math.nan)
    low, high = np.nanquantile(means[1:], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Value(float(means[0]), float(low), float(high))


def frequencies(
    margins: Float[np.ndarray, " n"], bright: Bool[np.ndarray, " n"], bins: int
) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"], Int[np.ndarray, " k"]]:
    """Returns the mean of P(bright), the share that is bright and the count of each equal bin of P(bright) with a
    picture."""
    probability = expit(margins)
    index = np.minimum((probability * bins).astype(int), bins - 1)
    counts = np.bincount(index, minlength=bins)
    filled = counts > 0
    means, shares = (
        np.bincount(index, weights=x, minlength=bins)[filled] / counts[filled] for x in (probability, bright)
    )
    return means, shares, counts[filled]


def order_shares(margins: Float[np.ndarray, " m"], pictures: Pictures, *, one_kind: bool) -> Float[np.ndarray, " k"]:
    """Returns for each scene of the ladders the share of its pairs of lightings that are in the right order; a tie
    counts half. Pairs whose illumination is nearly equal have no order."""
    ladders = pictures.ladders
    shares = []
    for scene in np.unique(ladders.scene):
        chosen = ladders.scene == scene
        light, of, kind = ladders.illumination[chosen], margins[chosen], ladders.kind[chosen]
        low, high = np.nonzero(light[None] - light[:, None] >= APART)
        if one_kind:
            low, high = low[kind[low] == kind[high]], high[kind[low] == kind[high]]
        shares.append(np.mean(0.5 + 0.5 * np.sign(of[high] - of[low])))
    return np.array(shares)


_ASSESSED = {"accuracy": "accuracy", "ece": "expected_calibration_error", "nll": "negative_log_likelihood"}


def _assessed(margins: Float[np.ndarray, " n"], labels: Int[np.ndarray, " n"]) -> dict[str, float]:
    assessed = calibration.assess(as_logits(margins), labels, 1.0)
    return {key: math.nan if assessed[key] is None else assessed[key] for key in _ASSESSED.values()}


def _wanted(of: Margins, bright: Int[np.ndarray, " n"], uncertain: Bool[np.ndarray, " n"]) -> float:
    """The likeliest temperature for the true classes, of the logits at temperature 1."""
    return calibration.fit_temperature(as_logits(of.training[uncertain] * of.temperature), bright[uncertain])


def _order(margins: Float[np.ndarray, "s m"], pictures: Pictures) -> dict[str, Value]:
    shares = {
        name: np.stack([order_shares(of, pictures, one_kind=one_kind) for of in margins])
        for name, one_kind in (("order_kind", True), ("order_any", False))
    }
    return {name: _mean(values) for name, values in shares.items()}


def _mean(values: np.ndarray) -> Value:
    values = values.astype(float)
    return Value(float(values.mean()), *seed_interval(values))


@functools.cache
def _drawn(count: int) -> Int[np.ndarray, "r n"]:
    return np.random.default_rng(0).integers(0, count, (RESAMPLES, count))


def _pearson(x: Float[np.ndarray, "r n"], y: Float[np.ndarray, "r n"]) -> Float[np.ndarray, " r"]:
    x, y = x - x.mean(1, keepdims=True), y - y.mean(1, keepdims=True)
    with np.errstate(invalid="ignore"):  # a resample of one picture only
        return (x * y).sum(1) / np.sqrt((x * x).sum(1) * (y * y).sum(1))
