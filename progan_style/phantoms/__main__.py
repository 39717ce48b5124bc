"""python -m progan_style.phantoms: write the built-in data set as a folder of slices."""

import argparse
import sys
from collections.abc import Sequence

from progan_style import shell
from progan_style.phantoms.folder import make_phantoms
from progan_style.phantoms.persons import ACCURACY, PATTERNS, YEARS_OLDER
from progan_style.phantoms.space import SIDE


def main(argv: Sequence[str] | None = None, prog: str = "python -m progan_style.phantoms") -> int:
    parser = argparse.ArgumentParser(prog=prog, description="Write the phantoms.")
    parser.add_argument("--to", required=True, metavar="DIR", help="folder to make")
    parser.add_argument("--persons", type=int, default=500)
    parser.add_argument("--slices", type=int, default=8, help="per person")
    parser.add_argument("--seed", type=int, default=999)
    parser.add_argument("--overlap", choices=list(ACCURACY), default="clear", help="of the two groups' severities")
    parser.add_argument("--pattern", choices=list(PATTERNS), default="ventricular", help="where the atrophy sits")
    parser.add_argument("--people", action="store_true", help="everyone has an age and a sex, which the anatomy shows")
    parser.add_argument("--years-older", type=float, default=YEARS_OLDER, help="AD than CN, with --people")
    parser.add_argument("--size", type=int, default=SIDE, help="pixels per side")
    parser.add_argument("--workers", type=int, default=None, help="processes; default: all cores")
    return shell.run(prog, write, parser.parse_args(argv), interrupted="interrupted: nothing was left behind")


def write(args: argparse.Namespace) -> int:
    folder = make_phantoms(args.to, **{key: value for key, value in vars(args).items() if key != "to"})
    print(f"{folder}: {args.persons} persons of {args.slices} slices at {args.size} x {args.size}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
