"""SCI in PyTorch: the single-stage inference network, the three training stages, and the official training step."""

from typing import Any

import torch  # pyright: ignore[reportMissingImports]
from torch import Tensor, nn  # pyright: ignore[reportMissingImports]
from torch.nn import functional as F  # pyright: ignore[reportMissingImports]

from experiments._benchmark.torch_peer.common import Peer, Variables
from experiments._benchmark.torch_peer.retinex import smoothed


class Illumination(nn.Module):
    """Images -> illumination."""

    def __init__(self):
        super().__init__()
        self.in_conv = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.ReLU())
        self.conv = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU())
        self.out_conv = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.Sigmoid())

    def forward(self, images: Tensor) -> Tensor:
        x = self.in_conv(images)
        x = x + self.conv(x)
        return torch.clamp(self.out_conv(x) + images, 1e-4, 1)


class Calibration(nn.Module):
    """Reflectance -> residual that the next stage's input adds; one set of weights is applied three times."""

    def __init__(self, features: int = 16):
        super().__init__()
        self.in_conv = nn.Sequential(nn.Conv2d(3, features, 3, padding=1), nn.BatchNorm2d(features), nn.ReLU())
        self.convs = nn.Sequential(
            nn.Conv2d(features, features, 3, padding=1),
            nn.BatchNorm2d(features),
            nn.ReLU(),
            nn.Conv2d(features, features, 3, padding=1),
            nn.BatchNorm2d(features),
            nn.ReLU(),
        )
        self.out_conv = nn.Sequential(nn.Conv2d(features, 3, 3, padding=1), nn.Sigmoid())

    def forward(self, reflectance: Tensor) -> Tensor:
        x = self.in_conv(reflectance)
        for _ in range(3):
            x = x + self.convs(x)
        return reflectance - self.out_conv(x)


class SCI(nn.Module):
    """Images b c h w in 0..1 -> enhanced images, as `drujax.models.sci`."""

    def __init__(self, *, stages: bool = False):
        super().__init__()
        self.enhance = Illumination()
        if stages:
            self.calibrate = Calibration()

    def forward(self, images: Tensor) -> Tensor:
        return torch.clamp(images / self.enhance(images), 0, 1)

    def stages(self, images: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Returns the input and the illumination of each stage."""
        stage_input, outputs = images, []
        for _ in range(3):
            illumination = self.enhance(stage_input)
            outputs.append((stage_input, illumination))
            stage_input = images + self.calibrate(torch.clamp(images / illumination, 0, 1))
        return outputs


class Trainer(Peer):
    """The three stages, their optimiser, and the official training step."""

    def __init__(self, variables: Variables, **how: Any):
        super().__init__(**how)
        self._network = self._load(SCI(stages=True), variables).train()
        self._adam = torch.optim.Adam(self._network.parameters(), lr=3e-4, weight_decay=3e-4)

    def step(self, dark: Tensor) -> float:
        """Runs one update; returns the loss."""
        loss = torch.zeros((), device=dark.device)
        for stage_input, illumination in self._network.stages(dark):
            loss = loss + 1.5 * F.mse_loss(illumination, stage_input)
            for weight, difference in smoothed(stage_input, illumination):
                loss = loss + (weight * difference.sum(1, keepdim=True)).mean()
        self._adam.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self._network.parameters(), 5)
        self._adam.step()
        return loss.item()
