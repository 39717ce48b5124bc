"""Generate: a synthetic data set, images and labels, that train.py reads like any other folder of slices."""

import sys

from progan_style.commands.generate import main

if __name__ == "__main__":
    sys.exit(main())
