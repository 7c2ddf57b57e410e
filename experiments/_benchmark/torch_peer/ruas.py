"""RUAS in PyTorch: the released cells, and the official training step, fixed to run on PyTorch >= 1.5."""

from typing import Any

import torch  # pyright: ignore[reportMissingImports]
from torch import Tensor, nn  # pyright: ignore[reportMissingImports]
from torch.nn import functional as F  # pyright: ignore[reportMissingImports]

from experiments._benchmark.torch_peer.common import Peer, Variables
from experiments._benchmark.torch_peer.retinex import smoothed

ILLUMINATION = {"c1_r": "resconv1x1", "c2_d": "resdilconv3x3", "c2_r": "conv3x3", "c3_d": "conv3x3", "c4": "conv3x3"}
NOISE = {
    "c1_d": "resconv1x1",
    "c1_r": "resconv1x1",
    "c2_d": "resdilconv3x3",
    "c3_d": "resconv1x1",
    "c3_r": "resconv1x1",
}


class Operation(nn.Module):
    """[res][dil]conv{1x1,3x3}: "res" adds the input, "dil" has dilation 2."""

    def __init__(self, kind: str, features: int):
        super().__init__()
        size, dilation = int(kind[-1]), 2 if "dil" in kind else 1
        self.op = nn.Conv2d(features, features, size, padding=dilation * (size // 2), dilation=dilation)
        self.residual = kind.startswith("res")

    def forward(self, x: Tensor) -> Tensor:
        return self.op(x) + x if self.residual else self.op(x)


class Cell(nn.Module):
    """Three distilled branches of a residual path and its end; places without an operation are the identity."""

    def __init__(self, operations: dict[str, str], features: int):
        super().__init__()
        for place, kind in operations.items():
            self.add_module(place, Operation(kind, features))
        self.c5 = nn.Conv2d(4 * features, features, 1)
        self.places = operations

    def forward(self, x: Tensor) -> Tensor:
        kept = []
        for level in "123":
            kept.append(F.leaky_relu(self._operate(f"c{level}_d", x), 0.05))
            x = F.leaky_relu(self._operate(f"c{level}_r", x) + x, 0.05)
        kept.append(F.leaky_relu(self._operate("c4", x), 0.05))
        return self.c5(torch.cat(kept, 1))

    def _operate(self, place: str, x: Tensor) -> Tensor:
        return self.get_submodule(place)(x) if place in self.places else x


class Estimation(nn.Module):
    """Images -> (illumination, enhanced image) of each of three unrolled steps."""

    def __init__(self):
        super().__init__()
        self.iems = nn.ModuleList(nn.ModuleDict({"cell": Cell(ILLUMINATION, 3)}) for _ in range(3))

    def forward(self, images: Tensor) -> list[tuple[Tensor, Tensor]]:
        steps: list[tuple[Tensor, Tensor]] = []
        for module in self.iems:
            if steps:
                before = steps[-1][1]
                x = brightest_neighbour(before) - 0.5 * (before - images)
            else:
                x = brightest_neighbour(images)
            illumination = torch.clamp(torch.sigmoid(module["cell"](x)), 0.001, 1)
            steps.append((illumination, torch.clamp(images / illumination, 0, 1)))
        return steps


class Removal(nn.Module):
    """Images -> estimated noise."""

    def __init__(self, features: int = 6):
        super().__init__()
        self.stem = nn.Conv2d(3, features, 3, padding=1)
        self.nrms = nn.ModuleList(Cell(NOISE, features) for _ in range(3))
        self.activate = nn.Sequential(nn.Conv2d(features, 3, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for cell in self.nrms:
            x = cell(x)
        return self.activate(x)


class RUAS(nn.Module):
    """Images b c h w in 0..1 -> enhanced images, as `drujax.models.ruas`."""

    def __init__(self, *, denoise: bool = True):
        super().__init__()
        self.enhance_net, self.denoise_net = Estimation(), Removal()
        self.denoise = denoise

    def forward(self, images: Tensor) -> Tensor:
        enhanced = self.enhance_net(images)[-1][1]
        return enhanced - self.denoise_net(enhanced) if self.denoise else enhanced


class Trainer(Peer):
    """Both networks, their optimisers, and the official training step."""

    def __init__(self, variables: Variables, *, denoise_every: int = 50, **how: Any):
        super().__init__(**how)
        self._network = self._load(RUAS(), variables)
        rates = ((self._network.enhance_net, 0.015), (self._network.denoise_net, 0.001))
        self._sgds = [torch.optim.SGD(n.parameters(), lr=rate, momentum=0.9, weight_decay=3e-4) for n, rate in rates]
        self._denoise_every, self._steps = denoise_every, 0

    def step(self, dark: Tensor) -> float:
        """Updates illumination estimation, and noise removal every `denoise_every` steps; returns the sum of losses."""
        self._steps += 1
        illumination, enhanced = self._network.enhance_net(dark)[-1]
        loss = 0.5 * F.mse_loss(illumination, dark)
        for weight, difference in smoothed(dark, illumination):
            loss = loss + weight.mean() * difference.mean()
        self._update(0, self._network.enhance_net, loss)
        if self._steps % self._denoise_every:
            return loss.item()
        before = enhanced.detach()
        after = before - self._network.denoise_net(before)
        noise = 1e-7 * F.mse_loss(after, before) + total_variation(after)
        self._update(1, self._network.denoise_net, noise)
        return (loss + noise).item()

    def _update(self, which: int, network: nn.Module, loss: Tensor) -> None:
        self._sgds[which].zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5)
        self._sgds[which].step()


def brightest_neighbour(x: Tensor) -> Tensor:
    return F.max_pool2d(F.pad(x, (0, 1, 0, 1)), 2, stride=1)


def total_variation(x: Tensor) -> Tensor:
    rows = ((x[:, :, 1:] - x[:, :, :-1]) ** 2).mean()
    columns = ((x[:, :, :, 1:] - x[:, :, :, :-1]) ** 2).mean()
    return 2 * (rows + columns)
