"""Sums of the statistics of steps, on the device, until a line of the log takes their means."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from progan_style import distributed

OF = " of"  # ends the name of a sum that another's mean is over


class Meter:
    """Nothing waits for the GPU until `means` is asked for."""

    def __init__(self, device: torch.device):
        self.device = device
        self.sums: dict[str, Tensor] = {}  # scalars
        self.steps = 0  # since the last line of the log

    @torch.no_grad()
    def count(self, **values: Any) -> None:
        """Add to each named sum: scalars, tensors on the device or plain numbers."""
        for key, value in values.items():
            if key not in self.sums:
                self.sums[key] = torch.zeros((), device=self.device)
            self.sums[key].add_(value)

    def count_of(self, **values: Any) -> None:
        """Add to what each named sum is of: its mean is over that, and no more per step."""
        self.count(**{f"{key}{OF}": value for key, value in values.items()})

    def share(self) -> None:
        """Each sum becomes its mean over the ranks."""
        distributed.add(self.sums.values(), divide=True)

    def means(self) -> dict[str, float]:
        """Of each statistic, per step since the last line, or over what it is of; read by the host."""
        sums = {key: float(value) for key, value in self.sums.items()}
        of = {key.removesuffix(OF): sums.pop(key) for key in list(sums) if key.endswith(OF)}
        return {key: value / (of.get(key, self.steps) or 1) for key, value in sums.items()}

    def clear(self) -> None:
        """The next line of the log begins. The tensors stay: a recorded step adds to them."""
        for value in self.sums.values():
            value.zero_()
        self.steps = 0

    def state_dict(self) -> dict[str, Any]:
        return {"sums": self.sums, "steps": self.steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.sums = {key: value.to(self.device) for key, value in state["sums"].items()}
        self.steps = state["steps"]
