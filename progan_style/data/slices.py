"""An existing folder of slices: which classes it has, whose slices they are; and the same slices split by person."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from progan_style.data import writing
from progan_style.data.folder import (
    AUDIT,
    MANIFEST,
    SHEETS,
    SPLIT_OF,
    SPLITS,
    Slice,
    plain,
    read_folder,
    read_manifest,
    some,
    subjects_of,
)
from progan_style.data.packing import SUFFIXES, read_gray
from progan_style.data.participants import GROUPS, UNLABELLED, alias_table, describe, match, read_sheet
from progan_style.data.split import parse_shares


@dataclass
class SliceSet:
    """The slices of a folder: M of them, in the order of their paths."""

    root: Path
    class_names: tuple[str, ...]
    slices: list[Slice]  # [M]; label indexes class_names
    subjects: np.ndarray  # [M] persons or groups of file names, "" where unknown
    subjects_are: str  # "persons", "groups of the file names", "unknown"
    why: str  # the reason in words
    unused: tuple[str, ...]

    @property
    def known(self) -> bool:
        return self.subjects_are != "unknown"

    def path(self, index: int) -> Path:
        return self.root / self.slices[index].path


def _folders(path: str) -> list[str]:
    with os.scandir(path) as entries:
        return sorted(e.name for e in entries if e.is_dir() and e.name[0] != "." and e.name not in (SHEETS, AUDIT))


def has_pictures(path: str) -> bool:
    """Whether pictures lie directly in a folder."""
    with os.scandir(path) as entries:
        return any(e.name[0] != "." and e.name.lower().endswith(SUFFIXES) and e.is_file() for e in entries)


def find_classes(root: str, aliases: Sequence[str] = ()) -> dict[str, str]:
    """Folder and manifest names -> classes, by the table of group names; a name that it lacks is a class of its own."""
    if not os.path.isdir(root):
        raise FileNotFoundError(f"{root}: no such folder; expected a folder of slices")
    top = _folders(root)
    splits = [name for name in top if plain(name) in SPLIT_OF]
    inner = [(f"{root}/{split}", name) for split in splits for name in _folders(f"{root}/{split}")]
    names = {name for where, name in (inner if splits else [(root, n) for n in top]) if has_pictures(f"{where}/{name}")}
    header, lines = read_manifest(root)
    if "label" in header:
        names |= {row["label"] for _, row in lines if row["label"]}
    table = alias_table(aliases)
    return {name: table.get(plain(name), name) for name in sorted(names)}


def open_slices(root: str | os.PathLike[str], aliases: Sequence[str] = ()) -> SliceSet:
    """A folder of slices in any form that train.py reads, or of pictures alone (then unlabelled) -> SliceSet.

    Raises FileNotFoundError or ValueError, one line, if there are none or if manifest and folders disagree.
    """
    root = os.fspath(root).rstrip("/") or "/"
    class_of = find_classes(root, aliases)
    if not class_of:
        if not has_pictures(root):
            raise FileNotFoundError(
                f"{root}: no slices; expected SPLIT/CLASS/, CLASS/ or pictures ({', '.join(SUFFIXES)})"
            )
        names = sorted(name for name in os.listdir(root) if name[0] != "." and name.lower().endswith(SUFFIXES))
        stats = [os.stat(os.path.join(root, name)) for name in names]
        flat = [Slice(n, s.st_size, s.st_mtime_ns, "train", 0) for n, s in zip(names, stats, strict=True)]
        return _with_subjects(root, (UNLABELLED,), flat, False, ())
    known = [name for name in GROUPS if name in class_of.values()]
    class_names = (*known, *sorted(set(class_of.values()) - set(known)))
    others = {name: label for name, label in class_of.items() if plain(name) != plain(label)}
    folder = read_folder(root, class_names, others, "subject")
    return _with_subjects(root, class_names, folder.slices, folder.has_subjects, folder.unused)


def _with_subjects(
    root: str, class_names: tuple[str, ...], slices: list[Slice], stated: bool, unused: tuple[str, ...]
) -> SliceSet:
    slices = sorted(slices, key=lambda item: item.path)
    subjects, subjects_are, why = subjects_of(slices, stated, "subject", class_names, class_names)
    return SliceSet(Path(root), class_names, slices, subjects, subjects_are, why, unused)


def prepare_slices(
    source: str | os.PathLike[str],
    to: str | os.PathLike[str],
    *,
    labels: str | os.PathLike[str] | None = None,
    aliases: Sequence[str] = (),
    split: str = "80/10/10",
    seed: int = 999,
    terms: str = "",
    strict: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> tuple[Path, list[dict[str, str]], dict[str, str]]:
    """A folder of slices -> the same files split by person, in `to`: the folder, the manifest's rows, bad files.

    Which split a slice stood in before does not matter. Bytes are unchanged. Persons come from the sheet, the manifest
    or the file names; where none of them tells, nothing is split. Raises FileNotFoundError or ValueError, one line.
    """
    source, to = Path(source), Path(to)
    shares = parse_shares(split)
    writing.refuse_used(to)
    found = open_slices(source, aliases)
    say(f"source    {source}: {len(found.slices)} slices of {', '.join(found.class_names)}")
    if found.unused:
        say(f"not used  {some(found.unused)}")
    sheet = read_sheet(labels, alias_table(aliases)) if labels is not None else None
    subjects, classes = list(found.subjects), [found.class_names[item.label] for item in found.slices]
    columns = [dict(item.extra) for item in found.slices]
    if sheet:
        for line in describe(sheet):
            say(line)
        for i, who in enumerate(match([item.path for item in found.slices], sheet)):
            if who.row is not None:
                subjects[i] = who.row.person.subject
                columns[i] |= who.row.columns
                classes[i] = who.row.label if who.row.label and classes[i] == UNLABELLED else classes[i]
                if who.row.label not in ("", classes[i]):
                    raise ValueError(
                        f"{sheet.name} line {who.row.line}: {who.row.person.subject} is {who.row.label}, but "
                        f"{found.slices[i].path} lies in {classes[i]}: correct one of them"
                    )
    if not all(subjects):
        raise ValueError(
            f"{source}: persons unknown ({found.why}), so nothing can be split by person; add a {MANIFEST} with the "
            f"columns path and subject, or give a sheet with these columns as --labels"
        )
    kind = found.subjects_are if found.known else "persons"
    say(f"persons   {len(set(subjects))} {kind}: {found.why if found.known else 'the sheet'}")
    bad = unreadable(found)
    if bad and strict:
        raise ValueError(f"{next(iter(bad.values()))} (--strict: nothing was written)")
    with writing.new_folder(to):
        pictures = [
            writing.Picture(found.path(i), classes[i], str(subjects[i]), columns=columns[i])
            for i, item in enumerate(found.slices)
            if item.path not in bad
        ]
        if not pictures:
            raise ValueError(f"{source}: none of the {len(found.slices)} slices can be read")
        rows = writing.place(pictures, writing.split_of_persons(pictures, shares, seed), to, move=False)
        writing.write_sheets(to, rows, "")
        settings = {"slices": "copied as they were", "persons": found.why, "split": split, "seed": seed}
        writing.write_card(to, source.resolve().name, rows, settings, [f"{n} cannot be read" for n in bad], terms)
        writing.write_manifest(to, rows)
    return to, rows, bad


def unreadable(found: SliceSet) -> dict[str, str]:
    """Files that are not the pictures their names promise, with the reason."""
    bad = {}
    for i, item in enumerate(found.slices):
        try:
            read_gray(str(found.path(i)))
        except ValueError as error:
            bad[item.path] = str(error).partition("; replace it")[0]
    return bad


def in_splits(found: SliceSet) -> dict[str, np.ndarray]:
    """Split -> indices of its slices; splits without slices are left out."""
    parts = {name: np.array([i for i, s in enumerate(found.slices) if s.split == name], int) for name in SPLITS}
    return {name: indices for name, indices in parts.items() if len(indices)}
