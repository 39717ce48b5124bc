"""Where the stored axes of a volume run: what its header states, what is known of its layout, or what the user states.

Letters name the ends towards which the stored axes run, as in nibabel: LAS is to the left, to the front, up.
Analyze files, and NIfTI files whose codes are 0, state nothing. What a reader takes for granted there is a guess: RAW
scans of OASIS-1, read as LAS, would be cut sideways.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ENDS = ("LR", "PA", "IS")
# Layouts whose files state nothing -> how all of them are stored. RAW and SUBJ_111 of OASIS-1 are sagittal stacks,
# T88_111 is transverse: so the converters of Clinica (SUBJ_111), brainder.org (RAW) and G. Ridgway's oasis_reorient.m
# (all three) turn them.
LAYOUTS = (
    (re.compile(r"OAS1_\d{4}_MR\d_mpr-\d_anon", re.IGNORECASE), "ASL", "a RAW scan of OASIS-1"),
    (re.compile(r"OAS1_\d{4}_MR\d_mpr_n\d_anon_sbj_111", re.IGNORECASE), "ASL", "a SUBJ_111 scan of OASIS-1"),
    (re.compile(r"OAS1_\d{4}_MR\d_mpr_n\d_anon_111_t88", re.IGNORECASE), "LAS", "a T88_111 scan of OASIS-1"),
)
SPM = ("LAS", "an Analyze file of SPM (it has an origin), by SPM99's default")


def parse_orientation(text: str) -> str:
    """las -> LAS, "" stays. Raises ValueError unless it names one end of each direction."""
    code = text.strip().upper()
    if code and (len(code) != 3 or [sum(letter in ends for letter in code) for ends in ENDS] != [1, 1, 1]):
        raise ValueError(
            f"--orientation: expected three letters, one each of L or R, A or P, S or I, such as LAS: towards which "
            f"ends the three stored axes run; got {text}"
        )
    return code


def states_orientation(image: Any, path: Path) -> bool:
    """Whether the header of a volume that nibabel has read says where its axes run."""
    header = image.header
    fields = header.keys() if hasattr(header, "keys") else ()
    if "sform_code" in fields:
        return bool(header["sform_code"] > 0 or header["qform_code"] > 0)
    if "goodRASFlag" in fields:  # of an MGH file
        return bool(header["goodRASFlag"] > 0)
    is_analyze = type(image).__name__ in ("AnalyzeImage", "Spm99AnalyzeImage", "Spm2AnalyzeImage")
    return not is_analyze or path.with_suffix(".mat").is_file()


def known_orientation(image: Any, path: Path) -> tuple[str, str]:
    """How a volume whose header states nothing is stored, by its layout, and which layout that is; "" if unknown."""
    for pattern, code, layout in LAYOUTS:
        if pattern.match(path.name):
            return code, layout
    if "origin" in image.header:
        origin, shape = np.array(image.header["origin"][:3], int), np.array(image.shape[:3])
        if origin.any() and (origin > 0).all() and (origin <= shape).all():
            return SPM
    return "", ""


def affine_of(code: str, shape: tuple[int, int, int], voxel_mm: Any) -> NDArray[np.float64]:
    """Voxels along axes that run as the code says -> RAS mm, zero in the middle of the volume; [4, 4]."""
    affine = np.zeros((4, 4))
    for axis, letter in enumerate(code):
        world = next(i for i, ends in enumerate(ENDS) if letter in ends)
        affine[world, axis] = float(voxel_mm[axis]) * (1 if letter == ENDS[world][1] else -1)
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    affine[3, 3] = 1.0
    return affine
