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
from typing import Annotated, Any, BinaryIO

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from tqdm import tqdm

from progan_style.data.gray import Unreadable, halve, pad_square, read_gray, resize, round_half_up
from progan_style.files import sweep
from progan_style.section import faults

FORMAT = 2  # of the cache; counts up when the same files would be packed to other bytes
SMALLEST = 8  # pixels per side of the lowest level
CHUNK = 64  # images per task: 4 MB at 256x256, and a few tasks are under way at a time, so memory stays bounded


def resolutions(resolution: int) -> list[int]:
    """The levels of a pyramid: 256 -> 256, 128, 64, 32, 16, 8."""
    return [resolution >> i for i in range((resolution // SMALLEST).bit_length())]


@dataclass(frozen=True)
class Allow:
    """What a folder may hold beside sound slices of the classes: the keys of data."""

    upsampling: bool = False  # allow_upsampling: a picture smaller than the resolution is made larger
    unreadable: bool = False  # skip_unreadable: one that cannot be decoded is left out
    unlabelled: bool = False  # unlabelled: slices without a class (Data.learnt)


STRICT = Allow()


@dataclass(frozen=True)
class Job:
    """What a worker needs to know to pack any image of the data set."""

    root: str
    resolution: int
    allow: Allow = STRICT
    bits: int = 8
    low: int = 0
    high: int = 255
    workers: int | None = None  # threads; None: all cores

    def read(self, path: str) -> np.ndarray | None:
        """The gray values of an image, None if it is unreadable and may be skipped."""
        try:
            return read_gray(os.path.join(self.root, path))
        except Unreadable:
            if self.allow.unreadable:
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
        if side < self.resolution and not self.allow.upsampling:
            until = 1 << (side.bit_length() - 1)
            hint = (
                f"train --until {until}, or set data.allow_upsampling" if until >= SMALLEST else "too small to train on"
            )
            raise ValueError(f"{name}: {width} x {height} pixels; the last stage is {self.resolution}: {hint}")
        return self.at(image, self.resolution)

    def at(self, image: np.ndarray, resolution: int) -> np.ndarray:
        """Gray values [H, W] -> float64 [resolution, resolution] in 0 .. 255, not rounded."""
        square = pad_square(image, self.low)
        if self.bits == 8 and len(square) == resolution:
            return square.astype(np.float64)
        return (resize(square, resolution) - self.low) * (255 / (self.high - self.low))


def _pack_chunk(job: Job, paths: Sequence[str]) -> dict[str, Any]:
    sizes: Counter[str] = Counter()
    packed: list[np.ndarray] = []
    skipped: list[str] = []
    small: dict[int, np.ndarray] = {}  # row -> a picture that is made larger
    for path in paths:
        image = job.read(path)
        if image is None:
            skipped.append(path)
            continue
        if max(image.shape) < job.resolution:
            small[len(packed)] = image
        packed.append(job.pack(path, image))
        sizes[f"{image.shape[1]}x{image.shape[0]}"] += 1
    levels = []
    if packed:
        values = np.stack(packed)[:, None]
        levels = [round_half_up(values)]
        while values.shape[-1] > SMALLEST:
            values = halve(values)
            for row, image in small.items():  # from the picture itself, so that a level is the same whatever was packed
                if max(image.shape) < 2 * (side := values.shape[-1]):
                    values[row, 0] = job.at(image, side)
            levels.append(round_half_up(values))
    return {"levels": levels, "sizes": sizes, "skipped": skipped, "upsampled": len(small)}


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
    sweep(folder.parent, ".data-")
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


class Index(BaseModel):
    """What was found while packing: index.json."""

    model_config = ConfigDict(strict=True)

    bits: int
    range: Annotated[list[int], Field(min_length=2, max_length=2)]
    sizes: dict[str, int]
    upsampled: int
    skipped: list[str]


def open_cache(folder: Path, resolution: int, images: int) -> tuple[dict[str, Any], dict[int, np.ndarray], np.ndarray]:
    """A complete cache -> what was found while packing, the levels (memory-mapped), the mean of each image [M]."""
    try:
        index = Index.model_validate(json.loads((folder / "index.json").read_text())).model_dump()
        levels = {r: np.load(folder / level_name(r), mmap_mode="r") for r in resolutions(resolution)}
        means = np.load(folder / "means.npy")
        rows = images - len(index["skipped"])
    except ValidationError as error:
        raise ValueError(
            f"{folder}: this cache is damaged ({faults(error)[0]}); delete the folder and run again"
        ) from None
    except MemoryError:
        raise
    except Exception as error:  # json and numpy raise whatever a damaged file makes them trip over
        if isinstance(error, OSError) and error.errno in (errno.ENOMEM, errno.EACCES, errno.EPERM):
            raise
        raise ValueError(f"{folder}: this cache is damaged ({error}); delete the folder and run again") from None
    right = [(level.shape, level.dtype) == ((rows, 1, r, r), np.uint8) for r, level in levels.items()]
    if not all(right) or means.shape != (rows,) or means.dtype.kind != "f":
        raise ValueError(f"{folder}: this cache is damaged; delete the folder and run again")
    return index, dict(sorted(levels.items())), means
