"""Whose each scan or slice is: what its path says, held against the rows of a sheet.

Rows find their scans by path, image id, subject and visit (its name, its date, or the nearest), or subject. Where
several parts of a path fit different subjects of the sheet, none is chosen: it is an error that says how to choose.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from progan_style.data.folder import some
from progan_style.data.persons import Names, Person, from_path, persons_in
from progan_style.scans.participants import Row, Sheet, key, visit


@dataclass(frozen=True)
class Match:
    """Who one scan is of; the person is Person() if nothing names one."""

    person: Person
    row: Row | None
    stated: bool = False  # by the sheet or by --names, not guessed from the path
    why_not: str = ""  # there is no row


def match(
    paths: Sequence[str], sheet: Sheet | None, names: Names | None = None, nearest: int | None = None
) -> list[Match]:
    """Who each scan (path relative to SOURCE) is of, and its row; nearest: how many days its visit may be away.

    Raises ValueError if a path fits two persons.
    """
    if sheet is None:
        return [Match(names(path) if names else from_path(path), None, names is not None) for path in paths]
    by_path = {row.path: row for row in sheet.rows if row.path}
    by_image = {row.person.image.lower(): row for row in sheet.rows if row.person.image and not row.path}
    by_subject: dict[str, list[Row]] = {}
    for row in sheet.rows:
        if not row.path:
            by_subject.setdefault(key(row.person.subject), []).append(row)
    found = []
    for path in paths:
        person = names(path) if names else from_path(path)
        own = by_path.get(path) or by_image.get(person.image.lower())
        if own is None:
            person = person if names else _one_reading(path, person, by_subject, sheet.name)
            mine = by_subject.get(key(person.subject), []) if person.subject else []
            person = replace(person, subject=mine[0].person.subject) if mine else person  # one person, one name
            own = _of_visit(person, mine, nearest)
            why = "" if own else _why_not(person, mine, sheet, nearest)
        if own is None:
            found.append(Match(person, None, names is not None, why))
        else:
            session = person.session or own.person.session
            found.append(Match(replace(person, subject=own.person.subject, session=session), own, own.stated))
    return found


def _one_reading(path: str, person: Person, by_subject: Mapping[str, list[Row]], sheet: str) -> Person:
    """The subject of the sheet that a path names, `person` if it names none. Raises ValueError if it names several."""
    readings = _readings(path, by_subject)
    known = [key(other.subject) for other in persons_in(path)]
    found = [name for name in known or readings if name in by_subject]
    if len(found) > 1:
        raise ValueError(_two_subjects(path, [(by_subject[name][0], readings.get(name, "")) for name in found], sheet))
    if person.subject or not found:
        return person
    return replace(person, subject=by_subject[found[0]][0].person.subject)


def _readings(path: str, by_subject: Mapping[str, list[Row]]) -> dict[str, str]:
    """Subjects of the sheet that a part of the path is, or begins with (p01/scan.nii, p01_T1.nii.gz): key -> the
    pattern of names that would choose it, "" if there is no short one."""
    parts = path.split("/")
    found: dict[str, str] = {}
    for number, part in enumerate(parts):
        stem = part if number < len(parts) - 1 else part.partition(".")[0]
        for word in re.finditer(r"[A-Za-z0-9]+", stem):
            start = part[: word.end()]
            if key(start) in by_subject and key(start) not in found:
                next_word = re.match(r"[^A-Za-z0-9]?[A-Za-z]*", part[word.end() :]) if part != start else None
                rest = f"{next_word[0]}*" if next_word else ""
                pattern = "/".join(["{subject}" + rest, *["*"] * (len(parts) - number - 1)])
                found[key(start)] = pattern if Names(pattern)(path).subject == start else ""
    return found


def _two_subjects(path: str, readings: Sequence[tuple[Row, str]], sheet: str) -> str:
    said = " and ".join(f"subject {row.person.subject} (line {row.line})" for row, _ in readings)
    choices = [f"--names '{pattern}' for {row.person.subject}" for row, pattern in readings if pattern]
    how = " or ".join([*choices, "a column path in the sheet"])
    return f"{path}: fits {said} of {sheet}; expected one: say which part of it is the subject, by {how}"


def _of_visit(person: Person, mine: Sequence[Row], nearest: int | None) -> Row | None:
    """Of a person's rows the one of this visit: of its session, of its date, else the nearest in time. A row without
    visit speaks for all, a single row for a scan that names no visit, or of which it states no other day."""
    mine = [row for row in mine if not row.person.image]
    exact = [row for row in mine if row.person.session and visit(row.person.session) == visit(person.session)]
    exact = exact or [row for row in mine if days_apart(person, row.person) == 0]
    if exact:
        return exact[0]
    if general := [row for row in mine if not row.person.session and not row.person.date]:
        return general[0]
    if not person.session and len(mine) == 1 and days_apart(person, mine[0].person) is None:
        return mine[0]
    apart = [(abs(days), row) for row in mine if row.label and (days := days_apart(person, row.person)) is not None]
    least = min((days for days, _ in apart), default=0)
    closest = [row for days, row in apart if days == least]
    if nearest is None or least > nearest or len({row.label for row in closest}) != 1:
        return None
    row = closest[0]
    return replace(row, columns={**row.columns, "visit_days": str(days_apart(person, row.person))})


def days_apart(scan: Person, row: Person) -> int | None:
    """Days from a scan to a visit, by days since entry (d0129) or by dates; None if either is unknown."""
    days = [re.fullmatch(r"d(\d+)", who.session) for who in (scan, row)]
    if days[0] and days[1]:
        return int(days[1][1]) - int(days[0][1])
    try:
        return (date.fromisoformat(row.date) - date.fromisoformat(scan.date)).days
    except ValueError:
        return None


def _why_not(person: Person, mine: Sequence[Row], sheet: Sheet, nearest: int | None) -> str:
    """Why a scan has no row: what was looked for in which column."""
    column = sheet.ours["subject"] or sheet.ours["scan"] or sheet.ours["path"]
    if not mine:
        there = some(dict.fromkeys(row.person.subject for row in sheet.rows), 2)
        sought = f"subject {person.subject}" if person.subject else "a subject that begins a part of the path"
        return f"looked for {sought} in column {column}, which has {there}"
    names = ("session", "scan", "day", "date")
    columns = " and ".join(sheet.ours[name] for name in names if sheet.ours.get(name)) or "visit (there is none)"
    sought = (
        " or ".join(text for text in (person.session, person.date) if text) or "a visit, which its path does not name"
    )
    there = some(row.person.session or row.person.date for row in mine)
    apart = [abs(days) for row in mine if (days := days_apart(person, row.person)) is not None]
    hint = f"; the nearest is {min(apart)} days away, and --nearest-visit is {nearest or 'not given'}" if apart else ""
    return f"of subject {person.subject} looked for {sought} in column {columns}, which has {there}{hint}"
