"""Which files and folders under SOURCE are scans, and which brain mask belongs to which."""

import heapq
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from progan_style.data.classes import ARCHIVES
from progan_style.scans import dicom
from progan_style.scans.formats import NOT_READ, SUFFIXES

MASKED_BY = ("brain", "bet", "hdbet", "brainmask", "biascorr_brain")  # NAME_bet_mask.nii.gz
MASK = "_mask"  # a file whose name ends in it is no scan
MOST_NAMES = 32  # of one folder, by links; links that lead to each other in all ways would give it endlessly many
NO_DICOM = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".csv", ".tsv", ".json", ".txt", ".md", ".xml", ".html",
            ".pdf", ".gz", ".zip", ".tar", ".py", ".bval", ".bvec", ".hdr", ".rec", ".raw", *SUFFIXES)  # fmt: skip


@dataclass(frozen=True)
class Scan:
    path: str  # relative to SOURCE, with /
    series: bool = False  # a folder of DICOM files, or the first file of one series in it
    masks: tuple[str, ...] = ()  # relative to SOURCE; one at most, if the scan is to be used
    files: tuple[str, ...] = ()  # names of the series' files, where their folder holds several series
    real: tuple[str, ...] = ()  # where its files lie, links followed; known once the series are told apart
    patients: tuple[str, ...] = ()  # by the headers of its files; never to be written
    around: tuple[str, ...] = ()  # patients of other files in its folder


@dataclass
class Found:
    """What lies under SOURCE."""

    scans: list[Scan]  # sorted by path; one that links lead to stands here under each of its names
    masks: int = 0  # files that are named so, whether or not they are a scan's
    remarks: list[str] = field(default_factory=list)  # on what was not taken for one; they name nothing
    closed: list[str] = field(default_factory=list)  # folders that cannot be read, and why: for the screen alone


def stem(name: str) -> str:
    """A volume's file name without its suffixes."""
    lower = name.lower()
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if lower.endswith(suffix):
            return name[: -len(suffix)]
    return name


def find_scans(source: Path) -> Found:
    """All scans under a folder, or the one file."""
    if source.is_file():
        if _is_archive(source.name):
            raise ValueError(f"{source}: an archive; unpack it, and name the folder")
        return Found([Scan(source.name, False, _masks_of(source.name, os.listdir(source.parent)))])
    scans: list[Scan] = []
    masks, archives, unread = set(), set(), set()  # where they lie
    files_of, remarks, closed = _folders(source)
    for here, files in files_of.items():
        where = Path(here).relative_to(source).as_posix()
        prefix = "" if where == "." else f"{where}/"
        files = sorted(n for n in files if not n.startswith(".") and _is_file_or_dead_link(os.path.join(here, n)))
        archives |= {os.path.realpath(os.path.join(here, name)) for name in filter(_is_archive, files)}
        unread |= {os.path.realpath(os.path.join(here, n)) for n in files if n.lower().endswith(NOT_READ)}
        lower = {name.lower() for name in files}
        found = []
        for name in files:
            if not name.lower().endswith((*SUFFIXES, ".hdr")):
                continue
            if name.lower().endswith(".hdr") and lower & {stem(name[:-4] + s).lower() + s for s in (".img", ".img.gz")}:
                continue  # the header of a pair
            if stem(name).endswith(MASK):
                masks.add(os.path.realpath(os.path.join(here, name)))
            else:
                found.append(name)
        scans += [Scan(prefix + name, False, _masks_of(name, files, prefix)) for name in found]
        if any(_may_be_dicom(name) and dicom.is_dicom(os.path.join(here, name)) for name in files):
            outside = files_of.get(os.path.dirname(here), []) if prefix else []
            parent = prefix[:-1].rpartition("/")[0]
            scans.append(Scan(where, True, _masks_of(Path(here).name, outside, f"{parent}/" if parent else "")))
    if unread:
        remarks.append(f"{len(unread)} files are of formats that are not read ({', '.join(NOT_READ)})")
    if archives:
        remarks.append(f"{len(archives)} archives (.zip, .tar, ...) are not unpacked")
    return Found(sorted(scans, key=lambda scan: scan.path), len(masks), remarks, closed)


