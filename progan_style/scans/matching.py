"""Whose each scan or slice is: what its path says, held against the rows of a sheet.

Rows find their scans by path, image id, subject and session, or subject. Where several parts of a path fit different
subjects of the sheet, none is chosen: it is an error that says how to choose.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from progan_style.data.persons import Names, Person, from_path, persons_in
from progan_style.scans.participants import Row, Sheet, key


@dataclass(frozen=True)
class Match:
    """Who one scan is of; the person is Person() if nothing names one."""

    person: Person
    row: Row | None
    stated: bool = False  # by the sheet or by --names, not guessed from the path


def match(paths: Sequence[str], sheet: Sheet | None, names: Names | None = None) -> list[Match]:
    """Who each scan (path relative to SOURCE) is of, and its row. Raises ValueError if a path fits two persons."""
    rows = sheet.rows if sheet else []
    by_path = {row.path: row for row in rows if row.path}
    by_image = {row.person.image.lower(): row for row in rows if row.person.image and not row.path}
    by_subject: dict[str, list[Row]] = {}
    for one in rows:
        if not one.path:
            by_subject.setdefault(key(one.person.subject), []).append(one)
    found = []
    for path in paths:
        person = names(path) if names else from_path(path)
        row = by_path.get(path) or by_image.get(person.image.lower())
        if row is None:
            if names is None and sheet is not None:
                person = _one_reading(path, person, by_subject, sheet.name)
            row = _by_session(person, by_subject)
        stated = names is not None
        if row is not None:
            session = person.session or row.person.session
            person = replace(person, subject=row.person.subject, session=session)
            stated = row.stated
        found.append(Match(person, row, stated))
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
