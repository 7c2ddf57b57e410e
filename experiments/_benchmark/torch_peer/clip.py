"""The CLIP encoders that CLIP-LIT's enhancement needs, in PyTorch: ViT-B/32, the text encoder, and RN101's stages."""

from typing import Any

import torch  # pyright: ignore[reportMissingImports]
from torch import Tensor, nn  # pyright: ignore[reportMissingImports]
from torch.nn import functional as F  # pyright: ignore[reportMissingImports]

HEAD_WIDTH = 64


class Attention(nn.Module):
    def __init__(self, width: int, *, causal: bool):
        super().__init__()
        self.causal = causal
        self.in_proj, self.out_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        b, t, c = x.shape
        queries, keys, values = self.in_proj(x).view(b, t, 3, c // HEAD_WIDTH, HEAD_WIDTH).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(queries, keys, values, is_causal=self.causal)
        return self.out_proj(mixed.transpose(1, 2).reshape(b, t, c))


class Block(nn.Module):
    def __init__(self, width: int, *, causal: bool):
        super().__init__()
        self.attn = Attention(width, causal=causal)
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(width, 4 * width), "c_proj": nn.Linear(4 * width, width)})

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        hidden = self.mlp["c_fc"](self.ln_2(x))
        return x + self.mlp["c_proj"](hidden * torch.sigmoid(1.702 * hidden))


class Transformer(nn.Module):
    def __init__(self, width: int, layers: int, *, causal: bool):
        super().__init__()
        self.resblocks = nn.Sequential(*(Block(width, causal=causal) for _ in range(layers)))

    def forward(self, x: Tensor) -> Tensor:
        return self.resblocks(x)


class VisionTransformer(nn.Module):
    """Images b 3 r r -> features, as `drujax.models.clip.VisionTransformer`."""

    def __init__(self, module: Any, resolution: int):
        super().__init__()
        width, patch = module.width, module.patch
        self.conv1 = nn.Conv2d(3, width, patch, patch, bias=False)
        self.class_embedding = nn.Parameter(torch.empty(width))
        self.positional_embedding = nn.Parameter(torch.empty((resolution // patch) ** 2 + 1, width))
        self.ln_pre, self.ln_post = nn.LayerNorm(width), nn.LayerNorm(width)
        self.transformer = Transformer(width, module.layers, causal=False)
        self.proj = nn.Parameter(torch.empty(width, module.embedding))

    def forward(self, pictures: Tensor) -> Tensor:
        x = self.conv1(pictures).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_embedding.expand(len(x), 1, -1), x], 1) + self.positional_embedding
        return self.ln_post(self.transformer(self.ln_pre(x))[:, 0]) @ self.proj


class TextTransformer(nn.Module):
    """Token embeddings b t c -> features, as `drujax.models.clip.TextTransformer`.

    Like the official code, it also processes the tokens after the end token.
    """

    def __init__(self, module: Any):
        super().__init__()
        width = module.width
        self.positional_embedding = nn.Parameter(torch.empty(module.context, width))
        self.transformer = Transformer(width, module.layers, causal=True)
        self.ln_final = nn.LayerNorm(width)
        self.text_projection = nn.Parameter(torch.empty(width, module.embedding))

    def forward(self, words: Tensor, end: int) -> Tensor:
        x = self.transformer(words + self.positional_embedding)
        return self.ln_final(x[:, end]) @ self.text_projection


class Bottleneck(nn.Module):
    def __init__(self, below: int, width: int, *, halves: bool):
        super().__init__()
        out = 4 * width
        self.conv1, self.bn1 = nn.Conv2d(below, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, out, 1, bias=False), nn.BatchNorm2d(out)
        self.halved = nn.AvgPool2d(2) if halves else nn.Identity()
        self.downsample = None
        if halves or below != out:
            self.downsample = nn.Sequential(nn.Conv2d(below, out, 1, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))
        y = self.bn3(self.conv3(self.halved(y)))
        return F.relu(y + (x if self.downsample is None else self.downsample(self.halved(x))))


class Stages(nn.Module):
    """Images b 3 r r -> feature maps of stem and stages, as `drujax.models.clip.ModifiedResNet` with `stages`."""

    def __init__(self, module: Any):
        super().__init__()
        width = module.width
        for i, (below, out) in enumerate(((3, width // 2), (width // 2, width // 2), (width // 2, width)), start=1):
            self.add_module(f"conv{i}", nn.Conv2d(below, out, 3, 2 if i == 1 else 1, 1, bias=False))
            self.add_module(f"bn{i}", nn.BatchNorm2d(out))
        below = width
        for stage, repetitions in enumerate(module.blocks):
            blocks = []
            for i in range(repetitions):
                blocks.append(Bottleneck(below, width * 2**stage, halves=stage > 0 and i == 0))
                below = 4 * width * 2**stage
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))

    def forward(self, x: Tensor) -> list[Tensor]:
        for i in (1, 2, 3):
            x = F.relu(self.get_submodule(f"bn{i}")(self.get_submodule(f"conv{i}")(x)))
        maps = [F.avg_pool2d(x, 2)]
        for stage in (1, 2, 3, 4):
            maps.append(self.get_submodule(f"layer{stage}")(maps[-1]))
        return maps
