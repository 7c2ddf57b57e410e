"""The benchmarks `train` and `enhance` of `experiments.benchmark`: each method compared with the same in PyTorch."""

import contextlib
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import tyro

from drujax.errors import UsageError, unknown
from drujax.runtime.malloc import keep_freed_memory
from experiments._benchmark.common import Common, Contenders, load_peer

Step = Callable[[], float]  # runs one training step and returns its loss


@dataclasses.dataclass(frozen=True)
class Train(Common):
    """The full training step of a method, with images on the device: networks, losses, optimisers.

    The options of the method are those of experiments.train: --gan.width=16, --clip-lit.clip=tiny.
    """

    # Method whose step is timed: enlightengan, zero_dce_pp, sci, ruas or clip_lit.
    method: str = "enlightengan"
    # Framework to compare with.
    peer: Literal["torch"] | None = None
    # Dark images per step, and as many bright ones; by default 2 for EnlightenGAN, else as in the official training.
    batch_size: int | None = None
    # Side of the square images; by default as in the official training.
    size: int | None = None
    # Keeps freed memory for the next step, as experiments.train does; the peer shares the process.
    keep_memory: bool = False
    # The method's options.
    options: tyro.conf.Suppress[Any] = None

    @property
    def training(self) -> Any:
        """The configuration of the training whose step is timed (`drujax.methods.config.TrainConfig`)."""
        from drujax.methods.config import options_group, preset_config

        if self.method not in SUBJECTS:
            raise unknown("method", self.method, SUBJECTS)
        config = preset_config("benchmark", self.method)
        asked = {"batch_size": self.batch_size, "size": self.size}
        recipe = dataclasses.replace(config.recipe, **{name: value for name, value in asked.items() if value})
        group = options_group(type(config))
        own = {} if group is None or self.options is None else {group: self.options}
        return dataclasses.replace(config, recipe=recipe, **own)

    @property
    def shape(self) -> tuple[int, int]:
        """Batch size and side."""
        recipe = self.training.recipe
        return recipe.batch_size, recipe.size

    def check(self) -> None:
        """Raises UsageError for options that cannot be measured."""
        _, size = self.shape
        if self.peer is not None and size % 16:
            raise UsageError(f"size: must be a multiple of 16 with --peer, got {size}")


@dataclasses.dataclass(frozen=True)
class Enhance(Common):
    """Inference of an enhancement network, with floating point images as input and output."""

    # Network to measure.
    network: Literal["enlightengan", "zero_dce_pp", "sci", "ruas", "clip_lit"] = "enlightengan"
    # Framework to compare with.
    peer: Literal["torch"] | None = None
    # Images per call.
    batch_size: int = 1
    # Height of the images.
    height: int = 400
    # Width of the images.
    width: int = 608
    # Compute dtype (EnlightenGAN only); PyTorch uses autocast.
    dtype: Literal["float32", "bfloat16"] = "float32"
    # Channels of the first layer (EnlightenGAN only).
    features: int = 32

    def check(self) -> None:
        if self.dtype != "float32" and self.network != "enlightengan":
            raise UsageError(f"--dtype: must be float32 for {self.network}, got {self.dtype}")
        multiple = PEER_MULTIPLES.get(self.network, 1) if self.peer is not None else 1
        for name in ("height", "width"):
            if getattr(self, name) % multiple:
                raise UsageError(f"--{name}: must be a multiple of {multiple} with --peer, got {getattr(self, name)}")


# Divisors of the image sides that the official networks accept without padding.
PEER_MULTIPLES = {"enlightengan": 16, "zero_dce_pp": 12}


