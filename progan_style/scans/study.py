"""A folder of scans -> a data folder of slices, split by person.

Scans are found, matched to persons and diagnoses, cut one per process at a time, and written. A scan that cannot be
used is listed with its reason and does not stop the others.
"""

import contextlib
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from progan_style.data.folder import some
from progan_style.data.manifest import write_manifest
from progan_style.files import new_folder, printable, refuse_used, write_table
from progan_style.pool import cores, in_processes
from progan_style.scans import dicom, stripping, volumes, writing
from progan_style.scans.cutting import FIELD_MM, Cut, Slices, card_lines, cut_slices, template_heights
from progan_style.scans.demographics import counted
from progan_style.scans.finding import Scan
from progan_style.scans.matching import Match
from progan_style.scans.outcomes import Outcome, remarks, told
from progan_style.scans.participants import safe_names
from progan_style.scans.patients import WITHHELD, carries
from progan_style.scans.plan import Plan, make_plan
from progan_style.scans.settings import USUAL, PrepareSettings
from progan_style.scans.split import parse_shares
from progan_style.scans.template import load_template
from progan_style.scans.volumes import BadScan

WORKERS = 4  # at most, unless told: each holds a volume, 0.4 GB at 256 x 256 x 256, so that all stay under 2 GB
# plane -> what is on the left of a picture
ON_THE_LEFT = {"axial": "the person's left", "coronal": "the person's left", "sagittal": "the nose"}


@dataclass(frozen=True)
class Task:
    """What a worker needs to know."""

    scan: Scan
    root: str
    cut: Cut
    folder: str  # for its slices, 000.png and on
    orientation: str = ""  # how it is stored, if its header states nothing
    strip: tuple[str, ...] = ()  # words of the user's command that finds the brain, where no mask is beside it


@dataclass
class Prepared:
    """What prepare_study wrote."""

    folder: Path
    rows: list[dict[str, str]]  # of the manifest
    failed: dict[str, str] = field(default_factory=dict)  # scan -> why
    doubtful: dict[str, str] = field(default_factory=dict)  # scan -> why it may not be the way up that its header says
    sheets: list[Path] = field(default_factory=list)


def cut_scan(task: Task) -> Outcome:
    """One scan -> its slices as PNG in a folder of their own. Faults of the scan are told, those of the disk raised."""
    path = Path(task.root) / task.scan.path
    try:
        volume = _read(task, path)
        volumes.refuse_labels(volume.data)
        if len(task.scan.masks) > 1:
            raise BadScan(f"{len(task.scan.masks)} masks beside it ({some(task.scan.masks)}); keep one")
        mask_path = Path(task.root, *task.scan.masks)
        mask = volumes.read_mask(mask_path, volume, task.orientation) if task.scan.masks else None
        if mask is None and task.strip:
            mask = stripping.find_brain(volume, task.strip)
        slices = cut_slices(volume, task.cut, mask)
    except BadScan as error:
        told = str(error).removeprefix(f"{path}: ")
        return Outcome(error=printable(told.replace(f"{task.root}{os.sep}", "")))  # scans.csv says nothing of this disk
    except MemoryError:
        return Outcome(error="out of memory; use fewer --workers")
    except Exception as error:  # of a reader: this scan is listed, the others go on
        why = " ".join(str(error).split()).replace(f"{task.root}{os.sep}", "")
        return Outcome(error=printable(f"cannot be read ({type(error).__name__}: {why})"))
    Path(task.folder).mkdir()
    for k, picture in enumerate(slices.pictures):
        Image.fromarray(picture).save(Path(task.folder) / f"{k:03d}.png", compress_level=4)
    return outcome_of(slices, task.cut, volume.notes)


def outcome_of(slices: Slices, cut: Cut, notes: tuple[str, ...]) -> Outcome:
    place, notes = slices.place, (*notes, *slices.notes)
    found = place.registration
    return Outcome(
        offsets=tuple(map(float, slices.offsets)),
        outside=slices.outside,
        middle=slices.middle,
        low=slices.low,
        high=slices.high,
        notes=(*notes, "its space is the template's already") if found is not None and found.at_home else notes,
        missed=place.missed,
        placed=found.columns() if found is not None else {},
        template_mm=tuple(map(float, template_heights(place, slices.offsets, cut))) if found is not None else (),
        doubt=slices.doubt,
    )


def _read(task: Task, path: Path) -> volumes.Volume:
    if task.scan.series:
        return dicom.read_series(path.parent if task.scan.files else path, task.scan.files)
    return volumes.read_volume(path, task.orientation)


