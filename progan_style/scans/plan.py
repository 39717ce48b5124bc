"""Which scans there are, whose they are and what they are called, before any is opened."""

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from progan_style.data.classes import LEAVE_OUT, alias_table
from progan_style.data.folder import UNLABELLED, some
from progan_style.data.persons import Names
from progan_style.files import printable
from progan_style.scans import dicom, volumes
from progan_style.scans.choosing import Wanted, leave_out, one_per_session, several_of_a_session
from progan_style.scans.finding import Scan, about_masks, apart, find_scans, with_sure_masks
from progan_style.scans.formats import SUFFIXES
from progan_style.scans.matching import Match, match
from progan_style.scans.participants import Sheet, describe, key, participants_tsv, read_sheet, separated
from progan_style.scans.settings import USUAL, PrepareSettings

WITHHELD = "(withheld: it holds a patient's name)"


class Patients:
    """The names of the patients of some scans, which may not be written."""

    def __init__(self, names: Iterable[str]) -> None:
        self.by_word: dict[str, set[str]] = {}
        for name in set(names):
            parts = dicom.parts_of(name)
            for word in parts | {one + other for one, other in itertools.permutations(parts, 2)}:
                self.by_word.setdefault(word, set()).add(name)

    def named_in(self, text: str) -> set[str]:
        """The names of those of whom a word of the text is a part, or two parts (doe, JaneDoe)."""
        words = re.findall(r"[^\W\d_]+", text.lower())
        return {name for word in words for name in self.by_word.get(word, ())}


def patients_in(scans: Sequence[Scan], root: Path) -> tuple[dict[str, set[str]], Patients]:
    """The patients whom each scan's header or path names, by its path; and all of them."""
    headers = {scan.path: dicom.patient_name(root / scan.path) if scan.series else "" for scan in scans}
    patients = Patients(headers.values())
    return {path: patients.named_in(path) | ({name} if name else set()) for path, name in headers.items()}, patients


def name_scans(
    scans: Sequence[Scan], matches: Sequence[Match], root: Path, named: Mapping[str, set[str]]
) -> tuple[list[Match], list[str], list[str], int]:
    """Who each scan is of, by a name that may be written -> matches, paths that may be written, names that may not (of
    patients, "" where there is none), unknown persons.

    named: the patients whom each scan names. A scan whose path and sheet name nobody is a person of its own, under a
    running number; so is a person whose name in path or sheet is that of the patient in a DICOM header, with all scans
    of that person.
    """
    told: dict[str, set[str]] = {}  # a person -> the patients whom the scans name
    for scan, who in zip(scans, matches, strict=True):
        told.setdefault(separated(who.person.subject) or scan.path, set()).update(named[scan.path])
    patients = [
        " ".join(sorted(told[separated(who.person.subject) or scan.path]))
        for scan, who in zip(scans, matches, strict=True)
    ]
    found, paths, unknown = [], [], 0
    taken = {key(who.person.subject) for who in matches}
    free = (own for own in map("p{:04d}".format, itertools.count(1)) if own not in taken)
    number_of: dict[str, str] = {}  # a person whose name may not be written -> the number
    for scan, who, name in zip(scans, matches, patients, strict=True):
        paths.append(WITHHELD if dicom.carries_name(scan.path, name) else printable(scan.path))
        person = who.person
        if not person.subject or dicom.carries_name(person.subject, name):
            unknown += not person.subject
            # Series in one folder are of one patient, unless their headers say otherwise
            of_folder = f"{Path(scan.path).parent}/{dicom.patient(root / scan.path)}" if scan.files else ""
            whose = separated(person.subject) or of_folder or f"nobody's {scan.path}"
            if whose not in number_of:
                number_of[whose] = next(free)
            person = replace(person, subject=number_of[whose])
        if dicom.carries_name(person.session, name):
            person = replace(person, session="")
        row = who.row
        if row is not None and name:
            clean = {c: v for c, v in row.columns.items() if not dicom.carries_name(v, name)}
            row = replace(row, columns=clean)
        why_not = "" if dicom.carries_name(who.why_not, name) else who.why_not
        found.append(Match(person, row, who.stated, why_not))
    return found, paths, patients, unknown


def label_of(who: Match, sheet: Sheet | None) -> str:
    """The class of a scan, "" if it is left out."""
    if sheet is None or not sheet.has_groups:
        return UNLABELLED
    label = who.row.label if who.row is not None else ""
    return "" if label == LEAVE_OUT else label


@dataclass(frozen=True)
class Plan:
    """Which scans there are and whose, before any is opened. Lists have one entry per scan."""

    root: Path
    name: str  # of the source, as it may be written
    scans: list[Scan]
    matches: list[Match]
    paths: list[str]  # as they may be written
    patients: list[str]  # names that may not be written
    classes: list[str]  # "" is left out
    remarks: list[str]  # for DATASET.md
    lines: list[str]  # to print
    who_says: str  # whose the scans are
    left: list[tuple[str, str]]  # volumes that are not to be cut, as they may be written, and why


