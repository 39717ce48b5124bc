"""Predict: look at a finished stage and measure it; writes report.html, metrics.json and pictures beside the run."""

import sys

from analysis.commands.predict import main

if __name__ == "__main__":
    sys.exit(main())
