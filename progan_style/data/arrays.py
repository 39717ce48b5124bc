"""Arrays in memory -> the parts of a Dataset, checked: the pyramid, labels, persons.

Letters: M images, R pixels per side, S pixels per side of a picture after padding.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from progan_style.data.gray import halve, pad_square, resize, round_half_up
from progan_style.files import check_part

SMALLEST = 8  # pixels per side of the lowest level
DEEP = 65535  # steps in which values with a range are averaged, as those of a 16-bit picture are


def check_names(class_names: Sequence[str]) -> tuple[str, ...]:
    """The names of the classes. Raises ValueError if there is none, or two are one but for case."""
    if isinstance(class_names, str):
        raise ValueError(f"class_names: expected several names, as in ('CN', 'AD'), got {class_names!r}")
    names = tuple(check_part(name, "class_names:") for name in class_names)
    if not names or len({name.casefold() for name in names}) < len(names):
        raise ValueError(f"class_names: expected different names (case does not count), got {list(names)}")
    return names


def check_labels(labels: Any, names: Sequence[str], count: int) -> np.ndarray:
    """Names or numbers of classes -> int64 [M]. Raises ValueError for what is no class."""
    values = _row(labels, "labels", count)
    if values.dtype.kind in "UO":
        number = {name.casefold(): label for label, name in enumerate(names)}
        if unknown := sorted({str(name) for name in values.tolist() if str(name).casefold() not in number}):
            raise ValueError(f"labels: expected names from {', '.join(names)}, got {', '.join(unknown[:4])}")
        return np.array([number[str(name).casefold()] for name in values.tolist()], np.int64)
    if values.dtype.kind not in "iu":
        raise ValueError(f"labels: expected names of classes or whole numbers, got {values.dtype}")
    if not 0 <= values.min() <= values.max() < len(names):
        raise ValueError(
            f"labels: expected 0 to {len(names) - 1} for {', '.join(names)}, got {values.min()} to {values.max()}"
        )
    return values.astype(np.int64)


def check_subjects(subjects: Any, count: int) -> np.ndarray:
    """Whose the slices are, [M] of str; "" where it is not known. Raises ValueError for another number of them."""
    if subjects is None:
        return np.full(count, "")
    values = _row(subjects, "subjects", count)
    if values.dtype.kind not in "UOiu":
        raise ValueError(f"subjects: expected names or whole numbers, got {values.dtype}")
    return np.array(["" if name is None else str(name) for name in values.tolist()])


def _row(given: Any, what: str, count: int) -> np.ndarray:
    values: np.ndarray = np.asarray(given)
    if values.shape != (count,):
        raise ValueError(f"{what}: expected one for each of {count} images, got {list(values.shape)}")
    return values


def pyramid(images: Any, limits: tuple[float, float] | None, resolution: int | None) -> dict[int, np.ndarray]:
    """Images [M, height, width] or [M, 1, height, width] -> resolution: uint8 [M, 1, R, R], as packing.py makes them.

    Each level is rounded once, from the exact area average. Values with a range are taken in 65,536 steps.
    """
    values = check_images(images)
    if limits is None and values.dtype != np.uint8:
        raise ValueError(
            f"images: expected uint8, or the range of the {values.dtype} values, as in range=(0.0, 1.0); they lie "
            f"between {values.min()} and {values.max()}"
        )
    values, highest = (values, 255) if limits is None else (_in_steps(values, limits), DEEP)
    side = max(values.shape[1:])
    resolution = resolution or 1 << (side.bit_length() - 1)
    if resolution < SMALLEST or resolution & (resolution - 1):
        raise ValueError(f"resolution: expected a power of two, {SMALLEST} or more, got {resolution}")
    if side < resolution:
        raise ValueError(f"resolution: expected at most the images' {side} pixels per side, got {resolution}")
    sizes = [resolution >> k for k in range((resolution // SMALLEST).bit_length())]
    levels = {r: np.empty((len(values), 1, r, r), np.uint8) for r in sizes}
    for row, image in enumerate(values):
        square = pad_square(image, 0)
        level = square.astype(np.float64) if len(square) == resolution else resize(square, resolution)
        level = (level * (255 / highest))[None, None]
        for r in sizes:
            levels[r][row] = round_half_up(level)[0]
            level = halve(level) if r > SMALLEST else level
    return dict(sorted(levels.items()))


def check_images(images: Any) -> np.ndarray:
    """[M, height, width] of numbers. Raises ValueError for another shape or type."""
    values: np.ndarray = np.asarray(images)
    if values.dtype.kind not in "fiu":
        raise ValueError(f"images: expected numbers, got {values.dtype}")
    if values.ndim == 4 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 3 or not values.size or max(values.shape[1:]) < SMALLEST:
        got = f"{values.dtype} {list(values.shape)}"
        raise ValueError(f"images: expected [M, R, R] or [M, 1, R, R] with R {SMALLEST} or more, got {got}")
    return values


def _in_steps(values: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Values between black and white -> whole numbers 0 .. DEEP."""
    if np.shape(limits) != (2,) or not np.isfinite(limits).all() or not limits[0] < limits[1]:
        raise ValueError(f"range: expected the values that become black and white, as in (0.0, 1.0), got {limits}")
    if broken := int((~np.isfinite(values)).any(axis=(1, 2)).sum()):
        raise ValueError(f"images: NaN or infinity in {broken} of {len(values)}; expected finite values")
    low, high = float(limits[0]), float(limits[1])
    if values.min() < low or values.max() > high:
        raise ValueError(f"images: values {values.min():g} to {values.max():g}, outside of range {low:g} to {high:g}")
    return np.rint((values.astype(np.float64) - low) * (DEEP / (high - low))).astype(np.int64)
