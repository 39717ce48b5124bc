"""Phantom pictures: persons who differ, atrophy where it belongs, and no class in the histogram."""

import dataclasses

import numpy as np
import pytest

from progan_style.phantoms.drawing import FRONT_MM, draw_slices, ratios_at, reduce
from progan_style.phantoms.persons import AGES_COMPARED, VENTRICLES_MM_PER_YEAR, draw_person, draw_persons
from progan_style.phantoms.space import CENTRE, MM_PER_PIXEL, ROWS


@pytest.fixture(scope="module")
def cohort(template):
    """240 persons of two neighbouring slices: pictures [240, 2, 256, 256], ratios [240, 2], the persons."""
    persons = draw_persons(240, 5, "clear")
    drawn = [draw_slices(person, (14.0, 17.0), 5, *template) for person in persons]
    return np.stack([pictures for pictures, _ in drawn]), np.stack([ratios for _, ratios in drawn]), persons


def test_more_opening_is_a_larger_ventricle_and_nothing_else_moves(template):
    person = draw_person(0, "train", 3, "clear")
    drawn = [draw_slices(dataclasses.replace(person, ventricles_mm=mm), [14.0], 3, *template) for mm in range(7)]
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
    small = np.stack([reduce(pictures, 64) for pictures in cohort[0]]).astype(np.float64)
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
    assert reduce(picture, 128)[0, 0, :4].tolist() == [1, 255, 0, 0]
    assert reduce(picture, 256) is not None and (reduce(picture, 256) == picture).all()


def drawn_as(pattern, template, index=1, mm=14.0):
    person = draw_person(index, "train", 3, "clear", pattern)
    pictures, ratios = draw_slices(person, [mm], 3, *template)
    return person, pictures[0].astype(np.float64), float(ratios[0])


def test_the_ventricular_pattern_knows_no_place(template, monkeypatch):
    """The numbers of before there were patterns; wherever the front is, every pixel is the same."""
    _, picture, ratio = drawn_as("ventricular", template)
    assert picture.mean() == pytest.approx(47.672, abs=0.01) and ratio == pytest.approx(0.09649, abs=1e-4)
    monkeypatch.setattr("progan_style.phantoms.drawing.frontal", lambda points: np.ones(len(points), np.float32))
    assert (drawn_as("ventricular", template)[1] == picture).all()


def test_the_frontal_pattern_opens_the_front_and_leaves_the_back(template):
    """The same person in both, with the same outline; what atrophy took lies in front."""
    known, ventricular, wide = drawn_as("ventricular", template)
    person, frontal, narrow = drawn_as("frontal", template)
    assert person.severity == known.severity
    assert ((frontal > 0) == (ventricular > 0)).mean() > 0.99
    assert narrow < wide  # the horns behind stay as they are
    healthy = dataclasses.replace(person, ventricles_mm=0.0, severity=0.0)
    without = draw_slices(healthy, [14.0], 3, *template)[0][0].astype(np.float64)
    darker = (without - frontal > 40.0).mean(axis=1)
    front = round((ROWS - 1) / 2 + (CENTRE[1] - FRONT_MM) / MM_PER_PIXEL)
    assert darker[: front + 1].sum() > 3.0 * darker[front + 1 :].sum()


def test_severity_orders_the_frontal_ventricles(template):
    person = draw_person(0, "train", 3, "clear", "frontal")
    opened = [dataclasses.replace(person, ventricles_mm=float(mm)) for mm in range(6)]
    ratios = [float(draw_slices(one, [14.0], 3, *template)[1][0]) for one in opened]
    assert ratios == sorted(ratios) and ratios[-1] > 1.3 * ratios[0]


def test_age_opens_ventricles_and_sulci_and_leaves_the_outline(template):
    person = draw_person(2, "train", 5, "clear", years_older=8)
    young, old = (dataclasses.replace(person, age=age) for age in (55.0, 90.0))
    (of_young, narrow), (of_old, wide) = (draw_slices(one, [15.0], 5, *template) for one in (young, old))
    assert wide[0] > 1.5 * narrow[0]
    assert ((of_young > 0) == (of_old > 0)).mean() > 0.997
    alike = dataclasses.replace(young, ventricles_mm=young.ventricles_mm + old.age_mm - young.age_mm)  # sulci apart
    assert (of_old[0].astype(int) < draw_slices(alike, [15.0], 5, *template)[0][0].astype(int) - 20).sum() > 100


def test_the_ratio_at_an_age_is_that_of_the_person_drawn_at_that_age(template):
    """From a ninth of the pixels, so within 5 %; the difference between two ages is of the same pixels."""
    person = draw_person(3, "train", 5, "clear", "frontal", years_older=8)
    told = ratios_at((person.age, 60.0, 80.0), person, [12.0, 20.0], 5, *template)
    drawn = [draw_slices(dataclasses.replace(person, age=age), [12.0, 20.0], 5, *template)[1] for age in (60.0, 80.0)]
    assert told[1:] == pytest.approx(np.stack(drawn), rel=0.05)
    assert told[0] == pytest.approx(draw_slices(person, [12.0, 20.0], 5, *template)[1], rel=0.05)


def test_a_third_of_the_difference_between_the_classes_is_age(template):
    """Of drawn persons' walls, in mm; and in the ratio, by how it follows the wall in five persons."""
    persons = draw_persons(4000, 11, "clear", years_older=8)
    labels = np.array([p.label for p in persons])

    def apart(of_person):
        values = np.array([of_person(p) for p in persons])
        return values[labels == 1].mean() - values[labels == 0].mean()

    walls = np.arange(-2.0, 10.0, 1.5)
    curve = np.zeros(len(walls))
    for person in persons[:5]:
        still = dataclasses.replace(person, ventricles_mm=0.0)
        ages = [person.age + (wall - person.age_mm) / VENTRICLES_MM_PER_YEAR for wall in walls]
        curve += ratios_at(ages, still, [15.0], 5, *template)[:, 0] / 5
    raw = apart(lambda p: np.interp(p.ventricles_mm + p.age_mm, walls, curve))
    at_one_age = [
        apart(lambda p, age=age: np.interp(p.ventricles_mm + dataclasses.replace(p, age=age).age_mm, walls, curve))
        for age in AGES_COMPARED
    ]
    assert apart(lambda p: p.age_mm) / apart(lambda p: p.ventricles_mm + p.age_mm) == pytest.approx(1 / 3, abs=0.03)
    assert raw / np.mean(at_one_age) == pytest.approx(1.5, abs=0.07)
