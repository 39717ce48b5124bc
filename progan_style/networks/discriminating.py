"""What every discriminator ends in: 4x4 map -> features -> logits.

Letters: N batch, C channels, R resolution, F features, K classes.
"""

import math
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from progan_style.networks.conditions import Condition, PositionEmbedding
from progan_style.networks.contract import Discriminator
from progan_style.networks.layers import Conv, Linear, MinibatchStd, channels_last, leaky_


class Head(nn.Module):
    """4x4 feature map -> features [N, F]: minibatch deviation, convolution, fully connected."""

    def __init__(self, channels: int):
        super().__init__()
        self.minibatch_std = MinibatchStd()
        self.conv = Conv(channels + 1, channels, 3)
        self.dense = Linear(16 * channels, channels, gain=2**0.5)

    def forward(self, x: Tensor) -> Tensor:
        x = leaky_(self.conv(self.minibatch_std(x)))
        with torch.autocast(x.device.type, enabled=False):
            return leaky_(self.dense(x.float().flatten(1)))


class Discriminating(Discriminator):
    """What every discriminator ends in: 4x4 map -> features -> logits. An architecture adds `reduce(images)`.

    The label enters by projection (Miyato & Koyama 2018): logit = l(f) + label_weight <embed(y), f> / sqrt(F), unless
    `in_logit` is False; so does the slice's position, if the network knows positions. `classify` is a linear head on
    the same features.
    """

    per_class = ("embed.weight", "probe.weight", "probe.bias")
    reduce: Callable[[Tensor], Tensor]  # an architecture's own: images [N, 1, R, R], channels-last -> map [N, C, 4, 4]

    def __init__(self, *, max_resolution: int, channels: int, num_classes: int, in_logit: bool, positions: bool):
        super().__init__(max_resolution)
        self.num_classes, self.num_features = num_classes, channels
        self.head = Head(channels)
        self.logit = Linear(self.num_features, 1)
        self.embed = nn.Embedding(num_classes, self.num_features) if num_classes > 1 and in_logit else None
        self.probe = Linear(self.num_features, num_classes)
        self.position = PositionEmbedding(self.num_features) if positions else None
        self.register_buffer("label_weight", torch.ones(()))

    def features(self, images: Tensor) -> Tensor:
        """[N, 1, R, R] -> [N, F] fp32, the final layer; takes no labels."""
        r = self.resolution
        assert images.shape[1:] == (1, r, r), f"images {tuple(images.shape)} for a discriminator at {r}"
        return cast(Tensor, self.head(self.reduce(channels_last(images))))

    def logits(self, features: Tensor, condition: Condition) -> Tensor:
        """Features [N, F] -> logits [N]: higher is more real."""
        with torch.autocast(features.device.type, enabled=False):
            out = self.logit(features)[:, 0]
            if self.embed is not None:
                of_class = condition.of_classes(self.embed.weight) * self.label_weight
                out = out + (of_class * features).sum(dim=1) / math.sqrt(self.num_features)
            if self.position is not None:
                of_position = self.position(condition.position, len(features))
                out = out + (of_position * features).sum(dim=1) / math.sqrt(self.num_features)
            return out

    def class_logits(self, features: Tensor) -> Tensor:
        """Features [N, F] -> class logits [N, K]."""
        with torch.autocast(features.device.type, enabled=False):
            return self.probe(features)
