"""Who was scanned: persons, sessions and diagnoses, from file names and from a spreadsheet.

File names: BIDS entities (sub-01, ses-M00), ADNI (123_S_4567, image I12345), OASIS (OAS1_0001_MR1, OAS2_0001_MR2,
OAS30001_MR_d0129). A spreadsheet is a CSV (or TSV) with one row per person, per session or per image; its columns may
carry the names that ADNI, OASIS and BIDS give them. Rows find their files by path, image id, subject and session, or
subject.
"""

import csv
import hashlib
import os
import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from progan_style.data.classes import GROUPS, LEAVE_OUT
from progan_style.data.folder import plain, some

# The clinical dementia rating, where the column of groups is one; other numbers are codes that only their owner knows
CDR = {"0": "CN", "0.5": "AD", "1": "AD", "2": "AD", "3": "AD"}
# Ours -> what others call the column, by squeezed()
COLUMNS = {
    "path": ("path", "file", "filename", "filepath", "scanpath"),
    "image": ("image", "imageid", "imagedataid", "imageuid"),
    "subject": ("subject", "subjectid", "participantid", "participant", "ptid", "person", "patientid", "id", "mrid"),
    "session": ("session", "sessionid", "visit", "viscode", "visitcode"),
    "group": ("group", "diagnosis", "dx", "dxgroup", "dxbl", "researchgroup", "label", "class", "cdr"),
    "age": ("age", "ageatvisit", "ageatscan", "ageatentry", "ageyears"),
    "sex": ("sex", "gender", "mf", "ptgender"),
}
NAMES_OF_PEOPLE = (
    "name", "patientname", "patientsname", "firstname", "lastname", "surname", "familyname", "givenname", "initials",
    "birthdate", "dateofbirth", "dob", "patientbirthdate", "address", "email", "phone",
)  # fmt: skip
# What the manifest says itself; a column of the sheet with such a name gets sheet_ before it
OWN_COLUMNS = ("path", "label", "subject", "split", "session", "scan", "plane", "slice_mm", "mm_per_pixel", "middle",
               "low", "high", "group")  # fmt: skip


@dataclass(frozen=True)
class Person:
    """What is known about one scan's person and visit; "" is not known."""

    subject: str = ""
    session: str = ""
    image: str = ""


@dataclass(frozen=True)
class Row:
    """One line of the sheet."""

    line: int
    person: Person
    path: str  # "" or relative to SOURCE, with /
    group: str  # as given
    label: str  # its class, "" without a group
    columns: dict[str, str]  # the rest, age and sex under these names


@dataclass
class Sheet:
    name: str
    rows: list[Row] = field(default_factory=list)
    has_groups: bool = False
    mapped: Counter[tuple[str, str]] = field(default_factory=Counter)  # (group as given, class) -> rows
    dropped: tuple[str, ...] = ()  # columns that may hold names of people


