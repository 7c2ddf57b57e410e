"""The description of a method: commands, training and enhancing read only the `SPEC` in its file."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import flax.linen as nn
import jax
import optax

from drujax.errors import UsageError, unknown
from drujax.runtime.remote_file import File
from drujax.training.method import Method
from drujax.training.recipe import Recipe
from drujax.weights.torch_names import Variables, from_torch

Images = Any  # Float[Array, "b h w 3"]


@dataclass(frozen=True)
class EnhancerNetwork:
    """The enhancement network of a method.

    Attributes:
        summary: one line for `drujax models`.
        build: keyword options -> flax module.
        run: (module bound to its variables, images b h w 3 in [0, 1]) -> enhanced b h w 3, nominally in [0, 1], not
            clipped; without the last rows and columns where an option asks for that. With `fit`, its result is the
            third argument.
        options: all that `build` takes, with the defaults. Integers must be >= 1, other numbers >= 0.
        choices: the allowed values of string options.
        official: options whose value in the authors' checkpoint differs from the default.
        licence: of the authors' checkpoint.
        size_multiple: height and width are padded to multiples of this.
        margin: width in pixels of the border that the convolutions' zero padding affects; `drujax.Enhancer` pads the
            image with its reflection there.
        guided: whether `drujax.Enhancer` takes only exposure and colour from its output (`drujax.enhance.composition`).
        convert: (state dict, shapes of the variables) -> variables.
        run_tile: (module, a tile of each image, arrays by name) -> as `run`, for a network whose result in a tile
            depends on its place or on the whole (`drujax.enhance.tiled_networks` says which arrays; None: on neither,
            or it cannot be computed in tiles).
        fit: (module, images) -> arrays that are fitted to these images, of shapes that do not depend on theirs; jitted,
            so that it is compiled once. None for a network that fits nothing.
    """

    summary: str
    build: Callable[..., nn.Module]
    run: Callable[..., Images]
    options: Mapping[str, Any]
    licence: str
    official: Mapping[str, Any] = field(default_factory=dict)
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    size_multiple: int = 1
    margin: int = 0
    guided: bool = False
    convert: Callable[[Mapping[str, Any], Mapping[str, Any]], Variables] = from_torch
    run_tile: Callable[..., Any] | None = None
    fit: Callable[[Any, Images], Any] | None = None

    def module(self, options: Mapping[str, Any]) -> nn.Module:
        """Return the module with `options` over the defaults. Raises UsageError for an unknown option or bad value."""
        for name, value in options.items():
            if name not in self.options:
                raise unknown("option", name, self.options)
            if type(value) is not type(self.options[name]):
                raise UsageError(f"option {name}: must be of type {type(self.options[name]).__name__}, got {value!r}")
            if type(value) is int and value < 1:
                raise UsageError(f"option {name}: must be >= 1, got {value}")
            if type(value) is float and not 0 <= value < math.inf:
                raise UsageError(f"option {name}: must be >= 0 and finite, got {value}")
            if value not in self.choices.get(name, (value,)):
                raise unknown(f"option {name}", str(value), self.choices[name])
        return self.build(**{**self.options, **options})

    def shapes(self, module: nn.Module) -> Variables:
        """Return shapes and dtypes of the module's variables, without computing them."""
        image = jax.ShapeDtypeStruct((1, self.size_multiple, self.size_multiple, 3), "float32")

        def variables(key, image):
            return nn.init(self.run, module)(key, image, *self.fitted(module, image))

        return jax.eval_shape(variables, jax.random.key(0), image)

    def fitted(self, module: nn.Module, images: Images) -> tuple[Any, ...]:
        """Fit what `enhance` fits to `images`, to be computed apart from it; empty without `fit`."""
        return () if self.fit is None else (self.fit(module, images),)

    def enhance(
        self, module: nn.Module, variables: Variables, images: Images, fitted: tuple[Any, ...] | None = None
    ) -> Images:
        """Enhance `images`, b h w 3 in [0, 1] -> the same, not clipped. Pure in all but its first argument.

        `fitted` is what the method of that name returns for these images, if it was called before.
        """
        fitted = self.fitted(module, images) if fitted is None else fitted
        return nn.apply(self.run, module)(variables, images, *fitted)

    def enhance_tile(self, module: nn.Module, variables: Variables, images: Images, inputs: Mapping[str, Any]) -> Any:
        """Enhance a tile of each image, whose place and whole the `inputs` describe (see `run_tile`)."""
        if self.run_tile is None or not inputs:
            return self.enhance(module, variables, images)
        return nn.apply(self.run_tile, module)(variables, images, inputs)


