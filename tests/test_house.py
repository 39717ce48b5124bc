"""The measures that keep the house readable; `python -m benchmarks.house` prints them."""

from pathlib import Path

import pytest

from benchmarks import house

REPO = Path(__file__).parents[1]
MODEL = ("progan_style",)  # and the scripts at the top


def test_a_step_is_six_calls_from_main(toy_root):
    """The sixth is take_step, which can be recorded as a whole."""
    frames, files = house.traced_step(REPO, toy_root)
    assert len(frames) - 1 <= 6 and frames[0] == "main" and frames[-1] == "update_D", frames
    assert "progan_style/training/step.py" in files and len(files) <= 11, files


def test_a_file_fits_a_sitting_a_function_fits_a_screen_and_a_call_fits_a_line_or_two():
    for packages in (MODEL, ("analysis",), ("explorer",)):
        assert house.longest_file(REPO, packages) <= (350, "~")
        assert house.longest_function(REPO, packages) <= (60, "~")
        assert house.most_arguments(REPO, packages) <= (9, "~")


# What of a package's own files is more than a docstring, imports and names
WITH_CODE = {
    "analysis": ("sections/__init__.py",),
    "explorer": (),
    "progan_style": ("__init__.py", "networks/__init__.py", "phantoms/__main__.py"),
}


@pytest.mark.parametrize("package", WITH_CODE)
def test_every_module_has_its_test_file(package):
    names = [path.relative_to(REPO / package) for path in sorted((REPO / package).rglob("*.py"))]
    names = [name for name in names if not name.name.startswith("__") or str(name) in WITH_CODE[package]]
    tests = [name.with_name(f"test_{name.stem.strip('_')}.py") for name in names]
    assert not [str(name) for name in tests if not (REPO / "tests" / package / name).is_file()]


def test_no_type_is_ignored_for_a_network():
    """What is left: torchvision's library, a figure of matplotlib."""
    left = {line.partition(":")[0] for line in house.ignored_types(REPO)}
    assert left <= {"progan_style/vision.py", "analysis/plots.py"}


def test_the_counts_are_right(tmp_path):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "a.py").write_text("def one(a, /, b, *, c):\n    return a\n\n\nx = 1  # type: ignore\n")
    (tmp_path / "top.py").write_text("class K:\n    def two(self, a):\n        b = a\n        return b\n")
    only = ("package",)
    assert house.longest_file(tmp_path, only) == (5, "package/a.py")
    assert house.longest_function(tmp_path, only) == (3, "top.py: two")
    assert house.most_arguments(tmp_path, only) == (3, "package/a.py: one")
