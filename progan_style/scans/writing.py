"""Slices that are ready -> a data folder that train.py reads: SPLIT/CLASS/*.png, manifest.csv, sheets/, DATASET.md."""

import os
import shutil
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from progan_style.data.folder import FOLDER_OF, SHEETS, SPLITS
from progan_style.data.persons import GUESSED, GUESSED_SUBJECT, STATED
from progan_style.files import printable, write_whole
from progan_style.scans.participants import safe_names
from progan_style.scans.sheet import contact_sheet
from progan_style.scans.split import Member, assign

WHICH_WAY_UP = f"{SHEETS}/which way up.png"  # scans whose head's shape contradicts the header
FIRST_COLUMNS = ("path", "label", "subject", GUESSED_SUBJECT, "split", "session", "scan")


@dataclass
class Picture:
    """One slice on its way. subject and session as they were given; names of files are made from them here."""

    source: Path
    label: str
    subject: str
    session: str = ""
    columns: dict[str, str] = field(default_factory=dict)  # further columns of the manifest
    guessed: bool = False  # nobody states the subject


def split_of_persons(pictures: Sequence[Picture], shares: Mapping[str, int], seed: int) -> dict[str, str]:
    """subject -> split. A person of several groups (a later visit with dementia) counts to the one that is rarest."""
    of_person: dict[str, list[Picture]] = {}
    for picture in pictures:
        of_person.setdefault(picture.subject, []).append(picture)
    persons = Counter(label for mine in of_person.values() for label in {p.label for p in mine})
    members = [
        Member(
            subject,
            min((p.label for p in mine), key=lambda label: (persons[label], label)),
            next((p.columns["sex"] for p in mine if p.columns.get("sex")), ""),
            next((p.columns["age"] for p in mine if p.columns.get("age")), ""),
        )
        for subject, mine in of_person.items()
    ]
    return assign(members, shares, seed)


def place(pictures: Sequence[Picture], split_of: Mapping[str, str], to: Path, move: bool) -> list[dict[str, str]]:
    """Bring the pictures to SPLIT/CLASS/SUBJECT[_SESSION]_KK.suffix -> the manifest's rows, in their order.

    Names of persons and sessions are made harmless; nothing they hold can lead out of the folder.
    """
    subjects = safe_names(p.subject for p in pictures)
    sessions = safe_names(p.session for p in pictures if p.session)
    numbers: Counter[str] = Counter()
    rows = []
    for picture in pictures:
        split, subject = split_of[picture.subject], subjects[picture.subject]
        stem = "_".join([subject, sessions[picture.session]] if picture.session else [subject])
        path = f"{FOLDER_OF[split]}/{picture.label}/{stem}_{numbers[stem]:02d}{picture.source.suffix.lower()}"
        numbers[stem] += 1
        target = to / path
        target.parent.mkdir(parents=True, exist_ok=True)
        (os.replace if move else shutil.copyfile)(picture.source, target)
        session = sessions.get(picture.session, "")
        person = {GUESSED_SUBJECT if picture.guessed else "subject": subject}
        columns = {"path": path, "label": picture.label, **person, "split": split, "session": session}
        rows.append(columns | picture.columns)
    return rows


def person_of(row: Mapping[str, str]) -> str:
    """The person of a manifest's row, stated or guessed."""
    return row.get("subject") or row[GUESSED_SUBJECT]


def persons_are(rows: Sequence[Mapping[str, str]]) -> str:
    """What the persons of a manifest are called: guessed, if one of them is."""
    return GUESSED if any(row.get(GUESSED_SUBJECT) for row in rows) else STATED


def persons_line(pictures: Sequence[Picture], why: str) -> str:
    """How many persons there are, and who says so."""
    guessed = {picture.subject for picture in pictures if picture.guessed}
    stated = {picture.subject for picture in pictures} - guessed
    counts = [(len(stated), STATED), (len(guessed), GUESSED)]
    return f"persons   {' and '.join(f'{count} {are}' for count, are in counts if count)}: {why}"