def first_output(module: Any, images: Images) -> Images:
    """The `run` of networks that return the enhanced images first."""
    enhanced, _ = module(images)
    return enhanced


@dataclass(frozen=True)
class Model:
    """Named weights of a method's network.

    Attributes:
        name: for `--model`.
        summary: one line for `drujax models`.
        obtain: how to get weights that neither ship nor download; may be empty where there is a `file`.
        file: the authors' checkpoint, downloaded and converted when the model is first used.
        options: the network's options that the authors use.
        licence: of weights that are not downloaded.
        has_weights: false for a network without parameters, which runs as it is.
    """

    name: str
    summary: str
    obtain: str = ""
    file: File | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    licence: str = "Apache-2.0"
    has_weights: bool = True


@dataclass(frozen=True)
class Preset:
    """Changes to a method's official recipe and default options, and the weights that training starts from."""

    recipe: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    init: str | None = None


def nothing_to_train(config: Any, learning_rate: optax.Schedule | float) -> Method:
    """The `build` of a method that is not trained. Raises UsageError."""
    raise UsageError(f"method: {config.method} has nothing to train")


@dataclass(frozen=True)
class MethodSpec:
    """A method: its training and its enhancement network.

    Attributes:
        summary: one line for `--help`.
        build: (configuration, learning rate or its schedule) -> the method to train; left out where nothing is trained.
        recipe: the official recipe, which is the preset "paper".
        presets: what the other presets change ("laptop", "embedded", "debug"; "benchmark" for experiments.benchmark).
        config: a subclass of `drujax.methods.config.TrainConfig` with one more field, a dataclass of the method's own
            options, whose name is their prefix on the command line; None for a method without options.
        network: the enhancement network; None if it is that of another method.
        models: named weights of `network`.
        files: other files that training it or `drujax convert` can use.
        epoch: the images of one epoch: "dark" ones alone, dark and bright "pairs", or "all" images, dark or bright.
        halve_every: epochs after which the learning rate is halved, again and again; None if it is not.
        always_weighted: whether relativistic probabilities weight its losses without `--dru`.
        min_size: the smallest side of the training images that its losses accept.
        check: raises UsageError if the configuration contradicts itself.
        init_files: options -> weight files by option name that the trained weights descend from.
        one_image: options -> whether it trains only on the first dark image.
        untrained: options -> descriptions of its networks with random weights.
        downloads: options -> descriptions of the weights that it downloads.
    """

    summary: str
    build: Callable[[Any, optax.Schedule | float], Method] = nothing_to_train
    recipe: Recipe = Recipe()
    presets: Mapping[str, Preset] = field(default_factory=dict)
    config: type[Any] | None = None
    network: EnhancerNetwork | None = None
    models: tuple[Model, ...] = ()
    files: tuple[File, ...] = ()
    epoch: Literal["dark", "pairs", "all"] = "pairs"
    halve_every: int | None = None
    always_weighted: bool = False
    min_size: int = 1
    check: Callable[[Any], None] = lambda config: None
    init_files: Callable[[Any], Mapping[str, Any]] = lambda options: {}
    one_image: Callable[[Any], bool] = lambda options: False
    untrained: Callable[[Any], tuple[str, ...]] = lambda options: ()
    downloads: Callable[[Any], tuple[str, ...]] = lambda options: ()

    @property
    def is_trained(self) -> bool:
        """Whether there is something to train."""
        return self.build is not nothing_to_train
