"""CLIP's encoders, pretrained or randomly initialised.

Two layouts are supported: OpenAI's names, also used by open_clip and timm's hub files (ViT and ResNet), and Hugging
Face's `CLIPModel` (ViT). The sizes of the networks are inferred from the arrays.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from drujax.errors import UsageError, unknown
from drujax.models.clip import ModifiedResNet, TextTransformer, VisionTransformer
from drujax.models.clip.preprocessing import RESOLUTION
from drujax.models.clip.transformer import HEAD_WIDTH
from drujax.runtime.remote_file import File, hub_file
from drujax.weights.download import fetch
from drujax.weights.formats.readers import read_checkpoint
from drujax.weights.torch_names import Variables, flatten, from_torch, nest, unwrapped


def _openai(network: str, name: str, model: str, revision: str, size: int, sha256: str | None) -> File:
    """OpenAI's weights in float32 under its own names, as open_clip takes them."""
    return hub_file(
        name,
        f"OpenAI's CLIP {network}, both encoders, for CLIP-LIT",
        f"timm/{model}",
        revision,
        "open_clip_model.safetensors",
        f"clip-{model}.safetensors",
        licence="MIT",
        size=size,
        sha256=sha256,
    )


VIT = _openai(
    "ViT-B/32",
    "clip-vit-b32",
    "vit_base_patch32_clip_224.openai",
    "a6f597a30f7b82c51704746581f9a4e41421e878",
    605_143_284,
    "e6d1bd7789aa45192b3bf90570a789b478bae1b74ebcce7eddd908e83a2b7c31",
)
RESNET = _openai("RN101", "clip-rn101", "resnet101_clip.openai", "main", 479_000_000, None)

VOCABULARY = 49408  # words
# Unused entries of checkpoints: CLIP-LIT's temperature is fixed, the others follow from shapes.
_UNUSED = re.compile(r"logit_scale|input_resolution|context_length|vocab_size|.*position_ids|attn_mask")

# Regular expressions from Hugging Face's names to OpenAI's, and from OpenAI's to those of the modules.
_RENAMES = [
    (r"^vision_model\.encoder\.layers\.", "visual.transformer.resblocks."),
    (r"^vision_model\.embeddings\.patch_embedding\.", "visual.conv1."),
    (r"^vision_model\.embeddings\.position_embedding\.weight$", "visual.positional_embedding"),
    (r"^vision_model\.embeddings\.", "visual."),
    (r"^vision_model\.pre_layrnorm\.", "visual.ln_pre."),
    (r"^vision_model\.post_layernorm\.", "visual.ln_post."),
    (r"^visual_projection\.weight$", "visual.proj"),
    (r"^text_model\.encoder\.layers\.", "transformer.resblocks."),
    (r"^text_model\.embeddings\.position_embedding\.weight$", "positional_embedding"),
    (r"^text_model\.embeddings\.", ""),
    (r"^text_model\.final_layer_norm\.", "ln_final."),
    (r"^text_projection\.weight$", "text_projection"),
    (r"\.layer_norm([12])\.", r".ln_\1."),
    (r"\.self_attn\.", ".attn."),
    (r"\.mlp\.fc1\.", ".mlp.c_fc."),
    (r"\.mlp\.fc2\.", ".mlp.c_proj."),
    (r"\.attn\.in_proj_", ".attn.in_proj."),
]
_TRANSPOSED = ("visual_projection.weight", "text_projection.weight")  # linear layers there, matrices here


class Encoder(NamedTuple):
    """A network and its variables, for `module.apply(variables, ...)`."""

    module: Any  # an nn.Module; `Any`, because its `apply` is typed as possibly returning variables too
    variables: Variables


class CLIP(NamedTuple):
    """Both encoders, and the token embedding table, which gives the text encoder's input."""

    image: Encoder
    text: Encoder
    words: Float[np.ndarray, "v c"]


def load_clip(choice: str, *, argument: str = "clip") -> CLIP:
    """Loads the image and text encoders with which CLIP-LIT measures exposure.

    Args:
        choice: "openai" (ViT-B/32, downloaded once), "random" (the same architecture, untrained; for tests without
            network), or the path of a checkpoint in a supported layout.
        argument: name of the user's option, for error messages.

    Raises:
        UsageError: the file is not a CLIP checkpoint, or cannot be downloaded.
    """
    return random_clip() if choice == "random" else _load(choice, VIT, argument, import_clip)


