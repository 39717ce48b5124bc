"""Prepare: scans (NIfTI, DICOM, ...) or slices -> a data folder split by person, or an audit of one that exists."""

import sys

from progan_style.commands.prepare import main

if __name__ == "__main__":
    sys.exit(main())
