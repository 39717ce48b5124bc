import pytest
import torch
from network_tools import people

from explorer.conditions import CategoryCondition, NumberCondition, condition, conditions_of
from progan_style import load_generator


def test_a_generator_s_positions_are_a_slider_in_their_own_unit(write_generator, tmp_path):
    G = load_generator(write_generator(tmp_path / "G.safetensors"))
    assert conditions_of(G) == (NumberCondition("slice_mm", -20.0, 20.0, 0.0),)
    made = condition(G, torch.tensor([[0.25, 0.0, 0.75]] * 2), {"slice_mm": 6.0})
    assert made.class_weights.tolist() == [[0.25, 0.0, 0.75]] * 2
    assert made.position.tolist() == [0.5] * 2  # 6 is the fourth of five quantiles
    with pytest.raises(ValueError, match="slice_mm=21: expected -20 to 20"):
        condition(G, torch.eye(3), {"slice_mm": 21.0})


def test_numbers_have_sliders_and_categories_have_lists():
    G = people()
    age, sex = NumberCondition("age", 50.0, 90.0, 70.0, "years"), CategoryCondition("sex", ("F", "M"))
    assert conditions_of(G) == (age, sex, NumberCondition("slice_mm", -30.0, 30.0, 0.0))
    made = condition(G, torch.eye(2), {"age": 75.0, "sex": "M", "slice_mm": 30.0})
    assert made.values.tolist() == [[1.0, 1.0]] * 2 and made.position.tolist() == [1.0] * 2
    with pytest.raises(KeyError):
        condition(G, torch.eye(2), {"age": 75.0, "slice_mm": 0.0})


def test_a_run_without_conditions_has_no_slider(pictures):
    assert conditions_of(pictures.G) == () and condition(pictures.G, torch.eye(2), {}).position is None


@pytest.mark.parametrize(
    "positions",
    (
        {},
        {"column": 3, "quantiles": [0.0, 1.0]},
        {"column": "z", "quantiles": "ab"},
        {"column": "z", "quantiles": [1.0]},
        {"column": "z", "quantiles": [1.0, 0.0]},
        {"column": "z", "quantiles": [0.0, float("nan")]},
    ),
)
def test_a_header_that_tells_of_them_in_another_way_is_refused(write_generator, positions, tmp_path):
    path = write_generator(tmp_path / "G.safetensors", positions=positions)
    with pytest.raises(ValueError, match="the header of this network is wrong: conditions: position"):
        load_generator(path)
