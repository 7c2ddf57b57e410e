"""The VGG16 of the self-feature-preserving loss, by name."""

from pathlib import Path

from drujax.errors import UsageError, unknown
from drujax.weights.convert import Variables, vgg16_features
from drujax.weights.readers import read_checkpoint

DOWNLOAD = "vgg16"  # its row in drujax.weights.table


def perceptual_variables(choice: str, *, width: int = 64, seed: int = 0) -> Variables:
    """Variables of `VGG16Features`.

    Args:
        choice: "imagenet" (downloaded once), "random" (He initialisation, not trained; for trials without network), or
            the path of a VGG16 checkpoint in a layout that `vgg16_features` knows.
        width: channels of the first block; only "random" can have another than VGG16's 64.
        seed: of "random".

    Raises:
        UsageError: the file holds no VGG16, or cannot be downloaded.
    """
    if choice == "random":
        return _random(width, seed)
    if choice == "imagenet":
        from drujax.weights.download import fetch

        path = fetch(DOWNLOAD)
    else:
        path = Path(choice)
        if not path.is_file():
            raise unknown("--gan.perceptual", choice, ("imagenet", "random", "or the path of a checkpoint"))
    try:
        return vgg16_features(read_checkpoint(path))
    except UsageError as error:
        raise UsageError(f"--gan.perceptual: {path}: {str(error).removeprefix(f'{path}: ')}") from error


def _random(width: int, seed: int) -> Variables:
    import jax
    import jax.numpy as jnp
    from flax.linen.initializers import he_normal

    from drujax.models.perceptual import VGG16Features

    image = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    shapes = jax.eval_shape(VGG16Features(width).init, jax.random.key(0), image)["params"]
    keys = jax.random.split(jax.random.key(seed), len(shapes))
    layers = {}
    for key, (name, layer) in zip(keys, sorted(shapes.items()), strict=True):
        kernel = he_normal()(key, layer["kernel"].shape, jnp.float32)
        # The pictures come as 0..255; a first layer for 0..1 would give features of that size, which is as good to the
        # instance normalisation that follows, but not to bfloat16.
        layers[name] = {"kernel": kernel / 255 if name == "conv1_1" else kernel, "bias": jnp.zeros(layer["bias"].shape)}
    return {"params": layers}
