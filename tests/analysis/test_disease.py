"""The part of a report: its numbers are all there, its private pictures are marked, what is missing is named."""

import json
from dataclasses import replace

import numpy as np
import pytest

from analysis import disease
from analysis.plots import picture_bytes

PUBLIC = {"same_brain", "difference_map", "cn_to_ad", "style_mixing", "truncation", "interpolation"}


def test_pictures_numbers_and_what_is_private(tiny_run, G, few_latents):
    notes = []
    numbers, pictures = disease.look(G, tiny_run.data, 16, note=notes.append)
    assert {p.name for p in pictures if not p.private} == PUBLIC
    assert {p.name for p in pictures if p.private} == {"difference_real", "projection"}
    assert all(p.reading and p.control and p.title for p in pictures)
    for picture in pictures:
        data = picture_bytes(picture, "the settings")
        assert data.startswith(b"GIF89a" if picture.suffix == ".gif" else b"\x89PNG")
    json.dumps(numbers, allow_nan=False)
    assert numbers["difference.shuffled.rms"] >= 0 and -1 <= numbers["difference.correlation"] <= 1
    assert numbers["projection.slices"] == 8 and numbers["film.frames"] == 4
    assert len(notes) == 1 and notes[0].startswith("ruler left out: the slices have no known ventricle ratio")


def test_the_ruler_measures_where_truth_is_known(tiny_run, G, few_latents, monkeypatch):
    """A ruler of brightness, and unseen slices whose truth is their brightness."""
    data = tiny_run.data
    size = data.test.at(16).mean(axis=(1, 2, 3))
    bright = np.where(data.test.labels == 1, size + 100.0, size)
    monkeypatch.setattr(disease, "SMALLEST_RULED", 16)
    monkeypatch.setattr(
        disease, "ventricle_ratio", lambda x: bright if len(x) == len(bright) else x.mean(axis=(1, 2, 3))
    )
    test = replace(data.test, columns={"ventricle_ratio": bright.astype(str)})
    numbers, pictures = disease.look(G, replace(data, test=test), 16)
    assert numbers["ruler.spearman"] == pytest.approx(1)
    assert {"atrophy.ratio", "atrophy.shuffled", "atrophy.path.spearman", "atrophy.direction.ratio"} <= set(numbers)
    assert numbers["ruler.AD.real"] - numbers["ruler.CN.real"] > 50
    assert "ventricles" in {p.name for p in pictures} and "projection.ventricles" in numbers


def test_without_unseen_slices_nothing_real_is_shown(tiny_run, G, few_latents):
    nobody = tiny_run.data.test.subset(np.zeros(len(tiny_run.data.test), dtype=bool))
    notes = []
    _, pictures = disease.look(G, replace(tiny_run.data, validate=nobody, test=nobody), 16, note=notes.append)
    assert {p.name for p in pictures} == PUBLIC
    assert notes == ["no test or validate part: no real difference, ruler or projection"]


def test_one_class_is_refused(tiny_run, G, few_latents):
    G.class_names = ("CN",)
    with pytest.raises(ValueError, match="needs two classes or more, the generator has one"):
        disease.look(G, tiny_run.data, 16)
