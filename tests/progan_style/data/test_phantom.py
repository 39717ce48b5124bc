"""Phantoms: known truth, equal bytes whatever the workers, persons who differ, and no class in the histogram."""

import csv
import dataclasses
import functools

import numpy as np
import pytest
from PIL import Image

from progan_style.data import phantom


@pytest.fixture(scope="module")
def template():
    return phantom.prepare_template()


@pytest.fixture
def quick(template, monkeypatch):
    monkeypatch.setattr(phantom, "prepare_template", lambda: template)


@pytest.fixture(scope="module")
def cohort(template):
    """240 persons of two neighbouring slices: pictures [240, 2, 256, 256], ratios [240, 2], the persons."""
    persons = phantom.draw_persons(240, 5, "clear")
    drawn = [phantom.draw_slices(person, (14.0, 17.0), 5, *template) for person in persons]
    return np.stack([pictures for pictures, _ in drawn]), np.stack([ratios for _, ratios in drawn]), persons


def rows_of(folder):
    with open(folder / "manifest.csv", newline="") as file:
        return list(csv.DictReader(file))


def bytes_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_bytes_depend_on_the_seed_and_not_on_the_workers(tmp_path, quick):
    settings = dict(persons=4, slices=2, size=32, progress=False)
    alone = bytes_of(phantom.make_phantoms(tmp_path / "alone", workers=1, **settings))
    together = bytes_of(phantom.make_phantoms(tmp_path / "together", workers=2, **settings))
    other = bytes_of(phantom.make_phantoms(tmp_path / "other", workers=1, seed=1, **settings))
    assert alone == together
    assert all(alone[name] != other[name] for name in alone if name.endswith(".png") and name in other)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alone", "other", "together"]  # no scratch is left


def test_folder_and_manifest_agree(tmp_path, quick):
    folder = phantom.make_phantoms(tmp_path / "deep" / "phantoms", persons=6, slices=3, size=64, workers=1)
    rows = rows_of(folder)
    assert tuple(rows[0]) == phantom.COLUMNS
    assert {row["path"] for row in rows} == {str(path.relative_to(folder)) for path in folder.rglob("*.png")}
    assert len(rows) == 18
    for row in rows:
        assert row["path"].startswith(f"{row['split']}/{row['label']}/{row['subject']}_")
        with Image.open(folder / row["path"]) as picture:
            assert (picture.size, picture.mode) == ((64, 64), "L")
    assert sorted({float(row["slice_mm"]) for row in rows}) == [6.0, 17.0, 28.0]
    assert "Louis Collins, McConnell Brain Imaging Centre" in (folder / "NOTICE.txt").read_text()


def test_the_same_phantoms_are_not_made_twice_and_other_files_not_touched(tmp_path, quick, monkeypatch):
    folder = phantom.make_phantoms(tmp_path / "a", persons=2, slices=1, size=8, workers=1)
    monkeypatch.setattr(phantom, "draw_slices", None)
    assert phantom.make_phantoms(folder, persons=2, slices=1, size=8) == folder
    with pytest.raises(ValueError, match="holds something else"):
        phantom.make_phantoms(folder, persons=2, slices=1, size=8, seed=3)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match="is a file"):
        phantom.make_phantoms(tmp_path / "file")


def test_of_two_runs_that_make_the_same_phantoms_at_once_the_first_stay(tmp_path, quick, monkeypatch):
    make = functools.partial(phantom.make_phantoms, tmp_path / "a", persons=2, slices=1, size=8, workers=1)
    prepare = phantom.prepare_template

    def meanwhile():
        monkeypatch.setattr(phantom, "prepare_template", prepare)
        make()  # the other run is done while this one still draws
        return prepare()

    monkeypatch.setattr(phantom, "prepare_template", meanwhile)
    assert make() == tmp_path / "a"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (dict(persons=0), "persons is 0; expected 1 or more"),
        (dict(slices=0), "slices is 0; expected 1 or more"),
        (dict(size=100), "size is 100; expected a power of two"),
        (dict(seed=-1), "seed is -1; expected 0 or more"),
        (dict(workers=-1), "workers is -1; expected 1 or more"),
        (dict(overlap="none"), "overlap is 'none'; expected one of apart, clear, real"),
    ],
)
def test_impossible_arguments_are_named(tmp_path, wrong, message):
    with pytest.raises(ValueError, match=message):
        phantom.make_phantoms(tmp_path / "x", **wrong)
    assert not (tmp_path / "x").exists()


