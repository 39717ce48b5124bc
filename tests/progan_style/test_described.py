"""Records of conditions: units, ranges, words there and back, what a header may say, what is drawn from cells."""

import math

import numpy as np
import pytest
from pydantic import ValidationError

from progan_style.described import Category, Cell, Conditions, Number, Position, unit_of

AGE = Number(column="age", unit="years", mean=70.0, sd=5.0, low=55.0, high=90.0)
SEX = Category(column="sex", names=["F", "M"])
HEIGHT = Position(column="slice_mm", quantiles=[-10.0, 0.0, 0.0, 30.0, 50.0])


@pytest.mark.parametrize(
    ("column", "unit"),
    (
        *(("slice_mm", "mm"), ("age", "years"), ("Age", "years"), ("age_years", "years"), ("age_months", "months")),
        *(("sex", None), ("mm", None), ("volume_ml", "ml"), ("mean_age", None), ("program", None)),
    ),
)
def test_a_unit_is_what_the_name_states(column, unit):
    assert unit_of(column) == unit


def test_a_number_is_standardised_and_comes_back():
    assert AGE.encoded(75.0) == 1.0 and AGE.decoded(AGE.encoded(62.5)) == 62.5 and math.isnan(AGE.encoded(math.nan))
    for beyond in (54.9, 90.1):
        with pytest.raises(
            ValueError, match=f"age={beyond}: expected 55 to 90 years, the range of the training slices"
        ):
            AGE.encoded(beyond)


def test_a_height_is_its_rank_and_equal_heights_share_theirs():
    assert [HEIGHT.encoded(x) for x in (-10.0, 0.0, 50.0, 15.0)] == [-1.0, -0.25, 1.0, 0.25]
    assert HEIGHT.decoded(0.25) == 15.0 and HEIGHT.middle == 0.0
    with pytest.raises(ValueError, match="slice_mm=51: expected -10 to 50, the range of the training slices"):
        HEIGHT.encoded(51.0)


def test_a_category_goes_by_its_name():
    assert (SEX.encoded("M"), SEX.encoded("f"), SEX.decoded(1.0)) == (1.0, 0.0, "M")
    assert all(math.isnan(SEX.encoded(word)) for word in ("", "n/a", "NaN"))
    with pytest.raises(ValueError, match="sex=X is not in this checkpoint; it was trained on F, M"):
        SEX.encoded("X")
    both = Category(column="scan", names=["A", "a"])
    assert both.encoded("a") == 1.0
    with pytest.raises(ValueError, match="it was trained on U, u, V"):
        Category(column="scan", names=["U", "u", "V"]).encoded("w")


def test_a_header_says_what_was_described():
    cells = [[Cell(slices=8, given=[[60.0, 70.0], [3.0, 5.0, 0.0]])]]
    described = Conditions(position=HEIGHT, others=[AGE, SEX], cells=cells)
    assert Conditions.of(described.header()) == described
    assert described.sizes == {"age": 0, "sex": 2} and [one.column for one in described.all] == [
        "age",
        "sex",
        "slice_mm",
    ]
    assert Conditions().header() == {"positions": None, "conditions": None}
    # As a file says it that was written when a position was the only condition
    old = Conditions.of({"positions": {"column": "slice_mm", "quantiles": HEIGHT.quantiles}})
    assert old.position == HEIGHT and not old.others


WRONG = (
    ({"others": [{"kind": "number", "column": "age", "mean": 1, "sd": 0, "low": 0, "high": 1}]}, "greater than 0"),
    ({"others": [{"kind": "place", "column": "age"}]}, "number"),
    ({"others": [AGE.model_dump(), AGE.model_dump()]}, "different columns"),
    ({"others": [{"kind": "category", "column": "s", "names": ["F", "F"]}]}, "different names"),
    ({"position": HEIGHT.model_dump() | {"column": "/../../evil"}}, "expected a name that a folder can have"),
    ({"others": [SEX.model_dump() | {"column": "a.b"}]}, "expected a column whose name has no ."),
    ({"position": {"column": "z", "quantiles": [1.0, 0.0]}}, "from the lowest to the highest"),
    ({"position": {"column": "z", "quantiles": [0.0, math.nan]}}, "finite"),
    ({"position": {"column": 3, "quantiles": [0.0, 1.0]}}, "string"),
    ({"others": [AGE.model_dump()], "cells": [[{"slices": 1, "given": []}]]}, "a cell has 0 conditions, expected 1"),
    ({"others": [AGE.model_dump()], "cells": [[{"slices": 1, "given": [[50.0, 60.0]]}]]}, "of age"),
    ({"others": [SEX.model_dump()], "cells": [[{"slices": 1, "given": [[1.0, 2.0]]}]]}, "of sex"),
    ({"others": [SEX.model_dump()], "cells": [[{"slices": 1, "given": [[0.0, 0.0, 0.0]]}]]}, "of sex"),
)


@pytest.mark.parametrize(("said", "message"), WRONG)
def test_what_is_no_description_is_refused(said, message):
    with pytest.raises(ValidationError, match=message):
        Conditions.model_validate(said)


def test_a_name_that_is_no_condition_has_its_nearest():
    described = Conditions(others=[AGE, SEX])
    assert described.named("age") is described.others[0]
    with pytest.raises(ValueError, match="agee is no condition of this generator; did you mean age"):
        described.named("agee")
    with pytest.raises(ValueError, match="age: this generator was trained without conditions"):
        Conditions().named("age")


def test_cells_are_drawn_as_often_as_they_have_slices():
    """Two cells of class 0, one of class 1; within a cell numbers are even and categories as often as counted."""
    first = Cell(slices=30, given=[[60.0, 70.0], [0.0, 3.0, 1.0]])
    second = Cell(slices=10, given=[None, [1.0, 0.0, 0.0]])
    described = Conditions(
        others=[AGE, SEX], cells=[[first, second], [Cell(slices=1, given=[[80.0, 80.0], [1, 0, 0]])]]
    )
    u = np.random.default_rng(0).random((8000, 4))
    drawn = np.array([described.draw([1.0, 0.0], row.tolist()) for row in u])
    known = ~np.isnan(drawn[:, 0])
    assert known.mean() == pytest.approx(0.75, abs=0.02)
    ages = drawn[known, 0] * AGE.sd + AGE.mean
    assert ages.min() == pytest.approx(60, abs=0.1) and ages.max() == pytest.approx(70, abs=0.1)
    assert ages.mean() == pytest.approx(65, abs=0.2)
    assert (drawn[known, 1] == 1).mean() == pytest.approx(0.75, abs=0.02) and np.isnan(drawn[known, 1]).any()
    assert (drawn[~known, 1] == 0).all()
    assert {tuple(described.draw([0.0, 1.0], row.tolist())) for row in u[:50]} == {(2.0, 0.0)}
    between = [described.draw([0.5, 0.5], row.tolist()) for row in u]
    assert np.mean([row == [2.0, 0.0] for row in between]) == pytest.approx(0.5, abs=0.02)
    assert all(math.isnan(x) for x in Conditions(others=[AGE, SEX]).draw([1.0], [0.5] * 4))
