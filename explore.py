"""Explore: a page on this machine that shows a run's brains from one class to the other."""

import sys

from explorer.command import main

if __name__ == "__main__":
    sys.exit(main())
