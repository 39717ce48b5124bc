"""What slices were asked for, what a reference model reads, and linear models beside an independent reference."""

import types

import numpy as np
import pytest
import torch

from analysis.conditional import Told, effects, loss_of, of_category, of_number, told_of, train_reader

SIZE, SEX = Told("size", "mm", (), 5.0, 2.0), Told("sex", "", ("F", "M"))


def test_cells_become_values_and_unknown_ones_are_none():
    assert SIZE.values(["1.5", "", "n/a", None, 2]).tolist() == pytest.approx([1.5, *[np.nan] * 3, 2], nan_ok=True)
    assert SEX.values(["M", "F", "", None, "X"]).tolist() == pytest.approx([1, 0, *[np.nan] * 3], nan_ok=True)


def test_what_the_training_slices_do_not_tell_apart_is_no_condition_to_read():
    ones = [types.SimpleNamespace(column=name, unit=None) for name in ("age", "slice_mm", "site")]
    ones.append(types.SimpleNamespace(column="sex", unit=None, names=["F", "M"]))
    columns = {"age": ["60", "80", ""], "slice_mm": ["4", "4", "4"], "sex": ["F", "M", "F"]}
    told = told_of(types.SimpleNamespace(all=ones), columns)
    assert [(one.column, one.mean, one.sd, one.names) for one in told] == [
        ("age", 70.0, 10.0, ()),
        ("sex", 0.0, 1.0, ("F", "M")),
    ]


def test_the_loss_is_of_what_is_known_alone():
    outputs = torch.tensor([[1.0, 2.0, 0.0], [0.5, 0.0, 0.0]], requires_grad=True)
    targets = torch.tensor([[0.0, 0.0], [torch.nan, 1.0]])
    # ((1 - 0)^2 + -log softmax([2, 0])[0] + -log softmax([0, 0])[1]) / 2
    expected = (1.0 + np.log(1 + np.exp(-2.0)) + np.log(2.0)) / 2
    loss = loss_of([SIZE, SEX], outputs, targets)
    assert loss.item() == pytest.approx(expected)
    loss.backward()
    assert outputs.grad.isfinite().all() and outputs.grad[1, 0] == 0


def test_the_reference_model_reads_what_it_was_trained_on(discs):
    images, labels = discs(160)
    bright = np.clip(images.astype(float) * np.linspace(0.6, 1.2, 160)[:, None, None, None], 0, 255).astype(np.uint8)
    values = {"size": bright.mean(axis=(1, 2, 3)), "sex": labels.astype(float)}
    told = [Told("size", "", (), values["size"].mean(), values["size"].std()), SEX]
    values["sex"][:20] = np.nan
    reader = train_reader(bright, values, told, images_seen=6400)
    read = reader.read(bright)
    assert read["sex"].shape == (160, 2) and read["sex"].sum(axis=1) == pytest.approx(np.ones(160))
    assert ((read["sex"][:, 1] > 0.5) == labels).mean() > 0.95
    assert np.corrcoef(read["size"], values["size"])[0, 1] > 0.8
    assert np.abs(read["size"] - values["size"]).mean() < values["size"].std()


def test_ranks_and_errors_with_their_control():
    rng = np.random.default_rng(0)
    asked, own = rng.normal(70, 8, 400), rng.normal(70, 8, 200)
    asked[:3] = np.nan
    both = ((asked, asked + 1.0), (own, own + rng.normal(0, 8, 200)))
    people = np.repeat([f"p{i}" for i in range(50)], 4)
    numbers = of_number("conditions.age", both, (np.arange(400).astype(str), people), 0)
    assert numbers["conditions.age.rank"] == pytest.approx(1) and numbers["conditions.age.error"] == pytest.approx(1)
    assert abs(numbers["conditions.age.rank.shuffled"]) < 0.1 and numbers["conditions.age.error.shuffled"] > 5
    low, real, high = (numbers[f"conditions.age.rank.real{end}"] for end in (".low", "", ".high"))
    assert low < real < high and 0.5 < real < 0.8
    unknown = of_number("conditions.age", both, (np.arange(400).astype(str), np.full(200, "")), 0)
    assert "conditions.age.rank.real.low" not in unknown
    probabilities = np.stack([0.9 - 0.8 * (asked > 70), 0.1 + 0.8 * (asked > 70)], axis=1)
    answers = ((np.where(asked > 70, 1.0, 0.0), probabilities), (np.arange(200) % 2.0, probabilities[:200]))
    numbers = of_category("conditions.sex.auc", answers, (np.arange(400).astype(str), people), 0)
    assert numbers["conditions.sex.auc"] == 1.0 and abs(numbers["conditions.sex.auc.shuffled"] - 0.5) < 0.05
    assert 0.3 < numbers["conditions.sex.auc.real"] < 0.7