def train(config: Train, _: contextlib.ExitStack) -> Contenders:
    """Returns drujax and PyTorch in both memory formats, with equal initial weights; they return (generator) losses."""
    if config.keep_memory:
        keep_freed_memory()
    import jax

    from drujax.runtime import mesh as meshes
    from drujax.runtime.benchmark import Contender, compiled
    from drujax.training.step import compile_step, create

    torch_peer = load_peer(config.peer)
    subject = SUBJECTS[config.method]
    batch_size, size = config.shape
    mesh = meshes.data_mesh()
    meshes.local_batch_size(batch_size, mesh)
    training = config.training
    method = subject.adapt(training.spec.build(training, training.recipe.learning_rate))
    state = create(method, 0, mesh)
    start = jax.device_get(state)
    batch = example_batch(batch_size, size)
    arguments = (meshes.put(batch, meshes.split(mesh)), None, meshes.put(method.frozen, meshes.replicated(mesh)))
    metric = "loss_g" if config.method == "enlightengan" else "loss"
    contender, program = compiled("drujax", compile_step(method, mesh), state, *arguments)
    carried = [state]

    def step():
        carried[0], metrics = program(carried[0], *arguments)
        return float(metrics[metric])

    def peer(name: str, how: dict[str, Any]) -> Contender:
        return Contender(name, subject.peer(torch_peer, method, start, batch, how))

    flops = subject.flops(method, start, batch)
    dtype = getattr(training.options, "dtype", "float32")
    return [contender._replace(run=step), *peers(torch_peer, dtype, peer)], flops


def enhance(config: Enhance, _: contextlib.ExitStack) -> Contenders:
    """Returns drujax and PyTorch in both memory formats, with equal random weights; they return the enhanced image."""
    import flax.linen as nn
    import jax
    import jax.numpy as jnp
    import numpy as np

    from drujax.methods.registry import find_network
    from drujax.runtime.benchmark import Contender, compiled, count_flops

    torch_peer = load_peer(config.peer)
    row = find_network(config.network)
    options = {**row.options, **({"width": config.features} if config.network == "enlightengan" else {})}
    module = row.module(options)
    if config.dtype == "bfloat16":
        module = module.clone(dtype=jnp.bfloat16)
    shape = (config.batch_size, config.height, config.width, 3)
    image = jnp.asarray(np.random.default_rng(0).uniform(0, 0.5, shape), jnp.float32)
    variables = jax.jit(nn.init(row.run, module))(jax.random.key(0), image[:, :16, :16])

    def network(variables, image):
        return row.enhance(module, variables, image)

    contender, program = compiled("drujax", jax.jit(network), variables, image)

    def peer(name: str, how: dict[str, Any]) -> Contender:
        enhancer = torch_peer.Enhancer(torch_peer.NETWORKS[config.network](options), jax.device_get(variables), **how)
        images = enhancer.put(np.asarray(image))
        return Contender(name, lambda: enhancer(images))

    contender = contender._replace(run=lambda: np.asarray(program(variables, image)))
    return [contender, *peers(torch_peer, config.dtype, peer)], count_flops(network, variables, image)


def peers(torch_peer: Any, dtype: str, peer: Callable[[str, dict[str, Any]], Any]) -> list[Any]:
    """Returns PyTorch with the official memory format and with channels_last, its faster one on CPU; [] without it."""
    if torch_peer is None:
        return []
    import jax

    how = {"dtype": dtype, "device": "cuda" if jax.default_backend() == "gpu" else "cpu"}
    version = torch_peer.VERSION
    return [
        peer(f"torch {version} (official)", {**how, "channels_last": False}),
        peer(f"torch {version} (channels_last)", {**how, "channels_last": True}),
    ]


def example_batch(batch_size: int, size: int) -> dict[str, Any]:
    """Returns a random batch in the format of the data pipeline."""
    import numpy as np

    rng = np.random.default_rng(0)
    positions = np.arange(batch_size, dtype=np.int32)
    return {
        "dark": rng.integers(0, 90, (batch_size, size, size, 3), dtype=np.uint8),
        "bright": rng.integers(0, 256, (batch_size, size, size, 3), dtype=np.uint8),
        "darkening": np.ones(batch_size, np.float32),
        "dark_index": positions,
        "bright_index": positions,
    }


