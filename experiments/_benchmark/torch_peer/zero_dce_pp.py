"""Zero-DCE++ in PyTorch: the network, its losses and the official training step."""

from typing import Any

import torch  # pyright: ignore[reportMissingImports]
from torch import Tensor, nn  # pyright: ignore[reportMissingImports]
from torch.nn import functional as F  # pyright: ignore[reportMissingImports]

from experiments._benchmark.torch_peer.common import Peer, Variables


class Layer(nn.Module):
    """A depthwise and a pointwise convolution."""

    def __init__(self, below: int, out: int):
        super().__init__()
        self.depth_conv = nn.Conv2d(below, below, 3, padding=1, groups=below)
        self.point_conv = nn.Conv2d(below, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.point_conv(self.depth_conv(x))


class ZeroDCEpp(nn.Module):
    """Images b c h w in 0..1, sides multiples of the ratio -> enhanced images, as `drujax.models.zero_dce_pp`."""

    def __init__(self, *, ratio: int, features: int):
        super().__init__()
        self.ratio = ratio
        widths = [(3, features), *[(features, features)] * 3, *[(2 * features, features)] * 2, (2 * features, 3)]
        for number, (below, out) in enumerate(widths, start=1):
            self.add_module(f"e_conv{number}", Layer(below, out))

    def forward(self, image: Tensor) -> Tensor:
        return self.enhance(image)[0]

    def enhance(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the enhanced images and their curves."""
        x = image if self.ratio == 1 else F.interpolate(image, scale_factor=1 / self.ratio, mode="bilinear")
        curve = self._curve(x)
        if self.ratio > 1:
            curve = F.interpolate(curve, size=image.shape[2:], mode="bilinear", align_corners=True)
        for _ in range(8):
            image = image + curve * (image**2 - image)
        return image, curve

    def _curve(self, x: Tensor) -> Tensor:
        layers = [self.get_submodule(f"e_conv{number}") for number in range(1, 8)]
        x1 = F.relu(layers[0](x), inplace=True)
        x2 = F.relu(layers[1](x1), inplace=True)
        x3 = F.relu(layers[2](x2), inplace=True)
        x4 = F.relu(layers[3](x3), inplace=True)
        x5 = F.relu(layers[4](torch.cat([x3, x4], 1)), inplace=True)
        x6 = F.relu(layers[5](torch.cat([x2, x5], 1)), inplace=True)
        return torch.tanh(layers[6](torch.cat([x1, x6], 1)))


class Trainer(Peer):
    """The network at full size, its optimiser, and the official training step."""

    def __init__(self, variables: Variables, **how: Any):
        super().__init__(**how)
        features = variables["params"]["e_conv1.point_conv"]["bias"].shape[0]
        self._network = self._load(ZeroDCEpp(ratio=1, features=features), variables)
        self._adam = torch.optim.Adam(self._network.parameters(), lr=1e-4, weight_decay=1e-4)

    def step(self, images: Tensor) -> float:
        """Runs one update; returns the loss."""
        enhanced, curve = self._network.enhance(images)
        loss = (
            1600 * total_variation(curve)
            + spatial(enhanced, images)
            + 5 * colour(enhanced)
            + 10 * ((F.avg_pool2d(enhanced.mean(1, keepdim=True), 16) - 0.6) ** 2).mean()
        )
        self._adam.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self._network.parameters(), 0.1)
        self._adam.step()
        return loss.item()


def total_variation(curve: Tensor) -> Tensor:
    b, _, h, w = curve.shape
    rows = ((curve[:, :, 1:] - curve[:, :, :-1]) ** 2).sum() / ((h - 1) * w)
    columns = ((curve[:, :, :, 1:] - curve[:, :, :, :-1]) ** 2).sum() / (h * (w - 1))
    return 2 * (rows + columns) / b


def spatial(enhanced: Tensor, images: Tensor) -> Tensor:
    """Differences of adjacent 4x4 regions, by four convolutions."""
    directions = torch.zeros(4, 1, 3, 3, device=images.device)
    directions[:, :, 1, 1] = 1
    for direction, (i, j) in zip(directions, ((1, 0), (1, 2), (0, 1), (2, 1)), strict=True):
        direction[0, i, j] = -1
    ours, theirs = (F.avg_pool2d(x.mean(1, keepdim=True), 4) for x in (enhanced, images))
    changes = [(F.conv2d(ours, d[None], padding=1) - F.conv2d(theirs, d[None], padding=1)) ** 2 for d in directions]
    return sum(changes, start=torch.zeros((), device=images.device)).mean()


def colour(enhanced: Tensor) -> Tensor:
    r, g, b = enhanced.mean((2, 3), keepdim=True).split(1, 1)
    squares = [(r - g) ** 2, (r - b) ** 2, (g - b) ** 2]
    return torch.sqrt(squares[0] ** 2 + squares[1] ** 2 + squares[2] ** 2).mean()
