"""A file of any format -> an image as nibabel holds it, not yet looked at.

NIfTI, Analyze, MGH, MINC 1 and PAR/REC are nibabel's own; MINC 2 needs h5py, NRRD and MetaImage need SimpleITK, which
come with the extra `formats`.
"""

import importlib.util
import os
from pathlib import Path
from typing import Any

import numpy as np

OF_NIBABEL = (".nii", ".nii.gz", ".img", ".img.gz", ".mgz", ".mgh", ".mnc", ".mnc.gz", ".par")
OF_ITK = (".nrrd", ".nhdr", ".mha", ".mhd")
SUFFIXES = OF_NIBABEL + OF_ITK
NOT_READ = (".brik", ".brik.gz", ".v", ".ecat", ".fif", ".bfloat", ".dcm.zst")  # volumes of other programs
PAIRS = {".img": ".hdr", ".hdr": ".img", ".par": ".rec"}  # the other file of two
POINTERS = (b"/annex/objects/", b"version https://git-lfs.github.com")  # how a file begins whose content is elsewhere


def why_not_there(path: Path) -> str:
    """Why a file's content is not on this disk, in words, "" if it is: a dead link, a pointer, half of a pair."""
    if path.is_symlink() and not path.exists():
        return "a link to a file that is not there; fetch it (in a DataLad data set: datalad get), or repair the link"
    with open(path, "rb") as file:
        if file.read(40).startswith(POINTERS):
            return "a pointer to a file that is elsewhere; fetch it (git annex get, datalad get or git lfs pull)"
    other = PAIRS.get(path.suffix.lower())
    beside = {name.lower() for name in os.listdir(path.parent)} if other else set()
    if other and not beside & {(path.stem + other).lower(), (path.stem + other).lower() + ".gz"}:
        return f"{path.stem}{other.upper() if path.suffix.isupper() else other} is missing; copy both files of the pair"
    return ""


def load_image(path: Path) -> Any:
    """An image of nibabel. Raises ImportError, which names the package, if its reader is not installed; whatever the
    reader raises if the file is damaged."""
    if path.name.lower().endswith(OF_ITK):
        _need("SimpleITK", "NRRD and MetaImage files")
        return _load_with_itk(path)
    if path.name.lower().endswith(".mnc"):
        with open(path, "rb") as file:
            if file.read(8) == b"\x89HDF\r\n\x1a\n":
                _need("h5py", "MINC 2 files")
    import nibabel as nib

    return nib.load(path)


def _need(package: str, what: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise ImportError(
            f"{what} need {package}, which is not installed: pip install {package} (or the extra formats)"
        )


def _load_with_itk(path: Path) -> Any:
    """LPS mm become RAS. A NRRD file without a space states no orientation."""
    import nibabel as nib
    import SimpleITK as sitk

    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    image = reader.Execute()
    if image.GetNumberOfComponentsPerPixel() > 1:
        raise ValueError(f"{image.GetNumberOfComponentsPerPixel()} values per voxel; expected one gray value")
    data = sitk.GetArrayViewFromImage(image).T
    affine = np.eye(4)
    if data.ndim == 3:
        affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
        affine[:3, 3] = image.GetOrigin()
    stated = not path.name.lower().endswith((".nrrd", ".nhdr")) or reader.HasMetaDataKey("NRRD_space")
    made = nib.Nifti1Image(data.astype(np.float32), None)
    made.header.set_zooms((*image.GetSpacing()[:3], *[1.0] * (data.ndim - 3)))
    made.set_sform(np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine, int(stated))
    made.set_qform(None, 0)
    return made
