"""What every generator and every discriminator promises.

Letters: N batch, C channels, R resolution, L styles, W style width, Z latent width, F features, K classes.
"""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from progan_style.described import Conditions
from progan_style.networks.conditions import Condition
from progan_style.networks.mapping import Mapping


class Growing(nn.Module):
    """Growth is something the networks know: `grow` says which blocks are active and how far the newest is faded in.

    Losses, sampling and analysis stay free of it. A network out of a file also knows its classes, in the order of
    its labels, what it is conditioned on beside them, how many images it has seen, and the header that it was built
    from.
    """

    class_names: tuple[str, ...] = ()
    described: Conditions = Conditions()
    nimg: int = 0
    header: dict[str, Any]
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

    def adapted(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Another network's tensors by name, laid out as here where it has other conditions than this one."""
        return weights

    def grow(self, resolution: int, alpha: float = 1.0) -> None:
        """Work at `resolution` (pixels per side, a power of two from 8 on) with the newest block at weight `alpha`."""
        assert 8 <= resolution <= self.max_resolution and resolution & (resolution - 1) == 0, resolution
        assert 0.0 <= alpha <= 1.0, alpha
        if alpha != self.alpha:
            self.weight.fill_(alpha)
        self.resolution, self.alpha, self.fading = resolution, alpha, alpha < 1.0


class Generator(Growing, ABC):
    """z and condition -> styles -> images.

    There are two styles and two noise maps for each of 4, 8, ... R, in this order.
    """

    mapping: Mapping  # z [N, Z], condition -> ws [N, L, W]

    @property
    @abstractmethod
    def active_layers(self) -> int:
        """Styles in use at the present resolution."""

    @property
    @abstractmethod
    def noise_size(self) -> int:
        """Numbers of noise for one image at the present resolution."""

    @abstractmethod
    def synthesis(self, ws: Tensor, noise: Tensor | None = None) -> Tensor:
        """ws [N, L, W], noise [N, noise_size] or None -> images [N, 1, R, R], linear, nominal range [-1, 1]."""

    @abstractmethod
    def features(self, ws: Tensor, noise: Tensor | None = None) -> Tensor:
        """The same -> the last feature map [N, C, R, R], before it becomes an image."""


class Discriminator(Growing, ABC):
    """Images -> features -> logits. In eval() nothing of an image depends on the images beside it."""

    label_weight: Tensor  # 0 .. 1, on the device: how much the label counts in the logits; mapping has one too

    @abstractmethod
    def features(self, images: Tensor) -> Tensor:
        """[N, 1, R, R] -> [N, F] fp32, the final layer; takes no labels."""

    @abstractmethod
    def logits(self, features: Tensor, condition: Condition) -> Tensor:
        """Features [N, F] -> logits [N]: higher is more real."""

    @abstractmethod
    def track(self, features: Tensor, condition: Condition) -> None:
        """Gather what the class head keeps of the reals' features [N, F]; it settles once a step."""

    @abstractmethod
    def class_logits(self, features: Tensor) -> Tensor:
        """Features [N, F] -> class logits [N, K]."""

    def forward(self, images: Tensor, condition: Condition) -> Tensor:
        """[N, 1, R, R] -> logits [N]."""
        return self.logits(self.features(images), condition)

    def classify(self, images: Tensor) -> Tensor:
        """[N, 1, R, R] -> class logits [N, K]."""
        return self.class_logits(self.features(images))
