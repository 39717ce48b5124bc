"""From latents and labels to styles.

Letters: N batch, Z latent width, W style width, L styles, K classes.
"""

import math
from collections.abc import Mapping as Table

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from progan_style.networks.conditions import Condition, Embeddings, PositionEmbedding
from progan_style.networks.layers import LEAK, Linear


def normalize(x: Tensor) -> Tensor:
    """Every row at mean square 1 (ProGAN's pixel norm, on vectors): [N, Z] -> [N, Z]."""
    return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-8)


class Mapping(nn.Module):
    """z, label -> ws (Karras et al. 2019, section 2), the label as a normalised embedding beside the normalised z.

    The conditioning is StyleGAN2-ADA's (Karras et al. 2020b): both parts are normalised, so neither drowns the other.
    One class means unconditional: no embedding. `label_weight` scales the embedding (transitional conditioning,
    Shahbazi et al. 2022): at 0 the label counts for nothing. A position, and each number or category, is a further
    part, normalised as the label is. conditions: what Embeddings is built with.
    """

    label_weight: Tensor

    def __init__(
        self,
        *,
        z_dim: int,
        w_dim: int,
        num_layers: int,
        num_classes: int,
        depth: int,
        lr_mul: float,
        positions: bool = False,
        conditions: Table[str, int] | None = None,
    ):
        super().__init__()
        self.z_dim, self.num_layers = z_dim, num_layers
        self.embed = nn.Embedding(num_classes, w_dim) if num_classes > 1 else None
        self.conditions = Embeddings(conditions or {}, w_dim)
        # Of the first layer's input, in its order
        self.parts = {"z": z_dim, "embed": w_dim if self.embed else 0, "position": w_dim if positions else 0}
        self.parts |= {f"conditions.{name}": w_dim for name in self.conditions}
        fan_in = [sum(self.parts.values())] + [w_dim] * (depth - 1)
        self.layers = nn.ModuleList(Linear(n, w_dim, gain=2**0.5, lr_mul=lr_mul) for n in fan_in)
        self.w_dim, self.fan_in = w_dim, fan_in[0]
        self.position = PositionEmbedding(w_dim) if positions else None
        self.register_buffer("label_weight", torch.ones(()))

    def forward(self, z: Tensor, condition: Condition) -> Tensor:
        """[N, Z] -> ws [N, L, W]. Between the classes the embeddings are mixed by the class weights."""
        with torch.autocast(z.device.type, enabled=False):
            x = normalize(z.float())
            if self.embed is not None:
                x = torch.cat([x, self.label_weight * normalize(condition.of_classes(self.embed.weight))], dim=1)
            if self.position is not None:
                x = torch.cat([x, normalize(self.position(condition.position, z.shape[0]))], dim=1)
            if self.conditions:
                x = torch.cat([x, *map(normalize, self.conditions(condition.values, x))], dim=1)
            for layer in self.layers:
                x = F.leaky_relu(layer(x), LEAK)
        return x[:, None].expand(-1, self.num_layers, -1)

    def adapted(self, weights: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
        """Another network's tensors, its first layer's columns laid out as here, so that w stays what it is there.

        A part that it does not have counts for nothing: it keeps its own tensors, but its columns are 0. The rate is
        equalised by the fan-in, so the others are scaled by its root.
        """
        name = f"{prefix}layers.0.weight"
        theirs = weights.get(name)
        if theirs is None or len(theirs) != self.w_dim:
            return weights
        known = {"embed": f"{prefix}embed.weight" in weights, "position": f"{prefix}position.dense.weight" in weights}
        own = [key.removeprefix(prefix) for key in weights if key.startswith(f"{prefix}conditions.")]
        known |= {".".join(key.split(".")[:2]): True for key in own}
        there = {part: len(theirs) if has else 0 for part, has in known.items()}
        there = {"z": theirs.shape[1] - sum(there.values())} | there
        if list(there.items()) == list(self.parts.items()) or there["z"] != self.parts["z"]:
            return weights
        of_part = dict(zip(there, theirs.split(list(there.values()), dim=1), strict=True))
        columns = [
            of_part[part] if there.get(part) == n else theirs.new_zeros(len(theirs), n)
            for part, n in self.parts.items()
        ]
        adapted = torch.cat(columns, dim=1) * math.sqrt(self.fan_in / theirs.shape[1])
        parts = ("embed.", "position.", "conditions.")
        new = {prefix + key: value for key, value in self.state_dict().items() if key.startswith(parts)}
        return new | weights | {name: adapted}


def mix_styles(ws: Tensor, other: Tensor, u: Tensor, active_layers: int, probability: float) -> Tensor:
    """Style mixing (StyleGAN, section 3.1): a share of the images takes the styles from a crossover on from `other`.

    ws, other [N, L, W], made with the same labels: a second label would teach the late layers to ignore theirs.
    u [N, 2] uniform numbers: whether to mix, and the crossover among the active layers, 1 .. active_layers - 1.
    """
    crossover = 1 + (u[:, 1] * (active_layers - 1)).floor()
    crossover = torch.where(u[:, 0] < probability, crossover, float(active_layers))
    layer = torch.arange(ws.shape[1], device=ws.device)
    return torch.where((layer[None] < crossover[:, None])[:, :, None], ws, other)
