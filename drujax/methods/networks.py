"""The networks that enhance pictures: how to build each, run it on pictures in 0..1, and read its authors' checkpoint.

JAX is imported when a network is built, not before.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from drujax.errors import UsageError, unknown
from drujax.weights.torch_names import Variables, from_torch, unwrapped

Module = Any  # flax.linen.Module
Images = Any  # jax.Array, b h w 3


@dataclass(frozen=True)
class Network:
    """A network that makes a brighter picture.

    Attributes:
        build: keyword options -> flax module.
        run: (module bound to its variables, images b h w 3 in 0..1) -> enhanced b h w 3, nominally 0..1, not clipped;
            without the last rows and columns where an option asks for that.
        options: all that `build` takes, with the defaults. Whole numbers are from 1 on, others from 0.
        choices: of options that are words, all words that there are.
        official: options that differ in the authors' checkpoint.
        licence: of the authors' checkpoint.
        size_multiple: the sides on which the network works without padding.
        margin: pixels from its border within which a picture suffers from the zeros that the network's convolutions see
            beyond it; `drujax.Enhancer` puts a reflection of the picture there.
        guided: whether `drujax.Enhancer` takes only the light from it, see `drujax.enhance.guided_filter`.
        convert: (state dictionary, wanted shapes) -> variables.
    """

    what: str
    build: Callable[..., Module]
    run: Callable[[Module, Images], Images]
    options: Mapping[str, Any]
    licence: str
    official: Mapping[str, Any] = field(default_factory=dict)
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    size_multiple: int = 1
    margin: int = 0
    guided: bool = False
    convert: Callable[[Mapping[str, Any], Mapping[str, Any]], Variables] = from_torch

    def module(self, options: Mapping[str, Any]) -> Module:
        """The module with `options` over the defaults. Raises UsageError for an unknown option or a wrong value."""
        for name, value in options.items():
            if name not in self.options:
                raise unknown("option", name, self.options)
            if type(value) is not type(self.options[name]):
                raise UsageError(f"option {name}: {value!r} is no {type(self.options[name]).__name__}")
            if type(value) is int and value < 1:
                raise UsageError(f"option {name}: {value} is under 1")
            if type(value) is float and not 0 <= value < math.inf:
                raise UsageError(f"option {name}: {value} is no finite number from 0 on")
            if value not in self.choices.get(name, (value,)):
                raise unknown(f"option {name}", str(value), self.choices[name])
        return self.build(**{**self.options, **options})

    def shapes(self, module: Module) -> Variables:
        """Shapes and types of the module's variables, without computing them."""
        import flax.linen as nn
        import jax

        image = jax.ShapeDtypeStruct((1, self.size_multiple, self.size_multiple, 3), "float32")
        return jax.eval_shape(nn.init(self.run, module), jax.random.key(0), image)

    def enhance(self, module: Module, variables: Variables, images: Images) -> Images:
        """Enhanced `images`, b h w 3 in 0..1 -> the same, not clipped. A pure function of the last two arguments."""
        import flax.linen as nn

        return nn.apply(self.run, module)(variables, images)


def _enlightengan(**options):
    from drujax.models.generator import Generator

    return Generator(**options)


def _run_enlightengan(generator, images):
    from drujax.models.generator import attention_map

    x = images * 2 - 1
    enhanced, _ = generator(x, attention_map(x), train=False)
    return (enhanced + 1) / 2


def _zero_dce_pp(**options):
    from drujax.models.zero_dce_pp import ZeroDCEpp

    return ZeroDCEpp(**options)


def _sci():
    from drujax.models.sci import SCI

    return SCI()


def _enhancer_of_sci(state: Mapping[str, Any], shapes: Mapping[str, Any]) -> Variables:
    """Without what only training uses, and without the second names of shared blocks."""
    names = unwrapped(state)
    return from_torch({n: names[n] for n in names if not n.startswith("calibrate.") and ".blocks." not in n}, shapes)


def _ruas(**options):
    from drujax.models.ruas import RUAS

    return RUAS(**options)


def _clip_lit(**options):
    from drujax.models.clip_lit import CLIPLIT

    return CLIPLIT(**options)


def _first(module, images):
    enhanced, _ = module(images)
    return enhanced


NETWORKS = {
    "enlightengan": Network(
        what="EnlightenGAN's attention-guided U-Net generator (8.6 M parameters)",
        build=_enlightengan,
        run=_run_enlightengan,
        options={"align_corners": False, "ghost_batches": 1, "wide_pool": False, "width": 32},
        # torch 0.3.1, on which it was trained, interpolates with aligned corners.
        official={"align_corners": True},
        licence="BSD",
        size_multiple=16,
        margin=16,
        guided=True,
    ),
    # Those below work on any size as it is: padding would move the small copy that Zero-DCE++ looks at, and the others'
    # own padding away from the border.
    "zero_dce_pp": Network(
        what="Zero-DCE++'s curve estimation (10,561 parameters)",
        build=_zero_dce_pp,
        run=_first,
        options={"ratio": 12, "features": 32, "crop": False},
        licence="CC-BY-NC-4.0",
    ),
    "sci": Network(
        what="SCI's illumination estimation (258 parameters)",
        build=_sci,
        run=_first,
        options={},
        licence="MIT",
        convert=_enhancer_of_sci,
    ),
    "ruas": Network(
        what="RUAS's unrolled illumination estimation and noise removal (3,438 parameters)",
        build=_ruas,
        run=_first,
        options={"denoise": True, "illumination": "released", "noise": "released"},
        licence="none stated",
    ),
    "clip_lit": Network(
        what="CLIP-LIT's enhancement network (278,790 parameters)",
        build=_clip_lit,
        run=_first,
        options={"padding": "reflect", "epsilon": 0.0},
        choices={"padding": ("reflect", "zeros")},
        licence="none stated",
    ),
}