def write_sheets(to: Path, rows: Sequence[Mapping[str, str]], left: str, doubtful: Collection[str] = ()) -> list[Path]:
    """A contact sheet per class, and one of the doubtful scans -> their paths.

    left: what is on the left of a picture, "" if unknown. doubtful: scans that may not be upright.
    """
    (to / SHEETS).mkdir()
    paths = []
    for label in sorted({row["label"] for row in rows}):
        paths.append(_write_sheet(to, f"{SHEETS}/{label}.png", label, [r for r in rows if r["label"] == label], left))
    if doubtful:
        shown = [row for row in rows if row.get("scan") in doubtful]
        paths.append(_write_sheet(to, WHICH_WAY_UP, "header and shape disagree on which way is up", shown, left))
    return paths


def _write_sheet(to: Path, name: str, what: str, rows: Sequence[Mapping[str, str]], left: str) -> Path:
    scans: dict[str, dict[float, Path]] = {}
    names = [row.get("scan") or " ".join(filter(None, (person_of(row), row["session"]))) for row in rows]
    names = [f"{name} {row['split']}" for name, row in zip(names, rows, strict=True)]
    levels = _levels(rows, names)
    for row, name_of, level in zip(rows, names, levels or [0.0] * len(rows), strict=True):
        mine = scans.setdefault(name_of, {})
        mine[level if levels else len(mine)] = to / row["path"]
    title = f"{what}: {len(scans)} scans, {len(rows)} slices"
    contact_sheet(title, scans, left, "mm" if levels else "").save(to / name)
    return to / name


def _levels(rows: Sequence[Mapping[str, str]], scans: Sequence[str]) -> list[float]:
    """The heights of slices, mm, as their manifest says; none if one has none, or if two of a scan have the same."""
    try:
        found = [float(row.get("slice_mm", "")) for row in rows]
    except ValueError:
        return []
    return found if len(set(zip(scans, found, strict=True))) == len(rows) else []


def count_table(rows: Sequence[Mapping[str, str]]) -> list[tuple[str, str, int, int, int]]:
    """(split, class, persons, scans, slices) of a manifest's rows, in the order of the splits."""
    table = []
    for split in SPLITS:
        for label in sorted({row["label"] for row in rows}):
            mine = [row for row in rows if row["split"] == split and row["label"] == label]
            if mine:
                scans = {(person_of(row), row["session"], row.get("scan", "")) for row in mine}
                table.append((split, label, len({person_of(row) for row in mine}), len(scans), len(mine)))
    return table


def promise(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """What may be said of persons and splits, in lines of DATASET.md."""
    if persons_are(rows) == STATED:
        return ["No person stands in two splits."]
    return [
        f"The persons are {GUESSED.removeprefix('persons ')}; nobody states them. No guessed person stands in two",
        "splits. A person who goes by two names counts as two, and may.",
    ]


def write_card(
    to: Path,
    name: str,
    source: str,
    rows: Sequence[Mapping[str, str]],
    settings: Mapping[str, object],
    remarks: Sequence[str],
    terms: str,
) -> None:
    """DATASET.md: what this is, how much of it, how it was made, under which terms."""
    lines = [f"# {name}", "", f"Brain MR slices made by prepare.py from {source}.", ""]
    lines += [f"| split | class | {persons_are(rows)} | scans | slices |", "|---|---|---|---|---|"]
    lines += [f"| {' | '.join(map(str, row))} |" for row in count_table(rows)]
    lines += ["", *promise(rows), "", "## Settings", "", "| setting | value |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in settings.items()]
    lines += ["", "## Remarks", "", *[f"- {remark}" for remark in remarks or ["none"]]]
    lines += ["", "## Terms", "", terms.strip() or "None were given (--terms); ask the owner of the scans."]
    write_whole(to / "DATASET.md", printable("\n".join(lines) + "\n").encode())
