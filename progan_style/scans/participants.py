"""Who was scanned: persons, sessions and diagnoses, from a spreadsheet.

It is a CSV (or TSV) with one row per person, per session or per image; its columns may carry the names that ADNI, OASIS
and BIDS give them.
"""

import codecs
import csv
import hashlib
import os
import posixpath
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from progan_style.data.classes import GROUPS, LEAVE_OUT
from progan_style.data.folder import plain, some
from progan_style.data.persons import Person, from_path
from progan_style.files import from_text
from progan_style.scans.demographics import Demographics, find_demographics

# The clinical dementia rating, where the column of groups is one; other numbers are codes that only their owner knows
CDR = {"0": "CN", "0.5": "AD", "1": "AD", "2": "AD", "3": "AD"}
CDR_COLUMNS = ("cdr", "cdrtot", "cdrglob")
# Ours -> what others call the column, by squeezed()
COLUMNS = {
    "path": ("path", "file", "filename", "filepath", "scanpath"),
    "image": ("image", "imageid", "imagedataid", "imageuid"),
    "scan": ("mriid", "mrid", "mrsession", "oasissessionlabel"),  # names subject and session at once: OAS2_0001_MR1
    "subject": ("subject", "subjectid", "participantid", "participant", "ptid", "person", "patientid", "oasisid", "id"),
    "session": ("session", "sessionid", "visit", "viscode", "visitcode"),
    "day": ("daystovisit",),  # since the person came into the study, as OASIS-3 counts
    "date": ("examdate", "acqdate", "scandate", "visitdate", "acquisitiondate", "studydate", "date"),
    "group": ("group", "diagnosis", "dx", "dxgroup", "dxbl", "researchgroup", "label", "class", *CDR_COLUMNS),
}
NAMES_OF_PEOPLE = (
    "name", "patientname", "patientsname", "firstname", "lastname", "surname", "familyname", "givenname", "initials",
    "birthdate", "dateofbirth", "dob", "patientbirthdate", "address", "email", "phone",
)  # fmt: skip
# What the manifest says itself; a column of the sheet with such a name gets sheet_ before it
OWN_COLUMNS = ("path", "label", "subject", "split", "session", "scan", "plane", "slice_mm", "mm_per_pixel", "middle",
               "low", "high", "group", "age", "sex", "guessed_subject", "template_mm", "similarity", "pitch",
               "to_scan")  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One line of the sheet."""

    line: int
    person: Person
    path: str  # "" or relative to SOURCE, with /
    group: str  # as given
    label: str  # its class, "" without a group
    columns: dict[str, str]  # the rest; age in years and sex as F or M under these names
    stated: bool = True  # its subject stands in the sheet, not in a path alone


@dataclass
class Sheet:
    name: str
    rows: list[Row] = field(default_factory=list)
    has_groups: bool = False
    mapped: Counter[tuple[str, str]] = field(default_factory=Counter)  # (group as given, class) -> rows
    dropped: tuple[str, ...] = ()  # columns that may hold names of people
    ours: dict[str, str] = field(default_factory=dict)  # a name in COLUMNS -> the sheet's column, "" if it has none
    demographics: Demographics = field(default_factory=Demographics)


def squeezed(name: str) -> str:
    return re.sub(r"[\W_]", "", name.lower())


def key(name: str) -> str:
    """A subject or session by which spellings meet: sub-ADNI002S0295, 002_S_0295 -> 002s0295."""
    text = squeezed(name) or name
    for start in ("sub", "ses", "adni"):
        text = text.removeprefix(start) or text
    return text


def separated(name: str) -> str:
    """key() with the separators between its digits: 1_1 is not 11."""
    return key(re.sub(r"(?<=\d)[^A-Za-z0-9]+(?=\d)", "s", name.lower()))


def visit(session: str) -> str:
    """A session by which spellings meet: MR1 and visit 01 -> 1, bl and M000 -> m0, m06 -> m6."""
    text = key(session)
    for start in ("visit", "mr"):
        text = text.removeprefix(start) or text
    text = "m0" if text in ("bl", "baseline") else text
    return re.sub(r"(?<!\d)0+(?=\d)", "", text)


# --------------------------------------------------------------------------------------------------------- reading


def read_sheet(path: str | os.PathLike[str], aliases: Mapping[str, str]) -> Sheet:
    """A CSV or TSV of persons -> Sheet. Raises FileNotFoundError or ValueError, one line, with the line's number."""
    header, lines = _read_table(Path(path))
    ours: dict[str, str] = {}
    for name, others in COLUMNS.items():  # by the order of preference within COLUMNS, not that of the sheet
        ours[name] = next((column for other in others for column in header if squeezed(column) == other), "")
    if not ours["subject"] and not ours["path"] and not ours["scan"]:
        raise ValueError(f"{path}: no column subject or path; its columns are {', '.join(header)}: rename one")
    if squeezed(ours["group"]) in CDR_COLUMNS:
        aliases = {**CDR, **{f"{rating}.0": label for rating, label in CDR.items()}, **aliases}
    used = set(ours.values())
    dropped = tuple(column for column in header if column not in used and squeezed(column) in NAMES_OF_PEOPLE)
    tells = find_demographics({squeezed(column): column for column in reversed(header)}, Path(path))
    sheet = Sheet(str(path), has_groups=bool(ours["group"]), dropped=dropped, ours=ours, demographics=tells)
    idle = {"", *ours.values(), *tells.columns, *dropped}
    read_date = date_reader([cells.get(ours["date"], "") for _, cells in lines], f"{path}: column {ours['date']}")
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
        person = _person(cells, ours, read_date)
        where = cells.get(ours["path"], "").replace("\\", "/")
        if not person.subject:
            raise ValueError(f"{path} line {number}: no subject; every row needs one: whose scan is it?")
        columns = tells.read(cells, number) | {_own_name(c): v for c, v in cells.items() if c not in idle}
        path_of = posixpath.normpath(where) if where else ""
        stated = bool(cells.get(ours["subject"], "") or cells.get(ours["scan"], ""))
        sheet.rows.append(Row(number, person, path_of, group, label, columns, stated))
    _refuse_duplicates(sheet)
    first = {key(row.person.subject): row.person.subject for row in reversed(sheet.rows)}  # one spelling of a person
    sheet.rows = [replace(r, person=replace(r.person, subject=first[key(r.person.subject)])) for r in sheet.rows]
    return sheet


