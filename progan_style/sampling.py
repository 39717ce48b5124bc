"""Labels and seeds -> images, the same to the byte whatever is asked for beside them; grids as PNG.

Letters: N batch, C channels, R resolution.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import Tensor

from progan_style import distributed, rng, vision
from progan_style.asking import Given, Labels, Seeds, asked, draw_conditions
from progan_style.networks.conditions import Condition
from progan_style.networks.contract import Generator

CENTRE = 1024  # latents whose mean style is a centre: 3 % of w's spread from that of all
BLOCK = 16  # images made together: seeds 0..15, 16..31, ... of one class


def to_float(images: Tensor) -> Tensor:
    """uint8 0 .. 255 -> float32 -1 .. 1."""
    return images.float() / 127.5 - 1.0


def to_uint8(images: Tensor) -> Tensor:
    """float -1 .. 1 -> uint8 0 .. 255, rounded; what lies outside is cut off, as in any 8-bit file."""
    return (images * 127.5 + 128.0).floor().clamp(0, 255).to(torch.uint8)


def latents(G: Generator, seeds: Tensor) -> tuple[Tensor, Tensor]:
    """The z [N, Z] and noise [N, noise_size] of each image's own seed; a seed is the same z in every class."""
    return rng.normal(0, "latent", seeds, G.mapping.z_dim), rng.normal(0, "noise", seeds, G.noise_size)


@torch.no_grad()
def centre(G: Generator, condition: Condition) -> Tensor:
    """The mean of w over CENTRE latents, always the same ones, for the condition of each image: [N, W].

    StyleGAN's w_avg for what the image is of: its class, what lies between classes, its position, numbers, categories.
    A single centre would pull all classes, heights and ages to one mean.
    """
    kind_of = condition.kinds()
    centres = torch.empty(len(condition), G.mapping.w_dim, device=kind_of.device)
    z = rng.normal(0, "centre", torch.arange(CENTRE, device=kind_of.device), G.mapping.z_dim)
    for kind in kind_of.unique():
        mine = kind_of == kind
        alike = condition[mine.nonzero()[0].expand(CENTRE)]
        centres[mine] = G.mapping(z, alike)[:, 0].mean(dim=0)
    return centres


def truncated(G: Generator, z: Tensor, condition: Condition, psi: float) -> Tensor:
    """z [N, Z] -> ws [N, L, W], pulled towards the centre of the image's own condition: psi 1 not at all, 0 wholly."""
    ws = G.mapping(z, condition)
    return ws if psi == 1.0 else centre(G, condition)[:, None].lerp(ws, psi)


# ---------------------------------------------------------------- images


def _check_psi(psi: Any) -> None:
    if not isinstance(psi, int | float | np.number) or not 0.0 <= psi <= 1.0:
        raise ValueError(f"psi: expected 0 (the centre of the class) to 1 (no truncation), got {psi}")


