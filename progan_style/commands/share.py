"""A data folder with a share of a run's training persons: a generator trained on it has seen nobody else.

python -m progan_style.commands.share --run DIR --share 0.25 --to DIR
"""

import argparse
import sys
from collections.abc import Sequence

from progan_style import shell

PROG = "python -m progan_style.commands.share"


def main(argv: Sequence[str] | None = None, prog: str = PROG) -> int:
    p = argparse.ArgumentParser(
        prog=prog,
        description="Write a data folder with a share of a run's training persons, to train a generator on them alone.",
    )
    p.add_argument(
        "--run", metavar="DIR", default="saved_output/run", help="a run on all persons (default: %(default)s)"
    )
    p.add_argument("--share", type=float, default=0.25, help="of the training persons, 0..1 (default: %(default)s)")
    p.add_argument("--to", metavar="DIR", required=True, help="folder to write")
    args = p.parse_args(argv)
    return shell.run(prog, share, args, interrupted=f"stopped; nothing is left in {args.to}")


def share(args: argparse.Namespace) -> int:
    from progan_style.data.share import check_share, write_share
    from progan_style.run import finished_stage, load_data, run_config

    check_share(args.share)  # before slices are packed, or phantoms drawn, for minutes
    config = run_config(args.run)
    data = load_data(config, finished_stage(args.run, None))
    persons, slices = write_share(data, args.share, args.to, config.data.subject_column)
    print(f"{args.to}: {slices} training slices of {persons} {data.subjects_are}; validate and test as they were")
    return 0


if __name__ == "__main__":
    sys.exit(main())
