"""The architectures, chosen by name.

An architecture is one file in this folder and one line in ARCHITECTURES; the contract tests run over it at once. What
its Generator and Discriminator promise stands in contract.py. The file says
    GROWS                           whether it can work below its largest resolution, and fade; one that does not grow
                                    accepts its own size and alpha 1
    TWICE_DIFFERENTIABLE            whether a gradient of G can be differentiated again (path length regularisation)

A module with running statistics gathers a step's sums in `sums` and moves them with `settle()`, once a step: the
training adds the sums of all ranks in between.
"""

from progan_style.networks import stylegan1, stylegan2

ARCHITECTURES = {"stylegan1": stylegan1, "stylegan2": stylegan2}
