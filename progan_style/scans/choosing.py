"""Which of the volumes in a folder are to be cut: one scan per session, unless told.

What a volume is, its name says, or the description in its JSON sidecar or DICOM header. A volume that was made from
another, a segmentation, a localizer or another modality beside T1-weighted scans is left out, with its reason. Where
several scans of one session are left, nothing is chosen: it is an error that names the commands which choose.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from progan_style.data.folder import some
from progan_style.data.persons import Person
from progan_style.scans import dicom
from progan_style.scans.finding import Scan, stem
from progan_style.scans.matching import Match
from progan_style.scans.participants import separated

# Words stand between what is no letter and no digit
_T1 = r"t1|t1wi?|unit1|t1 ?mprage|mp ?rage[0-9]*|mpr[0-9]*|mp2rage|i?r?f?spgr|ir fspgr|bravo|tfl3d[a-z0-9]*"
_OTHERS = {
    "an inversion image": r"inv ?[12]",
    "FLAIR": r"[a-z0-9]*flair[a-z0-9]*",
    "T2-weighted": r"t2|t2w|t2wi|t2star|t2tse|t2 tse|pd|pdw|pdt2|swi|swan|swip",
    "diffusion": r"dwi|dti|adc|trace|tracew|fa|colfa|diff|diffusion",
    "perfusion": r"asl|pcasl|pasl|cbf|perf|perfusion",
    "functional": r"bold|sbref|rest|rsfmri|fmri|resting|epi",
    "a field map": r"fieldmaps?|field mapping|fmap|phasediff|phase[12]|magnitude[12]?|b0map|b0",
    "angiography": r"tof|mra|angio",
    "CT or PET": r"ct|pet|av45|fdg|pib",
}
_MADE = (
    (r"(_eq(_\d+)?|_roi\d+|_tilt(_\d+)?)$", "a copy that dcm2niix makes beside a scan"),
    (r"(^|[_ -])(localizer|localiser|scout|survey|3-?plane|aahead\w*|loc)([_ -]|$)", "a localizer"),
    (
        r"(^|[_-])(f?seg|dseg|probseg|aseg|aparc.*|ribbon|pve_?\d*|pveseg|mixeltype|labels?|parc\w*|wmparc|lesion)$",
        "a segmentation",
    ),
)
_FROM_BASE = re.compile(
    r"_(bet|brain|hdbet|hd-bet|stripped|ss|restore|fast_restore|biascorr|unbiased|orig|fullfov|n4|norm|nd|reg|mni|"
    r"to_mni(_lin|_nonlin)?)$",
    re.IGNORECASE,
)
FREESURFER_TEMPLATE = re.compile(r"fsaverage\w*|cvs_avg\w*", re.IGNORECASE)


@dataclass(frozen=True)
class Wanted:
    """Patterns of paths, as the user gave them: * is any text, also over folders."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


def leave_out(scans: Sequence[Scan], root: Path, wanted: Wanted) -> list[str]:
    """Why each volume is not to be cut, "" for a candidate. With --include patterns they alone decide."""
    why = [_asked(scan.path, wanted) for scan in scans]
    if wanted.include:
        return why

    def rule(of: Callable[[Scan, Mapping[str, Scan]], str]) -> None:
        left = {_whole_stem(scan.path): scan for scan, reason in zip(scans, why, strict=True) if not reason}
        for i, scan in enumerate(scans):
            why[i] = why[i] or of(scan, left)

    said = {scan.path: _description(scan, root) for scan, reason in zip(scans, why, strict=True) if not reason}
    rule(lambda scan, left: _without_pictures(scan, root))
    rule(_derivative)
    rule(_freesurfer)
    rule(lambda scan, left: _made_from_another(scan, left, said[scan.path]))
    rule(_not_t1w)
    kinds = {scan.path: kind_of(scan, said[scan.path]) for scan, reason in zip(scans, why, strict=True) if not reason}
    if "T1" in kinds.values():
        for i, scan in enumerate(scans):
            kind = kinds.get(scan.path, "")
            why[i] = why[i] or (f"{kind}; T1-weighted scans are used" if kind not in ("", "T1") else "")
    return why


