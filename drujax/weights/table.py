"""Weights of others that drujax can use but does not ship, and where a user's machine gets them.

Addresses on the model hub are pinned to a revision where it is known; hashes and sizes are as its pages show them.
"""

from dataclasses import dataclass

from drujax.errors import unknown


@dataclass(frozen=True)
class File:
    """A file to download.

    Attributes:
        what: the weights in words.
        url: its address; for `manual` files the page from which a person gets it.
        filename: its name in the cache.
        size: bytes, rounded as its host shows them: for telling the user, not a check; None where unknown.
        sha256: all of it, or its beginning; None where unknown (then the first download's is recorded and checked).
        licence: an SPDX identifier, or in words.
        manual: it cannot be downloaded by a program.
        half_range: the network takes pictures in [-1, 1], not in ImageNet normalisation.
    """

    what: str
    url: str
    filename: str
    size: int | None
    sha256: str | None
    licence: str
    manual: bool = False
    half_range: bool = False


def find(name: str) -> File:
    """The row called `name`. Raises UsageError when there is none."""
    if name not in FILES:
        raise unknown("weights", name, FILES)
    return FILES[name]


def _timm(
    model: str,
    revision: str,
    size: int,
    sha256: str | None,
    licence: str = "BSD-3-Clause",
    *,
    half_range: bool = False,
) -> File:
    return File(
        what=f"ImageNet weights of timm's {model}",
        url=f"https://huggingface.co/timm/{model}/resolve/{revision}/model.safetensors",
        filename=f"timm-{model}.safetensors",
        size=size,
        sha256=sha256,
        licence=licence,
        half_range=half_range,
    )


def _clip(network: str, model: str, revision: str, size: int, sha256: str | None) -> File:
    """OpenAI's weights in float32 by its own names, as open_clip takes them."""
    return File(
        what=f"OpenAI's CLIP {network}, both encoders, for CLIP-LIT",
        url=f"https://huggingface.co/timm/{model}/resolve/{revision}/open_clip_model.safetensors",
        filename=f"clip-{model}.safetensors",
        size=size,
        sha256=sha256,
        licence="MIT",
    )


def _released(repository: str, commit: str, path: str, name: str, size: int, sha256: str, licence: str) -> File:
    """A checkpoint in its authors' repository."""
    return File(
        what=f"{repository.partition('/')[2]}'s released {path.rpartition('/')[2]}",
        url=f"https://raw.githubusercontent.com/{repository}/{commit}/{path}",
        filename=name,
        size=size,
        sha256=sha256,
        licence=licence,
    )


def _sci(level: str, sha256: str) -> File:
    return _released("vis-opt-group/SCI", "main", f"weights/{level}.pt", f"sci_{level}.pt", 43_967, sha256, "MIT")


def _ruas(data: str, sha256: str) -> File:
    commit = "f621bb19ceffbe27b2d9625bb806bc7cc60aea7b"
    return _released("KarelZhang/RUAS", commit, f"ckpt/{data}.pt", f"ruas_{data}.pt", 31_374, sha256, "none stated")