def _folders(source: Path) -> tuple[dict[str, list[str]], list[str], list[str]]:
    """Every folder from `source` on, with its files, under each name that it has by links -> those; remarks, which name
    nothing; the folders that cannot be read, with the reason.

    A link to a folder that it lies in is not followed. The names through the fewest links come first, and a folder
    stands there under MOST_NAMES of them.
    """
    found: dict[str, list[str]] = {}
    names: Counter[str] = Counter()  # where a folder lies -> how many names it has here
    around: dict[str, str] = {}  # a link -> the folder that it leads to and lies in
    too_many: set[str] = set()
    shut: dict[str, str] = {}  # where it lies -> its path under source, with the reason

    def note(error: OSError, here: str = "") -> None:
        here = here or error.filename
        shut.setdefault(os.path.realpath(here), f"{os.path.relpath(here, source)}: {error.strerror}")

    # Links on the way, the folder, where it lies, where these links lie
    starts: list[tuple[int, str, str, tuple[str, ...]]] = [(0, str(source), os.path.realpath(source), ())]
    while starts:
        links, start, place, crossed = heapq.heappop(starts)
        if place in shut or names[place] >= MOST_NAMES:
            too_many |= {place} - shut.keys()
            continue
        for here, folders, files in os.walk(start, onerror=note):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            real = os.path.normpath(f"{place}{os.sep}{os.path.relpath(here, start)}")
            try:
                os.stat(os.path.join(here, "."))  # asks for the right to enter it, too
            except OSError as error:
                note(error, here)
                folders.clear()
                continue
            if names[real] >= MOST_NAMES:
                too_many.add(real)
                folders.clear()
                continue
            names[real] += 1
            found[here] = files
            for name in (name for name in folders if os.path.islink(os.path.join(here, name))):
                behind = os.path.realpath(os.path.join(here, name))
                if any(_is_inside(lies, behind) for lies in (*crossed, real)):
                    around[os.path.join(real, name)] = behind
                else:
                    heapq.heappush(starts, (links + 1, os.path.join(here, name), behind, (*crossed, real)))
    remarks = []
    if shut:
        remarks.append(f"{len(shut)} folders cannot be read")
    if lost := [link for link, behind in around.items() if behind not in names]:
        remarks.append(f"{len(lost)} links lead to a folder that they lie in, and are not followed")
    if too_many:
        remarks.append(f"{len(too_many)} folders have more than {MOST_NAMES} names by links; they are read under these")
    return found, remarks, [*shut.values()]


def _is_inside(path: str, folder: str) -> bool:
    return f"{path}{os.sep}".startswith(f"{folder.rstrip(os.sep)}{os.sep}")


def _is_file_or_dead_link(path: str) -> bool:
    """A regular file (to open a pipe is to wait for ever), or a link whose file is not there, which is to be told."""
    return os.path.isfile(path) or (os.path.islink(path) and not os.path.exists(path))


def _is_archive(name: str) -> bool:
    return name.lower().endswith(ARCHIVES) and not name.lower().endswith((*SUFFIXES, *NOT_READ, *dicom.SUFFIXES[:-1]))


def _may_be_dicom(name: str) -> bool:
    return name.lower().endswith(dicom.SUFFIXES[:-1]) or not name.lower().endswith((*NO_DICOM, *NOT_READ))


def apart(scans: Sequence[Scan], root: Path) -> list[Scan]:
    """Every series of DICOM files a scan of its own, also where several lie in one folder; where the files of each scan
    lie, and which patients their headers name."""
    found = []
    folders: dict[str, dicom.Folder] = {}  # each is read once, whatever its names
    for scan in scans:
        place = os.path.realpath(root / scan.path)
        if not scan.series:
            found.append(replace(scan, real=(place,)))
            continue
        folder = folders[place] = folders.get(place) or dicom.read_folder(place)
        prefix = "" if scan.path == "." else f"{scan.path}/"
        everybody = folder.patients(folder.files)
        several = folder.series if len(folder.series) > 1 else []
        for files in several:
            real, named = _where(place, files), folder.patients(files)
            found.append(Scan(prefix + files[0], True, scan.masks, tuple(files), real, named, everybody))
        if not several:
            found.append(replace(scan, real=_where(place, [*folder.series, folder.files][0]), patients=everybody))
    return sorted(found, key=lambda scan: scan.path)


