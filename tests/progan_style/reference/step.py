"""One step of training: a batch, one update of D, one of G, and what moves slowly beside them.

    ProGAN (Karras et al. 2018): growth, drift, minibatch deviation, equalised rates
    StyleGAN (2019): style mixing, noise; StyleGAN2 (2020a): lazy penalties, path length; ADA (2020b): augmentation, EMA

Letters: N batch, R resolution, L styles, Z latent width, W style width, F features, K classes, M training slices.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from . import networks
from .augmentation import changed
from .chance import conditions, normal, ranks, rows_of, uniform
from .networks import Tensors, larger, smaller

BUFFERS = (
    "mapping.label_weight",
    "label_weight",
    "head.minibatch_std.running",
    "class_head.mean",
    "class_head.variance",
)
LISTENING = tuple(f"class_head.{name}" for name in ("weight", "bias", "mean", "offsets", "covariance", "shares"))


@dataclass
class State:
    """All that a step changes: the networks by the names of their state dicts, the moments, the running numbers."""

    nimg: int  # images seen
    G: Tensors
    D: Tensors
    G_ema: Tensors
    path_mean: Tensor
    p: Tensor | None  # of the augmentation
    moments_of: int = 0  # the resolution that Adam's moments belong to
    moments_G: dict[str, tuple[int, Tensor, Tensor]] = field(default_factory=dict)
    moments_D: dict[str, tuple[int, Tensor, Tensor]] = field(default_factory=dict)
    signs: list[Tensor] = field(default_factory=list)  # of D on the reals since p moved, [N] of each step


@dataclass
class Slices:
    """The training slices: uint8 [M, 1, R, R] at each resolution, labels [M], -1 without a class; where they count,
    heights [M], and by name ages as floats and sexes as words [M]."""

    images: dict[int, np.ndarray]
    labels: np.ndarray
    num_classes: int
    heights: np.ndarray | None
    others: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass
class Phase:
    resolution: int
    alpha: float  # how far the newest resolution is faded in
    batch: int
    number: int  # of the step within its stage
    label_weight: float


@dataclass
class Told:
    """What a step says of itself."""

    terms: Tensors
    gradients_D: dict[str, Tensor | None]
    gradients_G: dict[str, Tensor | None]
    r_t: float
    not_r_t: tuple[float, float]  # what the wrong logits would give, and the reals' about the fakes' mean


def phase_at(schedule: dict[str, Any], nimg: int) -> Phase:
    """Stages fade in, then hold; each part is a whole number of batches. The first has nothing to fade from."""
    start = 0
    for i, R in enumerate(schedule["resolutions"]):
        N = schedule["batch_size"][R]
        fade = math.ceil(1000 * schedule["fade_kimg"][R] / N) * N if i else 0
        end = start + fade + math.ceil(1000 * schedule["hold_kimg"][R] / N) * N
        if nimg < end:
            break
        start = end
    alpha = min(1.0, (nimg - start) / fade) if fade else 1.0
    label_weight = 1.0
    if schedule["label_kimg"]:
        first, last = schedule["label_kimg"]
        label_weight = min(1.0, max(0.0, (nimg / 1000 - first) / (last - first)))
    return Phase(R, alpha, N, (nimg - start) // N, label_weight)


def step(config: dict[str, Any], slices: Slices, state: State) -> Told:
    """One step from `state`, which is changed."""
    loss, seed, architecture = config["loss"]["name"], config["seed"], config["network"]["name"]
    now = phase_at(config["schedule"], state.nimg)
    R, N, K, label_weight = now.resolution, now.batch, slices.num_classes, now.label_weight
    has_zero = loss in ("logistic", "hinge")  # of D's logits; in the other losses only differences mean something
    if state.moments_of != R:
        state.moments_of, state.moments_G, state.moments_D = R, {}, {}

    # The reals with their labels and positions, as sharp as the fakes in a fade
    index = np.arange(state.nimg, state.nimg + N)
    rows = rows_of(index, slices.labels, K, seed, config["data"]["sampling"] == "balanced")
    y = torch.from_numpy(slices.labels[rows])
    position = None if slices.heights is None else ranks(slices.heights)[rows]
    known = conditions(list(slices.others.values()), rows, seed, index) if slices.others else []
    others = dict(zip(slices.others, known, strict=True))
    reals = torch.from_numpy(slices.images[R][rows]).double() / 127.5 - 1
    reals = now.alpha * reals + (1 - now.alpha) * larger(smaller(reals))

    G, D = trainable(state.G), trainable(state.D)

    def generated(here: slice) -> tuple[Tensor, Tensor]:
        """The images of the batch in `here` -> ws [N, L, W] and images [N, 1, R, R]."""
        numbers, own = index[here], None if position is None else position[here]
        mine = {name: value[here] for name, value in others.items()}
        Z, lr_mul = config["network"]["z_dim"], config["network"]["mapping_lr_mul"]
        z = normal(seed, "latent", numbers, 2 * Z)
        w, other = (networks.mapped(G, part, y[here], own, mine, label_weight, lr_mul) for part in (z[:, :Z], z[:, Z:]))
        u = uniform(seed, "mixing", numbers, 2)
        L = 2 * int(math.log2(R) - 1)  # two for each of 4, 8, .. R
        mixes = u[:, 0] < config["training"]["style_mixing"]
        crossover = torch.where(mixes, 1 + torch.floor(u[:, 1] * (L - 1)), L)
        ws = torch.where((torch.arange(L) < crossover[:, None])[:, :, None], w[:, None], other[:, None])
        noise = normal(seed, "noise", numbers, sum(2 * 4**k for k in range(2, int(math.log2(R)) + 1)))
        return ws, networks.synthesised(G, architecture, ws, noise, R, now.alpha)

    def shown(images: Tensor) -> Tensor:
        """As D sees them: from black to white. What lies more than 0.1 beyond hears what would pull it back."""
        seen = torch.where(
            images < -1, -torch.ones_like(images), torch.where(images > 1, torch.ones_like(images), images)
        )
        sign = torch.sign(images.detach())
        bridge = images - images.detach()  # 0, with the images' gradient
        bridge.register_hook(lambda g: g * (g * sign > 0))
        return seen + bridge * (images.detach().abs() > 1.1)

    deviations: list[Tensor] = []  # in all calls of D

    def judged(D: Tensors, images: Tensor, call: int) -> tuple[Tensor, Tensor]:
        """images -> features [N, F] and logits [N] in this call of D within the step: D's from 0, G's from 4."""
        if state.p is not None:
            images = changed(images, config["augment"]["operations"], seed, index, call, state.p)
        f, deviation = networks.features(D, images, R, now.alpha)
        deviations.append(deviation.detach())
        return f, networks.logits(D, f, y, position, others, label_weight)

    # ------------------------------------------------------------ D
    fakes = shown(generated(slice(None))[1])
    interval, gamma = config["loss"]["penalty_interval"], config["schedule"]["r1_gamma"][R]
    penalised = gamma > 0 and now.number % interval == 0
    x, x_fake = reals.clone().requires_grad_(), fakes.detach().clone().requires_grad_()
    f_real, real = judged(D, x, call=0)
    f_fake, fake = judged(D, x_fake, call=1)
    if loss == "logistic":  # Goodfellow et al. 2014; R1: Mescheder et al. 2018
        terms = {"real": softplus(-real).mean(), "fake": softplus(fake).mean()}
        penalty = squared_slope(real, x).mean() / 2
    elif loss == "relativistic":  # R1 and R2: Huang et al. 2024
        terms = {"pairing": softplus(fake - real).mean()}
        penalty = (squared_slope(real, x).mean() + squared_slope(fake, x_fake).mean()) / 2
    elif loss == "hinge":  # Miyato & Koyama 2018
        terms = {"real": (1 - real).clamp(min=0).mean(), "fake": (1 + fake).clamp(min=0).mean()}
        penalty = squared_slope(real, x).mean() / 2
    else:  # WGAN-GP: Gulrajani et al. 2017
        terms = {"real": -real.mean(), "fake": fake.mean(), "drift": 0.001 * (real**2).mean()}
        if penalised:
            u = uniform(seed, "penalty", index, 1)[:, :, None, None]
            between = (u * reals + (1 - u) * fakes.detach()).requires_grad_()
            _, logit = judged(D, between, call=2)
            penalty = ((torch.sqrt(squared_slope(logit, between) + 1e-12) - 1) ** 2).mean()
    if penalised:
        terms["penalty"] = gamma * interval * penalty

    # The class head learns at its full rate; a share of its gradient goes on into what lies under it.
    conditioning = config["conditioning"]
    auxiliary = conditioning["name"] == "auxiliary"
    share = given(conditioning["class_weight"], 1.0 if auxiliary else 0.0) * label_weight
    taught = "class_head.offsets" not in D
    on_classes = torch.zeros((), dtype=torch.float64)
    taught_on = [(f_real, 1.0), (f_fake, label_weight)] if auxiliary else [(f_real, 1.0)]
    for f, weight in taught_on if taught else ():
        on_classes = on_classes + weight * cross_entropy(networks.class_logits(D, f.detach()), y)
        on_classes = on_classes + weight * share * cross_entropy(networks.class_logits(frozen(D), f), y)
    gradients_D = gradients(sum(terms.values()) + on_classes, D)
    rates, betas = config["schedule"], config["training"]["adam_betas"]
    D_new = adam(state.D, gradients_D, state.moments_D, rates["lr_d"][R], betas)
    told = {f"D/{key}": term.detach() for key, term in terms.items()}

    # ------------------------------------------------------------ G, through the updated D
    if loss == "relativistic":
        _, real_now = judged(D_new, reals, call=4)
        f_now, fake_now = judged(D_new, fakes, call=5)
        terms = {"fooling": softplus(real_now - fake_now).mean()}
    else:
        f_now, fake_now = judged(D_new, fakes, call=4)
        terms = {"fooling": softplus(-fake_now).mean() if loss == "logistic" else -fake_now.mean()}
    if auxiliary:
        weight = given(conditioning["generator_weight"], 1.0) * label_weight
        terms["class"] = weight * cross_entropy(networks.class_logits(D_new, f_now), y)
    weight, interval = config["loss"]["path_length"], config["loss"]["path_length_interval"]
    lengths = None
    if weight and now.number % interval == 0:  # StyleGAN2, equation 4, on every second image
        half = slice(0, N, 2)
        ws_half, images = generated(half)
        white = normal(seed, "path", index[half], R * R).reshape(images.shape)
        (slope,) = torch.autograd.grad((images * white).sum() / R, ws_half, create_graph=True)
        lengths = torch.sqrt((slope**2).sum(dim=2).mean(dim=1))
        terms["path_length"] = weight * interval * ((lengths - state.path_mean) ** 2).mean()
    gradients_G = gradients(sum(terms.values()), G)
    G_new = adam(state.G, gradients_G, state.moments_G, rates["lr_g"][R], betas)
    told |= {f"G/{key}": term.detach() for key, term in terms.items()}

    # ------------------------------------------------------------ what moves slowly
    f = f_real.detach()
    if taught:
        towards(D_new["class_head.variance"], ((f - f.mean(dim=0)) ** 2).mean(dim=0), 0.03)
        towards(D_new["class_head.mean"], f.mean(dim=0), 0.03)
    else:  # linear discriminant analysis on running moments
        within = torch.zeros_like(D_new["class_head.covariance"])
        m, d = D_new["class_head.mean"], D_new["class_head.offsets"]
        f, y = f[y >= 0], y[y >= 0]  # it hears those with a class
        together = (f - m - d[y]).mean(dim=0)  # how far all classes have moved
        for k in range(K):
            mine = f[y == k]
            towards(D_new["class_head.shares"][k], torch.tensor(len(mine) / len(f)).double(), 0.03)
            if len(mine):
                within += (mine - mine.mean(dim=0)).T @ (mine - mine.mean(dim=0)) / len(f)
                d[k] += 0.03 * (mine.mean(dim=0) - m - d[k] - together)
        m += 0.3 * together
        S = D_new["class_head.covariance"]
        towards(S, within, 0.03)
        inverse = torch.linalg.inv(S + torch.diag(0.03 * S.diagonal() + 1e-8))
        D_new["class_head.weight"].copy_(d @ inverse)
        halves = torch.stack([d_k @ inverse @ (m + d_k / 2) for d_k in d])
        D_new["class_head.bias"].copy_(torch.log(D_new["class_head.shares"]) - halves)
    towards(D_new["head.minibatch_std.running"], torch.cat(deviations).mean(), 0.03)
    G_new["mapping.label_weight"].fill_(label_weight)
    D_new["label_weight"].fill_(label_weight)
    if lengths is not None:
        towards(state.path_mean, lengths.detach().mean(), 0.01)

    real, fake = real.detach(), fake.detach()
    over = real if has_zero else real - fake  # without a zero, of pairs
    state.signs.append(torch.sign(over))
    r_t, *not_r_t = (float(torch.sign(t).mean()) for t in (over, fake if has_zero else real, real - fake.mean()))
    if config["augment"]["name"] == "ada" and len(state.signs) == 4:  # ADA, section 3
        signs = torch.cat(state.signs)
        move = len(signs) / (2 * 1000 * config["augment"]["half_time_kimg"])
        target = given(config["augment"]["target"], 0.6 if has_zero else 0.77)
        state.p = (state.p + move * torch.sign(signs.mean() - target)).clamp(0, 1)
        state.signs = []

    half_life = 1000 * config["training"]["ema_half_life_kimg"]
    if config["init"] is None:
        half_life = min(half_life, max(state.nimg, 1) * config["training"]["ema_rampup"])
    for name, tensor in G_new.items():
        towards(state.G_ema[name], tensor, 1.0 if name in buffers(G_new) else 1 - 0.5 ** (N / half_life))
    state.G, state.D, state.nimg = G_new, D_new, state.nimg + N
    return Told(told, gradients_D, gradients_G, r_t, (not_r_t[0], not_r_t[1]))


# ---------------------------------------------------------------- small parts


def buffers(network: Tensors) -> tuple[str, ...]:
    """What no gradient moves."""
    return BUFFERS + (LISTENING if "class_head.offsets" in network else ())


def given(value: float | None, default: float) -> float:
    return default if value is None else value


def trainable(network: Tensors) -> Tensors:
    return {name: t.clone().requires_grad_(name not in buffers(network)) for name, t in network.items()}


def frozen(network: Tensors) -> Tensors:
    return {name: t.detach() for name, t in network.items()}


def cross_entropy(class_logits: Tensor, y: Tensor) -> Tensor:
    """-log p of each image's class, 0 for an image without one (y -1); the mean over all images."""
    mine = torch.log_softmax(class_logits, dim=1)[torch.arange(len(y)), y.clamp(min=0)]
    return -mine[y >= 0].sum() / len(y)