FILES = {
    "resnet18": _timm(
        "resnet18.tv_in1k",
        "a987fd6b60f845221bfff84b6f0191273ba56ead",
        46_800_000,
        "694f673df6520a3158624e8a89af086f59923ee4cd7436fe5bc3bc71d295ad81",
    ),
    "resnet50": _timm(
        "resnet50.tv_in1k",
        "aa6c2d36d56bc0209040c02b5a7b7d7bf11d57b8",
        102_000_000,
        "5d061a3c593d795bfe682d9b152bafbcf550579873492def3515b46db1189888",
    ),
    "mobilenet_v2": _timm(
        "mobilenetv2_100.ra_in1k",
        "f3ff81ba89de0bc46b546568ebeab2edef6b9d49",
        14_200_000,
        "55ea4fb3a96010b933710ebf44fc965b070d5cd054d3f35e44f2d1320b4a714e",
        "Apache-2.0",
    ),
    "vgg13_bn": _timm(
        "vgg13_bn.tv_in1k",
        "ed6e64d6167edbe08697cb4d7ceaef5077972131",
        532_000_000,
        "7dae235e35772693cd527e7ac9ef8f6594707a14a8d26aabdb83c0baa6847861",
    ),
    "vgg16": _timm(
        "vgg16.tv_in1k",
        "3394518cba29aee1ea82a49d971be90d2dd1dab7",
        553_000_000,
        "57b026918159a6bf9faf8405c3a551903768e7138989d9c6224a14227203fad8",
    ),
    "vgg19": _timm(
        "vgg19.tv_in1k",
        "128d4708565b3a414bcbb9bbad440b2fe37b9f18",
        575_000_000,
        "11aea017b543ff59233749d8f1cf544cda749378f5790d2fedab841fb86b7669",
    ),
    # Torchvision's, not timm's: trained with ImageNet's mean and deviation as the other backbones, timm's with 0.5.
    "vit_b16": _timm(
        "vit_base_patch16_224.augreg_in1k", "main", 346_000_000, None, licence="Apache-2.0", half_range=True
    ),
    "clip-vit-b32": _clip(
        "ViT-B/32",
        "vit_base_patch32_clip_224.openai",
        "a6f597a30f7b82c51704746581f9a4e41421e878",
        605_143_284,
        "e6d1bd7789aa45192b3bf90570a789b478bae1b74ebcce7eddd908e83a2b7c31",
    ),
    "clip-rn101": _clip("RN101", "resnet101_clip.openai", "main", 479_000_000, None),
    "enlightengan-official": File(
        what="EnlightenGAN's released generator, for drujax convert --model enlightengan",
        url="https://drive.google.com/file/d/1AkV-n2MdyfuZTFvcon8Z4leyVb0i7x63/view",
        filename="200_net_G_A.pth",
        size=34_600_000,
        sha256=None,
        licence="BSD",
        manual=True,
    ),
    "sci-easy-official": _sci("easy", "b17326a26a93bf187ecbab217f9d3c57467a8b56020d4d9ff600ba257bbffb36"),
    "sci-medium-official": _sci("medium", "4ff1e7e66e8f18114f790e5085ca4c936f0858e329e7ad1cb65b8aa09a9c6916"),
    "sci-difficult-official": _sci("difficult", "657fa1f280cae1035df0d5cbe628e91f2d0f28660df608a3fa3f7e9a71da5a13"),
    "zero-dce-pp-official": _released(
        "Li-Chongyi/Zero-DCE_extension",
        "99ab5265054f685c874da58033ece00579514425",
        "Zero-DCE++/snapshots_Zero_DCE++/Epoch99.pth",
        "zero_dce_pp_Epoch99.pth",
        52_395,
        "ca8855b90df9a80fa4195a831f33d3476b1964f787eb70602797c773067f3b84",
        "CC-BY-NC-4.0",
    ),
    "ruas-lol-official": _ruas("lol", "f45a881a9b836fff4a3172481f28c9eb4d91bc4df54ec064092f39ce40abcdcd"),
    "ruas-upe-official": _ruas("upe", "2252d3d909e346b547232c7015f034685aac75181171c6caf90ee12d87ca36c1"),
    "ruas-dark-official": _ruas("dark", "59083ec4dd4a2b7926c182a4add1519b9646a3aca6c39cfdb7d496fe885828e4"),
    "clip-lit-official": _released(
        "ZhexinLiang/CLIP-LIT",
        "648cf29f1107c085b5b80ec94ef7c7f15bc15006",
        "pretrained_models/enhancement_model.pth",
        "clip_lit_enhancement_model.pth",
        1_126_923,
        "67aa1bdbac345842670e494b02953f299e5088bcb3f98a18bd60b06fef48b5c9",
        "none stated",
    ),
    "ma-forests": File(
        what="Ma's regression forests, for the metrics ma and pi",
        url="https://raw.githubusercontent.com/chaoma99/sr-metric/51218dbd5a1a5827cec9259b2fe0024b0b8702d4/model.mat",
        filename="ma-model.mat",
        size=None,
        sha256=None,
        licence="MIT",
    ),
    "nima-inception": File(
        what="NIMA's Inception-ResNet-v2, trained on AVA by IQA-PyTorch, for the metric nima",
        url="https://huggingface.co/chaofengc/IQA-PyTorch-Weights/resolve/2a70956a7b7915401b1c8c630d1c661ad5da4274/NIMA_InceptionV2_ava-b0c77c00.pth",
        filename="NIMA_InceptionV2_ava-b0c77c00.pth",
        size=218_000_000,
        sha256="b0c77c00c789565be8e6af96c1641bbad716c1592bff1cdc749c6006b95bd34e",
        licence="CC-BY-NC-SA-4.0",
    ),
    "nima-mobilenet": File(
        what="NIMA's MobileNet (aesthetic), trained on AVA by idealo, for the metric nima",
        url="https://raw.githubusercontent.com/idealo/image-quality-assessment/dceaf7c2d218bc6e80b21d6e147e3b56a21b7f31/models/MobileNet/weights_mobilenet_aesthetic_0.07.hdf5",
        filename="weights_mobilenet_aesthetic_0.07.hdf5",
        size=12_900_000,
        sha256=None,
        licence="Apache-2.0",
    ),
    "nima-mobilenet-technical": File(
        what="NIMA's MobileNet (technical), trained on TID2013 by idealo, for the metric nima",
        url="https://raw.githubusercontent.com/idealo/image-quality-assessment/dceaf7c2d218bc6e80b21d6e147e3b56a21b7f31/models/MobileNet/weights_mobilenet_technical_0.11.hdf5",
        filename="weights_mobilenet_technical_0.11.hdf5",
        size=12_900_000,
        sha256=None,
        licence="Apache-2.0",
    ),
}
