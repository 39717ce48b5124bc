"""Whose each scan or slice is: what its path says, held against the rows of a sheet.

Rows find their scans by path, image id, subject and visit (its name, its date, or the nearest), or subject. Where
several parts of a path fit different subjects of the sheet, none is chosen: it is an error that says how to choose.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from progan_style.data.folder import some
from progan_style.data.persons import Names, Person, from_path, persons_in
from progan_style.scans.participants import Row, Sheet, key, separated, visit


@dataclass(frozen=True)
class Match:
    """Who one scan is of; the person is Person() if nothing names one."""

    person: Person
    row: Row | None
    stated: bool = False  # by the sheet or by --names, not guessed from the path
    why_not: str = ""  # there is no row


@dataclass(frozen=True)
class _Index:
    """The rows of a sheet by what they name."""

    by_path: dict[str, Row]
    by_image: dict[str, Row]
    by_subject: dict[str, list[Row]]  # by key()
    by_part: dict[str, list[Row]]  # ... of those that a bare part of a path may name: rows that name no path


def _index(sheet: Sheet) -> _Index:
    index = _Index({}, {}, {}, {})
    for row in sheet.rows:
        index.by_subject.setdefault(key(row.person.subject), []).append(row)
        if row.path:
            index.by_path[row.path] = row
            continue
        index.by_part.setdefault(key(row.person.subject), []).append(row)
        if row.person.image:
            index.by_image[row.person.image.lower()] = row
    return index


def reader(
    sheet: Sheet | None, names: Names | None = None, nearest: int | None = None
) -> Callable[[str], tuple[int, str]]:
    """How surely a path says whose scan it is, and whose: 3 by a row of this path or image, 2 by another row, 1 by its
    own words, 0 not at all."""
    index = _index(sheet) if sheet is not None else _Index({}, {}, {}, {})

    def read(path: str) -> tuple[int, str]:
        try:
            person = names(path) if names else from_path(path)
            if row := index.by_path.get(path) or index.by_image.get(person.image.lower()):
                return 3, row.person.subject
            if sheet is not None and names is None:
                person = _one_reading(path, person, index, sheet)
        except ValueError:  # of the name that is chosen it will be told
            return 0, ""
        mine = index.by_subject.get(key(person.subject), [])
        row = _of_visit(person, mine, nearest, sheet is not None and sheet.has_groups)
        return (2, row.person.subject) if row else (int(person.subject != ""), person.subject)

    return read


def match(
    paths: Sequence[str],
    sheet: Sheet | None,
    names: Names | None = None,
    nearest: int | None = None,
    said: Sequence[str] = (),
) -> list[Match]:
    """Who each scan (path relative to SOURCE) is of, and its row; nearest: how many days its visit may be away.

    said: the subjects that somebody else states, "" where nobody does; they count before a guess from a path.
    Raises ValueError if a path fits two persons, or if it is not clear which scans are of one.
    """
    persons = [names(path) if names else from_path(path) for path in paths]
    if sheet is None:
        return [Match(person, None, names is not None) for person in persons]
    index = _index(sheet)
    by_subject = index.by_subject
    rows: list[Row | None] = []
    said = said or [person.subject if names else "" for person in persons]
    for i, (path, person) in enumerate(zip(paths, persons, strict=True)):
        own = index.by_path.get(path) or index.by_image.get(person.image.lower())
        if own is None:
            is_known = names is not None or (said[i] != "" and key(said[i]) in by_subject)
            read = person if is_known else _one_reading(path, person, index, sheet)
            persons[i] = replace(read, subject=said[i]) if is_known else read
            own = _of_visit(persons[i], by_subject.get(key(persons[i].subject), []), nearest, sheet.has_groups)
        rows.append(own)
    stated = [bool(one) or (row is not None and row.stated) for row, one in zip(rows, said, strict=True)]
    after = [row.person.subject if row and (row.stated or not one) else "" for row, one in zip(rows, said, strict=True)]
    before = [one or person.subject for person, one in zip(persons, said, strict=True)]
    subjects = one_name(paths, before, after, [bool(one) for one in said], sheet)
    found = []
    for subject, person, mine, is_stated in zip(subjects, persons, rows, stated, strict=True):
        person = replace(person, subject=subject)
        if mine is None:
            why = _why_not(person, by_subject.get(key(subject), []), sheet, nearest)
            found.append(Match(person, None, is_stated, why))
        else:
            found.append(Match(replace(person, session=person.session or mine.person.session), mine, is_stated))
    return found


def one_name(
    paths: Sequence[str], before: Sequence[str], after: Sequence[str], stated: Sequence[bool], sheet: Sheet
) -> list[str]:
    """The one name that a person goes by in all scans, else the split takes one person for two.

    before: who each scan is of, as paths, a pattern or a manifest have it; stated: that is no guess. after: as the
    sheet has it, "" where it says nothing of this scan. Then it is the sheet's name for others of the same person.
    Raises ValueError, one line, if the sheet has two names for a person who is stated to be one, or if the names of two
    persons differ in their separators alone, by which the sheet's spelling would make them one.
    """
    spelled = {key(row.person.subject): row.person.subject for row in sheet.rows}
    first: dict[str, int] = {}  # a subject of the sheet, by its key -> a scan of that person
    told: dict[str, str] = {}  # a person as before -> the one name after; "" if guesses have several
    sure: dict[str, int] = {}  # a person who is stated -> a scan that has a name after
    for i, (old, new) in enumerate(zip(before, after, strict=True)):
        j = first.setdefault(key(old), i) if key(old) in spelled and not _of_bids(old, paths[i]) else i
        if separated(before[j]) != separated(old):
            folder = "/".join(paths[i].split("/")[:-1][:1])
            raise ValueError(
                f"{paths[j]} and {paths[i]}: subjects {before[j]} and {old} differ in their separators alone; expected "
                f"one spelling of a person, or other names"
                + (f"; --exclude '{folder}/*' leaves scans out" if folder else "")
            )
        if not old or not new:
            continue
        person = separated(old)
        if stated[i]:
            k = sure.setdefault(person, i)
            if after[k] != new:
                raise ValueError(
                    f"{sheet.name}: {paths[k]} is of {after[k]} and {paths[i]} of {new}, but both are stated to be of "
                    f"{old}: correct one of them"
                )
            told[person] = new
        elif person not in sure and told.setdefault(person, new) != new:
            told[person] = ""
    return [
        new or told.get(separated(old)) or spelled.get(key(old), old) for old, new in zip(before, after, strict=True)
    ]


def _of_bids(subject: str, path: str) -> bool:
    """Whether a path names somebody as BIDS does, which allows no separators: sub-2019001 may be 2019-001."""
    return re.search(rf"(?:^|[/_])sub-{re.escape(subject)}(?![A-Za-z0-9])", path) is not None


def _one_reading(path: str, person: Person, index: _Index, sheet: Sheet) -> Person:
    """The subject of the sheet that a path names, as the path spells it, `person` if it names none.

    A row that names a path speaks of others by a name of BIDS, ADNI or OASIS alone: the subject 1 of 1/1/T1.nii.gz is
    not who was scanned in 2/1.

    Raises ValueError if it names several, unless the scan is left out whoever it is of: rows with groups, all of other
    scans.
    """
    by_subject = index.by_subject
    readings = _readings(path, index.by_part)
    known = [key(other.subject) for other in persons_in(path)]
    found = [name for name in known or readings if name in by_subject]
    if len(found) > 1:
        if sheet.has_groups and all(row.path for name in found for row in by_subject[name]):
            return person
        choices = [(by_subject[name][0], readings[name][1] if name in readings else "") for name in found]
        raise ValueError(_two_subjects(path, choices, sheet.name))
    if person.subject or not found:
        return person
    return replace(person, subject=readings[found[0]][0])


def _readings(path: str, by_subject: Mapping[str, list[Row]]) -> dict[str, tuple[str, str]]:
    """Subjects of the sheet that a part of the path is, or begins with (p01/scan.nii, p01_T1.nii.gz): key -> how it is
    spelled there, and the pattern of names that would choose it, "" if there is no short one."""
    parts = path.split("/")
    found: dict[str, tuple[str, str]] = {}
    for number, part in enumerate(parts):
        stem = part if number < len(parts) - 1 else part.partition(".")[0]
        for word in re.finditer(r"[A-Za-z0-9]+", stem):
            start = part[: word.end()]
            if key(start) in by_subject and key(start) not in found:
                next_word = re.match(r"[^A-Za-z0-9]?[A-Za-z]*", part[word.end() :]) if part != start else None
                rest = f"{next_word[0]}*" if next_word else ""
                pattern = "/".join(["{subject}" + rest, *["*"] * (len(parts) - number - 1)])
                found[key(start)] = start, pattern if Names(pattern)(path).subject == start else ""
    return found


def _two_subjects(path: str, readings: Sequence[tuple[Row, str]], sheet: str) -> str:
    said = " and ".join(f"subject {row.person.subject} (line {row.line})" for row, _ in readings)
    choices = [f"--names '{pattern}' for {row.person.subject}" for row, pattern in readings if pattern]
    how = " or ".join([*choices, "a column path in the sheet"])
    return f"{path}: fits {said} of {sheet}; expected one: say which part of it is the subject, by {how}"


def _of_visit(person: Person, mine: Sequence[Row], nearest: int | None, has_groups: bool) -> Row | None:
    """Of a person's rows the one of this visit: of its session, of its date, else the nearest in time. A row without
    visit speaks for all, a single row for a scan that names no visit, or of which it states no other day."""
    mine = _not_of_one_scan(mine)
    exact = [row for row in mine if row.person.session and visit(row.person.session) == visit(person.session)]
    exact = exact or [row for row in mine if days_apart(person, row.person) == 0]
    if exact:
        return exact[0]
    if general := [row for row in mine if not row.person.session and not row.person.date]:
        return general[0]
    if not person.session and len(mine) == 1 and days_apart(person, mine[0].person) is None:
        return mine[0]
    least, closest = _nearest(person, mine, has_groups)
    if nearest is None or least > nearest or len({row.label for row in closest}) != 1:
        return None
    row = closest[0]
    return replace(row, columns={**row.columns, "visit_days": str(days_apart(person, row.person))})


def _not_of_one_scan(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if not row.path and not row.person.image]


def _nearest(person: Person, mine: Sequence[Row], has_groups: bool) -> tuple[int, list[Row]]:
    """How many days away a person's nearest visits are, and their rows; of those with a group, if the sheet has any."""
    rows = [row for row in mine if row.label or not has_groups]
    apart = [(abs(days), row) for row in rows if (days := days_apart(person, row.person)) is not None]
    least = min((days for days, _ in apart), default=0)
    return least, [row for days, row in apart if days == least]


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
    mine = _not_of_one_scan(mine)
    if not mine:
        columns = " and ".join(sheet.ours[name] for name in ("path", "image") if sheet.ours.get(name))
        return f"the rows of subject {person.subject} name other scans, in column {columns}"
    names = ("session", "scan", "day", "date")
    columns = " and ".join(sheet.ours[name] for name in names if sheet.ours.get(name)) or "visit (there is none)"
    sought = (
        " or ".join(text for text in (person.session, person.date) if text) or "a visit, which its path does not name"
    )
    there = some(row.person.session or row.person.date for row in mine)
    least, closest = _nearest(person, mine, sheet.has_groups)
    which = "the nearest" if all(row.label for row in mine) or not sheet.has_groups else "the nearest with a group"
    hint = f"; {which} is {least} days away, and --nearest-visit is {'not given' if nearest is None else nearest}"
    if nearest is not None and least <= nearest:
        hint = f"; {len(closest)} visits are {least} days away, and differ in group"
    hint = hint if closest else ""
    return f"of subject {person.subject} looked for {sought} in column {columns}, which has {there}{hint}"
