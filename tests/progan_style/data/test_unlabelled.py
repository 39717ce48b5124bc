"""Slices without a class: which they are, where they stand in the data, and where they never do."""

import numpy as np
import pytest
from data_tools import all_rows, manifest, one_line, save, write

from progan_style.data.dataset import Dataset
from progan_style.data.packing import Allow

THEM = Allow(unlabelled=True)
BOTH = ("train/CN", "train/AD", "validate/CN", "validate/AD")


def labels_of(part):
    return sorted(set(part.labels.tolist()))


@pytest.mark.parametrize("where", ("train/unlabelled", "Train/Unlabelled", "unlabelled"))
def test_a_folder_of_unlabelled_slices_is_learnt_and_in_no_other_part(root, load, where):
    write(root, (*BOTH, where))
    data = load(allow=THEM)
    assert len(data.learnt) == 60 and len(data.train) == 40 and len(data.unlabelled) == 20
    assert labels_of(data.learnt) == [-1, 0, 1] and labels_of(data.unlabelled) == [-1]
    assert all(labels_of(part) == [0, 1] for part in data.splits.values() if len(part))
    # The same rows in one memory-mapped level: those of train, then the unlabelled
    assert np.array_equal(data.learnt.at(16)[:40], data.train.at(16)) and isinstance(data.learnt.at(16), np.memmap)
    assert data.learnt.paths == data.train.paths + data.unlabelled.paths
    assert "train     unlabelled       20       10" in data.summary() and "100 images" in data.summary()


def test_one_level_of_classes_may_have_them_too(root, load):
    write(root, ("CN", "AD", "unlabelled"))
    assert labels_of(load(allow=THEM).learnt) == [-1, 0, 1]


def test_unless_asked_for_they_are_left_out_and_nothing_else_is_changed(root, load):
    plain = load(write(root.with_name("plain"), BOTH))
    data = load(write(root, (*BOTH, "train/unlabelled")))
    assert data.learnt is data.train and not len(data.unlabelled) and "not used  train/unlabelled/" in data.summary()
    assert data.learnt.digest() == plain.learnt.digest() and data.with_unlabelled is None


def test_they_stand_in_for_no_held_out_slices(root, load):
    write(root, (*BOTH, "train/unlabelled", "validate/unlabelled"))
    data = load(allow=THEM)
    assert len(data.unlabelled) == 20 and labels_of(data.validate) == [0, 1]
    assert "not used  20 unlabelled images of validate" in data.summary()


@pytest.mark.parametrize("word", ("", "n/a", "unlabelled"))
def test_a_line_of_the_manifest_without_a_label(root, load, word):
    """In a folder that is no class's; a line of another class stays out, and one in a class's folder has its class."""
    write(root, ("train/CN", "train/AD", "train/more"))
    save(root / "train" / "more" / "mci.png")
    rows = [(path, "", who, split) for path, _, who, split in all_rows(root) if not path.startswith("train/more")]
    rows += [(f"train/more/{p.name}", word, "x", "") for p in sorted((root / "train/more").glob("*x_*.png"))]
    manifest(root, [*rows, ("train/more/mci.png", "MCI", "y", "")])
    data = load(allow=THEM)
    assert len(data.train) == 40 and len(data.unlabelled) == 20
    assert "1 images with label 'MCI'" in data.summary()
    assert load().with_unlabelled is None


def test_whose_they_are_counts(root, load):
    """A person of the validate part is told as others are, and is of one class still."""
    write(root, BOTH)
    for k in range(2):
        save(root / "train" / "unlabelled" / f"v{k}.png")
    shared = ("validate/CN/vCN00x_0.png", "train/unlabelled/v0.png", "train/unlabelled/v1.png")
    manifest(root, [(path, "", "v" if path in shared else who, "") for path, _, who, _ in all_rows(root)])
    data = load(allow=THEM)
    assert data.shared_subjects() == {("train", "validate"): ("v",)}
    assert "WARNING   1 persons stand in both train and validate (v)" in data.summary()
    assert "more than one class" not in data.summary()


def test_persons_guessed_from_names_are_theirs_too(root, load):
    write(root, (*BOTH, "train/unlabelled"))
    assert load(allow=THEM).subjects_known
    few = write(root.with_name("few"), BOTH)
    data = load(write(few, ("train/unlabelled",), persons=3), allow=THEM)
    assert not data.subjects_known and "unlabelled has 3 groups of file names" in data.why_subjects


