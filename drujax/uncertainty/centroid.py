"""The alternative to a learned F_q that sec. 3.2 of the paper mentions: distance to the centroids of the two sets.

The features f of the confident dark and bright images, from a backbone that is not trained on them, have two means
(centroids) c_0 and c_1. The paper does not define "probabilistic distance"; here it is the posterior of two Gaussians
around the centroids with a common variance and equal priors,

    p_k = exp(-|f - c_k|² / 2σ²) / Σ_j exp(-|f - c_j|² / 2σ²),

with σ² the variance of the confident images around their own centroid along the line through both: the two distances do
not differ in other directions. (With the variance over all directions, or the Student's t kernel of deep clustering,
the thousand others drown the difference, and all p are about one half; with plain squared distances all are 0 or 1.)
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int


def fit(features: Float[np.ndarray, "n c"], labels: Int[np.ndarray, " n"]) -> dict[str, Any]:
    """Fits the centroids (2 c) of the features of each class, and σ² of the module's formula."""
    centroids = np.stack([features[labels == label].mean(0) for label in (0, 1)])
    line = centroids[1] - centroids[0]
    tiny = np.finfo(np.float32).tiny
    along = (features - centroids[labels]) @ (line / max(np.linalg.norm(line), tiny))
    # If all images of a class are equal, the variance is 0 and the nearer centroid is certain.
    variance = max(np.square(along).mean(), 1e-6 * np.square(line).sum(), tiny)
    return {"centroids": jnp.asarray(centroids), "variance": jnp.asarray(variance, jnp.float32)}


def logits(fitted: dict[str, Any], features: Float[Array | np.ndarray, "b c"]) -> Float[Array, "b 2"]:
    """Computes log p_k of the module's formula, up to a common constant."""
    dark, bright = fitted["centroids"]
    margin = (features - (dark + bright) / 2) @ (bright - dark) / fitted["variance"]  # (|f - c_0|² - |f - c_1|²) / 2σ²
    return jnp.stack([-margin / 2, margin / 2], axis=-1)
