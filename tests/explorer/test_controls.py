from dataclasses import replace

import pytest
from bokeh.events import ButtonClick

from explorer.conditions import CategoryCondition, NumberCondition
from explorer.controls import Controls
from explorer.state import Choices, first_state

CHOICES = Choices("r", (8, 16, 64), ("CN", "MCI", "AD"), (NumberCondition("slice_mm", -20.0, 20.0, 1.0),))
START = first_state(CHOICES, 64)


@pytest.fixture
def calls():
    return []


@pytest.fixture
def controls(calls):
    return Controls(CHOICES, START, lambda: calls.append(1))


def test_widgets_hold_a_state(controls, calls):
    other = replace(START, size=16, seed=4, low="MCI", weight=0.25, way="label", psi=0.5, noise=3, other=8, coarse=4)
    for state in (START, replace(other, scale=128, tab="mixing", given=(("slice_mm", -3.5),))):
        controls.set(state)
        assert controls.state() == state
    assert calls == [] and controls.noise.visible and all(widget.visible for widget in controls.mixing)


def test_a_change_by_hand_is_told_once(controls, calls):
    controls.weight.value = 0.5
    assert calls == [1] and controls.state() == replace(START, weight=0.5)
    controls.given["slice_mm"].value = 20.000000001  # a rounding beyond the end
    assert calls == [1, 1] and dict(controls.state().given) == {"slice_mm": 20.0}


def test_noise_of_another_seed_begins_with_the_brain_s_own(controls):
    controls.seed.value = 6
    assert not controls.noise.visible
    controls.own_noise.active = False
    assert controls.state().noise == 6 and controls.noise.visible


def test_another_brain_is_the_next_seed(controls, calls):
    controls.next._trigger_event(ButtonClick(controls.next))
    assert controls.state().seed == 1 and calls == [1]


def test_an_emptied_field_keeps_its_number_and_a_large_one_the_largest(controls):
    controls.seed.value = 5
    controls.seed.value = None
    assert controls.state().seed == 5


def test_a_smaller_size_has_fewer_places_to_mix(controls):
    controls.coarse.value = "32"
    controls.size.value = "8"
    assert controls.state().coarse == 4 and controls.coarse.options == [("4", "4x4")]


def test_what_a_run_does_not_have_has_no_widget():
    def names(choices):
        controls = Controls(choices, first_state(choices, 8), lambda: None)
        return {model.name for model in controls.layout.references() if getattr(model, "name", None)}

    one = names(Choices("r", (8,), ("all",), (NumberCondition("level", 3.0, 3.0, 3.0),)))
    assert not {"weight", "way", "scale", "low", "given.level"} & one and {"seed", "psi", "size"} <= one
    two = names(Choices("r", (8,), ("CN", "AD")))
    assert "weight" in two and "low" not in two
    assert {"low", "high", "given.slice_mm"} <= names(CHOICES)


def test_a_column_s_name_is_text_whatever_is_in_it():
    """BokehJS sets a title that holds TeX as HTML: $$..$$, \\[..\\], \\(..\\)."""
    for name in ("$$x$$<img src=x onerror=y>", "\\(x\\)<b>", "\\[x\\]<b>"):
        choices = Choices("r", (8,), ("all",), (NumberCondition(name, 0.0, 1.0, 0.5),))
        slider = Controls(choices, first_state(choices, 8), lambda: None).given[name]
        assert not set("$\\") & set(slider.title) and slider.name == f"given.{name}"
        classes = Choices("r", (8,), (name, f"{name}2"))
        controls = Controls(classes, first_state(classes, 8), lambda: None)
        controls.set(first_state(classes, 8))
        assert not set("$\\") & set(controls.weight.title) and "(0) to" in controls.weight.title


def test_a_condition_of_one_value_keeps_it():
    choices = Choices("r", (8,), ("all",), (NumberCondition("level", 3.0, 3.0, 3.0),))
    assert Controls(choices, first_state(choices, 8), lambda: None).state().given == (("level", 3.0),)


def test_a_category_is_a_list_of_its_names(calls):
    sex, age = CategoryCondition("sex", ("F", "M$")), NumberCondition("age", 50.0, 90.0, 70.0, "years")
    choices = Choices("r", (8,), ("all",), (sex, age))
    controls = Controls(choices, first_state(choices, 8), lambda: calls.append(1))
    assert controls.state().given == (("sex", "F"), ("age", 70.0)) and controls.given["age"].title == "age, years"
    assert controls.given["sex"].options == [("F", "F"), ("M$", "M")]
    controls.given["sex"].value = "M$"
    assert calls == [1] and dict(controls.state().given)["sex"] == "M$"
