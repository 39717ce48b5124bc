import pytest
import torch

from explorer.conditions import NumberCondition, condition, conditions_of
from progan_style import load_generator, rank_of


def test_a_generator_s_positions_are_a_slider_in_their_own_unit(write_generator, tmp_path):
    G = load_generator(write_generator(tmp_path / "G.safetensors"))
    assert conditions_of(G) == (NumberCondition("slice_mm", -20.0, 20.0, 0.0),)
    made = condition(G, torch.tensor([[0.25, 0.0, 0.75]] * 2), {"slice_mm": 6.0})
    assert made.class_weights.tolist() == [[0.25, 0.0, 0.75]] * 2
    assert made.position.tolist() == pytest.approx([rank_of(6.0, G.header["positions"])] * 2)
    with pytest.raises(ValueError, match="position 21: expected -20 to 20"):
        condition(G, torch.eye(3), {"slice_mm": 21.0})


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
def test_a_header_that_tells_of_them_in_another_way_is_refused(pictures, positions, monkeypatch):
    monkeypatch.setattr(pictures.G, "header", pictures.G.header | {"positions": positions})
    with pytest.raises(ValueError, match="expected a column and its rising quantiles"):
        conditions_of(pictures.G)
