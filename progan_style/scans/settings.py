"""What is asked of a preparation, whether of scans or of slices."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class PrepareSettings:
    """How slices get classes, splits and terms, and what happens to what cannot be used."""

    labels: str | os.PathLike[str] | None = None  # the sheet of persons, a CSV or TSV
    aliases: tuple[str, ...] = ()  # NAME=CLASS, in addition to data.classes.GROUPS
    names: str = ""  # pattern of paths that says where they name their person
    include: tuple[str, ...] = ()  # patterns of paths: these scans alone
    exclude: tuple[str, ...] = ()  # ... and not these
    orientation: str = ""  # how volumes are stored whose headers state nothing, such as LAS
    nearest_visit: int | None = None  # days that a scan's row may be away from it
    split: str = "80/10/10"  # train, validate, test in percent
    seed: int = 999  # of the split
    terms: str = ""  # text of the scans' licence
    strip: str = ""  # a command that finds the brain of a scan without a mask
    strict: bool = False  # nothing is written if a scan or a slice cannot be used


USUAL = PrepareSettings()
