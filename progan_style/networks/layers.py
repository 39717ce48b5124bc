"""The parts that every architecture shares: equalised layers, up- and downsampling, minibatch deviation, growth.

Letters: N batch, C channels, R resolution, F features, K classes.
"""

import math
from collections.abc import Callable
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEAK = 0.2


def upsample2(x: Tensor) -> Tensor:
    """Twice the resolution by repetition: [N, C, R, R] -> [N, C, 2R, 2R].

    With `downsample2` the one pair of filters of the project: it serves the skips of both networks, the fade of the
    reals and the pyramid of the data, so that D cannot tell reals from fakes by a filter. It is ProGAN's pair
    (Karras et al. 2018, section 3); downsample2(upsample2(x)) == x.
    """
    n, c, h, w = x.shape
    pixels = x.permute(0, 2, 3, 1)[:, :, None, :, None]  # [N, R, 1, R, 1, C]: the order of channels-last memory
    return pixels.expand(n, h, 2, w, 2, c).reshape(n, 2 * h, 2 * w, c).permute(0, 3, 1, 2)


class Mean2(torch.autograd.Function):
    """2x2 means as a depthwise convolution, and their gradient as a repetition: half the time of avg_pool2d in bf16."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        c = x.shape[1]
        return F.conv2d(x, torch.full((c, 1, 2, 2), 0.25, dtype=x.dtype, device=x.device), stride=2, groups=c)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return upsample2(0.25 * g)


def downsample2(x: Tensor) -> Tensor:
    """Half the resolution by 2x2 means: [N, C, R, R] -> [N, C, R/2, R/2]."""
    return cast(Tensor, Mean2.apply(x))


def channels_last(images: Tensor) -> Tensor:
    """[N, 1, R, R], such that what is made of it lies channels-last in memory.

    One channel lies there in either way; from strides that do not say which, torch takes the other one.
    """
    n, _, r, _ = images.shape
    return images.reshape(n, r, r, 1).permute(0, 3, 1, 2)


def fade(old: Tensor, new: Tensor, alpha: float | Tensor) -> Tensor:
    """Cross-fade (ProGAN, figure 2): old at alpha 0, new at alpha 1, exactly at both ends."""
    return old * (1.0 - alpha) + new * alpha


def fade_reals(images: Tensor, alpha: float) -> Tensor:
    """Reals as sharp as the fading networks: at alpha 0 they are upsample2(downsample2(images)).

    ProGAN's `process_reals`. Without it D sees sharp reals against blended fakes and wins at once.
    """
    if alpha >= 1.0:
        return images
    return fade(upsample2(downsample2(images)), images, alpha)


def leaky_(x: Tensor) -> Tensor:
    """Leaky ReLU in place, for a map that nothing else reads: training then keeps one map per layer, not two."""
    return F.leaky_relu(x, LEAK, inplace=True)


class Linear(nn.Module):
    """Fully connected layer with equalised learning rate (ProGAN, section 4.1): w_hat = w * gain / sqrt(fan_in).

    `lr_mul` scales the layer's learning rate by scaling its parameters (StyleGAN's mapping network uses 0.01).
    """

    def __init__(self, fan_in: int, fan_out: int, *, gain: float = 1.0, bias: float = 0.0, lr_mul: float = 1.0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(fan_out, fan_in) / lr_mul)
        self.bias = nn.Parameter(torch.full([fan_out], bias / lr_mul))
        self.scale = gain * lr_mul / math.sqrt(fan_in)
        self.lr_mul = lr_mul

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.scale, self.bias * self.lr_mul)


class Blur(torch.autograd.Function):
    """Depthwise [1, 3, 3, 1] filter: x [N, C, H, W], taps [1, 1, 4, 4] -> [N, C, H + 2p - 3, W + 2p - 3] at padding p.

    The filter is symmetric, so the gradient is a blur too, with padding 3 - p, and so is the gradient's gradient.
    torch would also work out the second derivative by the fixed taps, channel by channel: 2,048 small convolutions in a
    penalised step at 32x32.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, taps: Tensor, padding: int) -> Tensor:
        ctx.save_for_backward(taps)
        ctx.padding = padding
        c = x.shape[1]
        return F.conv2d(x, taps.to(x.dtype).expand(c, 1, 4, 4), padding=padding, groups=c)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None, None]:
        (taps,) = ctx.saved_tensors
        return cast(Tensor, Blur.apply(g, taps, 3 - ctx.padding)), None, None


