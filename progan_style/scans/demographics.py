"""Age in years and sex as F or M, from the cells of a sheet. What no cell states stays unknown, and is counted.

The age at a visit comes before that at entry into the study; to that the time since entry is added, where a column
states it. ADNIMERGE's AGE is the age at entry, whatever the visit of the row.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from progan_style.data.folder import some

OLDEST = 120  # years
AT_VISIT = ("ageatvisit", "ageatscan", "ageatmri", "age", "ageyears", "ageinyears", "agemonths", "ageinmonths")
AT_ENTRY = ("ageatentry", "ageatbaseline", "agebaseline", "agebl")
AGES = (*AT_VISIT, *AT_ENTRY)  # by squeezed(), in the order of preference
SEXES = ("sex", "gender", "mf", "ptgender")
# A column of the time since entry -> how many of its unit are a year; of ADNIMERGE and of OASIS-3
SINCE_ENTRY = {"yearsbl": 1.0, "monthbl": 12.0, "month": 12.0, "daystovisit": 365.25}
OF_ADNIMERGE = ("dxbl", "yearsbl", "monthbl")  # beside these AGE is that at entry
IN_A_YEAR = {"year": 1.0, "yr": 1.0, "y": 1.0, "month": 12.0, "mo": 12.0, "week": 365.25 / 7, "day": 365.25}
WORDS = {"f": "F", "female": "F", "woman": "F", "m": "M", "male": "M", "man": "M"}
NUMBER = r"(?P<number>\d+(?:[.,]\d+)?)"
PLAIN = re.compile(rf"(?P<over>>=?|≥)?\s*{NUMBER}\s*(?P<bound>\+|or older)?\s*(?P<unit>[a-z]*)\.?(?P<late>\+)?", re.I)
DICOM = re.compile(r"(?P<number>\d{3})(?P<unit>[DWMY])")  # an age string, as DICOM headers have it
OF_DICOM = {"D": 365.25, "W": 365.25 / 7, "M": 12.0, "Y": 1.0}


class NoAgeError(ValueError):
    """Why a cell is no age."""


def in_a_year(unit: str) -> float | None:
    """How many of a unit are a year; None for a word that is no unit of time."""
    word = re.sub(r"[\W_]", "", unit.lower())
    return IN_A_YEAR.get(word, IN_A_YEAR.get(word.removesuffix("s")))


def years_of(cell: str, per_year: float = 1.0) -> tuple[float | None, str]:
    """A cell -> years and a remark on it; None for an empty one. A unit in the cell counts before `per_year`.

    89+, >89 and 90 or older are their number, with the remark that it is a bound. Raises NoAgeError for anything else
    that is no age from 0 to 120.
    """
    if not cell:
        return None, ""
    if found := DICOM.fullmatch(cell):
        return _checked(float(found["number"]) / OF_DICOM[found["unit"]], cell), ""
    found = PLAIN.fullmatch(cell)
    if not found:
        raise NoAgeError("no age")
    of_cell = in_a_year(found["unit"]) if found["unit"] else per_year
    if of_cell is None:
        raise NoAgeError("no age in years, months or days")
    years = _checked(float(found["number"].replace(",", ".")) / of_cell, cell)
    is_bound = found["over"] or found["bound"] or found["late"]
    return years, "a bound: the person is of this age or older" if is_bound else ""


def _checked(years: float, cell: str) -> float:
    if not math.isfinite(years) or not 0 <= years <= OLDEST:
        raise NoAgeError(f"no age from 0 to {OLDEST} years")
    return years


def sex_of(cell: str, codes: Mapping[str, str] = {}) -> str:
    """F or M, in any spelling or by the sheet's own codes; "" for anything else."""
    return WORDS.get(codes.get(cell, cell).strip().lower(), "")


