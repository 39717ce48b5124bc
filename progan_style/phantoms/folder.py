"""The phantoms as a data folder: made once, the same bytes for the same arguments."""

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np
from PIL import Image
from tqdm import tqdm

from progan_style.data.folder import FOLDER_OF
from progan_style.data.manifest import MANIFEST, write_manifest
from progan_style.files import refuse_used, sweep
from progan_style.phantoms.atlas import prepare_template
from progan_style.phantoms.drawing import draw_slices, ratios_at, reduce
from progan_style.phantoms.persons import (
    ACCURACY,
    AGES_COMPARED,
    CLASSES,
    SPLITS,
    YEARS_OLDER,
    Person,
    draw_persons,
)
from progan_style.phantoms.space import SIDE, Array, slice_heights
from progan_style.pool import cores, in_processes

VERSION = 4  # raise it whenever a pixel or a number of the manifest changes, so that old folders are made anew
COLUMNS = ("path", "label", "subject", "split", "slice_mm", "severity", "ventricle_ratio")
# Beside them with people: what disease and age have opened, and the ratio, were the person of one age or of another
OF_PEOPLE = ("age", "sex", "disease_mm", "age_mm", *(f"ventricle_ratio_at_{age:g}" for age in AGES_COMPARED))
SETTINGS, NOTICE = "phantoms.json", "NOTICE.txt"
TERMS = """\
The pictures in this folder are synthetic. They were made from the ICBM 152 nonlinear symmetric 2009a brain template,
which came with nilearn, and no person's scan is among them.

Copyright (C) 1993-2009 Louis Collins, McConnell Brain Imaging Centre, Montreal Neurological Institute, McGill
University. Permission to use, copy, modify, and distribute this software and its documentation for any purpose and
without fee is hereby granted, provided that the above copyright notice appear in all copies. The authors and McGill
University make no representations about the suitability of this software for any purpose. It is provided "as is"
without express or implied warranty. The authors are not responsible for any data loss, equipment damage, property
loss, or injury to subjects or patients resulting from the use or misuse of this software package.

Cite: V. S. Fonov, A. C. Evans, R. C. McKinstry, C. R. Almli, D. L. Collins, Unbiased nonlinear average age-appropriate
brain templates from birth to adulthood, NeuroImage 47, S102, 2009. V. Fonov, A. C. Evans, K. Botteron, C. R. Almli,
R. C. McKinstry, D. L. Collins, Unbiased average age-appropriate atlases for pediatric studies, NeuroImage 54,
313-327, 2011.
"""

# A worker maps the prepared template from the folder that the parent wrote, so it is made once and shared.
_template: dict[str, tuple[Array, Array]] = {}


class Kind(TypedDict, total=False):
    """What kind of persons: see make_phantoms."""

    overlap: str
    pattern: str
    people: bool
    years_older: float


def _work(task: tuple[Person, list[float], int, int, str, str]) -> list[dict[str, str]]:
    """Write one person's pictures; -> the manifest's rows."""
    person, heights, size, seed, prepared, folder = task
    if prepared not in _template:
        _template.clear()
        geometry, tissues = (np.load(Path(prepared) / f"{name}.npy", mmap_mode="r") for name in ("geometry", "tissues"))
        _template[prepared] = (geometry, tissues)
    pictures, ratios = draw_slices(person, heights, seed, *_template[prepared])
    compared = None if person.age is None else ratios_at(AGES_COMPARED, person, heights, seed, *_template[prepared])
    rows = []
    for k, picture in enumerate(reduce(pictures, size)):
        path = f"{FOLDER_OF[person.split]}/{CLASSES[person.label]}/{person.subject}_{k:02d}.png"
        Image.fromarray(picture).save(Path(folder) / path, compress_level=4)
        truth = (f"{heights[k]:g}", f"{person.severity:.6f}", f"{ratios[k]:.6f}")
        values = (path, CLASSES[person.label], person.subject, person.split, *truth)
        rows.append(dict(zip(COLUMNS, values, strict=True)))
        if compared is not None:
            of_person = (f"{person.age:.1f}", person.sex, f"{person.disease_mm:.4f}", f"{person.age_mm:.4f}")
            rows[-1] |= dict(zip(OF_PEOPLE, (*of_person, *(f"{ratio:.6f}" for ratio in compared[:, k])), strict=True))
    return rows


