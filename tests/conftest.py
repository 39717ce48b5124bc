"""A toy data set and a tiny trained run, shared by the tests."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_DISABLE_JIT", "1")  # umap would compile for a minute

import contextlib
import functools
import importlib.util
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

TINY = {
    "network": {"z_dim": 8, "w_dim": 8, "mapping_depth": 2, "channel_base": 64, "channel_max": 8},
    "schedule": {
        "resolutions": [8, 16],
        "fade_kimg": {8: 0, 16: 0.032},
        "hold_kimg": {8: 0.048, 16: 0.048},
        "batch_size": {8: 8, 16: 8},
    },
    "loss": {"penalty_interval": 4},
    "training": {"log_kimg": 0.016, "grid_kimg": 0.04, "checkpoint_kimg": 0.024, "precision": "fp32"},
    "data": {"phantom": {"persons": 20, "slices": 1}},
}


def write_toy(root: Path, persons: int = 12, slices: int = 2, side: int = 32) -> Path:
    """Blurred discs, larger for CN: train|validate|test/CLASS/<person>_<slice>.png, split by person."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side] / side - 0.5
    for split, share in (("train", persons), ("validate", persons), ("test", persons)):
        for name, radius in (("CN", 0.34), ("AD", 0.22)):
            folder = root / split / name
            folder.mkdir(parents=True)
            for p in range(share):
                cx, cy, r = rng.normal((0, 0, radius), (0.03, 0.03, 0.02))
                for k in range(slices):
                    disc = 1 / (1 + np.exp((np.hypot(x - cx, y - cy) - r) * 40))
                    image = np.clip(disc * 200 + rng.normal(0, 8, disc.shape), 0, 255).astype(np.uint8)
                    Image.fromarray(image).save(folder / f"{split}{name.lower()}{p:02d}_{k}.png")
    return root


@dataclass
class TinyRun:
    run_dir: Path
    root: Path
    overlay: Path
    config: object
    data: object


@pytest.fixture(scope="session")
def toy_root(tmp_path_factory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy") / "slices")


@pytest.fixture(scope="session")
def tiny_overlay(tmp_path_factory) -> Path:
    """The path of an overlay that makes any run tiny: 16 px, 8 channels, a few steps."""
    folder = tmp_path_factory.mktemp("tiny")
    tree = dict(TINY, threads=1)
    tree["data"] = TINY["data"] | {"cache": str(folder / "cache")}
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory, toy_root, tiny_overlay) -> TinyRun:
    """A finished run of 8 -> 16 px on the toy data set."""
    from progan_style import Trainer, load_config, load_data, save_config

    run_dir = tmp_path_factory.mktemp("run") / "tiny"
    run_dir.mkdir()
    config = load_config(overlay=tiny_overlay, overrides=[f"data.root={toy_root}"])
    data = load_data(config, 16, progress=False)
    save_config(config, run_dir / "config.yaml")
    assert Trainer(config, data.train).run(run_dir)
    return TinyRun(run_dir, toy_root, tiny_overlay, config, data)


@functools.cache
def prepared_template():
    from progan_style.phantoms.atlas import prepare_template

    return prepare_template()


@pytest.fixture(scope="session")
def template():
    """The phantoms' template: geometry and tissues."""
    return prepared_template()


@pytest.fixture(scope="session", autouse=True)
def one_template():
    """Preparing the template takes five seconds: all phantoms that are drawn in this process share it."""
    from progan_style.phantoms import folder

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folder, "prepare_template", prepared_template)
        yield


@pytest.fixture
def rough(monkeypatch):
    """What a report does hundreds of times, in less time: figures are drawn without their layout, which each section's
    own tests have, and an AUC is counted from ranks."""
    from scipy.stats import rankdata

    from analysis import classification, plots

    saved = plots._saved

    def unlaid(figure, *rest):
        figure.set_layout_engine("none")
        return saved(figure, *rest)

    def area(labels, scores):
        ranks, ones = rankdata(scores), np.asarray(labels).astype(bool)
        return (ranks[ones].mean() - (ones.sum() + 1) / 2) / (~ones).sum()

    monkeypatch.setattr(plots, "_saved", unlaid)
    monkeypatch.setattr(classification, "roc_auc_score", area)


@pytest.fixture(scope="session")
def with_some_unlabelled():
    """with_some_unlabelled(data): nobody knows the class of the last four slices of each class of train."""
    from dataclasses import replace

    def made(data):
        train = data.train
        last = np.concatenate([np.flatnonzero(train.labels == k)[-4:] for k in range(len(data.class_names))])
        named = np.setdiff1d(np.arange(len(train)), last)
        labels = np.concatenate([train.labels[named], np.full(len(last), -1)])
        together = replace(train.subset(np.concatenate([named, last])), labels=labels)
        return replace(data, train=train.subset(named), with_unlabelled=together)

    return made


@pytest.fixture
def pca_for_umap(monkeypatch):
    """PCA in UMAP's place on the report's maps: uncompiled, a UMAP takes half a minute."""
    from analysis.embedding import pca_embed, pca_map
    from analysis.sections import umap

    monkeypatch.setattr(umap, "umap_map", lambda features, seed: (pca_map(features, seed), pca_embed(features)))
    monkeypatch.setattr(umap, "umap_embed", lambda features, seed: pca_embed(features, 2, seed))


@pytest.fixture
def few_latents(monkeypatch):
    """The sections of the latents in a second: few images, two steps of projection."""
    from analysis import projection, two_classes
    from analysis.sections import styles

    for name, value in dict(PAIRS=16, WALKERS=4, STEPS=3).items():
        monkeypatch.setattr(two_classes, name, value)
    for name, value in dict(TRUNCATED=4, MIXED=2, FILMED=2, BETWEEN=2).items():
        monkeypatch.setattr(styles, name, value)
    monkeypatch.setattr(projection, "STEPS", 2)


@pytest.fixture
def quick(monkeypatch, pca_for_umap, few_latents, rough):
    """A report of seconds: a judge that has seen 640 images, PCA in UMAP's place, few latents, rough figures."""
    from analysis import context, evaluation
    from analysis.judge import train_judge

    for module in (context, evaluation):
        monkeypatch.setattr(module, "train_judge", functools.partial(train_judge, images_seen=640))


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture(scope="session")
def call_shell():
    """call_shell("train.py", ...) does what `python train.py ...` does, without the seconds of a new interpreter."""
    repo = Path(__file__).parents[1]

    def call(shell, *arguments) -> Done:
        spec = importlib.util.spec_from_file_location(shell.removesuffix(".py"), repo / shell)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = module.main([str(a) for a in arguments])
        return Done(code, out.getvalue(), err.getvalue())

    return call


@pytest.fixture(scope="session")
def scan_tools():
    """tests/scan_tools.py: scans made up for tests."""
    spec = importlib.util.spec_from_file_location("scan_tools", Path(__file__).parent / "scan_tools.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
