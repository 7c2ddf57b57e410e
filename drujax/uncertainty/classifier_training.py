"""Minimises the cross-entropy of a classifier: the training loop of the probability network."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import NamedSharding
from jaxtyping import Array, Float, Int32, Key, Shaped

from drujax.errors import UsageError
from drujax.models.backbones import normalise
from drujax.runtime.mesh import data_mesh, replicated, split
from drujax.uncertainty.confident_set import CLASSES
from drujax.uncertainty.config import ProbabilityRecipe

Tree = dict[str, Any]
# (params, batch_stats, inputs, key) -> logits b 2, new batch_stats
Apply = Callable[..., tuple[Any, Any]]


class State(NamedTuple):
    """Training state of the classifier."""

    params: Tree
    batch_stats: Tree
    optimiser: optax.OptState


def fit_network(
    module: nn.Module, variables: Tree, images: np.ndarray, labels: np.ndarray, recipe: ProbabilityRecipe, log
) -> Tree:
    """Trains all of `module` on uint8 `images`, and updates its batch statistics. Returns the new variables."""

    def apply(params, batch_stats, batch, key):
        networks = {"params": params, "batch_stats": batch_stats}
        logits, changed = module.apply(networks, batch, train=True, mutable=["batch_stats"], rngs={"dropout": key})
        return logits, changed.get("batch_stats", {})  # a network without batch norm has none

    batch_stats = variables.get("batch_stats", {})
    state = _fit(apply, normalise, variables["params"], batch_stats, images, labels, recipe, log)
    return {"params": state.params, "batch_stats": state.batch_stats}


def fit_head(head: Tree, features: np.ndarray, labels: np.ndarray, recipe: ProbabilityRecipe, log) -> Tree:
    """Trains the linear layer `head` (kernel c 2, bias 2) on fixed features n c; returns the new one."""

    def apply(params, batch_stats, batch, key):
        return batch @ params["kernel"] + params["bias"], batch_stats

    return _fit(apply, jnp.asarray, head, {}, features, labels, recipe, log).params


def _fit(
    apply: Apply,
    prepare: Callable[[Array], Array],
    params: Tree,
    batch_stats: Tree,
    inputs: Shaped[np.ndarray, "n ..."],
    labels: Int32[np.ndarray, " n"],
    recipe: ProbabilityRecipe,
    log: Callable[[str], None],
) -> State:
    optimiser = _optimiser(recipe)
    # Copies: the step donates its state, and the caller keeps its own.
    params, batch_stats = jax.tree.map(jnp.array, (params, batch_stats))
    state = State(params, batch_stats, optimiser.init(params))
    whole, sharded = local_shardings(min(recipe.batch_size, len(labels)))
    step = jax.jit(
        partial(_step, apply=apply, prepare=prepare, optimiser=optimiser, mixup=recipe.mixup),
        donate_argnums=0,
        in_shardings=(whole, sharded, sharded, whole),
        out_shardings=(whole, whole),
    )
    key, count, start = jax.random.key(recipe.seed), 0, time.monotonic()
    for epoch in range(1, recipe.epochs + 1):
        sums, pictures = [], 0
        for chosen, flipped in _batches(labels, recipe, epoch):
            batch = inputs[chosen]
            if recipe.flip:
                batch[flipped] = batch[flipped, :, ::-1]
            state, metrics = step(state, batch, labels[chosen], jax.random.fold_in(key, count))
            sums.append(metrics)
            count, pictures = count + 1, pictures + len(chosen)
        loss, accuracy = np.mean(jax.device_get(sums), axis=0)
        if not np.isfinite(loss):
            raise UsageError(
                f"the probability network's loss is {loss} in epoch {epoch}: its learning rate, "
                f"{recipe.learning_rate:g}, is too high for these images"
            )
        elapsed = time.monotonic() - start
        log(
            f"probability network: epoch {epoch}/{recipe.epochs}, loss {loss:.4f}, accuracy {accuracy:.4f}, "
            f"{pictures * epoch / elapsed:.1f} images/s, {elapsed / epoch * (recipe.epochs - epoch):.0f} s left"
        )
    return state


def local_shardings(batch_size: int) -> tuple[NamedSharding, NamedSharding]:
    """Returns the replicated and the batch sharding over as many of this process's devices as divide the batch.

    There are few images, so each process trains the network by itself.
    """
    devices = jax.local_devices()
    count = max(n for n in range(1, len(devices) + 1) if batch_size % n == 0)
    mesh = data_mesh(devices[:count])
    return replicated(mesh), split(mesh)


def _step(
    state: State,
    inputs: Shaped[Array, "b ..."],
    labels: Int32[Array, " b"],
    key: Key[Array, ""],
    *,
    apply: Apply,
    prepare: Callable[[Array], Array],
    optimiser: optax.GradientTransformation,
    mixup: float,
) -> tuple[State, Float[Array, "2"]]:
    """Makes one update; the metrics are the batch's mean cross-entropy and accuracy before it."""
    dropout_key, mixing_key = jax.random.split(key)
    inputs, targets = prepare(inputs), jax.nn.one_hot(labels, len(CLASSES))
    if mixup > 0:
        inputs, targets = mix(inputs, targets, mixup, mixing_key)

    def loss(params):
        logits, batch_stats = apply(params, state.batch_stats, inputs, dropout_key)
        entropy = optax.softmax_cross_entropy(logits, targets).mean()
        return entropy, (batch_stats, (logits.argmax(1) == targets.argmax(1)).mean())

    (entropy, (batch_stats, accuracy)), gradients = jax.value_and_grad(loss, has_aux=True)(state.params)
    updates, new = optimiser.update(gradients, state.optimiser, state.params)
    params: Any = optax.apply_updates(state.params, updates)
    return State(params, batch_stats, new), jnp.stack([entropy, accuracy])


def mix(
    inputs: Float[Array, "b ..."], targets: Float[Array, "b k"], alpha: float, key: Key[Array, ""]
) -> tuple[Float[Array, "b ..."], Float[Array, "b k"]]:
    """Mixup: blends each example and its target with the previous one, with weights drawn from Beta(alpha, alpha)."""
    share = jax.random.beta(key, alpha, alpha, (len(inputs),))

    def blended(x):
        own = share.reshape(-1, *[1] * (x.ndim - 1))
        return own * x + (1 - own) * jnp.roll(x, 1, axis=0)

    return blended(inputs), blended(targets)


def _optimiser(recipe: ProbabilityRecipe) -> optax.GradientTransformation:
    if recipe.optimiser == "adam":
        return optax.adam(recipe.learning_rate)
    return optax.sgd(recipe.learning_rate, momentum=recipe.momentum)


def _batches(
    labels: Int32[np.ndarray, " n"], recipe: ProbabilityRecipe, epoch: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields, for each batch of an epoch, the positions of its images and a mask of those to flip."""
    random = np.random.default_rng((recipe.seed, epoch))
    if recipe.balanced:
        half = (len(labels) + 1) // 2
        chosen = [np.resize(random.permutation(np.flatnonzero(labels == label)), half) for label in (0, 1)]
        order = random.permutation(np.concatenate(chosen))[: len(labels)]
    else:
        order = random.permutation(len(labels))
    size = min(recipe.batch_size, len(order))
    for start in range(0, len(order) - size + 1, size):
        chosen = order[start : start + size]
        yield chosen, random.random(size) < 0.5 * recipe.flip
