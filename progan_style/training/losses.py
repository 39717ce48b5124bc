"""Adversarial losses, each with its equation.

A loss sees `critic(images) -> logits` and images: no label, no growth, no network. It returns named scalars; the
optimiser gets their sum, the log each of them. Reals and fakes of one index have one label. `gamma` > 0 asks for the
penalty; a lazy caller gives it times its interval. Images that carry a penalty go to the critic as leaves that require
gradients. In D's terms the first call of the critic is on the reals, the second on the fakes.

Letters: N batch, R resolution.
"""

from collections.abc import Callable
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

Critic = Callable[[Tensor], Tensor]  # images [N, 1, R, R] -> logits [N]
Terms = dict[str, Tensor]

DRIFT = 0.001  # ProGAN, appendix A.1


class Loss(Protocol):
    # Whether D's logits have a zero with reals above and fakes below it; else only their differences mean something.
    has_zero: bool

    def discriminator(self, critic: Critic, reals: Tensor, fakes: Tensor, gamma: float, u: Tensor) -> Terms:
        """reals, fakes [N, 1, R, R]; u [N] uniform numbers, for a loss that needs chance."""

    def generator(self, critic: Critic, reals: Tensor, fakes: Tensor) -> Terms: ...


def leaf(images: Tensor, gamma: float) -> Tensor:
    """The images, ready to be differentiated by if there is a penalty."""
    return images.detach().requires_grad_(gamma > 0)


def slopes(logits: Tensor, images: Tensor) -> Tensor:
    """|grad_x D(x)|^2 of each image, differentiable: logits [N], images [N, 1, R, R] -> [N]."""
    (slope,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return slope.square().sum(dim=(1, 2, 3))


class Logistic:
    """Non-saturating logistic loss with R1 (Goodfellow et al. 2014; Mescheder et al. 2018, equation 9).

    D: softplus(-D(x)) + softplus(D(G(z))) + gamma / 2 |grad_x D(x)|^2        G: softplus(-D(G(z)))
    """

    has_zero = True

    def discriminator(self, critic: Critic, reals: Tensor, fakes: Tensor, gamma: float, u: Tensor) -> Terms:
        reals = leaf(reals, gamma)
        real_logits = critic(reals)
        terms = {"real": F.softplus(-real_logits).mean(), "fake": F.softplus(critic(fakes)).mean()}
        if gamma > 0:
            terms["penalty"] = 0.5 * gamma * slopes(real_logits, reals).mean()
        return terms

    def generator(self, critic: Critic, reals: Tensor, fakes: Tensor) -> Terms:
        return {"fooling": F.softplus(-critic(fakes)).mean()}


class Relativistic:
    """Relativistic pairing with R1 and R2 (Huang et al. 2024, "The GAN is dead; long live the GAN!", equations 2 to 4).

    D: softplus(D(G(z)) - D(x)) + gamma / 2 (|grad_x D(x)|^2 + |grad_G D(G(z))|^2)        G: softplus(D(x) - D(G(z)))

    Each fake is paired with the real of its own class. A mode that G drops stays a mode where D wins.
    """

    has_zero = False

    def discriminator(self, critic: Critic, reals: Tensor, fakes: Tensor, gamma: float, u: Tensor) -> Terms:
        reals, fakes = leaf(reals, gamma), leaf(fakes, gamma)
        real_logits, fake_logits = critic(reals), critic(fakes)
        terms = {"pairing": F.softplus(fake_logits - real_logits).mean()}
        if gamma > 0:
            terms["penalty"] = 0.5 * gamma * (slopes(real_logits, reals) + slopes(fake_logits, fakes)).mean()
        return terms

    def generator(self, critic: Critic, reals: Tensor, fakes: Tensor) -> Terms:
        with torch.no_grad():
            real_logits = critic(reals)
        return {"fooling": F.softplus(real_logits - critic(fakes)).mean()}


class WassersteinGP:
    """WGAN-GP with drift (Gulrajani et al. 2017, equation 3; Karras et al. 2018, appendix A.1).

    D: -D(x) + D(G(z)) + gamma (|grad D(x_hat)| - 1)^2 + 0.001 D(x)^2,  x_hat = u x + (1 - u) G(z)        G: -D(G(z))

    The papers take gamma 10 in each step: schedule.r1_gamma 10, loss.penalty_interval 1.
    """

    has_zero = False

    def discriminator(self, critic: Critic, reals: Tensor, fakes: Tensor, gamma: float, u: Tensor) -> Terms:
        real_logits = critic(reals.detach())
        terms = {
            "real": -real_logits.mean(),
            "fake": critic(fakes).mean(),
            "drift": DRIFT * real_logits.square().mean(),
        }
        if gamma > 0:
            share = u[:, None, None, None]
            between = leaf(reals * share + fakes * (1.0 - share), gamma)
            terms["penalty"] = gamma * ((slopes(critic(between), between) + 1e-12).sqrt() - 1.0).square().mean()
        return terms

    def generator(self, critic: Critic, reals: Tensor, fakes: Tensor) -> Terms:
        return {"fooling": -critic(fakes).mean()}


class Hinge:
    """Hinge loss (Lim & Ye 2017; Miyato & Koyama 2018), with R1.

    D: max(0, 1 - D(x)) + max(0, 1 + D(G(z))) + gamma / 2 |grad_x D(x)|^2        G: -D(G(z))
    """

    has_zero = True

    def discriminator(self, critic: Critic, reals: Tensor, fakes: Tensor, gamma: float, u: Tensor) -> Terms:
        reals = leaf(reals, gamma)
        real_logits = critic(reals)
        terms = {"real": F.relu(1.0 - real_logits).mean(), "fake": F.relu(1.0 + critic(fakes)).mean()}
        if gamma > 0:
            terms["penalty"] = 0.5 * gamma * slopes(real_logits, reals).mean()
        return terms

    def generator(self, critic: Critic, reals: Tensor, fakes: Tensor) -> Terms:
        return {"fooling": -critic(fakes).mean()}


LOSSES: dict[str, type[Loss]] = {
    "logistic": Logistic,
    "relativistic": Relativistic,
    "wgan-gp": WassersteinGP,
    "hinge": Hinge,
}
