"""Path length regularisation: a step in w shall change the image by the same amount wherever it is taken.

Letters: N batch, L styles, W style width, R resolution.
"""

import math

import torch
from torch import Tensor

DECAY = 0.01  # of the running mean, per penalised step (the paper's published code, as is the batch's share)
SHARE = 2  # every second image of a batch is looked at


class PathLength:
    """weight * E (|J^T y| - a)^2, J the derivative of the images by w, y white noise (Karras et al. 2020a, equation 4).

    a is the running mean of the lengths, a tensor on the device. A penalised step gathers its sums; `settle` moves the
    mean once, so that ranks can add theirs first, as for the networks' running statistics.
    """

    def __init__(self, weight: float, interval: int, device: torch.device):
        self.weight, self.interval = weight, interval
        self.mean = torch.zeros((), device=device)
        self.sums = torch.zeros(2, device=device)  # of the lengths; their number

    def due(self, step: int) -> bool:
        """Whether step number `step` of a stage has the penalty: every `interval`-th (section 3.2, lazy)."""
        return self.weight > 0 and step % self.interval == 0

    def penalty(self, images: Tensor, ws: Tensor, y: Tensor) -> Tensor:
        """images [N, 1, R, R] made from ws [N, L, W], standard normal y [N, R * R] -> the term, times the interval."""
        lengths = path_lengths(images, ws, y)
        with torch.no_grad():
            self.sums += torch.stack([lengths.sum(), torch.full_like(lengths[0], len(lengths))])
        return self.weight * self.interval * (lengths - self.mean).square().mean()

    @torch.no_grad()
    def settle(self) -> None:
        """Move the mean towards the gathered one; a step without a penalty leaves it."""
        gathered, count = self.sums
        self.mean.lerp_(torch.where(count > 0, gathered / count.clamp(min=1), self.mean), DECAY)
        self.sums.zero_()


def path_lengths(images: Tensor, ws: Tensor, y: Tensor) -> Tensor:
    """|J^T y| of each image, differentiable -> [N]. y is divided by R, so that the length does not grow with the image.

    Each style is a way of its own: squares are summed over W and averaged over L (the paper's published code).
    """
    weighted = (images * y.reshape(images.shape)).sum() / math.sqrt(y.shape[1])
    (slope,) = torch.autograd.grad(weighted, ws, create_graph=True)
    return slope.square().sum(dim=2).mean(dim=1).sqrt()
