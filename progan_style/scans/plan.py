"""Which scans there are, whose they are and what they are called, before any is opened."""

import itertools
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from progan_style.data.classes import LEAVE_OUT, alias_table
from progan_style.data.folder import UNLABELLED, some
from progan_style.data.persons import Names
from progan_style.files import printable
from progan_style.scans import dicom, volumes
from progan_style.scans.choosing import Wanted, leave_out, one_per_session, several_of_a_session
from progan_style.scans.finding import Scan, about_masks, apart, each_once, find_scans, with_sure_masks
from progan_style.scans.formats import SUFFIXES
from progan_style.scans.matching import Match, match, reader
from progan_style.scans.participants import Sheet, describe, key, participants_tsv, read_sheet, separated
from progan_style.scans.patients import WITHHELD, Patients, carries, parts_in, patients_in
from progan_style.scans.settings import USUAL, PrepareSettings


def name_scans(
    scans: Sequence[Scan], matches: Sequence[Match], root: Path, everybody: Patients, sheet: Sheet | None = None
) -> tuple[list[Match], list[str], list[frozenset[str]], int]:
    """Who each scan is of, by a name that may be written -> matches, paths that may be written, parts of names of
    patients that may not, unknown persons.

    A scan whose path and sheet name nobody is a person of its own, under a running number; so is a person whose name in
    path or sheet is that of the patient in a DICOM header, with all scans of that person. Paths, and persons guessed
    from them, are held against the names of all other patients too, by whole words: what a sheet says of one person is
    no other's name because it holds the same letters.
    """
    persons = [separated(who.person.subject) or scan.path for scan, who in zip(scans, matches, strict=True)]
    told: dict[str, set[str]] = {}  # a person -> parts of the names in the headers of the scans
    for scan, one in zip(scans, persons, strict=True):
        told.setdefault(one, set()).update(parts_in(scan))
    stated = {one for one, who in zip(persons, matches, strict=True) if who.stated}
    taken = {key(who.person.subject) for who in matches} | {
        key(row.person.subject) for row in (sheet.rows if sheet else ())
    }
    free = (own for own in map("p{:04d}".format, itertools.count(1)) if own not in taken)
    number_of: dict[str, str] = {}  # a person whose name may not be written -> the number
    found, paths, patients, unknown = [], [], [], 0
    for scan, who, one in zip(scans, matches, persons, strict=True):
        own, person, row = told[one], who.person, who.row
        others = everybody.words_in(scan.path)
        paths.append(WITHHELD if others or carries(scan.path, own) else printable(scan.path))
        patients.append(frozenset(own | others))
        is_anothers = one not in stated and bool(everybody.words_in(person.subject))
        if not person.subject or is_anothers or carries(person.subject, own):
            unknown += not person.subject
            # Series in one folder are of one patient, unless their headers say otherwise
            of_folder = f"{Path(scan.path).parent}/{dicom.patient(root / scan.path)}" if scan.files else ""
            number = separated(person.subject) or of_folder or f"nobody's {scan.path}"
            if number not in number_of:
                number_of[number] = next(free)
            person = replace(person, subject=number_of[number])
        if carries(person.session, own):
            person = replace(person, session="")
        if row is not None and own:
            row = replace(row, columns={c: v for c, v in row.columns.items() if not carries(v, own)})
        why_not = "" if everybody.words_in(who.why_not) or carries(who.why_not, own) else who.why_not
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
    patients: list[frozenset[str]]  # parts of names that may not be written
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
    everybody = patients_in(series)
    reasons = leave_out(series, root, Wanted(settings.include, settings.exclude))
    not_cut = [(scan, why) for scan, why in zip(series, reasons, strict=True) if why]
    candidates = [scan for scan, why in zip(series, reasons, strict=True) if not why]
    if not candidates:
        raise FileNotFoundError(_no_scans(source, not_cut))
    table = Path(settings.labels) if settings.labels is not None else participants_tsv(source)
    sheet = read_sheet(table, alias_table(settings.aliases)) if table else None
    whose = reader(sheet, names, settings.nearest_visit)
    all_names = each_once(candidates, root, lambda path: whose(path)[0])
    scans = [mine[0] for mine in all_names]
    found_by = match([scan.path for scan in scans], sheet, names, settings.nearest_visit)
    if not settings.include and (maps := _label_maps(scans, found_by, root)):
        not_cut += [(scan, "a label map, by its values") for scan in scans if scan.path in maps]
        kept = [(scan, who) for scan, who in zip(scans, found_by, strict=True) if scan.path not in maps]
        scans, found_by = [scan for scan, _ in kept], [who for _, who in kept]
    classes = [label_of(who, sheet) for who in found_by]
    scans = with_sure_masks(scans, [label != "" for label in classes])
    matches, paths, patients, unknown = name_scans(scans, found_by, root, everybody, sheet)
    left = [_as_written(scan, why, everybody) for scan, why in _each_left(not_cut, scans)]
    if not settings.include:
        used = [i for i, label in enumerate(classes) if label]
        one_per_session([scans[i] for i in used], [found_by[i] for i in used])
    remarks = [*about_masks(found.masks, scans), *found.remarks]
    if further := sum(len(mine) - 1 for mine in all_names):
        remarks.append(f"{further} further names of scans, by links, are not used")
    if left:
        kinds = Counter(_without_paths(why) for _, why in left)
        counted = ", ".join(f"{why} ({count})" for why, count in kinds.items())
        remarks.append(f"{len(left)} other volumes are left out: {counted}")
    lines = [f"source    {source}: {len(scans)} scans" + "".join(f"; {remark}" for remark in remarks)]
    if found.closed:
        lines.append(f"NOT READ  {len(found.closed)} folders: {printable(some(found.closed))}")
    if several := of_several(all_names, whose):
        lines.append(f"LINKS     {len(several)} scans lie under the names of several persons: {some(several)}")
    if withheld := [*paths, *(path for path, _ in left)].count(WITHHELD):
        lines.append(f"WITHHELD  {withheld} paths hold a patient's name, and are not written")
    lines += [*(describe(sheet) if sheet else []), *unmatched(paths, matches, classes, sheet)]
    if unknown:
        remarks.append(f"{unknown} scans name no person: each is guessed to be a person of its own")
        lines.append(f"PERSONS   {remarks[-1]} (p0001 and on)")
    remarks += sheet.demographics.remarks(with_cells=False) if sheet else []
    own = source.resolve().name
    hidden = everybody.words_in(own) or any(carries(own, parts) for parts in {*patients})
    says = f"--names '{names.text}'" if names else "the sheet" if sheet else "nobody states them"
    return Plan(root, "scans" if hidden else own, scans, matches, paths, patients, classes, remarks, lines, says, left)


