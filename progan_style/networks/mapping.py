"""From latents and labels to styles.

Letters: N batch, Z latent width, W style width, L styles, K classes.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from progan_style.networks.conditions import Condition, PositionEmbedding
from progan_style.networks.layers import LEAK, Linear


def normalize(x: Tensor) -> Tensor:
    """Every row at mean square 1 (ProGAN's pixel norm, on vectors): [N, Z] -> [N, Z]."""
    return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-8)


class Mapping(nn.Module):
    """z, label -> ws (Karras et al. 2019, section 2), the label as a normalised embedding beside the normalised z.

    The conditioning is StyleGAN2-ADA's (Karras et al. 2020b): both parts are normalised, so neither drowns the other.
    One class means unconditional: no embedding. `label_weight` scales the embedding (transitional conditioning,
    Shahbazi et al. 2022): at 0 the label counts for nothing. A network that knows positions takes one as a third part.
    `centers` [K, W] are the running class means of w; truncation pulls towards the image's own class (a single centre
    would pull all classes to one mean).
    """

    centers: Tensor
    sums: Tensor
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
    ):
        super().__init__()
        self.momentum = 0.005
        self.z_dim, self.num_layers, self.num_classes = z_dim, num_layers, num_classes
        self.embed = nn.Embedding(num_classes, w_dim) if num_classes > 1 else None
        parts = z_dim + (w_dim if self.embed else 0) + (w_dim if positions else 0)
        fan_in = [parts] + [w_dim] * (depth - 1)
        self.layers = nn.ModuleList(Linear(n, w_dim, gain=2**0.5, lr_mul=lr_mul) for n in fan_in)
        self.position = PositionEmbedding(w_dim) if positions else None
        self.register_buffer("label_weight", torch.ones(()))
        self.register_buffer("centers", torch.zeros(num_classes, w_dim))
        self.register_buffer("sums", torch.zeros(num_classes, w_dim + 1), persistent=False)  # of w; number of images

    def forward(self, z: Tensor, condition: Condition, psi: float = 1.0) -> Tensor:
        """[N, Z] -> ws [N, L, W]. psi 1 is the plain mapping; psi 0 the centre of the image's class.

        Between the classes the embeddings, and the centres, are mixed by the class weights.
        """
        with torch.autocast(z.device.type, enabled=False):
            x = normalize(z.float())
            if self.embed is not None:
                x = torch.cat([x, self.label_weight * normalize(condition.of_classes(self.embed.weight))], dim=1)
            if self.position is not None:
                x = torch.cat([x, normalize(self.position(condition.position, len(z)))], dim=1)
            for layer in self.layers:
                x = F.leaky_relu(layer(x), LEAK)
            if psi != 1.0:
                x = condition.of_classes(self.centers).lerp(x, psi)
        return x[:, None].expand(-1, self.num_layers, -1)

    @torch.no_grad()
    def track(self, ws: Tensor, condition: Condition) -> None:
        """Gather the sums of a batch for `settle`; ranks can add theirs in between."""
        self.sums += condition.class_weights.T @ torch.cat([ws[:, 0], torch.ones_like(ws[:, 0, :1])], dim=1)

    @torch.no_grad()
    def settle(self) -> None:
        """Move the centres of the classes that were seen towards their means (StyleGAN's w_avg, per class)."""
        count = self.sums[:, -1:]
        mean = self.sums[:, :-1] / count.clamp(min=1)
        self.centers.lerp_(torch.where(count > 0, mean, self.centers), self.momentum)
        self.sums.zero_()


def mix_styles(ws: Tensor, other: Tensor, u: Tensor, active_layers: int, probability: float) -> Tensor:
    """Style mixing (StyleGAN, section 3.1): a share of the images takes the styles from a crossover on from `other`.

    ws, other [N, L, W], made with the same labels: a second label would teach the late layers to ignore theirs.
    u [N, 2] uniform numbers: whether to mix, and the crossover among the active layers, 1 .. active_layers - 1.
    """
    crossover = 1 + (u[:, 1] * (active_layers - 1)).floor()
    crossover = torch.where(u[:, 0] < probability, crossover, float(active_layers))
    layer = torch.arange(ws.shape[1], device=ws.device)
    return torch.where((layer[None] < crossover[:, None])[:, :, None], ws, other)
