"""How long a change takes in the explorer: one thread, one picture at a time, fp32.

    python -m benchmarks.explorer --run DIR [--sizes 64,256] [--changes 20]
    python -m benchmarks.explorer --wide [--sizes 64,256]

Of a run, or with --wide of an untrained network as wide as hyperparameters.yaml has it. A change is what a slider asks
for: all that its tab shows, made anew as far as it differs (explorer.view). What the browser and the websocket add is
not in it. Beside the time that passed stands the processor's: on a core that others use too, the first is longer.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from explorer.conditions import conditions_of
from explorer.generators import Generators, Opened
from explorer.pictures import Pictures
from explorer.state import Choices, State, first_state
from explorer.view import view
from progan_style import Conditions, Generator, finished_stages, load_config
from progan_style.checkpoint import build
from progan_style.training.state import network_arguments

# What is moved -> the state at its i-th place of n
CHANGES: dict[str, Callable[[State, int, int], State]] = {
    "class": lambda state, i, n: replace(state, weight=(i + 1) / (n + 1)),
    "class by the label": lambda state, i, n: replace(state, weight=(i + 1) / (n + 1), way="label", psi=0.7),
    "another brain": lambda state, i, n: replace(state, seed=1000 + i),
    "psi": lambda state, i, n: replace(state, psi=(i + 1) / (n + 2)),
    "noise": lambda state, i, n: replace(state, noise=i),
    "second brain": lambda state, i, n: replace(state, tab="mixing", other=2000 + i),
}


def wide(size: int) -> Opened:
    """An untrained generator of the configuration that is shipped."""
    config = load_config()
    G = build(
        {
            "kind": "generator",
            "architecture": config.network.name,
            "arguments": network_arguments(config, Conditions())["generator"],
            "class_names": list(config.data.classes),
            "resolution": size,
            "nimg": 0,
            "seed": 0,
            "positions": None,
        }
    )
    assert isinstance(G, Generator)
    return Opened(Pictures(G), conditions_of(G), (0, 0, 0))


def measure(opened: Opened, size: int, changes: int) -> dict[str, list[tuple[float, float]]]:
    """Milliseconds that passed and of the processor, for each change, after one that is not counted."""
    names = tuple(opened.pictures.G.class_names)
    start = first_state(Choices("", (size,), names, opened.conditions), size)
    found: dict[str, list[tuple[float, float]]] = {}
    for name, moved in CHANGES.items():
        view(opened, start)
        view(opened, moved(start, changes, changes + 1))  # what is the same for all places, as centres, is kept
        found[name] = []
        for i in range(changes):
            begin, worked = time.perf_counter(), time.process_time()
            view(opened, moved(start, i, changes + 1))
            found[name].append((1e3 * (time.perf_counter() - begin), 1e3 * (time.process_time() - worked)))
    return found


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    p = argparse.ArgumentParser(prog="python -m benchmarks.explorer", description="How long a change takes.")
    which = p.add_mutually_exclusive_group(required=True)
    which.add_argument("--run", metavar="DIR", type=Path, help="a run, whose finished stages are shown")
    which.add_argument("--wide", action="store_true", help="an untrained network of hyperparameters.yaml")
    p.add_argument("--sizes", metavar="A,B", default="64,256", help="pixels per side (default: %(default)s)")
    p.add_argument("--changes", metavar="N", type=int, default=20, help="of each kind (default: %(default)s)")
    return p.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse(argv)
    torch.set_num_threads(1)
    generators = None if args.wide else Generators(args.run)
    known = [] if generators is None else finished_stages(args.run)
    print(f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, one thread; milliseconds of a change")
    print(f"{'size':>5}  {'change':20}{'median':>8}{'worst':>8}{'processor, median':>19}{'worst':>8}")
    for size in map(int, args.sizes.split(",")):
        if generators is not None and size not in known:
            print(f"{size:5}  not finished in {args.run}")
            continue
        opened = wide(size) if generators is None else generators.get(size)[0]
        for name, times in measure(opened, size, args.changes).items():
            passed, worked = (sorted(column) for column in zip(*times, strict=True))
            print(
                f"{size:5}  {name:20}{passed[len(passed) // 2]:8.0f}{passed[-1]:8.0f}"
                f"{worked[len(worked) // 2]:19.0f}{worked[-1]:8.0f}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
