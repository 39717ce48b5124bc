"""A folder of scans -> a data folder of slices, split by person.

Scans are found, matched to persons and diagnoses, cut one per process at a time, and written. A scan that cannot be
used is listed with its reason and does not stop the others.
"""

import contextlib
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from progan_style.data import dicom, volumes, writing
from progan_style.data.folder import some
from progan_style.data.participants import (
    LEAVE_OUT,
    UNLABELLED,
    Match,
    Sheet,
    alias_table,
    describe,
    match,
    participants_tsv,
    read_sheet,
    safe_names,
)
from progan_style.data.pool import cores, in_processes
from progan_style.data.split import parse_shares
from progan_style.data.volumes import BadScan, Cut

MASK = "_mask"  # a file whose name ends in it is no scan
WITHHELD = "(withheld: it holds the patient's name)"
NO_DICOM = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".csv", ".tsv", ".json", ".txt", ".md", ".xml", ".html",
            ".pdf", ".gz", ".zip", ".tar", ".py", ".bval", ".bvec", ".hdr", ".img", ".nii", ".mgz", ".mgh")  # fmt: skip
# plane -> what is on the left of a picture
ON_THE_LEFT = {"axial": "the person's left", "coronal": "the person's left", "sagittal": "the nose"}


@dataclass(frozen=True)
class Scan:
    path: str  # relative to SOURCE, with /
    series: bool = False  # a folder of DICOM files
    masks: tuple[str, ...] = ()  # relative to SOURCE; one at most, if the scan is to be used


@dataclass(frozen=True)
class Task:
    """What a worker needs to know."""

    scan: Scan
    root: str
    cut: Cut
    folder: str  # for its slices, 000.png and on


@dataclass(frozen=True)
class Outcome:
    """What became of a scan."""

    error: str = ""
    offsets: tuple[float, ...] = ()
    outside: tuple[float, ...] = ()
    middle: str = ""
    low: float = 0.0
    high: float = 0.0
    notes: tuple[str, ...] = ()


@dataclass
class Prepared:
    """What prepare_study wrote."""

    folder: Path
    rows: list[dict[str, str]]  # of the manifest
    failed: dict[str, str] = field(default_factory=dict)  # scan -> why
    sheets: list[Path] = field(default_factory=list)


# --------------------------------------------------------------------------------------------------------- finding


def stem(name: str) -> str:
    """A volume's file name without its suffixes."""
    lower = name.lower()
    for suffix in sorted(volumes.SUFFIXES, key=len, reverse=True):
        if lower.endswith(suffix):
            return name[: -len(suffix)]
    return name


def find_scans(source: Path) -> tuple[list[Scan], list[str]]:
    """All scans under a folder, sorted by path, and remarks on what was not taken for one."""
    if source.is_file():
        return [Scan(source.name, False, _masks_of(source.name, os.listdir(source.parent)))], []
    scans, masks = [], 0
    for here, folders, files in os.walk(source):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        where = Path(here).relative_to(source).as_posix()
        prefix = "" if where == "." else f"{where}/"
        files = sorted(name for name in files if not name.startswith("."))
        lower = {name.lower() for name in files}
        found = []
        for name in files:
            if not name.lower().endswith((*volumes.SUFFIXES, ".hdr")):
                continue
            if name.lower().endswith(".hdr") and lower & {stem(name[:-4] + s).lower() + s for s in (".img", ".img.gz")}:
                continue  # the header of a pair
            if stem(name).endswith(MASK):
                masks += 1
            else:
                found.append(name)
        scans += [Scan(prefix + name, False, _masks_of(name, files, prefix)) for name in found]
        if any(not name.lower().endswith(NO_DICOM) and dicom.is_dicom(os.path.join(here, name)) for name in files):
            outside = os.listdir(Path(here).parent) if prefix else []
            parent = prefix[:-1].rpartition("/")[0]
            scans.append(Scan(where, True, _masks_of(Path(here).name, outside, f"{parent}/" if parent else "")))
    remarks = [f"{masks} brain masks (*{MASK}) beside the scans"] if masks else []
    t1 = [scan for scan in scans if stem(scan.path).endswith("_T1w")]
    if t1 and len(t1) < len(scans):  # a BIDS folder: functional and diffusion scans are no faults of it
        remarks.append(f"only *_T1w is used: {len(scans) - len(t1)} other scans are left out")
        scans = t1
    return sorted(scans, key=lambda scan: scan.path), remarks


