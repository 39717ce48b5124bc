"""python -m analysis: compare a folder of real slices with a folder of any other slices."""

import sys

from analysis.commands.compare import main

if __name__ == "__main__":
    sys.exit(main())
