"""Whether a generator's maps have droplets: one point that is far stronger than the rest, at one place in every slice.

    python -m benchmarks.droplets --run RUN [--size R] [--class NAME] [--count N] [--json FILE]

AdaIN takes each map's mean and deviation away. A generator can then keep the strength of a signal only by a spike that
decides both (Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN", section 2). For each size of
maps, over the slices: the largest magnitude of a pixel (mean over channels) over the median pixel's. The picture is cut
into 8 x 8 fields: beside it is the share of the slices whose strongest pixel lies in the field where most of them lie.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from progan_style import Condition, Generator, finished_stage, latents, stage_dir
from progan_style.networks.generating import Generating
from progan_style.run import load_generator

CELLS = 8  # of the grid in which places are compared, each way


def strengths(G: Generator, condition: Condition, seeds: Tensor) -> dict[int, Tensor]:
    """Mean magnitude over channels of each pixel of every block's map: size R -> [N, R, R]."""
    kept: dict[int, Tensor] = {}

    def keep(_: Any, __: Any, x: Tensor) -> None:
        kept[x.shape[-1]] = x.abs().mean(dim=1).float()

    hooks = [block.register_forward_hook(keep) for block in cast(Generating, G).blocks.values()]
    with torch.no_grad():
        z, noise = latents(G, seeds)
        G.synthesis(G.mapping(z, condition), noise)
    for hook in hooks:
        hook.remove()
    return kept


def spikes(strength: Tensor) -> dict[str, float | str]:
    """[N, R, R] -> largest over median, mean over the slices; the cell that most peaks share, and how many do."""
    n, r, _ = strength.shape
    pixels = strength.flatten(1)
    place = pixels.argmax(dim=1)
    cells = torch.stack([place // r * CELLS // r, place % r * CELLS // r], dim=1)
    cell, count = cells.unique(dim=0, return_counts=True)
    row, column = cell[count.argmax()].tolist()
    return {
        "largest over median": float((pixels.amax(dim=1) / pixels.median(dim=1).values).mean()),
        "share at one place": float(count.max()) / n,
        "place": f"row {row}, column {column} of {CELLS}",
    }


def main(argv: list[str] | None = None) -> int:
    p = argparse.ArgumentParser(prog="python -m benchmarks.droplets", description=__doc__.splitlines()[0])
    p.add_argument("--run", required=True)
    p.add_argument("--size", type=int, help="a finished stage (default: the last)")
    p.add_argument("--class", dest="name", help="class of the slices (default: the first)")
    p.add_argument("--count", type=int, default=16)
    p.add_argument("--json", metavar="FILE", help="write the result there as well")
    args = p.parse_args(argv)
    size = finished_stage(args.run, args.size)
    G = load_generator(stage_dir(args.run, size) / "generator.safetensors").eval()
    label = G.class_names.index(args.name) if args.name else 0
    condition = Condition.of(torch.full([args.count], label), G.class_names)
    result = {r: spikes(x) for r, x in strengths(G, condition, torch.arange(args.count)).items() if r >= CELLS}
    for r, row in result.items():
        print(
            f"maps of {r:3} px: largest over median {row['largest over median']:.1f}, "
            f"{row['share at one place']:.0%} of the slices at {row['place']}"
        )
    if args.json:
        Path(args.json).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
