"""The yardstick: the product's architecture and recipe, written plainly.

What a careful reading of the papers gives before anything is measured: fp32 in contiguous memory, every convolution at
the higher of its two resolutions, a new batch of fakes for each of the two updates, R1 in every step on a forward of
its own, Adam and the moving average as loops over parameters. Same layers, same widths, same number of parameters as
networks/stylegan1.py (tested); the numbers come out alike, not equal.

Letters: N batch, C channels, R resolution, L styles, W style width, K classes.
"""

import math
from copy import deepcopy
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Equalized(nn.Module):
    """Convolution or linear layer with equalised learning rate."""

    def __init__(self, c_in: int, c_out: int, size: int | None = None, gain: float = 2**0.5, lr_mul: float = 1.0):
        super().__init__()
        shape = (c_out, c_in) if size is None else (c_out, c_in, size, size)
        self.weight = nn.Parameter(torch.randn(shape) / lr_mul)
        self.bias = nn.Parameter(torch.zeros(c_out))
        self.scale = gain * lr_mul / math.sqrt(c_in * (size or 1) ** 2)
        self.size, self.lr_mul = size, lr_mul

    def forward(self, x: Tensor) -> Tensor:
        if self.size is None:
            return F.linear(x, self.weight * self.scale, self.bias * self.lr_mul)
        return F.conv2d(x, self.weight * self.scale, self.bias, padding=self.size // 2)


class Blur(nn.Module):
    """[1, 2, 1] in both directions, normalised."""

    def __init__(self) -> None:
        super().__init__()
        taps = torch.tensor([1.0, 2.0, 1.0])
        self.taps: Tensor
        self.register_buffer("taps", (torch.outer(taps, taps) / 16)[None, None])

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.taps.expand(x.shape[1], 1, 3, 3), padding=1, groups=x.shape[1])


def normalize(x: Tensor) -> Tensor:
    return x / torch.sqrt(x.square().mean(dim=1, keepdim=True) + 1e-8)


class Style(nn.Module):
    """Noise, leaky ReLU, instance normalisation, style."""

    def __init__(self, channels: int, w_dim: int):
        super().__init__()
        self.strength = nn.Parameter(torch.zeros(channels))
        self.affine = Equalized(w_dim, 2 * channels, gain=1.0)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        noise = torch.randn(len(x), 1, *x.shape[2:], device=x.device)
        x = F.instance_norm(F.leaky_relu(x + self.strength[:, None, None] * noise, 0.2))
        scale, shift = self.affine(w)[:, :, None, None].chunk(2, dim=1)
        return x * (1 + scale) + shift


class GeneratorBlock(nn.Module):
    def __init__(self, c_in: int | None, c_out: int, w_dim: int):
        super().__init__()
        self.up = Equalized(c_in, c_out, 3) if c_in else None
        self.conv = Equalized(c_out, c_out, 3)
        self.blur = Blur()
        self.style_1, self.style_2 = Style(c_out, w_dim), Style(c_out, w_dim)
        self.to_image = Equalized(c_out, 1, 1, gain=1.0)

    def forward(self, x: Tensor, ws: Tensor) -> Tensor:
        if self.up is not None:
            x = self.blur(self.up(F.interpolate(x, scale_factor=2, mode="nearest")))
        x = self.style_1(x, ws[:, 0])
        return self.style_2(self.conv(x), ws[:, 1])


class Generator(nn.Module):
    """z, labels -> images, at one resolution with the newest block at weight alpha."""

    def __init__(self, widths: dict[int, int], num_classes: int, z_dim: int, w_dim: int, depth: int, lr_mul: float):
        super().__init__()
        self.embed = nn.Embedding(num_classes, w_dim)
        fan_in = [z_dim + w_dim] + [w_dim] * (depth - 1)
        self.mapping = nn.ModuleList(Equalized(n, w_dim, lr_mul=lr_mul) for n in fan_in)
        self.const = nn.Parameter(torch.randn(1, widths[4], 4, 4))
        before = [None, *list(widths.values())[:-1]]
        self.blocks = nn.ModuleList(
            GeneratorBlock(c_in, c_out, w_dim) for c_in, c_out in zip(before, widths.values(), strict=True)
        )
        self.center: Tensor
        self.register_buffer("center", torch.zeros(w_dim))

    def forward(self, z: Tensor, labels: Tensor, alpha: float) -> Tensor:
        w, other = self.map(z[0], labels), self.map(z[1], labels)
        self.center.lerp_(w.detach().mean(dim=0), 0.005)
        layers = 2 * len(self.blocks)
        crossover = torch.randint(1, layers, (len(w),)) if torch.rand(()) < 0.9 else torch.full((len(w),), layers)
        chosen = torch.arange(layers)[None, :, None] < crossover[:, None, None]
        ws = torch.where(chosen, w[:, None], other[:, None])  # [N, L, W]
        x = self.const.expand(len(w), -1, -1, -1)
        before = x
        for i, block in enumerate(self.blocks):
            before, x = x, block(x, ws[:, 2 * i : 2 * i + 2])
        *_, previous, newest = cast(list[GeneratorBlock], list(self.blocks))
        image = newest.to_image(x)
        if alpha < 1:
            old = F.interpolate(previous.to_image(before), scale_factor=2, mode="nearest")
            image = old * (1 - alpha) + image * alpha
        return image

    def map(self, z: Tensor, labels: Tensor) -> Tensor:
        x = torch.cat([normalize(z), normalize(self.embed(labels))], dim=1)
        for layer in self.mapping:
            x = F.leaky_relu(layer(x), 0.2)
        return x