class Conv(nn.Module):
    """Convolution with equalised learning rate, at one resolution or with blurred stride-2 resampling.

    up=True doubles the resolution: transposed convolution of stride 2, then blur; down=True halves it: blur, then
    convolution of stride 2 (the layout of StyleGAN2, Karras et al. 2020, appendix B). Every dense multiplication is
    made at the lower of the two resolutions, a quarter of the work of a convolution at the higher one. The filter has
    an even number of taps, so that a block's output lies where the skips' repetition and 2x2 means put it; an odd
    one would move it by half a pixel per block.
    """

    blur: Tensor

    def __init__(
        self,
        c_in: int,
        c_out: int,
        size: int,
        *,
        up: bool = False,
        down: bool = False,
        gain: float = 2**0.5,
        bias: bool = True,
    ):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(c_out, c_in, size, size))
        self.bias = nn.Parameter(torch.zeros(c_out)) if bias else None
        self.scale = gain / math.sqrt(c_in * size * size)
        self.up, self.down, self.padding = up, down, size // 2
        if up or down:
            taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
            # After a transposed convolution three of four pixels came from zeros: the filter's sum 4 makes up for it.
            self.register_buffer("blur", torch.outer(taps, taps)[None, None] / (16 if up else 64), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight * self.scale
        if self.up:
            return self.add_bias(Blur.apply(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2), self.blur, 1))
        if self.down:
            return F.conv2d(Blur.apply(x, self.blur, 2), weight, self.bias, stride=2)
        return F.conv2d(x, weight, self.bias, padding=self.padding)

    def add_bias(self, x: Tensor) -> Tensor:
        return x if self.bias is None else x + self.bias.to(x.dtype)[:, None, None]