def holds_scans(source: str | os.PathLike[str]) -> bool:
    """Whether prepare_study is the one to ask; else prepare_slices."""
    return Path(source).is_file() or bool(find_scans(Path(source))[0])


def _masks_of(name: str, beside: Sequence[str], prefix: str = "") -> tuple[str, ...]:
    """The masks that belong to a scan: NAME_mask.nii.gz, or for BIDS sub-01_desc-brain_mask.nii.gz with sub-01_T1w."""
    base = stem(name)
    masks = [other for other in beside if other.lower().endswith(volumes.SUFFIXES) and stem(other).endswith(MASK)]
    own = [other for other in masks if stem(other) == base + MASK]
    if not own and base.startswith("sub-") and "_" in base:
        own = [other for other in masks if other.startswith(base.rpartition("_")[0] + "_")]
    return tuple(prefix + other for other in sorted(own))


# --------------------------------------------------------------------------------------------------------- persons


def name_scans(
    scans: Sequence[Scan], matches: Sequence[Match], root: Path
) -> tuple[list[Match], list[str], list[str], int]:
    """Who each scan is of, by a name that may be written -> matches, paths that may be written, names that may not (of
    patients, "" where there is none), unknown persons.

    A scan whose path and sheet name nobody is a person of its own, under a running number; so is one whose name in path
    or sheet is that of the patient in its DICOM header.
    """
    named, paths, patients, unknown = [], [], [], 0
    for number, (scan, who) in enumerate(zip(scans, matches, strict=True), 1):
        name = dicom.patient_name(root / scan.path) if scan.series else ""
        patients.append(name)
        paths.append(WITHHELD if dicom.carries_name(scan.path, name) else scan.path)
        person = who.person
        if not person.subject or dicom.carries_name(person.subject, name):
            unknown += not person.subject
            person = replace(person, subject=f"p{number:04d}")
        if dicom.carries_name(person.session, name):
            person = replace(person, session="")
        row = who.row
        if row is not None and name:
            clean = {c: v for c, v in row.columns.items() if not dicom.carries_name(v, name)}
            row = replace(row, columns=clean)
        named.append(Match(person, row))
    return named, paths, patients, unknown


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


def make_plan(source: Path, labels: str | os.PathLike[str] | None, aliases: Sequence[str]) -> Plan:
    """Find the scans, read the sheet, bring both together. Raises FileNotFoundError or ValueError, one line."""
    root = source if source.is_dir() else source.parent
    scans, remarks = find_scans(source)
    if not scans:
        raise FileNotFoundError(f"{source}: no scans; expected NIfTI, Analyze or MGH files, or folders of DICOM files")
    table = Path(labels) if labels is not None else participants_tsv(source)
    sheet = read_sheet(table, alias_table(aliases)) if table else None
    matches, paths, patients, unknown = name_scans(scans, match([scan.path for scan in scans], sheet), root)
    classes = [label_of(who, sheet) for who in matches]
    lines = [f"source    {source}: {len(scans)} scans" + "".join(f"; {remark}" for remark in remarks)]
    lines += [*(describe(sheet) if sheet else []), *unmatched(paths, matches, classes, sheet)]
    if unknown:
        lines.append(f"PERSONS   {unknown} scans name no person: each counts as a person of its own (p0001 and on)")
        remarks.append(f"{unknown} scans name no person; each counts as a person of its own")
    own = source.resolve().name
    name = "scans" if any(dicom.carries_name(own, patient) for patient in patients) else own
    return Plan(root, name, scans, matches, paths, patients, classes, remarks, lines)


# --------------------------------------------------------------------------------------------------------- cutting


def cut_scan(task: Task) -> Outcome:
    """One scan -> its slices as PNG in a folder of their own. Faults of the scan are told, those of the disk raised."""
    path = Path(task.root) / task.scan.path
    try:
        volume = dicom.read_series(path) if task.scan.series else volumes.read_volume(path)
        if len(task.scan.masks) > 1:
            raise BadScan(f"{len(task.scan.masks)} masks beside it ({some(task.scan.masks)}); keep one")
        mask = volumes.read_mask(Path(task.root) / task.scan.masks[0], volume) if task.scan.masks else None
        slices = volumes.cut_slices(volume, task.cut, mask)
    except BadScan as error:
        return Outcome(error=str(error).removeprefix(f"{path}: "))
    except MemoryError:
        return Outcome(error="out of memory; use fewer --workers")
    Path(task.folder).mkdir()
    for k, picture in enumerate(slices.pictures):
        Image.fromarray(picture).save(Path(task.folder) / f"{k:03d}.png", compress_level=4)
    return Outcome(
        offsets=tuple(map(float, slices.offsets)),
        outside=slices.outside,
        middle=slices.middle,
        low=slices.low,
        high=slices.high,
        notes=volume.notes,
    )


