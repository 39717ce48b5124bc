"""ProGAN's discriminator, conditional, growing: images -> 4x4 map -> features -> logits.

Karras et al. 2018, "Progressive Growing of GANs", table 2. Differences: stride-2 resampling (see layers.Conv), label
and position by projection, a class head on the features. Both generators train against it: StyleGAN2's residual blocks
were compared, and were behind (docs/experiments/large_sizes.md).

Letters: N batch, C channels, R resolution, F features, K classes.
"""

import math
from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from progan_style.networks import contract
from progan_style.networks.conditions import Condition, Embeddings, PositionEmbedding
from progan_style.networks.layers import Conv, Linear, MinibatchStd, channels_last, leaky_, widths
from progan_style.networks.resampling import downsample2, fade


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


class TaughtHead(Linear):
    """A trained class head: features [N, F], standardised -> class logits [N, K].

    The features' mean is many times their spread (at 32x32 a hundred, in squares): a linear layer on them learns their
    mean and little else. So they are standardised by the running mean and variance of the reals.
    """

    mean: Tensor
    variance: Tensor
    sums: Tensor

    def __init__(self, num_features: int, num_classes: int, momentum: float = 0.03):
        super().__init__(num_features, num_classes)
        self.momentum = momentum
        self.register_buffer("mean", torch.zeros(num_features))
        self.register_buffer("variance", torch.ones(num_features))
        # Of the features less `mean`, of their squares, and the number of images in every column
        self.register_buffer("sums", torch.zeros(3, num_features), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward((x - self.mean) * torch.rsqrt(self.variance + 1e-8))

    @torch.no_grad()
    def track(self, features: Tensor, condition: Condition) -> None:
        """Gather the sums of a batch of reals for `settle`; ranks can add theirs in between."""
        x = features - self.mean
        self.sums += torch.stack([x.sum(dim=0), x.square().sum(dim=0), torch.full_like(x[0], len(x))])

    @torch.no_grad()
    def settle(self) -> None:
        """Move the running mean and variance towards the gathered ones."""
        of_x, of_squares = self.sums[:2] / self.sums[2].clamp(min=1)
        moved = self.momentum * (self.sums[2] > 0)
        self.variance += moved * (of_squares - of_x.square() - self.variance)
        self.mean += moved * of_x
        self.sums.zero_()


FAST = 10  # times the momentum of the other running numbers


class ListeningHead(nn.Module):
    """A class head that teaches nobody: the linear discriminant of the reals' features (Hastie et al. 2009, 4.3).

    With the class means m + d_k about the mean m of all, the covariance S within the classes and the classes' shares
    p_k, all running,

        logit_k = d_k^T S^-1 (f - m) - d_k^T S^-1 d_k / 2 + log p_k.

    m is what moves most as D learns, and a few batches tell it: it follows ten times as fast as the rest. A slower one
    left the ranking right and the threshold nowhere (AUC 0.80, one answer for all).

    A layer trained beside D does not follow features that move as D learns, which is when a number is wanted: on
    standardised features at 16x16 its AUC was 0.65 where a logistic regression had 0.83 and this has 0.83.
    """

    RIDGE = 0.03  # of the variances, on the diagonal: for features of which there are as many as images in the memory

    weight: Tensor
    bias: Tensor
    mean: Tensor
    offsets: Tensor
    covariance: Tensor
    shares: Tensor
    sums: Tensor

    def __init__(self, num_features: int, num_classes: int, momentum: float = 0.03):
        super().__init__()
        self.momentum = momentum
        self.register_buffer("weight", torch.zeros(num_classes, num_features))
        self.register_buffer("bias", torch.zeros(num_classes))
        self.register_buffer("mean", torch.zeros(num_features))
        self.register_buffer("offsets", torch.zeros(num_classes, num_features))
        self.register_buffer("covariance", torch.eye(num_features))
        self.register_buffer("shares", torch.full([num_classes], 1.0 / num_classes))
        # For each class the sum of its features less m and d_k, and their number; below, the products of features
        rows = num_classes + num_features
        self.register_buffer("sums", torch.zeros(rows, num_features + 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.nn.functional.linear(x, self.weight, self.bias)

    @torch.no_grad()
    def track(self, features: Tensor, condition: Condition) -> None:
        """Gather the sums of the labelled reals of a batch for `settle`; ranks can add theirs in between."""
        x = (features - self.mean - condition.of_classes(self.offsets)) * condition.labelled.to(features.dtype)
        k = len(self.offsets)
        self.sums[:k] += condition.class_weights.T.to(x.dtype) @ torch.cat([x, torch.ones_like(x[:, :1])], dim=1)
        self.sums[k:, :-1] += x.T @ x

    @torch.no_grad()
    def settle(self) -> None:
        """Move mean, offsets, covariance and shares towards the gathered; then the discriminant is worked out anew."""
        k = len(self.offsets)
        counts, total = self.sums[:k, -1], self.sums[:k, -1].sum()
        moved = self.sums[:k, :-1] / counts.clamp(min=1)[:, None]
        within = (self.sums[k:, :-1] - (moved * counts[:, None]).T @ moved) / total.clamp(min=1)
        rate = self.momentum * (total > 0)
        self.covariance += rate * (within - self.covariance)
        self.shares += rate * (counts / total.clamp(min=1) - self.shares)
        together = self.sums[:k, :-1].sum(dim=0) / total.clamp(min=1)  # what moved in all classes
        self.offsets += rate * (moved - together) * (counts > 0)[:, None]
        self.mean += FAST * rate * together
        self.sums.zero_()
        # Not linalg.solve: it waits for the device to say whether it went well.
        ridge = torch.diag(self.RIDGE * self.covariance.diagonal() + 1e-8)
        lower, _ = torch.linalg.cholesky_ex(self.covariance + ridge)
        self.weight.copy_(torch.cholesky_solve(self.offsets.T, lower).T)
        halves = self.weight @ self.mean + (self.offsets * self.weight).sum(dim=1) / 2
        self.bias.copy_(self.shares.clamp(min=1e-8).log() - halves)


class DownBlock(nn.Module):
    """Two convolutions, the second halves the resolution. Where a block is the first, it begins with `from_image`."""

    def __init__(self, c_in: int, c_out: int):
        super().__init__()
        self.from_image = Conv(1, c_in, 1)
        self.first = Conv(c_in, c_in, 3)
        self.second = Conv(c_in, c_out, 3, down=True)

    def forward(self, x: Tensor) -> Tensor:
        return leaky_(self.second(leaky_(self.first(x))))


class Discriminator(contract.Discriminator):
    """Images -> feature maps, block by block to 4x4 -> features -> logits.

    Block r of `blocks` takes a map at r to one at r / 2. While D fades, what the newest block makes is mixed with what
    the one below begins with (ProGAN, figure 2).

    The label enters by projection (Miyato & Koyama 2018): logit = l(f) + label_weight <embed(y), f> / sqrt(F), unless
    `in_logit` is False; so do the slice's position and each number or category, if the network knows them. `classify`
    is a linear head on the same features; `taught`: a trained one, whose gradient goes on.
    """

    class_head: TaughtHead | ListeningHead
    per_class = ("embed.weight", *(f"class_head.{name}" for name in ("weight", "bias", "offsets", "shares")))

    def __init__(
        self,
        *,
        num_classes: int,
        max_resolution: int,
        channel_base: int,
        channel_max: int,
        in_logit: bool = True,
        taught: bool = False,
        positions: bool = False,
        conditions: Mapping[str, int] | None = None,
    ):
        super().__init__(max_resolution)
        channels = widths(channel_base, channel_max, max_resolution)
        self.blocks = nn.ModuleDict({str(r): DownBlock(channels[r], channels[r // 2]) for r in channels if r > 4})
        self.num_classes, self.num_features = num_classes, channels[4]
        self.head = Head(channels[4])
        self.logit = Linear(self.num_features, 1)
        self.embed = nn.Embedding(num_classes, self.num_features) if num_classes > 1 and in_logit else None
        self.class_head = (TaughtHead if taught else ListeningHead)(self.num_features, num_classes)
        self.position = PositionEmbedding(self.num_features) if positions else None
        self.conditions = Embeddings(conditions or {}, self.num_features)
        self.register_buffer("label_weight", torch.ones(()))

    def features(self, images: Tensor) -> Tensor:
        """[N, 1, R, R] -> [N, F] fp32, the final layer; takes no labels."""
        r = self.resolution
        assert images.shape[1:] == (1, r, r), f"images {tuple(images.shape)} for a discriminator at {r}"
        return cast(Tensor, self.head(self.reduce(channels_last(images))))

    def reduce(self, images: Tensor) -> Tensor:
        """[N, 1, R, R], channels-last -> [N, C, 4, 4]."""
        r = self.resolution
        x = self.blocks[str(r)](self._from_image(r, images))
        r //= 2
        if self.fading:
            old = self._from_image(r, downsample2(images))
            x = fade(old, x, self.weight)
        while r > 4:
            x = self.blocks[str(r)](x)
            r //= 2
        return x

    def _from_image(self, r: int, images: Tensor) -> Tensor:
        return leaky_(cast(DownBlock, self.blocks[str(r)]).from_image(images))

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
            if self.conditions:
                of_others = torch.stack(self.conditions(condition.values, features)).sum(dim=0)
                out = out + (of_others * features).sum(dim=1) / math.sqrt(self.num_features)
            return out

    def track(self, features: Tensor, condition: Condition) -> None:
        self.class_head.track(features, condition)

    def class_logits(self, features: Tensor) -> Tensor:
        """Features [N, F] -> class logits [N, K]."""
        with torch.autocast(features.device.type, enabled=False):
            return cast(Tensor, self.class_head(features))

    def adapted(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Where the other network lacks classes or conditions, theirs begin at 0: the logit is the other one's.

        A class head of another kind begins anew: its tensors have the same names and another meaning.
        """
        mine, parts = self.state_dict(), ("embed.", "position.", "conditions.")
        heads = [{name for name in some if name.startswith("class_head.")} for some in (mine, weights)]
        if heads[0] != heads[1]:
            weights = {name: tensor for name, tensor in weights.items() if name not in heads[1]}
        new = [name for name in mine if name.startswith(parts) and name not in weights]
        return weights | {name: torch.zeros_like(mine[name]) for name in new}