def load_clip_resnet(choice: str, *, argument: str = "clip_resnet") -> Encoder:
    """Loads the image encoder (RN101) by whose stages CLIP-LIT compares images; arguments as in `load_clip`."""
    if choice == "random":
        return random_encoder(ModifiedResNet(), image_shape(RESOLUTION))
    return _load(choice, RESNET, argument, import_image_encoder, ModifiedResNet)


def import_clip(state: Mapping[str, np.ndarray]) -> CLIP:
    """Converts the state dict of a checkpoint. Raises UsageError if it does not match CLIP."""
    state = openai_names(state)
    image = import_image_encoder(state)
    context, width = shape = _array(state, "positional_embedding", 2).shape
    embedding = _array(state, "text_projection", 2).shape[1]
    text = TextTransformer(_multiple(width, HEAD_WIDTH), _count(state, "transformer.resblocks."), embedding, context)
    words = _array(state, "token_embedding.weight", 2)
    for name, size, wanted in (
        ("token_embedding.weight", words.shape[1], width),
        ("text_projection", embedding, image.module.embedding),
    ):
        if size != wanted:
            raise UsageError(f"{name} must have {wanted} columns, got {size}")
    of_text = {name: value for name, value in state.items() if not name.startswith(("visual.", "token_embedding."))}
    encoder = Encoder(text, _variables(text, of_text, _words(shape), end=context - 1))
    return CLIP(image, encoder, np.asarray(words, np.float32))