def prepare_study(
    source: str | os.PathLike[str],
    to: str | os.PathLike[str],
    *,
    cut: Cut,
    labels: str | os.PathLike[str] | None = None,
    aliases: Sequence[str] = (),
    split: str = "80/10/10",
    seed: int = 999,
    terms: str = "",
    strict: bool = False,
    workers: int | None = None,
    say: Callable[[str], None] = lambda line: None,
    progress: bool = True,
) -> Prepared:
    """Scans under `source` -> a data folder `to`, which is complete or as it was before.

    to/{train,validate,test}/CLASS/<subject>[_<session>]_<kk>.png, manifest.csv, scans.csv (which slices came from which
    file), sheets/CLASS.png, DATASET.md. say: takes the lines that tell what was found. Nothing is written elsewhere.
    Raises FileNotFoundError or ValueError, one line, if there is nothing to do or the sheet cannot be right; with
    strict also for the first scan that cannot be used.
    """
    source, to = Path(source), Path(to)
    shares = parse_shares(split)
    writing.refuse_used(to)
    plan = make_plan(source, labels, aliases)
    for line in plan.lines:
        say(line)
    used = [index for index, label in enumerate(plan.classes) if label]
    if not used:
        raise ValueError(f"{source}: no scan has a row with a group; see the scans and rows listed above")
    with writing.new_folder(to) as unfinished:
        tasks = [Task(plan.scans[i], str(plan.root), cut, str(unfinished / f"{i:06d}")) for i in used]
        outcomes = dict(zip(used, _cut_all(tasks, workers, strict, progress), strict=True))
        good = [i for i in used if not outcomes[i].error]
        if not good:
            first, why = plan.scans[used[0]].path, outcomes[used[0]].error
            raise ValueError(f"none of the {len(used)} scans can be used; the first: {first}: {why}")
        ids = _scan_ids(plan.matches, good)
        pictures = []
        for i in good:
            pictures += _pictures(unfinished / f"{i:06d}", plan.matches[i], plan.classes[i], ids[i], outcomes[i], cut)
        rows = writing.place(pictures, writing.split_of_persons(pictures, shares, seed), to, move=True)
        writing.write_table(to / "scans.csv", [_scan_row(i, plan, ids, outcomes) for i in range(len(plan.scans))])
        sheets = writing.write_sheets(to, rows, ON_THE_LEFT[cut.plane])
        notes = Counter(note for i in used for note in outcomes[i].notes)
        remarks = [*plan.remarks, *(f"{n} scans: {note}" for note, n in notes.items())]
        if len(good) < len(used):
            remarks.append(f"{len(used) - len(good)} scans could not be used: see scans.csv")
        writing.write_card(to, plan.name, rows, _settings(cut, split, seed), remarks, terms)
        writing.write_manifest(to, rows)
    for line in told(plan, {i: outcomes[i] for i in used}, cut):
        say(line)
    return Prepared(to, rows, {plan.scans[i].path: outcomes[i].error for i in used if outcomes[i].error}, sheets)


def _settings(cut: Cut, split: str, seed: int) -> dict[str, object]:
    """What DATASET.md says about how the slices were made."""
    intensity = f"percentiles {volumes.DARKEST:g} and {volumes.BRIGHTEST:g} inside the head -> 0 and 255"
    scale = {"mm per pixel": volumes.FIELD_MM / cut.size}
    return scale | asdict(cut) | {"intensity": intensity, "split": split, "seed": seed}


def told(plan: Plan, outcomes: Mapping[int, Outcome], cut: Cut) -> list[str]:
    """What had to be assumed of scans, and which slices were not made, in lines to print."""
    lines = [f"note      {plan.paths[i]}: {note}" for i, outcome in outcomes.items() for note in outcome.notes]
    if outside := {i: outcome.outside for i, outcome in outcomes.items() if outcome.outside}:
        total = sum(map(len, outside.values()))
        lines.append(f"OUTSIDE   {total} slices lie outside their volume and were not made:")
        for i, heights in outside.items():
            mm = some([f"{height:g}" for height in heights])
            lines.append(f"          {plan.paths[i]}: {len(heights)} of {cut.slices} ({mm} mm)")
    return lines


