"""A data folder with a share of a run's training persons: a generator trained on it has seen nobody else.

python -m progan_style.commands.share --run DIR --share 0.25 --to DIR
"""

import argparse
import sys
from collections.abc import Sequence

from progan_style.data.share import write_share
from progan_style.run import finished_stage, load_data, run_config


def main(argv: Sequence[str] | None = None) -> int:
    p = argparse.ArgumentParser(
        prog="python -m progan_style.commands.share",
        description="Write a data folder with a share of a run's training persons, to train a generator on them alone.",
    )
    p.add_argument(
        "--run", metavar="DIR", default="saved_output/run", help="a run on all persons (default: %(default)s)"
    )
    p.add_argument("--share", type=float, default=0.25, help="of the training persons, 0..1 (default: %(default)s)")
    p.add_argument("--to", metavar="DIR", required=True, help="folder to write")
    args = p.parse_args(argv)
    try:
        config = run_config(args.run)
        data = load_data(config, finished_stage(args.run, None))
        persons, slices = write_share(data, args.share, args.to, config.data.subject_column)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{args.to}: {slices} training slices of {persons} {data.subjects_are}; validate and test as they were")
    return 0


if __name__ == "__main__":
    sys.exit(main())
