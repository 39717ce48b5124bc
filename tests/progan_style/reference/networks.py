"""StyleGAN's and StyleGAN2's generators and ProGAN's discriminator, as functions of the tensors in their state dicts.

Karras et al. 2018 (discriminator), 2019 (stylegan1) and 2020 (stylegan2). The convolutions that resample have stride 2
and the filter [1, 3, 3, 1]; skips and fades repeat pixels and take 2x2 means.

Letters: N batch, C channels, R resolution, L styles, Z latent width, W style width, F features, K classes.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

Tensors = dict[str, Tensor]

# ---------------------------------------------------------------- layers


def leaky(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 0.2 * x)


def normalised(x: Tensor) -> Tensor:
    """Rows of mean square 1."""
    return x / torch.sqrt((x**2).mean(dim=1, keepdim=True) + 1e-8)


def linear(T: Tensors, name: str, x: Tensor, gain: float = 1.0, lr_mul: float = 1.0) -> Tensor:
    """Equalised learning rate: weights of variance 1, scaled where they are used (ProGAN, section 4.1)."""
    weight, bias = T[f"{name}.weight"], T[f"{name}.bias"]
    return x @ (weight * gain * lr_mul / math.sqrt(weight.shape[1])).T + bias * lr_mul


def larger(x: Tensor) -> Tensor:
    """Each pixel four times."""
    return x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)


def smaller(x: Tensor) -> Tensor:
    """2x2 means."""
    return (x[:, :, 0::2, 0::2] + x[:, :, 0::2, 1::2] + x[:, :, 1::2, 0::2] + x[:, :, 1::2, 1::2]) / 4


def patches(x: Tensor, k: int, padding: int, stride: int = 1) -> Tensor:
    """What each tap of a k x k kernel sees, in its order: [N, C, R, R] -> [N, C, k^2, R', R']."""
    x = F.pad(x, [padding] * 4)
    last = x.shape[-1] - k + 1
    seen = [x[:, :, a : a + last : stride, b : b + last : stride] for a in range(k) for b in range(k)]
    return torch.stack(seen, dim=2)


def filtered(x: Tensor, total: float, padding: int) -> Tensor:
    """Each channel by itself with the filter [1, 3, 3, 1] in both directions, of this sum."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=x.dtype)
    return torch.einsum("nckyx,k->ncyx", patches(x, 4, padding), (total / 64 * taps[:, None] * taps).flatten())


def convolved(x: Tensor, weight: Tensor, resample: str = "") -> Tensor:
    """x [N, C, R, R] with weights [N, C_out, C, k, k], each image its own, or [1, ..] for all."""
    n, c, r, _ = x.shape
    k = weight.shape[-1]
    padding, stride = k // 2, 1
    if resample == "up":  # zeros between the pixels; a transposed convolution turns the kernel by half a turn
        apart = x.new_zeros(n, c, 2 * r - 1, 2 * r - 1)
        apart[:, :, ::2, ::2] = x
        x, weight, padding = apart, weight.flip(3, 4), 2
    if resample == "down":
        x, padding, stride = filtered(x, 1.0, padding=2), 0, 2
    own = weight.expand(n, *weight.shape[1:]).flatten(3)
    x = torch.einsum("nckyx,nock->noyx", patches(x, k, padding, stride), own)
    return filtered(x, 4.0, padding=1) if resample == "up" else x


def conv(T: Tensors, name: str, x: Tensor, gain: float, resample: str = "") -> Tensor:
    """Equalised convolution, the same weights for all images."""
    weight = T[f"{name}.weight"]
    scaled = weight * gain / math.sqrt(weight[0].numel())
    x = convolved(x, scaled[None], resample)
    return x + T[f"{name}.bias"][:, None, None] if f"{name}.bias" in T else x


def embedded_position(T: Tensors, name: str, position: Tensor) -> Tensor:
    """Position -1 .. 1 [N] -> [N, width]: sines and cosines of 1 to 4 quarter turns, a linear layer."""
    angles = position[:, None] * torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=position.dtype) * math.pi / 2
    return linear(T, f"{name}.dense", torch.cat([torch.sin(angles), torch.cos(angles)], dim=1))


