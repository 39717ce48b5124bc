from dataclasses import replace
from urllib.parse import parse_qs

import pytest

from explorer.conditions import CategoryCondition, NumberCondition
from explorer.state import Choices, State, coarse_sizes, first_state, fitted, from_link, link

CHOICES = Choices("run & co", (8, 16, 64), ("CN", "A=D & B"), (NumberCondition("slice mm", -20.0, 20.0, 1.5),))
START = first_state(CHOICES, 64)


def test_a_page_begins_with_the_compared_classes_and_the_medians():
    assert State(64, "CN", "A=D & B", given=(("slice mm", 1.5),)) == START
    assert first_state(Choices("r", (16,), ("AD", "MCI", "CN")), 16).low == "CN"
    assert first_state(Choices("r", (16,), ("all",)), 16) == State(16, "all", "all", coarse=8)


@pytest.mark.parametrize(
    "state",
    (
        START,
        replace(START, size=16, seed=2**31 - 1, weight=0.35, psi=0.07, way="label", noise=5, other=9, tab="closest"),
        replace(START, given=(("slice mm", -59 / 3),)),
        replace(START, low="A=D & B", high="CN", given=(("slice mm", -3.25),), coarse=32, scale=128),
    ),
)
def test_a_link_holds_the_state(state):
    assert from_link(parse_qs(link(state, CHOICES.run)), CHOICES, START) == (state, [])


@pytest.mark.parametrize(
    ("query", "line"),
    (
        ("size=32", "size=32: expected one of 8, 16, 64"),
        ("low=MCI", "low=MCI: expected one of CN, A=D & B"),
        ("seed=-1", "seed=-1: expected a whole number from 0 to 2147483647"),
        ("seed=2147483648", "seed=2147483648: expected a whole number from 0 to 2147483647"),
        ("seed=²", "seed=²: expected a whole number"),
        ("noise=x", "noise=x: expected a whole number"),
        ("weight=1.5", "weight=1.5: expected a number from 0 to 1"),
        ("psi=nan", "psi=nan: expected a number from 0 to 1"),
        ("way=w", "way=w: expected one of direction, label"),
        ("coarse=64", "coarse=64: expected one of 4, 8, 16, 32"),
        ("size=16&coarse=32", "coarse=32: expected 8 or less at 16"),
        ("tab=<script>", "tab=<script>: expected one of brain, mixing, map, closest"),
        ("given.slice mm=21", "given.slice mm=21: expected a number from -20 to 20"),
        ("given.age=70", "given.age=70: expected one of slice mm"),
        ("colour=red", "colour=red: expected one of run, size"),
        ("run=other", "the link is of the run other, this is run & co"),
    ),
)
def test_what_a_link_cannot_have_is_said_and_stays_as_it_was(query, line):
    state, lines = from_link(parse_qs(query), CHOICES, START)
    assert len(lines) == 1 and lines[0].startswith(line)
    assert state == (START if "size=16" not in query else replace(START, size=16, coarse=8))


def test_two_brains_are_joined_below_the_last_size():
    assert coarse_sizes(64) == [4, 8, 16, 32] and coarse_sizes(8) == [4]
    assert fitted(replace(START, size=8)).coarse == 4


def test_a_link_holds_a_category_by_its_name():
    choices = Choices("r", (8,), ("CN", "AD"), (CategoryCondition("sex", ("F", "M & X", "3.0")),))
    start = first_state(choices, 8)
    other = replace(start, given=(("sex", "M & X"),))
    assert start.given == (("sex", "F"),)
    for one in (other, replace(start, given=(("sex", "3.0"),))):
        assert from_link(parse_qs(link(one, "r")), choices, start) == (one, [])
    assert from_link(parse_qs("given.sex=Y"), choices, start) == (start, ["given.sex=Y: expected one of F, M & X, 3.0"])
