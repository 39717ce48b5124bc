"""Image files -> a uint8 pyramid in a cache folder: level-256.npy, level-128.npy .. level-008.npy, one row per image.

Letters: M images, R pixels per side of a level, S pixels per side of a source image after padding.

Each image is padded to a centred square with the lowest value of the range; every level is its exact area average,
rounded once, half up. So a level's bytes do not depend on the level that the pyramid starts from. 8-bit values are kept
as they are; 16-bit values share one range, from the lowest to the highest value of the whole data set. Nothing is
squashed, cropped or stretched.

Threads, not processes: Pillow and numpy release the interpreter's lock (measured on two cores, 256x256 PNG: 1,740
images/s with one thread, 3,200 with two, 2,600 with two processes).
"""

import errno
import json
import os
import shutil
import uuid
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image
from tqdm import tqdm

FORMAT = 2  # of the cache; counts up when the same files would be packed to other bytes
SMALLEST = 8  # pixels per side of the lowest level
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
CHUNK = 64  # images per task: 4 MB at 256x256, and a few tasks are under way at a time, so memory stays bounded


class Unreadable(ValueError):
    """A file that is not the picture its name promises; the one fault that data.skip_unreadable may skip."""


class Unfit(ValueError):
    """A picture that is no slice."""


# -------------------------------------------------------------------------------------------------- one image