def embedded_condition(T: Tensors, name: str, value: Tensor) -> Tensor:
    """A category's place [N] -> its row of the table, the last row where it is NaN. A number [N] in standard
    deviations -> a place on a scale that saturates, embedded as a position; one vector where it is NaN."""
    left_out = torch.isnan(value)
    if f"{name}.table" in T:
        return T[f"{name}.table"][torch.where(left_out, len(T[f"{name}.table"]) - 1, value).long()]
    t = torch.exp(2 * torch.where(left_out, 0.0, value) / 4.5)
    known = embedded_position(T, name, 1.5 * (t - 1) / (t + 1))
    share = left_out.double()[:, None]
    return share * T[f"{name}.unknown"] + (1 - share) * known


# ---------------------------------------------------------------- generator


def mapped(
    G: Tensors, z: Tensor, y: Tensor, position: Tensor | None, others: Tensors, label_weight: float, lr_mul: float
) -> Tensor:
    """z [N, Z], y [N] (-1: no class, no embedding), position [N], others [N] each by name -> w [N, W]."""
    parts = [normalised(z)]
    if "mapping.embed.weight" in G:  # more than one class
        of_class = torch.where((y < 0)[:, None], 0.0, normalised(G["mapping.embed.weight"][y.clamp(min=0)]))
        parts.append(label_weight * of_class)
    if position is not None:
        parts.append(normalised(embedded_position(G, "mapping.position", position)))
    for name, value in others.items():
        parts.append(normalised(embedded_condition(G, f"mapping.conditions.of_{name}", value)))
    w, layer = torch.cat(parts, dim=1), 0
    while f"mapping.layers.{layer}.weight" in G:
        w = leaky(linear(G, f"mapping.layers.{layer}", w, gain=math.sqrt(2), lr_mul=lr_mul))
        layer += 1
    return w


def adain_layer(G: Tensors, name: str, x: Tensor, w: Tensor, noise: Tensor, resample: str) -> Tensor:
    """Convolution, noise, leaky ReLU, AdaIN (StyleGAN, figure 1b and equation 1); the first one has no convolution."""
    if f"{name}.conv.weight" in G:
        x = conv(G, f"{name}.conv", x, math.sqrt(2), resample)
    x = leaky(x + G[f"{name}.strength"][:, None, None] * noise)
    scale, shift = linear(G, f"{name}.affine", w)[:, :, None, None].chunk(2, dim=1)
    mean, variance = x.mean(dim=(2, 3), keepdim=True), x.var(dim=(2, 3), keepdim=True, unbiased=False)
    return (1 + scale) * (x - mean) / torch.sqrt(variance + 1e-8) + shift


def modulated_layer(G: Tensors, name: str, x: Tensor, w: Tensor, noise: Tensor, resample: str) -> Tensor:
    """Weights scaled by the style and normalised (StyleGAN2, equations 1 and 3), bias, noise, leaky ReLU."""
    weight = G[f"{name}.conv.weight"] * math.sqrt(2) / math.sqrt(G[f"{name}.conv.weight"][0].numel())
    weight = linear(G, f"{name}.affine", w)[:, None, :, None, None] * weight  # [N, C_out, C, 3, 3]
    weight = math.sqrt(2) * weight / torch.sqrt((weight**2).sum(dim=(2, 3, 4), keepdim=True) + 1e-8)
    x = convolved(x, weight, resample) + G[f"{name}.bias"][:, None, None]
    return leaky(x + G[f"{name}.strength"] * noise)