@pytest.mark.parametrize(
    ("names", "settings", "message"),
    [
        (("train/unlabelled",), {}, r"unlabelled images alone in train; expected CN/ and AD/ beside them: label some"),
        (("unlabelled",), {}, r"unlabelled images alone in train; expected CN/ and AD/ beside them"),
        (BOTH, {}, r"data.unlabelled: expected slices in \S*train/unlabelled/ or lines of manifest.csv .*=false"),
        ((*BOTH, "validate/unlabelled"), {}, r"data.unlabelled: expected slices in .*found none"),
        (("train/CN", "train/unlabelled"), {}, r"no images of class AD for train; expected train/AD/"),
        (
            BOTH,
            {"classes": ("CN", "AD", "Unlabelled")},
            r"data.classes: unlabelled is no class beside others, .* take it out",
        ),
        (BOTH, {"aliases": {"unlabelled": "CN"}}, r"without a class, and CN of data.classes goes by it: take it out"),
        (BOTH, {"classes": ("CN",)}, r"data.unlabelled: expected two classes or more, got CN alone"),
    ],
)
def test_bad_input_in_one_line(root, load, names, settings, message):
    write(root, names)
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        load(allow=THEM, **settings)
    one_line(error)


def test_a_class_of_that_name_is_one_alone(root, load):
    write(root, (*BOTH, "train/unlabelled", "validate/unlabelled"))
    with pytest.raises(
        ValueError, match=r"unlabelled is no class beside others, .* set data\.unlabelled=true"
    ) as error:
        load(classes=("CN", "AD", "UnLabelled"))
    one_line(error)
    assert load(classes=("unlabelled",)).class_names == ("unlabelled",)  # a folder without any diagnosis


def test_a_manifest_that_disagrees_is_an_error(root, load):
    write(root, (*BOTH, "train/unlabelled"))
    manifest(root, [(path, "CN" if "unlabelled" in path else "", who, "") for path, _, who, _ in all_rows(root)])
    with pytest.raises(
        ValueError, match=r"label CN, but train/unlabelled/\S* lies in unlabelled: correct one"
    ) as error:
        load(allow=THEM)
    one_line(error)


# ------------------------------------------------------------------------------------------------------ batches


@pytest.fixture
def some():
    """Ten labelled slices, seven of them of one class, and fifteen without."""
    labels = np.array([0] * 7 + [1] * 3 + [-1] * 15)
    images = np.arange(25, dtype=np.uint8)[:, None, None, None] * np.ones((1, 8, 8), np.uint8)
    return Dataset({8: images}, labels, np.array([""] * 25), ("CN", "AD"), tuple(map(str, range(25))))


def test_every_slice_is_seen_equally_often(some):
    assert sorted(some.indices(0, 25, 25).tolist()) == list(range(25))
    _, labels = some.batch(0, 0, 25, 8)
    assert sorted(labels.tolist()) == sorted(some.labels.tolist())


def test_balanced_classes_take_turns_beside_them(some):
    """As many unlabelled ones as without turns, at the same places; of the others both classes equally often."""
    rows, natural = some.indices(3, 0, 500, balanced=True), some.indices(3, 0, 500)
    labels = some.labels[rows]
    assert np.array_equal(labels < 0, some.labels[natural] < 0) and (labels == 0).sum() == (labels == 1).sum() == 100
    assert np.array_equal(rows[labels < 0], natural[labels < 0])
    turns = labels[labels >= 0].reshape(-1, 2)  # each class once in every round
    assert (np.sort(turns) == [0, 1]).all() and len(set(map(tuple, turns.tolist()))) == 2
    pieces = [some.indices(3, start, 7, balanced=True) for start in range(0, 497, 7)]
    assert np.array_equal(np.concatenate(pieces), rows[:497])


def test_without_them_the_turns_are_those_of_the_labelled_alone(some):
    known = some.subset(some.labels >= 0)
    mine = [row for row in some.indices(5, 0, 400, balanced=True) if some.labels[row] >= 0]
    assert known.indices(5, 0, len(mine), balanced=True).tolist() == mine
