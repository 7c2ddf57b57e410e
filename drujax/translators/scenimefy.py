"""Scenimefy (Jiang et al., ICCV 2023), which the paper uses: photographs in the manner of Makoto Shinkai's films."""

import numpy as np

from drujax.errors import UsageError
from drujax.models.translators.scenimefy import Scenimefy
from drujax.runtime.remote_file import File
from drujax.translators.spec import State, TranslatorSpec, width

TAPS = {3: (1, 2, 1), 4: (1, 3, 3, 1)}  # of the anti-aliased resampling, down and up


def _without_filters(state: State) -> State:
    """Leaves out the constant filters of the resampling, which the network has, too."""
    for name, value in state.items():
        if name.endswith(".filt"):
            taps = TAPS.get(value.shape[-1])
            if taps is None or not np.allclose(value, np.outer(taps, taps) / 16):
                raise UsageError(f"{name}: the network resamples with other filters than Scenimefy's")
    return {name: value for name, value in state.items() if not name.endswith(".filt")}


SPEC = TranslatorSpec(
    summary="Scenimefy: CUT's ResNet with nine blocks and anti-aliased resampling; scenery of Shinkai's films",
    build=lambda state: Scenimefy(features=width(state, "model.1", 64)),
    names=_without_filters,
    files=(
        File(
            "scenimefy-shinkai",
            "Scenimefy's generator (Shinkai_net_G.pth)",
            "https://github.com/Yuxinn-J/Scenimefy/releases/download/v0.1.0/Shinkai_net_G.pth",
            "Shinkai_net_G.pth",
            45_600_000,
            None,
            "S-Lab License 1.0 (non-commercial)",
        ),
    ),
    obtain="train one with Scenimefy's code (its NAME_net_G.pth serves)",
)