def prepare_study(
    source: str | os.PathLike[str],
    to: str | os.PathLike[str],
    settings: PrepareSettings = USUAL,
    *,
    cut: Cut,
    workers: int | None = None,
    say: Callable[[str], None] = lambda line: None,
    progress: bool = True,
) -> Prepared:
    """Scans under `source` -> a data folder `to`, which is complete or as it was before.

    to/{train,validate,test}/CLASS/<subject>[_<session>]_<kk>.png, manifest.csv, scans.csv (which slices came from which
    file), sheets/CLASS.png, DATASET.md. say: takes the lines that tell what was found. Nothing is written elsewhere.
    Raises FileNotFoundError or ValueError, one line, if there is nothing to do or the sheet cannot be right; with
    settings.strict also for the first scan that cannot be used.
    """
    source, to = Path(source), Path(to)
    shares = parse_shares(settings.split)
    strip = stripping.parse_command(settings.strip) if settings.strip else ()
    if cut.middle == "template":
        load_template()  # a fault of it is told before the scans are read
    refuse_used(to)
    plan = make_plan(source, settings)
    for line in plan.lines:
        say(line)
    used = [index for index, label in enumerate(plan.classes) if label]
    if not used:
        why = plan.matches[0].why_not or "its row has no group in use"
        raise ValueError(f"{source}: no scan has a row with a group; the first: {plan.paths[0]}: {why}")
    with new_folder(to) as making, tempfile.TemporaryDirectory(dir=making) as cut_to:
        of = settings.orientation
        tasks = [Task(plan.scans[i], str(plan.root), cut, f"{cut_to}/{i:06d}", of, strip) for i in used]
        outcomes = dict(zip(used, _cut_all(tasks, workers, settings.strict, progress), strict=True))
        good = [i for i in used if not outcomes[i].error]
        if not good:
            first, why = printable(plan.scans[used[0]].path), outcomes[used[0]].error
            raise ValueError(f"none of the {len(used)} scans can be used; the first: {first}: {why}")
        ids = _scan_ids(plan.matches, good)
        pictures = []
        for i in good:
            pictures += _pictures(Path(cut_to) / f"{i:06d}", plan.matches[i], plan.classes[i], ids[i], outcomes[i], cut)
        rows = writing.place(pictures, writing.split_of_persons(pictures, shares, settings.seed), making, move=True)
        left = [{"source": path, "state": "left out", "remark": why} for path, why in plan.left]
        write_table(making / "scans.csv", [_scan_row(i, plan, ids, outcomes) for i in range(len(plan.scans))] + left)
        doubtful = [i for i in good if outcomes[i].doubt]
        sheets = writing.write_sheets(making, rows, ON_THE_LEFT[cut.plane], {ids[i] for i in doubtful})
        people = counted([who.row.columns if (who := plan.matches[i]).row else {} for i in good])
        said = [*plan.remarks, *people, *remarks([outcomes[i] for i in used])]
        card = _card(cut, settings) | {"persons": plan.who_says}
        writing.write_card(making, to.resolve().name, plan.name, rows, card, said, settings.terms)
        write_manifest(making, rows, writing.FIRST_COLUMNS)
    say(writing.persons_line(pictures, plan.who_says))
    for line in (*(f"people    {line}" for line in people), *told(plan, {i: outcomes[i] for i in used}, cut)):
        say(line)
    failed = {printable(plan.scans[i].path): outcomes[i].error for i in used if outcomes[i].error}
    doubts = {printable(plan.scans[i].path): outcomes[i].doubt for i in doubtful}
    return Prepared(to, rows, failed, doubts, [to / path.relative_to(making) for path in sheets])


def _card(cut: Cut, settings: PrepareSettings) -> dict[str, object]:
    """What DATASET.md says about how the slices were made."""
    strip = {"strip": Path(stripping.parse_command(settings.strip)[0]).name} if settings.strip else {}
    return card_lines(cut) | strip | {"split": settings.split, "seed": settings.seed}


def _cut_all(tasks: Sequence[Task], workers: int | None, strict: bool, progress: bool) -> list[Outcome]:
    """The outcomes of all scans, in order; as many volumes are in memory as there are workers."""
    if workers is not None and workers < 1:
        raise ValueError(f"--workers: expected 1 or more, got {workers}")
    outcomes: list[Outcome] = []
    with contextlib.closing(in_processes(cut_scan, tasks, min(workers or min(cores(), WORKERS), len(tasks)))) as done:
        bar = tqdm(done, total=len(tasks), desc="cutting", unit="scan", disable=None if progress else True)
        for task, outcome in zip(tasks, bar, strict=True):
            if strict and (why := outcome.error or outcome.doubt or outcome.missed_in_words()):
                raise ValueError(f"{Path(task.root, task.scan.path)}: {why} (--strict: nothing was written)")
            outcomes.append(outcome)
    return outcomes


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
            "mm_per_pixel": f"{FIELD_MM / cut.size:g}",
            "low": f"{outcome.low:.6g}",
            "high": f"{outcome.high:.6g}",
            **({"template_mm": f"{outcome.template_mm[k]:.2f}", **outcome.placed} if outcome.template_mm else {}),
        }
        path = folder / f"{k:03d}.png"
        person = who.person
        named = {**own, **given, **columns}
        pictures.append(writing.Picture(path, label, person.subject, person.session, named, not who.stated))
    return pictures


def _scan_row(i: int, plan: Plan, ids: Mapping[int, str], outcomes: Mapping[int, Outcome]) -> dict[str, str]:
    """A line of scans.csv."""
    outcome = outcomes.get(i)
    state = "left out" if outcome is None else "failed" if outcome.error else "used"
    outcome = outcome or Outcome()
    why = WITHHELD if carries(outcome.error, plan.patients[i]) else outcome.error
    return {
        "scan": ids.get(i, ""),
        "source": plan.paths[i],
        "state": state,
        "label": plan.classes[i],
        "slices": str(len(outcome.offsets)),
        "outside_mm": " ".join(f"{mm:g}" for mm in outcome.outside),
        "remark": "; ".join(filter(None, (why, outcome.missed_in_words(), outcome.doubt, *outcome.notes))),
    }
