"""A folder of slices -> Data. What it may look like stands in folder.py, how a picture becomes a row in packing.py."""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from progan_style.data.classes import advice
from progan_style.data.dataset import Data, Dataset
from progan_style.data.folder import SPLITS, UNLABELLED, Folder, check_classes, read_folder, refuse_unlabelled_class
from progan_style.data.packing import FORMAT, SMALLEST, STRICT, Allow, Job, open_cache, pack
from progan_style.data.persons import UNKNOWN, crossing, named_in_part, subjects_of


def list_folder(
    root: str, class_names: Sequence[str], aliases: Mapping[str, str], subject_column: str, unlabelled: bool = False
) -> Folder:
    """The slices of a folder, before any of them is opened. Raises as load_folder does for what that tells."""
    refuse_unlabelled_class(class_names)
    try:
        return read_folder(root, class_names, aliases, subject_column, unlabelled)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{error}{advice(root, class_names)}") from None


def load_folder(
    root: str | os.PathLike[str],
    *,
    classes: Sequence[str] = ("CN", "AD"),
    aliases: Mapping[str, str] | None = None,
    resolution: int,
    subject_column: str = "subject",
    allow: Allow = STRICT,
    cache_dir: str | os.PathLike[str],
    progress: bool = True,
    workers: int | None = None,
) -> Data:
    """Read a folder of slices, packed once into a cache, up to `resolution` pixels per side.

    aliases map other names of a class to it (None: NC is CN). Images are padded to a square and reduced by exact area
    averaging, by `workers` threads (None: all cores); 16-bit images share one intensity range. The cache is found
    again by the names, sizes and times of the files and by every argument that decides a byte; a change of any makes
    a new one.
    allow: what there may be beside sound slices of the classes. Raises FileNotFoundError or ValueError, one line each,
    if the folder is not what it has to be.
    """
    if resolution < SMALLEST or resolution & (resolution - 1):
        raise ValueError(f"data resolution {resolution}: expected a power of two, {SMALLEST} or more")
    aliases = {"NC": "CN"} if aliases is None else dict(aliases)
    class_names = tuple(classes)
    root = os.fspath(root)
    folder = list_folder(root, class_names, aliases, subject_column, allow.unlabelled)
    settings = {
        "format": FORMAT,
        "root": os.path.realpath(root),
        "classes": class_names,
        "aliases": sorted(aliases.items()),
        "resolution": resolution,
        "subject_column": subject_column,
        "allow_upsampling": allow.upsampling,
        "skip_unreadable": allow.unreadable,
    }
    settings |= {"upsampled": "of the picture"} if allow.upsampling else {}  # other caches keep their names
    key = _key(settings | ({"unlabelled": True} if allow.unlabelled else {}), folder)
    cache = Path(cache_dir) / f"data-{key}"
    job, paths = Job(root, resolution, allow, workers=workers), [item.path for item in folder.slices]
    if not cache.is_dir():
        pack(job, paths, cache, progress)
    try:
        index, levels, means = open_cache(cache, resolution, len(paths))
    except ValueError:
        tqdm.write(f"note: the cache {cache} is damaged; the slices are packed anew")
        shutil.rmtree(cache)
        pack(job, paths, cache, progress)
        index, levels, means = open_cache(cache, resolution, len(paths))
    skipped = set(index["skipped"])
    folder.slices = [item for item in folder.slices if item.path not in skipped]
    check_classes(root, folder, class_names, skipped=len(skipped))
    words = (*class_names, *aliases)
    who = subjects_of(folder.slices, folder.has_subjects, subject_column, class_names, words)
    return _data(root, resolution, key, class_names, folder, who, (index, levels, means))


def _key(settings: Mapping[str, Any], folder: Folder) -> str:
    """By which a cache is found again: of all that decides a byte of it."""
    digest = hashlib.sha256(json.dumps(settings).encode())
    for item in folder.slices:
        digest.update(repr(item).encode())
    return digest.hexdigest()[:16]


def _data(
    root: str,
    resolution: int,
    key: str,
    class_names: tuple[str, ...],
    folder: Folder,
    who: tuple[np.ndarray, str, str],
    cache: tuple[dict[str, Any], dict[int, np.ndarray], np.ndarray],
) -> Data:
    """What was read of a folder, its persons (subjects_of) and its cache (open_cache), put together."""
    (subjects, subjects_are, why), (index, levels, means) = who, cache
    columns = {name: np.array([item.extra[name] for item in folder.slices]) for name in folder.slices[0].extra}
    labels = np.array([item.label for item in folder.slices], np.int64)
    every = Dataset(levels, labels, subjects, class_names, tuple(item.path for item in folder.slices), columns)
    split = np.array([list(SPLITS).index(item.split) for item in folder.slices])
    borders = np.searchsorted(split, range(len(SPLITS) + 1))  # sorted by split: ranges, so levels stay memory-mapped
    parts = {name: every.subset(np.arange(borders[i], borders[i + 1])) for i, name in enumerate(SPLITS)}
    learnt = parts["train"]
    parts["train"] = learnt.subset(learnt.labels >= 0)
    mean = {
        (name, class_name): float(means[here].mean())
        for number, name in enumerate(SPLITS)
        for label, class_name in [*enumerate(class_names), (-1, UNLABELLED)]
        if (here := (split == number) & (labels == label)).any()
    }
    return Data(
        train=parts["train"],
        validate=parts["validate"],
        test=parts["test"],
        with_unlabelled=learnt if len(learnt) > len(parts["train"]) else None,
        class_names=class_names,
        root=root,
        resolution=resolution,
        key=key,
        subjects_known=subjects_are != UNKNOWN,
        subjects_are=subjects_are,
        why_subjects=why,
        crossing_if_unknown=crossing(
            named_in_part(folder.slices), {name: np.flatnonzero(split == i) for i, name in enumerate(SPLITS)}
        ),
        class_folders={name: folder.class_folders.get(label, ()) for label, name in enumerate(class_names)},
        source_sizes=index["sizes"],
        mean_intensity=mean,
        bits=index["bits"],
        intensity_range=(index["range"][0], index["range"][1]),
        upsampled=index["upsampled"],
        skipped=tuple(index["skipped"]),
        unused=folder.unused,
    )
