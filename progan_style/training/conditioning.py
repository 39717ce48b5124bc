"""How the label enters the losses, beside the label in the mapping.

The class head is always there and always learns from the reals: it is the discriminator's classifier. A conditioning
says what else the label does.
"""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Conditioning:
    in_logit: bool  # D's logit knows the label
    fakes_too: bool  # the class head learns from fakes as well
    class_weight: float  # of the class head's gradient in D's trunk, unless the configuration says otherwise
    generator_weight: float | None  # of the class term in G's loss, likewise; None: G has none


CONDITIONINGS = {
    # Miyato & Koyama 2018, equation 3: the label in the logit; the class head is a probe.
    "projection": Conditioning(in_logit=True, fakes_too=False, class_weight=0.0, generator_weight=None),
    # AC-GAN (Odena et al. 2017, equations 1 and 2): the logit knows no label, and D and G both lower the class head's
    # cross-entropy. The term on fakes drives classes that overlap apart (Gong et al. 2019, TAC-GAN): expect label
    # fidelity above its ceiling.
    "auxiliary": Conditioning(in_logit=False, fakes_too=True, class_weight=1.0, generator_weight=1.0),
}


def scale_gradient(x: Tensor, weight: float) -> Tensor:
    """x, whose gradient arrives times `weight`: at 0 a class head leaves the trunk alone."""
    return x.detach() if weight == 0.0 else x * weight + x.detach() * (1.0 - weight)
