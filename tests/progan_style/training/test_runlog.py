"""What a run tells: the points of the loss plot."""

import json

import pytest

from progan_style.training import runlog
from progan_style.training.schedule import GrowthSchedule

SCHEDULE = GrowthSchedule(
    resolutions=(8, 16),
    fade_kimg={8: 0, 16: 0.1},
    hold_kimg={8: 0.44, 16: 0.2},
    batch_size={8: 8, 16: 8},
    lr_g={8: 0.1, 16: 0.1},
    lr_d={8: 0.1, 16: 0.1},
    r1_gamma={8: 1.0, 16: 1.0},
)


def line(nimg, loss, resolution=8):
    return {"nimg": nimg, "loss_d": loss, "loss_g": 2 * loss, "resolution": resolution}


def test_a_line_over_few_images_is_averaged_with_its_neighbour_in_the_stage():
    """Of 100 images as a rule; 8 px ends with a line of 40, 16 px begins with 20 and ends with 10."""
    lines = [line(100, 1.0), line(200, 3.0), line(300, 2.0), line(400, 1.0), line(440, 8.0)]
    lines += [line(460, 9.0, 16), line(550, 4.0, 16), line(650, 5.0, 16), line(750, 6.0, 16), line(760, 50.0, 16)]
    assert runlog.loss_points(lines) == [
        (100, 1.0, 2.0),
        (200, 3.0, 6.0),
        (300, 2.0, 4.0),
        (440, pytest.approx((100 * 1 + 40 * 8) / 140), pytest.approx(2 * (100 * 1 + 40 * 8) / 140)),
        (550, pytest.approx((20 * 9 + 90 * 4) / 110), pytest.approx(2 * (20 * 9 + 90 * 4) / 110)),
        (650, 5.0, 10.0),
        (760, pytest.approx((100 * 6 + 10 * 50) / 110), pytest.approx(2 * (100 * 6 + 10 * 50) / 110)),
    ]


@pytest.mark.parametrize("lines", ([], [line(8, 1.0)], [line(48, 1.0), line(56, 2.0, 16)]))
def test_few_lines_are_points_as_they_are(lines):
    assert [nimg for nimg, _, _ in runlog.loss_points(lines)] == [line["nimg"] for line in lines]


def test_the_plot_shows_these_points_and_leaves_the_log_alone(tmp_path, monkeypatch):
    from matplotlib.axes import Axes

    lines = [line(100, 1.0), line(200, 1.0), line(300, 1.0), line(400, 1.0), line(408, 30.0)]
    text = "".join(json.dumps(entry) + "\n" for entry in [*lines, {"nimg": 408, "kid": 1.0}])
    (tmp_path / "log.jsonl").write_text(text)
    drawn = []
    plot = Axes.plot
    monkeypatch.setattr(
        Axes, "plot", lambda ax, x, y, **style: drawn.append((list(x), list(y))) or plot(ax, x, y, **style)
    )
    runlog.save_loss_plot(tmp_path, tmp_path / "losses.png", SCHEDULE, "title")
    assert [x for x, _ in drawn] == [[0.1, 0.2, 0.3, 0.408]] * 2
    assert max(drawn[0][1]) == pytest.approx((100 + 8 * 30) / 108) and (tmp_path / "log.jsonl").read_text() == text
    assert (tmp_path / "losses.png").stat().st_size > 0


@pytest.mark.parametrize("wrong", ({"loss_d": None}, {"loss_g": "x"}, {"resolution": []}, {"loss_d": True}))
def test_a_line_without_losses_takes_no_other_from_the_plot(wrong):
    line = {"nimg": 8, "resolution": 8, "loss_d": 1.0, "loss_g": 2.0}
    assert runlog.loss_points([line, {**line, **wrong, "nimg": 16}]) == [(8, 1.0, 2.0)]
    # Nor one that stands twice.
    assert runlog.loss_points([line, line, {**line, "nimg": 0}, {**line, "nimg": 4}]) == [(8, 1.0, 2.0)]


def test_an_image_count_is_a_number(tmp_path):
    (tmp_path / "log.jsonl").write_text('{"nimg": true}\n{"nimg": 8.5}\n{"nimg": 8}\n')
    assert runlog.read_log(tmp_path) == [{"nimg": 8}]
