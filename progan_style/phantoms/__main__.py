"""python -m progan_style.phantoms: write the built-in data set as a folder of slices."""

import argparse
import sys
from collections.abc import Sequence

from progan_style.phantoms.folder import make_phantoms
from progan_style.phantoms.persons import ACCURACY, PATTERNS
from progan_style.phantoms.space import SIDE


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m progan_style.phantoms", description="Write the phantoms.")
    parser.add_argument("--to", required=True, metavar="DIR", help="folder to make")
    parser.add_argument("--persons", type=int, default=500)
    parser.add_argument("--slices", type=int, default=8, help="per person")
    parser.add_argument("--seed", type=int, default=999)
    parser.add_argument("--overlap", choices=list(ACCURACY), default="clear", help="of the two groups' severities")
    parser.add_argument("--pattern", choices=list(PATTERNS), default="ventricular", help="where the atrophy sits")
    parser.add_argument("--size", type=int, default=SIDE, help="pixels per side")
    parser.add_argument("--workers", type=int, default=None, help="processes; default: all cores")
    given = vars(parser.parse_args(arguments))
    try:
        folder = make_phantoms(given.pop("to"), **given)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: nothing was left behind", file=sys.stderr)
        return 130
    print(f"{folder}: {given['persons']} persons of {given['slices']} slices at {given['size']} x {given['size']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