def _cut_all(tasks: Sequence[Task], workers: int | None, strict: bool, progress: bool) -> list[Outcome]:
    """The outcomes of all scans, in order; as many volumes are in memory as there are workers."""
    if workers is not None and workers < 1:
        raise ValueError(f"--workers: expected 1 or more, got {workers}")
    outcomes: list[Outcome] = []
    with contextlib.closing(in_processes(cut_scan, tasks, min(workers or cores(), len(tasks)))) as done:
        bar = tqdm(done, total=len(tasks), desc="cutting", unit="scan", disable=None if progress else True)
        for task, outcome in zip(tasks, bar, strict=True):
            if strict and outcome.error:
                raise ValueError(f"{Path(task.root, task.scan.path)}: {outcome.error} (--strict: nothing was written)")
            outcomes.append(outcome)
    return outcomes


def unmatched(paths: Sequence[str], matches: Sequence[Match], classes: Sequence[str], sheet: Sheet | None) -> list[str]:
    """Scans without a row and rows without a scan, in lines to print."""
    if sheet is None:
        return []
    lines = []
    without = [path for path, who in zip(paths, matches, strict=True) if who.row is None]
    if without:
        what = "left out" if sheet.has_groups else "used without their columns"
        lines.append(f"NO ROW    {len(without)} scans have no row in {sheet.name}, {what}: {some(without)}")
    left = [p for p, who, label in zip(paths, matches, classes, strict=True) if who.row is not None and not label]
    if left:
        lines.append(f"LEFT OUT  {len(left)} scans whose row has no group in use: {some(left)}")
    lines_with_scan = {who.row.line for who in matches if who.row is not None}
    idle = [f"{row.person.subject} (line {row.line})" for row in sheet.rows if row.line not in lines_with_scan]
    if idle:
        lines.append(f"NO SCAN   {len(idle)} rows of {sheet.name} have no scan: {some(idle)}")
    return lines


def _scan_ids(matches: Sequence[Match], used: Sequence[int]) -> dict[int, str]:
    """A name for each scan, made of harmless names of person and session; a second scan of both gets _2."""
    subjects = safe_names(matches[i].person.subject for i in used)
    sessions = safe_names(matches[i].person.session for i in used if matches[i].person.session)
    ids: dict[int, str] = {}
    taken: set[str] = set()
    for i in used:
        person = matches[i].person
        base = "_".join([subjects[person.subject], *([sessions[person.session]] if person.session else [])])
        name, number = base, 2
        while name in taken:
            name, number = f"{base}_{number}", number + 1
        taken.add(name)
        ids[i] = name
    return ids


def _pictures(folder: Path, who: Match, label: str, scan: str, outcome: Outcome, cut: Cut) -> list[writing.Picture]:
    given = {"group": who.row.group} if who.row is not None and who.row.group else {}
    columns = who.row.columns if who.row is not None else {}
    pictures = []
    for k, offset in enumerate(outcome.offsets):
        own = {
            "scan": scan,
            "plane": cut.plane,
            "slice_mm": f"{offset:g}",
            "middle": outcome.middle,
            "mm_per_pixel": f"{volumes.FIELD_MM / cut.size:g}",
            "low": f"{outcome.low:.6g}",
            "high": f"{outcome.high:.6g}",
        }
        path = folder / f"{k:03d}.png"
        pictures.append(
            writing.Picture(path, label, who.person.subject, who.person.session, {**own, **given, **columns})
        )
    return pictures


def _scan_row(i: int, plan: Plan, ids: Mapping[int, str], outcomes: Mapping[int, Outcome]) -> dict[str, str]:
    """A line of scans.csv."""
    outcome = outcomes.get(i)
    state = "left out" if outcome is None else "failed" if outcome.error else "used"
    outcome = outcome or Outcome()
    why = WITHHELD if dicom.carries_name(outcome.error, plan.patients[i]) else outcome.error
    return {
        "scan": ids.get(i, ""),
        "source": plan.paths[i],
        "state": state,
        "label": plan.classes[i],
        "slices": str(len(outcome.offsets)),
        "outside_mm": " ".join(f"{mm:g}" for mm in outcome.outside),
        "remark": "; ".join([*([why] if why else []), *outcome.notes]),
    }
