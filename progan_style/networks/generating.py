"""What every generator begins with: mapping, constant, two styles and two noise maps for each resolution.

Letters: N batch, C channels, R resolution, L styles, W style width.
"""

import math
from typing import Unpack

import torch
from torch import Tensor, nn

from progan_style.networks.conditions import Heard
from progan_style.networks.contract import Generator
from progan_style.networks.layers import widths
from progan_style.networks.mapping import Mapping


class Generating(Generator):
    """ws -> feature maps, block by block from 4x4. An architecture adds `blocks` and `synthesis`.

    Block r of `blocks` takes (x, ws [N, 2, W], its two noise maps or None) to the feature map at r.
    """

    per_class = ("mapping.embed.weight",)

    def __init__(
        self,
        *,
        num_classes: int,
        max_resolution: int,
        z_dim: int,
        w_dim: int,
        mapping_depth: int,
        mapping_lr_mul: float,
        channel_base: int,
        channel_max: int,
        **heard: Unpack[Heard],
    ):
        super().__init__(max_resolution)
        self.channels = widths(channel_base, channel_max, max_resolution)
        self.mapping = Mapping(
            z_dim=z_dim,
            w_dim=w_dim,
            num_layers=2 * len(self.channels),
            num_classes=num_classes,
            depth=mapping_depth,
            lr_mul=mapping_lr_mul,
            **heard,
        )
        self.const = nn.Parameter(torch.randn(1, self.channels[4], 4, 4))  # ones have no variance for AdaIN
        self.blocks = nn.ModuleDict()

    def adapted(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        return self.mapping.adapted(weights, "mapping.")

    @property
    def active(self) -> list[int]:
        """Resolutions of the blocks at work, from 4 up."""
        return [2**k for k in range(2, int(math.log2(self.resolution)) + 1)]

    @property
    def active_layers(self) -> int:
        return 2 * len(self.active)

    @property
    def noise_size(self) -> int:
        """Numbers of noise for one image at the present resolution."""
        return sum(2 * r * r for r in self.active)

    def features(self, ws: Tensor, noise: Tensor | None = None) -> Tensor:
        """ws [N, L, W] -> the last feature map [N, C, R, R], before it becomes an image."""
        return self.feature_maps(ws, noise)[-1].float()

    def feature_maps(self, ws: Tensor, noise: Tensor | None) -> list[Tensor]:
        """The feature map of every active block."""
        x = self.const.expand(ws.shape[0], -1, -1, -1).contiguous(memory_format=torch.channels_last)
        out, start = [], 0
        for i, r in enumerate(self.active):
            of_block = None
            if noise is not None:
                of_block = [noise[:, start + j * r * r : start + (j + 1) * r * r].reshape(-1, 1, r, r) for j in (0, 1)]
                start += 2 * r * r
            x = self.blocks[str(r)](x, ws[:, 2 * i : 2 * i + 2], of_block)
            out.append(x)
        return out
