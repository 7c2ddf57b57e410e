"""The method that a configuration describes."""

from pathlib import Path
from typing import Any

from drujax.errors import UsageError
from drujax.training.method import Method
from experiments.recipes import Config

RESOLUTION, TINY = 224, 64  # of the pictures that CLIP's encoders take, and of tiny ones


def build(config: Config, steps_per_epoch: float) -> Method:
    """The method of `config`, with its schedule in epochs of so many steps."""
    from drujax.training.schedule import linear_decay

    recipe = config.recipe
    rate = linear_decay(recipe.learning_rate, steps_per_epoch, recipe.constant_epochs, recipe.decay_epochs)
    return BUILDERS[config.method](config, {"learning_rate": rate, "ema_decay": recipe.ema_decay})


def _generator(config: Config) -> dict[str, Any]:
    import jax.numpy as jnp

    gan = config.gan
    return {
        "align_corners": gan.align_corners,
        "frozen_batch_norm": gan.frozen_batch_norm,
        "width": gan.width,
        "compute_dtype": jnp.dtype("bfloat16") if gan.dtype == "bfloat16" else None,
    }


def _enlightengan(config: Config, common: dict[str, Any]) -> Method:
    from drujax.methods.enlightengan import EnlightenGAN
    from drujax.weights.pretrained.perceptual import perceptual_variables

    gan = config.gan
    return EnlightenGAN(
        perceptual_variables(gan.perceptual, width=gan.perceptual_width, seed=config.seed),
        **common,
        **_generator(config),
        ghost_batches=gan.ghost_batches,
        reconstruction=gan.reconstruction,
        generator_rests=gan.generator_rests,
        discriminator_features=gan.discriminator_features,
        loss_scale=gan.loss_scale,
        patches=gan.patches,
        patch_size=gan.patch_size,
    )


def _exposure(config: Config, common: dict[str, Any]) -> Method:
    from drujax.methods.exposure import Exposure

    return Exposure(**common, **_generator(config))


def _zero_dce_pp(config: Config, common: dict[str, Any]) -> Method:
    from drujax.methods.zero_dce_pp import ZeroDCEpp

    return ZeroDCEpp(**common, form=config.recipe.loss_form)


def _sci(config: Config, common: dict[str, Any]) -> Method:
    from drujax.methods.sci import SCI

    return SCI(**common, form=config.recipe.loss_form)


def _ruas(config: Config, common: dict[str, Any]) -> Method:
    from drujax.methods.ruas import RUAS

    asked = config.ruas
    illumination, noise = _architecture(asked.architecture)
    return RUAS(
        **common,
        form=config.recipe.loss_form,
        denoise_every=asked.denoise_every,
        denoiser=None if asked.denoiser is None else _denoiser(asked.denoiser, noise),
        illumination=illumination,
        noise=noise,
    )


def _ruas_search(_config: Config, common: dict[str, Any]) -> Method:
    from drujax.methods.ruas_search import RUASSearch

    return RUASSearch(**common)


def _architecture(path: Path | None) -> tuple[str, str]:
    """The cells of illumination estimation and noise removal that a search found, by its run or its weights; those of
    the release without one.
    """
    from drujax.weights.safetensors_io import load_weights

    if path is None:
        return "released", "released"
    try:
        _, metadata = load_weights(path / "weights.safetensors" if path.is_dir() else path)
    except (UsageError, OSError) as error:
        raise UsageError(f"--ruas.architecture: {error}") from error
    if metadata["network"] != "ruas":
        raise UsageError(f"--ruas.architecture: {path} holds {metadata['network']}, not ruas")
    illumination, noise = (metadata["options"].get(cell, "released") for cell in ("illumination", "noise"))
    return illumination, noise


