"""The rows of each table: what is trained, how, and the scores that the paper reports for it (Tables 1 to 3)."""

import dataclasses
import itertools
from collections.abc import Mapping

VANILLA = "Vanilla EnlightenGAN"
# Metric -> whether higher is better.
NO_REFERENCE: Mapping[str, bool] = {"brisque": False, "piqe": False, "niqe": False, "pi": False, "nima": True}
TRUTH: Mapping[str, bool] = {"psnr": True, "ssim": True, "luma_correlation": True, "chroma_distance": False}
METRICS: Mapping[str, bool] = {**TRUTH, **NO_REFERENCE}

Scores = Mapping[str, float]


@dataclasses.dataclass(frozen=True, eq=False)
class Row:
    """A row of a table.

    Attributes:
        name: of the row.
        train: arguments of experiments.train, without data, preset, weights and seed; None if nothing is trained.
        backbone: the probability network, for a row weighted by relativistic probabilities.
        model: for a row without training: "input", or a model of `drujax models`.
        composed: whether the pictures are those of `drujax enhance`, not of the network alone.
        paper: the paper's scores.
        note: said below the table.
        against: the row that it is compared with, paired by seed and picture.
    """

    name: str
    train: tuple[str, ...] | None = None
    backbone: str | None = None
    model: str | None = None
    composed: bool = False
    paper: Scores = dataclasses.field(default_factory=dict)
    note: str = ""
    against: str = VANILLA


def _paper(brisque: float, piqe: float, pi: float, nima: float) -> Scores:
    return {"brisque": brisque, "piqe": piqe, "pi": pi, "nima": nima}


def _pair(brisque: float, nima: float) -> Scores:
    return {"brisque": brisque, "nima": nima}


def _dru(backbone: str, title: str, paper: Scores | None = None) -> Row:
    return Row(f"DRU-EnlightenGAN-{title}", ("--method=enlightengan",), backbone, paper=paper or {})


_VANILLA = ("--method=enlightengan", "--backbone=none")

TABLE1 = (
    Row("Input", model="input", paper=_paper(32.4483, 48.7356, 4.9890, 4.7587)),
    Row("SCI", ("--method=sci",), paper=_paper(27.8680, 46.0016, 4.4208, 4.6787)),
    Row("Zero-DCE++", ("--method=zero_dce_pp",), paper=_paper(28.4048, 46.1118, 4.4507, 4.4888)),
    Row("Zero-DCE", ("--method=zero_dce",)),
    Row("PairLIE", ("--method=pairlie",), note="PairLIE's pairs are exposures of one picture, not two photographs."),
    Row("RUAS", ("--method=ruas",), paper=_paper(49.1256, 64.5322, 6.6119, 4.1766)),
    Row(
        "CLIP-LIT",
        model="clip-lit",
        paper=_paper(29.2622, 44.3198, 4.4435, 4.6900),
        note="CLIP-LIT is its authors' network, not trained on this data: its training needs CLIP's weights.",
    ),
    Row("ZERO-IG", ("--method=zero_ig",)),
    Row("CoLIE", model="colie", note="CoLIE is fitted to each test picture, in about two CPU minutes, not trained."),
    Row(VANILLA, _VANILLA, paper=_paper(27.2812, 45.1133, 4.3932, 4.7456)),
    _dru("resnet18", "ResNet18", _paper(25.9728, 41.9577, 4.3208, 4.7602)),
    _dru("resnet50", "ResNet50", _paper(25.9235, 42.7084, 4.3175, 4.7735)),
    _dru("mobilenet_v2", "MobileNetV2", _paper(26.5647, 42.6536, 4.3207, 4.7726)),
    _dru("vgg13_bn", "VGG13BN", _paper(26.3275, 43.7998, 4.3497, 4.7776)),
    _dru("vgg19", "VGG19", _paper(26.5520, 43.5011, 4.3408, 4.7576)),
    _dru("vit_b16", "ViT-B16", _paper(26.4526, 42.7171, 4.3032, 4.7901)),
    _dru("centroid", "centroid"),
    Row(
        "DRU-EnlightenGAN-MobileNetV2, composed",
        ("--method=enlightengan",),
        "mobilenet_v2",
        composed=True,
        note="Composed: what drujax enhance makes with the network, instead of the network's own picture.",
    ),
    Row("curve", model="curve", note="curve is a tone curve without a network."),
    Row("exposure-slim", model="exposure-slim", composed=True, note="exposure-slim is drujax enhance's default."),
)