def make_plan(source: Path, settings: PrepareSettings = USUAL) -> Plan:
    """Find the scans, choose among them, read the sheet, bring all together.

    Raises FileNotFoundError or ValueError, one line.
    """
    root = source if source.is_dir() else source.parent
    names = Names(settings.names) if settings.names else None
    found = find_scans(source)
    series = apart(found.scans, root)
    named, all_patients = patients_in(series, root)
    reasons = leave_out(series, root, Wanted(settings.include, settings.exclude))
    not_cut = [(scan.path, why) for scan, why in zip(series, reasons, strict=True) if why]
    scans = with_sure_masks([scan for scan, why in zip(series, reasons, strict=True) if not why])
    if not scans:
        why = (
            f"; {len(not_cut)} volumes are left out, the first: {': '.join(map(printable, not_cut[0]))}"
            if not_cut
            else ""
        )
        raise FileNotFoundError(
            f"{source}: no scans; expected volumes ({', '.join(SUFFIXES)}) or folders of DICOM files{why}"
        )
    table = Path(settings.labels) if settings.labels is not None else participants_tsv(source)
    sheet = read_sheet(table, alias_table(settings.aliases)) if table else None
    found_by = match([scan.path for scan in scans], sheet, names, settings.nearest_visit)
    if not settings.include and (maps := _label_maps(scans, found_by, root)):
        not_cut += [(scan.path, "a label map, by its values") for scan in scans if scan.path in maps]
        kept = [(scan, who) for scan, who in zip(scans, found_by, strict=True) if scan.path not in maps]
        scans, found_by = [scan for scan, _ in kept], [who for _, who in kept]
    remarks = [*about_masks(found.masks, scans), *found.remarks]
    matches, paths, patients, unknown = name_scans(scans, found_by, root, named)
    left = [_as_written(path, why, named[path], all_patients) for path, why in not_cut]
    classes = [label_of(who, sheet) for who in matches]
    if not settings.include:
        used = [i for i, label in enumerate(classes) if label]
        one_per_session([scans[i] for i in used], [found_by[i] for i in used])
    if left:
        kinds = Counter(_without_paths(why) for _, why in left)
        counted = ", ".join(f"{why} ({count})" for why, count in kinds.items())
        remarks.append(f"{len(left)} other volumes are left out: {counted}")
    lines = [f"source    {source}: {len(scans)} scans" + "".join(f"; {remark}" for remark in remarks)]
    if found.closed:
        lines.append(f"NOT READ  {len(found.closed)} folders: {printable(some(found.closed))}")
    lines += [*(describe(sheet) if sheet else []), *unmatched(paths, matches, classes, sheet)]
    if unknown:
        remarks.append(f"{unknown} scans name no person: each is guessed to be a person of its own")
        lines.append(f"PERSONS   {remarks[-1]} (p0001 and on)")
    remarks += sheet.demographics.remarks(with_cells=False) if sheet else []
    own = source.resolve().name
    hidden = all_patients.named_in(own) or any(dicom.carries_name(own, patient) for patient in patients)
    says = f"--names '{names.text}'" if names else "the sheet" if sheet else "nobody states them"
    return Plan(root, "scans" if hidden else own, scans, matches, paths, patients, classes, remarks, lines, says, left)


def _as_written(path: str, why: str, named: set[str], patients: Patients) -> tuple[str, str]:
    """The path of a volume that is not cut, and why not, without the names of patients."""
    own = " ".join(named)
    hidden = dicom.carries_name(path, own)
    if hidden or dicom.carries_name(why, own) or patients.named_in(why):
        why = re.sub("^--exclude .*", "--exclude", _without_paths(why))
    return WITHHELD if hidden else printable(path), printable(why)


def _without_paths(why: str) -> str:
    return re.sub(r"(made from|of FreeSurfer, beside) .*", r"\1 another", why)


def _label_maps(scans: Sequence[Scan], matches: Sequence[Match], root: Path) -> set[str]:
    """Of the sessions that have several scans, those whose values are labels, but for sessions of nothing else."""
    maps: set[str] = set()
    for mine in several_of_a_session(scans, matches):
        found = {scan.path for scan, _ in mine if not scan.series and volumes.looks_like_labels(root / scan.path)}
        maps |= found if len(found) < len(mine) else set()
    return maps


def unmatched(paths: Sequence[str], matches: Sequence[Match], classes: Sequence[str], sheet: Sheet | None) -> list[str]:
    """Scans without a row and rows without a scan, in lines to print."""
    if sheet is None:
        return []
    lines = []
    without = [path for path, who in zip(paths, matches, strict=True) if who.row is None]
    if without:
        what = "left out" if sheet.has_groups else "used without their columns"
        lines.append(f"NO ROW    {len(without)} scans have no row in {sheet.name}, {what}: {some(without)}")
        first = next(i for i, who in enumerate(matches) if who.row is None)
        lines.append(f"          the first: {matches[first].why_not or WITHHELD}")
    left = [p for p, who, label in zip(paths, matches, classes, strict=True) if who.row is not None and not label]
    if left:
        lines.append(f"LEFT OUT  {len(left)} scans whose row has no group in use: {some(left)}")
    lines_with_scan = {who.row.line for who in matches if who.row is not None}
    idle = [f"{row.person.subject} (line {row.line})" for row in sheet.rows if row.line not in lines_with_scan]
    if idle:
        lines.append(f"NO SCAN   {len(idle)} rows of {sheet.name} have no scan: {some(idle)}")
    return lines
