"""What is asked for becomes a condition; what is not is drawn by the seed, and is the same whatever is asked for."""

import math

import numpy as np
import pytest
import torch
from data_tools import one_line
from network_tools import build, people

from progan_style import condition_for, conditions_in_words, draw_conditions, generate, latents, truncated


@pytest.fixture(scope="module")
def G():
    return people()


def test_values_are_given_in_the_manifests_own_words(G):
    one = condition_for(G, "AD", {"age": 75, "sex": "f", "slice_mm": 0.0})
    assert one.values.tolist() == [[1.0, 0.0]] and one.position.tolist() == [0.0] and one.labels.tolist() == [1]
    each = condition_for(G, ["CN", "AD", "CN"], {"age": np.array([65.0, 75.0, np.nan]), "sex": ["M", "", None]})
    assert each.values[:, 0].nan_to_num(9.0).tolist() == [-1.0, 1.0, 9.0]
    assert each.values[:, 1].nan_to_num(9.0).tolist() == [1.0, 9.0, 9.0] and each.position is None
    assert condition_for(G, "AD", {"age": torch.tensor([65, 75])}).labels.tolist() == [1, 1]
    assert condition_for(G, "AD", {"age": "72.5"}).values[0].tolist() == [0.5, math.inf]
    assert condition_for(G, "AD").values is None
    later = condition_for(G, one, {"sex": "M"})
    assert later.values.tolist() == [[1.0, 1.0]] and one.values.tolist() == [[1.0, 0.0]]


def test_what_is_not_asked_for_is_drawn_by_the_seed_alone(G):
    seeds = torch.arange(40)
    free = draw_conditions(G, condition_for(G, ["AD"] * 40), seeds)
    words = conditions_in_words(G, free)
    assert len(set(words["age"])) > 20 and set(words["sex"]) == {"F", "M"} and len(set(words["slice_mm"])) == 40
    assert all(60 <= age <= 80 for age in words["age"])
    at_70 = draw_conditions(G, condition_for(G, ["AD"] * 40, {"age": 70}), seeds)
    assert conditions_in_words(G, at_70) == words | {"age": [70.0] * 40}
    part = draw_conditions(G, condition_for(G, ["AD"] * 5), seeds[10:15])
    assert conditions_in_words(G, part) == {name: values[10:15] for name, values in words.items()}
    unknown = draw_conditions(G, condition_for(G, ["AD"] * 40, {"age": None}), seeds)
    assert conditions_in_words(G, unknown) == words | {"age": [None] * 40}


def test_each_class_is_drawn_from_its_own_slices(G):
    healthy = conditions_in_words(G, draw_conditions(G, condition_for(G, ["CN"] * 20), torch.arange(20)))
    assert all(55 <= age <= 60 for age in healthy["age"]) and set(healthy["sex"]) == {"F"}


def test_images_are_those_of_what_was_drawn_and_each_condition_changes_them(G):
    """Within a gray level: a batch of one condition and one of several are other matrix products."""
    seeds = torch.arange(3)
    images = generate(G, "AD", seeds, psi=0.7)
    drawn = draw_conditions(G, condition_for(G, ["AD"] * 3), seeds)
    assert (images.int() - generate(G, drawn, seeds, psi=0.7).int()).abs().max() <= 1
    for given in ({"age": 90}, {"sex": "F"}, {"slice_mm": 30.0}, {"age": None}, {"sex": ""}):
        other = generate(G, "AD", seeds, psi=0.7, given=given)
        assert not torch.equal(other, images), given
        assert torch.equal(generate(G, "AD", [1], psi=0.7, given=given), other[1:2])
    one_each = generate(G, "AD", 1, given={"age": [60, 75]})
    assert len(one_each) == 2 and torch.equal(one_each[1:], generate(G, "AD", 1, given={"age": 75}))


def test_truncation_goes_to_the_centre_of_the_images_own_conditions(G):
    """At psi 0 all seeds are one image, another for each value of each condition."""
    made = []
    for given in ({"age": 60, "sex": "F"}, {"age": 60, "sex": "M"}, {"age": 80, "sex": "F"}, {"age": None, "sex": "F"}):
        condition = condition_for(G, "AD", {**given, "slice_mm": 0.0})
        ws = [truncated(G, latents(G, torch.tensor([seed]))[0], condition, 0.0)[0, 0] for seed in (3, 8)]
        assert torch.allclose(*ws, atol=1e-6)
        made.append(ws[0])
    assert all(not torch.allclose(a, b, atol=1e-4) for i, a in enumerate(made) for b in made[:i])


REFUSED = {
    "beyond the range": ({"age": 150}, "age=150: expected 50 to 90 years, the range of the training slices"),
    "a height beyond": ({"slice_mm": 31.0}, "slice_mm=31: expected -30 to 30, the range"),
    "another category": ({"sex": "X"}, "sex=X is not in this checkpoint; it was trained on F, M"),
    "another name": (
        {"agee": 70},
        "agee is no condition of this generator; did you mean age? it has age, sex, slice_mm",
    ),
    "a word for a number": ({"age": "old"}, "age: expected a number, got 'old'"),
    "a truth for a number": ({"age": True}, "age: expected a number, got True"),
    "a number for a word": ({"sex": 1}, "sex: expected one of F, M, got 1"),
    "no height": ({"slice_mm": None}, "slice_mm: expected a number, got ''"),
    "two values for three": ({"age": [60, 70]}, "age: expected one value, or one for each image, got 2 for 3"),
    "rows in a row": ({"age": [[60], [70], [80]]}, "age: expected a number, got [60]"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_a_generator_does_not_know_is_refused(G, what):
    given, message = REFUSED[what]
    with pytest.raises(ValueError) as error:
        generate(G, ["CN", "AD", "CN"], range(3), given=given)
    assert message in one_line(error)


def test_a_generator_without_conditions_takes_none(G):
    plain = build("stylegan2", 8)[0]
    plain.class_names = ("CN", "MCI", "AD")
    with pytest.raises(ValueError, match="age: this generator was trained without conditions"):
        generate(plain, "AD", 0, given={"age": 70})
    with pytest.raises(ValueError, match=r"expected values \[N, 0\] of the conditions of this generator \(none\)"):
        generate(plain, condition_for(G, ["CN"] * 2, {"age": 70}), range(2))
