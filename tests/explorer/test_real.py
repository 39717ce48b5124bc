import shutil
from dataclasses import replace

import numpy as np
import pytest
from network_tools import people

from analysis import memorisation
from explorer.real import Closest, drawn_with, load_real, make_map
from progan_style import generate


def test_a_training_slice_is_its_own_closest(tiny_run):
    closest = Closest(tiny_run.data, 16)
    train = tiny_run.data.train
    found = closest.of(np.array(train.at(16)[5, 0]))
    assert np.array_equal(found[0].picture, train.at(16)[5, 0]) and found[0].distance < 1e-3
    assert found[0].label == train.labels[5] and found[0].person == "A" and len(found) == 4
    assert [near.distance for near in found] == sorted(near.distance for near in found)


def test_distances_and_the_threshold_are_the_report_s(tiny_run):
    data = tiny_run.data
    held_out = np.asarray(data.unseen[1].at(16))
    vectors = memorisation.aligned_pixels(np.asarray(data.train.at(16)))
    theirs = memorisation.nearest(memorisation.aligned_pixels(held_out), vectors)
    closest = Closest(data, 16)
    mine = [closest.of(image[0], 1)[0].distance for image in held_out]
    assert np.allclose(mine, theirs.distances, atol=1e-3)
    assert closest.threshold == pytest.approx(np.percentile(theirs.distances, 1.0), abs=1e-3)


def test_slices_of_one_person_share_a_letter_and_nobody_is_named(tiny_run):
    closest = Closest(tiny_run.data, 16)
    people = tiny_run.data.train.subjects
    mine = np.flatnonzero(people == people[0])
    letters = [near.person for near in closest.of(np.array(tiny_run.data.train.at(16)[mine[0], 0]), len(people))]
    assert len(set(letters)) == len(set(people)) and letters.count("A") == len(mine)
    unknown = Closest(replace(tiny_run.data, subjects_known=False), 16)
    assert {near.person for near in unknown.of(np.zeros((16, 16), np.uint8))} == {""}


def test_the_closest_may_be_an_unlabelled_one(tiny_run, with_some_unlabelled):
    data = with_some_unlabelled(tiny_run.data)
    found = Closest(data, 16).of(np.array(data.unlabelled.at(16)[2, 0]), 1)
    assert found[0].label == -1 and found[0].distance < 1e-3


def test_without_held_out_slices_there_is_no_threshold(tiny_run):
    empty = tiny_run.data.test.subset(np.zeros(len(tiny_run.data.test), dtype=bool))
    assert Closest(replace(tiny_run.data, validate=empty, test=empty), 16).threshold is None


def test_what_is_wrong_with_the_slices_is_a_reason(tiny_run, toy_root, tmp_path):
    assert load_real(tiny_run.run_dir, tiny_run.config).why == ""

    def at(root):
        data = tiny_run.config.data.model_copy(update={"root": str(root)})
        return load_real(tiny_run.run_dir, tiny_run.config.model_copy(update={"data": data}))

    gone = at(tmp_path / "gone")
    shutil.copytree(tiny_run.run_dir, tmp_path / "alone", ignore=shutil.ignore_patterns("checkpoint*"))
    assert "no checkpoint.pt" in load_real(tmp_path / "alone", tiny_run.config).doubt
    assert load_real(tiny_run.run_dir, tiny_run.config).doubt == ""
    assert gone.data is None and gone.field is None and "gone" in gone.why
    other = tmp_path / "other"
    for folder in ("train/CN", "train/AD"):
        (other / folder).mkdir(parents=True)
        for file in sorted((toy_root / folder).iterdir())[:4]:
            (other / folder / file.name).write_bytes(file.read_bytes())
    assert "the training slices are others than those of this run" in at(other).why


def test_a_map_has_held_out_and_generated_slices(tiny_run, small_maps):
    lines = []
    shown = make_map(tiny_run.run_dir, tiny_run.config, tiny_run.data, 16, "PCA", "last", lines.append)
    made = shown.seeds >= 0
    assert made.sum() == 40 and (~made).sum() == 40 and shown.points.shape == (len(made), 2)
    assert shown.pictures.shape == (len(made), 16, 16) and set(shown.labels[made]) == {0, 1}
    assert shown.seeds[made].max() == 19 and lines[-1] == "PCA is fitted on 48 training slices"


def test_what_a_slice_was_drawn_with_makes_it_again():
    G, labels, seeds = people(), np.array([0, 1, 1, 1]), np.array([3, 3, 4, 5])
    drawn = drawn_with(G, labels, seeds)
    assert len({row["age"] for row in drawn}) > 1 and {"age", "sex", "slice_mm"} == set(drawn[0])
    for label, seed, given in zip(labels.tolist(), seeds.tolist(), drawn, strict=True):
        apart = generate(G, label, seed, given=given).int() - generate(G, label, seed).int()
        assert apart.abs().max() <= 1


def test_a_map_needs_held_out_slices(tiny_run):
    empty = tiny_run.data.test.subset(np.zeros(len(tiny_run.data.test), dtype=bool))
    data = replace(tiny_run.data, validate=empty, test=empty)
    with pytest.raises(ValueError, match="no test or validate part"):
        make_map(tiny_run.run_dir, tiny_run.config, data, 16, "PCA", "last", print)
