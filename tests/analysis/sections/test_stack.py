"""The section of whole persons: numbers, controls, and what it needs."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from network_tools import people

from analysis import stacks
from analysis.context import NotHereError
from analysis.geometry import Geometry
from analysis.sections import stack
from analysis.stacks import Stack


def test_a_generator_without_heights_has_none_of_it(context_of, tiny_run):
    with pytest.raises(NotHereError, match="the generator knows no heights"):
        stack.measure(context_of(tiny_run))


@pytest.fixture(params=["slice_mm"])
def placed(tiny_run, tmp_path, toy_root, request):
    """A run on the toy slices, three heights of each person; the parameter is their column."""
    import csv

    from progan_style import Trainer, load_config, load_data, save_config

    root, run_dir = tmp_path / "slices", tmp_path / "run"
    with_heights = {}
    for path in sorted(toy_root.rglob("*.png")):
        for k in range(2):
            copy = root / path.relative_to(toy_root).with_name(f"{path.stem}{k}.png")
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
            with_heights[copy.relative_to(root).as_posix()] = (path.stem[:-2], 5 * (2 * int(path.stem[-1]) + k))
    with open(root / "manifest.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([("path", "subject", request.param), *((p, *cells) for p, cells in with_heights.items())])
    run_dir.mkdir()
    overrides = [f"data.root={root}", f"data.conditions={{{request.param}: position}}"]
    config = load_config(overlay=tiny_run.overlay, overrides=overrides)
    data = load_data(config, 16, progress=False)
    save_config(config, run_dir / "config.yaml")
    assert Trainer(config, data.train).run(run_dir)
    return replace(tiny_run, run_dir=run_dir, root=root, config=config, data=data)


def test_its_numbers_and_what_is_private(context_of, made, placed):
    numbers, pictures = made(stack, context_of(placed))
    assert [p.name for p in pictures] == ["stack"] and pictures[0].private
    assert numbers["stack.persons"] == 24
    for key in ("near", "far", "profile"):
        assert numbers[f"stack.{key}.low"] <= numbers[f"stack.{key}"] <= numbers[f"stack.{key}.high"]
    assert numbers["stack.near.real"] > 0.5  # of real discs two slices of a person are one picture
    assert "likeness of" in stack.answer(numbers)


@pytest.mark.parametrize("placed", ["template_mm", "height_rank"], indirect=True)
def test_heights_are_those_of_the_generators_own_column_and_mm_where_it_says_so(context_of, made, placed):
    column = next(iter(placed.config.data.conditions))
    context = replace(context_of(placed), geometry=Geometry("axial", 2.0))
    numbers, pictures = made(stack, context)
    assert numbers["stack.persons"] == 24 and ("stack.far" in numbers) == (column == "template_mm")
    names = ["stack", "stack_planes"] if column == "template_mm" else ["stack"]
    assert [picture.name for picture in pictures] == names
    above, below = pictures[0].content.axes
    assert above.get_title().endswith(" mm") == (column == "template_mm") and column in below.get_xlabel()


def test_the_real_people_in_the_generators_place_are_as_good_as_they_are(context_of, placed, monkeypatch):
    """A generator that returns the real slices: its numbers are those of real people, the control's are worse."""
    context = context_of(placed)
    held_out = context.held_out
    real = stacks.stacks_of(held_out.images, held_out.labels, held_out.subjects, context.positions)
    given = iter(real)
    monkeypatch.setattr(stack, "like", lambda G, one, seed: next(given))
    numbers, _ = stack.measure(context)
    for key in ("near", "far", "profile"):
        assert numbers[f"stack.{key}"] == pytest.approx(numbers[f"stack.{key}.real"])
    assert numbers["stack.near.others"] < numbers["stack.near"]


def test_a_stack_is_cut_in_three_planes(context_of, tiny_run):
    """Millimetres are known: what lies along a row of the pictures, and along a column beside the middle."""
    context = replace(context_of(tiny_run), geometry=Geometry("axial", 2.0))
    images = np.zeros((3, 1, 16, 16), np.uint8)
    images[:, 0, 8] = np.arange(16) + 10 * np.arange(3)[:, None]  # the middle row, brighter from slice to slice
    images[:, 0, :8, 13] = 200  # 10 mm beside the middle, in the upper half
    one = Stack(images, np.array([2.0, 4.0, 10.0]), 0)
    picture = stack.in_three_planes(context, {key: [one] for key in ("real", "made", "others")}, 2.0)
    axes = picture.content.axes
    assert [ax.get_ylabel() for ax in axes[::3]] == ["axial", "coronal", "sagittal"]
    front, side = (ax.collections[0].get_array().reshape(3, 16) for ax in (axes[3], axes[6]))
    assert np.array_equal(front, images[:, 0, 8]) and np.array_equal(side, images[:, 0, :, 13])
    low, high = axes[3].get_ylim()
    assert (low, high) == (1.0, 13.0) and axes[3].get_xlim() == (0.0, 32.0)


def test_too_few_people_and_heights_beyond_the_range_are_left_out():
    some = [
        Stack(np.zeros((3, 1, 8, 8), np.uint8), np.array([h, h + 1, h + 2.0]), label)
        for h in (0, 9)
        for label in (0, 1)
    ]
    with pytest.raises(NotHereError, match="of each of 4 people of a class; there are 1"):
        stack.chosen(some, (0.0, 5.0), 2)


def test_the_control_is_of_another_seed_at_every_height_of_the_same_person(monkeypatch):
    """Also where people have different numbers of slices, or one alone has as many."""
    asked = []

    def fake(G, labels, seeds, given):
        asked.extend(zip(labels.tolist(), seeds, given["slice_mm"], strict=True))
        return torch.arange(len(seeds), dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 8, 8)

    monkeypatch.setattr(stack, "generate", fake)
    real = [Stack(np.zeros((n, 1, 8, 8), np.uint8), np.arange(n) * 5.0 + i, i % 2) for i, n in enumerate((3, 4, 5, 3))]
    others = stack.strangers_of(people(), real)
    assert [other.images[:, 0, 0, 0].tolist() for other in others] == [
        *map(list, (range(3), range(3, 7), range(7, 12), range(12, 15)))
    ]
    assert [row[0] for row in asked] == [0] * 3 + [1] * 4 + [0] * 5 + [1] * 3
    assert [row[2] for row in asked] == [height for one in real for height in one.heights]
    seeds = [row[1] for row in asked]
    assert len(set(seeds)) == 15 and min(seeds) >= stack.FIRST_SEED + len(real)  # none is of the measured stacks
