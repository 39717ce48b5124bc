"""A ruler: how large the lateral ventricles of an axial slice are, measured from its pixels alone.

Generated phantoms are asked for a class; this says whether they have that class's anatomy,
without any network. Validated against the phantoms' own truth (tests/analysis/test_ruler.py).
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

# Where lateral ventricles can be, in coordinates of the brain's own ellipse (centre 0, surface about 1; v down the
# picture, u sideways): between these two distances from the midline. Found as the pixels of phantoms whose darkness
# follows the true ratio: an X of the frontal horns and the atria. Left out are the fissures in front and behind.
REGION_V = (-0.56, -0.46, -0.10, 0.00, 0.06, 0.28, 0.42, 0.46)
REGION_INNER = (0.30, 0.00, 0.00, 0.00, 0.08, 0.19, 0.28, 0.40)
REGION_OUTER = (0.30, 0.42, 0.30, 0.36, 0.42, 0.56, 0.52, 0.40)
REGION_EDGE = 0.06

FULL, NONE = 0.12, 0.50


def ventricle_ratio(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Lateral ventricles' area / brain area: [M, 1, R, R] uint8, nose up -> [M].

    Every level is relative to the image itself (its own background, CSF and white matter), so gain and contrast don't
    matter; a pixel counts by its share of CSF, so a ventricle of few pixels is not lost at 32 px. It ranks; it is
    no unbiased estimate: the third ventricle counts where it is seen. A picture without a brain gives 0.
    """
    if images.ndim != 4 or images.shape[1] != 1 or images.shape[2] != images.shape[3]:
        raise ValueError(f"images are {images.shape}; expected [M, 1, R, R]")
    return np.array([_one(image[0].astype(np.float64)) for image in images])


def _one(image: NDArray[np.float64]) -> float:
    brain = _brain(image)
    if brain.sum() < 0.02 * image.size:
        return 0.0
    rows, cols = np.nonzero(brain)
    v = (np.arange(len(image)) - rows.mean()) / (
        2.0 * rows.std() + 1e-9
    )  # an ellipse's half axis is two standard deviations
    u = np.abs(np.arange(len(image)) - cols.mean()) / (2.0 * cols.std() + 1e-9)
    inner, outer = np.interp(v, REGION_V, REGION_INNER), np.interp(v, REGION_V, REGION_OUTER)
    region = _ramp(outer[:, None] - u, REGION_EDGE) * _ramp(u - inner[:, None], REGION_EDGE)
    region *= (_ramp(v - REGION_V[0], REGION_EDGE) * _ramp(REGION_V[-1] - v, REGION_EDGE))[:, None] * brain

    white = np.percentile(image[brain], 90)
    within = image[region > 0.5]
    # The darkest of the middle is CSF, unless the ventricles are narrower than a pixel: then CSF is taken as a third.
    csf = min(float(np.percentile(within, 2)) if within.size else white, white / 3.0)
    share = np.clip((NONE - (image - csf) / max(white - csf, 1.0)) / (NONE - FULL), 0.0, 1.0)
    return float((share * region).sum() / brain.sum())


def _brain(image: NDArray[np.float64]) -> NDArray[np.bool_]:
    """The largest connected piece above the background, its holes and narrow sulci filled."""
    bright = image > 0.15 * np.percentile(image, 97)
    bright = ndimage.binary_opening(bright)  # single noisy pixels
    parts, count = ndimage.label(bright)
    if count == 0:
        return np.zeros(image.shape, bool)
    largest = parts == 1 + np.argmax(np.bincount(parts.ravel())[1:])
    return np.asarray(ndimage.binary_fill_holes(largest))


def _ramp(distance: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    return np.clip(distance / width + 0.5, 0.0, 1.0)
