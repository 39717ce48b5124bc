"""A folder of DICOM files, one series -> a volume.

Slices are placed by ImagePositionPatient and ImageOrientationPatient, never by file name, InstanceNumber or
SliceThickness; DICOM's LPS millimetres become RAS. Single-frame files and enhanced multi-frame files are read.
(DICOM PS3.3 C.7.6.2 image plane, C.7.6.16 multi-frame functional groups; PS3.5 for pixels.)
"""

import functools
import gzip
import io
import os
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from progan_style.scans import formats
from progan_style.scans.volumes import LARGEST, BadScan, Volume, check_affine, make_volume

SUFFIXES = (".dcm", ".dicom", ".ima", ".dcm.gz", ".ima.gz", "")
UNEVEN = 0.1  # steps may differ by this share of the usual step; a gap of more is a missing slice


@dataclass(frozen=True)
class Frame:
    """One picture of a series and where its first pixel lies. LPS mm."""

    position: NDArray[np.float64]  # [3]
    orientation: NDArray[np.float64]  # [6]: direction of a row's pixels, of a column's
    spacing: tuple[float, float]  # mm from row to row, from column to column
    pixels: NDArray[Any]  # [rows, columns]


def is_dicom(path: str | os.PathLike[str]) -> bool:
    """Whether a file says that it is one: DICM behind a preamble of 128 bytes, or the suffix of one."""
    if os.path.basename(path).upper() == "DICOMDIR":  # a table of contents
        return False
    if str(path).lower().endswith(SUFFIXES[:-1]):
        return True
    try:
        with open(path, "rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def _files(folder: Path) -> Iterator[Path]:
    """In the order of their names; none of a folder that is gone, of which reading the series will say so.

    os.path.isfile, for what cannot be looked at is no file: pathlib's ends there.
    """
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        names = []
    return (folder / n for n in names if n[0] != "." and os.path.isfile(folder / n) and is_dicom(folder / n))


def read_file(path: Path, **how: Any) -> Any:
    """A DICOM file, packed by gzip or not -> pydicom's data set. Raises whatever pydicom and gzip do."""
    import pydicom

    if path.suffix.lower() != ".gz":
        return pydicom.dcmread(path, **how)
    with gzip.open(path) as unpacked:
        content = unpacked.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"it unpacks to more than {LARGEST:,} bytes")
    return pydicom.dcmread(io.BytesIO(content), **how)


@dataclass(frozen=True)
class Folder:
    """What the headers in a folder say."""

    files: list[str]  # names of its DICOM files
    series: list[list[str]]  # those of each series
    named: dict[str, str]  # a file -> its PatientName, where it has one

    def patients(self, files: Sequence[str]) -> tuple[str, ...]:
        return tuple(sorted({self.named[name] for name in files if name in self.named}))


def read_folder(folder: str | Path) -> Folder:
    """The DICOM files of a folder, by SeriesInstanceUID; files that name none are of no series, nor are those without
    a picture (a report).

    Every file is asked: a localizer has three among the T1's two hundred, and a report alone may name the patient.
    """
    found = Folder([], [], {})
    series: dict[str, list[str]] = {}
    for path in _files(Path(folder)):
        uid, rows, patient = _tags(path, "SeriesInstanceUID", "Rows", "PatientName")
        found.files.append(path.name)
        if uid and rows:
            series.setdefault(uid, []).append(path.name)
        if patient:
            found.named[path.name] = patient
    found.series.extend(series.values())
    return found


def has_no_pictures(folder: str | Path) -> bool:
    """Whether all files of a folder are whole DICOM files that hold none: reports, marks, plans."""
    some = False
    for path in _files(Path(folder)):
        kind, rows = _tags(path, "SOPClassUID", "Rows")
        if rows or not kind:
            return False
        some = True
    return some


def read_series(folder: str | Path, names: Sequence[str] = ()) -> Volume:
    """The series in a folder -> Volume; names: of its files, where there are others.

    Raises BadScan, one line, if it is not one whole series.
    """
    try:
        return _read_series(folder, names)
    except (BadScan, MemoryError):
        raise
    except Exception as error:  # a header may hold anything: two numbers of rows, a list of frames
        raise BadScan(f"{folder}: its headers cannot be used ({_line(error)}); copy the series anew") from None