def make_phantoms(
    directory: str | os.PathLike[str],
    *,
    persons: int = 500,
    slices: int = 8,
    seed: int = 999,
    size: int = SIDE,
    workers: int | None = None,
    progress: bool = True,
    **kind: Unpack[Kind],
) -> Path:
    """Write the data set to `directory` and return it; at once if exactly these phantoms already stand there.

    directory/{train,validation,test}/{CN,AD}/<subject>_<kk>.png (8-bit grey), manifest.csv with the truth of each slice
    (slice_mm, severity, ventricle_ratio), NOTICE.txt and the settings. The bytes depend on the arguments alone, not on
    the number of workers (default: the cores that this process may use). The folder appears only when it is complete.
    Workers are spawned: a script of your own calls this under `if __name__ == "__main__":`, or with workers=1.

    overlap (clear) and pattern (ventricular) are keys of ACCURACY and PATTERNS. people: whether everyone has an age and
    a sex, which the anatomy shows; the manifest then has the columns OF_PEOPLE. years_older (8): AD than CN.

    Raises ValueError if an argument is impossible or if `directory` holds anything else.
    """
    overlap, pattern = kind.get("overlap", "clear"), kind.get("pattern", "ventricular")
    older = kind.get("years_older", YEARS_OLDER) if kind.get("people") else None
    _check(persons, slices, seed, size, workers)
    everyone = draw_persons(persons, seed, overlap, pattern, older)
    settings = dict(version=VERSION, persons=persons, slices=slices, seed=seed, overlap=overlap, pattern=pattern)
    settings |= {} if older is None else {"people": True, "years_older": older}
    settings["size"], settings["best_accuracy"] = size, ACCURACY[overlap]
    directory = Path(directory)
    if _holds(directory, settings):
        return directory
    refuse_used(directory, owner="these phantoms", mend="name another folder or remove it")

    directory.parent.mkdir(parents=True, exist_ok=True)
    sweep(directory.parent, ".phantoms-")
    with tempfile.TemporaryDirectory(prefix=f".{directory.name}-", dir=directory.parent) as scratch:
        folder, prepared = Path(scratch, "folder"), Path(scratch, "template")
        prepared.mkdir()
        for split in SPLITS:
            for name in CLASSES:
                (folder / FOLDER_OF[split] / name).mkdir(parents=True)
        for name, array in zip(("geometry", "tissues"), prepare_template(), strict=True):
            np.save(prepared / f"{name}.npy", array)
        heights = slice_heights(slices)
        tasks = [(person, heights, size, seed, str(prepared), str(folder)) for person in everyone]
        with contextlib.closing(in_processes(_work, tasks, min(workers or cores(), persons), chunksize=2)) as done:
            bar = tqdm(done, total=persons, desc="phantoms", unit="person", disable=None if progress else True)
            rows = [row for rows in bar for row in rows]
        write_manifest(folder, rows)
        (folder / NOTICE).write_text(TERMS)
        (folder / SETTINGS).write_text(json.dumps(settings, indent=1) + "\n")
        try:
            os.replace(folder, directory)  # over nothing, or over an empty folder
        except OSError:  # two runs may make the same phantoms at once: the first stay
            if not _holds(directory, settings):
                raise
    return directory


def _check(persons: int, slices: int, seed: int, size: int, workers: int | None) -> None:
    """Raise ValueError for an argument that is impossible."""
    for name, value in (("persons", persons), ("slices", slices), ("workers", workers)):
        if value is not None and value < 1:
            raise ValueError(f"{name} is {value}; expected 1 or more")
    if seed < 0:
        raise ValueError(f"seed is {seed}; expected 0 or more")
    if size not in (8, 16, 32, 64, 128, 256):
        raise ValueError(f"size is {size}; expected a power of two from 8 to {SIDE}")


def _holds(directory: Path, settings: dict[str, Any]) -> bool:
    """Whether these very phantoms are there."""
    file, pictures = directory / SETTINGS, settings["persons"] * settings["slices"]
    try:
        same = file.is_file() and json.loads(file.read_text()) == settings
    except (ValueError, RecursionError):
        return False
    return same and (directory / MANIFEST).is_file() and sum(1 for _ in directory.glob("*/*/*.png")) == pictures