class MinibatchStd(nn.Module):
    """One map more: how much the images of a group differ (ProGAN, section 3): [N, C, R, R] -> [N, C + 1, R, R].

    Groups are `group` consecutive images. In eval() the running mean of the training batches stands in, so that the
    features of an image never depend on the images beside it. A step gathers its sums; `settle` moves the mean once,
    so that ranks can add theirs first and parts of a batch count as the whole.
    """

    running: Tensor
    sums: Tensor

    def __init__(self, group: int = 4, momentum: float = 0.03):
        super().__init__()
        self.group, self.momentum = group, momentum
        self.register_buffer("running", torch.zeros(()))
        self.register_buffer("sums", torch.zeros(2), persistent=False)  # of the groups' deviations; their number

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        if self.training:
            assert n % self.group == 0, f"batch of {n} is not a multiple of the minibatch-std group {self.group}"
            groups = x.float().reshape(n // self.group, self.group, c, h, w)
            # Variance of a group, its root per pixel, one mean per group.
            deviation = (groups.var(dim=1, unbiased=False) + 1e-8).sqrt().mean(dim=(1, 2, 3))  # [N / group]
            with torch.no_grad():
                self.sums += torch.stack([deviation.sum(), torch.full_like(deviation[0], len(deviation))])
            extra = deviation.repeat_interleave(self.group)
        else:
            extra = self.running.expand(n)
        return torch.cat([x, extra.to(x.dtype)[:, None, None, None].expand(n, 1, h, w)], dim=1)

    @torch.no_grad()
    def settle(self) -> None:
        """Move the running mean towards the gathered one."""
        self.running.lerp_(self.sums[0] / self.sums[1], self.momentum)
        self.sums.zero_()


class Growing(nn.Module):
    """Growth is something the networks know: `grow` says which blocks are active and how far the newest is faded in.

    Losses, sampling and analysis stay free of it. A network out of a file also knows its classes, in the order of
    its labels, and how many images it has seen.
    """

    class_names: tuple[str, ...] = ()
    nimg: int = 0
    per_class: tuple[str, ...] = ()  # names of the tensors whose rows are classes
    weight: Tensor

    def __init__(self, max_resolution: int):
        super().__init__()
        self.max_resolution = max_resolution
        self.resolution = max_resolution
        self.alpha, self.fading = 1.0, False
        # alpha where the network computes: a compiled pass reads `fading` and `weight`, so that a whole fade is one
        # program.
        self.register_buffer("weight", torch.ones(()), persistent=False)

    def grow(self, resolution: int, alpha: float = 1.0) -> None:
        """Work at `resolution` (pixels per side, a power of two from 8 on) with the newest block at weight `alpha`."""
        assert 8 <= resolution <= self.max_resolution and resolution & (resolution - 1) == 0, resolution
        assert 0.0 <= alpha <= 1.0, alpha
        if alpha != self.alpha:
            self.weight.fill_(alpha)
        self.resolution, self.alpha, self.fading = resolution, alpha, alpha < 1.0


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


def split_condition(labels: Tensor, num_classes: int) -> tuple[Tensor, Tensor | None]:
    """What a network is conditioned on -> classes and positions.

    Labels [N] int64 or class weights [N, K]: position None; [N, K + 1]: weights, then the position in its last column.
    """
    if labels.ndim == 1 or labels.shape[1] == num_classes:
        return labels, None
    return labels[:, :-1], labels[:, -1]


def of_classes(table: Tensor, labels: Tensor) -> Tensor:
    """The rows of a table [K, W] for labels [N] or class weights [N, K] -> [N, W]."""
    return F.embedding(labels, table) if labels.ndim == 1 else labels.to(table.dtype) @ table


def class_of(labels: Tensor) -> Tensor:
    """Labels [N] or conditions [N, K + 1] with a whole weight on one class -> labels [N]."""
    return labels if labels.ndim == 1 else labels[:, :-1].argmax(dim=1)


class PositionEmbedding(nn.Module):
    """Where in the head a slice lies, -1 .. 1 -> [N, width]: a linear layer on sines and cosines of four frequencies.

    None is the middle.
    """

    waves: Tensor

    def __init__(self, width: int):
        super().__init__()
        self.register_buffer("waves", math.pi / 2 * torch.arange(1.0, 5.0), persistent=False)
        self.dense = Linear(8, width)

    def forward(self, position: Tensor | None, n: int) -> Tensor:
        if position is None:
            position = self.waves.new_zeros(n)
        angles = position[:, None].float() * self.waves
        return cast(Tensor, self.dense(torch.cat([angles.sin(), angles.cos()], dim=1)))


class Discriminating(Growing):
    """What every discriminator ends in: 4x4 map -> features -> logits. An architecture adds `reduce(images)`.

    The label enters by projection (Miyato & Koyama 2018): logit = l(f) + label_weight <embed(y), f> / sqrt(F), unless
    `in_logit` is False; so does the slice's position, if the network knows positions. `classify` is a linear head on
    the same features. See networks/__init__.py for the contract.
    """

    per_class = ("embed.weight", "probe.weight", "probe.bias")
    label_weight: Tensor
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

    def logits(self, features: Tensor, labels: Tensor) -> Tensor:
        """Features [N, F], labels [N] (or conditions, see split_condition) -> logits [N]: higher is more real."""
        with torch.autocast(features.device.type, enabled=False):
            classes, position = split_condition(labels, self.num_classes)
            out = self.logit(features)[:, 0]
            if self.embed is not None:
                of_class = of_classes(self.embed.weight, classes) * self.label_weight
                out = out + (of_class * features).sum(dim=1) / math.sqrt(self.num_features)
            if self.position is not None:
                of_position = self.position(position, len(features))
                out = out + (of_position * features).sum(dim=1) / math.sqrt(self.num_features)
            return out

    def class_logits(self, features: Tensor) -> Tensor:
        """Features [N, F] -> class logits [N, K]."""
        with torch.autocast(features.device.type, enabled=False):
            return self.probe(features)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """[N, 1, R, R], [N] -> logits [N]."""
        return self.logits(self.features(images), labels)

    def classify(self, images: Tensor) -> Tensor:
        """[N, 1, R, R] -> class logits [N, K]."""
        return self.class_logits(self.features(images))


def maps(per_channel: Tensor, x: Tensor) -> Tensor:
    """[N, C] -> [N, C, 1, 1] in the type of x."""
    return per_channel.to(x.dtype)[:, :, None, None]


def widths(channel_base: int, channel_max: int, max_resolution: int) -> dict[int, int]:
    """Channels of each resolution from 4 on: min(channel_base // resolution, channel_max), as in StyleGAN2-ADA.

    StyleGAN divides its fmap_base by half the resolution: the same base gives twice as many there.
    """
    return {2**k: max(1, min(channel_base // 2**k, channel_max)) for k in range(2, int(math.log2(max_resolution)) + 1)}
