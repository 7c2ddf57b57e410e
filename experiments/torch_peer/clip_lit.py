"""CLIP-LIT's enhancement network in PyTorch."""

from typing import Literal

import torch  # pyright: ignore[reportMissingImports]
from torch import Tensor, nn  # pyright: ignore[reportMissingImports]
from torch.nn import functional as F  # pyright: ignore[reportMissingImports]


class Block(nn.Module):
    """Two convolutions without bias, padded by reflection."""

    def __init__(self, features: int):
        super().__init__()
        self.conv1, self.conv2 = (
            nn.Conv2d(features, features, 3, padding=1, padding_mode="reflect", bias=False) for _ in range(2)
        )

    def forward(self, x: Tensor) -> Tensor:
        y = F.leaky_relu(self.conv1(x), 0.2)
        return F.leaky_relu(self.conv2(y) + x, 0.2)


class Pyramid(nn.Module):
    """Features beside the means of parts of the picture."""

    def __init__(self, features: int):
        super().__init__()
        parts = [
            nn.Sequential(nn.AdaptiveAvgPool2d(bins), nn.Conv2d(features, features // 4, 1, bias=False), nn.PReLU())
            for bins in (1, 2, 3, 6)
        ]
        self.features = nn.ModuleList(parts)
        self.fuse = nn.Sequential(nn.Conv2d(2 * features, features, 3, padding=1, bias=False), nn.PReLU())

    def forward(self, x: Tensor) -> Tensor:
        size = x.shape[2:]
        parts = [F.interpolate(part(x), size, mode="bilinear", align_corners=True) for part in self.features]
        return self.fuse(torch.cat([x, *parts], 1))


class CLIPLIT(nn.Module):
    """Images b c h w in 0..1 -> enhanced ones, as `drujax.models.clip_lit`."""

    def __init__(self, *, padding: Literal["reflect", "zeros"], epsilon: float):
        super().__init__()
        self.epsilon = epsilon

        def conv(below: int, out: int) -> nn.Conv2d:
            return nn.Conv2d(below, out, 3, padding=1, padding_mode=padding)

        self.cond1, self.condx, self.condy, self.cond_add1 = conv(3, 32), conv(32, 64), conv(64, 32), conv(32, 1)
        for number, features in enumerate((32, 32, 64, 64, 32, 32), start=1):
            self.add_module(f"ResidualBlock{number}", Block(features))
        self.PPM1 = Pyramid(32)

    def forward(self, images: Tensor) -> Tensor:
        x = self._blocks(F.leaky_relu(self.cond1(images), 0.2), 1, 2)
        x = self._blocks(self.condx(self.PPM1(x)), 3, 4)
        x = self._blocks(self.condy(x), 5, 6)
        return torch.clamp(images / (F.relu(self.cond_add1(x)) + self.epsilon), 0, 1)

    def _blocks(self, x: Tensor, *numbers: int) -> Tensor:
        for number in numbers:
            x = self.get_submodule(f"ResidualBlock{number}")(x)
        return x
