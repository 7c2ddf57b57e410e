"""CLIP-LIT in PyTorch: the enhancement network, and the official step that trains it with learned prompts."""

from typing import Any, Literal

import numpy as np
import torch  # pyright: ignore[reportMissingImports]
from torch import Tensor, nn  # pyright: ignore[reportMissingImports]
from torch.nn import functional as F  # pyright: ignore[reportMissingImports]

from drujax.models.clip.preprocessing import MEAN, STD
from experiments._benchmark.torch_peer.clip import Stages, TextTransformer, VisionTransformer
from experiments._benchmark.torch_peer.common import Peer, Variables


class Block(nn.Module):
    """Two convolutions without bias, with reflection padding."""

    def __init__(self, features: int):
        super().__init__()
        self.conv1, self.conv2 = (
            nn.Conv2d(features, features, 3, padding=1, padding_mode="reflect", bias=False) for _ in range(2)
        )

    def forward(self, x: Tensor) -> Tensor:
        y = F.leaky_relu(self.conv1(x), 0.2)
        return F.leaky_relu(self.conv2(y) + x, 0.2)


class Pyramid(nn.Module):
    """Pyramid pooling: features fused with average pools of several sizes."""

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
    """Images b c h w in 0..1 -> enhanced images, as `drujax.models.clip_lit`."""

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


class Trainer(Peer):
    """The enhancement network, its optimiser, and the official training step with learned prompts.

    Args:
        method: `drujax.methods.clip_lit.CLIPLIT`, for its encoders and their input size.
        variables: of the enhancement network.
        prompts: embeddings of both prompts, 2 t c.
        end: position of the end token in them.
    """

    def __init__(self, method: Any, variables: Variables, prompts: np.ndarray, end: int, **how: Any):
        super().__init__(**how)
        self._resolution, self._end = method.resolution, end
        self._network = self._load(CLIPLIT(padding="zeros", epsilon=1e-9), variables)
        self._adam = torch.optim.Adam(self._network.parameters(), lr=method.learning_rate, weight_decay=1e-3)
        image, text, resnet = method.clip.image, method.clip.text, method.resnet
        self._image = self._frozen(VisionTransformer(image.module, method.resolution), image.variables)
        self._text = self._frozen(TextTransformer(text.module), text.variables)
        self._stages = self._frozen(Stages(resnet.module), without(resnet.variables, "attnpool"))
        self._prompts = torch.from_numpy(np.array(prompts)).to(self._device)
        mean, std = (torch.tensor(x, device=self._device).view(1, 3, 1, 1) for x in (MEAN, STD))
        self._mean, self._std = mean, std

    def step(self, dark: Tensor) -> float:
        """Runs one update; returns the loss."""
        enhanced = self._network(dark)
        with torch.no_grad():
            texts = F.normalize(self._text(self._prompts, self._end), dim=-1)
            before = self._stages(self._normalised(dark))
        normalised = self._normalised(enhanced)
        features = F.normalize(self._image(normalised), dim=-1)
        backlit = F.softmax(100 * features @ texts.T, dim=-1)[:, 0].mean()
        shares = (1.0, 1.0, 1.0, 1.0, 0.5)
        changes = zip(shares, self._stages(normalised), before, strict=True)
        identity = sum((a * F.mse_loss(new, old) for a, new, old in changes), start=torch.zeros(()))
        loss = 16 * 20 * backlit + 25 * 0.9 * 8 * identity  # the official code sums it over a batch of 8
        self._adam.zero_grad()
        loss.backward()
        self._adam.step()
        return loss.item()

    def _frozen(self, network: nn.Module, variables: Variables) -> nn.Module:
        return self._load(network, variables).eval().requires_grad_(requires_grad=False)

    def _normalised(self, images: Tensor) -> Tensor:
        size = (self._resolution, self._resolution)
        return (F.interpolate(images, size, mode="bilinear", align_corners=False) - self._mean) / self._std


def without(variables: Variables, module: str) -> Variables:
    """Returns the variables without those of one module."""
    return {kind: {k: v for k, v in of_kind.items() if k != module} for kind, of_kind in variables.items()}
