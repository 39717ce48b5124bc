"""Whether a lever costs quality: the same training with and without it, judged alike.

    python -m benchmarks.equal_quality ARM SEED [--kimg N] [--json FILE]

ARM is "all" (every lever) or the name of one in levers.py that is taken away. A run grows 8 -> 16 -> 32 on the built-in
phantoms by configs/demo.yaml as wide and long as recipes.WIDER_DEMO. Every arm sees the same images in the
same order. Printed: KID per class against the validate persons, and label fidelity. docs/performance.md has the table.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from analysis import evaluator
from benchmarks.levers import LEVERS
from benchmarks.recipes import WIDER_DEMO
from progan_style import Trainer, load_config, load_data
from progan_style.training.schedule import last_phase

CONFIG = Path(__file__).parents[1] / "configs" / "demo.yaml"


def main(argv: list[str] | None = None) -> int:
    p = argparse.ArgumentParser(prog="python -m benchmarks.equal_quality", description=__doc__.splitlines()[0])
    p.add_argument("arm", choices=("all", *LEVERS))
    p.add_argument("seed", type=int)
    p.add_argument("--kimg", type=float, default=60, help="held at 32 px, thousands of images (default: %(default)s)")
    p.add_argument("--json", metavar="FILE")
    args = p.parse_args(argv)

    torch.set_num_threads(1)
    settings = [*WIDER_DEMO, f"seed={args.seed}", "threads=1", f"schedule.hold_kimg.32={args.kimg}"]
    settings += ["loss.name=logistic"]
    config = load_config(overlay=CONFIG, overrides=settings)  # the loss that the levers are written for
    data = load_data(config, 32)
    trainer = Trainer(config, data.train)
    if args.arm != "all":
        LEVERS[args.arm](trainer)
    start = time.process_time()
    with tempfile.TemporaryDirectory() as run_dir:
        trainer.run(run_dir)
    result = {
        "arm": args.arm,
        "seed": args.seed,
        "nimg": trainer.state.nimg,
        "cpu_seconds": time.process_time() - start,
    }
    evaluate = evaluator(data, samples_per_label=1000, cache_dir=config.data.cache)
    assert evaluate is not None  # the phantoms have a validate part
    trainer.state.G_ema.grow(32)
    result |= evaluate(trainer.state.G_ema, last_phase(trainer.schedule, trainer.state.nimg))
    result = {k: round(float(v), 4) if isinstance(v, float | np.floating) else v for k, v in result.items()}
    print(json.dumps(result))
    if args.json:
        with open(args.json, "a", encoding="utf-8") as file:
            file.write(json.dumps(result) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
