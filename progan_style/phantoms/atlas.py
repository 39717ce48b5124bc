"""The template of all phantoms: nilearn's ICBM152, with the lateral ventricles found and the tissues sharpened."""

from typing import Any

import numpy as np

from progan_style.phantoms.space import SAMPLED, TEMPLATE_ORIGIN, Array

# Channels of the prepared template, the last axis of its array.
DISTANCE, TOWARDS_X, TOWARDS_Y, TOWARDS_Z = 0, 1, 2, 3
BRAIN, VENTRICLES, GREY, WHITE, SULCI = 0, 1, 2, 3, 4


def prepare_template() -> tuple[Array, Array]:
    """nilearn's template, once for all persons -> geometry [X, Y, Z, 4] and tissues [X, Y, Z, 5].

    Geometry: signed distance to the lateral ventricles' wall in mm (outside positive) and its gradient, which points
    away from them. Tissues: brain, lateral ventricles, grey, white, and rank by nearness to sulcal CSF, each 0 .. 1.

    CSF is what grey and white leave of the brain mask. The lateral ventricles are its two largest components off the
    midline (the cerebral fissure is larger) and deeper than 22 mm under the closed surface: the mask has an opening at
    the base, and measured from there the frontal horns would be cut off.
    """
    from nilearn import datasets
    from scipy import ndimage

    def load(image: Any) -> Array:
        return np.asarray(image.dataobj, dtype=np.float32)

    brain = load(datasets.load_mni152_brain_mask(resolution=1)) > 0.5
    grey = load(datasets.load_mni152_gm_template(resolution=1)) * brain
    white = load(datasets.load_mni152_wm_template(resolution=1)) * brain

    # Depth under the surface closed with a ball of 15 mm, at half resolution.
    coarse = np.pad(brain[::2, ::2, ::2], 9)
    closed = ndimage.distance_transform_edt(ndimage.distance_transform_edt(~coarse) <= 7.5) > 7.5
    deep = 2.0 * ndimage.distance_transform_edt(closed) > 22.0
    for axis, length in enumerate(brain.shape):
        deep = np.repeat(np.take(deep, range(9, deep.shape[axis] - 9), axis), 2, axis).take(range(length), axis)

    csf = np.clip(brain - grey - white, 0.0, 1.0)
    off_midline = np.abs(np.arange(brain.shape[0]) + TEMPLATE_ORIGIN[0]) >= 2.0
    parts, count = ndimage.label((csf > 0.5) & deep & off_midline[:, None, None])
    largest = np.argsort(np.bincount(parts.ravel(), minlength=count + 1)[1:])[-2:] + 1

    margin = 20  # voxels more at top and bottom while filters run
    box = [slice(*(round(mm - start) for mm in ends)) for ends, start in zip(SAMPLED, TEMPLATE_ORIGIN, strict=True)]
    work = (*box[:2], slice(box[2].start - margin, box[2].stop + margin))
    brain, csf, grey, white, inside = brain[work], csf[work], grey[work], white[work], np.isin(parts[work], largest)
    near = ndimage.distance_transform_edt(~inside).astype(np.float32)
    distance = ndimage.gaussian_filter(near - ndimage.distance_transform_edt(inside).astype(np.float32), 1.2)
    ventricles = csf * (near < 3.0)

    # The template is a mean over 152 persons, its borders are blurred: sharpen the shares, keeping their sum.
    shares = np.stack([csf, grey, white]) ** 2.5
    shares /= np.maximum(shares.sum(axis=0), 1e-6)
    csf, grey, white = shares * brain
    ventricles = np.minimum(ventricles, csf) * (csf > 0.02)

    # Rank of the cortical grey matter, the first to be lost to CSF 1, the last 0: near sulcal CSF and far from white
    # (the template's narrow sulci are blurred into grey), against its surroundings, so that all regions lose some.
    cortex = (grey > 0.3) & (near > 12.0)
    exposed = ndimage.gaussian_filter((csf - ventricles) * (near > 12.0) + 0.4 * ~brain, 1.5)
    exposed -= 0.7 * ndimage.gaussian_filter(white, 1.5)
    weight = np.maximum(ndimage.gaussian_filter(cortex.astype(np.float32), 8.0), 1e-3)
    exposed -= 0.8 * ndimage.gaussian_filter(exposed * cortex, 8.0) / weight
    ordered = np.quantile(exposed[cortex], np.linspace(0.0, 1.0, 201))
    sulci = np.interp(exposed, ordered, np.linspace(0.0, 1.0, 201)) * (near > 12.0)

    geometry = np.stack([distance, *np.gradient(distance)], axis=-1)[:, :, margin:-margin]
    tissues = np.stack([brain, ventricles, grey, white, sulci], axis=-1)[:, :, margin:-margin]
    return np.ascontiguousarray(geometry, np.float32), np.ascontiguousarray(tissues, np.float32)
