"""Checkpoints of narrow translators, with the names and layouts of the authors' files."""

import re
from pathlib import Path

import jax
import numpy as np

from drujax.models.translators.animegan_v2 import AnimeGANv2
from drujax.models.translators.cartoongan import CartoonGAN
from drujax.models.translators.scenimefy import Scenimefy
from drujax.weights.torch_names import to_torch

MODULES = {"scenimefy": Scenimefy(features=2), "cartoongan": CartoonGAN(features=2), "animegan_v2": AnimeGANv2()}


def shapes(module):
    return jax.eval_shape(module.init, jax.random.key(0), jax.ShapeDtypeStruct((1, 8, 8, 3), np.float32))


def tiny_checkpoint(name: str, seed: int = 0) -> dict[str, np.ndarray]:
    """Random weights, as the authors' code stores them; always the same for a seed."""
    state = to_torch(jax.tree.map(lambda leaf: np.zeros(leaf.shape, np.float32), shapes(MODULES[name])))
    rng = np.random.default_rng(seed)
    for key, value in state.items():
        spread = 1 / np.sqrt(np.prod(value.shape[1:])) if value.ndim > 1 else 0.1
        norm = value.ndim == 1 and key.endswith("weight")
        state[key] = rng.normal(float(norm), spread, value.shape).astype(np.float32)
    if name == "cartoongan":
        for key in ("deconv01_1.weight", "deconv02_1.weight"):
            state[key] = state[key].swapaxes(0, 1)
        stored = {key: re.sub("weight$", "scale", re.sub("bias$", "shift", key)) for key in state if key[:2] == "in"}
        state = {stored.get(key, key): value for key, value in state.items()}
    if name == "scenimefy":
        for position, taps, features in ((7, [1, 2, 1], 4), (21, [1, 3, 3, 1], 8)):
            state[f"model.{position}.filt"] = np.tile(np.outer(taps, taps) / 16, (features, 1, 1, 1)).astype(np.float32)
    return state


def save_tiny_translator(path: Path, name: str = "cartoongan", seed: int = 0) -> Path:
    """Writes an .npz."""
    np.savez(path, **tiny_checkpoint(name, seed))  # pyright: ignore[reportArgumentType]
    return path
