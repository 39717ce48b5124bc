"""Export: a finished stage's generator as a file that runs with torch alone, checked against the generator."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from progan_style import plugins, shell

PROG = "progan-style export"


def parse(argv: Sequence[str] | None, prog: str) -> argparse.Namespace:
    p = argparse.ArgumentParser(prog=prog, description=__doc__)
    p.add_argument("--run", metavar="DIR", default="saved_output/run", help="folder of the run (default: %(default)s)")
    p.add_argument("--size", metavar="SIZE", type=int, help="pixels per side (default: the last finished stage)")
    p.add_argument(
        "--weights", choices=("last", "best"), default="last", help="of the end of the stage, or of its lowest KID"
    )
    p.add_argument("--to", metavar="FILE", required=True, help="the file to write, NAME.pt2")
    plugins.add_plugin_option(p)
    return p.parse_args(argv)


def main(argv: Sequence[str] | None = None, prog: str = PROG) -> int:
    args = parse(argv, prog)
    return shell.run(prog, export, args, interrupted=f"stopped; {args.to} is not written")


def export(args: argparse.Namespace) -> int:
    to = Path(args.to)
    if to.suffix != ".pt2":
        raise ValueError(f"--to: expected a file NAME.pt2, got {to}")
    if to.exists():
        raise ValueError(f"--to: {to} is there already; name a new file")
    plugins.load_plugins(args.plugin)

    from progan_style.export.program import export_generator
    from progan_style.files import size_in_words
    from progan_style.run import load_generator

    G = load_generator(args.run, args.size, args.weights)
    error = export_generator(G, to)
    print(
        f"{to}: {size_in_words(to.stat().st_size)}, {G.resolution}x{G.resolution}, classes {', '.join(G.class_names)}; "
        f"read back, its images differ from the generator's by {error:g} at most, of gray values from -1 to 1"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