def squeezed(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def key(name: str) -> str:
    """A subject or session by which spellings meet: sub-ADNI002S0295, 002_S_0295 -> 002s0295."""
    text = squeezed(name)
    for start in ("sub", "ses", "adni"):
        text = text.removeprefix(start) or text
    return text


def from_path(path: str) -> Person:
    """Subject, session and image id that a path names by BIDS, ADNI or OASIS; "" where it does not."""
    if found := re.findall(r"(?:^|[/_])sub-([A-Za-z0-9]+)", path):
        session = re.findall(r"(?:^|[/_])ses-([A-Za-z0-9]+)", path)
        return Person(found[-1], session[-1] if session else "")
    if found := re.findall(r"(?<!\d)(\d{3}_S_\d{4,5})(?!\d)", path):
        image = re.findall(r"(?<![A-Za-z0-9])(I\d{3,9})(?!\d)", path)
        return Person(found[-1], "", image[-1] if image else "")
    if found := re.findall(r"(OAS[12]_\d{4})(?:_(MR\d+))?", path):
        sessions = [session for _, session in found if session]
        return Person(found[-1][0], sessions[-1] if sessions else "")
    if found := re.findall(r"(OAS3\d{4})(?:[^/]*?_(d\d{4}))?", path):
        sessions = [session for _, session in found if session]
        return Person(found[-1][0], sessions[-1] if sessions else "")
    return Person()


# --------------------------------------------------------------------------------------------------------- reading


def read_sheet(path: str | os.PathLike[str], aliases: Mapping[str, str]) -> Sheet:
    """A CSV or TSV of persons -> Sheet. Raises FileNotFoundError or ValueError, one line, with the line's number."""
    header, lines = _read_table(Path(path))
    ours: dict[str, str] = {}
    for name, others in COLUMNS.items():  # by the order of preference within COLUMNS, not that of the sheet
        ours[name] = next((column for other in others for column in header if squeezed(column) == other), "")
    if not ours["subject"] and not ours["path"]:
        raise ValueError(f"{path}: no column subject or path; its columns are {', '.join(header)}: rename one")
    if squeezed(ours["group"]) == "cdr":
        aliases = {**CDR, **{f"{rating}.0": label for rating, label in CDR.items()}, **aliases}
    used = set(ours.values())
    dropped = tuple(column for column in header if column not in used and squeezed(column) in NAMES_OF_PEOPLE)
    sheet = Sheet(str(path), has_groups=bool(ours["group"]), dropped=dropped)
    for number, cells in lines:
        group = cells.get(ours["group"], "")
        label = aliases.get(plain(group), "") if group else ""
        if group and not label:
            raise ValueError(
                f"{path} line {number}: group '{group}' is not known; expected {', '.join(GROUPS)} or another name of "
                f"one: add --alias '{group}=CLASS', or --alias '{group}=-' to leave these rows out"
            )
        if group:
            sheet.mapped[group, label] += 1
        named = from_path(cells.get(ours["path"], ""))
        from_subject = from_path(cells.get(ours["subject"], ""))  # OASIS writes OAS1_0001_MR1 into its column ID
        person = Person(
            from_subject.subject or cells.get(ours["subject"], "") or named.subject,
            cells.get(ours["session"], "") or from_subject.session or named.session,
            _image_id(cells.get(ours["image"], "")) or named.image,
        )
        where = cells.get(ours["path"], "").replace("\\", "/")
        if not person.subject:
            raise ValueError(f"{path} line {number}: no subject; every row needs one: whose scan is it?")
        columns = {_own_name(c, ours): v for c, v in cells.items() if _carried(c, ours) and c not in dropped}
        sheet.rows.append(Row(number, person, posixpath.normpath(where) if where else "", group, label, columns))
    _refuse_duplicates(sheet)
    return sheet


def _read_table(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; expected a CSV with the columns subject and group")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a CSV file in UTF-8 ({error.reason}); save it as CSV UTF-8") from None
    first = text.partition("\n")[0]
    delimiter = max("\t,;", key=first.count)
    try:
        reader = csv.reader(text.splitlines(), delimiter=delimiter, strict=True)
        header = [name.strip() for name in next(reader, [])]
        if not any(header) or len(set(header)) < len(header):
            raise ValueError(
                f"{path}: expected a first line of different column names, found {', '.join(header) or '-'}"
            )
        lines = []
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) > len(header):
                raise ValueError(f"{path} line {reader.line_num}: more cells than the header has columns")
            cells += [""] * (len(header) - len(cells))
            lines.append((reader.line_num, dict(zip(header, map(_cell, cells), strict=True))))
    except csv.Error as error:
        raise ValueError(f"{path} line {reader.line_num}: not CSV ({error})") from None
    if not lines:
        raise ValueError(f"{path}: no rows; expected one per person, session or image")
    return header, lines


def _cell(text: str) -> str:
    text = text.strip()
    return "" if text.lower() in ("n/a", "na", "nan") else text


def _image_id(text: str) -> str:
    return f"I{text}" if text.isdigit() else text


def _carried(column: str, ours: Mapping[str, str]) -> bool:
    return column in (ours["age"], ours["sex"]) or (column != "" and column not in ours.values())


def _own_name(column: str, ours: Mapping[str, str]) -> str:
    for name in ("age", "sex"):
        if column == ours[name]:
            return name
    return f"sheet_{column}" if column.lower() in OWN_COLUMNS else column


