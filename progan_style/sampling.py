"""Labels and seeds -> images, the same to the byte whatever is asked for beside them; grids as PNG.

Letters: N batch, C channels, R resolution.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import Tensor

from progan_style import distributed, rng, vision
from progan_style.networks.conditions import Condition
from progan_style.networks.contract import Generator

CENTRE = 1024  # latents whose mean style is a centre: 3 % of w's spread from that of all
BLOCK = 16  # images made together: seeds 0..15, 16..31, ... of one class

# What one may ask for: one class for all seeds or one each, by name or number; class weights [N, K]; a Condition
Labels: TypeAlias = "str | int | Sequence[str] | Sequence[int] | np.ndarray | Tensor | Condition"
Seeds: TypeAlias = "int | Iterable[int] | np.ndarray | Tensor"


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

    StyleGAN's w_avg for what the image is of: its class, what lies between classes, its position. A single centre would
    pull all classes and all heights to one mean.
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


# ---------------------------------------------------------------- what was asked for


def label_of(name: str, class_names: Sequence[str]) -> int:
    """A class's label by its name, without regard to case. Raises ValueError if there is none of that name."""
    labels = {known.casefold(): label for label, known in enumerate(class_names)}
    if name.casefold() not in labels:
        raise ValueError(f"class '{name}' is not in this checkpoint; it was trained on {', '.join(class_names)}")
    return labels[name.casefold()]


def asked(labels: Labels, seeds: Seeds, class_names: Sequence[str]) -> tuple[Condition, Tensor]:
    """What was asked for -> conditions and seeds of N images. One label or one seed is that of all the others.

    Raises ValueError, in one line, for what names no class or is no seed.
    """
    where = _whole_numbers(seeds, "seeds")
    if isinstance(labels, Condition):
        condition = labels.to("cpu")
    else:
        condition = Condition.of(_labels(labels, class_names), class_names)
        if _is_one(labels):
            condition = condition[torch.zeros(len(where), dtype=torch.long)]
    if _is_one(seeds):
        where = where.expand(len(condition))
    if len(condition) != len(where):
        raise ValueError(f"expected a seed for each label, got {len(condition)} labels and {len(where)} seeds")
    if len(where) and int(where.min()) < 0:
        raise ValueError(f"expected seeds from 0 on, got {int(where.min())}")
    return condition, where


def _is_one(value: Any) -> bool:
    return isinstance(value, str) or not isinstance(value, Iterable) or getattr(value, "ndim", 1) == 0


def _labels(given: Any, class_names: Sequence[str]) -> Tensor:
    """Names or numbers -> labels [N]; weights of the classes stay as they are."""
    if isinstance(given, str):
        return torch.tensor([label_of(given, class_names)])
    if isinstance(given, Iterable) and not isinstance(given, Tensor | np.ndarray):
        given = list(given)
        if given and all(isinstance(name, str) for name in given):
            return torch.tensor([label_of(name, class_names) for name in given])
    elif isinstance(given, np.ndarray) and given.dtype.kind in "UO":
        return _labels(given.tolist(), class_names)
    if isinstance(given, Tensor) and given.is_floating_point():
        return given.cpu()
    if (weights := np.asarray(given)).dtype.kind == "f":
        return torch.from_numpy(weights.astype(np.float32))
    return _whole_numbers(given, "labels")


def _check_psi(psi: Any) -> None:
    if not isinstance(psi, int | float | np.number) or not 0.0 <= psi <= 1.0:
        raise ValueError(f"psi: expected 0 (the centre of the class) to 1 (no truncation), got {psi}")


def _whole_numbers(given: Any, what: str) -> Tensor:
    """One whole number or a row of them -> int64 [N]. Raises ValueError for anything else."""
    if isinstance(given, Iterable) and not isinstance(given, str | np.ndarray | Tensor):
        given = list(given)
    try:
        values = given.cpu().numpy() if isinstance(given, Tensor) else np.asarray(given)
    except ValueError:  # rows of several lengths
        values = np.empty((0, 0))
    if values.size == 0 and values.ndim == 1:
        return torch.empty(0, dtype=torch.long)
    if values.dtype.kind not in "iu" or values.ndim > 1 or (values > np.iinfo(np.int64).max).any():
        got = repr(given) if values.ndim == 0 else f"{values.dtype} {list(values.shape)}"
        raise ValueError(f"{what}: expected one whole number or a row of them, got {got}")
    return torch.from_numpy(np.atleast_1d(values).astype(np.int64))


# ---------------------------------------------------------------- images


@torch.no_grad()
@torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
def _in_blocks(
    G: Generator, labels: Labels, given: Seeds, psi: float, use: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """use(ws, noise) for every (condition, seed), in whole blocks of BLOCK consecutive seeds of one condition.

    Sums in a matrix product may depend on the batch beside an image. With fixed blocks an image's neighbours are
    always the same, so it is a function of (checkpoint, condition, seed, psi) alone; at most two blocks are made in
    part for nothing.
    """
    condition, seeds = asked(labels, given, G.class_names)
    _check_psi(psi)
    if condition.position is not None and G.mapping.position is None:
        raise ValueError("expected no position: this generator was trained without; see data.position_column")
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
        of_block = _with_positions(G, condition[torch.full([BLOCK], first)].to(device), index)
        made = use(truncated(G, z, of_block, psi), noise)
        for row in torch.nonzero(block_of == i).flatten().tolist():
            out[row] = made[int(seeds[row]) % BLOCK]
    G.train(was_training)
    return torch.stack(out) if out else torch.empty(0)


def _with_positions(G: Generator, condition: Condition, seeds: Tensor) -> Condition:
    """For a generator that knows positions: each image has the one of its seed, unless one was asked for."""
    if G.mapping.position is None or condition.position is not None:
        return condition
    return replace(condition, position=2.0 * rng.uniform(0, "position", seeds, 1)[:, 0] - 1.0)


def generate(G: Generator, labels: Labels, seeds: Seeds, psi: float = 1.0) -> Tensor:
    """Classes and seeds -> uint8 [N, 1, R, R] on the CPU, in the order asked for: the same pair, the same bytes.

    labels: a class name or number for all seeds, or one for each; seeds: whole numbers from 0 on, or one for all
    labels. Lists, ranges, NumPy arrays and tensors will do. Labels may be weights of the classes, float [N, K], each
    row of sum 1: images between the classes. psi: truncation towards the centre of the image's own condition, 1 = none,
    0 = the centre. Noise comes from the image's own seed; fp32. Raises ValueError for anything else.

    A generator that knows slice positions takes each from its seed, or from Condition.of(labels, G.class_names,
    position), -1 .. 1.

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
    return _in_blocks(G, labels, seeds, psi, lambda ws, noise: to_uint8(G.synthesis(ws, noise)).cpu())


def generator_features(G: Generator, labels: Labels, seeds: Seeds, psi: float = 1.0, grid: int = 8) -> Tensor:
    """The last feature map of the images of `generate`, averaged to grid x grid: [N, C * grid * grid] on the CPU.

    A coarse grid, not one mean per channel: after AdaIN a channel's mean is the style's bias, it shows w, not the
    image.
    """

    def use(ws: Tensor, noise: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(G.features(ws, noise), grid).flatten(1).cpu()

    return _in_blocks(G, labels, seeds, psi, use)


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
