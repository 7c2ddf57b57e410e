"""CLIP's encoders of tiny size, with weights by formula, against reference implementations (data/clip.npz).

The npz has the names and shapes of the references' state dictionaries and their outputs, computed in float64 with torch
2.13.0. `formula_weights` makes their weights, `pictures` their inputs.

* vit_*: `CLIPModel` of transformers 5.23.0; each encoder has two layers of width 128 with two heads; patches of 8 in
  images of 24, 12 tokens of a vocabulary of 100 (98 starts, 99 ends), 16 features.
* resnet_*, stage*: a port of openai/CLIP's residual encoder, which agrees with the original at d05afc43 to 2e-8; blocks
  (1, 2, 1, 1) from width 4, images of 64, 16 features.
* resized_*: torch's bilinear `interpolate` of 37 x 53 uniform noise, with CLIP's normalisation: to 16 x 16 without and
  with antialias, and every fifth row and column of 60 x 60.

At full size and with weights of the same formula, both networks of openai/CLIP agree with these to 1.5e-6 of the
largest value.
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from drujax.errors import UsageError
from drujax.models.clip import ModifiedResNet, TextTransformer, VisionTransformer, prompts
from drujax.models.clip.preprocessing import normalised
from drujax.weights.pretrained import clip as clip_weights
from drujax.weights.torch_names import flatten, to_torch

TOLERANCE = 1e-5  # of the largest value


@pytest.fixture(scope="module")
def golden():
    with np.load(Path(__file__).parent / "data" / "clip.npz") as archive:
        return dict(archive)


@pytest.fixture(scope="module")
def hugging_face(golden):
    return formula_weights(golden, "vit")


@pytest.fixture(scope="module")
def resnet_state(golden):
    return formula_weights(golden, "resnet")


@pytest.fixture(scope="module")
def clip(hugging_face):
    return clip_weights.import_clip(hugging_face)


@pytest.fixture(scope="module")
def resnet(resnet_state):
    return clip_weights.import_image_encoder(resnet_state)


def formula_weights(golden, model):
    """Random weights, seeded by the position in the reference's order."""
    weights = {}
    for i, (name, shape) in enumerate(zip(golden[f"{model}_names"], golden[f"{model}_shapes"], strict=True)):
        shape = tuple(map(int, shape.split()))
        z = np.random.RandomState(1234 + i).standard_normal(shape)
        if name.endswith("num_batches_tracked"):
            z = np.zeros(())
        elif len(shape) >= 2:
            z = z / np.sqrt(np.prod(shape[1:]))
        elif name.endswith("running_var"):
            z = 1 + 0.1 * np.abs(z)
        else:
            z = float(name.endswith(".weight")) + 0.1 * z
        weights[str(name)] = np.asarray(z, np.float32)
    return weights


def pictures(seed, count, side):
    """Normal noise b h w 3, drawn in PyTorch's layout."""
    return np.random.RandomState(seed).standard_normal((count, 3, side, side)).astype(np.float32).transpose(0, 2, 3, 1)


def openai_layout(state):
    """Converts Hugging Face's `state` to OpenAI's layout."""
    layers = {"ln_1": "layer_norm1", "ln_2": "layer_norm2", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2"}
    layers["attn.out_proj"] = "self_attn.out_proj"
    out = {
        "visual.class_embedding": state["vision_model.embeddings.class_embedding"],
        "visual.conv1.weight": state["vision_model.embeddings.patch_embedding.weight"],
        "visual.positional_embedding": state["vision_model.embeddings.position_embedding.weight"],
        "visual.proj": state["visual_projection.weight"].T,
        "positional_embedding": state["text_model.embeddings.position_embedding.weight"],
        "token_embedding.weight": state["text_model.embeddings.token_embedding.weight"],
        "text_projection": state["text_projection.weight"].T,
        "logit_scale": state["logit_scale"],
        "input_resolution": np.array(24),
        "context_length": np.array(12),
        "vocab_size": np.array(100),
    }
    norms = {
        "visual.ln_pre": "vision_model.pre_layrnorm",
        "visual.ln_post": "vision_model.post_layernorm",
        "ln_final": "text_model.final_layer_norm",
    }
    for kind in ("weight", "bias"):
        out |= {f"{ours}.{kind}": state[f"{theirs}.{kind}"] for ours, theirs in norms.items()}
        for ours, theirs in (("visual.", "vision_model"), ("", "text_model")):
            for i in range(2):
                block, layer = f"{ours}transformer.resblocks.{i}", f"{theirs}.encoder.layers.{i}"
                out |= {f"{block}.{new}.{kind}": state[f"{layer}.{old}.{kind}"] for new, old in layers.items()}
                parts = [state[f"{layer}.self_attn.{part}_proj.{kind}"] for part in "qkv"]
                out[f"{block}.attn.in_proj_{kind}"] = np.concatenate(parts)
    return out


def assert_near(ours, theirs, tolerance=TOLERANCE):
    assert np.shape(ours) == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * np.abs(theirs).max())