class Subject(NamedTuple):
    """A method whose training is measured.

    Attributes:
        flops: (method, state, batch) -> useful FLOPs of a step.
        peer: (peer module, method, initial state on the host, batch, options of the peer) -> the peer's step.
        adapt: changes the method for the measurement.
    """

    flops: Callable[[Any, Any, Any], float]
    peer: Callable[[Any, Any, Any, Any, Mapping[str, Any]], Step]
    adapt: Callable[[Any], Any] = lambda method: method


def _enlightengan_flops(method: Any, _state: Any, batch: Any) -> float:
    """Counts useful FLOPs in units of each network's forward pass.

    Discriminators count 7: forward on real and fake images, input gradients of the fake images for the generator's
    loss, weight and input gradients of both for their own. The generator counts 3. VGG16 counts 3: forward on both
    images, backward through one. The unused input gradients of first layers are included.
    """
    import jax
    import jax.numpy as jnp

    from drujax.models.perceptual import VGG16Features
    from drujax.runtime.benchmark import count_flops
    from drujax.training.batch import prepare

    inputs = prepare(batch)
    b, patch = inputs.dark.shape[0], method.patch_size
    patches = jax.ShapeDtypeStruct((b * method.patches, patch, patch, 3), jnp.float32)

    def forward(network, *arrays, **options):
        shapes = [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in arrays]
        variables = jax.eval_shape(lambda *x: network.init(jax.random.key(0), *x, **options), *shapes)
        return count_flops(lambda variables, *x: network.apply(variables, *x, **options), variables, *shapes)

    vgg16 = VGG16Features(method.frozen["vgg16"]["params"]["conv1_1"]["bias"].shape[0])
    return (
        3 * forward(method.generator, inputs.darkened, inputs.attention, train=False)
        + 7 * (forward(method.d_global, inputs.dark) + forward(method.d_local, patches))
        + 3 * (forward(vgg16, inputs.dark) + forward(vgg16, patches))
    )


def _enlightengan_peer(torch_peer: Any, method: Any, start: Any, batch: Any, how: Mapping[str, Any]) -> Step:
    """Returns the peer's step, with the same patches in each step as drujax."""
    import numpy as np

    from drujax.training.batch import prepare
    from drujax.training.patches import draw_offsets
    from drujax.training.state import step_key

    networks = [network.variables for network in (start.model, start.d_global, start.d_local)]
    trainer = torch_peer.enlightengan.Trainer(*networks, method.frozen["vgg16"], **how)
    inputs = prepare(batch)
    pictures = [trainer.put(np.asarray(x)) for x in (inputs.dark, inputs.darkened, inputs.attention, inputs.bright)]
    state = start

    def step() -> float:
        nonlocal state
        size = method.patch_size
        offsets = np.asarray(draw_offsets(step_key(state), method.patches, inputs.dark.shape[1:3], size))
        state = state.replace(step=state.step + 1)
        return trainer.step(*pictures, offsets, size)

    return step


def _zero_dce_pp_flops(method: Any, state: Any, batch: Any) -> float:
    return _three_passes(method.network, state, _pictures(batch, "dark", "bright"))


def _zero_dce_pp_peer(torch_peer: Any, _method: Any, start: Any, batch: Any, how: Mapping[str, Any]) -> Step:
    trainer = torch_peer.zero_dce_pp.Trainer(start.model.variables, **how)
    images = trainer.put(_pictures(batch, "dark", "bright"))
    return lambda: trainer.step(images)


def _sci_flops(_method: Any, state: Any, batch: Any) -> float:
    from drujax.models.sci import SCI

    return _three_passes(SCI(), state, _pictures(batch, "dark"), method="stages", train=False)


