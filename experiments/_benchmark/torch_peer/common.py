"""Common parts of the PyTorch peers: memory format, dtype, device, and loading of drujax's variables."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch  # pyright: ignore[reportMissingImports]
from torch import Tensor, nn  # pyright: ignore[reportMissingImports]

from drujax.weights.torch_names import to_torch

Variables = Mapping[str, Any]


class Peer:
    """Base class with the peer's memory format, dtype ("float32", or "bfloat16" by autocast) and device."""

    def __init__(self, *, channels_last: bool, dtype: str = "float32", device: str = "cpu"):
        self._layout = torch.channels_last if channels_last else torch.contiguous_format
        self._dtype, self._device = dtype, device

    def put(self, x: np.ndarray) -> Tensor:
        """Converts an array b h w c to a tensor b c h w."""
        tensor = torch.from_numpy(np.moveaxis(x, -1, 1).copy())
        return tensor.to(self._device, memory_format=self._layout)

    def _load(self, network: nn.Module, variables: Variables, unused: Sequence[str] = ()) -> Any:
        return load(network, variables, unused).to(self._device, memory_format=self._layout)

    def _arithmetic(self) -> torch.autocast:
        return torch.autocast(self._device, torch.bfloat16, enabled=self._dtype == "bfloat16")


class Enhancer(Peer):
    """An enhancement network in inference mode, as in the official test; images are b c h w in 0..1."""

    def __init__(self, network: nn.Module, variables: Variables, **how: Any):
        super().__init__(**how)
        self._network = self._load(network, variables).eval()

    @torch.no_grad()
    def __call__(self, images: Tensor) -> np.ndarray:
        """Returns the enhanced images, b h w 3."""
        with self._arithmetic():
            enhanced = self._network(images)
        return enhanced.float().permute(0, 2, 3, 1).contiguous().cpu().numpy()


def load(network: nn.Module, variables: Variables, unused: Sequence[str] = ()) -> nn.Module:
    """Loads drujax's variables, which have the same names, into a network.

    Arrays whose names start with one of `unused` may be missing: the official code computes with them but discards the
    result.
    """
    state = {name: torch.from_numpy(np.array(array, np.float32)) for name, array in to_torch(variables).items()}
    missing, unexpected = network.load_state_dict(state, strict=False)
    assert not unexpected, unexpected
    allowed = (*unused, "num_batches_tracked")
    assert all(name.startswith(allowed[:-1]) or name.endswith(allowed[-1]) for name in missing), missing
    return network