def test_features_of_pictures_equal_transformers(clip, golden):
    module, variables = clip.image
    assert module == VisionTransformer(patch=8, width=128, layers=2, embedding=16)
    assert_near(jax.jit(module.apply)(variables, pictures(7, 2, 24)), golden["image_features"])


def test_features_of_texts_equal_transformers(clip, golden):
    module, variables = clip.text
    assert module == TextTransformer(width=128, layers=2, embedding=16, context=12)
    features = jax.jit(module.apply, static_argnames="end")(variables, clip.words[golden["words"]], end=7)
    assert_near(features, golden["text_features"])


def test_features_and_stages_equal_openais_resnet(resnet, golden):
    module, variables = resnet
    assert module == ModifiedResNet(blocks=(1, 2, 1, 1), width=4, heads=2, embedding=16)
    picture = pictures(8, 1, 64)
    features, maps = jax.jit(
        lambda variables, x: (module.apply(variables, x), module.apply(variables, x, stages=True))
    )(variables, picture)
    assert_near(features, golden["resnet_features"])
    assert len(maps) == 5
    for i, ours in enumerate(maps):
        assert_near(ours, golden[f"stage{i}"])


def test_gradients_reach_pictures_and_prompts(clip, resnet, golden):
    def of_picture(x):
        maps = resnet.module.apply(resnet.variables, jnp.tile(x, (1, 3, 3, 1))[:, :64, :64], stages=True)
        return clip.image.module.apply(clip.image.variables, x).sum() + sum(layer.mean() for layer in maps)

    def of_words(words):
        return clip.text.module.apply(clip.text.variables, words, end=7).sum()

    gradient = jax.jit(jax.grad(of_picture))(pictures(7, 1, 24))
    assert np.all(np.isfinite(gradient))
    assert np.all(np.any(np.asarray(gradient), axis=(0, 3)))
    gradient = np.asarray(jax.jit(jax.grad(of_words))(clip.words[golden["words"]]))
    assert np.all(np.isfinite(gradient))
    assert np.all(np.abs(gradient[:, :8]).max(-1) > 0)
    assert not gradient[:, 8:].any()  # after the end token


@pytest.mark.parametrize(
    ("name", "resolution", "antialias"), [("down", 16, False), ("antialiased", 16, True), ("up", 60, False)]
)
def test_preprocessing_equals_torch(golden, name, resolution, antialias):
    noise = np.random.RandomState(9).uniform(size=(1, 3, 37, 53)).astype(np.float32).transpose(0, 2, 3, 1)
    ours = normalised(jnp.asarray(noise), resolution=resolution, antialias=antialias)
    assert_near(ours[:, ::5, ::5] if name == "up" else ours, golden[f"resized_{name}"])


def test_both_layouts_import_equally(hugging_face, clip):
    ours = clip_weights.import_clip({f"module.{name}": value for name, value in openai_layout(hugging_face).items()})
    assert (ours.image.module, ours.text.module) == (clip.image.module, clip.text.module)
    jax.tree.map(np.testing.assert_array_equal, (ours.image[1], ours.text[1]), (clip.image[1], clip.text[1]))
    np.testing.assert_array_equal(ours.words, clip.words)


def test_half_precision_is_converted_to_float32(hugging_face):
    half = {name: value.astype(np.float16) for name, value in hugging_face.items()}
    clip = clip_weights.import_clip(half)
    assert {leaf.dtype for leaf in jax.tree.leaves((clip.image[1], clip.text[1], clip.words))} == {np.dtype("float32")}


def test_published_sizes():
    """openai/CLIP at d05afc43 has 151277313 parameters with ViT-B/32 and 119688033 with RN101."""
    shape = clip_weights.image_shape(224)
    vit = _count(VisionTransformer(), shape)
    resnet = _count(ModifiedResNet(), shape)
    text = _count(TextTransformer(), jax.ShapeDtypeStruct((1, 77, 512), jnp.float32), end=76)
    words, temperature = 49408 * 512, 1
    assert vit + text + words + temperature == 151_277_313
    assert resnet + text + words + temperature == 119_688_033
    for file, parameters in ((clip_weights.VIT, 151_277_313), (clip_weights.RESNET, 119_688_033)):
        assert file.size == pytest.approx(4 * parameters, rel=1e-3)


def _count(module, example, **options):
    shapes = jax.eval_shape(lambda key, x: module.init(key, x, **options), jax.random.key(0), example)
    return sum(leaf.size for leaf in jax.tree.leaves(shapes["params"]))