def _read_series(folder: str | Path, names: Sequence[str]) -> Volume:
    from pydicom.errors import InvalidDicomError

    if links := _dead_links(str(folder), os.stat(folder).st_mtime_ns):
        raise BadScan(f"{links[0]}: {formats.why_not_there(links[0])} ({len(links)} such files)")
    files = [Path(folder) / name for name in names] or [*_files(Path(folder))]
    headers = []
    for path in files:
        try:
            # A file without the preamble is still read: exports of old archives lack it.
            header = read_file(path, force=path.name.lower().endswith(SUFFIXES[:-1]))
        except (InvalidDicomError, OSError, EOFError, ValueError, KeyError, AttributeError, zlib.error) as error:
            raise BadScan(f"{path}: cannot be read as DICOM ({_line(error)}); copy it anew") from None
        if "Rows" in header:  # a report holds no picture
            headers.append((path, header))
        elif "SOPClassUID" not in header:
            raise BadScan(f"{path}: cannot be read as DICOM (no picture in it); copy it anew")
    if not headers:
        raise BadScan(f"{folder}: its DICOM files hold no pictures")
    try:
        _one_series(str(folder), headers)
        rows, columns = int(headers[0][1].Rows), int(headers[0][1].Columns)
        total = rows * columns * sum(int(header.get("NumberOfFrames", 1) or 1) for _, header in headers)
    except (ValueError, TypeError, AttributeError) as error:
        if isinstance(error, BadScan):
            raise
        raise BadScan(
            f"{folder}: a tag of its headers cannot be right ({_line(error)}); copy the series anew"
        ) from None
    if total > LARGEST:
        raise BadScan(f"{folder}: {total:,} voxels; expected {LARGEST:,} at most")
    frames = [frame for path, header in headers for frame in read_frames(path, header)]
    data, affine = stack(frames, str(folder))
    if str(headers[0][1].get("PhotometricInterpretation", "")) == "MONOCHROME1":  # its low values are bright
        data = data.max() - data
    return make_volume(data, affine, str(folder))


@functools.lru_cache(maxsize=1)
def _dead_links(folder: str, changed: int) -> list[Path]:
    """Links to DICOM files that are not there; looked for once, not for each series of a folder."""
    return [
        p for p in sorted(Path(folder).iterdir()) if p.name.lower().endswith(SUFFIXES[:-1]) and not os.path.exists(p)
    ]


def series_description(path: str | Path) -> str:
    """What the scanner called a series (a folder, or its first file); "" if it says nothing."""
    return _first(path, "SeriesDescription")


def patient(path: str | Path) -> str:
    """What tells the patients of one folder apart, never to be written."""
    return f"{_first(path, 'PatientID')} {_first(path, 'PatientName')}"


def _first(path: str | Path, tag: str) -> str:
    """A tag of a file, or of a folder's first DICOM file, one with a picture if there is one."""
    path = Path(path)
    files = filter(is_dicom, [path]) if path.is_file() else _files(path)
    found = (_tags(p, tag, "Rows") for p in files)
    first = next(found, ("", ""))
    return first[0] if first[1] else next((text for text, rows in found if rows), first[0])


def _tags(path: Path, *tags: str) -> tuple[str, ...]:
    try:
        header = read_file(path, force=True, stop_before_pixels=True, specific_tags=list(tags))
        return tuple(str(header.get(tag, "")) for tag in tags)
    except Exception:  # the file is broken: reading the series will say so
        return ("",) * len(tags)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _one_series(folder: str, headers: Sequence[tuple[Path, Any]]) -> None:
    series = Counter(str(header.get("SeriesInstanceUID", "")) for _, header in headers)
    if len(series) > 1:
        counts = " and ".join(str(n) for n in series.values())
        raise BadScan(f"{folder}: {len(series)} series ({counts} files); expected one: put each in a folder of its own")
    sizes = Counter((int(header.Rows), int(header.Columns)) for _, header in headers)
    if len(sizes) > 1:
        got = " and ".join(f"{r} x {c} ({n} files)" for (r, c), n in sizes.most_common())
        raise BadScan(f"{folder}: pictures of different sizes, {got}; take out those that are no part of the scan")


def read_frames(path: Path, header: Any) -> list[Frame]:
    """The pictures of one file, with their places."""
    kind = str(header.get("PhotometricInterpretation", ""))
    if kind not in ("MONOCHROME1", "MONOCHROME2"):
        raise BadScan(f"{path}: {kind or 'unknown'} pixels; expected MONOCHROME1 or MONOCHROME2")
    number = int(header.get("NumberOfFrames", 1) or 1)
    shared = header.get("SharedFunctionalGroupsSequence") or [None]
    groups = header.get("PerFrameFunctionalGroupsSequence") or [None] * number
    if len(groups) != number:
        raise BadScan(f"{path}: {number} frames, places for {len(groups)}; it is damaged: copy it anew")
    try:
        places = [_place(header, shared[0], group) for group in groups]
    except (KeyError, AttributeError, TypeError, ValueError, IndexError):
        raise BadScan(
            f"{path}: no place in space (ImagePositionPatient, ImageOrientationPatient, PixelSpacing); "
            f"expected an MR series with them"
        ) from None
    pixels = _pixels(path, header).reshape(number, int(header.Rows), int(header.Columns))
    frames = []
    for (position, orientation, spacing, slope, intercept), picture in zip(places, pixels, strict=True):
        frames.append(Frame(position, orientation, spacing, picture * np.float32(slope) + np.float32(intercept)))
    return frames