class DiscriminatorBlock(nn.Module):
    def __init__(self, c_in: int, c_out: int):
        super().__init__()
        self.from_image = Equalized(1, c_in, 1)
        self.conv = Equalized(c_in, c_in, 3)
        self.down = Equalized(c_in, c_out, 3)
        self.blur = Blur()

    def forward(self, x: Tensor) -> Tensor:
        x = F.leaky_relu(self.conv(x), 0.2)
        return F.avg_pool2d(F.leaky_relu(self.down(self.blur(x)), 0.2), 2)


class Discriminator(nn.Module):
    """images, labels -> logits and class logits."""

    def __init__(self, widths: dict[int, int], num_classes: int):
        super().__init__()
        wide = sorted(widths, reverse=True)
        self.blocks = nn.ModuleList(DiscriminatorBlock(widths[r], widths[r // 2]) for r in wide if r > 4)
        channels = widths[4]
        self.last = Equalized(channels + 1, channels, 3)
        self.dense = Equalized(16 * channels, channels)
        self.logit = Equalized(channels, 1, gain=1.0)
        self.embed = nn.Embedding(num_classes, channels)

    def forward(self, images: Tensor, labels: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
        newest, previous, *_ = blocks = cast(list[DiscriminatorBlock], list(self.blocks))
        x = newest(F.leaky_relu(newest.from_image(images), 0.2))
        if alpha < 1:
            old = F.leaky_relu(previous.from_image(F.avg_pool2d(images, 2)), 0.2)
            x = old * (1 - alpha) + x * alpha
        for block in blocks[1:]:
            x = block(x)
        n, c, h, w = x.shape
        std = x.reshape(n // 4, 4, c, h, w).var(dim=1, unbiased=False).add(1e-8).sqrt().mean(dim=(1, 2, 3))
        x = torch.cat([x, std.repeat_interleave(4)[:, None, None, None].expand(n, 1, h, w)], dim=1)
        x = F.leaky_relu(self.dense(F.leaky_relu(self.last(x), 0.2).flatten(1)), 0.2)
        logits = self.logit(x)[:, 0] + (self.embed(labels) * x).sum(dim=1) / math.sqrt(x.shape[1])
        return logits


class Adam:
    """Kingma & Ba 2015, algorithm 1, as a loop over parameters."""

    def __init__(self, parameters: list[nn.Parameter], lr: float, beta_1: float = 0.0, beta_2: float = 0.99):
        self.parameters, self.lr, self.beta_1, self.beta_2 = parameters, lr, beta_1, beta_2
        self.m = [torch.zeros_like(p) for p in parameters]
        self.v = [torch.zeros_like(p) for p in parameters]
        self.t = 0

    @torch.no_grad()
    def step(self) -> None:
        self.t += 1
        for p, m, v in zip(self.parameters, self.m, self.v, strict=True):
            if p.grad is None:
                continue
            m.mul_(self.beta_1).add_(p.grad, alpha=1 - self.beta_1)
            v.mul_(self.beta_2).addcmul_(p.grad, p.grad, value=1 - self.beta_2)
            m_hat, v_hat = m / (1 - self.beta_1**self.t), v / (1 - self.beta_2**self.t)
            p.sub_(self.lr * m_hat / (v_hat.sqrt() + 1e-8))
            p.grad = None


class Reference:
    """One run's state and its step."""

    def __init__(
        self,
        widths: dict[int, int],
        *,
        num_classes: int = 2,
        z_dim: int,
        w_dim: int,
        depth: int,
        lr_mul: float,
        lr: float,
        gamma: float,
    ):
        self.G = Generator(widths, num_classes, z_dim, w_dim, depth, lr_mul)
        self.D = Discriminator(widths, num_classes)
        self.G_ema = deepcopy(self.G)
        self.opt_G, self.opt_D = Adam(list(self.G.parameters()), lr), Adam(list(self.D.parameters()), lr)
        self.z_dim, self.gamma = z_dim, gamma

    def step(self, images: Tensor, labels: Tensor, alpha: float = 1.0) -> dict[str, float]:
        """One update of D, one of G, the moving average: uint8 images [N, 1, R, R], labels [N] -> both losses."""
        n = len(images)
        reals = images.float() / 127.5 - 1
        if alpha < 1:
            soft = F.interpolate(F.avg_pool2d(reals, 2), scale_factor=2, mode="nearest")
            reals = soft * (1 - alpha) + reals * alpha

        with torch.no_grad():
            fakes = self.G(torch.randn(2, n, self.z_dim), labels, alpha)
        real_logits = self.D(reals, labels, alpha)
        loss_d = F.softplus(-real_logits).mean() + F.softplus(self.D(fakes, labels, alpha)).mean()
        loss_d.backward()
        leaves = reals.clone().requires_grad_()
        (slope,) = torch.autograd.grad(self.D(leaves, labels, alpha).sum(), leaves, create_graph=True)
        penalty = 0.5 * self.gamma * slope.square().sum(dim=(1, 2, 3)).mean()
        penalty.backward()
        self.opt_D.step()

        fakes = self.G(torch.randn(2, n, self.z_dim), labels, alpha)
        loss_g = F.softplus(-self.D(fakes, labels, alpha)).mean()
        loss_g.backward()
        self.opt_G.step()
        for p in self.D.parameters():
            p.grad = None

        with torch.no_grad():
            for kept, new in zip(self.G_ema.parameters(), self.G.parameters(), strict=True):
                kept.copy_(0.999 * kept + 0.001 * new)
        return {"loss_d": (loss_d + penalty).item(), "loss_g": loss_g.item()}
