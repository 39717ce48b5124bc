"""Adversarial losses, each with its equation.

A loss sees `critic(images) -> logits` and images: no label, no growth, no network. It returns named scalars; the
optimiser gets their sum, the log each of them.

Letters: N batch, R resolution.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Critic = Callable[[Tensor], Tensor]  # images [N, 1, R, R] -> logits [N]
Terms = dict[str, Tensor]


def squared_slope(logits: Tensor, images: Tensor) -> Tensor:
    """Mean over the batch of |grad_x D(x)|^2, differentiable: logits [N], images [N, 1, R, R] -> scalar."""
    (slope,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return slope.square().sum(dim=(1, 2, 3)).mean()


class Logistic:
    """Non-saturating logistic loss with R1 (Goodfellow et al. 2014; Mescheder et al. 2018, equation 9).

    D: softplus(-D(x)) + softplus(D(G(z))) + gamma / 2 |grad_x D(x)|^2        G: softplus(-D(G(z)))
    """

    def discriminator(self, critic: Critic, reals: Tensor, fakes: Tensor, gamma: float = 0.0) -> Terms:
        """gamma > 0 adds the penalty; reals must then require gradients. A lazy caller gives it times its interval."""
        real_logits = critic(reals)
        terms = {"real": F.softplus(-real_logits).mean(), "fake": F.softplus(critic(fakes)).mean()}
        if gamma > 0:
            terms["penalty"] = 0.5 * gamma * squared_slope(real_logits, reals)
        return terms

    def generator(self, critic: Critic, reals: Tensor, fakes: Tensor) -> Terms:
        return {"fooling": F.softplus(-critic(fakes)).mean()}


LOSSES = {"logistic": Logistic}
