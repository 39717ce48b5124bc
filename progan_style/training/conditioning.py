"""How the label enters the losses, beside the label in the mapping.

The class head is always there and always learns from the reals: it is the discriminator's classifier. With a weight of
0 it listens only, and is worked out from the features' running moments; else it is a trained layer that teaches the
trunk (networks/discriminator.py). A conditioning says what else the label does.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Protocol

from pydantic import Field
from torch import Tensor

Weight = Annotated[float, Field(ge=0)]


class Conditioning(Protocol):
    in_logit: ClassVar[bool]  # D's logit knows the label
    fakes_too: ClassVar[bool]  # a taught class head learns from fakes as well

    @property
    def class_weight(self) -> float:
        """Of the class head's gradient in D's trunk."""

    @property
    def generator_weight(self) -> float:
        """Of the class term in G's loss; 0: none."""


@dataclass(frozen=True)
class Projection:
    """Miyato & Koyama 2018, equation 3: the label in the logit; the class head only listens."""

    class_weight: Weight = 0.0

    in_logit: ClassVar[bool] = True
    fakes_too: ClassVar[bool] = False
    generator_weight: ClassVar[float] = 0.0


@dataclass(frozen=True)
class Auxiliary:
    """AC-GAN (Odena et al. 2017, equations 1 and 2).

    The logit knows no label, and D and G both lower the class head's cross-entropy. The term on fakes drives classes
    that overlap apart (Gong et al. 2019, TAC-GAN): expect labels that a judge reads off more often than those of real
    images.
    """

    class_weight: Weight = 1.0
    generator_weight: Weight = 1.0

    in_logit: ClassVar[bool] = False
    fakes_too: ClassVar[bool] = True


def scale_gradient(x: Tensor, weight: Tensor) -> Tensor:
    """x, whose gradient arrives times `weight`, a scalar: at 0 a class head leaves the trunk alone."""
    return x * weight + x.detach() * (1.0 - weight)


CONDITIONINGS: dict[str, type[Projection] | type[Auxiliary]] = {"projection": Projection, "auxiliary": Auxiliary}
