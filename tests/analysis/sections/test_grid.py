"""Real slices stand beside generated ones, and a figure without real ones for a public page."""

from analysis.sections import grid


def test_reals_are_private_and_generated_slices_alone_are_not(context_of, made, tiny_run):
    numbers, pictures = made(grid, context_of(tiny_run))
    keys = ("corners", "corners.faint", "brightness")
    assert set(numbers) == {key + ending for key in keys for ending in ("", ".real")}
    assert [(p.name, p.private) for p in pictures] == [("real_vs_fake", True), ("generated", False)]
    shown = pictures[0].content.axes[0].get_images()[0].get_array()
    assert shown.shape == (8 * 16, grid.COLUMNS * 16)  # two rows of reals and two of generated slices of each class
