"""The template of registrations: nilearn's ICBM152 brain on grids of 2, 4 and 8 mm.

Letters: X, Y, Z voxels. Template mm are MNI mm: right, anterior, superior of the anterior commissure.
"""

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from progan_style.scans.head import block_means
from progan_style.scans.volumes import Array

STEPS_MM = (8, 4, 2)
RIM_MM = 6.0  # of the region, about the brain: cerebrospinal fluid and bone, dark in T1
MIDDLE = (0.0, -17.0, 14.0)  # mm: the lateral ventricles, 75 mm under the vertex of a head of the template's size


@dataclass(frozen=True)
class Level:
    """The template on a grid of one step, cut to the box of its region."""

    step: float  # mm
    values: Array  # [X, Y, Z] 0 outside the brain .. 1
    region: NDArray[np.bool_]  # [X, Y, Z] the brain and its rim; what is compared
    brain: NDArray[np.bool_]  # [X, Y, Z]
    origin: NDArray[np.float64]  # [3] mm of the first voxel


@functools.cache
def load_template() -> dict[int, Level]:
    """Step in mm -> Level. Raises ValueError, one line, if nilearn's files are not there."""
    from scipy import ndimage

    try:
        from nilearn import datasets

        picture = datasets.load_mni152_template(resolution=2)
        mask = datasets.load_mni152_brain_mask(resolution=2)
    except Exception as error:  # of a damaged installation: an import, a file, a header
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(
            f"--middle template: expected nilearn's ICBM152 template, got {type(error).__name__} ({reason}); "
            f"install nilearn anew, or use --middle vertex"
        ) from None
    brain = np.pad(np.asarray(mask.dataobj) > 0.5, 8)  # room for the rim
    values = np.pad(np.asarray(picture.dataobj, np.float32), 8) * brain
    origin = np.asarray(picture.affine[:3, 3], np.float64) - 16.0
    distance = np.asarray(ndimage.distance_transform_edt(~brain), np.float32) * 2
    levels = {}
    for step in STEPS_MM:
        block = (step // 2,) * 3
        near = block_means(distance, block) <= RIM_MM
        low, high = (np.argwhere(near).min(axis=0) - 1, np.argwhere(near).max(axis=0) + 2)
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        inside = block_means(brain.astype(np.float32), block)[box] > 0.5
        first = origin + (step - 2) / 2 + low * step
        levels[step] = Level(float(step), block_means(values, block)[box], near[box], inside, first)
    return levels
