"""The folder of a run: which configuration it has, which stages are finished, which data belong to it."""

import hashlib
import json
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from progan_style.config import Config, load_config
from progan_style.data.classes import find_classes
from progan_style.data.dataset import Data, Dataset
from progan_style.data.folder import UNLABELLED
from progan_style.data.loading import load_folder
from progan_style.data.packing import Allow
from progan_style.phantoms.folder import NOTICE, VERSION, make_phantoms
from progan_style.training.schedule import Stage

if TYPE_CHECKING:  # they load torch, for which a command's --help does not wait
    from progan_style.networks.contract import Generator

# A finished run that comes with the program: 64x64, trained on phantoms (progan_style/example/README.md)
EXAMPLE = Path(__file__).resolve().parent / "example"


def run_config(run_dir: str | Path, data: str | None = None) -> Config:
    """The configuration that a run was started with. data: where its slices lie now, if they have moved."""
    path = Path(run_dir) / "config.yaml"
    if not path.is_file():
        raise FileNotFoundError(f"{run_dir}: no run here (no config.yaml); python train.py --run {run_dir} makes one")
    config = load_config(path)
    return config if data is None else config.model_copy(update={"data": config.data.model_copy(update={"root": data})})


def stage_dir(run_dir: str | Path, resolution: int) -> Path:
    """Where a finished stage lies in the folder of its run."""
    return Path(run_dir) / f"stage-{resolution:03d}"


# What of a stage's generators is meant -> its file
WEIGHTS = {"last": "generator.safetensors", "best": "generator-best.safetensors"}


def generator_file(run_dir: str | Path, resolution: int, weights: str = "last") -> Path:
    """The generator at the end of a finished stage, or the one of the lowest KID in it.

    Raises ValueError if none was kept, with the sizes that have one.
    """
    path = stage_dir(run_dir, resolution) / WEIGHTS[weights]
    if not path.is_file():
        kept = [r for r in finished_stages(run_dir) if (stage_dir(run_dir, r) / WEIGHTS[weights]).is_file()]
        have = f"these sizes have one: {', '.join(map(str, kept))}" if kept else "no size has one"
        raise ValueError(
            f"--weights {weights}: {run_dir} kept none at size {resolution}, {have}; a run keeps the generator of the "
            f"lowest KID where training.eval_kimg is set and the data have a validate part"
        )
    return path


def load_generator(path: str | Path, size: int | None = None, weights: str = "last") -> "Generator":
    """The EMA generator of a finished stage, in eval mode, fp32, on the CPU, grown to its resolution.

    path: a run's folder, of which `size` (pixels per side; default: the last finished stage) and `weights` ("last", or
    "best": of the lowest KID) choose one; or the generator.safetensors itself. G.class_names gives the meaning of its
    labels, G.resolution the pixels per side. Raises FileNotFoundError or ValueError, in one line, for anything else.

    >>> from progan_style import EXAMPLE, load_generator
    >>> G = load_generator(EXAMPLE)
    >>> G.class_names, G.resolution
    (('CN', 'AD'), 64)
    """
    from progan_style.checkpoint import load_network
    from progan_style.networks.contract import Generator

    path = Path(path)
    if weights not in WEIGHTS:
        raise ValueError(f"weights: expected {' or '.join(WEIGHTS)}, got {weights!r}")
    if path.is_dir():
        path = generator_file(path, finished_stage(path, size), weights)
    elif size is not None or weights != "last":
        raise ValueError(f"{path}: size and weights choose from the folder of a run, and this is none")
    network = load_network(path, "generator")
    assert isinstance(network, Generator)
    return network


def finished_stages(run_dir: str | Path) -> list[int]:
    """The resolutions of the finished stages, ascending."""
    found = Path(run_dir).glob("stage-*/generator.safetensors")
    return sorted(int(m[1]) for p in found if (m := re.fullmatch(r"stage-(\d+)", p.parent.name)))


def is_finished(run_dir: str | Path, stage: Stage) -> bool:
    """Whether a stage's generator is that of its last image: a run that is made longer has an older one until then."""
    from progan_style.checkpoint import images_of

    return images_of(stage_dir(run_dir, stage.resolution) / WEIGHTS["last"]) == stage.end


