"""--given of a command: one value, a series, the unknown, the short form of a height."""

import math
from types import SimpleNamespace

import pytest
from data_tools import one_line
from network_tools import people

from progan_style.commands.generate import flat
from progan_style.commands.given import Asked, in_cell, read_given
from progan_style.described import Conditions, Number


def test_each_value_of_a_series_is_an_entry_that_stands_in_the_names_of_files():
    asked = read_given(people(), ["age=60:70:5", "sex=F"], position=-3.0)
    assert [one.given for one in asked] == [{"age": age, "sex": "F", "slice_mm": -3.0} for age in (60, 65, 70)]
    assert [one.in_name for one in asked] == ["_age60", "_age65", "_age70"]
    both = read_given(people(), ["age=60:62.5:2.5", "slice_mm=-3:3:6"], None)
    assert [one.in_name for one in both] == [f"_age{a}_slice_mm{z}" for a in ("60", "62.5") for z in ("-3", "3")]
    tenths = read_given(people(), ["age=60:60.3:0.1"], None)
    assert [one.given["age"] for one in tenths] == [60.0, 60.1, 60.2, 60.3]


def test_values_of_a_series_that_are_large_keep_all_their_digits():
    described = Conditions(others=[Number(column="icv_mm3", mean=1.5e6, sd=1e5, low=1e6, high=2e6)])
    asked = read_given(SimpleNamespace(described=described), ["icv_mm3=1500000:1500003:1"], None)
    assert [one.in_name for one in asked] == [f"_icv_mm3150000{i}" for i in range(4)]
    assert [in_cell(one.numbers["icv_mm3"]) for one in asked] == [f"150000{i}" for i in range(4)]


def test_a_slice_has_the_height_that_it_was_drawn_with_and_the_numbers_that_were_asked_for():
    drawn = flat(people(), 0, range(3), Asked({}), 1.0)
    assert all(picture.height == picture.conditions["slice_mm"] for picture in drawn)
    assert len({picture.height for picture in drawn}) > 1
    (asked,) = flat(people(), 0, range(1), Asked({"age": 61.2345678, "slice_mm": -3.0}), 1.0)
    assert (asked.height, asked.conditions["age"]) == (-3.0, 61.2345678)


def test_nothing_given_is_one_entry_and_an_empty_value_is_unknown():
    (one,) = read_given(people(), [], None)
    assert one.given == {} and one.in_name == ""
    (one,) = read_given(people(), ["age=", "sex="], None)
    assert math.isnan(one.given["age"]) and one.given["sex"] == ""


REFUSED = {
    "no value": (["age"], None, "--given age: expected NAME=VALUE, as in --given age=72"),
    "no name": (["=72"], None, "--given =72: expected NAME=VALUE"),
    "twice": (["age=60", "age=70"], None, "--given age stands twice; a series of numbers is age=LOW:HIGH:STEP"),
    "a word": (["age=old"], None, "--given age=old: expected a number or LOW:HIGH:STEP, as in age=60:85:5"),
    "two ends": (["age=60:80"], None, "--given age=60:80: expected a number or LOW:HIGH:STEP"),
    "backwards": (["age=80:60:5"], None, "expected LOW:HIGH:STEP that rises, of at most 1000 values"),
    "no digits": (["age=70:70.0000000001:1e-11"], None, "expected a larger step; these values are alike in 10 digits"),
    "no step": (["age=60:80:0"], None, "expected LOW:HIGH:STEP that rises"),
    "too many": (["age=60:80:0.001"], None, "of at most 1000 values"),
    "infinity": (["age=60:inf:1"], None, "expected a number or LOW:HIGH:STEP"),
    "the end beyond": (["age=60:95:5"], None, "age=95: expected 50 to 90 years, the range of the training slices"),
    "another category": (["sex=X"], None, "sex=X is not in this checkpoint; it was trained on F, M"),
    "another name": (["Age=70"], None, "Age is no condition of this generator; did you mean age?"),
    "no height": (["slice_mm="], None, "--given slice_mm=: expected a number; a position is never unknown"),
    "a height twice": (["slice_mm=3"], 3.0, "--position is the short form of --given slice_mm; give one of them"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_meant_is_one_line(what):
    options, position, message = REFUSED[what]
    with pytest.raises(ValueError) as error:
        read_given(people(), options, position)
    assert message in one_line(error)
