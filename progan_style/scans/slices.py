"""An existing folder of slices: which classes it has, whose slices they are; and the same slices split by person."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from progan_style.data.classes import (
    GROUPS,
    LEAVE_OUT,
    alias_table,
    find_classes,
    folders_inside,
    has_pictures,
    not_read,
)
from progan_style.data.folder import SPLITS, UNLABELLED, Slice, apply_manifest, plain, read_folder, some
from progan_style.data.gray import SUFFIXES, read_gray
from progan_style.data.manifest import MANIFEST, read_manifest, write_manifest
from progan_style.data.persons import GUESSED_SUBJECT, STATED, UNKNOWN, Names, from_path, subjects_of
from progan_style.files import new_folder, refuse_inside, refuse_used
from progan_style.scans import writing
from progan_style.scans.demographics import counted
from progan_style.scans.matching import Match, match, one_name
from progan_style.scans.participants import Sheet, describe, key, read_sheet
from progan_style.scans.settings import USUAL, PrepareSettings
from progan_style.scans.split import parse_shares


@dataclass
class SliceSet:
    """The slices of a folder: M of them, in the order of their paths."""

    root: Path
    class_names: tuple[str, ...]
    slices: list[Slice]  # [M]; label indexes class_names
    subjects: np.ndarray  # [M] persons, stated or guessed, "" where unknown
    subjects_are: str  # STATED, GUESSED or UNKNOWN
    why: str  # the reason in words
    unused: tuple[str, ...]

    @property
    def known(self) -> bool:
        return self.subjects_are != UNKNOWN

    @property
    def stated(self) -> bool:
        return self.subjects_are == STATED

    def path(self, index: int) -> Path:
        return self.root / self.slices[index].path


def open_slices(root: str | os.PathLike[str], aliases: Sequence[str] = (), names: Names | None = None) -> SliceSet:
    """A folder of slices in any form that train.py reads, or of pictures alone (then unlabelled) -> SliceSet.

    names: says whose they are, whatever a manifest says.
    Raises FileNotFoundError or ValueError, one line, if there are none or if manifest and folders disagree.
    """
    root = os.fspath(root).rstrip("/") or "/"
    class_of = {name: label for name, label in find_classes(root, aliases).items() if label != LEAVE_OUT}
    named = [name for name in class_of if not name.isdigit()]  # StyleGAN's folders are numbers
    if not named and not has_pictures(root) and (unread := not_read(root)):
        raise ValueError(f"{root}: no folder of slices{unread}")
    if not class_of:
        if not has_pictures(root):
            inside = folders_inside(root)
            hint = f"; did you mean {' or '.join(inside)}?" if inside else ""
            raise FileNotFoundError(
                f"{root}: no slices; expected SPLIT/CLASS/, CLASS/ or pictures ({', '.join(SUFFIXES)}){hint}"
            )
        flat, has_subjects = _flat(root)
        return _with_subjects(root, (UNLABELLED,), flat, has_subjects, (), names)
    known = [name for name in GROUPS if name in class_of.values()]
    class_names = (*known, *sorted(set(class_of.values()) - set(known)))
    others = {name: label for name, label in class_of.items() if plain(name) != plain(label)}
    folder = read_folder(root, class_names, others, "subject", audit=True)
    return _with_subjects(root, class_names, folder.slices, folder.has_subjects, folder.unused, names)


def _flat(root: str) -> tuple[list[Slice], bool]:
    """The pictures of a folder without classes, with the words of its manifest, and whether that names persons."""
    shown = (name for name in os.listdir(root) if name[0] != "." and name.lower().endswith(SUFFIXES))
    files = sorted(name for name in shown if os.path.isfile(os.path.join(root, name)))
    stats = [os.stat(os.path.join(root, name)) for name in files]
    found = {n: Slice(n, s.st_size, s.st_mtime_ns, "", 0) for n, s in zip(files, stats, strict=True)}
    header, lines = read_manifest(root)
    slices = list(found.values())
    if header:
        slices, _ = apply_manifest(root, found, lines, {}, (UNLABELLED,), "subject", None)
    for item in slices:
        item.split = item.split or "train"
    return slices, "subject" in header


def _with_subjects(
    root: str,
    class_names: tuple[str, ...],
    slices: list[Slice],
    stated: bool,
    unused: tuple[str, ...],
    names: Names | None,
) -> SliceSet:
    slices = sorted(slices, key=lambda item: item.path)
    if names is not None:
        by_name = np.array([names(item.path).subject for item in slices])
        return SliceSet(Path(root), class_names, slices, by_name, STATED, f"--names '{names.text}'", unused)
    subjects, subjects_are, why = subjects_of(slices, stated, "subject", class_names, class_names)
    return SliceSet(Path(root), class_names, slices, subjects, subjects_are, why, unused)


def prepare_slices(
    source: str | os.PathLike[str],
    to: str | os.PathLike[str],
    settings: PrepareSettings = USUAL,
    *,
    say: Callable[[str], None] = lambda line: None,
) -> tuple[Path, list[dict[str, str]], dict[str, str]]:
    """A folder of slices -> the same files split by person, in `to`: the folder, the manifest's rows, bad files.

    Which split a slice stood in before does not matter. Bytes are unchanged. Persons come from the sheet, the manifest
    or are guessed from the file names; where none of them tells, nothing is split. Raises FileNotFoundError or
    ValueError, one line.
    """
    source, to = Path(source), Path(to)
    shares = parse_shares(settings.split)
    refuse_inside(to, source, "--to")
    refuse_used(to)
    names = Names(settings.names) if settings.names else None
    found = open_slices(source, settings.aliases, names)
    say(f"source    {source}: {len(found.slices)} slices of {', '.join(found.class_names)}")
    if found.unused:
        say(f"not used  {some(found.unused)}")
    pictures = {item.path: _picture(found, i, names) for i, item in enumerate(found.slices)}
    guessed = [path for path, picture in pictures.items() if picture.guessed]
    told: list[str] = []
    if settings.labels is not None:
        pictures, told = _told_by_sheet(settings.labels, found, pictures, settings, say)
    if not pictures:
        raise ValueError(f"{source}: none of the {len(found.slices)} slices has a row with a group in the sheet")
    if not all(picture.subject for picture in pictures.values()):
        raise ValueError(
            f"{source}: persons unknown ({found.why}), so nothing can be split by person; say where a name tells its "
            f"person with --names '{{subject}}_*', add a {MANIFEST} with the columns path and subject, or give a sheet "
            f"with these columns as --labels"
        )
    why = _who_says(found, guessed, pictures)
    say(writing.persons_line([*pictures.values()], why))
    bad = {path: fault for path, fault in unreadable(found).items() if path in pictures}
    if bad and settings.strict:
        name = next(iter(bad))
        raise ValueError(f"{name}: {bad[name]} (--strict: nothing was written)")
    with new_folder(to) as making:
        good = [picture for path, picture in pictures.items() if path not in bad]
        if not good:
            raise ValueError(f"{source}: none of the {len(pictures)} slices can be read")
        rows = writing.place(good, writing.split_of_persons(good, shares, settings.seed), making, move=False)
        writing.write_sheets(making, rows, "")
        card = {"slices": "copied as they were", "persons": why, "split": settings.split, "seed": settings.seed}
        remarks = [*told, *(f"{name} cannot be read" for name in bad)]
        name = to.resolve().name
        writing.write_card(making, name, source.resolve().name, rows, card, remarks, settings.terms)
        write_manifest(making, rows, writing.FIRST_COLUMNS)
    return to, rows, bad


def _picture(found: SliceSet, i: int, names: Names | None) -> writing.Picture:
    """One slice on its way, with the session that its name tells where no manifest does."""
    item = found.slices[i]
    columns = {name: cell for name, cell in item.extra.items() if name != GUESSED_SUBJECT}
    session = "" if "session" in columns else (names or from_path)(item.path).session
    guessed = not found.stated and not item.subject
    subject = str(found.subjects[i]) or item.subject  # where a manifest does not name all, those whom it names
    return writing.Picture(found.path(i), found.class_names[item.label], subject, session, columns, guessed)


def _who_says(found: SliceSet, guessed: Sequence[str], pictures: Mapping[str, writing.Picture]) -> str:
    """Where the persons come from, in words; guessed: the slices whose person was a guess before the sheet is asked."""
    some_stated = len(guessed) < len(found.slices)
    why = found.why if found.known else f"column subject of {MANIFEST}" if some_stated else "file names"
    of_sheet = sum(not pictures[path].guessed for path in guessed if path in pictures)
    part = f", the sheet for {of_sheet} of {len(pictures)} slices" if of_sheet else ""
    return "the sheet" if of_sheet == len(pictures) else f"{why}{part}"


def _told_by_sheet(
    labels: str | os.PathLike[str],
    found: SliceSet,
    pictures: Mapping[str, writing.Picture],
    settings: PrepareSettings,
    say: Callable[[str], None],
) -> tuple[dict[str, writing.Picture], list[str]]:
    """The pictures that stay, with what the sheet says of them, and remarks for the card."""
    sheet = read_sheet(labels, alias_table(settings.aliases))
    kept, left = _ask_sheet(sheet, found, pictures, settings)
    people = counted([*{(picture.subject, picture.session): picture.columns for picture in kept.values()}.values()])
    for line in (*describe(sheet), *left, *(f"people    {line}" for line in people)):
        say(line)
    return kept, [*sheet.demographics.remarks(with_cells=False), *people]


def _ask_sheet(
    sheet: Sheet, found: SliceSet, pictures: Mapping[str, writing.Picture], settings: PrepareSettings
) -> tuple[dict[str, writing.Picture], list[str]]:
    """Give the pictures the sheet's persons, classes and columns -> those that stay, and what is told of the others.

    A slice whose class neither folder nor sheet tells is left out, where the sheet has groups; so is a group that the
    user leaves out. Raises ValueError where the sheet contradicts a folder.
    """
    names = Names(settings.names) if settings.names else None
    stated = ["" if picture.guessed else picture.subject for picture in pictures.values()]
    matches = match([item.path for item in found.slices], sheet, names, settings.nearest_visit, stated)
    _name_persons(pictures, matches, sheet)
    without, left = [], []
    for (path, picture), who in zip(pictures.items(), matches, strict=True):
        unknown = sheet.has_groups and picture.label == UNLABELLED
        row = who.row
        if row is None:
            without.append((path, unknown))
            continue
        own = picture.columns  # what an empty cell of the sheet does not wipe out
        picture.columns = own | {name: cell for name, cell in row.columns.items() if cell or name not in own}
        if row.label == LEAVE_OUT or (unknown and not row.label):
            left.append(path)
            continue
        if row.label and unknown:
            picture.label = row.label
        if row.label not in ("", picture.label):
            raise ValueError(
                f"{sheet.name} line {row.line}: {row.person.subject} is {row.label}, but "
                f"{path} lies in {picture.label}: correct one of them"
            )
    gone = [path for path, unknown in without if unknown]
    lines = [f"NO ROW    {len(gone)} slices have no row in {sheet.name}, left out: {some(gone)}"] if gone else []
    if used := [path for path, unknown in without if not unknown]:
        lines.append(
            f"NO ROW    {len(used)} slices have no row in {sheet.name}, used without its columns: {some(used)}"
        )
    if left:
        lines.append(f"LEFT OUT  {len(left)} slices whose row has no group in use: {some(left)}")
    out = {*gone, *left}
    return {path: picture for path, picture in pictures.items() if path not in out}, lines


def _name_persons(pictures: Mapping[str, writing.Picture], matches: Sequence[Match], sheet: Sheet) -> None:
    """Whose the pictures are, by the sheet where it tells. A guess from a file name overwrites nobody who is stated."""
    subjects = {key(row.person.subject) for row in sheet.rows}
    after = []
    for picture, who in zip(pictures.values(), matches, strict=True):
        is_told = who.row is not None or key(who.person.subject) in subjects
        after.append(who.person.subject if is_told or not picture.guessed else "")
    persons = [*pictures.values()]
    before = [picture.subject for picture in persons]
    names = one_name([*pictures], before, after, [not picture.guessed for picture in persons], sheet)
    some_stated = not all(picture.guessed for picture in persons)
    for picture, who, name in zip(persons, matches, names, strict=True):
        # Where a manifest states some persons, a file name that the sheet does not know may be one of theirs
        picture.subject = name or ("" if some_stated else who.person.subject)
        picture.guessed = picture.guessed and not (who.row is not None and who.stated)


def unreadable(found: SliceSet) -> dict[str, str]:
    """Files that are not the pictures their names promise, with the reason."""
    bad = {}
    for i, item in enumerate(found.slices):
        try:
            read_gray(str(found.path(i)))
        except ValueError as error:  # its name stands before it in what is passed on, where it lies does not
            bad[item.path] = str(error).removeprefix(f"{found.path(i)}: ").partition("; replace it")[0]
    return bad


def in_splits(found: SliceSet) -> dict[str, np.ndarray]:
    """Split -> indices of its slices; splits without slices are left out."""
    parts = {name: np.array([i for i, s in enumerate(found.slices) if s.split == name], int) for name in SPLITS}
    return {name: indices for name, indices in parts.items() if len(indices)}
