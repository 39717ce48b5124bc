import math

import pytest
import torch

from progan_style.checkpoint import save_network
from progan_style.run import WEIGHTS
from progan_style.training.recovery import LINES_KEPT, LINES_NEEDED, Watchdog, drop_later, not_finite

HEALTHY = {"loss_d": 1.3, "margin": 0.5, "grad_d": 0.5, "grad_g": 1.0}


def fed(lines=LINES_NEEDED, resolution=8):
    dog = Watchdog()
    for i in range(lines):
        assert dog.look(HEALTHY, resolution, 100 * (i + 1)) is None
    return dog


def test_what_is_not_finite_is_told_at_once():
    assert Watchdog().look(HEALTHY | {"grad_g": math.inf}, 8, 100) == "not finite: grad_g"
    assert not_finite({"a": math.nan, "b": 0.0, "c": -math.inf}) == "not finite: a, c"
    assert not_finite(HEALTHY) is None


@pytest.mark.parametrize("resolution", (8, 256))
@pytest.mark.parametrize("sign", (1, -1))
def test_a_margin_counts_in_two_lines_in_a_row_from_the_first_line_on(resolution, sign):
    dog = Watchdog()
    inside, beyond = (HEALTHY | {"margin": sign * factor * 4 * resolution} for factor in (0.99, 1.01))
    assert dog.look(inside, resolution, 100) is None
    assert dog.look(beyond, resolution, 200) is None and dog.look(HEALTHY, resolution, 300) is None
    assert dog.look(beyond, resolution, 400) is None and dog.good == 300
    assert f"beyond {4 * resolution}, in 2 lines" in dog.look(beyond, resolution, 500)
    assert dog.good == 300


@pytest.mark.parametrize("key, whose", (("grad_d", "D's"), ("grad_g", "G's")))
def test_a_gradient_is_large_against_the_healthy_lines_before(key, whose):
    large = HEALTHY | {key: 101 * HEALTHY[key]}
    dog = fed(LINES_NEEDED - 1)  # too few lines to say
    assert dog.look(large, 8, 900) is None and dog.doubts == 0
    dog = fed()
    assert dog.look(large, 8, 900) is None
    assert dog.look(large, 8, 1000).startswith(f"{whose} gradient norm is {large[key]:.3g}, after {HEALTHY[key]:.3g}")
    assert fed().look(HEALTHY | {key: 99 * HEALTHY[key]}, 8, 900) is None


def test_its_memory_is_bounded_and_travels():
    dog = fed(2 * LINES_KEPT)
    assert len(dog.gradients["grad_d"]) == LINES_KEPT
    dog.look(HEALTHY | {"margin": 1e6}, 8, 10**6)
    again = Watchdog()
    again.load(dog.state())
    assert again.state() == dog.state() and again.doubts == 1
    dog.look(HEALTHY, 8, 10**7)
    assert again.state() != dog.state()  # its own lists


def test_each_rollback_halves_the_rate():
    dog = fed()
    assert dog.rate == 1.0
    dog.went_back(2, 50)
    assert (dog.rate, dog.good, dog.doubts) == (0.25, 50, 0)


def test_averages_of_a_way_that_is_left_are_taken_away_and_others_stay(tmp_path):
    for r, name, nimg in ((8, "last", 400), (8, "best", 152), (16, "last", 500), (16, "best", 460)):
        path = tmp_path / f"stage-{r:03d}" / WEIGHTS[name]
        path.parent.mkdir(exist_ok=True)
        save_network(path, torch.nn.Linear(2, 2), {"nimg": nimg})
    best = {8: 0.1, 16: 0.2}
    drop_later(tmp_path, (8, 16, 32), 400, best)
    kept = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.safetensors"))
    assert kept == ["stage-008/generator-best.safetensors", "stage-008/generator.safetensors"] and best == {8: 0.1}
    (tmp_path / "stage-008" / WEIGHTS["best"]).write_bytes(b"damaged")
    drop_later(tmp_path, (8,), 100, best)
    assert (tmp_path / "stage-008" / WEIGHTS["best"]).exists() and best == {8: 0.1}