def _sci_peer(torch_peer: Any, _method: Any, start: Any, batch: Any, how: Mapping[str, Any]) -> Step:
    trainer = torch_peer.sci.Trainer(start.model.variables, **how)
    images = trainer.put(_pictures(batch, "dark"))
    return lambda: trainer.step(images)


def _ruas_flops(_method: Any, state: Any, batch: Any) -> float:
    """Counts illumination estimation only, the network that most steps train."""
    from drujax.models.ruas import IlluminationEstimation

    parts = state.model.params["enhance_net"]
    return _three_passes(IlluminationEstimation(), None, _pictures(batch, "dark"), variables={"params": parts})


def _ruas_peer(torch_peer: Any, method: Any, start: Any, batch: Any, how: Mapping[str, Any]) -> Step:
    trainer = torch_peer.ruas.Trainer(start.model.variables, denoise_every=method.denoise_every, **how)
    images = trainer.put(_pictures(batch, "dark"))
    return lambda: trainer.step(images)


def _with_learned_prompts(method: Any) -> Any:
    """Replaces the equal initial prompts, which give no gradient, by different ones, as after the first phase."""
    import numpy as np

    noise = np.random.default_rng(0).normal(0, 0.02, method.initial_prompts.shape).astype(np.float32)
    return dataclasses.replace(method, initial_prompts=method.initial_prompts + noise)


def _clip_lit_flops(method: Any, state: Any, batch: Any) -> float:
    """Counts three passes of the network, forward and input gradient of the encoders on enhanced images, and forward
    passes on dark images and prompts.
    """
    import jax

    from drujax.models.clip.prompts import end_of
    from drujax.runtime.benchmark import count_flops

    dark = _pictures(batch, "dark")
    resized = jax.ShapeDtypeStruct((len(dark), method.resolution, method.resolution, 3), dark.dtype)

    def forward(encoder, x, **options):
        return count_flops(lambda variables, x: encoder.module.apply(variables, x, **options), encoder.variables, x)

    return (
        _three_passes(method.network, state, dark)
        + 2 * forward(method.clip.image, resized)
        + 3 * forward(method.resnet, resized, stages=True)
        + forward(method.clip.text, state.prompts.params, end=end_of())
    )


def _clip_lit_peer(torch_peer: Any, method: Any, start: Any, batch: Any, how: Mapping[str, Any]) -> Step:
    """Returns the peer's step on images augmented by drujax; the official code augments in its data loader."""
    import jax
    import numpy as np

    from drujax.models.clip.prompts import end_of

    trainer = torch_peer.clip_lit.Trainer(method, start.model.variables, start.prompts.params, end_of(), **how)
    augmented = jax.jit(method.augmented)
    state = start

    def step() -> float:
        nonlocal state
        dark, _ = augmented(state, batch)
        state = state.replace(step=state.step + 1)
        return trainer.step(trainer.put(np.asarray(dark)))

    return step


def _pictures(batch: Any, *kinds: str) -> Any:
    import numpy as np

    return np.concatenate([batch[kind] for kind in kinds]).astype(np.float32) / 255


def _three_passes(network: Any, state: Any, images: Any, *, variables: Any = None, **options: Any) -> float:
    """Counts FLOPs of the forward pass, the weight gradient and the input gradient."""
    from drujax.runtime.benchmark import count_flops

    variables = state.model.variables if variables is None else variables
    return 3 * count_flops(lambda variables, x: network.apply(variables, x, **options), variables, images)


SUBJECTS = {
    "enlightengan": Subject(_enlightengan_flops, _enlightengan_peer),
    "zero_dce_pp": Subject(_zero_dce_pp_flops, _zero_dce_pp_peer),
    "sci": Subject(_sci_flops, _sci_peer),
    "ruas": Subject(_ruas_flops, _ruas_peer),
    "clip_lit": Subject(_clip_lit_flops, _clip_lit_peer, _with_learned_prompts),
}
