"""audit.html: what was found, as one page without a script; the pairs that cross a split are pictured."""

import datetime
from pathlib import Path

import numpy as np
from PIL import Image

from progan_style.audit.findings import Audit, Near
from progan_style.data.gray import thumbnail
from progan_style.files import png_uri
from progan_style.page import Block, Grade, Listing, Page, Picture, Row, Section, Table, Text, render_page

PICTURED = 24  # pairs
SIDE = 160  # pixels of a picture
KINDS = {"identical": "the same pixels", "copy": "copies, altered or not", "person": "of one person"}

GLOSSARY = {
    "split|splits": "train, validate and test: the parts of a data folder. A generator learns from the first alone.",
    "likeness": "How alike two slices are by their pixels, after a shift and a turn: 1 for the same picture.",
    "stated": "A manifest or --names says who a slice is of. Nothing is certified of persons that are guessed.",
    "effect": "The difference of two classes in standard deviations; of sex, the difference of the shares.",
    "p": "The probability of such a difference by chance alone.",
}

RULE = (
    "clean: persons are stated, and no person and no pair of slices stands in two splits. Crosses: one does, or the "
    "pixels contradict what is said of persons. Otherwise unclear"
)
LIMITS = (
    "Pixels find copies (moved by a pixel, turned by 2 degrees, 5 % of contrast, saved as JPEG) and neighbouring "
    "slices of a person. An altered copy and a slice less than a millimetre away look the same. Slices of one person "
    "that lie further apart look like two persons'. Without stated persons a folder cannot be proved clean."
)
CONFOUND = ("what", "effect", "classes", "p")


def picture(path: Path) -> Image.Image:
    return thumbnail(str(path), SIDE, Image.Resampling.BILINEAR)


def figure(root: Path, near: Near) -> Picture:
    """Both slices and their absolute difference, side by side."""
    both = [np.asarray(picture(root / name), np.int16) for name in (near.first, near.second)]
    sides = np.concatenate([*both, np.abs(both[0] - both[1])], axis=1).astype(np.uint8)
    return Picture(
        title=f"{KINDS[near.kind]}, likeness {near.likeness:.3f}",
        source=png_uri(Image.fromarray(sides)),
        alt=f"Two slices side by side and the difference of their gray levels: {near.first} and {near.second}.",
        shown=f"Left {near.first}. Middle {near.second}. Right their difference, black where they are equal.",
    )


def table(counts: dict[str, dict[str, int]], what: str) -> Table:
    """A row for each split, a column for each class; 0 where there is none."""
    classes = tuple(dict.fromkeys(name for of in counts.values() for name in of))
    rows = [Row(split, tuple(f"{of.get(name, 0):,}" for name in classes)) for split, of in counts.items()]
    return Table(what, ("split", *classes), rows)


def page(result: Audit, root: Path) -> str:
    """The whole page."""
    kind = "bad" if result.crosses or result.alarm else "good" if result.persons_stated else "unclear"
    grade = {"bad": "crosses", "good": "clean", "unclear": "unclear"}[kind]
    shown = result.pairs[:PICTURED]
    total = sum(result.pairs_found.values())
    crossing: list[Block] = [figure(root, near) for near in shown]
    total_slices = sum(sum(of.values()) for of in result.slices.values())
    sections = [
        Section(
            "What is in it",
            "How many slices and persons does each split have?",
            f"{total_slices:,} slices; {result.persons_are}.",
            [table(result.slices, "slices"), *([table(result.persons, "persons")] if result.persons else [])],
        ),
        Section(
            "Across splits",
            "Does a person or a copy stand in two splits?",
            f"{result.verdict[0].upper()}{result.verdict[1:]}."
            + (f" The {len(shown)} most alike of {total} pairs are pictured." if total else ""),
            crossing,
        ),
        Section(
            "All lines",
            "What did the audit print?",
            "The same is in audit.json, with the names of all slices.",
            [Table("what differs between the classes besides the disease", CONFOUND, confounds(result))]
            * bool(result.confounds)
            + [Listing("as printed", "\n".join(result.lines()))],
        ),
        Section("What this can and cannot tell", "Is the folder clean?", "", [Text(LIMITS)]),
    ]
    facts = [
        ("date", datetime.date.today().isoformat()),
        ("folder", root.resolve().name),
        ("slices", f"{total_slices:,}"),
    ]
    verdict = [Grade("splits", grade, kind, f"{result.verdict[0].upper()}{result.verdict[1:]}", RULE)]
    return render_page(Page(f"Audit of {root.resolve().name}", facts, verdict, [], sections, GLOSSARY))


def confounds(result: Audit) -> list[Row]:
    """What differs between the classes, the flagged ones marked."""
    return [
        Row(
            c.what,
            (
                f"{c.effect:+.2f}",
                f"{c.classes[0]} {c.values[0]:.2f}, {c.classes[1]} {c.values[1]:.2f}",
                "slices are no independent draws" if c.chance is None else f"{c.chance:.2g}",
            ),
            marks=("a confound",) if c.flagged else (),
        )
        for c in result.confounds
    ]
