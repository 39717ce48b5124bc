"""Adam, and its moments for a checkpoint: by the names of the weights, as the weights themselves are kept.

torch keeps them by number. A version of the package whose networks list their weights in another order would then take
one weight's moments for another's: where the shapes differ, the fused update writes outside of their memory.
"""

from typing import Any

import torch
from torch import Tensor, nn

KEPT = ("step", "exp_avg", "exp_avg_sq")


def make_adam(network: nn.Module, betas: tuple[float, float]) -> torch.optim.Adam:
    """Its rate is set before each step. On CUDA its counts of steps stay on the device, for steps that are recorded."""
    kind = next(network.parameters()).device.type
    return torch.optim.Adam(
        network.parameters(), lr=1.0, betas=betas, eps=1e-8, fused=kind in ("cpu", "cuda"), capturable=kind == "cuda"
    )


class Moments:
    """The moments of an optimiser made by make_adam for this network."""

    def __init__(self, optimizer: torch.optim.Adam, network: nn.Module):
        self.optimizer, self.network = optimizer, network

    def state_dict(self) -> dict[str, dict[str, Tensor]]:
        """Of each weight that has had a gradient: its count of steps and both moments."""
        of = self.optimizer.state
        return {name: dict(of[weight]) for name, weight in self.network.named_parameters() if weight in of}

    def load_state_dict(self, saved: dict[str, dict[str, Tensor]]) -> None:
        """Raises ValueError, and changes nothing, where they are not of this network."""
        weights: dict[str, Tensor] = dict(self.network.named_parameters())
        taken = {weights[name]: fitting(name, weights[name], saved[name]) for name in known(saved, weights)}
        self.optimizer.state.clear()
        self.optimizer.state.update(taken)


def known(saved: dict[str, Any], weights: dict[str, Tensor]) -> list[str]:
    if foreign := [name for name in saved if name not in weights]:
        raise ValueError(f"moments of {foreign[0]}, which the network does not have")
    return list(saved)


def fitting(name: str, weight: Tensor, kept: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies in the weight's own layout of memory, which the fused update takes them to have."""
    if not isinstance(kept, dict) or kept.keys() != set(KEPT):
        raise ValueError(f"moments of {name}: expected {', '.join(KEPT)}")
    taken = {"step": kept["step"].to(weight.device, torch.float32, copy=True)}
    for key in KEPT[1:]:
        if kept[key].shape != weight.shape:
            raise ValueError(f"moments of {name}: expected {list(weight.shape)}, got {list(kept[key].shape)}")
        taken[key] = torch.empty_like(weight.detach()).copy_(kept[key])
    if taken["step"].shape:
        raise ValueError(f"moments of {name}: expected one count of steps, got {list(taken['step'].shape)}")
    return taken