def _asked(path: str, wanted: Wanted) -> str:
    if wanted.include and not any(fnmatchcase(path, pattern) for pattern in wanted.include):
        return "no --include fits"
    return next((f"--exclude '{pattern}'" for pattern in wanted.exclude if fnmatchcase(path, pattern)), "")


def _whole_stem(path: str) -> str:
    return stem(path).lower()


def _without_pictures(scan: Scan, root: Path) -> str:
    no_pictures = scan.series and not scan.files and dicom.has_no_pictures(root / scan.path)
    return "DICOM files without pictures" if no_pictures else ""


def _derivative(scan: Scan, left: Mapping[str, Scan]) -> str:
    """A volume in derivatives/, where scans lie outside of it."""
    if "derivatives" not in scan.path.split("/"):
        return ""
    outside = any("derivatives" not in other.path.split("/") for other in left.values())
    return "in derivatives/, beside the scans" if outside else ""


def _freesurfer(scan: Scan, left: Mapping[str, Scan]) -> str:
    """In the folder mri/ of a FreeSurfer subject, T1.mgz alone is a scan, orig.mgz where there is none. Its template
    subject is nobody, and maps over a surface are no volumes."""
    parts = scan.path.split("/")
    if any(FREESURFER_TEMPLATE.fullmatch(part) for part in parts[:-1]):
        return "of FreeSurfer's template, which is no person"
    if {"surf", "label"} & set(parts[:-1]) and parts[-1].lower().endswith((".mgz", ".mgh")):
        return "a map over a surface, of FreeSurfer"
    if "mri" not in parts[:-1] or not parts[-1].lower().endswith((".mgz", ".mgh")):
        return ""
    folder = "/".join(parts[: parts.index("mri") + 1]).lower()
    best = next((left[f"{folder}/{name}"] for name in ("t1", "orig") if f"{folder}/{name}" in left), scan)
    return f"of FreeSurfer, beside {best.path}" if best is not scan else ""


def _made_from_another(scan: Scan, left: Mapping[str, Scan], said: str) -> str:
    whole = _whole_stem(scan.path)
    for pattern, what in _MADE:
        if re.search(pattern, whole.rpartition("/")[2]) or re.search(pattern, said.lower()):
            return what
    base = left.get(_FROM_BASE.sub("", whole))
    return f"made from {base.path}" if base is not None and base is not scan else ""


def _not_t1w(scan: Scan, left: Mapping[str, Scan]) -> str:
    """A volume with a name of BIDS that is none of the *_T1w, where there are some."""
    name = scan.path.rpartition("/")[2]
    is_bids = name.startswith("sub-") and "_" in name and not scan.series
    some_t1w = any(whole.endswith("_t1w") for whole in left)
    return "no *_T1w" if is_bids and some_t1w and not _whole_stem(name).endswith("_t1w") else ""


def kind_of(scan: Scan, said: str) -> str:
    """ "T1", another modality in words, or "": what the last part of the path says that says something, else what is
    said in the sidecar or the header."""
    for part in (*reversed(scan.path.split("/")), said):
        if kind := _kind(stem(part)):
            return kind
    return ""


def _kind(text: str) -> str:
    words = " ".join(re.findall(r"[a-z0-9]+", text.lower()))

    def says(pattern: str) -> bool:
        return re.search(rf"(?<![a-z0-9])({pattern})(?![a-z0-9])", words) is not None

    first = next((what for what in ("an inversion image",) if says(_OTHERS[what])), "")
    if not first and says(_T1):
        return "T1"
    return first or next((what for what, pattern in _OTHERS.items() if says(pattern)), "")