@dataclass
class Demographics:
    """How one sheet tells age and sex, and what had to be said of its cells."""

    ages: tuple[str, ...] = ()  # columns, the first that has a cell counts
    sex: str = ""
    per_year: dict[str, float | None] = field(default_factory=dict)  # of each column of ages; None: of no known unit
    entry: tuple[str, ...] = ()  # of these columns, those that tell the age at entry
    since: dict[str, float] = field(default_factory=dict)  # columns of the time since entry, and what is a year
    codes: dict[str, str] = field(default_factory=dict)  # what participants.json says that a code of sex means
    said: dict[str, list[str]] = field(default_factory=dict)  # remark -> the cells that it is of
    notes: list[str] = field(default_factory=list)  # of the sheet as a whole

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read, and are not carried under their own names."""
        return (*self.ages[:1], *([self.sex] if self.sex else []))

    def read(self, cells: Mapping[str, str], line: int) -> dict[str, str]:
        """A row's age and sex, "" where it tells none; of columns that the sheet has."""
        row = {}
        if self.ages:
            row["age"] = next(filter(None, (self._age(column, cells, line) for column in self.ages)), "")
        if self.sex:
            row["sex"] = sex_of(cells[self.sex], self.codes)
            if cells[self.sex] and not row["sex"]:
                self._say(f"{self.sex}: neither F nor M, so unknown", cells[self.sex], line)
        return row

    def _age(self, column: str, cells: Mapping[str, str], line: int) -> str:
        per_year = self.per_year[column]
        try:
            if cells[column] and per_year is None:
                raise NoAgeError("of a unit that is not known")
            years, remark = years_of(cells[column], per_year or 1.0)
            if years is not None and column in self.entry:
                years, remark = self._at_visit(years, cells, remark)
        except NoAgeError as error:
            self._say(f"{column}: {error}, so unknown", cells[column], line)
            return ""
        if remark:
            self._say(f"{column}: {remark}", cells[column], line)
        return "" if years is None else f"{years:.2f}".rstrip("0").rstrip(".")

    def _at_visit(self, years: float, cells: Mapping[str, str], remark: str) -> tuple[float, str]:
        """An age at entry -> that at the row's visit, where the time since is stated."""
        for column, per_year in self.since.items():
            try:
                return _checked(years + float(cells[column]) / per_year, ""), remark
            except ValueError:  # an empty cell, or none that is a time: the next column
                continue
        return years, "; ".join(filter(None, (remark, "the age at entry into the study, not at the visit")))

    def _say(self, remark: str, cell: str, line: int) -> None:
        shown = cell if len(cell) <= 20 else f"{cell[:20]}..."
        self.said.setdefault(remark, []).append(f"{shown} (line {line})" if cell else f"line {line}")

    def remarks(self, with_cells: bool) -> list[str]:
        """What had to be said, a line for each kind. Cells are for the screen: nobody knows what a bad one holds."""
        lines = list(self.notes)
        for remark, cells in self.said.items():
            count = f"{remark} ({len(cells)} {'row' if len(cells) == 1 else 'rows'})"
            lines.append(f"{count}: {some(cells)}" if with_cells else count)
        return lines


def find_demographics(names: Mapping[str, str], sheet: Path) -> Demographics:
    """How a sheet tells age and sex. names: squeezed name -> column; units and codes stand in the sheet's .json."""
    found = Demographics(ages=tuple(names[name] for name in AGES if name in names))
    found.sex = next((names[name] for name in SEXES if name in names), "")
    is_adnimerge = any(name in names for name in OF_ADNIMERGE)
    at_entry = (*AT_ENTRY, *(["age"] if is_adnimerge else []))
    found.entry = tuple(names[name] for name in at_entry if name in names)
    found.since = {names[name]: per_year for name, per_year in SINCE_ENTRY.items() if name in names}
    about = _about(sheet.with_suffix(".json"), found) if found.columns else {}
    for column in found.ages:
        said = about.get(column)
        unit = said.get("Units") if isinstance(said, dict) else None
        of_name = 12.0 if "month" in column.lower() else 1.0  # years, as BIDS says of age
        found.per_year[column] = in_a_year(unit) if isinstance(unit, str) and unit.strip() else of_name
    said = about.get(found.sex)
    levels = said.get("Levels") if isinstance(said, dict) else None
    if isinstance(levels, dict):
        found.codes = {str(code): _level(meaning) for code, meaning in levels.items()}
    return found


def _level(meaning: Any) -> str:
    """What a code means: BIDS has it as a text, or as a record with a description."""
    text = meaning.get("Description", "") if isinstance(meaning, dict) else meaning
    return str(text)


def _about(path: Path, found: Demographics) -> dict[str, Any]:
    """What the sheet's JSON says of its columns; {} where there is none. One that cannot be read is a remark."""
    if not path.is_file():
        return {}
    try:
        about = json.loads(path.read_text(encoding="utf-8-sig"))
        if not isinstance(about, dict):
            raise ValueError("no object")
    except (OSError, ValueError, RecursionError):
        found.notes.append(f"{path.name} cannot be read as JSON: ages are taken as years")
        return {}
    return about


def counted(scans: Sequence[Mapping[str, str]]) -> list[str]:
    """How many scans have an age and a sex, in sentences; none where the sheet has no such column.

    scans: the columns that the sheet gave to each, or a manifest, whose cells may hold anything.
    """
    lines = []
    if any("age" in columns for columns in scans):
        ages = [age for columns in scans if (age := _number(columns.get("age", ""))) is not None]
        reach = f", {min(ages):g} to {max(ages):g} years" if ages else ""
        lines.append(f"age is known of {len(ages)} of {len(scans)} scans{reach}; of {len(scans) - len(ages)} unknown")
    if any("sex" in columns for columns in scans):
        sexes = [sex_of(columns.get("sex", "")) for columns in scans]
        lines.append(f"sex: {sexes.count('F')} scans F, {sexes.count('M')} M, {sexes.count('')} unknown")
    return lines


def _number(cell: str) -> float | None:
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
