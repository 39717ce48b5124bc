"""The architectures, chosen by name.

An architecture is one file in this folder and its name in the line below; the contract tests run over it at once. What
its Generator and Discriminator promise stands in contract.py. Those here bring a generator each, and share ProGAN's
discriminator.

A module with running statistics gathers a step's sums in `sums` and moves them with `settle()`, once a step: the
training adds the sums of all ranks in between.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, cast

from progan_style.networks import contract

NAMES = ("stylegan1", "stylegan2")


class Architecture(Protocol):
    """What the file of an architecture says."""

    TWICE_DIFFERENTIABLE: bool  # whether a gradient of G can be differentiated again (path length regularisation)
    Generator: type[contract.Generator]
    Discriminator: type[contract.Discriminator]


@dataclass(frozen=True)
class Parts:
    """The same, of an architecture that is no file of this folder (plugins.py)."""

    TWICE_DIFFERENTIABLE: bool
    Generator: type[contract.Generator]
    Discriminator: type[contract.Discriminator]


ARCHITECTURES: dict[str, Architecture | Parts] = {
    name: cast(Architecture, import_module(f"{__name__}.{name}")) for name in NAMES
}