def test_the_program_prints_one_line_and_ends_with_2(tmp_path, capsys):
    assert phantom.main(["--to", str(tmp_path / "x"), "--size", "100"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(("overlap", "best"), [("apart", 0.995), ("clear", 0.92), ("real", 0.80)])
def test_bayes_accuracy_from_the_known_severity(overlap, best):
    rng = np.random.default_rng(0)
    right = [(phantom.draw_severity(k % 2, overlap, rng) > 0.5) == (k % 2 == 1) for k in range(20000)]
    assert abs(np.mean(right) - best) < 0.01
    default = [(person.severity > 0.5) == (person.label == 1) for person in phantom.draw_persons(500, 999, overlap)]
    assert abs(np.mean(default) - best) <= (0.02 if overlap == "clear" else 0.05)


def test_split_by_person_within_each_class():
    persons = phantom.draw_persons(500, 999, "clear")
    for label in (0, 1):
        counts = [sum(p.label == label and p.split == split for p in persons) for split in phantom.SPLITS]
        assert counts == [200, 25, 25]
    few, more = phantom.draw_person(3, "train", 7, "clear"), phantom.draw_persons(40, 7, "clear")[3]
    assert (few.severity, few.gain, few.ventricles_mm) == (more.severity, more.gain, more.ventricles_mm)


def test_more_opening_is_a_larger_ventricle_and_nothing_else_moves(template):
    person = phantom.draw_person(0, "train", 3, "clear")
    drawn = [
        phantom.draw_slices(dataclasses.replace(person, ventricles_mm=mm), [14.0], 3, *template) for mm in range(7)
    ]
    ratios = [float(ratio[0]) for _, ratio in drawn]
    assert ratios == sorted(ratios) and ratios[-1] > 2 * ratios[0]
    assert ((drawn[0][0] > 0) == (drawn[-1][0] > 0)).mean() > 0.997  # the outline stays: it ends 45 mm away


def test_severity_orders_the_ventricles_but_does_not_fix_them(cohort):
    _, ratios, persons = cohort
    severity = np.array([person.severity for person in persons])
    rank = np.corrcoef(severity.argsort().argsort(), ratios.mean(axis=1).argsort().argsort())[0, 1]
    assert 0.85 < rank < 0.99


def test_persons_differ_more_than_a_persons_slices(cohort):
    """After each picture's own brightness and contrast are taken out, so it is the anatomy that differs."""
    small = np.stack([phantom.reduce(pictures, 64) for pictures in cohort[0]]).astype(np.float64)
    small -= small.mean(axis=(2, 3), keepdims=True)
    small /= small.std(axis=(2, 3), keepdims=True)
    own = np.mean((small[:, 0] - small[:, 1]) ** 2)
    other = np.mean((small[:-1, 0] - small[1:, 0]) ** 2)
    assert other > 2.0 * own
    mirrored = np.mean((small[:, 0] - small[:, 0, :, ::-1]) ** 2)
    assert mirrored > own  # no longer the template's symmetry


def test_mean_and_histogram_do_not_give_the_class_away(cohort):
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    pictures, _, persons = cohort
    pictures = pictures.reshape(-1, 256, 256)
    labels, groups = np.repeat([(person.label, person.index) for person in persons], 2, axis=0).T
    seen = [np.histogram(picture, 32, (0, 256))[0] / picture.size for picture in pictures]
    features = np.column_stack([pictures.mean(axis=(1, 2)), seen])
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    accuracy = cross_val_score(model, features, labels, groups=groups, cv=GroupKFold(5)).mean()
    assert accuracy < 0.65


def test_the_whole_brain_is_in_the_picture_nose_up_on_a_background_of_zero(cohort):
    brains = cohort[0][:, 0] > 0
    assert not (brains[:, :2].any() or brains[:, -2:].any() or brains[:, :, :2].any() or brains[:, :, -2:].any())
    assert 0.2 < brains.mean() < 0.5
    width = brains.any(axis=0).sum(axis=1)
    rows = np.flatnonzero(width)
    fifth = len(rows) // 5
    assert brains.sum(axis=2).mean(axis=0)[rows[fifth]] < brains.sum(axis=2).mean(axis=0)[rows[-fifth]]


def test_block_average_is_exact_and_rounds_half_up():
    picture = np.zeros((1, 256, 256), np.uint8)
    picture[0, :2, :2] = [[1, 1], [0, 0]]  # 0.5
    picture[0, :2, 2:4] = [[255, 255], [255, 254]]  # 254.75
    picture[0, :2, 4:6] = [[1, 0], [0, 0]]  # 0.25
    assert phantom.reduce(picture, 128)[0, 0, :4].tolist() == [1, 255, 0, 0]
    assert phantom.reduce(picture, 256) is not None and (phantom.reduce(picture, 256) == picture).all()


# ---------------------------------------------------------------- patterns


def drawn_as(pattern, template, index=1, mm=14.0):
    person = phantom.draw_person(index, "train", 3, "clear", pattern)
    pictures, ratios = phantom.draw_slices(person, [mm], 3, *template)
    return person, pictures[0].astype(np.float64), float(ratios[0])


def test_the_ventricular_pattern_knows_no_place(template, monkeypatch):
    """The numbers of before there were patterns; wherever the front is, every pixel is the same."""
    _, picture, ratio = drawn_as("ventricular", template)
    assert picture.mean() == pytest.approx(47.672, abs=0.01) and ratio == pytest.approx(0.09649, abs=1e-4)
    monkeypatch.setattr(phantom, "frontal", lambda points: np.ones(len(points), np.float32))
    assert (drawn_as("ventricular", template)[1] == picture).all()


def test_the_frontal_pattern_opens_the_front_and_leaves_the_back(template):
    """The same person in both, with the same outline; what atrophy took lies in front."""
    known, ventricular, wide = drawn_as("ventricular", template)
    person, frontal, narrow = drawn_as("frontal", template)
    assert person.severity == known.severity
    assert ((frontal > 0) == (ventricular > 0)).mean() > 0.99
    assert narrow < wide  # the horns behind stay as they are
    healthy = dataclasses.replace(person, ventricles_mm=0.0, severity=0.0)
    without = phantom.draw_slices(healthy, [14.0], 3, *template)[0][0].astype(np.float64)
    darker = (without - frontal > 40.0).mean(axis=1)
    front = round((phantom.ROWS - 1) / 2 + (phantom.CENTRE[1] - phantom.FRONT_MM) / phantom.MM_PER_PIXEL)
    assert darker[: front + 1].sum() > 3.0 * darker[front + 1 :].sum()


def test_severity_orders_the_frontal_ventricles(template):
    person = phantom.draw_person(0, "train", 3, "clear", "frontal")
    opened = [dataclasses.replace(person, ventricles_mm=float(mm)) for mm in range(6)]
    ratios = [float(phantom.draw_slices(one, [14.0], 3, *template)[1][0]) for one in opened]
    assert ratios == sorted(ratios) and ratios[-1] > 1.3 * ratios[0]


def test_the_pattern_is_part_of_a_folders_settings(tmp_path, quick):
    settings = dict(persons=2, slices=1, size=32, workers=1, progress=False)
    folders = [phantom.make_phantoms(tmp_path / name, pattern=name, **settings) for name in phantom.PATTERNS]
    truths = [[(row["path"], row["severity"]) for row in rows_of(folder)] for folder in folders]
    assert truths[0] == truths[1] and bytes_of(folders[0]) != bytes_of(folders[1])
    with pytest.raises(ValueError, match="holds something else"):
        phantom.make_phantoms(folders[0], pattern="frontal", **settings)
    with pytest.raises(ValueError, match="pattern is 'temporal'; expected one of ventricular, frontal"):
        phantom.make_phantoms(tmp_path / "x", pattern="temporal", **settings)