def read_gray(path: str) -> np.ndarray:
    """An image file -> its gray values, uint8 or uint16 [height, width]; colour by its luma, alpha laid on black.

    Raises Unreadable if it cannot be decoded, Unfit if it is a picture of another kind.
    """
    try:
        with Image.open(path, formats=("PNG", "JPEG", "TIFF", "BMP")) as image:
            frames = getattr(image, "n_frames", 1)
            if frames != 1:
                raise Unfit(f"{path}: holds {frames} pictures; expected one slice per file")
            image.load()
            return _gray(image, path)
    except (Unfit, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        most = f"{Image.MAX_IMAGE_PIXELS:,}"
        raise Unfit(f"{path}: more than {most} pixels, which is no slice: take it out of the folder") from None
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


def resolutions(resolution: int) -> list[int]:
    """The levels of a pyramid: 256 -> 256, 128, 64, 32, 16, 8."""
    return [resolution >> i for i in range((resolution // SMALLEST).bit_length())]


# ---------------------------------------------------------------------------------------------------- all images


@dataclass(frozen=True)
class Job:
    """What a worker needs to know to pack any image of the data set."""

    root: str
    resolution: int
    allow_upsampling: bool
    skip_unreadable: bool
    bits: int = 8
    low: int = 0
    high: int = 255
    workers: int | None = None  # threads; None: all cores

    def read(self, path: str) -> np.ndarray | None:
        """The gray values of an image, None if it is unreadable and may be skipped."""
        try:
            return read_gray(os.path.join(self.root, path))
        except Unreadable:
            if self.skip_unreadable:
                return None
            raise

    def pack(self, path: str, image: np.ndarray) -> np.ndarray:
        """Gray values -> float64 [R, R] in 0 .. 255, not rounded.

        Raises ValueError if the image is too small or of another depth.
        """
        height, width = image.shape
        name = os.path.join(self.root, path)
        if image.dtype.itemsize * 8 != self.bits:
            raise ValueError(
                f"{name}: {image.dtype.itemsize * 8}-bit, but images before it are {self.bits}-bit; one intensity "
                f"range cannot hold for both: save all images of the folder alike"
            )
        side = max(height, width)
        if side < self.resolution and not self.allow_upsampling:
            until = 1 << (side.bit_length() - 1)
            hint = (
                f"train --until {until}, or set data.allow_upsampling" if until >= SMALLEST else "too small to train on"
            )
            raise ValueError(f"{name}: {width} x {height} pixels; the last stage is {self.resolution}: {hint}")
        square = pad_square(image, self.low)
        if self.bits == 8 and side == self.resolution:
            return square.astype(np.float64)
        return (resize(square, self.resolution) - self.low) * (255 / (self.high - self.low))


def _pack_chunk(job: Job, paths: Sequence[str]) -> dict[str, Any]:
    sizes: Counter[str] = Counter()
    packed, skipped, upsampled = [], [], 0
    for path in paths:
        image = job.read(path)
        if image is None:
            skipped.append(path)
            continue
        packed.append(job.pack(path, image))
        sizes[f"{image.shape[1]}x{image.shape[0]}"] += 1
        upsampled += max(image.shape) < job.resolution
    levels = []
    if packed:
        values = np.stack(packed)[:, None]
        levels = [round_half_up(values)]
        while values.shape[-1] > SMALLEST:
            values = halve(values)
            levels.append(round_half_up(values))
    return {"levels": levels, "sizes": sizes, "skipped": skipped, "upsampled": upsampled}


def _range_chunk(job: Job, paths: Sequence[str]) -> tuple[int, int]:
    images = [image for path in paths if (image := job.read(path)) is not None]
    return min((int(i.min()) for i in images), default=65535), max((int(i.max()) for i in images), default=0)


def _in_order(
    work: Callable[[Sequence[str]], Any], paths: Sequence[str], what: str, progress: bool, workers: int | None
) -> Iterator[Any]:
    """work(chunk) for all chunks of the paths in parallel, results in order, with only a few of them in memory."""
    workers = workers or min(os.cpu_count() or 1, 16)
    waiting: deque[tuple[int, Future[Any]]] = deque()
    pool = ThreadPoolExecutor(workers)
    try:
        with tqdm(total=len(paths), desc=what, unit="img", disable=None if progress else True) as bar:
            for start in range(0, len(paths), CHUNK):
                chunk = paths[start : start + CHUNK]
                waiting.append((len(chunk), pool.submit(work, chunk)))
                while len(waiting) > 2 * workers or (waiting and start + CHUNK >= len(paths)):
                    count, future = waiting.popleft()
                    yield future.result()
                    bar.update(count)
    finally:
        pool.shutdown(cancel_futures=True)  # an error or Ctrl-C must not wait for what was still queued


def _intensities(job: Job, paths: Sequence[str], progress: bool) -> Job:
    """The job with the data set's depth, told by its first readable image, and its range of values."""
    first = next((image for path in paths if (image := job.read(path)) is not None), None)
    if first is None or first.dtype == np.uint8:
        return job
    ranges = list(_in_order(partial(_range_chunk, job), paths, "finding the intensity range", progress, job.workers))
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    if low == high:
        raise ValueError(f"{job.root}: every pixel of the 16-bit images is {low}; expected slices")
    return replace(job, bits=16, low=low, high=high)


def pack(job: Job, paths: Sequence[str], folder: Path, progress: bool = True) -> None:
    """Decode the images and write the pyramid into `folder`, which appears only when it is complete.

    Raises ValueError naming the first image that is not fit, OSError if the disk is full.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = folder.with_name(f".{folder.name}-{uuid.uuid4().hex[:8]}")
    unfinished.mkdir()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            _write(_intensities(job, paths, progress), paths, unfinished, progress)
        unfinished.rename(folder)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST) and folder.is_dir():
            return  # another process was faster with the same bytes
        if error.errno != errno.ENOSPC:
            raise
        need = len(paths) * sum(r * r for r in resolutions(job.resolution)) / 1e9
        message = f"{folder.parent}: the disk is full; packing needs {need:.1f} GB: free space, or set data.cache"
        raise OSError(errno.ENOSPC, message) from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _write(job: Job, paths: Sequence[str], folder: Path, progress: bool) -> None:
    # Plain writes instead of a writable memory map: on a full disk a map ends the process with SIGBUS
    sizes: Counter[str] = Counter()
    skipped, upsampled, means = [], 0, []
    files: list[tuple[int, BinaryIO]] = []
    try:
        for resolution in resolutions(job.resolution):
            file = open(folder / level_name(resolution), "wb")  # noqa: SIM115
            files.append((resolution, file))
            _header(file, len(paths), resolution)
        for part in _in_order(partial(_pack_chunk, job), paths, "packing", progress, job.workers):
            for (_, level), images in zip(files, part["levels"], strict=False):  # none if all were skipped
                level.write(images.tobytes())
            if part["levels"]:
                means.append(part["levels"][0].mean(axis=(1, 2, 3)))
            sizes += part["sizes"]
            skipped += part["skipped"]
            upsampled += part["upsampled"]
        for resolution, level in files:
            level.seek(0)
            _header(level, len(paths) - len(skipped), resolution)
            level.flush()
            os.fsync(level.fileno())  # a cache that got its name has its bytes, whatever happens to the machine
    finally:
        for _, opened in files:
            opened.close()
    if not means:
        raise ValueError(f"{job.root}: none of the {len(paths)} images can be read")
    np.save(folder / "means.npy", np.concatenate(means))
    index = {
        "bits": job.bits,
        "range": [job.low, job.high],
        "sizes": dict(sizes.most_common()),
        "upsampled": upsampled,
        "skipped": skipped,
    }
    (folder / "index.json").write_text(json.dumps(index))


def level_name(resolution: int) -> str:
    return f"level-{resolution:03}.npy"


def _header(file: BinaryIO, rows: int, resolution: int) -> None:
    # numpy leaves room for the first axis to grow, so the header of fewer rows is as long
    shape = (rows, 1, resolution, resolution)
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})


def open_cache(folder: Path, resolution: int, images: int) -> tuple[dict[str, Any], dict[int, np.ndarray], np.ndarray]:
    """A complete cache -> what was found while packing, the levels (memory-mapped), the mean of each image [M]."""
    try:
        index = json.loads((folder / "index.json").read_text())
        levels = {r: np.load(folder / level_name(r), mmap_mode="r") for r in resolutions(resolution)}
        means = np.load(folder / "means.npy")
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"{folder}: this cache is damaged ({error}); delete the folder and run again") from None
    rows = images - len(index["skipped"])
    if any(level.shape != (rows, 1, r, r) for r, level in levels.items()) or len(means) != rows:
        raise ValueError(f"{folder}: this cache is damaged; delete the folder and run again")
    return index, dict(sorted(levels.items())), means
