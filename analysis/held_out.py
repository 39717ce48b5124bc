"""Held-out phantoms: fresh persons of another seed, whom no training and no choice ever saw."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from analysis.slices import joined
from progan_style import Data, load_folder, make_phantoms

PHANTOMS = "phantoms.json"  # the settings that make_phantoms leaves beside its slices
OTHER_SEED = 20_000_000  # added to a phantom data set's seed: the pool of held-out persons


def with_unseen_phantoms(
    data: Data,
    resolution: int,
    persons: int,
    cache_dir: Path | str,
    workers: int | None = None,
    log: Callable[[str], None] = lambda line: None,
    which: int = 0,
    progress: bool = False,
) -> Data:
    """Phantom data with a fresh test part: `persons` persons of another seed.

    which: of the fresh seeds; a choice that was made on one is tested on another. Data of real persons come back
    as they are. Drawn once into the cache, 0.06 s per slice and core.
    """
    file = Path(data.root) / PHANTOMS
    if not file.is_file():
        return data
    try:
        settings = json.loads(file.read_text())
        names = ("slices", "seed", "overlap", "pattern")
        version, arguments = settings["version"], {name: settings[name] for name in names}
        arguments |= {name: settings[name] for name in ("people", "years_older") if name in settings}
        arguments |= {"persons": persons, "size": resolution, "seed": arguments["seed"] + OTHER_SEED * (1 + which)}
    except (ValueError, KeyError, TypeError):
        raise ValueError(
            f"{file}: damaged, so no people like these can be drawn; delete {data.root}, or mend it"
        ) from None
    name = "phantoms-unseen-" + hashlib.sha256(json.dumps([version, arguments]).encode()).hexdigest()[:10]
    log(f"held-out people: {persons} phantoms of another seed are drawn now or taken from the cache")
    root = make_phantoms(Path(cache_dir) / name, workers=workers, progress=progress, **arguments)
    pool = load_folder(
        root, classes=data.class_names, resolution=resolution, cache_dir=cache_dir, progress=progress, workers=workers
    )
    everyone = joined([pool.train, pool.validate, pool.test])
    return replace(data, test=everyone, key=f"{data.key}+{pool.key}")
