"""Explore: a page on this machine that shows a run's brains from one class to the other, as you move the sliders."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path


def parse(argv: Sequence[str] | None, prog: str) -> argparse.Namespace:
    from progan_style import add_plugin_option

    p = argparse.ArgumentParser(prog=prog, description=__doc__)
    p.add_argument("--run", metavar="DIR", default="saved_output/run", help="folder of the run (default: %(default)s)")
    p.add_argument("--size", metavar="SIZE", type=int, help="a finished stage to begin with (default: the last)")
    p.add_argument("--port", type=int, default=7860, help="of 127.0.0.1; 0: any that is free (default: %(default)s)")
    p.add_argument("--data", metavar="DIR", help="where the run's slices lie now, if they have moved")
    p.add_argument(
        "--weights", choices=("last", "best"), default="last", help="of the end of the stage, or of its lowest KID"
    )
    p.add_argument("--public", action="store_true", help="show no real slice")
    add_plugin_option(p)
    return p.parse_args(argv)


def main(argv: Sequence[str] | None = None, prog: str = "explore.py") -> int:
    from progan_style import shell

    args = parse(argv, prog)
    return shell.run(prog, explore, args, interrupted="ended; open pages say that the connection is lost")


def explore(args: argparse.Namespace) -> int:
    if not 0 <= args.port <= 65535:
        raise ValueError(f"--port: expected 0 to 65535, got {args.port}")
    for name in [name for name in os.environ if name.startswith("BOKEH_")]:
        del os.environ[name]  # they may let other origins in, or load BokehJS from elsewhere

    from progan_style import finished_stage, generator_file, keep_freed, load_plugins, run_config

    keep_freed()
    load_plugins(args.plugin)
    run_dir = Path(args.run)
    config = run_config(run_dir, args.data)
    size = finished_stage(run_dir, args.size)
    generator_file(run_dir, size, args.weights)

    import torch

    from explorer.explored import Explored
    from explorer.generators import Generators
    from explorer.real import load_real
    from explorer.server import Explorer, quiet

    torch.set_num_threads(1)  # one picture at a time; a second thread waits for busy cores more than it helps
    generators = Generators(run_dir, args.weights)
    generators.get(size)
    print(f"{run_dir}: its slices are read; the first time takes longer", flush=True)
    real = load_real(run_dir, config)
    if real.data is None:
        print(f"the run's slices are not here: {real.why}; the tabs that need them say so")
    quiet()
    explorer = Explorer(Explored(run_dir, config, generators, real, size, args.public), args.port)
    sizes = ", ".join(map(str, generators.sizes()))
    print(f"{run_dir}: {sizes} can be shown; {size} is shown first" + ("; no real slice is shown" * args.public))
    print(f"open {explorer.url}", flush=True)
    print(
        "in a browser on this machine. The address holds the key of this start: pass it to nobody. Ctrl-C ends.",
        flush=True,
    )
    explorer.run()
    return 0