@torch.no_grad()
@torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
def _in_blocks(
    G: Generator, condition: Condition, seeds: Tensor, psi: float, use: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """use(ws, noise) for every (condition, seed), in whole blocks of BLOCK consecutive seeds of one condition.

    Sums in a matrix product may depend on the batch beside an image. With fixed blocks an image's neighbours are
    always the same, so it is a function of (checkpoint, condition, seed, psi) alone; at most two blocks are made in
    part for nothing.
    """
    _check_psi(psi)
    was_training = G.training
    G.eval()
    device = next(G.parameters()).device
    kind_of = condition.kinds()
    keys = torch.stack([kind_of, seeds.cpu() // BLOCK], dim=1)
    blocks, block_of = torch.unique(keys, dim=0, return_inverse=True)
    out: list[Tensor] = [torch.empty(0)] * len(seeds)
    for i, (kind, block) in enumerate(blocks.tolist()):
        index = torch.arange(block * BLOCK, (block + 1) * BLOCK, device=device)
        z, noise = latents(G, index)
        first = int(torch.nonzero(kind_of == kind)[0])
        of_block = draw_conditions(G, condition[torch.full([BLOCK], first)].to(device), index)
        made = use(truncated(G, z, of_block, psi), noise)
        for row in torch.nonzero(block_of == i).flatten().tolist():
            out[row] = made[int(seeds[row]) % BLOCK]
    G.train(was_training)
    return torch.stack(out) if out else torch.empty(0)


def generate(G: Generator, labels: Labels, seeds: Seeds, psi: float = 1.0, given: Given | None = None) -> Tensor:
    """Classes and seeds -> uint8 [N, 1, R, R] on the CPU, in the order asked for: the same pair, the same bytes.

    labels: a class name or number for all seeds, or one for each; seeds: whole numbers from 0 on, or one for all
    labels. Lists, ranges, NumPy arrays and tensors will do. Labels may be weights of the classes, float [N, K], each
    row of sum 1: images between the classes. psi: truncation towards the centre of the image's own condition, 1 = none,
    0 = the centre. Noise comes from the image's own seed; fp32. Raises ValueError for anything else.

    given: name of a condition that the generator was trained with -> a value for all images, or one for each: a number
    in the manifest's unit, such as {"age": 72}, the name of a category; None: unknown. What is not given is drawn by
    the seed (asking.draw_conditions). Labels may be a Condition as well, as condition_for(G, labels, given) makes it.

    >>> from progan_style import EXAMPLE, generate, load_generator
    >>> G = load_generator(EXAMPLE)
    >>> generate(G, "AD", seeds=range(8), psi=0.7).shape
    torch.Size([8, 1, 64, 64])
    >>> same_brain = generate(G, ["CN", "AD"], seeds=3)
    >>> generate(G, "MCI", seeds=0)
    Traceback (most recent call last):
        ...
    ValueError: class 'MCI' is not in this checkpoint; it was trained on CN, AD
    """
    condition, seeds = asked(G, labels, seeds, given)
    return _in_blocks(G, condition, seeds, psi, lambda ws, noise: to_uint8(G.synthesis(ws, noise)).cpu())


def generator_features(
    G: Generator, labels: Labels, seeds: Seeds, psi: float = 1.0, grid: int = 8, given: Given | None = None
) -> Tensor:
    """The last feature map of the images of `generate`, averaged to grid x grid: [N, C * grid * grid] on the CPU.

    A coarse grid, not one mean per channel: after AdaIN a channel's mean is the style's bias, it shows w, not the
    image.
    """

    def use(ws: Tensor, noise: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(G.features(ws, noise), grid).flatten(1).cpu()

    condition, seeds = asked(G, labels, seeds, given)
    return _in_blocks(G, condition, seeds, psi, use)


def grid_picture(rows: Sequence[Tensor], names: Sequence[str], side: int = 64) -> Image.Image:
    """Rows of uint8 images [n, 1, R, R], each with its name at the left; small images are enlarged by repetition."""
    make_grid = vision.load_torchvision().utils.make_grid
    images = torch.cat([r[:, :1].cpu() for r in rows])
    factor = max(1, side // images.shape[-1])
    images = images.repeat_interleave(factor, dim=2).repeat_interleave(factor, dim=3)
    tiles = make_grid(images, nrow=len(rows[0]), padding=2)[0]
    margin = 12 + 7 * max(len(n) for n in names)
    picture = Image.new("L", (tiles.shape[1] + margin, tiles.shape[0]))
    picture.paste(Image.fromarray(tiles.numpy()), (margin, 0))
    draw = ImageDraw.Draw(picture)
    for i, name in enumerate(names):
        draw.text((6, (i + 0.5) * tiles.shape[0] / len(names) - 6), name, fill=255)
    return picture


def save_samples(G: Generator, path: Path, per_class: int = 8, rows_per_class: int = 2) -> None:
    """The fixed seeds 0.. of each class as a labelled grid, the same seeds in each class."""
    rows, names = [], []
    for label, name in enumerate(G.class_names):
        seeds = torch.arange(per_class * rows_per_class)
        rows += list(generate(G, torch.full_like(seeds, label), seeds).split(per_class))
        names += [name] * rows_per_class
    path.parent.mkdir(parents=True, exist_ok=True)
    grid_picture(rows, names).save(path)


def choose_device(name: str) -> torch.device:
    """auto: the GPU where there is one; of several, each process of torchrun takes its own.

    Raises ValueError for a GPU that is not there.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device cuda: torch sees no CUDA device; use --device cpu, or install a CUDA build of torch")
    if name == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    mine, there = distributed.local_rank(), torch.cuda.device_count()
    if mine >= there:
        raise ValueError(f"process {mine} finds {there} GPUs on this machine; use torchrun --nproc-per-node={there}")
    torch.cuda.set_device(mine)
    return torch.device("cuda", mine)
