"""Scans made up for tests: heads of ellipsoids and phantom brains, written as NIfTI and as DICOM."""

import itertools
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel import orientations

ALL_ORDERS = [
    np.array(list(zip(axes, flips, strict=True)), float)
    for axes in itertools.permutations(range(3))
    for flips in itertools.product((1, -1), repeat=3)
]


def head(voxel: float = 4.0, marker: bool = True, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A whole head on RAS axes, int16 [X, Y, Z], and its affine: skin, dark bone, brain, neck, and a bright ball of
    20 mm in the brain at x = -30, y = 35, z = 15 mm: left, in front. The vertex is at z = 90 mm."""
    rng = np.random.default_rng(seed)
    shape = np.array([200, 240, 240]) / voxel
    x, y, z = np.indices(shape.astype(int)) * voxel + np.array([-100, -120, -120])[:, None, None, None] + voxel / 2
    data = rng.normal(10, 2, x.shape).clip(0)
    skin = (x / 75) ** 2 + (y / 95) ** 2 + (z / 90) ** 2 < 1
    neck = (x / 50) ** 2 + (y / 50) ** 2 < 1
    brain = (x / 62) ** 2 + (y / 80) ** 2 + (z / 75) ** 2 < 1
    ventricles = ((np.abs(x) - 10) / 6) ** 2 + (y / 25) ** 2 + ((z - 15) / 12) ** 2 < 1
    data[skin | (neck & (z < 0))] = 400
    data[(x / 68) ** 2 + (y / 87) ** 2 + (z / 82) ** 2 < 1] = 40
    data[brain] = 700
    data[ventricles] = 150
    if marker:
        data[(x + 30) ** 2 + (y - 35) ** 2 + (z - 15) ** 2 < 20**2] = 1000
    data[skin] += rng.normal(0, 10, np.count_nonzero(skin))
    affine = np.diag([voxel, voxel, voxel, 1.0])
    affine[:3, 3] = np.array([-100, -120, -120]) + voxel / 2
    return np.rint(data).astype(np.int16), affine


def bare_brain(voxel: float = 4.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The brain of `head` without skull, its affine and its mask."""
    data, affine = head(voxel)
    x, y, z = np.indices(data.shape) * voxel + affine[:3, 3][:, None, None, None]
    mask = (x / 62) ** 2 + (y / 80) ** 2 + (z / 75) ** 2 < 1
    return np.where(mask, data, 0).astype(np.int16), affine, mask


def stored_as(data: np.ndarray, affine: np.ndarray, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same scan with its axes permuted and flipped."""
    return orientations.apply_orientation(data, order), affine @ orientations.inv_ornt_aff(order, data.shape)


def turned(affine: np.ndarray, degrees: float, axis: int) -> np.ndarray:
    """The affine of a scan that was taken obliquely: turned about the origin of space."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.eye(4)
    a, b = (axis + 1) % 3, (axis + 2) % 3
    turn[a, a], turn[a, b], turn[b, a], turn[b, b] = c, -s, s, c
    return turn @ affine


def write_nifti(path: Path, data: np.ndarray, affine: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(data, affine), path)
    return path


def write_analyze(path: Path, data: np.ndarray, voxel: float, code: str = "RAS") -> Path:
    """An Analyze pair as of OASIS-1: one frame, an origin of blanks. data: on RAS axes, stored along the code's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    there = (orientations.axcodes2ornt(tuple(axes)) for axes in ("RAS", code))
    stored = orientations.apply_orientation(data, orientations.ornt_transform(*there))
    image = nib.AnalyzeImage(stored[..., None], np.diag([voxel, voxel, voxel, 1.0]))
    image.header["originator"] = b" " * 10
    nib.save(image, path)
    path.with_suffix(".mat").unlink(missing_ok=True)
    return path


def write_dicom(folder: Path, data: np.ndarray, affine: np.ndarray, inverted: bool = False, **header: object) -> Path:
    """A series of single slices along the third axis, in files whose names and numbers are in disorder."""
    folder.mkdir(parents=True, exist_ok=True)
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    order = np.random.default_rng(0).permutation(data.shape[2])
    for number, k in enumerate(order):
        dataset = one_file(data[:, :, k].T, inverted)
        spacing = np.linalg.norm(lps[:3, :3], axis=0)
        dataset.ImagePositionPatient = [f"{v:.9g}" for v in (lps @ [0, 0, k, 1])[:3]]
        directions = np.concatenate([lps[:3, 0] / spacing[0], lps[:3, 1] / spacing[1]])
        dataset.ImageOrientationPatient = [f"{v:.9g}" for v in directions]
        dataset.PixelSpacing = [f"{spacing[1]:.9g}", f"{spacing[0]:.9g}"]
        dataset.SliceThickness = "99"  # not to be believed
        dataset.InstanceNumber = number + 1
        for name, value in header.items():
            setattr(dataset, name, value)
        dataset.save_as(folder / f"IM{number:04d}.dcm", enforce_file_format=True)
    return folder


def write_multiframe(path: Path, data: np.ndarray, affine: np.ndarray) -> Path:
    """An enhanced MR file: all slices in one, places per frame, spacing and direction shared."""
    from pydicom.dataset import Dataset

    path.parent.mkdir(parents=True, exist_ok=True)
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    dataset = one_file(data.transpose(2, 1, 0), False)
    dataset.NumberOfFrames = data.shape[2]
    shared, measures, direction = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = [f"{spacing[1]:.9g}", f"{spacing[0]:.9g}"]
    directions = np.concatenate([lps[:3, 0] / spacing[0], lps[:3, 1] / spacing[1]])
    direction.ImageOrientationPatient = [f"{v:.9g}" for v in directions]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [direction]
    dataset.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for k in range(data.shape[2]):
        frame, place = Dataset(), Dataset()
        place.ImagePositionPatient = [f"{v:.9g}" for v in (lps @ [0, 0, k, 1])[:3]]
        frame.PlanePositionSequence = [place]
        frames.append(frame)
    dataset.PerFrameFunctionalGroupsSequence = frames
    dataset.save_as(path, enforce_file_format=True)
    return path


def one_file(pixels: np.ndarray, inverted: bool):
    """A dataset with its pixels, 16-bit, without a place."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = MRImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.SeriesInstanceUID = "1.2.3"
    dataset.PatientName = "Doe^Jane"
    dataset.PatientID = "MRN-4711"
    dataset.Modality = "MR"
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    dataset.SamplesPerPixel, dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 1, 16, 16, 15
    dataset.PixelRepresentation = 0
    dataset.PhotometricInterpretation = "MONOCHROME1" if inverted else "MONOCHROME2"
    values = 4095 - pixels.astype(int) if inverted else pixels
    dataset.PixelData = np.ascontiguousarray(values).astype("<u2").tobytes()
    return dataset


def write_report(path: Path, patient: str = "Doe^Jane", **header: object) -> Path:
    """A structured report: a series of its own, without pictures."""
    report = one_file(np.zeros((8, 8)), False)
    for tag in ("Rows", "Columns", "PixelData"):
        delattr(report, tag)
    report.file_meta.MediaStorageSOPClassUID = report.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
    report.Modality, report.SeriesInstanceUID, report.PatientName = "SR", "9.9", patient
    for name, value in header.items():
        setattr(report, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    report.save_as(path, enforce_file_format=True)
    return path


def phantom_volume(person, seed: int, geometry, tissues, step: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """A phantom person's brain, 14 mm below to 48 mm above MNI zero, int16 [256, 256, Z] on RAS axes, its affine."""
    from progan_style.phantoms.drawing import draw_slices
    from progan_style.phantoms.space import CENTRE, MM_PER_PIXEL

    heights = np.arange(-14, 48.1, step)
    pictures, _ = draw_slices(person, list(heights), seed, geometry, tissues)
    data = pictures.transpose(2, 1, 0)[:, ::-1].astype(np.int16)
    affine = np.diag([MM_PER_PIXEL, MM_PER_PIXEL, step, 1.0])
    affine[:3, 3] = CENTRE[0] - 127.5 * MM_PER_PIXEL, CENTRE[1] - 127.5 * MM_PER_PIXEL, heights[0]
    return data, affine