def import_image_encoder(state: Mapping[str, np.ndarray], kind: type[nn.Module] | None = None) -> Encoder:
    """Converts the image encoder of a checkpoint's state dict; with `kind`, it must be of this class."""
    named = openai_names(state).items()
    state = {name.removeprefix("visual."): value for name, value in named if name.startswith("visual.")}
    if "proj" in state:
        width, *_, patch = _array(state, "conv1.weight", 4).shape
        layers, embedding = _count(state, "transformer.resblocks."), _array(state, "proj", 2).shape[1]
        module = VisionTransformer(patch, _multiple(width, HEAD_WIDTH), layers, embedding)
        resolution = patch * _side(state, "positional_embedding")
    elif "attnpool.c_proj.weight" in state:
        width = _multiple(len(_array(state, "layer1.0.conv1.weight", 4)), 2)
        blocks = tuple(_count(state, f"layer{stage}.") for stage in (1, 2, 3, 4))
        embedding = len(_array(state, "attnpool.c_proj.weight", 2))
        module = ModifiedResNet(blocks, width, 32 * width // HEAD_WIDTH, embedding)
        resolution = 32 * _side(state, "attnpool.positional_embedding")
    else:
        raise UsageError("no image encoder with OpenAI's or Hugging Face's names found")
    if kind is not None and not isinstance(module, kind):
        raise UsageError(f"image encoder must be a {kind.__name__}, got a {type(module).__name__}")
    return Encoder(module, _variables(module, state, image_shape(resolution)))


def openai_names(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Renames the tensors of a checkpoint in Hugging Face's layout to OpenAI's, and drops entries that are not weights.

    The attention's `in_proj_weight` and `in_proj_bias` become `in_proj.weight` and `in_proj.bias`, like a layer's.
    """
    renamed = {}
    for key, value in unwrapped(state).items():
        name = key
        for pattern, new in _RENAMES:
            name = re.sub(pattern, new, name)
        if not _UNUSED.fullmatch(name):
            renamed[name] = value.T if key in _TRANSPOSED else value
    for name in [name for name in renamed if ".attn.q_proj." in name]:
        parts = [name.replace("q_proj", f"{part}_proj") for part in "qkv"]
        if all(part in renamed for part in parts):
            renamed[name.replace("q_proj", "in_proj")] = np.concatenate([renamed.pop(part) for part in parts])
    return renamed


def random_clip(
    image: VisionTransformer | None = None,
    text: TextTransformer | None = None,
    *,
    resolution: int = RESOLUTION,
    seed: int = 0,
) -> CLIP:
    """Returns untrained encoders, by default of ViT-B/32's sizes."""
    image, text = image or VisionTransformer(), text or TextTransformer()
    words = np.random.default_rng(seed).normal(0, 0.02, (VOCABULARY, text.width)).astype(np.float32)
    shape = (text.context, text.width)
    text_encoder = random_encoder(text, _words(shape), seed=seed, end=shape[0] - 1)
    return CLIP(random_encoder(image, image_shape(resolution), seed=seed), text_encoder, words)


def random_encoder(module: nn.Module, example: jax.ShapeDtypeStruct, *, seed: int = 0, **options: Any) -> Encoder:
    """Initialises `module` randomly with NumPy, which is faster than compiling its initialisers.

    As in OpenAI's initialisation, the residual branches of convolutional blocks are zero.
    """
    random = np.random.default_rng(seed)

    def draw(path: str, shape: tuple[int, ...]) -> np.ndarray:
        if path.endswith(("/scale", "/var")):
            return np.full(shape, 0 if "/layer" in path and "/bn3/" in path else 1, np.float32)
        if path.endswith(("/bias", "/mean")):
            return np.zeros(shape, np.float32)
        fan_in = shape[-1] if path.endswith("embedding") else np.prod(shape[:-1])
        return random.normal(0, fan_in**-0.5, shape).astype(np.float32)

    shapes = flatten(_shapes(module, example, options))
    drawn = nest({path: draw(path, leaf.shape) for path, leaf in shapes.items()})
    return Encoder(module, jax.tree.map(jnp.asarray, drawn))


def image_shape(resolution: int) -> jax.ShapeDtypeStruct:
    """Returns the shape of a batch of one square image."""
    return jax.ShapeDtypeStruct((1, resolution, resolution, 3), jnp.float32)


def _words(shape: tuple[int, ...]) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct((1, *shape), jnp.float32)


def _load(choice: str, file: File, argument: str, convert: Any, *details: Any) -> Any:
    if choice == "openai":
        path = fetch(file, otherwise=f"{argument}=random uses untrained encoders, for tests")
    else:
        path = Path(choice)
        if not path.is_file():
            raise unknown(argument, choice, ("openai", "random", "or the path of a checkpoint"))
    state = read_checkpoint(path)
    try:
        return convert(state, *details)
    except UsageError as error:
        raise UsageError(f"{argument}: {path}: not a matching CLIP checkpoint: {error}") from error


def _shapes(module: nn.Module, example: jax.ShapeDtypeStruct, options: Mapping[str, Any]) -> Any:
    return jax.eval_shape(lambda key, x: module.init(key, x, **options), jax.random.key(0), example)


def _variables(
    module: nn.Module, arrays: Mapping[str, np.ndarray], example: jax.ShapeDtypeStruct, **options: Any
) -> Variables:
    return jax.tree.map(jnp.asarray, from_torch(arrays, _shapes(module, example, options)))


def _array(state: Mapping[str, np.ndarray], name: str, ndim: int) -> np.ndarray:
    """Returns an array whose shape gives a size of the network."""
    value = state.get(name)
    if value is None:
        raise UsageError(f"{name} is missing")
    if value.ndim != ndim:
        raise UsageError(f"{name} must have {ndim} dimensions, got shape {value.shape}")
    return value


def _count(state: Mapping[str, np.ndarray], prefix: str) -> int:
    """Counts the layers by their arrays' names, in which a number follows the `prefix`."""
    return len({name.removeprefix(prefix).partition(".")[0] for name in state if name.startswith(prefix)})


def _side(state: Mapping[str, np.ndarray], name: str) -> int:
    """Returns the side of the square grid of tokens; the class token has one more position."""
    positions = len(_array(state, name, 2)) - 1
    side = round(max(positions, 0) ** 0.5)
    if side == 0 or side**2 != positions:
        raise UsageError(f"{name} must have n * n + 1 positions, got {positions + 1}")
    return side


def _multiple(width: int, divisor: int) -> int:
    if width == 0 or width % divisor:
        raise UsageError(f"width of the layers must be a multiple of {divisor}, got {width}")
    return width
