"""What several tests of the analysis need: slices of discs, a finished run's generator."""

from dataclasses import replace

import numpy as np
import pytest

from progan_style import load_generator, stage_dir


@pytest.fixture(scope="session")
def discs():
    """discs(count, size=16, seed=0) -> uint8 [M, 1, R, R] and labels [M]; wide discs are class 0, narrow ones 1."""

    def made(count, size=16, seed=0):
        """Bright discs, wide for class 0 and narrow for class 1, uint8 [M, 1, R, R] and labels [M]."""
        rng = np.random.default_rng(seed)
        labels = np.arange(count) % 2
        y, x = np.mgrid[:size, :size] / size - 0.5
        radius = np.where(labels, 0.22, 0.34) + rng.normal(0, 0.03, count)
        images = 200 / (1 + np.exp((np.hypot(x, y) - radius[:, None, None]) * 40))
        images += rng.normal(0, 6, images.shape)
        return np.clip(images, 0, 255).astype(np.uint8)[:, None], labels

    return made


@pytest.fixture
def G(tiny_run):
    return load_generator(stage_dir(tiny_run.run_dir, 16) / "generator.safetensors")


@pytest.fixture
def run(tiny_run, tmp_path):
    """The tiny run in a folder of this test's own, since reports write into it."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    for path in ("config.yaml", "stage-008", "stage-016"):
        (folder / path).symlink_to(tiny_run.run_dir / path)
    return replace(tiny_run, run_dir=folder)


@pytest.fixture(scope="session")
def aged_run(tmp_path_factory, toy_root, tiny_overlay, tiny_run):
    """The tiny run again, of people with an age and a sex, which it is conditioned on."""
    import csv
    import shutil

    from progan_style import Trainer, load_config, load_data, save_config

    folder = tmp_path_factory.mktemp("aged")
    shutil.copytree(toy_root, folder / "slices")
    rng, rows, ages = np.random.default_rng(0), [], {}
    for path in sorted((folder / "slices").glob("*/*/*.png")):
        split, label, subject = path.parts[-3], path.parts[-2], path.stem.rpartition("_")[0]
        age = ages.setdefault(subject, 70 + 8 * (label == "AD") + 6 * rng.standard_normal())
        sex = "FM"[len(ages) % 2]
        row = {"path": f"{split}/{label}/{path.name}", "label": label, "subject": subject, "split": split}
        rows.append(row | {"age": f"{age:.1f}", "sex": sex})
    with open(folder / "slices" / "manifest.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    wanted = [f"data.root={folder / 'slices'}", "data.conditions={age: number, sex: category}"]
    config = load_config(overlay=tiny_overlay, overrides=wanted)
    data = load_data(config, 16, progress=False)
    run_dir = folder / "aged"
    run_dir.mkdir()
    save_config(config, run_dir / "config.yaml")
    assert Trainer(config, data.train).run(run_dir)
    return replace(tiny_run, run_dir=run_dir, root=folder / "slices", config=config, data=data)


@pytest.fixture
def nobody(tiny_run):
    """The tiny run's data without a held-out slice."""
    empty = tiny_run.data.test.subset(np.zeros(len(tiny_run.data.test), dtype=bool))
    return replace(tiny_run.data, validate=empty, test=empty)


@pytest.fixture
def context_of():
    """context_of(run, data=None, **options): a context of the tiny run, 24 generated slices of each class."""

    def make(run, data=None, **options):
        from analysis import Options, run_context

        return run_context(run.run_dir, data or run.data, 16, Options(**{"samples_per_label": 24} | options))

    return make


@pytest.fixture
def predict(context_of):
    """predict(run, sections, data=None, public=False, **options) -> the numbers of a report."""
    from analysis import make_report

    def make(run, chosen=None, data=None, public=False, **options):
        return make_report(context_of(run, data, **options), chosen, public)

    return make


@pytest.fixture
def made():
    """made(section, context) -> the numbers and pictures of one section, checked against its declarations."""
    from analysis.numbers import check_made
    from analysis.plots import picture_bytes

    def make(section, context):
        numbers, findings = section.measure(context)
        check_made("it", section.NUMBERS, numbers, context.class_names)
        pictures = section.show(context, numbers, findings)
        for picture in pictures:
            starts = {".png": b"\x89PNG", ".gif": b"GIF89a", ".html": b"\n<!DOCTYPE html>"}[picture.suffix]
            assert picture_bytes(picture, "the settings").lstrip().startswith(starts.lstrip())
            assert picture.title and picture.reading and picture.control and picture.alt and picture.shown
        return numbers, pictures

    return make