def _description(scan: Scan, root: Path) -> str:
    """SeriesDescription of a DICOM series, or of the JSON file that dcm2niix writes beside a volume; behind a link also
    what the volume is called where it lies, and what is written beside it there."""
    if scan.series:
        return dicom.series_description(root / scan.path)
    lies, called = Path(*scan.real) if scan.real else root / scan.path, scan.path.rpartition("/")[2]
    said = _sidecar(root / scan.path) or (_sidecar(lies) if scan.real else "")
    return said if lies.name == called else f"{said} {stem(lies.name)}".strip()


def _sidecar(volume: Path) -> str:
    try:
        sidecar = json.loads(volume.with_name(f"{stem(volume.name)}.json").read_text(encoding="utf-8"))
        return " ".join(str(sidecar.get(name, "")) for name in ("SeriesDescription", "ProtocolName"))
    except (OSError, ValueError, AttributeError):
        return ""


def several_of_a_session(scans: Sequence[Scan], matches: Sequence[Match]) -> list[list[tuple[Scan, Person]]]:
    """The sessions of which there are several scans, but for scans that the sheet names one by one.

    Where no visit is known, scans of a person in one folder are of one session. Where nobody is named, scans in one
    folder are, if the name of one goes on that of the other (T1, T1_to_MNI).
    """
    sessions: dict[tuple[str, ...], list[tuple[Scan, Person]]] = {}
    nameless: list[str] = []
    for scan, who in sorted(zip(scans, matches, strict=True), key=lambda pair: len(pair[0].path)):
        person = who.person
        one_by_one = who.row is not None and (who.row.path or who.row.person.image)
        if one_by_one:
            continue
        folder = str(PurePosixPath(scan.path).parent)
        visit = (person.session, person.date) if person.session or person.date else (person.image or folder,)
        whose = separated(person.subject)
        if not person.subject:
            name = _whole_stem(scan.path)
            visit = (next((base for base in nameless if name.startswith((f"{base}_", f"{base}."))), name),)
            nameless += [name] if visit == (name,) else []
        sessions.setdefault((whose, *visit), []).append((scan, person))
    found = [sorted(mine, key=lambda pair: pair[0].path) for mine in sessions.values() if len(mine) > 1]
    return sorted(found, key=lambda mine: mine[0][0].path)


def one_per_session(scans: Sequence[Scan], matches: Sequence[Match]) -> None:
    """Raise ValueError if a session has several scans, and neither the sheet nor --include names them one by one."""
    if several := several_of_a_session(scans, matches):
        raise ValueError(_question([scan for scan, _ in several[0]], several[0][0][1], len(several)))


def _question(mine: Sequence[Scan], person: Person, count: int) -> str:
    first, last = (_pattern(scan, mine, (person.subject, person.session)) for scan in (mine[0], mine[-1]))
    how = f"--include '{first}' or --include '{last}'"
    if len(mine) == 2 and first == mine[0].path:  # its name is a part of the other's
        how = f"--exclude '{last}' or --include '{last}'"
    whose = " ".join(filter(None, (person.subject, person.session or person.date))) or str(
        PurePosixPath(mine[0].path).parent
    )
    return (
        f"{count} sessions have several scans; the first, {whose}, has {some([scan.path for scan in mine])}; "
        f"expected one per session: choose with {how}, or --include '*' for all"
    )


def _pattern(scan: Scan, mine: Sequence[Scan], names: Sequence[str]) -> str:
    """A pattern that fits this scan of a session alone and, where names are regular, its like in other sessions."""
    parts = scan.path.split("/")
    folders = [f"*/{part}/*" for part in reversed(parts[1:-1]) if not re.search(r"[0-9]{4}", part)]
    for pattern in folders:  # a name that its like in other sessions has too, not a date or a number
        if [other for other in mine if fnmatchcase(other.path, pattern)] == [scan]:
            return pattern
    for depth in range(1, len(parts) + 1):
        text = "/".join(parts[-depth:])
        for name in names:
            text = text.replace(name, "*") if name else text
        pattern = re.sub(r"\*+", "*", f"*{text}" if depth < len(parts) else text)
        if [other for other in mine if fnmatchcase(other.path, pattern)] == [scan]:
            return pattern
    return scan.path