def _person(cells: Mapping[str, str], ours: Mapping[str, str], read_date: Callable[[str], str]) -> Person:
    """Who a row is of, and which visit."""
    named = from_path(cells.get(ours["path"], ""))
    scan = from_path(cells.get(ours["scan"], ""))
    subject = from_path(cells.get(ours["subject"], ""))  # OASIS-1 writes OAS1_0001_MR1 into its column ID
    day = cells.get(ours["day"], "")
    return Person(
        subject.subject
        or cells.get(ours["subject"], "")
        or scan.subject
        or cells.get(ours["scan"], "")
        or named.subject,
        scan.session or cells.get(ours["session"], "") or subject.session or named.session or (day and f"d{day}"),
        _image_id(cells.get(ours["image"], "")) or named.image,
        read_date(cells.get(ours["date"], "")) or named.date,
    )


def date_reader(cells: Sequence[str], where: str) -> Callable[[str], str]:
    """How a column writes its dates: a function to YYYY-MM-DD, "" for what is none.

    Raises ValueError if the days cannot be told from the months.
    """
    slashed = [(int(a), int(b)) for a, b in re.findall(r"^(\d{1,2})[/.](\d{1,2})[/.]\d{4}", "\n".join(cells), re.M)]
    day_first, month_first = any(a > 12 for a, _ in slashed), any(b > 12 for _, b in slashed)
    if slashed and day_first == month_first and any(a != b for a, b in slashed):
        raise ValueError(f"{where}: days and months cannot be told apart; expected dates such as 2005-08-26")

    def read(cell: str) -> str:
        if found := re.match(r"\d{4}-\d{2}-\d{2}(?!\d)", cell):
            return found[0]
        if found := re.match(r"(\d{1,2})[/.](\d{1,2})[/.](\d{4})", cell):
            day, month = (found[1], found[2]) if day_first else (found[2], found[1])
            return f"{found[3]}-{int(month):02d}-{int(day):02d}"
        return ""

    return read


def _read_table(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; expected a CSV with the columns subject and group")
    content = path.read_bytes()
    # What Excel saves as Unicode text begins with a mark; other encodings carry none, and are not guessed
    encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = content.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a CSV file in UTF-8 ({error.reason}); save it as CSV UTF-8") from None
    first = text.partition("\n")[0]
    delimiter = max("\t,;", key=first.count)
    try:
        reader = csv.reader(text.splitlines(), delimiter=delimiter, strict=True)
        header = [from_text(name.strip()) for name in next(reader, [])]
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
    text = from_text(text.strip())
    return "" if text.lower() in ("n/a", "na", "nan") else text


def _image_id(text: str) -> str:
    return f"I{text}" if text.isdigit() else text


def _own_name(column: str) -> str:
    return f"sheet_{column}" if column.lower() in OWN_COLUMNS else column


def _refuse_duplicates(sheet: Sheet) -> None:
    """Two rows that would claim the same scans are an error: which of them is right?"""
    seen: dict[tuple[str, ...], Row] = {}
    spelled: dict[str, Row] = {}
    for row in sheet.rows:
        person = row.person
        first = spelled.setdefault(key(person.subject), row)
        if separated(first.person.subject) != separated(person.subject):
            raise ValueError(
                f"{sheet.name} lines {first.line} and {row.line}: subjects {first.person.subject} and "
                f"{person.subject} differ in their separators alone; expected one spelling of a person, or other names"
            )
        claim: tuple[str, ...] = (key(person.subject), visit(person.session), person.date)
        if row.path or person.image:
            claim = (row.path, "" if row.path else person.image.lower())
        if claim in seen:
            raise ValueError(
                f"{sheet.name} lines {seen[claim].line} and {row.line}: subject {person.subject} twice; expected one "
                f"row per person, or a column session, image or path that tells them apart"
            )
        seen[claim] = row


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
    lines += [f"note      {remark}" for remark in sheet.demographics.remarks(with_cells=True)]
    if sheet.dropped:
        lines.append(f"dropped   columns that may name people: {', '.join(sheet.dropped)}")
    return lines