def _denoiser(path: Path, cell: str) -> dict[str, Any]:
    """The noise removal of a RUAS checkpoint, or one of noise removal alone, or of a network of drujax; its cells must
    be `cell`.
    """
    import jax
    import jax.numpy as jnp

    from drujax.models.ruas import NoiseRemoval, genotype
    from drujax.weights.formats.readers import read_checkpoint
    from drujax.weights.safetensors_io import load_weights
    from drujax.weights.torch_names import from_torch, to_torch, unwrapped

    ours = path.suffix == ".safetensors"
    state = to_torch(load_weights(path)[0]) if ours else unwrapped(read_checkpoint(path))
    state = {name.removeprefix("denoise_net."): array for name, array in state.items()}
    shapes = jax.eval_shape(NoiseRemoval(genotype("noise", cell)).init, jax.random.key(0), jnp.zeros((1, 8, 8, 3)))
    wanted = {name: array for name, array in state.items() if not name.startswith("enhance_net.")}
    try:
        return from_torch(wanted, shapes)["params"]
    except UsageError as error:
        raise UsageError(f"--ruas.denoiser: {path}: {error}") from error


def _clip_lit(config: Config, common: dict[str, Any]) -> Method:
    import numpy as np

    from drujax.methods.clip_lit import CLIPLIT, Lengths
    from drujax.models.clip.prompts import initial_prompt

    asked = config.clip_lit
    clip, resnet, resolution = clip_encoders(asked.clip, asked.resnet)
    if asked.prompts is None:
        prompts = np.stack([np.asarray(initial_prompt(clip.words))] * 2)
    else:
        prompts = _prompts(asked.prompts, clip.words.shape[1])
    return CLIPLIT(
        **common,
        clip=clip,
        resnet=resnet,
        initial_prompts=prompts,
        prompt_rate=asked.prompt_rate,
        lengths=Lengths(
            prompts=0 if asked.prompts else asked.prompt_steps,
            reconstruction=0 if config.init else asked.reconstruction_steps,
            enhancement=asked.enhancement_steps,
            refinement=asked.refinement_steps,
            enhancement_bound=asked.enhancement_bound,
            prompts_bound=asked.prompts_bound,
        ),
        form=config.recipe.loss_form,
        resolution=resolution,
    )


def clip_encoders(clip: str, resnet: str) -> tuple[Any, Any, int]:
    """CLIP's ViT-B/32 with its texts, RN101, and the side of the pictures that both take; by `CLIPLIT.clip`."""
    from drujax.models.clip import ModifiedResNet, TextTransformer, VisionTransformer
    from drujax.weights.pretrained import clip as clip_weights

    if clip == "tiny":
        tiny = VisionTransformer(width=64, layers=1, embedding=16), TextTransformer(64, 1, 16)
        encoders = clip_weights.random_clip(*tiny, resolution=TINY)
    else:
        encoders = clip_weights.load_clip(clip, argument="--clip-lit.clip")
    if resnet == "tiny":
        stages = clip_weights.random_encoder(ModifiedResNet((1, 1, 1, 1), 4, 2, 16), clip_weights.picture(TINY))
    else:
        stages = clip_weights.load_clip_resnet(resnet, argument="--clip-lit.resnet")
    # RN101's stages, which are all that is used of it, take any size.
    return encoders, stages, TINY if clip == "tiny" else RESOLUTION


def _prompts(path: Path, width: int) -> Any:
    """The learned prompts of a checkpoint of the official code."""
    from drujax.models.clip.prompts import CONTEXT
    from drujax.weights.formats.readers import read_checkpoint
    from drujax.weights.torch_names import unwrapped

    state = unwrapped(read_checkpoint(path))
    prompts = state.get("embedding_prompt")
    if prompts is None or prompts.shape != (2, CONTEXT, width):
        found = "lacks it" if prompts is None else f"has one of shape {prompts.shape}"
        raise UsageError(
            f"--clip-lit.prompts: {path}: it must hold embedding_prompt of 2x{CONTEXT}x{width}, and {found}"
        )
    return prompts


BUILDERS = {
    "enlightengan": _enlightengan,
    "exposure": _exposure,
    "zero_dce_pp": _zero_dce_pp,
    "sci": _sci,
    "ruas": _ruas,
    "ruas_search": _ruas_search,
    "clip_lit": _clip_lit,
}
