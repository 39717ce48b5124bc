"""The table on the screen: rows of one width, the head where it is due, and the time that is left."""

import re

import pytest

from progan_style import GrowthSchedule
from progan_style.training import screen
from progan_style.training.screen import Pace, Table, brief, in_width

NUMBERS = {
    "kimg": "12345.6",
    "resolution": 256,
    "loss_d": 0.69314718,
    "loss_g": 12.3456,
    "real_pred": 0.5,
    "real_class_acc": 0.987654,
    "alpha": 0.0390625,
    "grad_d": 0.000123456,
    "grad_g": 123456.0,
    "lr_d": 0.00125,
    "lr_g": 1.0,
    "images_per_second": 1234.56,
    "left": ">99.9 h",
}


def each(values):
    return dict(zip((8, 16, 32), values, strict=True))


@pytest.fixture
def schedule():
    """8 px to 1,000 images, 16 px to 3,000, 32 px to 7,000, in batches of 8."""
    return GrowthSchedule(
        resolutions=[8, 16, 32],
        fade_kimg=each((0, 1, 1)),
        hold_kimg=each((1, 1, 3)),
        batch_size=each((8, 8, 8)),
        lr_g=each((0.001,) * 3),
        lr_d=each((0.001,) * 3),
        r1_gamma=each((1.0,) * 3),
    )


def terminal(monkeypatch, columns):
    monkeypatch.setattr(screen.sys.stdout, "isatty", lambda: columns > 0, raising=False)
    monkeypatch.setenv("COLUMNS", str(columns))


@pytest.mark.parametrize(("columns", "room"), [(0, 100), (200, 100), (100, 100), (60, 60)])
def test_rows_fit_and_stand_below_their_heads(monkeypatch, columns, room):
    terminal(monkeypatch, columns)
    table = Table()
    *head, row = table.lines(NUMBERS)
    assert len(head) == 3 and max(map(len, [*head, row])) <= room
    assert row.endswith(">99.9 h") and head[-1].endswith("left") and len(row) == len(head[-1])
    at = head[-1].index("Loss_D")
    assert row[at : at + 6] == "0.6931"
    assert ("Grad" in head[-1]) == (columns != 60)
    assert bool(re.match(r"\d\d-\d\d \d\d:\d\d 12345.6 256", row)) == (columns == 0)


def test_the_head_comes_again(monkeypatch):
    terminal(monkeypatch, 0)
    table = Table()
    lengths = [len(table.lines(NUMBERS)) for _ in range(2 * screen.HEAD_EVERY)]
    assert [i for i, n in enumerate(lengths) if n > 1] == [0, screen.HEAD_EVERY]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.69314718, " 0.6931"),
        (0.000123456, " 0.0001"),  # no more digits than there is room for
        (123456.0, "  1e+05"),
        (8, "      8"),
        (None, "       "),
    ],
)
def test_numbers_keep_their_width(value, text):
    assert in_width(value, 7) == text


def test_time_left_is_this_stage_by_what_it_takes_and_the_later_ones_by_the_forecast(schedule):
    pace = Pace(schedule, 7000, {8: 0.01, 16: 0.02, 32: 0.04})
    assert pace.left(500, 100.0) == (5.0 + 2000 * 0.02 + 4000 * 0.04, True)
    assert pace.left(500, 50.0) == (10.0 + 2000 * 0.04 + 4000 * 0.08, True)  # everything is twice as slow
    assert pace.left(7000, 25.0) == (0.0, True)
    assert Pace(schedule, 3000, {8: 0.01, 16: 0.02, 32: 0.04}).left(500, 100.0) == (45.0, True)


def test_time_left_says_where_later_stages_are_unknown(schedule):
    assert Pace(schedule, 7000, {}).left(500, 100.0) == (5.0, False)
    assert Pace(schedule, 1000, {}).left(500, 100.0) == (5.0, True)
    assert Pace(schedule, 1000, {8: 0.01}).left(500, 0.0) == (0.0, False)
    assert Pace(schedule, 7000, {8: 0.01, 16: 0.02}).left(500, 100.0) == (45.0, False)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(4.0, "4 s"), (95.0, "2 min"), (5900.0, "98 min"), (6000.0, "1.7 h"), (48 * 3600.0, "2.0 days")],
)
def test_times_are_brief(seconds, words):
    assert brief(seconds) == words and brief(seconds, all_of_it=False) == f">{words}"
