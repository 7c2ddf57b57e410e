"""EnlightenGAN in PyTorch: the networks, VGG16 and the official training step.

It repeats the redundant work of the official training step: the discriminators process the enhanced images once for the
generator's loss and once for their own, the patches pass through D and VGG16 one by one, the generator's backward pass
also computes the discriminators' gradients, and VGG16 runs to conv5_3 although relu5_1 is compared.
"""

from typing import Any

import numpy as np
import torch  # pyright: ignore[reportMissingImports]
from torch import Tensor, nn  # pyright: ignore[reportMissingImports]
from torch.nn import functional as F  # pyright: ignore[reportMissingImports]

from experiments._benchmark.torch_peer.common import Peer, Variables


class Generator(nn.Module):
    """The attention-guided U-Net, as `drujax.models.generator.Generator`; sides must be multiples of 16."""

    def __init__(self, width: int):
        super().__init__()
        features = [width * 2**n for n in (0, 1, 2, 3, 4, 3, 2, 1, 0)]
        below = 4
        for level, out in enumerate(features, start=1):
            if level > 5:
                self.add_module(f"deconv{level - 1}", nn.Conv2d(below, out, 3, padding=1))
            self.add_module(f"conv{level}_1", nn.Conv2d(below, out, 3, padding=1))
            self.add_module(f"bn{level}_1", nn.BatchNorm2d(out))
            self.add_module(f"conv{level}_2", nn.Conv2d(out, out, 3, padding=1))
            if level < 9:
                self.add_module(f"bn{level}_2", nn.BatchNorm2d(out))
            below = out
        self.conv10 = nn.Conv2d(width, 3, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Returns enhanced images, b c h w in 0..1."""
        r, g, b = images.split(1, 1)
        return (self.generate(images * 2 - 1, 1 - (0.299 * r + 0.587 * g + 0.114 * b)) + 1) / 2

    def generate(self, image: Tensor, attention: Tensor) -> Tensor:
        """Returns enhanced images for inputs in -1..1, as in training."""
        pyramid = [attention]
        for _ in range(4):
            pyramid.append(F.max_pool2d(pyramid[-1], 2))
        x = torch.cat([image, attention], 1)
        skips = []
        for level in (1, 2, 3, 4):
            x = self._block(self._block(x, f"{level}_1"), f"{level}_2")
            skips.append(x)
            x = F.max_pool2d(x, 2)
        x = self._block(self._block(x, "5_1") * pyramid[4], "5_2")
        for level in (6, 7, 8, 9):
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = self.get_submodule(f"deconv{level - 1}")(x)
            x = torch.cat([x, skips[9 - level] * pyramid[9 - level]], 1)
            x = self._block(self._block(x, f"{level}_1"), f"{level}_2")
        return image + self.conv10(x) * attention

    def _block(self, x: Tensor, name: str) -> Tensor:
        x = F.leaky_relu(self.get_submodule(f"conv{name}")(x), 0.2, inplace=True)
        return x if name == "9_2" else self.get_submodule(f"bn{name}")(x)


class Discriminator(nn.Module):
    """PatchGAN without normalisation layers, 4x4 kernels with padding 2."""

    def __init__(self, strided_layers: int, features: int):
        super().__init__()
        layers: list[nn.Module] = []
        below = 3
        for n in range(strided_layers + 1):
            out = features * min(2**n, 8)
            layers += [nn.Conv2d(below, out, 4, 2 if n < strided_layers else 1, 2), nn.LeakyReLU(0.2, inplace=True)]
            below = out
        self.model = nn.Sequential(*layers, nn.Conv2d(below, 1, 4, 1, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class VGG16(nn.Module):
    """VGG16 to conv5_3, returning relu5_1: no pooling before block 5, BGR in 0..255 without mean subtraction."""

    BLOCKS = ((2, 1), (2, 2), (3, 4), (3, 8), (3, 8))

    def __init__(self, width: int):
        super().__init__()
        below = 3
        for block, (layers, factor) in enumerate(self.BLOCKS, start=1):
            for layer in range(1, layers + 1):
                self.add_module(f"conv{block}_{layer}", nn.Conv2d(below, width * factor, 3, padding=1))
                below = width * factor
        self.requires_grad_(requires_grad=False)

    def forward(self, image: Tensor) -> Tensor:
        x = (image.flip(1) + 1) * 127.5
        features = x
        for block, (layers, _) in enumerate(self.BLOCKS, start=1):
            if 1 < block < 5:
                x = F.max_pool2d(x, 2)
            for layer in range(1, layers + 1):
                x = F.relu(self.get_submodule(f"conv{block}_{layer}")(x))
                if (block, layer) == (5, 1):
                    features = x
        return features


class Trainer(Peer):
    """The three networks, their optimisers, and the official training step."""

    def __init__(self, generator: Variables, d_global: Variables, d_local: Variables, vgg16: Variables, **how: Any):
        super().__init__(**how)
        features = _width(d_global, "model.0")
        self.generator = self._load(Generator(_width(generator, "conv1_1")), generator)
        self.d_global = self._load(Discriminator(5, features), d_global)
        self.d_local = self._load(Discriminator(4, features), d_local)
        self.vgg16 = self._load(VGG16(_width(vgg16, "conv1_1")), vgg16, unused=("conv5_2", "conv5_3"))
        self.optimisers = [
            torch.optim.Adam(network.parameters(), lr=1e-4, betas=(0.5, 0.999))
            for network in (self.generator, self.d_global, self.d_local)
        ]

    def step(
        self, dark: Tensor, darkened: Tensor, attention: Tensor, bright: Tensor, offsets: np.ndarray, patch_size: int
    ) -> float:
        """Updates the three networks; returns the generator's loss. Images are b c h w, `offsets` p 2 (row, column)."""
        adam_g, adam_d_global, adam_d_local = self.optimisers
        with self._arithmetic():
            fake = self.generator.generate(darkened, attention)
            patches = [
                tuple(x[:, :, i : i + patch_size, j : j + patch_size] for x in (fake, bright, dark))
                for i, j in offsets.tolist()
            ]
            loss_g = self._generator_loss(fake, bright, dark, patches)
        adam_g.zero_grad()
        loss_g.backward()
        adam_g.step()

        for adam in (adam_d_global, adam_d_local):
            adam.zero_grad()
        with self._arithmetic():
            losses = self._global_loss(fake.detach(), bright), self._local_loss(patches)
        for loss in losses:
            loss.backward()
        adam_d_global.step()
        adam_d_local.step()
        return loss_g.item()

    def _generator_loss(self, fake: Tensor, real: Tensor, original: Tensor, patches: list[tuple[Tensor, ...]]):
        of_fake, of_real = self.d_global(fake), self.d_global(real)
        adversarial = (_towards(of_real - of_fake.mean(), 0) + _towards(of_fake - of_real.mean(), 1)) / 2
        for fake_patch, _, _ in patches:
            adversarial = adversarial + _towards(self.d_local(fake_patch), 1) / len(patches)
        features = self._feature_distance(fake, original)
        for fake_patch, _, original_patch in patches:
            features = features + self._feature_distance(fake_patch, original_patch) / len(patches)
        return adversarial + features

    def _feature_distance(self, enhanced: Tensor, original: Tensor) -> Tensor:
        ours, theirs = (F.instance_norm(self.vgg16(x)) for x in (enhanced, original))
        return F.mse_loss(ours, theirs)

    def _global_loss(self, fake: Tensor, real: Tensor) -> Tensor:
        of_real, of_fake = self.d_global(real), self.d_global(fake)
        return (_towards(of_real - of_fake.mean(), 1) + _towards(of_fake - of_real.mean(), 0)) / 2

    def _local_loss(self, patches: list[tuple[Tensor, ...]]) -> Tensor:
        losses = [
            (_towards(self.d_local(real), 1) + _towards(self.d_local(fake.detach()), 0)) / 2
            for fake, real, _ in patches
        ]
        return torch.stack(losses).mean()


def _towards(scores: Tensor, target: int) -> Tensor:
    """Least-squares GAN loss."""
    return F.mse_loss(scores, torch.full_like(scores, target))


def _width(variables: Variables, layer: str) -> int:
    return variables["params"][layer]["bias"].shape[0]