def _refuse_duplicates(sheet: Sheet) -> None:
    """Two rows that would claim the same scans are an error: which of them is right?"""
    seen: dict[tuple[str, ...], Row] = {}
    for row in sheet.rows:
        person = row.person
        claim = (row.path, person.image.lower(), key(person.subject), key(person.session))
        if row.path:
            claim = (row.path, "", "", "")
        elif person.image:
            claim = ("", person.image.lower(), "", "")
        if claim in seen:
            raise ValueError(
                f"{sheet.name} lines {seen[claim].line} and {row.line}: subject {person.subject} twice; expected one "
                f"row per person, or a column session, image or path that tells them apart"
            )
        seen[claim] = row


# -------------------------------------------------------------------------------------------------------- matching


@dataclass(frozen=True)
class Match:
    person: Person
    row: Row | None


def match(paths: Sequence[str], sheet: Sheet | None) -> list[Match]:
    """Who each scan (path relative to SOURCE) is of, and its row. Raises ValueError if a path fits two persons.

    Without a row the person is what the path names, Person() if it names nobody.
    """
    rows = sheet.rows if sheet else []
    by_path = {row.path: row for row in rows if row.path}
    by_image = {row.person.image.lower(): row for row in rows if row.person.image and not row.path}
    by_subject: dict[str, list[Row]] = {}
    for one in rows:
        if not one.path:
            by_subject.setdefault(key(one.person.subject), []).append(one)
    found = []
    for path in paths:
        person = from_path(path)
        person = person if person.subject or not rows else _from_sheet(path, by_subject)
        row = by_path.get(path) or by_image.get(person.image.lower()) or _by_session(person, by_subject)
        if row is not None:
            session = person.session or row.person.session
            person = replace(person, subject=row.person.subject, session=session)
        found.append(Match(person, row))
    return found


def _from_sheet(path: str, by_subject: Mapping[str, list[Row]]) -> Person:
    """The sheet's subject whose name a part of the path is, or begins with (p01/scan.nii, p01_T1.nii.gz)."""
    parts = path.split("/")
    parts[-1] = parts[-1].partition(".")[0]
    for part in reversed(parts):
        words = re.split(r"[^A-Za-z0-9]+", part)
        starts = [key("".join(words[:n])) for n in range(len(words), 0, -1)]
        for start in starts:  # the longest first
            if start in by_subject:
                return Person(by_subject[start][0].person.subject)
    return Person()


def _by_session(person: Person, by_subject: Mapping[str, list[Row]]) -> Row | None:
    """The row of a person's session; a row without a session speaks for all, a single row for a scan without one."""
    mine = by_subject.get(key(person.subject), []) if person.subject else []
    if person.session:
        session = key(person.session)
        exact = [row for row in mine if row.person.session and key(row.person.session) == session]
        general = [row for row in mine if not row.person.session and not row.person.image]
        return next(iter(exact + general), None)
    rows = [row for row in mine if not row.person.image]
    return rows[0] if len(rows) == 1 else None


# ----------------------------------------------------------------------------------------------------------- names


def safe(name: str) -> str:
    """A name that is one harmless part of a file name; "" if nothing is left."""
    text = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-_")[:60]
    return text


def safe_names(names: Iterable[str]) -> dict[str, str]:
    """name -> a harmless one, different names staying different, also where case does not count."""
    result: dict[str, str] = {}
    taken: set[str] = set()
    for name in sorted(set(names)):
        text = safe(name)
        if not text or text.lower() in taken:
            digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:8]
            text = f"{text[:50]}{'-' if text else ''}{digest}"
        taken.add(text.lower())
        result[name] = text
    return result


def participants_tsv(source: str | Path) -> Path | None:
    """The sheet that a BIDS folder brings along."""
    path = Path(os.fspath(source)) / "participants.tsv"
    return path if path.is_file() else None


def describe(sheet: Sheet) -> list[str]:
    """What was read, in lines to print."""
    lines = [f"labels    {sheet.name}: {len(sheet.rows)} rows"]
    if sheet.mapped:
        mapped = [f"{g} -> {c if c != LEAVE_OUT else 'left out'} ({n})" for (g, c), n in sorted(sheet.mapped.items())]
        lines.append(f"groups    {', '.join(mapped)}")
    if sheet.has_groups and (without := [row.person.subject for row in sheet.rows if not row.group]):
        lines.append(f"NO GROUP  {len(without)} rows: {some(without)}")
    if sheet.dropped:
        lines.append(f"dropped   columns that may name people: {', '.join(sheet.dropped)}")
    return lines