def _where(folder: str, files: Sequence[str]) -> tuple[str, ...]:
    paths = [os.path.join(folder, name) for name in files]
    return tuple(os.path.realpath(path) if os.path.islink(path) else path for path in paths)


def each_once(scans: Sequence[Scan], root: Path, sure: Callable[[str], int]) -> list[list[Scan]]:
    """The names of each scan, which share real files; first the one that it goes by.

    sure: how surely a path says whose it is. Among equals a scan goes by its own place, else, for links may overlap, by
    the longest name: it tells most. It has the masks that lie beside another name, if none lies beside its own.
    """
    number_of: dict[str, int] = {}  # a real file -> its scan
    names: list[list[Scan]] = []
    for scan in scans:
        number = next((number_of[file] for file in scan.real if file in number_of), len(names))
        names += [[]] * (number == len(names))
        names[number] = [*names[number], scan]
        number_of |= dict.fromkeys(scan.real, number)
    here = os.path.realpath(root)

    def order(scan: Scan) -> tuple[int, bool, int, str]:
        own = _is_inside(scan.real[0], os.path.normpath(os.path.join(here, scan.path)))
        return -sure(scan.path), not own, -scan.path.count("/"), scan.path

    for i, mine in enumerate(names):
        if len(mine) > 1:
            first, *others = sorted(mine, key=order)
            masks = {os.path.realpath(root / mask): mask for scan in others for mask in scan.masks}
            names[i] = [replace(first, masks=first.masks or tuple(sorted(masks.values()))), *others]
    return sorted(names, key=lambda mine: mine[0].path)


def with_sure_masks(scans: Sequence[Scan], used: Sequence[bool]) -> list[Scan]:
    """The scans without a mask that may as well be of another: beside a folder of several series that are cut."""
    claims = Counter(scan.masks for scan, cut in zip(scans, used, strict=True) if cut and scan.files)
    return [replace(scan, masks=()) if scan.files and claims[scan.masks] > 1 else scan for scan in scans]


def about_masks(masks: int, scans: Sequence[Scan]) -> list[str]:
    """A remark on how many masks there are, and how many of them are used; none if there are none."""
    used = len({mask for scan in scans for mask in scan.masks})
    return [f"{masks} masks (*{MASK}) beside the scans, {used} of them for a scan"] if masks else []


def holds_scans(source: str | os.PathLike[str]) -> bool:
    """Whether prepare_study is the one to ask; else prepare_slices."""
    return Path(source).is_file() or bool(find_scans(Path(source)).scans)


def _masks_of(name: str, beside: Sequence[str], prefix: str = "") -> tuple[str, ...]:
    """The brain masks that belong to a scan: NAME_mask.nii.gz, NAME_brain_mask.nii.gz, or for BIDS
    sub-01_desc-brain_mask.nii.gz with sub-01_T1w and with sub-01_desc-preproc_T1w."""
    base = stem(name)
    masks = [other for other in beside if other.lower().endswith(SUFFIXES) and stem(other).endswith(MASK)]
    own = [other for other in masks if stem(other) == base + MASK]
    own = own or [other for other in masks if stem(other) in [f"{base}_{made}{MASK}" for made in MASKED_BY]]
    if not own and base.startswith("sub-") and "_" in base:
        own = [other for other in masks if _entities(other) == _entities(name) and _of_brain(other)]
    return tuple(prefix + other for other in sorted(own))


def _entities(name: str) -> list[str]:
    """What a BIDS name says of its scan, without desc- (what was made of it) and the suffix: sub-01, ses-1, space-x."""
    return [part for part in stem(name).split("_")[:-1] if not part.startswith(("desc-", "label-"))]


def _of_brain(mask: str) -> bool:
    """Whether a mask with a BIDS name is the brain's: no lesion's (label-L), no ribbon's (desc-ribbon)."""
    said = [part.partition("-")[2].lower() for part in stem(mask).split("_") if part.startswith(("desc-", "label-"))]
    return all(word in MASKED_BY for word in said)