def test_initial_prompt():
    """Sixteen tokens "x" (end of word) between start and end, then padding with 0."""
    words = prompts.prompt_tokens()
    np.testing.assert_array_equal(words, [49406, *[343] * 16, 49407, *[0] * 59])
    assert words[prompts.end_of(16)] == 49407
    embeddings = np.random.default_rng(0).standard_normal((49408, 2)).astype(np.float32)
    np.testing.assert_array_equal(prompts.initial_prompt(embeddings), embeddings[words])
    with pytest.raises(UsageError, match="must have 49408 rows, got 100"):
        prompts.initial_prompt(embeddings[:100])


def test_checkpoint_files(hugging_face, resnet_state, clip, tmp_path):
    np.savez(tmp_path / "vit.npz", **hugging_face)
    np.savez(tmp_path / "resnet.npz", **resnet_state)
    loaded = clip_weights.load_clip(str(tmp_path / "vit.npz"))
    np.testing.assert_array_equal(loaded.words, clip.words)
    assert clip_weights.load_clip_resnet(str(tmp_path / "resnet.npz")).module.width == 4
    with pytest.raises(
        UsageError, match=r"^clip: .*resnet\.npz: not a matching CLIP checkpoint: positional_embedding is missing$"
    ):
        clip_weights.load_clip(str(tmp_path / "resnet.npz"))
    with pytest.raises(
        UsageError, match=r"^--guide: .*vit\.npz: .* must be a ModifiedResNet, got a VisionTransformer$"
    ):
        clip_weights.load_clip_resnet(str(tmp_path / "vit.npz"), argument="--guide")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.clear(), "no image encoder"),
        (lambda state: state.pop("transformer.resblocks.1.ln_1.bias"), "missing 1 array .*ln_1/bias"),
        (lambda state: state.pop("visual.transformer.resblocks.0.attn.in_proj_bias"), "missing 1 array .*in_proj/bias"),
        (lambda state: state.update({"visual.bn": np.zeros(3)}), "unexpected 1 array .*bn"),
        (lambda state: state.update({"text_projection": np.zeros(3)}), r"text_projection must .* got shape \(3,\)"),
        (lambda state: state.update({"token_embedding.weight": np.zeros((9, 64))}), "must have 128 columns, got 64"),
        (lambda state: state.update({"text_projection": np.zeros((128, 9))}), "must have 16 columns, got 9"),
        (lambda state: state.update({"visual.positional_embedding": np.zeros((9, 128))}), "positions, got 9"),
        (lambda state: state.update({"visual.conv1.weight": np.zeros((100, 3, 8, 8))}), "multiple of 64, got 100"),
    ],
)
def test_import_names_mismatched_arrays(hugging_face, change, message):
    state = openai_layout(hugging_face)
    change(state)
    with pytest.raises(UsageError, match=message):
        clip_weights.import_clip(state)


def test_failed_download_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("DRUJAX_CACHE", str(tmp_path))
    monkeypatch.setattr(clip_weights, "VIT", dataclasses.replace(clip_weights.VIT, url="http://127.0.0.1:9/file"))
    with pytest.raises(UsageError, match=r"ViT-B/32.*put it at .*\.safetensors.*clip=random"):
        clip_weights.load_clip("openai")


def test_untrained_encoders_distinguish_images():
    image, text = VisionTransformer(patch=8, width=64, layers=1, embedding=8), TextTransformer(64, 1, 8)
    clip = clip_weights.random_clip(image, text, resolution=16)
    again = clip_weights.random_clip(image, text, resolution=16)
    jax.tree.map(np.testing.assert_array_equal, clip.image.variables, again.image.variables)
    one, other = np.asarray(jax.jit(clip.image.module.apply)(clip.image.variables, pictures(0, 2, 16)))
    assert np.abs(one - other).max() > 0.1
    prompt = prompts.initial_prompt(clip.words)
    apply = jax.jit(clip.text.module.apply, static_argnames="end")
    features = apply(clip.text.variables, prompt[None], end=prompts.end_of())
    assert features.shape == (1, 8)
    assert np.all(np.isfinite(features))
    resnet = clip_weights.random_encoder(ModifiedResNet((1, 1, 1, 1), 8, 4, 8), clip_weights.image_shape(32))
    apply = jax.jit(resnet.module.apply, static_argnames="stages")
    for layer in apply(resnet.variables, pictures(0, 1, 32), stages=True):
        assert np.all(np.isfinite(layer))
        assert np.any(layer)


def test_parameter_names_are_openais(resnet, resnet_state):
    ours = to_torch(resnet.variables)
    theirs = {name.removeprefix("visual."): value for name, value in resnet_state.items()}
    theirs = {name: value for name, value in theirs.items() if not name.endswith("num_batches_tracked")}
    assert set(ours) == set(theirs)
    for name, value in theirs.items():
        np.testing.assert_array_equal(ours[name], value)
    assert "batch_stats/layer1.0/downsample.1/mean" in flatten(resnet.variables)