def images_seen(run_dir: str | Path) -> int | None:
    """The image count of a run's checkpoint; None if there is none."""
    from progan_style.checkpoint import newest_state

    path = Path(run_dir) / "checkpoint.pt"
    return newest_state(path)[0]["nimg"] if path.exists() else None


def refuse_without_checkpoint(run_dir: str | Path) -> None:
    """Raises ValueError if a run's folder has results and no checkpoint.pt: a new run would write over them."""
    from progan_style.checkpoint import PREVIOUS

    folder = Path(run_dir)
    there = [stage_dir(folder, r).name for r in finished_stages(folder)]
    if (folder / PREVIOUS).exists():
        there.insert(0, PREVIOUS)
    if there and not (folder / "checkpoint.pt").exists():
        back = f"rename {PREVIOUS}" if PREVIOUS in there else "put it back"
        raise ValueError(
            f"{run_dir}: holds {', '.join(there)} and no checkpoint.pt; {back} to go on, or begin anew with another "
            f"--run"
        )


def refuse_other_data(before: dict[str, str], now: dict[str, str], where: str | Path, slices: int) -> None:
    """Raises ValueError if these are not the training slices of a run (Dataset.digest); says what differs.

    Where they lie is no matter: a folder may move.
    """
    if differ := [name for name in now if now[name] != before.get(name)]:
        raise ValueError(
            f"{where}: the training slices are others than those of this run ({', '.join(differ)} differ, now {slices} "
            f"slices); name the folder of its slices with --data, or begin anew with another --run (--init keeps the "
            f"weights)"
        )


def refuse_slices_of_others(run_dir: str | Path, train: Dataset) -> None:
    """Raises ValueError if a run learnt from other slices than these. Without a checkpoint nobody knows."""
    from progan_style.checkpoint import newest_state

    path = Path(run_dir) / "checkpoint.pt"
    if path.exists():
        refuse_other_data(newest_state(path)[0]["data"], train.digest(), path, len(train))


def finished_stage(run_dir: str | Path, size: int | None) -> int:
    """`size` if that stage is finished, the last finished one for None; ValueError says which there are."""
    done = finished_stages(run_dir)
    if not done:
        raise ValueError(f"{run_dir}: no stage is finished yet; run python train.py --run {run_dir} first")
    if size is not None and size not in done:
        raise ValueError(f"{run_dir}: size {size} is not trained yet; finished: {', '.join(map(str, done))}")
    return size or done[-1]


def with_unlabelled(config: Config) -> Config:
    """The configuration of a folder without diagnoses: the unlabelled/ that prepare.py writes is its one class.

    Where data.unlabelled asks for them beside labelled ones, they are none.
    """
    root = config.data.root
    if (
        root is None
        or config.data.unlabelled
        or not os.path.isdir(root)
        or set(find_classes(root).values()) != {UNLABELLED}
    ):
        return config
    return config.model_copy(update={"data": config.data.model_copy(update={"classes": (UNLABELLED,)})})


def load_data(config: Config, resolution: int, progress: bool = True) -> Data:
    """The slices of a configuration at `resolution`: data.root, or the built-in phantoms where it is null."""
    data = config.data
    cache = Path(data.cache)
    root = data.root
    if root is None:
        settings = data.phantom.arguments
        key = hashlib.sha256(json.dumps([VERSION, settings], sort_keys=True).encode()).hexdigest()[:10]
        folder = cache / f"phantoms-{settings['persons']}x{settings['slices']}-{key}"
        try:
            root = str(make_phantoms(folder, workers=config.threads, **settings))
        except ValueError:
            if not (folder / NOTICE).is_file():  # no phantoms of ours
                raise
            print(f"note: the phantoms in {folder} are damaged; they are drawn anew")
            shutil.rmtree(folder)
            root = str(make_phantoms(folder, workers=config.threads, **settings))
    return load_folder(
        root,
        classes=data.classes,
        aliases=data.aliases,
        resolution=resolution,
        subject_column=data.subject_column,
        allow=Allow(data.allow_upsampling, data.skip_unreadable, data.unlabelled),
        cache_dir=cache,
        progress=progress,
        workers=config.threads,
    )