@pytest.mark.parametrize("count", [1, 5, 7])
def test_ranks_of_few_people_have_no_interval_and_none_is_above_1(count):
    """Answers that are nearly right: moved to their mean, an end of the interval would be 1.05 and more."""
    rng = np.random.default_rng(0)
    people = np.repeat([f"p{i}" for i in range(count)], 2)
    own = np.repeat(rng.normal(70, 8, count), 2) + rng.normal(0, 0.5, 2 * count)
    asked = rng.normal(70, 8, 40)
    both = ((asked, asked), (own, own + rng.normal(0, 4, 2 * count)))
    numbers = of_number("conditions.age", both, (np.arange(40).astype(str), people), 0)
    ends = {name: value for name, value in numbers.items() if name.endswith((".low", ".high"))}
    assert len(ends) == (4 if count >= 6 else 0) and all(-1 <= value <= 1 for value in ends.values())
    assert "conditions.age.rank.real" in numbers


def test_a_category_without_a_held_out_slice_costs_no_other_one():
    """Three sites, of which held-out people know two: the AUCs of both sides are of these two."""
    rng, key = np.random.default_rng(0), "conditions.site.auc"
    asked, own = np.arange(60) % 3.0, np.arange(40) % 2.0
    right = [np.eye(3)[values.astype(int)] * 0.9 + 0.1 * rng.dirichlet([1] * 3, len(values)) for values in (asked, own)]
    groups = (np.arange(60).astype(str), np.arange(40).astype(str))
    numbers = of_category(key, ((asked, right[0]), (own, right[1])), groups, 0)
    assert numbers[key] == numbers[f"{key}.real"] == 1.0 and f"{key}.low" in numbers
    assert numbers[f"{key}.shuffled"] == pytest.approx(0.5, abs=0.1)
    # What a third site's probability takes away is no answer to the other two
    both = np.array([[0.2, 0.25, 0.55], [0.05, 0.1, 0.85]])
    assert of_category(key, ((own[:2], both), (own[:2], both)), (groups[1][:2],) * 2, 0)[key] == 1.0
    assert of_category(key, ((asked, right[0]), (np.zeros(40), right[1])), groups, 0) == {}


def test_a_category_that_one_class_alone_was_asked_for_has_a_control():
    """Both classes have the same seeds; slices of the first were asked for F alone, of the second for F or M."""
    asked, seeds = np.repeat([0.0, 0.0, 1.0], 20), np.tile(np.arange(30), 2).astype(str)
    read = np.random.default_rng(0).dirichlet([1, 1], 60)
    numbers = of_category("conditions.site.auc", ((asked, read), (asked, read)), (seeds, seeds), 0)
    assert numbers["conditions.site.auc.shuffled"] == pytest.approx(0.5, abs=0.05)


def test_effects_are_those_of_least_squares_with_the_others_held_equal():
    """Against scikit-learn's; class and age go together in these slices."""
    from sklearn.linear_model import LinearRegression

    rng = np.random.default_rng(0)
    of_class = rng.integers(0, 2, 300).astype(float)
    age = 70 + 8 * of_class + rng.normal(0, 8, 300)
    size = 0.02 * of_class + 0.001 * age + rng.normal(0, 0.002, 300)
    age[:10] = np.nan
    found = effects(size, {"class": of_class, "age": age, "never": np.ones(300)})
    expected = LinearRegression().fit(np.stack([of_class, age], axis=1)[10:], size[10:]).coef_
    assert list(found) == ["class", "age"] and list(found.values()) == pytest.approx(expected)
    assert found["class"] == pytest.approx(0.02, abs=0.001) and found["age"] == pytest.approx(0.001, abs=0.0001)
    rows = rng.integers(0, 300, 150)
    again = effects(size[rows], {"class": of_class[rows], "age": age[rows]})
    assert effects(size, {"class": of_class, "age": age}, rows) == pytest.approx(again)
