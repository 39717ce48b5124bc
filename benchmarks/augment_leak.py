"""Whether a generator learns the augmentation: the same training with it before D, and with it on the data alone.

    python -m benchmarks.augment_leak [--p P] [--steps N] [--seed N] [--json FILE]

The data are ellipses of 8 px that all lie, point and shine nearly alike. Printed for each arm: the spread of where
the generated ones lie, point and shine, over that of the reals, and how far their means are apart in that spread.
Before D neither should leave the reals' (below 1.5 and 1); on the data alone, the control, the spread must grow, or the
check is blind.
"""

import argparse
import json
import sys
import time

import numpy as np
import torch
from torch import Tensor

from progan_style import Dataset, Trainer, generate, load_config
from progan_style.sampling import to_float
from progan_style.training.augment import CALLS, Pipe

SIDE = 8
ARMS = ("none", "before D", "on the data")
# What the readings can see, several times as wide as the reals' own spread
OPERATIONS = {"translate": 0.125, "rotate": 20.0, "brightness": 0.4}


def ellipses(n: int, seed: int) -> Tensor:
    """uint8 [n, 1, 8, 8]: soft ellipses, nearly in one place, one direction, one brightness."""
    rng = np.random.default_rng(seed)
    x0, y0, angle, gray = rng.normal((0.0, 0.0, 0.5, 140.0), (0.15, 0.15, 0.06, 8.0), (n, 4)).T[:, :, None, None]
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    long = (x - x0) * np.cos(angle) + (y - y0) * np.sin(angle)
    wide = (y - y0) * np.cos(angle) - (x - x0) * np.sin(angle)
    disc = 1 / (1 + np.exp(4.0 * (np.hypot(long / 2.0, wide) - 1.4)))
    return torch.from_numpy(np.clip(gray * disc, 0, 255).astype(np.uint8))[:, None]


def readings(images: Tensor) -> dict[str, Tensor]:
    """uint8 [N, 1, R, R] -> where each image's signal lies (pixels), points (radians), how bright it is (a sum)."""
    signal = images[:, 0].double()
    total = signal.sum(dim=(1, 2)).clamp(min=1e-6)
    side = torch.arange(images.shape[-1]).double()
    x = (signal * side[None, None, :]).sum(dim=(1, 2)) / total
    y = (signal * side[None, :, None]).sum(dim=(1, 2)) / total
    dx, dy = side[None, None, :] - x[:, None, None], side[None, :, None] - y[:, None, None]
    xx, yy, xy = ((signal * d).sum(dim=(1, 2)) / total for d in (dx * dx, dy * dy, dx * dy))
    return {"x": x, "y": y, "angle": 0.5 * torch.atan2(2 * xy, xx - yy), "brightness": total}


def train(arm: str, reals: Tensor, p: float, steps: int, seed: int) -> Trainer:
    """A tiny generator after so many steps; on the data, each batch of reals is changed before the step."""
    config = load_config(
        overrides=[
            f"seed={seed}",
            f"schedule.resolutions=[{SIDE}]",
            f"schedule.batch_size.{SIDE}=16",
            f"schedule.hold_kimg.{SIDE}=1000",
            f"schedule.lr_g.{SIDE}=0.004",
            f"schedule.lr_d.{SIDE}=0.004",
            "network.channel_base=256",
            "network.channel_max=24",
            "network.z_dim=16",
            "network.w_dim=16",
            "network.mapping_depth=2",
            "training.precision=fp32",
            "data.classes=[all]",
            *(["augment.name=fixed", f"augment.p={p}"] if arm == "before D" else []),
            *(f"augment.operations.{name}={OPERATIONS.get(name, 0)}" for name in load_config().augment.operations),
        ]
    )
    data = Dataset({SIDE: reals.numpy()}, np.zeros(len(reals), dtype=np.int64), np.full(len(reals), ""), ("all",))
    trainer = Trainer(config, data)
    pipe = Pipe(seed, config.augment.operations)
    for _ in range(steps):
        images, labels = data.batch(seed, trainer.state.nimg, 16, SIDE)
        if arm == "on the data":
            index = torch.arange(trainer.state.nimg, trainer.state.nimg + 16)
            changed = pipe(to_float(images), index, CALLS - 1, torch.tensor(p))
            images = ((changed + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        trainer.step(images, labels)
    return trainer


def leak(arm: str, p: float, steps: int, seed: int, samples: int = 500) -> dict[str, float]:
    """Spreads over the reals', means in the reals' spread."""
    torch.set_num_threads(1)
    reals = ellipses(1000, seed=1)
    start = time.process_time()
    trainer = train(arm, reals, p, steps, seed)
    out = {"cpu_seconds": time.process_time() - start}
    labels = torch.zeros(samples, dtype=torch.int64)
    made, real = readings(generate(trainer.state.G_ema, labels, torch.arange(samples))), readings(reals)
    for name, values in made.items():
        out[f"spread of {name}"] = float(values.std() / real[name].std())
        out[f"offset of {name}"] = float((values.mean() - real[name].mean()).abs() / real[name].std())
    return out


def main(argv: list[str] | None = None) -> int:
    p = argparse.ArgumentParser(prog="python -m benchmarks.augment_leak", description=__doc__.splitlines()[0])
    p.add_argument("--p", type=float, default=0.6)
    p.add_argument("--steps", type=int, default=1500)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--json", metavar="FILE")
    args = p.parse_args(argv)
    result = {arm: leak(arm, args.p, args.steps, args.seed) for arm in ARMS}
    names = list(result["none"])
    print(f"{'':22}" + "".join(f"{arm:>14}" for arm in ARMS))
    for name in names:
        print(f"{name:22}" + "".join(f"{result[arm][name]:14.2f}" for arm in ARMS))
    if args.json:
        with open(args.json, "a", encoding="utf-8") as file:
            file.write(json.dumps(vars(args) | result) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
