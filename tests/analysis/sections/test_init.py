"""Every section keeps the contract: what it shows, its numbers, and names that are known."""

import pytest

from analysis import sections
from analysis.numbers import Number


@pytest.mark.parametrize("name", sections.NAMES)
def test_a_section_says_what_it_shows(name):
    section = sections.load()[name]
    assert section.what.endswith((".", "?")) and len(section.what) < 120
    assert all(isinstance(number, Number) and number.meaning for number in section.numbers)


def test_names_are_known_and_groups_are_names():
    assert sections.check_sections(["grid", "latents"]) == ["grid", "latents"]
    for wrong in (["fidelty"], []):
        with pytest.raises(ValueError, match="--parts: expected some of grid, training, similarity"):
            sections.check_sections(wrong)
    assert all(name in sections.NAMES for names in sections.GROUPS.values() for name in names)


def test_long_sections_and_those_of_networks_are_not_usual_everywhere(context_of, tiny_run):
    from dataclasses import replace

    context = context_of(tiny_run)
    assert sections.usual(context) == [name for name in sections.NAMES if name not in ("utility", "own")]
    without = sections.usual(replace(context, generator=None))
    assert without == ["grid", "similarity", "fidelity", "copies", "umap", "inception"]