def _pixels(path: Path, header: Any) -> NDArray[Any]:
    syntax = header.file_meta.get("TransferSyntaxUID") if "file_meta" in header.__dict__ or header.file_meta else None
    if syntax is None:  # written without a file header: what DICOM's default says
        from pydicom.uid import ImplicitVRLittleEndian

        header.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    if syntax is not None and not syntax.is_transfer_syntax:
        raise BadScan(f"{path}: pixels of an unknown kind (transfer syntax {syntax}); export it uncompressed")
    try:
        return np.asarray(header.pixel_array)
    except Exception as error:  # pydicom and its decoders raise whatever a broken file makes them trip over
        if syntax is not None and syntax.is_compressed and not _has_decoder(syntax):
            raise BadScan(
                f"{path}: compressed ({syntax.name}) and no decoder for it is installed: pip install pylibjpeg "
                f"pylibjpeg-libjpeg pylibjpeg-openjpeg (or the extra compressed), or decompress it first (gdcmconv "
                f"--raw, dcmdjpeg)"
            ) from None
        raise BadScan(f"{path}: its pixels cannot be read ({_line(error)}); copy it anew") from None


def _has_decoder(syntax: Any) -> bool:
    from pydicom.pixels import get_decoder

    try:
        return bool(get_decoder(syntax).is_available)
    except NotImplementedError:  # how pydicom says that it knows no decoder of this kind, installed or not
        return False


def _place(header: Any, shared: Any, own: Any) -> tuple[Any, Any, tuple[float, float], float, float]:
    """Position, orientation, spacing, slope and intercept of one frame."""

    def group(sequence: str, name: str) -> Any:
        for item in (own, shared):
            if item is not None and sequence in item:
                return item[sequence].value[0][name].value
        return header[name].value

    position = np.array(group("PlanePositionSequence", "ImagePositionPatient"), float)
    orientation = np.array(group("PlaneOrientationSequence", "ImageOrientationPatient"), float)
    spacing = [float(mm) for mm in group("PixelMeasuresSequence", "PixelSpacing")]
    scale = []
    for name, default in (("RescaleSlope", 1.0), ("RescaleIntercept", 0.0)):
        try:
            scale.append(float(group("PixelValueTransformationSequence", name)))
        except KeyError:
            scale.append(default)
    if position.shape != (3,) or orientation.shape != (6,) or len(spacing) != 2:
        raise ValueError
    return position, orientation, (spacing[0], spacing[1]), scale[0], scale[1]


def stack(frames: Sequence[Frame], folder: str) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Frames in any order -> voxels [columns, rows, slices], affine to RAS. Raises BadScan if one is missing."""
    first = frames[0]
    if len(frames) < 2:
        raise BadScan(f"{folder}: a single slice; expected a series of them")
    for frame in frames:
        if not np.allclose(frame.orientation, first.orientation, atol=1e-3):
            raise BadScan(
                f"{folder}: slices in different directions (a localizer?); take out what is no part of the scan"
            )
        if not np.allclose(frame.spacing, first.spacing, rtol=1e-3):
            raise BadScan(f"{folder}: slices of different pixel spacing; take out what is no part of the scan")
    along_row, along_column = first.orientation[:3], first.orientation[3:]
    normal = np.cross(along_row, along_column)
    heights = np.array([frame.position @ normal for frame in frames])
    if not np.isfinite(heights).all() or not np.isfinite(first.orientation).all():
        raise BadScan(f"{folder}: positions that are not finite; expected an MR series with places in space")
    order = np.argsort(heights, kind="stable")
    steps = np.diff(heights[order])
    usual = float(np.median(steps))
    if (steps < 1e-3).any():
        raise BadScan(
            f"{folder}: {np.count_nonzero(steps < 1e-3)} slices lie where another lies (two echoes, or two scans?); "
            f"put each in a folder of its own"
        )
    if (np.abs(steps - usual) > UNEVEN * usual).any():
        gaps = steps[steps > (1 + UNEVEN) * usual]
        missing = int(np.rint(gaps / usual - 1).sum())
        raise BadScan(
            f"{folder}: {missing or 'some'} of {len(frames) + missing} slices are missing (steps of {steps.min():.2f} "
            f"to {steps.max():.2f} mm, usually {usual:.2f}); copy the series anew"
        )
    last = frames[order[-1]].position
    affine = np.eye(4)
    affine[:3, 0] = along_row * first.spacing[1]
    affine[:3, 1] = along_column * first.spacing[0]
    affine[:3, 2] = (last - frames[order[0]].position) / (len(frames) - 1)  # the true step, tilted gantries too
    affine[:3, 3] = frames[order[0]].position
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    check_affine(affine, folder)
    data = np.empty((*first.pixels.shape[::-1], len(frames)), np.float32)
    for k, index in enumerate(order):
        data[:, :, k] = frames[index].pixels.T
    return data, affine