def _no_scans(source: Path, not_cut: Sequence[tuple[Scan, str]]) -> str:
    why = ""
    if not_cut:
        scan, reason = not_cut[0]
        why = f"; {len(not_cut)} volumes are left out, the first: {printable(scan.path)}: {printable(reason)}"
    return f"{source}: no scans; expected volumes ({', '.join(SUFFIXES)}) or folders of DICOM files{why}"


def of_several(all_names: Sequence[Sequence[Scan]], whose: Callable[[str], tuple[int, str]]) -> list[str]:
    """Scans that equally sure names give to several persons, each with the name that it goes by, to print."""
    found = []
    for mine in all_names:
        read = [whose(scan.path) for scan in mine] if len(mine) > 1 else []
        if len({separated(subject) for sure, subject in read if sure and sure == read[0][0]}) > 1:
            others = some([scan.path for scan in mine[1:]], 2)
            found.append(printable(f"{mine[0].path} (also {others})"))
    return found


def _each_left(not_cut: Sequence[tuple[Scan, str]], scans: Sequence[Scan]) -> list[tuple[Scan, str]]:
    """The volumes that are not cut under any of their names, each once."""
    seen = {file for scan in scans for file in scan.real}
    left = []
    for scan, why in not_cut:
        if seen.isdisjoint(scan.real):
            left.append((scan, why))
        seen.update(scan.real)
    return left


def _as_written(scan: Scan, why: str, everybody: Patients) -> tuple[str, str]:
    """The path of a volume that is not cut, and why not, without the names of patients."""
    own = parts_in(scan)
    hidden = everybody.words_in(scan.path) or carries(scan.path, own)
    if hidden or everybody.words_in(why) or carries(why, own):
        why = re.sub("^--exclude .*", "--exclude", _without_paths(why))
    return WITHHELD if hidden else printable(scan.path), printable(why)


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
