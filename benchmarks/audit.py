"""What the audit's pixel evidence finds: python -m benchmarks.audit DATA [--persons N --copies N --seed S]

DATA is a data folder with a manifest of persons. The thresholds of progan_style/audit/likeness.py were chosen with a
look at the likeness of 30 persons' slices to everyone's, in OASIS and in phantoms; pairs among the others were not
looked at, and are what is to be reported. Three questions for each group:

    strangers    how alike are slices of different persons (all pairs of the group)?
    copies       how many planted copies are found: moved by a pixel, turned by 1 or 2 degrees, 5 % more or less
                 contrast, saved as JPEG of quality 75, and all of it at once?
    neighbours   in a split by slice (80 % train), how many slices outside train, pairs of neighbours, and persons are
                 found from the pixels alone, and how many pairs are false?
"""

import argparse
import io
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from progan_style.audit import likeness
from progan_style.data.gray import read_gray
from progan_style.pool import cores
from progan_style.scans.slices import SliceSet, open_slices

ALTERATIONS = ("shift", "turn", "contrast", "jpeg", "all")


def alter(image: np.ndarray, how: str, rng: np.random.Generator) -> np.ndarray:
    """uint8 [H, W] -> the altered copy, uint8 [H, W]."""
    values = image.astype(float)
    if how in ("shift", "all"):
        values = ndimage.shift(values, rng.choice((-1, 1), 2), order=0)
    if how in ("turn", "all"):
        values = ndimage.rotate(values, rng.choice((-2.0, -1.0, 1.0, 2.0)), reshape=False, order=1)
    if how in ("contrast", "all"):
        values = (values - values.mean()) * rng.choice((0.95, 1.05)) + values.mean()
    altered = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    if how in ("jpeg", "all"):
        buffer = io.BytesIO()
        Image.fromarray(altered).save(buffer, "JPEG", quality=75)
        altered = np.asarray(Image.open(buffer))
    return altered


def main(argv: list[str] | None = None) -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("data", type=Path)
    p.add_argument("--persons", type=int, default=70, help="of the others (default: %(default)s)")
    p.add_argument("--chosen", type=int, default=30, help="persons that the thresholds saw (default: %(default)s)")
    p.add_argument("--copies", type=int, default=300, help="planted of each kind (default: %(default)s)")
    p.add_argument("--seed", type=int, default=0)
    args = p.parse_args(argv)
    found = open_slices(args.data)
    assert found.subjects_are == "persons", "a manifest of persons is needed"
    rng = np.random.default_rng(args.seed)
    persons = np.random.default_rng(1).permutation(np.unique(found.subjects))
    groups = {"chosen on": persons[: args.chosen], "reported on": persons[args.chosen :][: args.persons]}
    for name, group in groups.items():
        rows = np.flatnonzero(np.isin(found.subjects, group))
        print(f"{args.data}, {name}: {len(np.unique(found.subjects[rows]))} persons, {len(rows)} slices")
        one_group([found.path(int(i)) for i in rows], found.subjects[rows], places(found, rows), args.copies, rng)
    return 0


def places(found: SliceSet, rows: np.ndarray) -> np.ndarray:
    """Each slice's number within its person, by the manifest's position of it."""
    column = next(name for name in ("slice_rank", "slice_mm") if name in found.slices[rows[0]].extra)
    heights = np.array([float(found.slices[i].extra[column]) for i in rows])
    number = np.zeros(len(rows), int)
    for person in np.unique(found.subjects[rows]):
        mine = np.flatnonzero(found.subjects[rows] == person)
        number[mine[np.argsort(heights[mine])]] = np.arange(len(mine))
    return number


def one_group(
    paths: list[Path], persons: np.ndarray, number: np.ndarray, copies: int, rng: np.random.Generator
) -> None:
    smalls = likeness.read_all(paths, cores())
    table = np.concatenate([best for _, best in likeness.alike(smalls, smalls, cores())])
    strange = persons[:, None] != persons[None]
    values = np.sort(table[strange])
    chosen = values[int(len(values) * (1 - likeness.FALSE))]
    above = int((values >= likeness.PERSON).sum())
    print(f"  strangers   {len(values)} ordered pairs: 1 in 1000 from {chosen:.3f} on, most alike {values[-1]:.3f}; "
          f"{above} from {likeness.PERSON} on")  # fmt: skip
    for how in ALTERATIONS:
        picks = rng.choice(len(paths), min(copies, len(paths)), replace=False)
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder, f"{i}.png") for i in picks]
            for i, file in zip(picks, files, strict=True):
                Image.fromarray(alter(read_gray(str(paths[i])), how, rng)).save(file)
            planted = likeness.read_all(files, cores())
        best = np.concatenate([rows for _, rows in likeness.alike(planted, smalls, cores())])
        own = best[np.arange(len(picks)), picks]
        line = f"  {how:10}  {len(picks)} copies: {(own >= likeness.PERSON).mean():.1%} found, "
        print(line + f"{(own >= likeness.COPY).mean():.1%} as copies, the least alike {own.min():.3f}")
    split_by_slice(table, persons, number, rng)


def split_by_slice(table: np.ndarray, persons: np.ndarray, number: np.ndarray, rng: np.random.Generator) -> None:
    train = rng.random(len(persons)) < 0.8
    across = train[:, None] != train[None]
    hits = (table >= likeness.PERSON) & across
    same = persons[:, None] == persons[None]
    held_out = ~train
    slices = hits[held_out].any(axis=1)
    both = [p for p in np.unique(persons) if len(set(train[persons == p])) == 2]
    caught = [p for p in both if (hits & same)[persons == p].any()]
    false, strange = (int((where & ~same).sum()) // 2 for where in (hits, across))
    print(f"  neighbours  split by slice: {slices.mean():.1%} of {len(slices)} slices outside train have a pair,")
    print(f"              {len(caught)} of {len(both)} persons on both sides are found,")
    print(f"              {false} of {strange} pairs of strangers are false")
    gaps = np.abs(number[:, None] - number[None])
    for gap in (1, 2, 3, 4):
        mask = across & same & (gaps == gap)
        if not mask.any():
            continue
        print(f"              {gap} slices apart: {hits[mask].mean():.1%} of {int(mask.sum()) // 2} pairs found")


if __name__ == "__main__":
    sys.exit(main())
