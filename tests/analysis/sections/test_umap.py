"""Maps and what is counted in feature space; PCA stands in UMAP's place, which compiles for a minute."""

from pathlib import Path

import numpy as np
import pytest

from analysis.context import Context
from analysis.sections import umap
from analysis.slices import generated_slices, real_slices
from analysis.sources import FeatureTable

CLASSES = ("CN", "AD")


def slices_of(persons, each, start, real=True):
    """Noise of `persons` persons per class, `each` slices of every one; labels of generated ones by seed."""
    count = 2 * persons * each
    images = np.random.default_rng(start).integers(0, 255, (count, 1, 8, 8)).astype(np.uint8)
    labels = np.repeat([0, 1], persons * each)
    if not real:
        return generated_slices(images, labels, np.arange(count), CLASSES)
    return real_slices(images, labels, np.repeat(np.arange(start, start + 2 * persons).astype(str), each), CLASSES)


@pytest.fixture
def context(pca_for_umap, tmp_path):
    """Features by hand: the class is the first feature, realness nowhere."""
    parts = {
        "train": slices_of(20, 3, 0),
        "held_out": slices_of(12, 3, 100),
        "fakes": slices_of(36, 1, 200, real=False),
    }
    made = Context(
        title="t",
        settings="s",
        key="k",
        class_names=CLASSES,
        resolution=8,
        train=parts["train"],
        held_out=parts["held_out"],
        held_out_split="test",
        persons_are="persons",
        positions=np.tile([1.0, 2, 3], 24),
        positions_are="slice_mm",
        folder=Path(tmp_path),
        make_fakes=lambda: parts["fakes"],
    )
    for name, slices in parts.items():
        rng = np.random.default_rng(len(slices))
        features = rng.normal(size=(len(slices), 6)).astype(np.float32)
        features[:, 0] += 8 * slices.labels
        made._shared["judge", name] = FeatureTable(
            features, slices.labels, slices.is_real, slices.subjects, CLASSES, "judge by hand"
        )
    return made


def test_classes_apart_are_counted_and_shuffled_labels_are_at_chance(context):
    numbers, findings = umap.measure(context)
    pictures = umap.show(context, numbers, findings)
    assert numbers["umap.knn_purity"] > 0.95 and numbers["umap.knn_purity.real"] > 0.95
    assert numbers["umap.knn_purity.shuffled"] == pytest.approx(0.5, abs=0.05)
    assert numbers["umap.knn_purity.real.p"] == pytest.approx(1 / 200)
    assert numbers["umap.silhouette"] > 0.3
    # Drawn alike, real and generated are not to be told apart.
    assert numbers["umap.realness"] == pytest.approx(numbers["umap.realness.expected"], abs=0.06)
    names = [picture.name for picture in pictures]
    assert names == ["umap_reference", "pca_reference", "umap_joint", "umap_interactive"]


def test_the_interactive_page_carries_every_slice_and_asks_the_network_for_nothing(context):
    *_, page = umap.show(context, *umap.measure(context))
    text = page.content.decode()
    assert page.private and page.suffix == ".html"
    assert text.count("data:image/png;base64,") >= 2 * 72  # and bokeh's own logo
    assert "<script src" not in text and "<link" not in text


def test_generated_slices_apart_from_real_ones_are_seen(context):
    context._shared["judge", "fakes"].features[:, 1] += 20
    numbers, _ = umap.measure(context)
    assert numbers["umap.realness"] == 1 and numbers["umap.realness.baseline"] < 0.6


def test_without_unseen_reals_it_says_so(context):
    context.held_out = context.held_out.take(np.zeros(0, dtype=int))
    with pytest.raises(ValueError, match="no test or validate part"):
        umap.measure(context)