_SETTINGS: Mapping[str, tuple[Scores, Scores]] = {  # of DRU, of Vanilla
    "confident": (_pair(24.7172, 4.5146), _pair(25.5591, 4.5620)),
    "uncertain": (_pair(26.7868, 4.7715), _pair(27.2191, 4.8069)),
    "all": (_pair(25.9728, 4.7602), _pair(27.2812, 4.7456)),
}


def table2(backbone: str) -> tuple[Row, ...]:
    """Trained on the confident pictures, on the uncertain ones, and on all (the paper's F_q is ResNet18)."""
    return tuple(
        row
        for setting, papers in _SETTINGS.items()
        for row in _dru_and_vanilla(setting, (f"--partition={setting}",), backbone, *papers)
    )


def table3(backbone: str, rates: tuple[float, ...]) -> tuple[Row, ...]:
    """Trained on the labels as they are, on those of an unreliable classifier, and on some flipped at random."""
    unreliable = (_pair(26.8293, 4.7996), _pair(29.1476, 4.8016))
    rows = _dru_and_vanilla("original", (), backbone, *_SETTINGS["all"])
    rows += _dru_and_vanilla("unreliable", ("--relabel=unreliable",), backbone, *unreliable)
    for rate in rates:
        rows += _dru_and_vanilla(f"{rate:.0%} flipped", (f"--label-noise={rate:g}",), backbone, {}, {})
    return rows


def _dru_and_vanilla(
    setting: str, options: tuple[str, ...], backbone: str, dru: Scores, vanilla: Scores
) -> tuple[Row, ...]:
    other = f"Vanilla, {setting}"
    return (
        Row(f"DRU, {setting}", ("--method=enlightengan", *options), backbone, paper=dru, against=other),
        Row(other, (*_VANILLA, *options), paper=vanilla),
    )


ARMS: Mapping[str, tuple[str, tuple[str, ...]]] = {  # name in tables, options
    "rp": ("DRU", ()),
    "mean": ("each term times its mean RP", ("--weighting=mean",)),
    "normalised": ("RP normalised to mean 1", ("--weighting=normalised",)),
    "shuffled": ("RP shuffled within its class", ("--weighting=shuffled",)),
    "inverted": ("1 - RP", ("--weighting=inverted",)),
    "luma": ("sigmoid of the mean luma", ("--weighting=luma",)),
    "threshold": ("RP above 1/2", ("--weighting=threshold",)),
    "illumination": ("sigmoid of the true illumination", ("--weighting=illumination",)),
    "temperature": (
        "RP with its temperature scaled",
        ("--probability.temperature-scaling", "--probability.sharpen"),
    ),
}


def controls(
    backbone: str, arms: tuple[str, ...], rates: tuple[float, ...], shares: tuple[float, ...]
) -> tuple[Row, ...]:
    """Vanilla (RP = 1), DRU and its controls (`drujax.uncertainty.weighting`), for each share of wrong labels and each
    share of the uncertain pictures. All are compared with DRU."""
    rows = []
    for rate, share in itertools.product(rates, shares):
        dials = (f"--label-noise={rate:g}",) * (rate != 0) + (f"--uncertain-share={share:g}",) * (share != 1)
        where = f", {rate:.0%} of the labels wrong" * (rate != 0) + f", {share:.0%} of the uncertain" * (share != 1)
        dru = f"{ARMS['rp'][0]}{where}"
        rows.append(Row(f"{VANILLA}{where}", (*_VANILLA, *dials), against=dru))
        for arm in arms:
            name, options = ARMS[arm]
            rows.append(Row(f"{name}{where}", ("--method=enlightengan", *dials, *options), backbone, against=dru))
    return tuple(rows)
