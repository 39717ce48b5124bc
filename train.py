"""Train: grow a class-conditional generator from 8x8 up, unattended; the same command goes on where it was stopped."""

import sys

from progan_style_cli import main

if __name__ == "__main__":
    sys.exit(main())
