"""One picture: a file -> gray values; square, smaller by exact area means, 8 bits.

Letters: M images, R pixels per side of a level, S pixels per side of a picture after padding.
"""

import os
import stat

import numpy as np
from PIL import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
LARGEST = 4096 * 4096  # pixels of a picture: no slice has more, and one that claims to is not decoded


class Unreadable(ValueError):
    """A file that is not the picture its name promises; the one fault that data.skip_unreadable may skip."""


class Unfit(ValueError):
    """A picture that is no slice."""


def read_gray(path: str) -> np.ndarray:
    """An image file -> its gray values, uint8 or uint16 [height, width]; colour by its luma, alpha laid on black.

    Raises Unreadable if it cannot be decoded, Unfit if it is a picture of another kind.
    """
    too_large = f"{path}: more than {LARGEST:,} pixels, which is no slice: take it out of the folder"
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # to open a pipe is to wait for ever
            raise Unfit(f"{path}: no regular file; take it out of the folder")
        with Image.open(path, formats=("PNG", "JPEG", "TIFF", "BMP")) as image:
            frames = getattr(image, "n_frames", 1)
            if image.width * image.height > LARGEST:
                raise Unfit(too_large)
            if frames != 1:
                raise Unfit(f"{path}: holds {frames} pictures; expected one slice per file")
            image.load()
            return _gray(image, path)
    except (Unfit, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Unfit(too_large) from None
    except PermissionError:
        raise Unfit(f"{path}: you may not read it; ask its owner, or copy it") from None
    except Exception as error:  # Pillow's decoders raise whatever a broken file makes them trip over
        known = not isinstance(error, Image.UnidentifiedImageError)
        reason = " ".join(str(error).split()) if known else "not a PNG, JPEG, TIFF or BMP picture"
        raise Unreadable(f"{path}: cannot be read ({reason}); replace it, or set data.skip_unreadable: true") from None


def _gray(image: Image.Image, path: str) -> np.ndarray:
    mode = image.mode
    if mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    if image.mode == "L":
        return np.asarray(image)
    if image.mode in ("1", "RGB"):
        return np.asarray(image.convert("L"))
    if image.mode in ("LA", "RGBA"):
        image = image.convert("RGBA")
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        return np.asarray(Image.alpha_composite(black, image).convert("RGB").convert("L"))
    if image.mode in ("I", "I;16", "I;16B", "I;16L", "I;16N"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise Unfit(f"{path}: values {values.min()}..{values.max()}; expected 8- or 16-bit gray (0..65535)")
        return values.astype(np.uint16)
    raise Unfit(f"{path}: pixels of kind {mode}; expected 8- or 16-bit gray, RGB or RGBA")


def pad_square(image: np.ndarray, value: int) -> np.ndarray:
    """[height, width] -> [S, S] with S the longer side, centred, the rest filled with `value`."""
    height, width = image.shape
    if height == width:
        return image
    side = max(height, width)
    square = np.full((side, side), value, image.dtype)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = image
    return square


def resize(image: np.ndarray, resolution: int) -> np.ndarray:
    """[S, S] integers -> [R, R] float64: means over the R x R equal areas if S >= R, else bilinear."""
    side = len(image)
    if side < resolution:
        return _bilinear(_bilinear(image.astype(np.float64), resolution).T, resolution).T
    if side % resolution == 0:  # whole blocks: the same sums, 5 to 60 times faster
        block = side // resolution
        rows = image.reshape(resolution, block, side).sum(axis=1, dtype=np.int64)
        return sum(rows[:, i::block] for i in range(block)) / block**2
    total = _area_sums(_area_sums(image.astype(np.int64), resolution).T, resolution).T
    return np.ascontiguousarray(total) / side**2  # exact integers, so a half is a half whatever the ratio


def _area_sums(image: np.ndarray, resolution: int) -> np.ndarray:
    """[S, X] -> [R, X]: R times the integral of each of R equal intervals of the S rows; whole numbers stay whole."""
    side = len(image)
    below = np.zeros((side + 1, image.shape[1]), np.int64)
    np.cumsum(image, axis=0, out=below[1:])
    whole, part = np.divmod(np.arange(resolution + 1) * side, resolution)  # the edges are at whole + part / R rows
    edges = below[whole] * resolution + image[np.minimum(whole, side - 1)] * part[:, None]
    return np.diff(edges, axis=0)


def _bilinear(image: np.ndarray, resolution: int) -> np.ndarray:
    """[S, X] -> [R, X] by linear interpolation between pixel centres, the border held."""
    side = len(image)
    centre = np.clip((np.arange(resolution) + 0.5) * side / resolution - 0.5, 0, side - 1)
    low = np.minimum(centre.astype(np.int64), max(side - 2, 0))
    part = (centre - low)[:, None]
    return image[low] * (1 - part) + image[np.minimum(low + 1, side - 1)] * part


def halve(values: np.ndarray) -> np.ndarray:
    """[M, 1, R, R] -> [M, 1, R/2, R/2], the mean of each 2x2 block, not rounded."""
    rows = values[:, :, 0::2] + values[:, :, 1::2]
    return (rows[..., 0::2] + rows[..., 1::2]) * 0.25


def round_half_up(values: np.ndarray) -> np.ndarray:
    """float64 -> uint8. A mean that is a half in exact arithmetic counts as one, whatever order it was summed in."""
    return (values + (0.5 + 1e-9)).astype(np.uint8)


def by_own_range(values: np.ndarray) -> np.ndarray:
    """Gray values -> uint8 to look at: 8 bits as they are, 16 bits with the picture's own highest value as white."""
    if values.dtype == np.uint8:
        return values
    brightened: np.ndarray = (values / max(1, int(values.max())) * 255).astype(np.uint8)
    return brightened


def to_gray(values: np.ndarray, lowest: int = 0) -> np.ndarray:
    """Real numbers in gray levels -> uint8, rounded to the nearest (halves to even), cut off at `lowest` and 255."""
    gray: np.ndarray = np.clip(np.rint(values), lowest, 255).astype(np.uint8)
    return gray


def thumbnail(path: str, side: int, how: Image.Resampling) -> Image.Image:
    """A picture's file -> a square of `side` pixels to look at, padded with black."""
    return Image.fromarray(pad_square(by_own_range(read_gray(path)), 0)).resize((side, side), how)