def squared_slope(logits: Tensor, images: Tensor) -> Tensor:
    """|grad_x D(x)|^2 of each image: [N]."""
    (slope,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return (slope**2).sum(dim=(1, 2, 3))


def gradients(total: Tensor, network: Tensors) -> dict[str, Tensor | None]:
    """Of each parameter; None where it had no part."""
    names = [name for name in network if name not in buffers(network)]
    found = torch.autograd.grad(total, [network[name] for name in names], allow_unused=True)
    return dict(zip(names, found, strict=True))


def adam(
    network: Tensors,
    gradients: dict[str, Tensor | None],
    moments: dict[str, tuple[int, Tensor, Tensor]],
    rate: float,
    betas: tuple[float, float],
) -> Tensors:
    """The network after a step (Kingma & Ba 2015, algorithm 1, eps 1e-8); `moments` is changed."""
    new = {name: tensor.clone() for name, tensor in network.items()}
    for name, g in gradients.items():
        if g is None:
            continue
        t, m, v = moments.get(name, (0, torch.zeros_like(g), torch.zeros_like(g)))
        t, m, v = t + 1, betas[0] * m + (1 - betas[0]) * g, betas[1] * v + (1 - betas[1]) * g**2
        moments[name] = (t, m, v)
        new[name] -= rate * (m / (1 - betas[0] ** t)) / (torch.sqrt(v / (1 - betas[1] ** t)) + 1e-8)
    return new


def towards(kept: Tensor, new: Tensor, share: float) -> None:
    """Moves `kept` in place."""
    kept.copy_((1 - share) * kept + share * new)