def synthesised(G: Tensors, architecture: str, ws: Tensor, noise: Tensor, R: int, alpha: float) -> Tensor:
    """ws [N, L, W], noise [N, 2 (16 + 64 + .. + R^2)] -> images [N, 1, R, R]."""
    n, layer, used = len(ws), 0, 0
    styled = adain_layer if architecture == "stylegan1" else modulated_layer
    x, images = G["const"].expand(n, *G["const"].shape[1:]), []
    r = 4
    while r <= R:
        for place in ("first", "second"):
            own = noise[:, used : used + r * r].reshape(n, 1, r, r)
            resample = "up" if place == "first" and r > 4 else ""
            x = styled(G, f"blocks.{r}.{place}", x, ws[:, layer], own, resample)
            layer, used = layer + 1, used + r * r
        if architecture == "stylegan1":
            images.append(conv(G, f"blocks.{r}.to_image", x, gain=1.0))
        else:
            name = f"blocks.{r}.to_image"
            weight = linear(G, f"{name}.affine", ws[:, layer - 1]) * G[f"{name}.weight"] / math.sqrt(x.shape[1])
            images.append((weight[:, :, None, None] * x).sum(dim=1, keepdim=True) + G[f"{name}.bias"])
        r *= 2
    if architecture == "stylegan1":  # the last, in a fade over the one before (ProGAN, figure 2)
        return images[-1] if alpha == 1 else alpha * images[-1] + (1 - alpha) * larger(images[-2])
    images[-1] = alpha * images[-1]
    image = images[0]
    for part in images[1:]:  # the sum of all (StyleGAN2, figure 7b); in a fade the newest by alpha
        image = larger(image) + part
    return image


# ---------------------------------------------------------------- discriminator


def features(D: Tensors, images: Tensor, R: int, alpha: float) -> tuple[Tensor, Tensor]:
    """images [N, 1, R, R] -> features [N, F], and the deviation within each group of four images [N / 4]."""
    gain = math.sqrt(2)
    x, r = leaky(conv(D, f"blocks.{R}.from_image", images, gain)), R
    while r > 4:
        x = leaky(conv(D, f"blocks.{r}.first", x, gain))
        x = leaky(conv(D, f"blocks.{r}.second", x, gain, "down"))
        if r == R and alpha < 1:
            old = leaky(conv(D, f"blocks.{R // 2}.from_image", smaller(images), gain))
            x = alpha * x + (1 - alpha) * old
        r //= 2
    n, c, h, w = x.shape
    groups = x.reshape(n // 4, 4, c, h, w)
    spread = torch.sqrt(((groups - groups.mean(dim=1, keepdim=True)) ** 2).mean(dim=1) + 1e-8)
    deviation = spread.mean(dim=(1, 2, 3))  # ProGAN, section 3
    x = torch.cat([x, deviation.repeat_interleave(4)[:, None, None, None].expand(n, 1, h, w)], dim=1)
    x = leaky(conv(D, "head.conv", x, gain))
    return leaky(linear(D, "head.dense", x.reshape(n, c * h * w), gain)), deviation


def logits(D: Tensors, f: Tensor, y: Tensor, position: Tensor | None, others: Tensors, label_weight: float) -> Tensor:
    """Features [N, F] -> logits [N], with all conditions by projection (Miyato & Koyama 2018, equation 3); of no class
    (y -1) without that of the class."""
    out = linear(D, "logit", f)[:, 0]
    if "embed.weight" in D:
        of_class = (D["embed.weight"][y.clamp(min=0)] * f).sum(dim=1)
        out = out + label_weight * torch.where(y < 0, 0.0, of_class) / math.sqrt(f.shape[1])
    if position is not None:
        out = out + (embedded_position(D, "position", position) * f).sum(dim=1) / math.sqrt(f.shape[1])
    for name, value in others.items():
        out = out + (embedded_condition(D, f"conditions.of_{name}", value) * f).sum(dim=1) / math.sqrt(f.shape[1])
    return out


def class_logits(D: Tensors, f: Tensor) -> Tensor:
    """features [N, F] -> [N, K]; a trained head has them standardised by their running mean and variance."""
    if "class_head.offsets" in D:
        return f @ D["class_head.weight"].T + D["class_head.bias"]
    return linear(D, "class_head", (f - D["class_head.mean"]) / torch.sqrt(D["class_head.variance"] + 1e-8))
