"""Which files and folders under SOURCE are scans, and which brain mask belongs to which."""

import heapq
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from progan_style.data.classes import ARCHIVES
from progan_style.scans import dicom
from progan_style.scans.formats import NOT_READ, SUFFIXES

MASKED_BY = ("brain", "bet", "hdbet", "brainmask", "biascorr_brain")  # NAME_bet_mask.nii.gz
MASK = "_mask"  # a file whose name ends in it is no scan
NO_DICOM = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".csv", ".tsv", ".json", ".txt", ".md", ".xml", ".html",
            ".pdf", ".gz", ".zip", ".tar", ".py", ".bval", ".bvec", ".hdr", ".rec", ".raw", *SUFFIXES)  # fmt: skip


@dataclass(frozen=True)
class Scan:
    path: str  # relative to SOURCE, with /
    series: bool = False  # a folder of DICOM files, or the first file of one series in it
    masks: tuple[str, ...] = ()  # relative to SOURCE; one at most, if the scan is to be used
    files: tuple[str, ...] = ()  # names of the series' files, where their folder holds several series


@dataclass
class Found:
    """What lies under SOURCE."""

    scans: list[Scan]  # sorted by path
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
    scans, masks, archives, unread = [], 0, 0, 0
    files_of, around, closed = _folders(source)
    for here, files in files_of.items():
        where = Path(here).relative_to(source).as_posix()
        prefix = "" if where == "." else f"{where}/"
        files = sorted(n for n in files if not n.startswith(".") and _is_file_or_dead_link(os.path.join(here, n)))
        archives += sum(map(_is_archive, files))
        unread += sum(n.lower().endswith(NOT_READ) for n in files)
        lower = {name.lower() for name in files}
        found = []
        for name in files:
            if not name.lower().endswith((*SUFFIXES, ".hdr")):
                continue
            if name.lower().endswith(".hdr") and lower & {stem(name[:-4] + s).lower() + s for s in (".img", ".img.gz")}:
                continue  # the header of a pair
            if stem(name).endswith(MASK):
                masks += 1
            else:
                found.append(name)
        scans += [Scan(prefix + name, False, _masks_of(name, files, prefix)) for name in found]
        if any(_may_be_dicom(name) and dicom.is_dicom(os.path.join(here, name)) for name in files):
            outside = files_of.get(os.path.dirname(here), []) if prefix else []
            parent = prefix[:-1].rpartition("/")[0]
            scans.append(Scan(where, True, _masks_of(Path(here).name, outside, f"{parent}/" if parent else "")))
    scans = _each_once(source, scans)
    remarks = []
    if closed:
        remarks.append(f"{len(closed)} folders cannot be read")
    if around:
        remarks.append(f"{around} links lead to a folder that they lie in, and are not followed")
    if unread:
        remarks.append(f"{unread} files are of formats that are not read ({', '.join(NOT_READ)})")
    if archives:
        remarks.append(f"{archives} archives (.zip, .tar, ...) are not unpacked")
    return Found(sorted(scans, key=lambda scan: scan.path), masks, remarks, closed)


def _folders(source: Path) -> tuple[dict[str, list[str]], int, list[str]]:
    """Every folder from `source` on, with its files; one behind a link too, but each once -> those; how many links lead
    to a folder that they lie in, which are not followed; the folders that cannot be read, with the reason.

    A folder goes by its own place under `source`, wherever a link to it lies, for that names its person. Behind links
    the outermost folder comes first, for the same reason.
    """
    found: dict[str, list[str]] = {}
    around = 0
    seen: set[tuple[int, int]] = set()
    shut: dict[str, str] = {}  # where it lies -> its path under source, with the reason

    def note(error: OSError, here: str = "") -> None:
        here = here or error.filename
        shut.setdefault(os.path.realpath(here), f"{os.path.relpath(here, source)}: {error.strerror}")

    starts = [(0, str(source))]
    while starts:
        _, start = heapq.heappop(starts)
        for here, folders, files in os.walk(start, onerror=note) if os.path.realpath(start) not in shut else ():
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            try:
                stat = os.stat(os.path.join(here, "."))  # asks for the right to enter it, too
            except OSError as error:
                note(error, here)
                folders.clear()
                continue
            if (stat.st_dev, stat.st_ino) in seen:
                folders.clear()
                continue
            seen.add((stat.st_dev, stat.st_ino))
            found[here] = files
            for link in filter(os.path.islink, (os.path.join(here, name) for name in folders)):
                behind = os.path.realpath(link)
                if any(_is_inside(os.path.realpath(place), behind) for place in (source, here)):
                    around += not _is_inside(behind, os.path.realpath(source))
                else:
                    heapq.heappush(starts, (behind.count(os.sep), link))
    return found, around, [*shut.values()]


def _is_inside(path: str, folder: str) -> bool:
    return f"{path}{os.sep}".startswith(f"{folder.rstrip(os.sep)}{os.sep}")


def _each_once(source: Path, scans: Sequence[Scan]) -> list[Scan]:
    """Without the links to files that are found by their own place."""
    links = {scan.path for scan in scans if os.path.islink(source / scan.path)}
    own = {os.path.realpath(source / scan.path) for scan in scans if scan.path not in links} if links else set()
    return [scan for scan in scans if scan.path not in links or os.path.realpath(source / scan.path) not in own]


def _is_file_or_dead_link(path: str) -> bool:
    """A regular file (to open a pipe is to wait for ever), or a link whose file is not there, which is to be told."""
    return os.path.isfile(path) or (os.path.islink(path) and not os.path.exists(path))


def _is_archive(name: str) -> bool:
    return name.lower().endswith(ARCHIVES) and not name.lower().endswith((*SUFFIXES, *NOT_READ, *dicom.SUFFIXES[:-1]))


def _may_be_dicom(name: str) -> bool:
    return name.lower().endswith(dicom.SUFFIXES[:-1]) or not name.lower().endswith((*NO_DICOM, *NOT_READ))


def apart(scans: Sequence[Scan], root: Path) -> list[Scan]:
    """Every series of DICOM files a scan of its own, also where several lie in one folder."""
    found = []
    for scan in scans:
        several = dicom.series_in(root / scan.path) if scan.series else []
        if len(several) < 2:
            found.append(scan)
        else:
            prefix = "" if scan.path == "." else f"{scan.path}/"
            found += [Scan(prefix + files[0], True, scan.masks, tuple(files)) for files in several]
    return sorted(found, key=lambda scan: scan.path)


def with_sure_masks(scans: Sequence[Scan]) -> list[Scan]:
    """The scans that are cut, without a mask that may as well be of another: beside a folder of several series."""
    claims = Counter(scan.masks for scan in scans if scan.files)
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
