"""Example: the shipped run, a generator of phantoms at 64x64, into a folder that the other commands take.

progan-style example
progan-style generate --run saved_output/phantom-64 --count 8 --to made
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from progan_style import shell

PROG = "progan-style example"


def main(argv: Sequence[str] | None = None, prog: str = PROG) -> int:
    p = argparse.ArgumentParser(prog=prog, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument(
        "--to", metavar="DIR", default="saved_output/phantom-64", help="folder to write (default: %(default)s)"
    )
    args = p.parse_args(argv)
    return shell.run(prog, copy, args, interrupted=f"stopped; nothing is left in {args.to}")


def copy(args: argparse.Namespace) -> int:
    from progan_style.files import new_folder
    from progan_style.run import EXAMPLE

    to = Path(args.to)
    with new_folder(to) as making:
        shutil.copytree(EXAMPLE, making, dirs_exist_ok=True)
    print(f"{to}: a generator of phantoms, see {to / 'README.md'}; then: progan-style generate --run {to} --to made")
    return 0


if __name__ == "__main__":
    sys.exit(main())
